interface Holding {
  bytes: number;
  /** Time at which the peer last released bytes, or began to hold some. */
  since: number;
}

/** Bytes held for peers, with the time since which each peer has made no progress. */
export class HeldBytes<Peer> {
  readonly limit: number;
  /** Holdings in order of progress: the peer that has made none for the longest time is first. */
  readonly #holdings = new Map<Peer, Holding>();
  #total = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get total(): number {
    return this.#total;
  }

  /** Bytes left below the limit; at least 0. */
  get room(): number {
    return Math.max(0, this.limit - this.#total);
  }

  add(peer: Peer, bytes: number, now: number): void {
    const held = this.#holdings.get(peer);
    this.#total += bytes;
    if (held !== undefined) held.bytes += bytes;
    else this.#holdings.set(peer, { bytes, since: now });
  }

  /** Releases bytes of a peer, which counts as progress. */
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

  /** Peer that has made no progress for the longest time, if that time began before `time`. */
  stalledBefore(time: number): Peer | undefined {
    const [first] = this.#holdings;
    return first !== undefined && first[1].since < time ? first[0] : undefined;
  }
}
