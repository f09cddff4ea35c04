import type { Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { ShardRecord } from "../effects.ts";
import type { ConsumerContext } from "./context.ts";
import { ConsumerGroup, type Deadlines } from "./group.ts";
import { AWAY_EPOCH, type ConsumerMember, JOINING_EPOCH, LEAVING_EPOCH, STATE } from "./member.ts";
import { ConsumerHeartbeats, type HeartbeatInput, heartbeatFault } from "./heartbeat.ts";
import type { ConsumerRecord } from "./records.ts";
import { replayConsumerRecord } from "./replay.ts";
import { RegexResolver } from "./resolver.ts";
import { ConsumerUpdates } from "./update.ts";

/** The consumer groups of a shard: what they are asked, what becomes of them as time goes by, what the log says of them. */
export class ConsumerGroups {
  readonly updates: ConsumerUpdates;
  readonly #context: ConsumerContext;
  readonly #heartbeats: ConsumerHeartbeats;
  readonly #resolvers = new WeakMap<ConsumerGroup, RegexResolver>();

  constructor(context: ConsumerContext) {
    this.#context = context;
    this.updates = new ConsumerUpdates(context);
    this.#heartbeats = new ConsumerHeartbeats(context, this.updates);
  }

  /** Answers a request that is wrong whatever the group; whether it was. */
  refused(input: HeartbeatInput): boolean {
    const fault = heartbeatFault(input, this.#context.config.consumer.assignors);
    if (fault !== undefined) this.#context.reply(input.ticket, fault);
    return fault !== undefined;
  }

  /** `records` make the group what it is, where it is not yet, and are written before those of the request. */
  heartbeat(group: ConsumerGroup, input: HeartbeatInput, records: ShardRecord[]): void {
    const { memberEpoch } = input.body;
    if (memberEpoch === LEAVING_EPOCH || memberEpoch === AWAY_EPOCH) this.#heartbeats.leave(group, input);
    else this.#heartbeats.beat(group, input, records);
  }

  /** Does one thing whose time has come, and says when it wants to be called again; now, when it has done something. */
  tick(group: ConsumerGroup): number {
    const { now } = this.#context;
    if (group.resolving) {
      this.#resolve(group);
      return now;
    }
    let next = Infinity;
    for (const [id, deadlines] of group.deadlines) {
      const at = Math.min(deadlines.session, deadlines.rebalance, deadlines.join, deadlines.sync);
      const member = group.members.get(id);
      if (at > now || member === undefined) next = Math.min(next, at);
      else {
        // One at a time: each is decided knowing what became of the one before.
        this.updates.putOut(group, [member], () => {});
        return now;
      }
    }
    return next;
  }

  #resolve(group: ConsumerGroup): void {
    let resolver = this.#resolvers.get(group);
    if (resolver === undefined) {
      resolver = new RegexResolver(this.#context, group);
      this.#resolvers.set(group, resolver);
    }
    if (!resolver.advance()) return;
    this.#resolvers.delete(group);
    group.resolving = false;
    const records = resolver.records(this.#context, group);
    if (records.length > 0) this.#context.append(records, () => {});
  }

  /** Takes in a record of a group that is there; deadlines begin when the group is `live`. */
  replay(group: ConsumerGroup, record: ConsumerRecord, live: boolean): void {
    const member = replayConsumerRecord(group, record);
    if (!live) return;
    if (record.type === "target") group.assignedAt = this.#context.now;
    if (member === undefined) return;
    const deadlines = this.#deadlines(group, member);
    if (record.type === "current") this.#revoke(group, member, deadlines);
  }

  #deadlines(group: ConsumerGroup, member: ConsumerMember): Deadlines {
    let deadlines = group.deadlines.get(member.id);
    if (deadlines === undefined) {
      const { sessionTimeoutMs } = member.classic ?? this.#context.config.consumer.intervals(group.id);
      const session = this.#context.now + sessionTimeoutMs;
      deadlines = { session, rebalance: Infinity, join: Infinity, sync: Infinity };
      group.deadlines.set(member.id, deadlines);
      this.#context.wake(group, session);
    }
    return deadlines;
  }

  /** A member that has been asked to give something up has its rebalance timeout for that. */
  #revoke(group: ConsumerGroup, member: ConsumerMember, deadlines: Deadlines): void {
    const revokes = member.state === STATE.unrevoked && member.epoch >= JOINING_EPOCH && member.classic === null;
    deadlines.rebalance = revokes ? this.#context.now + member.rebalanceTimeoutMs : Infinity;
    if (revokes) this.#context.wake(group, deadlines.rebalance);
  }

  /** The log has been read: sessions begin. */
  loaded(group: ConsumerGroup): void {
    for (const member of group.members.values()) this.#revoke(group, member, this.#deadlines(group, member));
  }

  /** Topics have changed, or come, or gone: groups that subscribe to them look at them again. */
  topicsChanged(group: ConsumerGroup, changed: ReadonlySet<string>): void {
    for (const name of changed) {
      if (!group.isSubscribedTo(name)) continue;
      group.refresh = { at: 0, epoch: 0 };
      return;
    }
  }
}

/** What ConsumerGroupDescribe tells of a group. */
export function describeConsumerGroup(group: ConsumerGroup, context: ConsumerContext) {
  const named = (partitions: Iterable<readonly [Uuid, Iterable<number>]>) => {
    const found = new Map<Uuid, Set<number>>();
    for (const [topicId, ids] of partitions) {
      const all = found.get(topicId) ?? new Set();
      for (const id of ids) all.add(id);
      found.set(topicId, all);
    }
    const topicPartitions = [...found].flatMap(([topicId, ids]) => {
      const topicName = context.topics.nameOf(topicId);
      return topicName === undefined ? [] : [{ topicId, topicName, partitions: [...ids] }];
    });
    return { topicPartitions };
  };
  return {
    errorCode: 0,
    groupId: group.id,
    groupState: group.state,
    groupEpoch: group.epoch,
    assignmentEpoch: group.assignmentEpoch,
    assignorName: group.preferredAssignor() ?? context.config.consumer.assignors[0],
    members: [...group.members.values()].map(member => ({
      memberId: member.id,
      instanceId: member.instanceId,
      rackId: member.rackId,
      memberEpoch: member.epoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: member.topicNames,
      subscribedTopicRegex: member.regex,
      // Until it has given them up, it is responsible for what it shall give up.
      assignment: named([...ids(member.assigned), ...ids(member.revoking)]),
      targetAssignment: named(group.targetOf(member.id)),
      memberType: member.classic === null ? 1 : 0,
    })),
  };
}

function ids(owned: ConsumerMember["assigned"]): (readonly [Uuid, Iterable<number>])[] {
  return [...owned].map(([topic, partitions]) => [topic, partitions.keys()]);
}

type Commit = { readonly memberId: string; readonly epoch: number; readonly version: number };

/** First version of OffsetCommit that members of the consumer protocol may use. */
const EPOCH_VERSION = 9;

/**
 * Whether the member may commit (`ConsumerGroup.validateOffsetCommit`): 0 or an error code for all of it, and the
 * epoch from which on a partition must have been assigned, where not all may be.
 */
export function commitFault(
  group: ConsumerGroup,
  { memberId, epoch, version }: Commit,
  partitions: Iterable<readonly [Uuid, number]>,
): number {
  if (epoch < 0 && group.members.size === 0) return 0;
  const member = group.members.get(memberId);
  if (member === undefined) return Errors.UNKNOWN_MEMBER_ID.code;
  if (member.classic === null && version < EPOCH_VERSION) return Errors.UNSUPPORTED_VERSION.code;
  if (epoch === member.epoch) return 0;
  const stale = staleCode(member);
  if (epoch > member.epoch) return stale;
  for (const [topic, partition] of partitions) {
    const since = member.assigned.get(topic)?.get(partition) ?? member.revoking.get(topic)?.get(partition);
    if (since === undefined || epoch < since) return stale;
  }
  return 0;
}

function staleCode(member: ConsumerMember): number {
  return (member.classic === null ? Errors.STALE_MEMBER_EPOCH : Errors.ILLEGAL_GENERATION).code;
}

/** Whether who says to be that member may read offsets (`ConsumerGroup.validateOffsetFetch`): 0 or an error code. */
export function fetchFault(group: ConsumerGroup, memberId: string | null, epoch: number): number {
  if (memberId === null && epoch < 0) return 0;
  const member = group.members.get(memberId ?? "");
  if (member === undefined) return Errors.UNKNOWN_MEMBER_ID.code;
  return epoch === member.epoch ? 0 : staleCode(member);
}
