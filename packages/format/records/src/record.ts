import { addI64, type BlockCodecs, DecompressionBuffer, fromUtf8, type Int64, MalformedError } from "@samsa/base";
import { type Offset, toInt64 } from "@samsa/base";
import { type BatchCursor, HEADER_SIZE } from "./batch.ts";
import { decompressInto } from "./compression.ts";

/** Header of a record (KIP-82). */
export interface RecordHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** Default limit on the decompressed size of a batch: 256 MiB. */
export const DECOMPRESSED_LIMIT = 268435456;

/**
 * Cursor over the records of a batch, which allocates nothing per record. Positions refer to `bytes`: the batch's own
 * buffer, or its decompressed records.
 */
export class RecordCursor {
  bytes: Uint8Array = new Uint8Array(0);
  offset: Offset = 0;
  offsetDelta = 0;
  timestamp: Int64 = 0;
  keyAt = 0;
  /** -1 if the key is null. */
  keyLength = -1;
  valueAt = 0;
  /** -1 if the value is null. */
  valueLength = -1;
  headersAt = 0;
  headerCount = 0;
  /** Bytes of the current record, its length field included. */
  size = 0;
  /** Bytes of the current record without its length field. */
  bodySize = 0;
  /** Declared records of the batch that have not been read yet. */
  left = 0;
  private position = 0;
  private first = 0;
  private count = 0;
  private end = 0;
  private baseOffset: Offset = 0;
  private baseTimestamp: Int64 = 0;
  /** `baseTimestamp` if it is a number and the batch has create time; else NaN. */
  private numberBase = 0;
  /** Timestamp of all records of a LogAppendTime batch. */
  private appendTime: Int64 | undefined;

  /**
   * Moves before the first record of the current batch of `batch`, and decompresses it into `output`, by default into
   * memory of its own. Throws `MalformedError`, or the errors of the codec.
   */
  open(batch: BatchCursor, codecs: BlockCodecs, output?: DecompressionBuffer): this {
    const codec = batch.codec;
    if (codec === 0) {
      this.bytes = batch.bytes;
      this.position = batch.at + HEADER_SIZE;
      this.end = batch.end;
    } else {
      const compressed = batch.bytes.subarray(batch.at + HEADER_SIZE, batch.end);
      this.bytes = decompressInto(codec, compressed, codecs, output ?? new DecompressionBuffer(DECOMPRESSED_LIMIT));
      this.position = 0;
      this.end = this.bytes.length;
    }
    this.first = this.position;
    this.count = batch.count;
    this.left = this.count;
    this.baseOffset = batch.baseOffset;
    this.baseTimestamp = batch.baseTimestamp;
    this.appendTime = batch.timestampType === "LogAppendTime" ? batch.maxTimestamp : undefined;
    const { baseTimestamp: base, appendTime } = this;
    this.numberBase = typeof base === "number" && appendTime === undefined ? base : Number.NaN;
    return this;
  }

  /** Moves before the first record again. */
  rewind(): void {
    this.position = this.first;
    this.left = this.count;
  }

  /** Moves to the next record; false after the last. Throws `MalformedError` if the bytes are not a record. */
  next(): boolean {
    if (this.left <= 0) return false;
    this.left--;
    const start = this.position;
    const length = this.varint();
    const bodyEnd = this.position + length;
    if (length < 0 || bodyEnd > this.end) throw new MalformedError("a record reaches past the end of its batch");
    const batchEnd = this.end;
    this.end = bodyEnd;
    this.position++;
    const timestampDelta = this.varlong();
    // Fast path for numbers. All other cases give NaN or an unsafe integer here.
    const timestamp = typeof timestampDelta === "number" ? this.numberBase + timestampDelta : Number.NaN;
    this.timestamp = Number.isSafeInteger(timestamp)
      ? timestamp
      : (this.appendTime ?? addI64(this.baseTimestamp, timestampDelta));
    this.offsetDelta = this.varint();
    this.offset = this.baseOffset + this.offsetDelta;
    this.keyLength = this.varint();
    this.keyAt = this.position;
    this.skip(this.keyLength);
    this.valueLength = this.varint();
    this.valueAt = this.position;
    this.skip(this.valueLength);
    this.walkHeaders();
    if (this.position !== bodyEnd) throw new MalformedError("a record's length is not that of its fields");
    this.end = batchEnd;
    this.size = bodyEnd - start;
    this.bodySize = length;
    return true;
  }

  /** Bytes after the last record; a valid batch has none. */
  trailing(): number {
    return this.end - this.position;
  }

  /** Key of the current record, a view into `bytes`. */
  key(): Uint8Array | null {
    return this.keyLength < 0 ? null : this.bytes.subarray(this.keyAt, this.keyAt + this.keyLength);
  }

  /** Value of the current record, a view into `bytes`. */
  value(): Uint8Array | null {
    return this.valueLength < 0 ? null : this.bytes.subarray(this.valueAt, this.valueAt + this.valueLength);
  }

  /** Headers of the current record; their values are views into `bytes`. */
  headers(): RecordHeader[] {
    const headers: RecordHeader[] = [];
    const { position, end } = this;
    this.position = this.headersAt;
    this.end = this.bytes.length;
    for (let i = 0; i < this.headerCount; i++) {
      const keyLength = this.varint();
      const key = fromUtf8(this.bytes.subarray(this.position, this.position + keyLength));
      this.position += keyLength;
      const valueLength = this.varint();
      const value = valueLength < 0 ? null : this.bytes.subarray(this.position, this.position + valueLength);
      if (valueLength > 0) this.position += valueLength;
      headers.push({ key, value });
    }
    this.position = position;
    this.end = end;
    return headers;
  }

  private walkHeaders(): void {
    const count = this.varint();
    // A header takes at least two bytes: a cheap bound before the loop trusts the count.
    if (count < 0 || count > this.end - this.position) throw new MalformedError("a record has an invalid header count");
    this.headersAt = this.position;
    this.headerCount = count;
    for (let i = 0; i < count; i++) {
      const keyLength = this.varint();
      if (keyLength < 0) throw new MalformedError("a header's key is null");
      this.skip(keyLength);
      this.skip(this.varint());
    }
  }

  private skip(length: number): void {
    // Any negative length is null, as in Java.
    if (length <= 0) return;
    this.position += length;
    if (this.position > this.end) throw new MalformedError("a record's field reaches past its end");
  }

  private varint(): number {
    const { bytes } = this;
    let at = this.position;
    let byte = bytes[at++] as number;
    let raw = byte & 0x7f;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (shift > 28) throw new MalformedError("a 32-bit varint takes at most 5 bytes");
      byte = bytes[at++] as number;
      raw |= (byte & 0x7f) << shift;
    }
    // A read past a typed array gives undefined, which ends the loop; the bound is checked once here.
    if (at > this.end) throw new MalformedError("a record ends inside a number");
    this.position = at;
    return (raw >>> 1) ^ -(raw & 1);
  }

  private varlong(): Int64 {
    const { bytes } = this;
    let at = this.position;
    let byte = bytes[at++] as number;
    let low = byte & 0x7f;
    let scale = 128;
    while (byte >= 0x80) {
      // Seven bytes carry 49 bits, which a double adds up exactly.
      if (scale > 0x1000000000000) return this.longVarlong();
      byte = bytes[at++] as number;
      low += (byte & 0x7f) * scale;
      scale *= 128;
    }
    if (at > this.end) throw new MalformedError("a record ends inside a number");
    this.position = at;
    return low % 2 === 0 ? low / 2 : -(low + 1) / 2;
  }

  /** Reads a number of more than 49 bits; rare enough for bigints. */
  private longVarlong(): Int64 {
    let raw = 0n;
    let at = this.position;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (at >= this.end) throw new MalformedError("a record ends inside a number");
      const byte = this.bytes[at++] as number;
      raw |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      this.position = at;
      const bits = BigInt.asUintN(64, raw);
      return toInt64((bits & 1n) === 0n ? bits >> 1n : -((bits + 1n) >> 1n));
    }
    throw new MalformedError("a 64-bit varint takes at most 10 bytes");
  }
}
