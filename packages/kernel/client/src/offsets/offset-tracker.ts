import { invariant, type LeaderEpoch, type Offset } from "@samsa/base";

/** Smallest memory of a tracker, in records. A power of 2, like all sizes. */
const LEAST = 16;

/**
 * Records of one partition that handlers work on, in any order, and the offset that may be committed: below it, every
 * record is done. Compaction and control records leave gaps between offsets. No call allocates, but for the growth of
 * the memory up to the limit.
 */
export class OffsetTracker {
  readonly #limit: number;
  /** Offsets of records that were handed out, in a ring: ticket n is at `n & mask`. */
  #offsets: Float64Array;
  #epochs: Int32Array;
  /** 1: done. */
  #done: Uint8Array;
  #mask: number;
  /** Ticket of the first record that is not done; all before are. */
  #head = 0;
  /** Ticket of the next record. */
  #tail = 0;
  /** Offset after the last record that was handed out, or that was passed over. */
  #position: Offset;
  #epoch: LeaderEpoch;

  /**
   * Begins at `position`, with the leader epoch of the record before it; −1: not known. `limit` is the most records that
   * handlers may work on at a time.
   */
  constructor(position: Offset, epoch: LeaderEpoch, limit: number) {
    invariant(limit >= 1, "a tracker has room for a record");
    this.#limit = limit;
    this.#offsets = new Float64Array(LEAST);
    this.#epochs = new Int32Array(LEAST);
    this.#done = new Uint8Array(LEAST);
    this.#mask = LEAST - 1;
    this.#position = position;
    this.#epoch = epoch;
  }

  /** Number of records from the first that is not done to the last that was handed out. */
  get size(): number {
    return this.#tail - this.#head;
  }

  /** True if no record may be handed out until the first one is done. */
  get isFull(): boolean {
    return this.size >= this.#limit;
  }

  /** Offset to commit: that of the first record that is not done, or the position. */
  get watermark(): Offset {
    return this.#head === this.#tail ? this.#position : (this.#offsets[this.#head & this.#mask] as Offset);
  }

  /** Leader epoch of the record before the watermark; −1: not known. */
  get epoch(): LeaderEpoch {
    return this.#epoch;
  }

  /** Offset of the next record, for all that is known here. */
  get position(): Offset {
    return this.#position;
  }

  /** Hands out the record at `offset`, which is at or above the position. Returns its ticket for `finish`. */
  start(offset: Offset, epoch: LeaderEpoch): number {
    if (this.isFull || offset < this.#position) return this.#refuse(offset);
    if (this.size > this.#mask) this.#grow();
    const ticket = this.#tail++;
    const at = ticket & this.#mask;
    this.#offsets[at] = offset;
    this.#epochs[at] = epoch;
    this.#done[at] = 0;
    this.#position = offset + 1;
    return ticket;
  }

  /**
   * Passes over what is not handed out, up to `position`: gaps, control records, records of aborted transactions.
   * `epoch` of the record before it, if nothing is handed out; −1: not known.
   */
  skipTo(position: Offset, epoch: LeaderEpoch = -1): void {
    if (position <= this.#position) return;
    this.#position = position;
    if (epoch >= 0 && this.#head === this.#tail) this.#epoch = epoch;
  }

  /** The handler of a record is done with it. A ticket that is done already changes nothing. */
  finish(ticket: number): void {
    if (ticket < this.#head || ticket >= this.#tail) return;
    this.#done[ticket & this.#mask] = 1;
    while (this.#head < this.#tail && this.#done[this.#head & this.#mask] === 1) {
      this.#epoch = this.#epochs[this.#head & this.#mask] as LeaderEpoch;
      this.#head++;
    }
  }

  #refuse(offset: Offset): never {
    invariant(!this.isFull, "a full tracker hands out no record");
    invariant(offset >= this.#position, "records are handed out in the order of their offsets");
    throw new RangeError("unreachable");
  }

  #grow(): void {
    const old = { offsets: this.#offsets, epochs: this.#epochs, done: this.#done, mask: this.#mask };
    const size = (old.mask + 1) * 2;
    this.#offsets = new Float64Array(size);
    this.#epochs = new Int32Array(size);
    this.#done = new Uint8Array(size);
    this.#mask = size - 1;
    for (let ticket = this.#head; ticket < this.#tail; ticket++) {
      const from = ticket & old.mask;
      const to = ticket & this.#mask;
      this.#offsets[to] = old.offsets[from] as number;
      this.#epochs[to] = old.epochs[from] as number;
      this.#done[to] = old.done[from] as number;
    }
  }
}
