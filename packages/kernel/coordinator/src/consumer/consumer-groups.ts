import type { ByteReader, PartitionIndex, Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { ClassicGroup } from "../classic/group.ts";
import type { Rebalance } from "../classic/rebalance.ts";
import type { GroupsOfType } from "../group/group.ts";
import type { GroupTable } from "../group/group-table.ts";
import { defaultAssignor } from "../group/config.ts";
import { type ConsumerContext, type Downgrade, refusal } from "./context.ts";
import { Conversion } from "./conversion.ts";
import { ConsumerGroup } from "./group.ts";
import { ConsumerHeartbeats, type HeartbeatInput, heartbeatFault } from "./heartbeat.ts";
import { AWAY_EPOCH, type ConsumerMember, JOINING_EPOCH, LEAVING_EPOCH } from "./member.ts";
import { MemberTimers } from "./member-timers.ts";
import { recordsOf } from "./migrate.ts";
import { CONSUMER_RECORD_TYPES, type ConsumerRecord, parseConsumerRecord } from "./records.ts";
import { replayConsumerRecord } from "./replay.ts";
import { ConsumerUpdates } from "./update.ts";

/** Consumer groups of a shard: their heartbeats, their timers, and the replay of their records. */
export class ConsumerGroups implements GroupsOfType {
  readonly recordTypes = CONSUMER_RECORD_TYPES;
  readonly updates: ConsumerUpdates;
  readonly timers: MemberTimers;
  readonly #context: ConsumerContext;
  readonly #table: GroupTable;
  readonly #rebalance: Rebalance;
  readonly #heartbeats: ConsumerHeartbeats;
  readonly #conversion: Conversion;
  /** New group whose records are being written; the replay of the first one adds it to the groups. */
  #entering: ConsumerGroup | undefined;

  constructor(context: ConsumerContext, table: GroupTable, rebalance: Rebalance) {
    this.#context = context;
    this.#table = table;
    this.#rebalance = rebalance;
    this.updates = new ConsumerUpdates(context, table);
    this.timers = new MemberTimers(context, table, (group, member, done) => this.updates.putOut(group, [member], done));
    this.#heartbeats = new ConsumerHeartbeats(context, this.updates, this.timers);
    this.#conversion = new Conversion(context, table, rebalance);
  }

  heartbeat(input: HeartbeatInput): void {
    const fault = heartbeatFault(input, this.#context.config.consumer.assignors);
    if (fault !== undefined) return this.#context.reply(input.ticket, fault);
    const { groupId, memberEpoch } = input.body;
    const known = this.#table.get(groupId);
    const leaves = memberEpoch === LEAVING_EPOCH || memberEpoch === AWAY_EPOCH;
    if (known instanceof ConsumerGroup) {
      if (leaves) this.#heartbeats.leave(known, input);
      else this.#heartbeats.beat(known, input, []);
      return;
    }
    const refuse = (text: string): void => this.#context.reply(input.ticket, refusal(Errors.GROUP_ID_NOT_FOUND, text));
    if (known === undefined && memberEpoch !== JOINING_EPOCH) {
      return refuse(leaves ? `Group ${groupId} not found.` : `Consumer group ${groupId} not found.`);
    }
    const isReplaced = known instanceof ClassicGroup && memberEpoch === JOINING_EPOCH;
    if (known !== undefined && !isReplaced) return refuse(`Group ${groupId} is not a consumer group.`);
    this.#enter(known, input);
  }

  /** Creates a group for its first member. An empty classic group is replaced; one with members is converted. */
  #enter(known: ClassicGroup | undefined, input: HeartbeatInput): void {
    const { groupId } = input.body;
    const records = [...(known?.tombstones() ?? [])];
    let group = new ConsumerGroup(groupId, this.#context.timeline);
    if (known !== undefined && !known.isEmpty) {
      const found = this.#conversion.upgrade(known);
      if (typeof found === "string") {
        const text = `Cannot upgrade classic group ${groupId} to consumer group because ${found}`;
        return this.#context.reply(input.ticket, refusal(Errors.GROUP_ID_NOT_FOUND, text));
      }
      group = found;
      records.push(...recordsOf(group));
    }
    this.#entering = group;
    this.#heartbeats.beat(group, input, records);
  }

  /** Converts a group to a classic one (`ConsumerContext.downgrade`). */
  downgrade(group: ConsumerGroup, plan: Downgrade, done: (errorCode: number) => void): void {
    for (const id of group.members.keys()) this.timers.cancel(group, id);
    this.#conversion.downgrade(group, plan, () => this.#start(group), done);
  }

  replay(recordType: number, key: ByteReader, value: Uint8Array | null): void {
    const record = parseConsumerRecord(recordType, key, value);
    const { groupId } = record.key;
    const { timeline } = this.#context;
    const known = this.#table.get(groupId);
    let group = known instanceof ConsumerGroup ? known : undefined;
    if (group === undefined) {
      // Ignore tombstones of unknown groups, and consumer records written by a conversion to a classic group.
      const isConverted = this.#context.isLive && known !== undefined && this.#entering?.id !== groupId;
      if (record.value === null || isConverted) return;
      group = this.#entering?.id === groupId ? this.#entering : new ConsumerGroup(groupId, timeline);
      this.#entering = undefined;
      if (known instanceof ClassicGroup) timeline.whenWritten(() => this.#rebalance.cancelTimers(known));
      this.#table.set(group);
    }
    if (record.type === "group" && record.value === null) this.#table.forget(group, this.#context.wall);
    else this.#apply(group, record);
  }

  /** Applies a record to an existing group. After a load, `loaded` starts the timers. */
  #apply(group: ConsumerGroup, record: ConsumerRecord): void {
    const member = replayConsumerRecord(group, record);
    if (!this.#context.isLive) return;
    if (record.type === "target") group.setEpochs({ assignedAt: this.#context.now });
    const { timeline } = this.#context;
    if (record.type === "member" && record.value === null) {
      const { memberId } = record.key;
      return timeline.whenWritten(() => this.timers.cancel(group, memberId));
    }
    if (member === undefined) return;
    timeline.whenWritten(() => {
      this.timers.begin(group, member);
      if (record.type === "current") this.timers.awaitRevocation(group, member);
    });
  }

  loaded(): void {
    for (const group of this.#table.all(ConsumerGroup)) this.#start(group);
  }

  /** Starts the sessions of a group's members. */
  #start(group: ConsumerGroup): void {
    for (const member of group.members.values()) {
      this.timers.begin(group, member);
      this.timers.awaitRevocation(group, member);
    }
  }
}

/** Describes the committed state of a group for ConsumerGroupDescribe. */
export function describeConsumerGroup(group: ConsumerGroup, context: ConsumerContext) {
  const { epoch, assignmentEpoch } = group.epochs("committed");
  const named = (partitions: Iterable<readonly [Uuid, Iterable<PartitionIndex>]>) => {
    const found = new Map<Uuid, Set<PartitionIndex>>();
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
    groupState: group.stateIn("committed"),
    groupEpoch: epoch,
    assignmentEpoch,
    assignorName: group.assignorIn("committed") ?? defaultAssignor(context.config.consumer),
    members: [...group.members.values("committed")].map(member => ({
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
      targetAssignment: named(group.target.get(member.id, "committed") ?? []),
      memberType: member.classic === null ? 1 : 0,
    })),
  };
}

function ids(owned: ConsumerMember["assigned"]): (readonly [Uuid, Iterable<PartitionIndex>])[] {
  return [...owned].map(([topic, partitions]) => [topic, partitions.keys()]);
}
