import { utf8Length } from "@samsa/base";
import { HEADER_SIZE, type Tools, TRANSACTIONAL_BIT } from "./batch.ts";
import { type Compression, compress } from "./compression.ts";
import { type ProducerStamp, writeHeader } from "./header.ts";
import { varintSize, varlongSize } from "./varint-size.ts";

/** Key, value or header value of a record; text is written as UTF-8. */
export type RecordData = Uint8Array | string | null;

/** Header of a record to write (KIP-82). */
export interface WritableHeader {
  readonly key: string;
  readonly value: RecordData;
}

const NO_HEADERS: readonly WritableHeader[] = [];
const encoder = new TextEncoder();
/** Longest text, in UTF-16 units, that a loop writes faster than the encoder. */
const LOOP_LENGTH = 32;
/** Most bytes of a record besides its key, value and headers (`DefaultRecord.MAX_RECORD_OVERHEAD`). */
const RECORD_OVERHEAD = 21;
/** Most bytes of the two lengths of a header. */
const HEADER_OVERHEAD = 10;

/**
 * Writes the records of one batch into memory of a fixed size, and learns the producer, its sequence and the compression
 * last. An append allocates nothing, except for text of more than some dozen characters.
 */
export class BatchWriter {
  count = 0;
  /** Timestamp of the first record, in ms since the epoch. */
  baseTimestamp = -1;
  maxTimestamp = -1;
  #bytes: Uint8Array;
  #position = HEADER_SIZE;

  /** `memory` is the caller's to reuse once the batch that `finish` returns is not needed any more. */
  constructor(memory: Uint8Array) {
    this.#bytes = memory;
  }

  /** Bytes of the batch without compression. */
  get size(): number {
    return this.#position;
  }

  get memory(): Uint8Array {
    return this.#bytes;
  }

  /** Moves to other memory, of `size` bytes at least. Returns the memory so far. */
  move(memory: Uint8Array): Uint8Array {
    const old = this.#bytes;
    memory.set(old.subarray(HEADER_SIZE, this.#position), HEADER_SIZE);
    this.#bytes = memory;
    return old;
  }

  /** Appends a record. False if it does not fit; then nothing has changed. `timestamp` is in ms since the epoch. */
  append(
    timestamp: number,
    key: RecordData,
    value: RecordData,
    headers: readonly WritableHeader[] = NO_HEADERS,
  ): boolean {
    if (this.count === 0) this.baseTimestamp = timestamp;
    // Text is taken for ASCII, whose length is known without a look at it; if it is not, it is measured.
    let end = this.#write(timestamp - this.baseTimestamp, key, value, headers, lengthIfAscii);
    if (end < 0) end = this.#write(timestamp - this.baseTimestamp, key, value, headers, exactLength);
    if (end === 0) return false;
    this.#position = end;
    this.count++;
    if (timestamp > this.maxTimestamp) this.maxTimestamp = timestamp;
    return true;
  }

  /**
   * Writes a record behind the last. Returns its end; 0 if it does not fit; −1 if `lengthOf` is wrong about a text.
   */
  #write(
    timestampDelta: number,
    key: RecordData,
    value: RecordData,
    headers: readonly WritableHeader[],
    lengthOf: LengthOf,
  ): number {
    const bytes = this.#bytes;
    const keyLength = lengthOf(key);
    const valueLength = lengthOf(value);
    let size = 1 + varlongSize(timestampDelta) + varintSize(this.count) + varintSize(headers.length);
    size += varintSize(keyLength) + (keyLength > 0 ? keyLength : 0);
    size += varintSize(valueLength) + (valueLength > 0 ? valueLength : 0);
    if (headers.length > 0) size += sizeOfHeaders(headers, lengthOf);
    let at = this.#position;
    if (at + varintSize(size) + size > bytes.length) return 0;
    at = putVarint(bytes, at, size);
    bytes[at++] = 0;
    at = putVarlong(bytes, at, timestampDelta);
    at = putVarint(bytes, at, this.count);
    at = putData(bytes, at, key, keyLength);
    if (at < 0) return -1;
    at = putData(bytes, at, value, valueLength);
    if (at < 0) return -1;
    at = putVarint(bytes, at, headers.length);
    for (const header of headers) {
      at = putData(bytes, at, header.key, lengthOf(header.key));
      if (at < 0) return -1;
      at = putData(bytes, at, header.value, lengthOf(header.value));
      if (at < 0) return -1;
    }
    return at;
  }

  /**
   * Completes the batch: in this writer's memory, or in memory of its own if it is compressed. The writer cannot be used
   * afterwards.
   */
  finish(stamp: ProducerStamp, compression: Compression, tools: Tools): Uint8Array {
    let bytes = this.#bytes.subarray(0, this.#position);
    if (compression.codec !== 0) {
      const packed = compress(bytes.subarray(HEADER_SIZE), compression, tools.codecs);
      bytes = new Uint8Array(HEADER_SIZE + packed.length);
      bytes.set(packed, HEADER_SIZE);
    }
    const fields = {
      baseOffset: 0,
      leaderEpoch: -1,
      attributes: compression.codec | (stamp.transactional ? TRANSACTIONAL_BIT : 0),
      lastOffsetDelta: this.count - 1,
      baseTimestamp: this.baseTimestamp,
      maxTimestamp: this.maxTimestamp,
      producerId: stamp.producerId,
      producerEpoch: stamp.producerEpoch,
      baseSequence: stamp.baseSequence,
      count: this.count,
    };
    writeHeader(bytes, fields, tools.crc32c);
    return bytes;
  }
}

/**
 * Most bytes of a batch of one record (`AbstractRecords.estimateSizeInBytesUpperBound`), without compression. Text is
 * measured.
 */
export function batchSizeBound(
  key: RecordData,
  value: RecordData,
  headers: readonly WritableHeader[] = NO_HEADERS,
): number {
  let size = HEADER_SIZE + RECORD_OVERHEAD + Math.max(0, exactLength(key)) + Math.max(0, exactLength(value));
  for (const header of headers) {
    size += HEADER_OVERHEAD + exactLength(header.key) + Math.max(0, exactLength(header.value));
  }
  return size;
}

type LengthOf = (data: RecordData) => number;

function lengthIfAscii(data: RecordData): number {
  return data === null ? -1 : data.length;
}

function exactLength(data: RecordData): number {
  return data === null ? -1 : typeof data === "string" ? utf8Length(data) : data.length;
}

function sizeOfHeaders(headers: readonly WritableHeader[], lengthOf: LengthOf): number {
  let size = 0;
  for (const header of headers) {
    const keyLength = lengthOf(header.key);
    const valueLength = lengthOf(header.value);
    size += varintSize(keyLength) + keyLength + varintSize(valueLength) + (valueLength > 0 ? valueLength : 0);
  }
  return size;
}

function putVarint(bytes: Uint8Array, position: number, value: number): number {
  let at = position;
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  while (rest > 0x7f) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

function putVarlong(bytes: Uint8Array, position: number, value: number): number {
  if (value >= -0x40000000 && value <= 0x3fffffff) return putVarint(bytes, position, value);
  let at = position;
  let rest = value >= 0 ? BigInt(value) << 1n : ((-BigInt(value) - 1n) << 1n) | 1n;
  while (rest > 0x7fn) {
    bytes[at++] = Number(rest & 0x7fn) | 0x80;
    rest >>= 7n;
  }
  bytes[at++] = Number(rest);
  return at;
}

/** Writes a length and the data. Returns their end; −1 if `length` is not that of the text. */
function putData(bytes: Uint8Array, position: number, data: RecordData, length: number): number {
  const at = putVarint(bytes, position, length);
  if (data === null) return at;
  if (typeof data !== "string") {
    bytes.set(data, at);
    return at + length;
  }
  if (data.length > LOOP_LENGTH || length !== data.length) {
    return encoder.encodeInto(data, bytes.subarray(at, at + length)).read === data.length ? at + length : -1;
  }
  let all = 0;
  for (let i = 0; i < length; i++) {
    const code = data.charCodeAt(i);
    all |= code;
    bytes[at + i] = code;
  }
  return all < 0x80 ? at + length : -1;
}
