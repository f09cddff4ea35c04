import type { ShardContext } from "../group/context.ts";
import type { ShardRecord } from "../shard/effects.ts";
import type { ConsumerGroup } from "./group.ts";
import type { ConsumerMember } from "./member.ts";

/** Context of consumer groups: the shard's, and conversion to a classic group. */
export interface ConsumerContext extends ShardContext {
  /** Replaces a consumer group by a classic group; `done` as for `append`. */
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
  /** False if the members keep their assignments. */
  readonly rebalance: boolean;
}

/** Error of a refused request. */
export interface Refusal {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

export function refusal(error: { readonly code: number }, errorMessage: string): Refusal {
  return { errorCode: error.code, errorMessage };
}
