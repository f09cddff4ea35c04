import type { Int64, Uuid } from "@samsa/base";
import type { ShardRecord } from "../effects.ts";
import type { Assignment } from "./assignor.ts";
import { type CurrentAssignment, shareRecords } from "./records.ts";

export const NOTHING: Assignment = new Map();

/** What share groups go by. */
export interface ShareGroupConfig {
  readonly sessionTimeoutMs: (groupId: string) => number;
  readonly heartbeatIntervalMs: (groupId: string) => number;
  /** Least time between two assignments of a group, in ms. */
  readonly assignmentIntervalMs: (groupId: string) => number;
  readonly maxSize: () => number;
  /** A topic as it is; undefined: there is none. */
  readonly topic: (name: string) => { readonly id: Uuid; readonly partitions: number } | undefined;
  /** Whether another type of group has this id. */
  readonly isTaken: (groupId: string) => boolean;
}

/** Partitions whose state the share coordinator is to initialize. */
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
  /** When its initialization was begun, in ms since 1970. */
  readonly since: number;
}

export interface ShareGroup {
  readonly id: string;
  epoch: number;
  metadataHash: bigint;
  assignmentEpoch: number;
  /** When the assignment was made, in ms since 1970; 0: the next one need not wait. */
  assignmentTimestamp: number;
  readonly members: Map<string, Member>;
  readonly targets: Map<string, Assignment>;
  initializing: ReadonlyMap<Uuid, KnownTopic>;
  initialized: ReadonlyMap<Uuid, KnownTopic>;
  deleting: readonly { readonly topicId: Uuid; readonly topicName: string }[];
  /** When members are out unless they have been heard of; only of the group's coordinator. */
  readonly expiries: Map<string, number>;
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
    epoch: 0,
    metadataHash: 0n,
    assignmentEpoch: 0,
    assignmentTimestamp: 0,
    members: new Map(),
    targets: new Map(),
    initializing: new Map(),
    initialized: new Map(),
    deleting: [],
    expiries: new Map(),
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

/** What there is of the topics: another number once any of it is another. */
export function hashOf(config: ShareGroupConfig, topics: readonly string[]): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const name of [...new Set(topics)].sort()) {
    const topic = config.topic(name);
    if (topic === undefined) continue;
    for (const char of `${topic.id}:${name}:${topic.partitions};`) {
      hash = BigInt.asUintN(64, (hash ^ BigInt(char.codePointAt(0) ?? 0)) * 0x100000001b3n);
    }
  }
  return topics.length === 0 ? 0n : BigInt.asIntN(64, hash);
}
