const HIGH_PRIME = 0x01000193;
const LOW_PRIME = 0x85ebca6b;

/** Fingerprint of a history, 64 bits: two hashes of the FNV family that go over it together. */
export class Digest {
  #high = 0x811c9dc5 | 0;
  #low = 0x1000193;
  readonly #number = new Float64Array(1);
  readonly #words = new Uint32Array(this.#number.buffer);

  text(text: string): void {
    let high = this.#high;
    let low = this.#low;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      high = Math.imul(high ^ unit, HIGH_PRIME);
      low = Math.imul(low ^ unit, LOW_PRIME);
      low ^= low >>> 15;
    }
    // The length tells where a text ends.
    this.#high = Math.imul(high ^ text.length, HIGH_PRIME);
    this.#low = Math.imul(low ^ text.length, LOW_PRIME);
  }

  number(value: number): void {
    this.#number[0] = value;
    for (let i = 0; i < 2; i++) {
      const word = this.#words[i] as number;
      // A product only carries upwards: without the shift, high bits would not reach low ones.
      const high = Math.imul(this.#high ^ word, HIGH_PRIME);
      this.#high = high ^ (high >>> 16);
      const low = Math.imul(this.#low ^ word, LOW_PRIME);
      this.#low = low ^ (low >>> 13);
    }
  }

  /** The fingerprint so far, in 16 hexadecimal digits. */
  hash(): string {
    return hex(this.#high) + hex(this.#low);
  }
}

function hex(word: number): string {
  const mixed = Math.imul(word ^ (word >>> 16), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 13)) >>> 0).toString(16).padStart(8, "0");
}
