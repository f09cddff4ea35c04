import type { ByteReader, PartitionIndex, Uuid } from "@samsa/base";
import type { ShardRecord } from "../shard/effects.ts";
import type { CommittedOffset } from "./offset-table.ts";
import type { View } from "../shard/timeline.ts";

/** Types of groups, as ListGroups names them (`Group.GroupType`). */
export type GroupType = "classic" | "consumer" | "share";

/** Request to commit offsets, with the identity of the member that sends it. */
export interface CommitClaim {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  /** Generation id or member epoch; negative if the client is no member. */
  readonly generation: number;
  readonly isTransactional: boolean;
  readonly version: number;
  readonly topics: readonly {
    readonly topicId: Uuid;
    readonly partitions: readonly { readonly partitionIndex: PartitionIndex }[];
  }[];
}

/** A group of any type (`Group`). Each `validate` method returns 0, or the error code for the client. */
export interface Group {
  readonly id: string;
  readonly type: GroupType;
  /** Name of the state in responses. The state of a classic group has no versions. */
  stateIn(view: View): string;
  /** null until a member of a classic group has named one. */
  readonly protocolType: string | null;
  readonly isEmpty: boolean;
  readonly members: { readonly size: number };
  /** False if the expiry of offsets never erases an empty group of this type (`shouldExpire`). */
  readonly expires: boolean;
  validateOffsetCommit(claim: CommitClaim): number;
  validateOffsetFetch(memberId: string | null, memberEpoch: number, view: View): number;
  validateOffsetDelete(): number;
  validateDelete(): number;
  /** True if a member subscribes to the topic, or may subscribe to it. */
  isSubscribedTo(topic: string): boolean;
  /** Time from which the offset's retention counts (`OffsetExpirationCondition`); Infinity: it does not age. */
  ageBase(topic: string, offset: CommittedOffset): number;
  /** Makes the group check its topics again at the next heartbeat. */
  requestMetadataRefresh(): void;
  /** Tombstones of the group's records, in the order that Kafka's replay requires. */
  tombstones(): readonly ShardRecord[];
}

/** Groups of one type in a shard: a row of the shard's table of types. */
export interface GroupsOfType {
  /** Types of the groups' records in `__consumer_offsets` (`CoordinatorRecordType`). */
  readonly recordTypes: readonly number[];
  /** Applies a record of one of `recordTypes`; `key` is read up to the type. Throws `MalformedError`. */
  replay(recordType: number, key: ByteReader, value: Uint8Array | null): void;
  /** Starts sessions and timers after the load of the log. */
  loaded(): void;
  /** Answers requests that wait for more than the write of records, with the error. */
  unload?(errorCode: number): void;
  /** Removes deleted topics from the groups' records. Committed offsets are the shard's. */
  eraseOrphans?(): void;
}
