/** Encoding of typed records in log records: metadata records in a frame, coordinator records as key and value. */
import { ByteReader, ByteWriter, invariant, MalformedError } from "@samsa/base";
import {
  type GROUP_RECORDS,
  REMOTE_LOG_RECORDS,
  type SHARE_RECORDS,
  type TRANSACTION_RECORDS,
} from "./internal-records/table.ts";
import type { AnyMessage } from "./codec/message.ts";
import { METADATA_RECORDS } from "./metadata-records/table.ts";
import type { Draft, Infer } from "./codec/schema.ts";

const FRAME_VERSION = 1;
/** Bytes that most metadata records do not exceed. */
const USUAL_BYTES = 64;

interface FramedTable {
  readonly [type: string]: { readonly id: number; readonly message: AnyMessage };
}

/** A record of the types in `T`. `version` is the version it was, or will be, written at. */
export type FramedRecord<T extends FramedTable> = {
  readonly [N in keyof T]: { readonly type: N; readonly version: number; readonly value: Infer<T[N]["message"]> };
}[keyof T];

/** A record of `__cluster_metadata`, such as `{ type: "TopicRecord", version: 0, value: { name, topicId } }`. */
export type MetadataRecord = FramedRecord<typeof METADATA_RECORDS>;
/** Names of the metadata records. */
export type MetadataRecordType = MetadataRecord["type"];
/** Metadata record of one type. */
export type MetadataRecordOf<N extends MetadataRecordType> = Extract<MetadataRecord, { readonly type: N }>;

/** Creates a metadata record; fields that `draft` lacks get their defaults. */
export function metadataRecord<N extends MetadataRecordType>(
  type: N,
  version: number,
  draft: Draft<(typeof METADATA_RECORDS)[N]["message"]>,
): MetadataRecordOf<N> {
  const message: AnyMessage = METADATA_RECORDS[type].message;
  return { type, version, value: message.defaults(draft) } as MetadataRecordOf<N>;
}

function byId(table: FramedTable): readonly (string | undefined)[] {
  const types: string[] = [];
  for (const [type, { id }] of Object.entries(table)) types[id] = type;
  return types;
}

const METADATA_TYPES = byId(METADATA_RECORDS);
const REMOTE_LOG_TYPES = byId(REMOTE_LOG_RECORDS);

interface AnyRecord {
  readonly type: string;
  readonly version: number;
  readonly value: object;
}

function rowOf(table: FramedTable, type: string): FramedTable[string] {
  const row = table[type];
  invariant(row !== undefined, "the type of a record is in its table");
  return row;
}

function writeFramed(writer: ByteWriter, table: FramedTable, record: AnyRecord): void {
  const { id, message } = rowOf(table, record.type);
  writer.uvarint(FRAME_VERSION);
  writer.uvarint(id);
  writer.uvarint(record.version);
  message.encode(writer, record.value, record.version);
}

function encodeFramed(table: FramedTable, record: AnyRecord): Uint8Array {
  const writer = new ByteWriter();
  writeFramed(writer, table, record);
  return writer.finish();
}

function decodeFramed(table: FramedTable, types: readonly (string | undefined)[], bytes: Uint8Array): AnyRecord {
  const reader = new ByteReader(bytes);
  const frame = reader.uvarint();
  if (frame !== FRAME_VERSION) throw new MalformedError(`frame version ${frame} of a record`);
  const id = reader.uvarint();
  const type = types[id];
  if (type === undefined) throw new MalformedError(`unknown record type ${id}`);
  const version = reader.uvarint();
  const { message } = rowOf(table, type);
  if (version < message.first || version > message.last) throw new MalformedError(`${type} of version ${version}`);
  const value = message.decode(reader, version) as object;
  if (reader.remaining() > 0) throw new MalformedError(`${reader.remaining()} bytes after a ${type}`);
  return { type, version, value };
}

/** Encodes a metadata record as the value of a log record, whose key is null. */
export function encodeMetadataRecord(record: MetadataRecord): Uint8Array {
  return encodeFramed(METADATA_RECORDS, record);
}

/** Encodes metadata records as `encodeMetadataRecord` does, into memory that they share. */
export function encodeMetadataRecords(records: readonly MetadataRecord[]): Uint8Array[] {
  const writer = new ByteWriter(records.length * USUAL_BYTES);
  const ends = records.map(record => {
    writeFramed(writer, METADATA_RECORDS, record);
    return writer.position;
  });
  const bytes = writer.finish();
  return ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
}

/**
 * Decodes a metadata record. Throws `MalformedError` for an unknown frame version, type or version, and for bytes left
 * over, which are all fatal in Kafka.
 */
export function decodeMetadataRecord(bytes: Uint8Array): MetadataRecord {
  return decodeFramed(METADATA_RECORDS, METADATA_TYPES, bytes) as MetadataRecord;
}

/** A record of `__remote_log_metadata`. */
export type RemoteLogRecord = FramedRecord<typeof REMOTE_LOG_RECORDS>;

/** Encodes a record as the value of a log record, whose key is null. */
export function encodeRemoteLogRecord(record: RemoteLogRecord): Uint8Array {
  return encodeFramed(REMOTE_LOG_RECORDS, record);
}

/** Decodes a record. Throws `MalformedError` as `decodeMetadataRecord` does. */
export function decodeRemoteLogRecord(bytes: Uint8Array): RemoteLogRecord {
  return decodeFramed(REMOTE_LOG_RECORDS, REMOTE_LOG_TYPES, bytes) as RemoteLogRecord;
}

/** Record types of a coordinator's topic by name; `id` is the type in the key. */
export interface CoordinatorTable {
  readonly [type: string]: { readonly id: number; readonly key: AnyMessage; readonly value: AnyMessage };
}

/** A record of a coordinator's topic. Null as `value` is a tombstone, whose `version` has no meaning. */
export type CoordinatorRecord<T extends CoordinatorTable> = {
  readonly [N in keyof T]: {
    readonly type: N;
    readonly key: Infer<T[N]["key"]>;
    readonly version: number;
    readonly value: Infer<T[N]["value"]> | null;
  };
}[keyof T];
/** A record of `__consumer_offsets`. */
export type GroupRecord = CoordinatorRecord<typeof GROUP_RECORDS>;
/** A record of `__transaction_state`. */
export type TransactionRecord = CoordinatorRecord<typeof TRANSACTION_RECORDS>;
/** A record of `__share_group_state`. */
export type ShareRecord = CoordinatorRecord<typeof SHARE_RECORDS>;

interface AnyCoordinatorRecord {
  readonly type: string;
  readonly key: object;
  readonly version: number;
  readonly value: object | null;
}

/** Key and value of a log record; the value of a tombstone is null. */
export interface KeyAndValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/**
 * Encodes a coordinator record. The key has a 16-bit type and the fields of the key; the value has a 16-bit version and
 * the fields of the value at that version.
 */
export function encodeCoordinatorRecord<T extends CoordinatorTable>(
  table: T,
  record: CoordinatorRecord<T>,
): KeyAndValue {
  const { type, key, version, value } = record as AnyCoordinatorRecord;
  const schema = table[type];
  invariant(schema !== undefined, `the table has records of type ${type}`);
  const keyWriter = new ByteWriter(64);
  keyWriter.i16(schema.id);
  schema.key.encode(keyWriter, key, 0);
  if (value === null) return { key: keyWriter.finish(), value: null };
  const writer = new ByteWriter();
  writer.i16(version);
  schema.value.encode(writer, value, version);
  return { key: keyWriter.finish(), value: writer.finish() };
}

/**
 * Decodes a coordinator record; undefined if its type is not in the table (Kafka's loaders skip such records with a
 * warning). Throws `MalformedError` if the version of the value is unknown.
 */
export function decodeCoordinatorRecord<T extends CoordinatorTable>(
  table: T,
  { key, value }: KeyAndValue,
): CoordinatorRecord<T> | undefined {
  const keyReader = new ByteReader(key);
  const id = keyReader.i16();
  const found = Object.entries(table).find(([, schema]) => schema.id === id);
  if (found === undefined) return undefined;
  const [type, schema] = found;
  const decodedKey = schema.key.decode(keyReader, 0) as object;
  const record = (version: number, decoded: object | null) =>
    ({ type, key: decodedKey, version, value: decoded }) satisfies AnyCoordinatorRecord as CoordinatorRecord<T>;
  if (value === null) return record(0, null);
  const reader = new ByteReader(value);
  const version = reader.i16();
  const { first, last } = schema.value;
  if (version < first || version > last) throw new MalformedError(`${type} value of version ${version}`);
  return record(version, schema.value.decode(reader, version) as object);
}
