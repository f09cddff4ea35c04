import type { Digest128, Offset } from "@samsa/base";
/** Size of an entry in bytes: four words of the key's digest, two of its offset. */
const MAP_ENTRY_BYTES = 24;
const WORDS = MAP_ENTRY_BYTES / 4;
const FIRST_SLOTS = 1024;
/** Load at which the table grows, up to its bound. */
const CROWDED = 0.6;
const HIGH_WORD = 0x100000000;

/**
 * Last offset of each key, by the key's digest, in one table of numbers (`SkimpyOffsetMap`). Memory grows with the keys
 * up to a bound; further keys are refused then.
 */
export class OffsetMap {
  /** Offset up to which all records have been added; -1: none. */
  latestOffset: Offset = -1;
  size = 0;
  readonly #digest: Digest128;
  /** Digest of the key in hand. */
  readonly #words = new Uint32Array(4);
  readonly #mostSlots: number;
  readonly #mostKeys: number;
  #slots = 0;
  #table = new Uint32Array(0);

  /** Limits the table to `bytes`, of which keys may fill the share `loadFactor`. Equal digests count as equal keys. */
  constructor(bytes: number, loadFactor: number, digest: Digest128) {
    this.#digest = digest;
    this.#mostSlots = Math.max(2, Math.floor(bytes / MAP_ENTRY_BYTES));
    // A slot must stay free, so that the search for a missing key ends.
    this.#mostKeys = Math.max(1, Math.min(this.#mostSlots - 1, Math.floor(this.#mostSlots * loadFactor)));
    this.clear();
  }

  /** Removes all keys, and frees the memory of a grown table. */
  clear(): void {
    this.latestOffset = -1;
    this.size = 0;
    this.#slots = Math.min(FIRST_SLOTS, this.#mostSlots);
    this.#table = new Uint32Array(this.#slots * WORDS);
  }

  /** Sets the last offset of `key`; false if there is no room for another key. Offsets must grow. */
  put(key: Uint8Array, offset: Offset): boolean {
    this.#digest(key, this.#words);
    let at = this.#find(this.#words);
    if (this.#isFree(at)) {
      if (this.size >= this.#mostKeys) return false;
      if (this.size >= this.#slots * CROWDED && this.#slots < this.#mostSlots) {
        this.#grow();
        at = this.#find(this.#words);
      }
      this.#table.set(this.#words, at);
      this.size++;
    }
    this.#table[at + 4] = Math.floor(offset / HIGH_WORD) + 1;
    this.#table[at + 5] = offset % HIGH_WORD;
    return true;
  }

  /** Last offset of `key`; -1 if the map does not have it. */
  get(key: Uint8Array): Offset {
    this.#digest(key, this.#words);
    const at = this.#find(this.#words);
    return this.#isFree(at) ? -1 : ((this.#table[at + 4] as number) - 1) * HIGH_WORD + (this.#table[at + 5] as number);
  }

  /** True if the slot is free: the high word of an offset is stored plus one, so that 0 means free. */
  #isFree(at: number): boolean {
    return this.#table[at + 4] === 0;
  }

  /** Position of the key in the table, or of the slot for it. */
  #find(words: Uint32Array): number {
    const table = this.#table;
    const a = words[0] as number;
    const b = words[1] as number;
    const c = words[2] as number;
    const d = words[3] as number;
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
      const entry = old.subarray(from, from + WORDS);
      this.#table.set(entry, this.#find(entry));
    }
  }
}
