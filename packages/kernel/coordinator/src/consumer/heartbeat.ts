import type { PartitionIndex } from "@samsa/base";
import { type ConsumerGroupHeartbeatRequest, Errors } from "@samsa/protocol";
import type { Ticket, ShardRecord } from "../shard/effects.ts";
import type { Client } from "../group/context.ts";
import { type ConsumerContext, type Refusal, refusal } from "./context.ts";
import type { ConsumerGroup } from "./group.ts";
import {
  AWAY_EPOCH,
  type ConsumerMember,
  JOINING_EPOCH,
  LEAVING_EPOCH,
  namesOf,
  NONE,
  newMember,
  type Owned,
  sameOwned,
} from "./member.ts";
import type { ListedPartitions } from "./reconcile.ts";
import { currentRecord, memberRecord, memberTombstones, targetRecord } from "./records.ts";
import type { MemberTimers } from "./member-timers.ts";
import type { ConsumerUpdates } from "./update.ts";

/** First version of ConsumerGroupHeartbeat whose members generate their ids themselves (KIP-1082). */
const OWN_ID_VERSION = 1;

export interface HeartbeatInput {
  readonly ticket: Ticket;
  readonly version: number;
  readonly client: Client;
  readonly body: ConsumerGroupHeartbeatRequest;
}

/** Validates a request without its group (`throwIfConsumerGroupHeartbeatRequestIsInvalid`). */
export function heartbeatFault(
  { version, body }: Omit<HeartbeatInput, "ticket">,
  assignors: readonly string[],
): Refusal | undefined {
  const { memberEpoch, serverAssignor } = body;
  const invalid = (text: string): Refusal => refusal(Errors.INVALID_REQUEST, text);
  const blank = (text: string | null): boolean => text !== null && text.trim() === "";
  const named = version >= OWN_ID_VERSION || memberEpoch > 0 || memberEpoch === LEAVING_EPOCH;
  if (named && blank(body.memberId)) return invalid("MemberId can't be empty.");
  if (blank(body.groupId)) return invalid("GroupId can't be empty.");
  if (blank(body.instanceId)) return invalid("InstanceId can't be empty.");
  if (blank(body.rackId)) return invalid("RackId can't be empty.");
  if (memberEpoch === JOINING_EPOCH) {
    if (body.rebalanceTimeoutMs === -1) return invalid("RebalanceTimeoutMs must be provided in first request.");
    if (body.topicPartitions === null || body.topicPartitions.length > 0) {
      return invalid("TopicPartitions must be empty when (re-)joining.");
    }
    if (body.subscribedTopicNames === null && body.subscribedTopicRegex === null) {
      return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.");
    }
  } else if (memberEpoch === AWAY_EPOCH) {
    if (body.instanceId === null) return invalid("InstanceId can't be null.");
  } else if (memberEpoch < AWAY_EPOCH) return invalid("MemberEpoch is invalid.");
  if (serverAssignor !== null && !assignors.includes(serverAssignor)) {
    const supported = `Supported assignors: ${assignors.join(", ")}.`;
    return refusal(Errors.UNSUPPORTED_ASSIGNOR, `ServerAssignor ${serverAssignor} is not supported. ${supported}`);
  }
  return undefined;
}

function unknownMember(groupId: string, memberId: string): Refusal {
  return refusal(Errors.UNKNOWN_MEMBER_ID, `Member ${memberId} is not a member of group ${groupId}.`);
}

function isRefusal(found: ConsumerMember | Refusal): found is Refusal {
  return "errorCode" in found;
}

function isAmong(listed: ListedPartitions | null, owned: Owned): boolean {
  if (listed === null) return false;
  return listed.every(({ topicId, partitions }) => {
    const among = owned.get(topicId);
    return among !== undefined && partitions.every(partition => among.has(partition));
  });
}

/** FENCED_MEMBER_EPOCH if the request has another epoch than the member, unless the last response was lost. */
function epochFault(member: ConsumerMember, body: ConsumerGroupHeartbeatRequest): Refusal | undefined {
  const { memberEpoch, topicPartitions } = body;
  if (memberEpoch === JOINING_EPOCH || memberEpoch === member.epoch) return undefined;
  const missed = memberEpoch === member.previousEpoch && isAmong(topicPartitions, member.assigned);
  if (memberEpoch < member.epoch && missed) return undefined;
  const other = memberEpoch > member.epoch ? "greater" : "smaller";
  const text =
    `The consumer group member has a ${other} member epoch (${memberEpoch}) than the one known by the group ` +
    `coordinator (${member.epoch}). The member must abandon all its partitions and rejoin.`;
  return refusal(Errors.FENCED_MEMBER_EPOCH, text);
}

/** Handles ConsumerGroupHeartbeat: joins, heartbeats and leaves of members of the consumer protocol. */
export class ConsumerHeartbeats {
  readonly #context: ConsumerContext;
  readonly #updates: ConsumerUpdates;
  readonly #timers: MemberTimers;

  constructor(context: ConsumerContext, updates: ConsumerUpdates, timers: MemberTimers) {
    this.#context = context;
    this.#updates = updates;
    this.#timers = timers;
  }

  /** Handles a join or a heartbeat. `records` are written before those of the member. */
  beat(group: ConsumerGroup, input: HeartbeatInput, records: ShardRecord[]): void {
    const { ticket, client, body } = input;
    const { config } = this.#context;
    const full = this.#sizeFault(group, body);
    if (full !== undefined) return this.#context.reply(ticket, full);
    const id = body.memberId === "" ? this.#context.newId() : body.memberId;
    const before = this.#find(group, { ...body, memberId: id }, records);
    if (isRefusal(before)) return this.#context.reply(ticket, before);
    const after = updated(before, client, body);
    const change = { group, before, after, records, client };
    const fault = this.#updates.regexFault(change) ?? this.#stateFault(before, body);
    if (fault !== undefined) return this.#context.reply(ticket, fault);
    const { epoch, subscriptionChanged } = this.#updates.subscribe(change);
    const share = this.#updates.assign(change, epoch);
    const owned = body.topicPartitions;
    const next = this.#updates.step(change, share, { changed: subscriptionChanged, owned });
    const { sessionTimeoutMs, heartbeatIntervalMs } = config.consumer.intervals(group.id);
    // The session of a new member begins with its record.
    if (group.members.has(id)) this.#timers.touch(group, id, sessionTimeoutMs);
    const whole =
      body.rebalanceTimeoutMs !== -1 &&
      (body.subscribedTopicNames !== null || body.subscribedTopicRegex !== null) &&
      owned !== null;
    const shown = body.memberEpoch === JOINING_EPOCH || whole || !sameOwned(before.assigned, next.assigned);
    this.#finish(ticket, records, {
      errorCode: 0,
      memberId: id,
      memberEpoch: next.epoch,
      heartbeatIntervalMs,
      assignment: shown ? { topicPartitions: listed(next.assigned) } : null,
    });
  }

  /** Answers once the records are written, or at once if there are none. */
  #finish(ticket: Ticket, records: readonly ShardRecord[], response: object): void {
    if (records.length === 0) return this.#context.reply(ticket, response);
    this.#context.append(records, errorCode =>
      this.#context.reply(ticket, errorCode === 0 ? response : { errorCode, errorMessage: null }),
    );
  }

  #sizeFault(group: ConsumerGroup, { memberId, instanceId }: ConsumerGroupHeartbeatRequest): Refusal | undefined {
    const { maxSize } = this.#context.config.consumer;
    if (instanceId !== null && group.staticMembers.has(instanceId)) return undefined;
    if (group.members.size < maxSize || group.members.has(memberId)) return undefined;
    const text = `The consumer group has reached its maximum capacity of ${maxSize} members.`;
    return refusal(Errors.GROUP_MAX_SIZE_REACHED, text);
  }

  /** FENCED_MEMBER_EPOCH if a later version has written the member's state: the member must rejoin. */
  #stateFault(member: ConsumerMember, { topicPartitions }: ConsumerGroupHeartbeatRequest): Refusal | undefined {
    if (this.#updates.isKnownState(member) || topicPartitions?.length === 0) return undefined;
    const text =
      "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.";
    return refusal(Errors.FENCED_MEMBER_EPOCH, text);
  }

  #find(group: ConsumerGroup, body: ConsumerGroupHeartbeatRequest, records: ShardRecord[]): ConsumerMember | Refusal {
    const { memberId, memberEpoch, instanceId } = body;
    const joins = memberEpoch === JOINING_EPOCH;
    if (instanceId === null) {
      const member = group.members.get(memberId) ?? (joins ? newMember(memberId) : undefined);
      return member === undefined ? unknownMember(group.id, memberId) : (epochFault(member, body) ?? member);
    }
    const known = group.staticMember(instanceId);
    if (joins) {
      if (known === undefined) return group.members.get(memberId) ?? newMember(memberId);
      if (known.classic === null && known.epoch !== AWAY_EPOCH) {
        const text =
          `Static member ${memberId} with instance id ${instanceId} cannot join the group because the instance id is ` +
          `owned by ${known.id} member.`;
        return refusal(Errors.UNRELEASED_INSTANCE_ID, text);
      }
      return replaceStatic(group, known, memberId, records);
    }
    return (
      instanceFault(known, memberId, instanceId) ??
      epochFault(known as ConsumerMember, body) ??
      (known as ConsumerMember)
    );
  }

  /** Handles a leave: for good, or temporarily if a static member sends `AWAY_EPOCH`. */
  leave(group: ConsumerGroup, { ticket, body }: HeartbeatInput): void {
    const { memberId, memberEpoch, instanceId } = body;
    const member = instanceId === null ? group.members.get(memberId) : group.staticMember(instanceId);
    const fault =
      instanceId === null
        ? member === undefined
          ? unknownMember(group.id, memberId)
          : undefined
        : instanceFault(member, memberId, instanceId);
    if (fault !== undefined || member === undefined) return this.#context.reply(ticket, fault as Refusal);
    const stays = instanceId !== null && memberEpoch === AWAY_EPOCH;
    const response = { errorCode: 0, memberId, memberEpoch };
    if (stays) return this.#finish(ticket, [currentRecord(group.id, away(member))], response);
    this.#updates.putOut(group, [member], errorCode =>
      this.#context.reply(ticket, errorCode === 0 ? response : { errorCode, errorMessage: null }),
    );
  }
}

function instanceFault(member: ConsumerMember | undefined, memberId: string, instanceId: string): Refusal | undefined {
  if (member === undefined) return refusal(Errors.UNKNOWN_MEMBER_ID, `Instance id ${instanceId} is unknown.`);
  if (member.id === memberId) return undefined;
  const text = `Static member ${memberId} with instance id ${instanceId} was fenced by member ${member.id}.`;
  return refusal(Errors.FENCED_INSTANCE_ID, text);
}

/** Member during a temporary leave. Its partitions get assignment epoch 0: they count as assigned from the start. */
function away(member: ConsumerMember): ConsumerMember {
  const assigned: Owned = new Map(
    [...member.assigned].map(([topic, partitions]) => [topic, new Map([...partitions.keys()].map(id => [id, 0]))]),
  );
  return { ...member, epoch: AWAY_EPOCH, assigned, revoking: NONE };
}

/** Replaces a static member by one with a new id, which takes over its subscription and assignments. */
export function replaceStatic(
  group: ConsumerGroup,
  old: ConsumerMember,
  id: string,
  records: ShardRecord[],
): ConsumerMember {
  const member = { ...old, id, epoch: 0, previousEpoch: 0 };
  records.push(
    ...memberTombstones(group.id, old.id),
    memberRecord(group.id, member),
    targetRecord(group.id, id, group.targetOf(old.id)),
    currentRecord(group.id, member),
  );
  return member;
}

/** Member with the fields of the request; absent fields keep their values. */
function updated(before: ConsumerMember, client: Client, body: ConsumerGroupHeartbeatRequest): ConsumerMember {
  return {
    ...before,
    instanceId: body.instanceId ?? before.instanceId,
    rackId: body.rackId ?? before.rackId,
    rebalanceTimeoutMs: body.rebalanceTimeoutMs === -1 ? before.rebalanceTimeoutMs : body.rebalanceTimeoutMs,
    assignor: body.serverAssignor ?? before.assignor,
    topicNames: body.subscribedTopicNames === null ? before.topicNames : namesOf(body.subscribedTopicNames),
    regex: body.subscribedTopicRegex ?? before.regex,
    clientId: client.id,
    clientHost: client.host,
    classic: null,
  };
}

function listed(owned: Owned): { topicId: string; partitions: PartitionIndex[] }[] {
  return [...owned].map(([topicId, partitions]) => ({ topicId, partitions: [...partitions.keys()] }));
}
