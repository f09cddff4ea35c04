import type { PartitionIndex, Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { ShardRecord } from "../shard/effects.ts";
import type { Group } from "../group/group.ts";
import { type Derived, type Timeline, TimelineMap, TimelineValue, type View } from "../shard/timeline.ts";
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
  /** Time after which an initialization of share partitions that has not ended is repeated, in ms. */
  readonly initializeRetryMs: () => number;
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
  readonly partitions: ReadonlySet<PartitionIndex>;
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

/** Topic whose share-partition states are being deleted. */
interface DeletingTopic {
  readonly topicId: Uuid;
  readonly topicName: string;
}

/** Fields of the records of a group, of its target assignment, and of its partitions. */
interface Fields {
  readonly epoch: number;
  readonly metadataHash: bigint;
  readonly assignmentEpoch: number;
  /** Time of the assignment, in ms since 1970; 0: it does not delay the next one. */
  readonly assignmentTimestamp: number;
  readonly initializing: ReadonlyMap<Uuid, KnownTopic>;
  readonly initialized: ReadonlyMap<Uuid, KnownTopic>;
  readonly deleting: readonly DeletingTopic[];
  /** True if the group has a record of its partitions (ShareGroupStatePartitionMetadata). */
  readonly hasStates: boolean;
}

const FIRST_FIELDS: Fields = {
  epoch: 1,
  metadataHash: 0n,
  assignmentEpoch: 1,
  assignmentTimestamp: 0,
  initializing: new Map(),
  initialized: new Map(),
  deleting: [],
  hasStates: false,
};

/** Share group (KIP-932): its members, and the topics with share-partition states. It has no committed offsets. */
export class ShareGroup implements Group, Derived {
  readonly type = "share";
  readonly protocolType = "share";
  readonly expires = false;
  readonly id: string;
  readonly #fields: TimelineValue<Fields>;
  readonly members: TimelineMap<string, Member>;
  readonly targets: TimelineMap<string, Assignment>;
  /** Number of members that subscribe to a topic, by the topic's name. */
  readonly subscribers = new Map<string, number>();
  /** The metadata hash is computed again at `at`, in ms since 1970, or if the group epoch is below `epoch`. */
  refresh = { at: 0, epoch: 0 };
  /** Undefined until it is computed again. */
  outlook: Outlook | undefined;

  constructor(id: string, timeline: Timeline) {
    this.id = id;
    this.#fields = new TimelineValue(timeline, FIRST_FIELDS, this);
    this.members = new TimelineMap(timeline, this);
    this.targets = new TimelineMap(timeline, this);
  }

  get epoch(): number {
    return this.#fields.get().epoch;
  }

  get metadataHash(): bigint {
    return this.#fields.get().metadataHash;
  }

  get assignmentEpoch(): number {
    return this.#fields.get().assignmentEpoch;
  }

  get assignmentTimestamp(): number {
    return this.#fields.get().assignmentTimestamp;
  }

  get initializing(): ReadonlyMap<Uuid, KnownTopic> {
    return this.#fields.get().initializing;
  }

  get initialized(): ReadonlyMap<Uuid, KnownTopic> {
    return this.#fields.get().initialized;
  }

  get deleting(): readonly DeletingTopic[] {
    return this.#fields.get().deleting;
  }

  get hasStates(): boolean {
    return this.#fields.get().hasStates;
  }

  epochs(view: View): Pick<Fields, "epoch" | "assignmentEpoch"> {
    return this.#fields.get(view);
  }

  set(change: Partial<Fields>): void {
    this.#fields.set({ ...this.#fields.get(), ...change });
  }

  reverted(): void {
    this.outlook = undefined;
    this.subscribers.clear();
    for (const { topics } of this.members.values()) countSubscriptions(this.subscribers, [], topics);
  }

  get isEmpty(): boolean {
    return this.members.size === 0;
  }

  stateIn(view: View): "Empty" | "Stable" {
    return this.members.values(view).next().done === true ? "Empty" : "Stable";
  }

  validateOffsetCommit(): number {
    return Errors.GROUP_ID_NOT_FOUND.code;
  }

  validateOffsetFetch(): number {
    return Errors.GROUP_ID_NOT_FOUND.code;
  }

  validateOffsetDelete(): number {
    return Errors.GROUP_ID_NOT_FOUND.code;
  }

  validateDelete(): number {
    return this.isEmpty ? 0 : Errors.NON_EMPTY_GROUP.code;
  }

  isSubscribedTo(topic: string): boolean {
    return this.subscribers.has(topic);
  }

  ageBase(): number {
    return Infinity;
  }

  requestMetadataRefresh(): void {
    this.refresh = { at: 0, epoch: 0 };
    this.outlook = undefined;
  }

  tombstones(): ShardRecord[] {
    const ids = [...this.members.keys()];
    return [
      ...ids.map(memberId => shareRecords.current(this.id, memberId, null)),
      ...ids.map(memberId => shareRecords.target(this.id, memberId, null)),
      shareRecords.targetEpoch(this.id, null),
      ...ids.map(memberId => shareRecords.member(this.id, memberId, null)),
      shareRecords.state(this.id, null),
      shareRecords.epoch(this.id, null),
    ];
  }
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

export function newMember(id: string): Member {
  const identity = { id, rackId: null, clientId: "", clientHost: "", topics: [] };
  return { ...identity, memberEpoch: 0, previousMemberEpoch: -1, assigned: NOTHING };
}

export function stateRecord(
  groupId: string,
  initializing: ReadonlyMap<Uuid, KnownTopic>,
  initialized: ReadonlyMap<Uuid, KnownTopic>,
  deletingTopics: readonly DeletingTopic[],
): ShardRecord {
  const shown = (topics: ReadonlyMap<Uuid, KnownTopic>) =>
    [...topics].map(([topicId, { name, partitions }]) => ({ topicId, topicName: name, partitions: [...partitions] }));
  const topics = { initializingTopics: shown(initializing), initializedTopics: shown(initialized) };
  return shareRecords.state(groupId, { ...topics, deletingTopics: [...deletingTopics] });
}
