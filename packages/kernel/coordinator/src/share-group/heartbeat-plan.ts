import type { Uuid } from "@samsa/base";
import type { ShardRecord } from "../effects.ts";
import { type Assignment, assignShares } from "./assignor.ts";
import {
  hashOf,
  type Initialization,
  type Member,
  NOTHING,
  same,
  type ShareGroup,
  type ShareGroupConfig,
  stateRecord,
} from "./group.ts";
import { shareRecords } from "./records.ts";

/** `group.share.initialize.retry.interval.ms`. */
const RETRY_MS = 30_000;
const UNKNOWN_START = -1;

/** What a heartbeat changes: its group's epoch, who fetches what, and where its member is. */
export class HeartbeatPlan {
  readonly records: ShardRecord[] = [];
  initialization: Initialization | undefined;
  after: Member;
  readonly #config: ShareGroupConfig;
  readonly #wall: number;
  readonly #group: ShareGroup;
  readonly #members: ReadonlyMap<string, Member>;

  constructor(config: ShareGroupConfig, wall: number, group: ShareGroup, member: Member) {
    this.#config = config;
    this.#wall = wall;
    this.#group = group;
    this.after = member;
    this.#members = new Map(group.members).set(member.id, member);
  }

  run(before: Member | undefined): void {
    const { after } = this;
    const group = this.#group;
    const { id, rackId, clientId, clientHost, topics } = after;
    const isNew = before === undefined;
    const wantsOthers = isNew || before.topics.join("\n") !== topics.join("\n");
    const isOther =
      isNew || before.rackId !== rackId || before.clientId !== clientId || before.clientHost !== clientHost;
    if (wantsOthers || isOther) {
      const value = { rackId, clientId, clientHost, subscribedTopicNames: [...topics] };
      this.records.push(shareRecords.member(group.id, id, value));
    }
    const metadataHash = hashOf(this.#config, this.#topics);
    let { epoch } = group;
    const isPending = group.assignmentEpoch >= epoch && this.#isPending();
    const bumps = wantsOthers || isPending || metadataHash !== group.metadataHash;
    if (bumps) this.records.push(shareRecords.epoch(group.id, { epoch: ++epoch, metadataHash }));
    const assigns = epoch > group.assignmentEpoch && this.#mayAssign();
    const targets = assigns ? this.#assign(epoch) : group.targets;
    this.#reconcile(assigns ? epoch : group.assignmentEpoch, targets.get(id) ?? NOTHING, bumps);
    this.#initialize(epoch);
  }

  get #topics(): string[] {
    return [...this.#members.values()].flatMap(({ topics }) => topics);
  }

  /** Partitions that are initialized and of a topic that somebody wants. */
  #assignable(): Map<Uuid, ReadonlySet<number>> {
    const wanted = new Set(this.#topics);
    const assignable = new Map<Uuid, ReadonlySet<number>>();
    for (const [topicId, { name, partitions }] of this.#group.initialized) {
      // A topic of the same name may be another one by now.
      if (wanted.has(name) && this.#config.topic(name)?.id === topicId) assignable.set(topicId, partitions);
    }
    return assignable;
  }

  /** Whether something is initialized by now that nobody has been assigned, or the other way round. */
  #isPending(): boolean {
    const assigned = new Map<Uuid, Set<number>>();
    for (const target of this.#group.targets.values()) {
      for (const [topicId, indexes] of target) {
        assigned.set(topicId, new Set([...(assigned.get(topicId) ?? []), ...indexes]));
      }
    }
    return this.#group.members.size > 0 && !same(assigned, this.#assignable());
  }

  /** Not before the interval since the last assignment is over; a clock that was set back does not stop groups. */
  #mayAssign(): boolean {
    const { assignmentTimestamp: since, id } = this.#group;
    return this.#wall >= since + this.#config.assignmentIntervalMs(id) || this.#wall < since;
  }

  #assign(epoch: number): ReadonlyMap<string, Assignment> {
    const group = this.#group;
    const subscribers = [...this.#members.values()].map(({ id: memberId, topics }) => ({
      memberId,
      topicIds: new Set(topics.flatMap(name => this.#config.topic(name)?.id ?? [])),
      assigned: group.targets.get(memberId) ?? NOTHING,
    }));
    const targets = assignShares(subscribers, this.#assignable());
    for (const [memberId, target] of targets) {
      const before = group.targets.get(memberId);
      if (before === undefined || !same(before, target)) {
        this.records.push(shareRecords.target(group.id, memberId, target));
      }
    }
    this.records.push(shareRecords.targetEpoch(group.id, epoch, this.#wall));
    return targets;
  }

  #reconcile(epoch: number, target: Assignment, isForced: boolean): void {
    const { after } = this;
    if (after.memberEpoch === epoch && !isForced) return;
    const previousMemberEpoch = after.memberEpoch === epoch ? after.previousMemberEpoch : after.memberEpoch;
    this.after = { ...after, memberEpoch: epoch, previousMemberEpoch, assigned: target };
    this.records.push(shareRecords.current(this.#group.id, after.id, this.after));
  }

  /** Lets the share coordinator initialize what is wanted and not known yet; what has taken too long, once more. */
  #initialize(epoch: number): void {
    const { initializing, initialized, deleting, id: groupId } = this.#group;
    const topics: { topicId: Uuid; partitions: number[]; startOffset: number }[] = [];
    const next = new Map(initializing);
    for (const name of new Set(this.#topics)) {
      const topic = this.#config.topic(name);
      if (topic === undefined) continue;
      const pending = initializing.get(topic.id);
      const isFresh = pending !== undefined && this.#wall - pending.since < RETRY_MS;
      const known = new Set([...(initialized.get(topic.id)?.partitions ?? []), ...(isFresh ? pending.partitions : [])]);
      const partitions = Array.from({ length: topic.partitions }, (_, index) => index).filter(
        index => !known.has(index),
      );
      if (partitions.length === 0) continue;
      // The first records of a partition that is added to a topic are not to be missed.
      const isKnown = initialized.has(topic.id) || pending !== undefined;
      topics.push({ topicId: topic.id, partitions, startOffset: isKnown ? 0 : UNKNOWN_START });
      const all = new Set([...(pending?.partitions ?? []), ...partitions]);
      next.set(topic.id, { name, partitions: all, since: this.#wall });
    }
    if (topics.length === 0) return;
    this.records.push(stateRecord(groupId, next, initialized, deleting));
    this.initialization = { groupId, stateEpoch: epoch, topics };
  }
}
