import type { Int64, Uuid } from "@samsa/base";
import type { ShardRecord } from "../effects.ts";
import type { Assignment } from "./assignor.ts";
import { type CurrentAssignment, shareRecords } from "./records.ts";

export const NOTHING: Assignment = new Map();

/** Settings of share groups; durations in milliseconds (`group.share.*`). */
export interface ShareGroupConfig {
  readonly sessionTimeoutMs: (groupId: string) => number;
  readonly heartbeatIntervalMs: (groupId: string) => number;
  /** Minimum time between two assignments of a group, in ms. */
  readonly assignmentIntervalMs: (groupId: string) => number;
  readonly maxSize: () => number;
  /** True if a group of another type has this id. */
  readonly isTaken: (groupId: string) => boolean;
}

/** Partitions whose state the share coordinator must initialize. */
export interface Initialization {
  readonly groupId: string;
  readonly stateEpoch: number;
  readonly topics: readonly {
    readonly topicId: Uuid;
    readonly partitions: readonly number[];
    readonly startOffset: Int64;
  }[];
}

export interface Member extends CurrentAssignment {
  readonly id: string;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly topics: readonly string[];
}

export interface KnownTopic {
  readonly name: string;
  readonly partitions: ReadonlySet<number>;
  /** Time at which its initialization began, in ms since 1970. */
  readonly since: number;
}

/** Derived state that heartbeats need; computed once after a change of the group or of its topics. */
export interface Outlook {
  /** True if some initialized partitions of subscribed topics are not assigned. */
  readonly isUnassigned: boolean;
  /** Time from which partitions must be initialized, in ms since 1970; Infinity if all are. */
  readonly initializeAt: number;
}

export interface ShareGroup {
  readonly id: string;
  epoch: number;
  metadataHash: bigint;
  assignmentEpoch: number;
  /** Time of the assignment, in ms since 1970; 0: it does not delay the next one. */
  assignmentTimestamp: number;
  readonly members: Map<string, Member>;
  readonly targets: Map<string, Assignment>;
  initializing: ReadonlyMap<Uuid, KnownTopic>;
  initialized: ReadonlyMap<Uuid, KnownTopic>;
  deleting: readonly { readonly topicId: Uuid; readonly topicName: string }[];
  /** True if the group has a record of its partitions (ShareGroupStatePartitionMetadata). */
  hasStates: boolean;
  /** Number of members that subscribe to a topic, by the topic's name. */
  readonly subscribers: Map<string, number>;
  /** The metadata hash is computed again at `at`, in ms since 1970, or if the group epoch is below `epoch`. */
  refresh: { readonly at: number; readonly epoch: number };
  /** Undefined until it is computed again. */
  outlook: Outlook | undefined;
}

/** Updates the counts for a member that joins, leaves, or changes its subscription. */
export function countSubscriptions(
  subscribers: Map<string, number>,
  before: readonly string[],
  after: readonly string[],
): void {
  for (const name of after) subscribers.set(name, (subscribers.get(name) ?? 0) + 1);
  for (const name of before) {
    const count = (subscribers.get(name) ?? 0) - 1;
    if (count > 0) subscribers.set(name, count);
    else subscribers.delete(name);
  }
}

export function same(one: Assignment, other: Assignment): boolean {
  if (one.size !== other.size) return false;
  for (const [topicId, indexes] of one) {
    const also = other.get(topicId);
    if (also?.size !== indexes.size || ![...indexes].every(index => also.has(index))) return false;
  }
  return true;
}

export function newGroup(id: string): ShareGroup {
  return {
    id,
    epoch: 1,
    metadataHash: 0n,
    assignmentEpoch: 1,
    assignmentTimestamp: 0,
    members: new Map(),
    targets: new Map(),
    initializing: new Map(),
    initialized: new Map(),
    deleting: [],
    hasStates: false,
    subscribers: new Map(),
    refresh: { at: 0, epoch: 0 },
    outlook: undefined,
  };
}

export function newMember(id: string): Member {
  const identity = { id, rackId: null, clientId: "", clientHost: "", topics: [] };
  return { ...identity, memberEpoch: 0, previousMemberEpoch: -1, assigned: NOTHING };
}

export function stateRecord(
  groupId: string,
  initializing: ReadonlyMap<Uuid, KnownTopic>,
  initialized: ReadonlyMap<Uuid, KnownTopic>,
  deletingTopics: ShareGroup["deleting"],
): ShardRecord {
  const shown = (topics: ReadonlyMap<Uuid, KnownTopic>) =>
    [...topics].map(([topicId, { name, partitions }]) => ({ topicId, topicName: name, partitions: [...partitions] }));
  const topics = { initializingTopics: shown(initializing), initializedTopics: shown(initialized) };
  return shareRecords.state(groupId, { ...topics, deletingTopics: [...deletingTopics] });
}
