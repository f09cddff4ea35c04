import { ByteReader } from "@samsa/base";
import { GROUP_RECORDS, groupMetadataKey, groupMetadataValue } from "@samsa/protocol";
import type { ShardRecord } from "../shard/effects.ts";
import { bytesOf } from "../group/records.ts";

export const { id: GROUP_METADATA } = GROUP_RECORDS.GroupMetadata;

/** Value version that Kafka 4.4 writes. */
const GROUP_VERSION = 3;

function groupKey(group: string): Uint8Array {
  return bytesOf(GROUP_METADATA, w => groupMetadataKey.encode(w, { group }, 0));
}

export function groupTombstone(group: string): ShardRecord {
  return { key: groupKey(group), value: null };
}

export function groupRecord(group: string, value: GroupValue): ShardRecord {
  return {
    key: groupKey(group),
    value: bytesOf(GROUP_VERSION, w => groupMetadataValue.encode(w, value, GROUP_VERSION)),
  };
}

/** Record of a new group, without the member that is about to join. */
export function newGroupRecord(group: string, currentStateTimestamp: number): ShardRecord {
  const value = { protocolType: "", generation: 0, protocol: null, leader: null, currentStateTimestamp, members: [] };
  return groupRecord(group, value);
}

export type GroupValue = ReturnType<typeof groupMetadataValue.decode>;

/** Decodes the record of a classic group; `key` is read up to the type. */
export function parseGroupRecord(
  key: ByteReader,
  value: Uint8Array | null,
): { readonly group: string; readonly value: GroupValue | null } {
  const { group } = groupMetadataKey.decode(key, 0);
  if (value === null) return { group, value: null };
  const body = new ByteReader(value);
  return { group, value: groupMetadataValue.decode(body, body.i16()) };
}
