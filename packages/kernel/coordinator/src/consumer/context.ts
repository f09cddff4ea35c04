import type { Pattern } from "@samsa/base";
import type { ShardContext } from "../context.ts";
import type { ShardRecord } from "../effects.ts";
import type { ConsumerGroup } from "./group.ts";
import type { ConsumerMember } from "./member.ts";
import type { TopicDirectory, TopicHashes } from "./topics.ts";

/** The intervals of a group, which may have settings of its own. */
export interface ConsumerGroupIntervals {
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly assignmentIntervalMs: number;
}

export interface ConsumerGroupConfig {
  readonly maxSize: number;
  /** Names of the assignors that members may choose; the first serves those who do not. */
  readonly assignors: readonly string[];
  /** Which groups may turn from one protocol to the other while they have members. */
  readonly migration: { readonly upgrade: boolean; readonly downgrade: boolean };
  intervals(groupId: string): ConsumerGroupIntervals;
  /** See `Env.pattern`. */
  readonly pattern: (expression: string) => Pattern;
}

/** Context of consumer groups: that of every group, the topics of the cluster, and conversion to a classic group. */
export interface ConsumerContext extends ShardContext {
  readonly topics: TopicDirectory;
  readonly hashes: TopicHashes;
  /** The version of the metadata in which topics last came to be. */
  readonly newTopicsVersion: number;
  /** Puts a classic group in the place of a consumer group; `done` as of `append`. */
  downgrade(group: ConsumerGroup, plan: Downgrade, done: (errorCode: number) => void): void;
}

/** Plan for the conversion of a consumer group to a classic one (`convertToClassicGroup`). */
export interface Downgrade {
  /** Records to write before those of the conversion. */
  readonly records: readonly ShardRecord[];
  /** Members of the classic group, all of the classic protocol. */
  readonly staying: readonly ConsumerMember[];
  /** A member of `staying` that has taken the place of a static member, and the member that it has replaced. */
  readonly replaced?: { readonly by: string; readonly id: string };
  /** False if the members keep what they have. */
  readonly rebalance: boolean;
}

/** Why a request is not granted. */
export interface Refusal {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

export function refusal(error: { readonly code: number }, errorMessage: string): Refusal {
  return { errorCode: error.code, errorMessage };
}
