import type { BackoffOptions, LeaderEpoch, Offset } from "@samsa/base";
import type { OffsetCommitRequest, OffsetFetchRequest } from "@samsa/protocol";
import type { TopicPartition } from "../cluster/cluster-view.ts";
import type { KafkaError } from "../error/kafka-error.ts";

/** Offset of the next record of a partition that a group has to read. */
export interface PartitionOffset extends TopicPartition {
  readonly offset: Offset;
  /** Leader epoch of the record before; −1: not known. */
  readonly leaderEpoch: LeaderEpoch;
  readonly metadata: string;
}

/** Settings of commits and fetches of offsets. */
export interface OffsetSettings {
  readonly groupId: string;
  /** The group is one of the consumer protocol, whose members name their epoch when they fetch offsets (KIP-848). */
  readonly hasMemberEpochs: boolean;
  /** Offsets are committed by a member; false: by a consumer that assigns partitions to itself. */
  readonly isMember: boolean;
  /** Most commits, or fetches, that wait at a time. */
  readonly maxWaiting: number;
  /** `retry.backoff.ms` and `retry.backoff.max.ms`. */
  readonly backoff: BackoffOptions;
}

/** Request about offsets to the coordinator of the group. */
export type OffsetRequest =
  | { readonly api: "OffsetCommit"; readonly request: OffsetCommitRequest }
  | { readonly api: "OffsetFetch"; readonly request: (version: number) => OffsetFetchRequest };

/** Work of the runtime about offsets. */
export type OffsetEffect =
  /** Send a request, of `maxVersion` or below; then call `answered` or `failed` with the id. */
  | { readonly type: "call"; readonly id: number; readonly maxVersion: number; readonly call: OffsetRequest }
  /** A commit has ended; undefined: it has succeeded. */
  | { readonly type: "committed"; readonly token: number; readonly error: KafkaError | undefined }
  /** A fetch has ended. Partitions without an offset are absent. */
  | {
      readonly type: "fetched";
      readonly token: number;
      readonly offsets: readonly PartitionOffset[];
      readonly error: KafkaError | undefined;
    }
  /** Look for the coordinator again before the next request. */
  | { readonly type: "forgetCoordinator" }
  /** Tell the member that the coordinator does not know it (`GroupMember.suspected`). */
  | { readonly type: "suspect" };

/** Last versions that name topics instead of giving their ids. */
export const LAST_NAMED_VERSION = 9;
/** Any version. */
export const ANY_VERSION = 0x7fff;
