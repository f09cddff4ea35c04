import type { BrokerId } from "@samsa/base";
import { KRAFT_FEATURE } from "@samsa/metadata";
import type { MetadataRecord } from "@samsa/protocol";
import {
  BOOTSTRAP_SNAPSHOT,
  readMetadataBatches,
  type Snapshot,
  type VoterHistory,
  type VoterSet,
} from "@samsa/quorum";
import type { Tools, VoterDescription } from "@samsa/records";
import { type LogDir, readWhole } from "@samsa/storage";
import type { Endpoint } from "@samsa/wire";
import { writeBootstrapSnapshot } from "./metadata-snapshots.ts";
import type { RaftStorage } from "./raft-storage.ts";
import type { RecordFeed } from "./record-feed.ts";

/** Voter in `controller.quorum.voters`. */
export interface StaticVoter extends Endpoint {
  readonly id: BrokerId;
}

/** Parts of a replica before it starts, and its settings. */
interface Parts {
  readonly dir: LogDir;
  readonly tools: Tools;
  readonly nodeId: BrokerId;
  readonly isController: boolean;
  readonly staticVoters: readonly StaticVoter[];
  readonly bootstrapServers: readonly Endpoint[];
  readonly bootstrap: () => readonly MetadataRecord[];
  readonly storage: RaftStorage;
  readonly feed: RecordFeed;
  readonly history: VoterHistory;
}

/**
 * Reads the newest snapshot and the log after it into feed and history. A new directory gets its first snapshot, unless
 * the node joins a cluster. Returns the records that the cluster began with, if their snapshot is still there. Throws
 * `QuorumError` and `MalformedError`.
 */
export function loadReplica(parts: Parts): readonly MetadataRecord[] | undefined {
  const { storage, feed, history } = parts;
  const { snapshots } = storage;
  snapshots.open();
  if (storage.isNew && isFounder(parts)) format(parts);
  const { latest } = snapshots;
  storage.meet(latest);
  let first: readonly MetadataRecord[] | undefined;
  if (latest !== undefined) {
    const snapshot = snapshots.read(latest);
    if (latest.offset === BOOTSTRAP_SNAPSHOT.offset) first = snapshot.records;
    history.restart(latest.offset, voterSetOf(snapshot));
    feed.load(latest, snapshot);
    while (!feed.loadSlice());
  }
  for (const batch of storage.batches(latest?.offset ?? 0, storage.endOffset)) {
    if (batch.control.length > 0) history.take(batch.baseOffset, batch.control);
    feed.keep(batch);
  }
  return first;
}

/** True if the node may be the first of a cluster. */
function isFounder({ isController, staticVoters, bootstrapServers }: Parts): boolean {
  return isController && (staticVoters.length > 0 || bootstrapServers.length === 0);
}

/** Writes the files that Kafka's storage tool writes into a new directory (KIP-1170). */
function format({ dir, nodeId, bootstrap, tools, staticVoters, storage }: Parts): void {
  const legacy = readWhole(dir.env.disk, `${dir.path}/bootstrap.checkpoint`);
  const records =
    legacy === undefined ? bootstrap() : [...readMetadataBatches(legacy, tools)].flatMap(batch => batch.records);
  const isStatic = staticVoters.length > 0;
  writeBootstrapSnapshot(dir.env, storage.path, {
    lastContainedLogTimestamp: 0,
    kraftVersion: isStatic ? 0 : KRAFT_FEATURE.max,
    voters: isStatic ? undefined : [describeVoter(nodeId, dir.directoryId)],
    records,
  });
  storage.snapshots.open();
}

/** Voters in a snapshot; undefined with kraft.version 0. */
export function voterSetOf({ kraftVersion, voters }: Snapshot): VoterSet | undefined {
  return kraftVersion >= 1 && voters !== undefined ? { kraftVersion, voters } : undefined;
}

/** A voter without endpoints. */
export function describeVoter(id: BrokerId, directoryId: VoterDescription["directoryId"]): VoterDescription {
  return { id, directoryId, endpoints: [], minKraftVersion: 0, maxKraftVersion: KRAFT_FEATURE.max };
}
