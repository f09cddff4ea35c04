import { invariant } from "./assert.ts";
import type { Branded, Int64, Offset } from "./brands.ts";

const encoder = new TextEncoder();
// A BOM is data here, not an encoding mark: Kafka strings must survive a round trip byte for byte.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const TWO_32 = 4294967296;

/** Input ended early, or contains an invalid length or number. */
export class MalformedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "MalformedError";
  }
}

/** Output of a codec exceeds the caller's limit; the input may be valid. */
export class OutputLimitError extends MalformedError {
  constructor(codec: string, limit: number) {
    super(`${codec}: output of more than ${limit} bytes`);
    this.name = "OutputLimitError";
  }
}

/** Encodes `text` as UTF-8. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Decodes UTF-8; invalid bytes become U+FFFD. */
export function fromUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Size of `text` in UTF-8, in bytes. A lone surrogate counts as U+FFFD, as `TextEncoder` writes it. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    if (code < 0x800) length += 1;
    else if (code < 0xd800 || code > 0xdbff) length += 2;
    else {
      const next = text.charCodeAt(i + 1);
      // A surrogate pair takes four bytes for two units; a lone one becomes the three bytes of U+FFFD.
      length += 2;
      if (next >= 0xdc00 && next <= 0xdfff) i++;
    }
  }
  return length;
}

/** A DataView of the same memory. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Concatenates `chunks`. */
export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** Contents of `chunks` in one array, which is the chunk itself if there is one only. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : concat(chunks);
}

/** True if both arrays have the same contents. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Converts `value`, which must fit 64 bits, to `Int64`. */
export function toInt64(value: bigint): Int64 {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Sum of `a` and `b`; overflow wraps around, as in Java. */
export function addI64(a: Int64, b: Int64): Int64 {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return toInt64(BigInt.asIntN(64, BigInt(a) + BigInt(b)));
}

/** Difference of `a` and `b`; overflow wraps around, as in Java. */
export function subtractI64(a: Int64, b: Int64): Int64 {
  if (typeof a === "number" && typeof b === "number") {
    const difference = a - b;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return toInt64(BigInt.asIntN(64, BigInt(a) - BigInt(b)));
}

/**
 * Number to use for comparisons with log offsets or times of a clock, which stay far below 2^53. Values beyond ±2^53
 * become the largest or smallest safe integer, so that they compare the same.
 */
export function nearestNumber<Name extends string = never>(value: Branded<Int64, Name>): Branded<number, Name> {
  if (typeof value === "number") return value;
  const near = Number(value);
  if (Number.isSafeInteger(near)) return near;
  return value < 0n ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER;
}

/** Comparison function for ascending order. */
export function compareI64(a: Int64, b: Int64): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Reads a big-endian signed 64-bit integer. */
export function getI64(view: DataView, at: number): Int64 {
  const value = view.getInt32(at) * TWO_32 + view.getUint32(at + 4);
  return Number.isSafeInteger(value) ? value : view.getBigInt64(at);
}

/**
 * Reads a log offset. Throws `MalformedError` from 2^53 on: ten million records a second take 28 years to get there, so
 * such an offset is damage.
 */
export function getOffset(view: DataView, at: number): Offset {
  const value = view.getInt32(at) * TWO_32 + view.getUint32(at + 4);
  if (!Number.isSafeInteger(value)) throw new MalformedError(`an offset out of range at byte ${at}`);
  return value;
}

/** Writes a big-endian signed 64-bit integer. */
export function setI64(view: DataView, at: number, value: Int64): void {
  if (typeof value === "bigint") {
    view.setBigInt64(at, value);
    return;
  }
  view.setInt32(at, Math.floor(value / TWO_32));
  view.setUint32(at + 4, value >>> 0);
}

/** Appends big-endian numbers, varints, text and bytes to a growing buffer. */
export class ByteWriter {
  bytes: Uint8Array;
  view: DataView;
  position = 0;

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
    this.view = viewOf(this.bytes);
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.position + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.position + count));
    grown.set(this.bytes.subarray(0, this.position));
    this.bytes = grown;
    this.view = viewOf(grown);
  }

  i8(value: number): void {
    this.reserve(1);
    this.view.setInt8(this.position++, value);
  }

  i16(value: number): void {
    this.reserve(2);
    this.view.setInt16(this.position, value);
    this.position += 2;
  }

  /** Writes an unsigned 16-bit number, which has the same bytes as the signed one modulo 2^16. */
  u16(value: number): void {
    this.i16(value);
  }

  i32(value: number): void {
    this.reserve(4);
    this.view.setInt32(this.position, value);
    this.position += 4;
  }

  u32(value: number): void {
    this.i32(value);
  }

  i64(value: Int64): void {
    invariant(typeof value === "bigint" || Number.isSafeInteger(value), "a 64-bit number is exact");
    this.reserve(8);
    setI64(this.view, this.position, value);
    this.position += 8;
  }

  big64(value: bigint): void {
    this.reserve(8);
    this.view.setBigInt64(this.position, value);
    this.position += 8;
  }

  f64(value: number): void {
    this.reserve(8);
    this.view.setFloat64(this.position, value);
    this.position += 8;
  }

  /** Writes an unsigned 32-bit number as LEB128 (UNSIGNED_VARINT of the protocol). */
  uvarint(value: number): void {
    this.reserve(5);
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.bytes[this.position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.position++] = rest;
  }

  /** Writes a signed 32-bit number as zigzag LEB128 (VARINT of the protocol). */
  varint(value: number): void {
    this.uvarint((value << 1) ^ (value >> 31));
  }

  /** Writes a signed 64-bit number as zigzag LEB128 (VARLONG of the protocol). */
  varlong(value: Int64): void {
    if (typeof value === "number" && value >= -0x40000000 && value <= 0x3fffffff) {
      this.varint(value);
      return;
    }
    this.reserve(10);
    let rest = value >= 0 ? BigInt(value) << 1n : ((-BigInt(value) - 1n) << 1n) | 1n;
    while (rest > 0x7fn) {
      this.bytes[this.position++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.bytes[this.position++] = Number(rest);
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.position);
    this.position += bytes.length;
  }

  /** Writes UTF-8 without a length; `byteLength` must be `utf8Length(text)`. */
  text(text: string, byteLength: number): void {
    this.reserve(byteLength);
    if (byteLength === text.length && byteLength < 64) {
      // Most text of the protocol is short ASCII, for which a loop is faster than the encoder.
      for (let i = 0; i < byteLength; i++) this.bytes[this.position + i] = text.charCodeAt(i);
    } else {
      encoder.encodeInto(text, this.bytes.subarray(this.position, this.position + byteLength));
    }
    this.position += byteLength;
  }

  /** The written bytes, in memory shared with the writer. */
  finish(): Uint8Array {
    return this.bytes.subarray(0, this.position);
  }
}

/** Reads the formats of `ByteWriter`. Every read past `end` throws `MalformedError`. */
export class ByteReader {
  bytes: Uint8Array;
  view: DataView;
  position: number;
  end: number;

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.position = position;
    this.end = end;
  }

  remaining(): number {
    return this.end - this.position;
  }

  private take(count: number): number {
    const at = this.position;
    if (count < 0 || at + count > this.end) {
      throw new MalformedError(`${count} bytes wanted at byte ${at}, ${this.end - at} left`);
    }
    this.position = at + count;
    return at;
  }

  i8(): number {
    return this.view.getInt8(this.take(1));
  }

  i16(): number {
    return this.view.getInt16(this.take(2));
  }

  u16(): number {
    return this.view.getUint16(this.take(2));
  }

  i32(): number {
    return this.view.getInt32(this.take(4));
  }

  u32(): number {
    return this.view.getUint32(this.take(4));
  }

  i64(): Int64 {
    return getI64(this.view, this.take(8));
  }

  /** Reads a 64-bit log offset. Throws `MalformedError` from 2^53 on. */
  offset(): Offset {
    return getOffset(this.view, this.take(8));
  }

  big64(): bigint {
    return this.view.getBigInt64(this.take(8));
  }

  f64(): number {
    return this.view.getFloat64(this.take(8));
  }

  uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.take(1)] as number;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new MalformedError("a 32-bit varint takes at most 5 bytes");
  }

  varint(): number {
    const raw = this.uvarint();
    return (raw >>> 1) ^ -(raw & 1);
  }

  varlong(): Int64 {
    let low = 0;
    // 49 bits fit a double exactly, with room for the zigzag bit; longer numbers take the slow path.
    let scale = 1;
    const start = this.position;
    for (let i = 0; i < 7; i++) {
      const byte = this.bytes[this.take(1)] as number;
      low += (byte & 0x7f) * scale;
      if (byte < 0x80) return low % 2 === 0 ? low / 2 : -(low + 1) / 2;
      scale *= 128;
    }
    this.position = start;
    let raw = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.take(1)] as number;
      raw |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        const wrapped = BigInt.asUintN(64, raw);
        return toInt64((wrapped & 1n) === 0n ? wrapped >> 1n : -((wrapped + 1n) >> 1n));
      }
    }
    throw new MalformedError("a 64-bit varint takes at most 10 bytes");
  }

  /** A view of the next `length` bytes, not a copy. */
  raw(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  text(length: number): string {
    const at = this.take(length);
    if (length < 24) {
      let text = "";
      let ascii = true;
      for (let i = at; i < at + length; i++) {
        const byte = this.bytes[i] as number;
        if (byte > 0x7f) {
          ascii = false;
          break;
        }
        text += String.fromCharCode(byte);
      }
      if (ascii) return text;
    }
    return decoder.decode(this.bytes.subarray(at, at + length));
  }
}
