import { ByteReader, ByteWriter, nearestNumber, type PartitionIndex } from "@samsa/base";
import { GROUP_RECORDS, offsetCommitKey, offsetCommitValue } from "@samsa/protocol";
import type { ShardRecord } from "../shard/effects.ts";
import type { CommittedOffset, OffsetPlace } from "./offset-table.ts";

const { LegacyOffsetCommit, OffsetCommit } = GROUP_RECORDS;

/** Value version that Kafka 4.4 writes: with the topic id. */
const OFFSET_VERSION = 4;

/** Encodes the key of a record with its type, or a value with its version. */
export function bytesOf(prefix: number, write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(64);
  writer.i16(prefix);
  write(writer);
  return writer.finish();
}

function offsetKey(group: string, topic: string, partition: PartitionIndex): Uint8Array {
  return bytesOf(OffsetCommit.id, w => offsetCommitKey.encode(w, { group, topic, partition }, 0));
}

export function offsetRecord(
  group: string,
  topic: string,
  partition: PartitionIndex,
  offset: CommittedOffset,
): ShardRecord {
  // Only version 1 has an explicit expiry time.
  const version = offset.expireTimestamp === -1 ? OFFSET_VERSION : 1;
  const value = bytesOf(version, w => offsetCommitValue.encode(w, offset, version));
  return { key: offsetKey(group, topic, partition), value };
}

export function offsetTombstone(group: string, topic: string, partition: PartitionIndex): ShardRecord {
  return { key: offsetKey(group, topic, partition), value: null };
}

/** Record of a committed offset; a null value is its tombstone. */
export interface OffsetRecord extends OffsetPlace {
  readonly value: CommittedOffset | null;
}

/** Decodes the record of an offset; undefined if it is of another type. Throws as `GroupsOfType.replay` does. */
export function parseOffsetRecord(
  recordType: number,
  key: ByteReader,
  value: Uint8Array | null,
): OffsetRecord | undefined {
  if (recordType !== OffsetCommit.id && recordType !== LegacyOffsetCommit.id) return undefined;
  const { group: groupId, topic, partition } = offsetCommitKey.decode(key, 0);
  return { groupId, topic, partition, value: value === null ? null : parseOffset(value) };
}

function parseOffset(value: Uint8Array): CommittedOffset {
  const reader = new ByteReader(value);
  const { topicId, offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp } = offsetCommitValue.decode(
    reader,
    reader.i16(),
  );
  // A log has millions of them, and a copy of all fields costs more than their decoding.
  return {
    topicId,
    offset,
    leaderEpoch,
    metadata,
    commitTimestamp: nearestNumber(commitTimestamp),
    expireTimestamp,
  };
}
