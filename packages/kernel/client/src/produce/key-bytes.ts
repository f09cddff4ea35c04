/** Longest text, in UTF-16 units, whose bytes are written by a loop into memory that is there. */
const SHORT = 64;
const encoder = new TextEncoder();

/** Bytes of keys for the partitioner. Those of short ASCII text take no allocation. */
export class KeyBytes {
  readonly #memory = new Uint8Array(SHORT);
  /** Views of the memory by length. */
  readonly #views = Array.from({ length: SHORT + 1 }, (_, length) => this.#memory.subarray(0, length));

  /** Bytes of a key, until the next call. */
  of(key: Uint8Array | string): Uint8Array {
    if (typeof key !== "string") return key;
    const { length } = key;
    if (length > SHORT) return encoder.encode(key);
    const memory = this.#memory;
    let all = 0;
    for (let i = 0; i < length; i++) {
      const unit = key.charCodeAt(i);
      all |= unit;
      memory[i] = unit;
    }
    return all < 0x80 ? (this.#views[length] as Uint8Array) : encoder.encode(key);
  }
}
