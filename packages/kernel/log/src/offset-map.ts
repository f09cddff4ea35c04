/** Bytes of a key's entry: four words of its digest, two of its offset. */
export const MAP_ENTRY_BYTES = 24;
const WORDS = MAP_ENTRY_BYTES / 4;
const FIRST_SLOTS = 1024;
/** A table grows when it is this full, while it may. */
const CROWDED = 0.6;
const HIGH_WORD = 0x100000000;

/** Sixteen bytes that no two keys share. */
export type KeyDigest = (key: Uint8Array) => Uint8Array;

/**
 * The last offset of each key, by the key's digest, in one table of numbers (`SkimpyOffsetMap`). It takes as much memory
 * as its keys need, up to a bound, and refuses further keys then.
 */
export class OffsetMap {
  /** Everything up to this offset has been put in; -1: nothing has. */
  latestOffset = -1;
  size = 0;
  readonly #digest: KeyDigest;
  readonly #mostSlots: number;
  readonly #mostKeys: number;
  #slots = 0;
  #table = new Uint32Array(0);

  /** `bytes` that the table may take, of which keys may fill the share `loadFactor`. */
  constructor(bytes: number, loadFactor: number, digest: KeyDigest) {
    this.#digest = digest;
    this.#mostSlots = Math.max(2, Math.floor(bytes / MAP_ENTRY_BYTES));
    // A place must stay free, or a search for a key that is not there would not end.
    this.#mostKeys = Math.max(1, Math.min(this.#mostSlots - 1, Math.floor(this.#mostSlots * loadFactor)));
    this.clear();
  }

  /** Forgets all keys, and the memory that many of them took. */
  clear(): void {
    this.latestOffset = -1;
    this.size = 0;
    this.#slots = Math.min(FIRST_SLOTS, this.#mostSlots);
    this.#table = new Uint32Array(this.#slots * WORDS);
  }

  /** Notes `offset` as the last of `key`; false when there is no room for another key. Offsets grow. */
  put(key: Uint8Array, offset: number): boolean {
    const digest = this.#digest(key);
    const view = new DataView(digest.buffer, digest.byteOffset, 16);
    const words = [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)] as const;
    let at = this.#find(words);
    if (this.#isFree(at)) {
      if (this.size >= this.#mostKeys) return false;
      if (this.size >= this.#slots * CROWDED && this.#slots < this.#mostSlots) {
        this.#grow();
        at = this.#find(words);
      }
      this.#table.set(words, at);
      this.size++;
    }
    this.#table[at + 4] = Math.floor(offset / HIGH_WORD) + 1;
    this.#table[at + 5] = offset % HIGH_WORD;
    return true;
  }

  /** The last offset of `key`; -1 when it was not put in. */
  get(key: Uint8Array): number {
    const digest = this.#digest(key);
    const view = new DataView(digest.buffer, digest.byteOffset, 16);
    const at = this.#find([view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)]);
    return this.#isFree(at) ? -1 : (this.#table[at + 4] - 1) * HIGH_WORD + this.#table[at + 5];
  }

  /** The high word of an offset is kept one higher than it is, so that 0 means that nothing is there. */
  #isFree(at: number): boolean {
    return this.#table[at + 4] === 0;
  }

  /** Where the key is, or would go. */
  #find(words: readonly [number, number, number, number]): number {
    const table = this.#table;
    const [a, b, c, d] = words;
    for (let slot = a % this.#slots; ; slot = slot + 1 === this.#slots ? 0 : slot + 1) {
      const at = slot * WORDS;
      if (table[at + 4] === 0) return at;
      if (table[at] === a && table[at + 1] === b && table[at + 2] === c && table[at + 3] === d) return at;
    }
  }

  #grow(): void {
    const old = this.#table;
    this.#slots = Math.min(this.#mostSlots, this.#slots * 2);
    this.#table = new Uint32Array(this.#slots * WORDS);
    for (let from = 0; from < old.length; from += WORDS) {
      if (old[from + 4] === 0) continue;
      const at = this.#find([old[from], old[from + 1], old[from + 2], old[from + 3]]);
      this.#table.set(old.subarray(from, from + WORDS), at);
    }
  }
}
