import { ByteReader, ByteWriter } from "@samsa/base";
import { SHARE_RECORDS, type ShareSnapshotKey, type ShareSnapshotValue, type ShareUpdateValue } from "@samsa/protocol";
import type { ShardRecord } from "../shard/effects.ts";

const { ShareSnapshot, ShareUpdate } = SHARE_RECORDS;
const VERSION = 0;

function prefixed(prefix: number, write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(64);
  writer.i16(prefix);
  write(writer);
  return writer.finish();
}

function snapshotKey(key: ShareSnapshotKey): Uint8Array {
  return prefixed(ShareSnapshot.id, writer => ShareSnapshot.key.encode(writer, key, VERSION));
}

export function snapshotRecord(key: ShareSnapshotKey, value: ShareSnapshotValue): ShardRecord {
  return {
    key: snapshotKey(key),
    value: prefixed(VERSION, writer => ShareSnapshot.value.encode(writer, value, VERSION)),
  };
}

export function updateRecord(key: ShareSnapshotKey, value: ShareUpdateValue): ShardRecord {
  return {
    key: prefixed(ShareUpdate.id, writer => ShareUpdate.key.encode(writer, key, VERSION)),
    value: prefixed(VERSION, writer => ShareUpdate.value.encode(writer, value, VERSION)),
  };
}

/** Tombstone of a deleted share partition: of its snapshot. Replay also drops the updates before it. */
export function stateTombstone(key: ShareSnapshotKey): ShardRecord {
  return { key: snapshotKey(key), value: null };
}

export type ShareStateRecord =
  | { readonly type: "snapshot"; readonly key: ShareSnapshotKey; readonly value: ShareSnapshotValue | null }
  | { readonly type: "update"; readonly key: ShareSnapshotKey; readonly value: ShareUpdateValue | null };

/** Decodes a record of the partition; undefined if its type is unknown. Throws `MalformedError`. */
export function parseShareState(key: Uint8Array, value: Uint8Array | null): ShareStateRecord | undefined {
  const keys = new ByteReader(key);
  const kind = keys.i16();
  const body = value === null ? undefined : new ByteReader(value);
  if (kind === ShareSnapshot.id) {
    const decoded = body === undefined ? null : ShareSnapshot.value.decode(body, body.i16());
    return { type: "snapshot", key: ShareSnapshot.key.decode(keys, VERSION), value: decoded };
  }
  if (kind !== ShareUpdate.id) return undefined;
  const decoded = body === undefined ? null : ShareUpdate.value.decode(body, body.i16());
  return { type: "update", key: ShareUpdate.key.decode(keys, VERSION), value: decoded };
}
