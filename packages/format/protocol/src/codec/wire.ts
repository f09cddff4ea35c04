/**
 * Encoding of single values, flexible ("compact") or not. Compiled codecs call these functions; the generated source
 * contains their names, so the names are short.
 */
import {
  type ByteReader,
  type ByteWriter,
  MalformedError,
  type Uuid,
  utf8Length,
  uuidFromBytes,
  uuidToBytes,
} from "@samsa/base";
import { GatherWriter } from "./gather.ts";
import type { UnknownTag } from "./schema.ts";

/** A version cannot carry a value (Kafka's `UnsupportedVersionException`). */
export class UnsupportedVersionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UnsupportedVersionError";
  }
}

const MAX_STRING = 0x7fff;
const NO_CHUNKS: readonly Uint8Array[] = Object.freeze([]);

/** Reads a compact length; a negative one means null. */
export function compactLength(reader: ByteReader): number {
  return reader.uvarint() - 1;
}

/** Throws `MalformedError` if a length means null. */
export function present(length: number): number {
  if (length < 0) throw new MalformedError("null for a value that is not nullable");
  return length;
}

/** Checks an array's number of elements: each takes at least one byte. */
export function bounded(reader: ByteReader, count: number): number {
  if (count > reader.end - reader.position) {
    throw new MalformedError(`an array of ${count} elements in ${reader.remaining()} bytes`);
  }
  return count;
}

export function readText(reader: ByteReader, length: number): string {
  if (length > MAX_STRING) throw new MalformedError(`a string of ${length} bytes`);
  return reader.text(length);
}

export function readString(reader: ByteReader): string {
  return readText(reader, present(reader.i16()));
}

export function readStringOrNull(reader: ByteReader): string | null {
  const length = reader.i16();
  return length < 0 ? null : readText(reader, length);
}

export function readCompactString(reader: ByteReader): string {
  return readText(reader, present(reader.uvarint() - 1));
}

export function readCompactStringOrNull(reader: ByteReader): string | null {
  const length = reader.uvarint() - 1;
  return length < 0 ? null : readText(reader, length);
}

export function readBytes(reader: ByteReader, length: number): Uint8Array {
  return reader.raw(present(length));
}

export function readBytesOrNull(reader: ByteReader, length: number): Uint8Array | null {
  return length < 0 ? null : reader.raw(length);
}

export function readRecords(reader: ByteReader, length: number): readonly Uint8Array[] {
  return present(length) === 0 ? NO_CHUNKS : [reader.raw(length)];
}

export function readRecordsOrNull(reader: ByteReader, length: number): readonly Uint8Array[] | null {
  return length < 0 ? null : readRecords(reader, length);
}

export function readUuid(reader: ByteReader): Uuid {
  const at = reader.position;
  reader.raw(16);
  return uuidFromBytes(reader.bytes, at);
}

export function readUnknownTag(
  reader: ByteReader,
  known: UnknownTag[] | undefined,
  tag: number,
  size: number,
): UnknownTag[] {
  const tags = known ?? [];
  tags.push({ tag, bytes: reader.raw(size) });
  return tags;
}

function textLength(text: string): number {
  const length = utf8Length(text);
  if (length > MAX_STRING) throw new UnsupportedVersionError(`a string of ${length} bytes is too long to be sent`);
  return length;
}

export function writeString(writer: ByteWriter, text: string): void {
  const length = textLength(text);
  writer.i16(length);
  writer.text(text, length);
}

export function writeCompactString(writer: ByteWriter, text: string): void {
  const length = textLength(text);
  writer.uvarint(length + 1);
  writer.text(text, length);
}

export function writePayload(writer: ByteWriter, bytes: Uint8Array): void {
  if (writer instanceof GatherWriter) writer.splice(bytes);
  else writer.raw(bytes);
}

export function totalLength(chunks: readonly Uint8Array[]): number {
  let length = 0;
  for (let i = 0; i < chunks.length; i++) length += (chunks[i] as Uint8Array).length;
  return length;
}

export function writeChunks(writer: ByteWriter, chunks: readonly Uint8Array[]): void {
  for (let i = 0; i < chunks.length; i++) writePayload(writer, chunks[i] as Uint8Array);
}

export function writeUuid(writer: ByteWriter, id: Uuid): void {
  writer.reserve(16);
  uuidToBytes(id, writer.bytes, writer.position);
  writer.position += 16;
}

/** Inserts the size of the bytes written since `at` before them. There may be no spliced payload among them. */
export function prefixSize(writer: ByteWriter, at: number): void {
  const size = writer.position - at;
  let prefix = 1;
  for (let rest = size; rest > 0x7f; rest >>>= 7) prefix++;
  writer.reserve(prefix);
  writer.bytes.copyWithin(at + prefix, at, writer.position);
  writer.position = at;
  writer.uvarint(size);
  writer.position += size;
}

/** Writes the unknown tags between `after` and `before`, exclusive, so that all tags ascend. */
export function writeUnknownTags(writer: ByteWriter, tags: readonly UnknownTag[], after: number, before: number): void {
  for (const { tag, bytes } of tags) {
    if (tag <= after || tag >= before) continue;
    writer.uvarint(tag);
    writer.uvarint(bytes.length);
    writer.raw(bytes);
  }
}

export function unsupported(what: string, version: number): never {
  throw new UnsupportedVersionError(`${what} is not supported at version ${version}`);
}

export function forbiddenNull(what: string, version: number): never {
  throw new UnsupportedVersionError(`${what} cannot be null at version ${version}`);
}

export function invalidTag(tag: number, version: number): never {
  throw new MalformedError(`tag ${tag} is not valid at version ${version}`);
}
