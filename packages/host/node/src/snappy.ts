import { ByteWriter, MalformedError } from "@samsa/base";

/*
 * The raw snappy format: the length of the output as a varint, then elements. The low two bits of an element's tag tell
 * its kind: 0 is a literal, 1 to 3 are copies with a distance of 11, 16 or 32 bits.
 */

const HASH_BITS = 14;
const WINDOW = 65535;

const word = (b: Uint8Array, at: number): number =>
  (b[at] as number) | ((b[at + 1] as number) << 8) | ((b[at + 2] as number) << 16) | ((b[at + 3] as number) << 24);

/** Declared length of the output, and the position of the first element. */
export function snappyLength(input: Uint8Array): { length: number; start: number } {
  let length = 0;
  for (let i = 0; i < 5 && i < input.length; i++) {
    const byte = input[i] as number;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { length, start: i + 1 };
  }
  throw new MalformedError("snappy: no length");
}

/** Compresses `input` greedily into a raw block. */
export function snappyBlock(input: Uint8Array): Uint8Array {
  const writer = new ByteWriter(Math.max(64, input.length >> 1));
  writer.uvarint(input.length);
  const heads = new Int32Array(1 << HASH_BITS).fill(-1);
  const lastStart = input.length - 4;
  let anchor = 0;
  let at = 0;
  while (at <= lastStart) {
    const value = word(input, at);
    const slot = Math.imul(value, 0x1e35a7bd) >>> (32 - HASH_BITS);
    const candidate = heads[slot] as number;
    heads[slot] = at;
    if (candidate < 0 || at - candidate > WINDOW || word(input, candidate) !== value) {
      // Skip incompressible data in growing steps.
      at += 1 + ((at - anchor) >> 5);
      continue;
    }
    let length = 4;
    while (at + length < input.length && input[candidate + length] === input[at + length]) length++;
    literal(writer, input, anchor, at);
    copy(writer, at - candidate, length);
    at += length;
    anchor = at;
  }
  literal(writer, input, anchor, input.length);
  return writer.finish();
}

function literal(writer: ByteWriter, input: Uint8Array, start: number, end: number): void {
  if (start === end) return;
  const rest = end - start - 1;
  if (rest < 60) {
    writer.i8(rest << 2);
  } else {
    const bytes = rest < 0x100 ? 1 : rest < 0x10000 ? 2 : rest < 0x1000000 ? 3 : 4;
    writer.i8((59 + bytes) << 2);
    for (let i = 0; i < bytes; i++) writer.i8((rest >>> (8 * i)) & 0xff);
  }
  writer.raw(input.subarray(start, end));
}

function copy(writer: ByteWriter, distance: number, length: number): void {
  for (let rest = length; rest > 0; ) {
    const part = Math.min(rest, 64);
    writer.i8(((part - 1) << 2) | 2);
    writer.i8(distance & 0xff);
    writer.i8(distance >> 8);
    rest -= part;
  }
}
