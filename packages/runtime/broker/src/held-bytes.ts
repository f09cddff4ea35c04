interface Holding {
  bytes: number;
  /** When this peer last let go of something, or began to hold. */
  since: number;
}

/** Memory that waits for peers: who makes us hold how much of it, and since when without a sign of life. */
export class HeldBytes<Peer> {
  readonly limit: number;
  /** The longest without a sign of life first. */
  readonly #holdings = new Map<Peer, Holding>();
  #total = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get total(): number {
    return this.#total;
  }

  /** What is left of the limit, 0 at the least. */
  get room(): number {
    return Math.max(0, this.limit - this.#total);
  }

  add(peer: Peer, bytes: number, now: number): void {
    const held = this.#holdings.get(peer);
    this.#total += bytes;
    if (held !== undefined) held.bytes += bytes;
    else this.#holdings.set(peer, { bytes, since: now });
  }

  /** Some of it is gone: a sign of life. */
  give(peer: Peer, bytes: number, now: number): void {
    const held = this.#holdings.get(peer);
    if (held === undefined) return;
    this.#total -= bytes;
    this.#holdings.delete(peer);
    if (held.bytes > bytes) this.#holdings.set(peer, { bytes: held.bytes - bytes, since: now });
  }

  forget(peer: Peer): void {
    this.#total -= this.#holdings.get(peer)?.bytes ?? 0;
    this.#holdings.delete(peer);
  }

  /** Who has held the longest without a sign of life, if that is since before `time`. */
  stalledBefore(time: number): Peer | undefined {
    const [first] = this.#holdings;
    return first !== undefined && first[1].since < time ? first[0] : undefined;
  }
}
