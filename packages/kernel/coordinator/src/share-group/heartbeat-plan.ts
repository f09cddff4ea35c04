import { type Offset, type PartitionIndex, sameItems, type Uuid } from "@samsa/base";
import type { ShardContext } from "../group/context.ts";
import type { ShardRecord } from "../shard/effects.ts";
import type { Initialization } from "../shard/initialization.ts";
import { type Assignment, assignShares } from "./assignor.ts";
import {
  countSubscriptions,
  type KnownTopic,
  type Member,
  NOTHING,
  type Outlook,
  same,
  type ShareGroup,
  type ShareGroupConfig,
  stateRecord,
} from "./group.ts";
import { shareRecords } from "./records.ts";

/** Refresh interval of topics that do not change. */
const REFRESH_MS = 2147483647;
const UNKNOWN_START = -1;

/** Partitions of a topic to initialize, and the group's start offset in them; `UNKNOWN_START`: not set. */
interface Uninitialized {
  readonly topicId: Uuid;
  readonly name: string;
  readonly partitions: readonly PartitionIndex[];
  readonly startOffset: Offset;
}

/**
 * Changes of a heartbeat: the group epoch, the assignment, and the member epoch (`shareGroupHeartbeat`). A heartbeat
 * that changes nothing reads only its member, however large the group is.
 */
export class HeartbeatPlan {
  readonly records: ShardRecord[] = [];
  initialization: Initialization | undefined;
  after: Member;
  readonly #context: ShardContext;
  readonly #config: ShareGroupConfig;
  readonly #group: ShareGroup;

  constructor(context: ShardContext, config: ShareGroupConfig, group: ShareGroup, member: Member) {
    this.#context = context;
    this.#config = config;
    this.#group = group;
    this.after = member;
  }

  run(before: Member | undefined): void {
    const { after } = this;
    const group = this.#group;
    const { wall, hashes, topics: directory } = this.#context;
    const { id, rackId, clientId, clientHost, topics } = after;
    const isNew = before === undefined;
    const wantsOthers = isNew || !sameItems(before.topics, topics);
    const isOther =
      isNew || before.rackId !== rackId || before.clientId !== clientId || before.clientHost !== clientHost;
    if (wantsOthers || isOther) {
      const value = { rackId, clientId, clientHost, subscribedTopicNames: [...topics] };
      this.records.push(shareRecords.member(group.id, id, value));
    }
    const outlook = this.#outlook();
    let { epoch } = group;
    let bumps = wantsOthers || (group.assignmentEpoch >= epoch && outlook.isUnassigned);
    const isRenewed = bumps || wall >= group.refresh.at || epoch < group.refresh.epoch;
    const subscribed = isRenewed ? this.#namesWith(before) : group.subscribers.keys();
    if (isRenewed) {
      const metadataHash = hashes.of(directory, subscribed);
      bumps ||= metadataHash !== group.metadataHash;
      if (bumps) this.records.push(shareRecords.epoch(group.id, { epoch: ++epoch, metadataHash }));
      group.refresh = { at: wall + REFRESH_MS, epoch };
    }
    const assigns = epoch > group.assignmentEpoch && this.#mayAssign();
    const targets = assigns ? this.#assign(epoch) : group.targets;
    this.#reconcile(assigns ? epoch : group.assignmentEpoch, targets.get(id) ?? NOTHING, bumps);
    if (isRenewed || wall >= outlook.initializeAt) this.#initialize(epoch, this.#uninitialized(subscribed));
  }

  #namesWith(before: Member | undefined): readonly string[] {
    const subscribers = new Map(this.#group.subscribers);
    countSubscriptions(subscribers, before?.topics ?? [], this.after.topics);
    return [...subscribers.keys()];
  }

  #outlook(): Outlook {
    const group = this.#group;
    group.outlook ??= {
      isUnassigned: group.members.size > 0 && this.#isUnassigned(),
      initializeAt: this.#uninitialized(group.subscribers.keys()).length > 0 ? 0 : this.#nextRetry(),
    };
    return group.outlook;
  }

  /** Time of the first retry of a pending initialization. */
  #nextRetry(): number {
    let at = Infinity;
    for (const { name, since } of this.#group.initializing.values()) {
      if (this.#group.subscribers.has(name)) at = Math.min(at, since + this.#config.initializeRetryMs());
    }
    return at;
  }

  /** Initialized partitions of topics for whose names `isWanted` is true. */
  #assignable(isWanted: (name: string) => boolean): Map<Uuid, ReadonlySet<PartitionIndex>> {
    const assignable = new Map<Uuid, ReadonlySet<PartitionIndex>>();
    for (const [topicId, { name, partitions }] of this.#group.initialized) {
      // Another topic may have the name by now.
      if (isWanted(name) && this.#context.topics.idOf(name) === topicId) assignable.set(topicId, partitions);
    }
    return assignable;
  }

  /** True if some initialized partitions of subscribed topics are not assigned (`initializedAssignmentPending`). */
  #isUnassigned(): boolean {
    const { subscribers, targets } = this.#group;
    const assignable = this.#assignable(name => subscribers.has(name));
    if (assignable.size === 0) return false;
    const assigned = new Map<Uuid, Set<PartitionIndex>>();
    for (const target of targets.values()) {
      for (const [topicId, indexes] of target) {
        if (!assignable.has(topicId)) continue;
        const all = assigned.get(topicId) ?? new Set();
        assigned.set(topicId, all);
        for (const index of indexes) all.add(index);
      }
    }
    return !same(assigned, assignable);
  }

  /** True once the assignment interval has passed. A wall clock that was set back does not delay assignments. */
  #mayAssign(): boolean {
    const { wall } = this.#context;
    const { assignmentTimestamp: since, id } = this.#group;
    return since === 0 || wall >= since + this.#config.assignmentIntervalMs(id) || wall < since;
  }

  #assign(epoch: number): ReadonlyMap<string, Assignment> {
    const group = this.#group;
    const { wall } = this.#context;
    const members = new Map(group.members).set(this.after.id, this.after);
    const wanted = new Set<string>();
    const subscribers = [...members.values()].map(({ id: memberId, topics }) => {
      for (const name of topics) wanted.add(name);
      return { memberId, topicIds: this.#idsOf(topics), assigned: group.targets.get(memberId) ?? NOTHING };
    });
    const targets = assignShares(
      subscribers,
      this.#assignable(name => wanted.has(name)),
    );
    for (const [memberId, target] of targets) {
      const before = group.targets.get(memberId);
      if (before === undefined || !same(before, target)) {
        this.records.push(shareRecords.target(group.id, memberId, target));
      }
    }
    this.records.push(shareRecords.targetEpoch(group.id, epoch, wall));
    return targets;
  }

  #idsOf(names: readonly string[]): Set<Uuid> {
    return new Set(names.flatMap(name => this.#context.topics.idOf(name) ?? []));
  }

  /** Moves the member to its target; `isForced`: also within an epoch, as its subscription may have changed. */
  #reconcile(epoch: number, target: Assignment, isForced: boolean): void {
    const { after } = this;
    if (after.memberEpoch === epoch && !isForced) return;
    const wanted = this.#idsOf(after.topics);
    const assigned = new Map([...target].filter(([topicId]) => wanted.has(topicId)));
    if (after.memberEpoch !== epoch) {
      this.after = { ...after, memberEpoch: epoch, previousMemberEpoch: after.memberEpoch, assigned };
    } else if (same(after.assigned, assigned)) return;
    else this.after = { ...after, assigned };
    this.records.push(shareRecords.current(this.#group.id, after.id, this.after));
  }

  /** Partitions that are new, or whose initialization has taken too long (`subscribedTopicsChangeMap`). */
  #uninitialized(names: Iterable<string>): Uninitialized[] {
    const { topics: directory, wall } = this.#context;
    const { initializing, initialized } = this.#group;
    const found: Uninitialized[] = [];
    for (const name of names) {
      const topicId = directory.idOf(name);
      if (topicId === undefined) continue;
      const count = directory.partitions(topicId);
      const done = initialized.get(topicId)?.partitions;
      if ((done?.size ?? 0) >= count) continue;
      const pending = initializing.get(topicId);
      const isFresh = pending !== undefined && wall - pending.since < this.#config.initializeRetryMs();
      const isKnown = (index: PartitionIndex): boolean =>
        done?.has(index) === true || (isFresh && pending.partitions.has(index));
      const partitions = Array.from({ length: count }, (_, index) => index).filter(index => !isKnown(index));
      if (partitions.length === 0) continue;
      // Read a partition that is added to a topic from offset 0, so that no record is missed.
      const startOffset = done !== undefined || pending !== undefined ? 0 : UNKNOWN_START;
      found.push({ topicId, name, partitions, startOffset });
    }
    return found;
  }

  /** Requests the initialization of partitions by the share coordinator. */
  #initialize(epoch: number, topics: readonly Uninitialized[]): void {
    if (topics.length === 0) return;
    const { initializing, initialized, deleting, id: groupId } = this.#group;
    const next = new Map<Uuid, KnownTopic>(initializing);
    for (const { topicId, name, partitions } of topics) {
      const all = new Set([...(initializing.get(topicId)?.partitions ?? []), ...partitions]);
      next.set(topicId, { name, partitions: all, since: this.#context.wall });
    }
    const left = deleting.filter(({ topicId }) => !next.has(topicId));
    this.records.push(stateRecord(groupId, next, initialized, left));
    const starts = topics.map(({ topicId, partitions, startOffset }) => ({ topicId, partitions, startOffset }));
    this.initialization = { groupId, stateEpoch: epoch, topics: starts };
  }
}
