import { readFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const END_BYTES = 22;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;

interface Entry {
  readonly deflated: boolean;
  readonly size: number;
  readonly at: number;
}

/** Reader of the files in a jar (a zip without the 64-bit extensions). */
export class Jar {
  readonly #bytes: Buffer;
  readonly #entries = new Map<string, Entry>();

  constructor(path: string) {
    const bytes = readFileSync(path);
    this.#bytes = bytes;
    let end = bytes.length - END_BYTES;
    while (end >= 0 && bytes.readUInt32LE(end) !== END) end--;
    if (end < 0) throw new Error(`${path} is not a jar`);
    let at = bytes.readUInt32LE(end + 16);
    for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
      if (bytes.readUInt32LE(at) !== CENTRAL) throw new Error(`${path} is damaged`);
      const nameLength = bytes.readUInt16LE(at + 28);
      const more = bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
      this.#entries.set(bytes.toString("utf8", at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameLength), {
        deflated: bytes.readUInt16LE(at + 10) !== 0,
        size: bytes.readUInt32LE(at + 20),
        at: bytes.readUInt32LE(at + 42),
      });
      at += CENTRAL_BYTES + nameLength + more;
    }
  }

  names(): string[] {
    return [...this.#entries.keys()];
  }

  text(name: string): string {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new Error(`the jar has no ${name}`);
    const { deflated, size, at } = entry;
    const from = at + LOCAL_BYTES + this.#bytes.readUInt16LE(at + 26) + this.#bytes.readUInt16LE(at + 28);
    const data = this.#bytes.subarray(from, from + size);
    return (deflated ? inflateRawSync(data) : data).toString("utf8");
  }
}
