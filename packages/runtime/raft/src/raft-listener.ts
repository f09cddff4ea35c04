import type { BrokerId, LeaderEpoch } from "@samsa/base";
import type { Provenance } from "@samsa/metadata";
import type { MetadataRecord } from "@samsa/protocol";

/** Leader of the quorum in an epoch (`LeaderAndEpoch`). */
export interface LeaderAndEpoch {
  readonly epoch: LeaderEpoch;
  /** Undefined: unknown. */
  readonly leaderId: BrokerId | undefined;
}

/** Receives the metadata (`RaftClient.Listener`). Calls never overlap. An error that it throws ends the replica. */
export interface RaftListener {
  /**
   * A snapshot replaces all that was replayed before. `last` is the provenance of the last record it includes. The rest of
   * a large snapshot follows in calls of `replay`.
   */
  loadSnapshot(records: readonly MetadataRecord[], last: Provenance): void;
  /** Committed records in the order of the log; `last` is the provenance of the last one. */
  replay(records: readonly MetadataRecord[], last: Provenance): void;
  /** All that is committed by now has been replayed. */
  committed(): void;
  /**
   * The leader or the epoch has changed. For this node as the leader it is called only once all records before its
   * epoch have been replayed.
   */
  leaderChanged(leader: LeaderAndEpoch): void;
  /** The disk has failed, or an invariant is broken: the replica takes no more. Called once. */
  failed(error: Error): void;
}
