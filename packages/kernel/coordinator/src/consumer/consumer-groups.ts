import type { Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { ShardRecord } from "../effects.ts";
import type { ConsumerContext } from "./context.ts";
import type { ConsumerGroup } from "./group.ts";
import { AWAY_EPOCH, type ConsumerMember, LEAVING_EPOCH } from "./member.ts";
import { ConsumerHeartbeats, type HeartbeatInput, heartbeatFault } from "./heartbeat.ts";
import type { ConsumerRecord } from "./records.ts";
import { replayConsumerRecord } from "./replay.ts";
import { MemberTimers } from "./member-timers.ts";
import { ConsumerUpdates } from "./update.ts";

/** Consumer groups of a shard: their heartbeats, their timers, and the replay of their records. */
export class ConsumerGroups {
  readonly updates: ConsumerUpdates;
  readonly timers: MemberTimers;
  readonly #context: ConsumerContext;
  readonly #heartbeats: ConsumerHeartbeats;

  constructor(context: ConsumerContext, isCurrent: (group: ConsumerGroup) => boolean) {
    this.#context = context;
    this.updates = new ConsumerUpdates(context, isCurrent);
    this.timers = new MemberTimers(context, isCurrent, (group, member, done) =>
      this.updates.putOut(group, [member], done),
    );
    this.#heartbeats = new ConsumerHeartbeats(context, this.updates, this.timers);
  }

  /** Answers a request that is invalid for every group; true if it has answered. */
  refused(input: HeartbeatInput): boolean {
    const fault = heartbeatFault(input, this.#context.config.consumer.assignors);
    if (fault !== undefined) this.#context.reply(input.ticket, fault);
    return fault !== undefined;
  }

  /** Handles a heartbeat. `records` create or convert the group, and are written before those of the request. */
  heartbeat(group: ConsumerGroup, input: HeartbeatInput, records: ShardRecord[]): void {
    const { memberEpoch } = input.body;
    if (memberEpoch === LEAVING_EPOCH || memberEpoch === AWAY_EPOCH) this.#heartbeats.leave(group, input);
    else this.#heartbeats.beat(group, input, records);
  }

  /** Applies a record to an existing group. Starts timers only if `live`: after a load, `loaded` starts them. */
  replay(group: ConsumerGroup, record: ConsumerRecord, live: boolean): void {
    const member = replayConsumerRecord(group, record);
    if (!live) return;
    if (record.type === "target") group.assignedAt = this.#context.now;
    if (record.type === "member" && record.value === null) return this.timers.cancel(group, record.key.memberId);
    if (member === undefined) return;
    this.timers.begin(group, member);
    if (record.type === "current") this.timers.awaitRevocation(group, member);
  }

  cancelTimers(group: ConsumerGroup): void {
    for (const id of group.members.keys()) this.timers.cancel(group, id);
  }

  /** Starts sessions after the load of the log. */
  loaded(group: ConsumerGroup): void {
    for (const member of group.members.values()) {
      this.timers.begin(group, member);
      this.timers.awaitRevocation(group, member);
    }
  }

  /** Makes the group check its topics again if it subscribes to one that was created, changed or deleted. */
  topicsChanged(group: ConsumerGroup, changed: ReadonlySet<string>): void {
    for (const name of changed) {
      if (!group.isSubscribedTo(name)) continue;
      group.refresh = { at: 0, epoch: 0 };
      return;
    }
  }
}

/** Describes a group for ConsumerGroupDescribe. */
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
      subscribedTopicRegex: member.regex ?? "",
      // A member owns the partitions that it must revoke until it has confirmed their revocation.
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
 * Checks that the member may commit offsets of these partitions (`ConsumerGroup.validateOffsetCommit`): 0 or an error
 * code for the whole request. With an older epoch, each partition must have been assigned at that epoch or before.
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

/** Checks that this member id and epoch may fetch offsets (`ConsumerGroup.validateOffsetFetch`): 0 or an error code. */
export function fetchFault(group: ConsumerGroup, memberId: string | null, epoch: number): number {
  if (memberId === null && epoch < 0) return 0;
  const member = group.members.get(memberId ?? "");
  if (member === undefined) return Errors.UNKNOWN_MEMBER_ID.code;
  return epoch === member.epoch ? 0 : staleCode(member);
}
