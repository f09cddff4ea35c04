import { ByteReader, ByteWriter, nearestNumber } from "@samsa/base";
import { groupMetadataKey, groupMetadataValue, offsetCommitKey, offsetCommitValue } from "@samsa/protocol";
import { type ConsumerRecord, parseConsumerRecord } from "./consumer/records.ts";
import type { ShardRecord } from "./effects.ts";
import type { CommittedOffset, ClassicGroup } from "./classic/group.ts";

/** Record types of committed offsets and classic groups in `__consumer_offsets` (`CoordinatorRecordType`). */
const LEGACY_OFFSET_COMMIT = 0;
const OFFSET_COMMIT = 1;
const GROUP_METADATA = 2;

/** Value versions that Kafka 4.4 writes: 4 for a committed offset (with the topic id), 3 for a group. */
const OFFSET_VERSION = 4;
const GROUP_VERSION = 3;

function bytesOf(prefix: number, write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(64);
  writer.i16(prefix);
  write(writer);
  return writer.finish();
}

function offsetKey(group: string, topic: string, partition: number): Uint8Array {
  return bytesOf(OFFSET_COMMIT, w => offsetCommitKey.encode(w, { group, topic, partition }, 0));
}

export function offsetRecord(group: string, topic: string, partition: number, offset: CommittedOffset): ShardRecord {
  // Only version 1 has an explicit expiry time.
  const version = offset.expireTimestamp === -1 ? OFFSET_VERSION : 1;
  const value = bytesOf(version, w => offsetCommitValue.encode(w, offset, version));
  return { key: offsetKey(group, topic, partition), value };
}

export function offsetTombstone(group: string, topic: string, partition: number): ShardRecord {
  return { key: offsetKey(group, topic, partition), value: null };
}

function groupKey(group: string): Uint8Array {
  return bytesOf(GROUP_METADATA, w => groupMetadataKey.encode(w, { group }, 0));
}

export function groupTombstone(group: string): ShardRecord {
  return { key: groupKey(group), value: null };
}

/** Record of the group with `assignments`, by member id. */
export function groupRecord(group: ClassicGroup, assignments: ReadonlyMap<string, Uint8Array>): ShardRecord {
  const members = [...group.members.values()].map(member => ({
    memberId: member.id,
    groupInstanceId: member.instanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    rebalanceTimeout: member.rebalanceTimeoutMs,
    sessionTimeout: member.sessionTimeoutMs,
    subscription: group.metadataOf(member),
    assignment: assignments.get(member.id) ?? new Uint8Array(0),
  }));
  const value = {
    protocolType: group.protocolType ?? "",
    generation: group.generation,
    protocol: group.protocolName,
    leader: group.leaderId,
    currentStateTimestamp: group.stateTimestamp,
    members,
  };
  return {
    key: groupKey(group.id),
    value: bytesOf(GROUP_VERSION, w => groupMetadataValue.encode(w, value, GROUP_VERSION)),
  };
}

/** Record of a new classic group, without the member that is about to join. */
export function newGroupRecord({ id, stateTimestamp }: ClassicGroup): ShardRecord {
  const value = {
    protocolType: "",
    generation: 0,
    protocol: null,
    leader: null,
    currentStateTimestamp: stateTimestamp,
    members: [],
  };
  return { key: groupKey(id), value: bytesOf(GROUP_VERSION, w => groupMetadataValue.encode(w, value, GROUP_VERSION)) };
}

export type GroupValue = ReturnType<typeof groupMetadataValue.decode>;

export type Replayed =
  | {
      readonly type: "offset";
      readonly group: string;
      readonly topic: string;
      readonly partition: number;
      readonly value: CommittedOffset | null;
    }
  | { readonly type: "group"; readonly group: string; readonly value: GroupValue | null }
  | { readonly type: "consumer"; readonly record: ConsumerRecord }
  /** Record of another type of group, which is not decoded. */
  | { readonly type: "other"; readonly kind: number };

/** Decodes a record of the partition; throws `MalformedError` or `UnsupportedVersionError`. */
export function parseRecord(key: Uint8Array, value: Uint8Array | null): Replayed {
  const reader = new ByteReader(key);
  const kind = reader.i16();
  if (kind === OFFSET_COMMIT || kind === LEGACY_OFFSET_COMMIT) {
    const { group, topic, partition } = offsetCommitKey.decode(reader, 0);
    return { type: "offset", group, topic, partition, value: value === null ? null : parseOffset(value) };
  }
  if (kind !== GROUP_METADATA) {
    const record = parseConsumerRecord(kind, reader, value);
    return record === undefined ? { type: "other", kind } : { type: "consumer", record };
  }
  const { group } = groupMetadataKey.decode(reader, 0);
  if (value === null) return { type: "group", group, value: null };
  const body = new ByteReader(value);
  return { type: "group", group, value: groupMetadataValue.decode(body, body.i16()) };
}

function parseOffset(value: Uint8Array): CommittedOffset {
  const reader = new ByteReader(value);
  const { commitTimestamp, ...offset } = offsetCommitValue.decode(reader, reader.i16());
  return { ...offset, commitTimestamp: nearestNumber(commitTimestamp) };
}
