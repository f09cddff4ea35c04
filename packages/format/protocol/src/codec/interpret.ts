/**
 * Test oracle: encodes and decodes messages directly from their declarations. Slow on purpose and independent of the
 * compiler, so that a mistake in either shows as a difference.
 */
import { ByteReader, ByteWriter, MalformedError, uuidFromBytes, uuidToBytes, utf8, type Uuid } from "@samsa/base";
import type { AnyMessage } from "./message.ts";
import type { Field, Fields, Type, UnknownTag } from "./schema.ts";
import { UnsupportedVersionError } from "./wire.ts";

interface At {
  readonly version: number;
  readonly flexible: boolean;
}

type Value = Readonly<Record<string, unknown>>;

/** Encodes like `Message.encode`. */
export function interpretEncode(message: AnyMessage, value: object, version: number): Uint8Array {
  const writer = new ByteWriter();
  writeStruct(writer, message.fields, value as Value, { version, flexible: version >= message.flexible });
  return writer.finish();
}

/** Decodes like `Message.decode`. */
export function interpretDecode(message: AnyMessage, bytes: Uint8Array, version: number): unknown {
  const at = { version, flexible: version >= message.flexible };
  return readStruct(new ByteReader(bytes), message.fields, at);
}

function exists(field: Field, at: At): boolean {
  return field.since <= at.version && at.version <= field.until;
}

function inTag(field: Field, at: At): boolean {
  return at.flexible && field.tag >= 0 && at.version >= field.taggedSince && exists(field, at);
}

function form(field: Field, at: At): At {
  return field.inflexible ? { version: at.version, flexible: false } : at;
}

/** True if `value` equals the default, so that it can be omitted. */
function saysNothing(type: Type, value: unknown, initial: unknown): boolean {
  if (value === undefined || value === null || initial === null) return value === undefined || value === initial;
  if (type.kind === "array" || type.kind === "records" || type.kind === "bytes")
    return (value as unknown[]).length === 0;
  if (type.kind !== "struct") return value === initial;
  const struct = value as Value;
  return (
    struct.unknownTags === undefined &&
    Object.entries(type.fields).every(([name, field]) => saysNothing(field.type, struct[name], field.initial))
  );
}

function writeStruct(writer: ByteWriter, fields: Fields, value: Value, at: At): void {
  const tags: UnknownTag[] = [];
  for (const [name, field] of Object.entries(fields)) {
    const given = value[name] === undefined ? field.initial : value[name];
    const nothing = saysNothing(field.type, given, field.initial);
    const nullable = at.version >= field.nullableSince;
    if (!exists(field, at)) {
      if (!nothing && !field.ignorable) throw new UnsupportedVersionError(`${name} at version ${at.version}`);
    } else if (!inTag(field, at)) {
      writeValue(writer, field.type, given, { ...form(field, at), nullable });
    } else if (!nothing) {
      const own = new ByteWriter();
      writeTagged(own, field.type, given, { ...at, nullable });
      tags.push({ tag: field.tag, bytes: own.finish() });
    }
  }
  const unknown = value.unknownTags as readonly UnknownTag[] | undefined;
  if (!at.flexible) {
    if (unknown !== undefined) throw new UnsupportedVersionError(`tags at version ${at.version}`);
    return;
  }
  tags.push(...(unknown ?? []));
  tags.sort((a, b) => a.tag - b.tag);
  writer.uvarint(tags.length);
  for (const { tag, bytes } of tags) {
    writer.uvarint(tag);
    writer.uvarint(bytes.length);
    writer.raw(bytes);
  }
}

/** Writes the value of a tag. A nullable struct in a tag begins with 0 or 1, elsewhere with -1 or 1. */
function writeTagged(writer: ByteWriter, type: Type, value: unknown, at: At & { nullable: boolean }): void {
  if (type.kind !== "struct" || !at.nullable) return writeValue(writer, type, value, at);
  writer.uvarint(value === null ? 0 : 1);
  if (value !== null) writeStruct(writer, type.fields, value as Value, at);
}

function writeLength(writer: ByteWriter, length: number, flexible: boolean): void {
  if (flexible) writer.uvarint(length + 1);
  else writer.i32(length);
}

function writeValue(writer: ByteWriter, type: Type, value: unknown, at: At & { nullable: boolean }): void {
  if (value === null) {
    if (!at.nullable) throw new UnsupportedVersionError(`null at version ${at.version}`);
    if (type.kind === "struct") writer.i8(-1);
    else if (type.kind === "string" && !at.flexible) writer.i16(-1);
    else writeLength(writer, -1, at.flexible);
    return;
  }
  switch (type.kind) {
    case "bool":
      return writer.i8(value === true ? 1 : 0);
    case "long":
      return writer.big64(value as bigint);
    case "uuid":
      return writer.raw(uuidToBytes(value as Uuid));
    case "string": {
      const text = utf8(value as string);
      if (text.length > 0x7fff) throw new UnsupportedVersionError("a string too long");
      if (at.flexible) writer.uvarint(text.length + 1);
      else writer.i16(text.length);
      return writer.raw(text);
    }
    case "bytes":
      writeLength(writer, (value as Uint8Array).length, at.flexible);
      return writer.raw(value as Uint8Array);
    case "records": {
      const chunks = value as readonly Uint8Array[];
      writeLength(
        writer,
        chunks.reduce((sum, chunk) => sum + chunk.length, 0),
        at.flexible,
      );
      return chunks.forEach(chunk => writer.raw(chunk));
    }
    case "array":
      writeLength(writer, (value as unknown[]).length, at.flexible);
      for (const item of value as unknown[]) writeValue(writer, type.element, item, { ...at, nullable: false });
      return;
    case "struct":
      if (at.nullable) writer.i8(1);
      return writeStruct(writer, type.fields, value as Value, at);
    default:
      writer[type.kind](value as number);
  }
}

function readStruct(reader: ByteReader, fields: Fields, at: At): Value {
  const value: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    const nullable = at.version >= field.nullableSince;
    const travels = exists(field, at) && !inTag(field, at);
    value[name] = travels ? readValue(reader, field.type, { ...form(field, at), nullable }) : field.initial;
  }
  if (!at.flexible) return value;
  const unknown: UnknownTag[] = [];
  const count = reader.uvarint();
  for (let i = 0; i < count; i++) {
    const tag = reader.uvarint();
    const size = reader.uvarint();
    const known = Object.entries(fields).find(([, field]) => field.tag === tag);
    if (known === undefined) unknown.push({ tag, bytes: reader.raw(size) });
    else {
      const [name, field] = known;
      if (!inTag(field, at)) throw new MalformedError(`tag ${tag} at version ${at.version}`);
      value[name] = readTagged(reader, field.type, { ...at, nullable: at.version >= field.nullableSince });
    }
  }
  if (unknown.length > 0) value.unknownTags = unknown;
  return value;
}

function readTagged(reader: ByteReader, type: Type, at: At & { nullable: boolean }): unknown {
  if (type.kind !== "struct" || !at.nullable) return readValue(reader, type, at);
  return reader.uvarint() === 0 ? null : readStruct(reader, type.fields, at);
}

function readValue(reader: ByteReader, type: Type, at: At & { nullable: boolean }): unknown {
  switch (type.kind) {
    case "bool":
      return reader.i8() !== 0;
    case "long":
      return reader.big64();
    case "uuid":
      return uuidFromBytes(reader.raw(16));
    case "struct":
      return at.nullable && reader.i8() < 0 ? null : readStruct(reader, type.fields, at);
    case "string":
    case "bytes":
    case "records":
    case "array":
      return readSized(reader, type, at);
    default:
      return reader[type.kind]();
  }
}

function readSized(reader: ByteReader, type: Type, at: At & { nullable: boolean }): unknown {
  const short = type.kind === "string";
  const length = at.flexible ? reader.uvarint() - 1 : short ? reader.i16() : reader.i32();
  if (length < 0) {
    if (!at.nullable) throw new MalformedError("null for a value that is not nullable");
    return null;
  }
  if (short && length > 0x7fff) throw new MalformedError("a string too long");
  if (length > reader.remaining()) throw new MalformedError("a length beyond the end of the input");
  if (short) return reader.text(length);
  if (type.kind === "bytes") return reader.raw(length);
  if (type.kind === "records") return length === 0 ? [] : [reader.raw(length)];
  const items: unknown[] = [];
  if (type.kind === "array") {
    for (let i = 0; i < length; i++) items.push(readValue(reader, type.element, { ...at, nullable: false }));
  }
  return items;
}
