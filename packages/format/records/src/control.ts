import {
  type BrokerId,
  ByteReader,
  ByteWriter,
  type Int64,
  type LeaderEpoch,
  type ProducerEpoch,
  type ProducerId,
  utf8Length,
  type Uuid,
  uuidFromBytes,
  uuidToBytes,
  ZERO_UUID,
} from "@samsa/base";
import type { Tools } from "./batch.ts";
import { BatchBuilder, type NewRecord } from "./builder.ts";

/** Types of control records (`ControlRecordType`). */
export const CONTROL_TYPE = {
  abort: 0,
  commit: 1,
  leaderChange: 2,
  snapshotHeader: 3,
  snapshotFooter: 4,
  kraftVersion: 5,
  kraftVoters: 6,
} as const;

/** Voter in a LeaderChange record. */
export interface QuorumVoter {
  readonly id: BrokerId;
  /** Zero UUID before version 1 of the record. */
  readonly directoryId: Uuid;
}

/** Listener of a voter, in a KRaftVoters record. */
export interface VoterEndpoint {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** Voter with its endpoints and supported kraft.version range, in a KRaftVoters record (KIP-853). */
export interface VoterDescription extends QuorumVoter {
  readonly endpoints: readonly VoterEndpoint[];
  readonly minKraftVersion: number;
  readonly maxKraftVersion: number;
}

/** Contents of a control record. */
export type ControlRecord =
  | { readonly type: "abort" | "commit"; readonly coordinatorEpoch: LeaderEpoch }
  | {
      readonly type: "leaderChange";
      readonly version: number;
      readonly leaderId: BrokerId;
      readonly voters: readonly QuorumVoter[];
      readonly grantingVoters: readonly QuorumVoter[];
    }
  | { readonly type: "snapshotHeader"; readonly lastContainedLogTimestamp: Int64 }
  | { readonly type: "snapshotFooter" }
  | { readonly type: "kraftVersion"; readonly kraftVersion: number }
  | { readonly type: "kraftVoters"; readonly voters: readonly VoterDescription[] };

/** Type in a control record's key. Readers ignore unknown types. */
export function controlTypeOf(key: Uint8Array): number {
  return new ByteReader(key, 2).i16();
}

/** Reads a control record; undefined if its type is unknown. Throws `MalformedError`. */
export function readControlRecord(key: Uint8Array, value: Uint8Array): ControlRecord | undefined {
  const reader = new ByteReader(value);
  const type = controlTypeOf(key);
  const version = reader.i16();
  switch (type) {
    case CONTROL_TYPE.abort:
      return { type: "abort", coordinatorEpoch: reader.i32() };
    case CONTROL_TYPE.commit:
      return { type: "commit", coordinatorEpoch: reader.i32() };
    case CONTROL_TYPE.leaderChange: {
      const leaderId = reader.i32();
      const voters = readArray(reader, () => readVoter(reader, version));
      const grantingVoters = readArray(reader, () => readVoter(reader, version));
      return { type: "leaderChange", version, leaderId, voters, grantingVoters };
    }
    case CONTROL_TYPE.snapshotHeader:
      return { type: "snapshotHeader", lastContainedLogTimestamp: reader.i64() };
    case CONTROL_TYPE.snapshotFooter:
      return { type: "snapshotFooter" };
    case CONTROL_TYPE.kraftVersion:
      return { type: "kraftVersion", kraftVersion: reader.i16() };
    case CONTROL_TYPE.kraftVoters:
      return { type: "kraftVoters", voters: readArray(reader, () => readDescription(reader)) };
    default:
      return undefined;
  }
}

function skipTags(reader: ByteReader): void {
  for (let count = reader.uvarint(); count > 0; count--) {
    reader.uvarint();
    reader.raw(reader.uvarint());
  }
}

function readArray<T>(reader: ByteReader, one: () => T): T[] {
  const all: T[] = [];
  for (let count = reader.uvarint() - 1; count > 0; count--) all.push(one());
  return all;
}

function readVoter(reader: ByteReader, version: number): QuorumVoter {
  const id = reader.i32();
  const directoryId = version >= 1 ? uuidFromBytes(reader.raw(16)) : ZERO_UUID;
  skipTags(reader);
  return { id, directoryId };
}

function readCompactText(reader: ByteReader): string {
  return reader.text(reader.uvarint() - 1);
}

function readDescription(reader: ByteReader): VoterDescription {
  const id = reader.i32();
  const directoryId = uuidFromBytes(reader.raw(16));
  const endpoints = readArray(reader, () => {
    const name = readCompactText(reader);
    const host = readCompactText(reader);
    const port = reader.u16();
    skipTags(reader);
    return { name, host, port };
  });
  const minKraftVersion = reader.i16();
  const maxKraftVersion = reader.i16();
  skipTags(reader);
  skipTags(reader);
  return { id, directoryId, endpoints, minKraftVersion, maxKraftVersion };
}

function writeVoters(writer: ByteWriter, voters: readonly QuorumVoter[], version: number): void {
  writer.uvarint(voters.length + 1);
  for (const voter of voters) {
    writer.i32(voter.id);
    if (version >= 1) writer.raw(uuidToBytes(voter.directoryId));
    writer.uvarint(0);
  }
}

function writeCompactText(writer: ByteWriter, text: string): void {
  const length = utf8Length(text);
  writer.uvarint(length + 1);
  writer.text(text, length);
}

function writeDescription(writer: ByteWriter, voter: VoterDescription): void {
  writer.i32(voter.id);
  writer.raw(uuidToBytes(voter.directoryId));
  writer.uvarint(voter.endpoints.length + 1);
  for (const endpoint of voter.endpoints) {
    writeCompactText(writer, endpoint.name);
    writeCompactText(writer, endpoint.host);
    writer.u16(endpoint.port);
    writer.uvarint(0);
  }
  writer.i16(voter.minKraftVersion);
  writer.i16(voter.maxKraftVersion);
  writer.uvarint(0);
  writer.uvarint(0);
}

/** Key and value of a control record, to append to a control batch. */
export function controlRecord(record: ControlRecord, timestamp: number): NewRecord {
  const key = new ByteWriter(4);
  key.i16(0);
  key.i16(CONTROL_TYPE[record.type]);
  const writer = new ByteWriter(64);
  writer.i16(record.type === "leaderChange" ? record.version : 0);
  switch (record.type) {
    case "abort":
    case "commit":
      writer.i32(record.coordinatorEpoch);
      return { timestamp, key: key.finish(), value: writer.finish() };
    case "leaderChange":
      writer.i32(record.leaderId);
      writeVoters(writer, record.voters, record.version);
      writeVoters(writer, record.grantingVoters, record.version);
      break;
    case "snapshotHeader":
      writer.i64(record.lastContainedLogTimestamp);
      break;
    case "kraftVersion":
      writer.i16(record.kraftVersion);
      break;
    case "kraftVoters":
      writer.uvarint(record.voters.length + 1);
      for (const voter of record.voters) writeDescription(writer, voter);
      break;
    case "snapshotFooter":
  }
  writer.uvarint(0);
  return { timestamp, key: key.finish(), value: writer.finish() };
}

/** Transaction marker, in WriteTxnMarkers and in the log. */
export interface EndTxnMarker {
  readonly producerId: ProducerId;
  readonly producerEpoch: ProducerEpoch;
  readonly coordinatorEpoch: LeaderEpoch;
  readonly commit: boolean;
  readonly timestamp: number;
}

/** Batch that ends a producer's transaction in a partition. */
export function endTxnBatch(marker: EndTxnMarker, tools: Tools): Uint8Array {
  const { producerId, producerEpoch, coordinatorEpoch, timestamp } = marker;
  const builder = new BatchBuilder({ producerId, producerEpoch, transactional: true, control: true }, tools);
  builder.append(controlRecord({ type: marker.commit ? "commit" : "abort", coordinatorEpoch }, timestamp));
  return builder.build();
}
