import { ByteReader, ByteWriter, invariant, MalformedError, type PartitionIndex, type Uuid } from "@samsa/base";
import {
  type ConsumerProtocolSubscription,
  consumerProtocolAssignment,
  consumerProtocolSubscription,
  Errors,
  type HeartbeatRequest,
  type JoinGroupRequest,
  type LeaveGroupRequest,
  type SyncGroupRequest,
} from "@samsa/protocol";
import type { ShardRecord, Ticket } from "../shard/effects.ts";
import type { Joining } from "../classic/membership.ts";
import { joinError, syncError } from "../classic/rebalance.ts";
import type { ConsumerContext } from "./context.ts";
import type { ConsumerGroup } from "./group.ts";
import { replaceStatic } from "./heartbeat.ts";
import { type ConsumerMember, namesOf, newMember, STATE } from "./member.ts";
import type { ListedPartitions } from "./reconcile.ts";
import type { TopicDirectory } from "../group/topics.ts";
import type { MemberTimers } from "./member-timers.ts";
import type { Change, ConsumerUpdates, Told } from "./update.ts";

const { code: UNKNOWN_MEMBER } = Errors.UNKNOWN_MEMBER_ID;
const { code: INCONSISTENT } = Errors.INCONSISTENT_GROUP_PROTOCOL;
/** First version of JoinGroup whose new members must come back with the id they are given (KIP-394). */
const KNOWN_MEMBER_ID_VERSION = 4;
const CONSUMER = "consumer";

/** Reads the subscription of a classic member; undefined when it is malformed. */
export function readSubscription(
  metadata: Uint8Array,
): (ConsumerProtocolSubscription & { version: number }) | undefined {
  try {
    const reader = new ByteReader(metadata);
    const version = reader.i16();
    if (version < 0) return undefined;
    const known = Math.min(version, consumerProtocolSubscription.last);
    return { ...consumerProtocolSubscription.decode(reader, known), version: known };
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}

/** Encodes the assignment of a classic member (ConsumerProtocolAssignment); `version` is that of its subscription. */
export function writeAssignment(
  topics: TopicDirectory,
  assignment: Iterable<readonly [Uuid, Iterable<PartitionIndex>]>,
  version: number,
): Uint8Array {
  const assignedPartitions = [...assignment].flatMap(([id, partitions]) => {
    const topic = topics.nameOf(id);
    return topic === undefined ? [] : [{ topic, partitions: [...partitions] }];
  });
  const writer = new ByteWriter(64);
  const known = Math.min(version, consumerProtocolAssignment.last);
  writer.i16(known);
  consumerProtocolAssignment.encode(writer, { assignedPartitions, userData: null }, known);
  return writer.finish();
}

function metadataOf(member: ConsumerMember): Uint8Array {
  return member.classic?.supportedProtocols[0]?.metadata ?? new Uint8Array(0);
}

/** Serves classic members of a consumer group: JoinGroup, SyncGroup, Heartbeat, LeaveGroup. */
export class ClassicMembers {
  readonly #context: ConsumerContext;
  readonly #updates: ConsumerUpdates;
  readonly #timers: MemberTimers;

  constructor(
    context: ConsumerContext,
    { updates, timers }: { readonly updates: ConsumerUpdates; readonly timers: MemberTimers },
  ) {
    this.#context = context;
    this.#updates = updates;
    this.#timers = timers;
  }

  join(group: ConsumerGroup, { ticket, version, client, request: body }: Joining): void {
    const memberId = body.memberId === "" ? this.#context.newId() : body.memberId;
    const fault = this.#joinFault(group, version, { ...body, memberId }, body.memberId === "");
    if (fault !== 0) {
      const shown = fault === Errors.MEMBER_ID_REQUIRED.code ? memberId : body.memberId;
      return this.#context.reply(ticket, joinError(fault, shown));
    }
    const [protocol] = body.protocols;
    invariant(protocol !== undefined, "a member that joins supports a protocol");
    const subscription = readSubscription(protocol.metadata);
    if (subscription === undefined) return this.#context.reply(ticket, joinError(INCONSISTENT, body.memberId));
    const records: ShardRecord[] = [];
    const known =
      body.groupInstanceId === null ? group.members.get(memberId) : group.staticMember(body.groupInstanceId);
    const replaces = known !== undefined && known.id !== memberId;
    const before = replaces ? replaceStatic(group, known, memberId, records) : (known ?? newMember(memberId));
    const after: ConsumerMember = {
      ...before,
      instanceId: body.groupInstanceId ?? before.instanceId,
      rackId: subscription.rackId ?? before.rackId,
      rebalanceTimeoutMs: body.rebalanceTimeoutMs === -1 ? before.rebalanceTimeoutMs : body.rebalanceTimeoutMs,
      topicNames: namesOf(subscription.topics),
      regex: "",
      clientId: client.id,
      clientHost: client.host,
      classic: { sessionTimeoutMs: body.sessionTimeoutMs, supportedProtocols: body.protocols },
    };
    const change = { group, before, after, records, client };
    const { epoch, subscriptionChanged: changed } = this.#updates.subscribe(change);
    const told = { changed, owned: this.#idsOf(subscription.ownedPartitions) };
    const answer = (errorCode: number, generationId: number): void => {
      if (errorCode !== 0) return this.#context.reply(ticket, joinError(errorCode, memberId));
      const { name: protocolName } = protocol;
      const reply = {
        errorCode,
        generationId,
        protocolType: CONSUMER,
        protocolName,
        leader: "",
        memberId,
        members: [],
      };
      this.#context.reply(ticket, reply);
    };
    if (known !== undefined && this.#isLastConsumer(group, known)) {
      return this.#downgrade(change, { known, epoch, told }, answer);
    }
    const next = this.#updates.step(change, this.#updates.assign(change, epoch), told);
    this.#after(records, errorCode => {
      if (errorCode === 0) this.#expectSync(group, memberId, body);
      answer(errorCode, next.epoch);
    });
  }

  /** True if the static member is the last of the consumer protocol, and the group may become classic without it. */
  #isLastConsumer(group: ConsumerGroup, { classic, instanceId }: ConsumerMember): boolean {
    if (classic !== null || instanceId === null || group.classicMembers !== group.members.size - 1) return false;
    const { consumer, maxSize } = this.#context.config;
    return consumer.migration.downgrade && group.members.size <= maxSize;
  }

  /**
   * Converts the group to a classic one, as its last member of the consumer protocol rejoins with the classic protocol
   * (`validateOnlineDowngradeWithReplacedMember`).
   */
  #downgrade(
    change: Change,
    { known, epoch, told }: { known: ConsumerMember; epoch: number; told: Told },
    answer: (errorCode: number, generation: number) => void,
  ): void {
    const { group, after, records } = change;
    // The target assignment does not fit the changed subscription: the members must rejoin.
    const rebalance = group.assignmentEpoch < epoch;
    const share = { epoch: group.assignmentEpoch, target: group.targetOf(known.id) };
    const member = rebalance ? after : this.#updates.step(change, share, told);
    const staying = [...group.members.values()].filter(({ id }) => id !== known.id);
    const replaced = { by: member.id, id: known.id };
    this.#context.downgrade(group, { records, staying: [...staying, member], replaced, rebalance }, errorCode =>
      answer(errorCode, member.epoch),
    );
  }

  #after(records: readonly ShardRecord[], done: (errorCode: number) => void): void {
    if (records.length === 0) done(0);
    else this.#context.append(records, done);
  }

  #expectSync(
    group: ConsumerGroup,
    memberId: string,
    { sessionTimeoutMs, rebalanceTimeoutMs }: JoinGroupRequest,
  ): void {
    if (!group.members.has(memberId)) return;
    this.#timers.touch(group, memberId, sessionTimeoutMs);
    this.#timers.awaitSync(group, memberId, rebalanceTimeoutMs);
  }

  #joinFault(group: ConsumerGroup, version: number, body: JoinGroupRequest, isNew: boolean): number {
    const { migration, maxSize } = this.#context.config.consumer;
    const { memberId, groupInstanceId: instanceId } = body;
    if (!migration.upgrade && !migration.downgrade) return INCONSISTENT;
    const known = instanceId === null ? undefined : group.staticMember(instanceId);
    if (known === undefined && group.members.size >= maxSize && !group.members.has(memberId)) {
      return Errors.GROUP_MAX_SIZE_REACHED.code;
    }
    const spoken = group.classicProtocols;
    const fits = body.protocols.some(({ name }) => (spoken.get(name) ?? 0) === group.classicMembers);
    if (body.protocolType !== CONSUMER || !fits) return INCONSISTENT;
    if (isNew && instanceId === null && version >= KNOWN_MEMBER_ID_VERSION) return Errors.MEMBER_ID_REQUIRED.code;
    if (instanceId === null || isNew) return 0;
    return this.#instanceFault(known, memberId);
  }

  #instanceFault(known: ConsumerMember | undefined, memberId: string): number {
    if (known === undefined) return UNKNOWN_MEMBER;
    return known.id === memberId ? 0 : Errors.FENCED_INSTANCE_ID.code;
  }

  #idsOf(owned: ConsumerProtocolSubscription["ownedPartitions"]): ListedPartitions {
    return owned.flatMap(({ topic, partitions }) => {
      const topicId = this.#context.topics.idOf(topic);
      return topicId === undefined ? [] : [{ topicId, partitions }];
    });
  }

  /** Member that has sent a request, or the error code of the response. */
  #speaker(
    group: ConsumerGroup,
    { memberId, groupInstanceId, generationId }: HeartbeatRequest | SyncGroupRequest,
  ): ConsumerMember | number {
    const member = groupInstanceId === null ? group.members.get(memberId) : group.staticMember(groupInstanceId);
    const fault = groupInstanceId === null ? 0 : this.#instanceFault(member, memberId);
    if (fault !== 0) return fault;
    if (member === undefined || member.classic === null) return UNKNOWN_MEMBER;
    return member.epoch === generationId ? member : Errors.ILLEGAL_GENERATION.code;
  }

  sync(group: ConsumerGroup, ticket: Ticket, body: SyncGroupRequest): void {
    const member = this.#speaker(group, body);
    const refuse = (code: number): void => this.#context.reply(ticket, syncError(code));
    if (typeof member === "number") return refuse(member);
    const { protocolType, protocolName } = body;
    const own = member.classic?.supportedProtocols[0]?.name;
    if ((protocolType !== null && protocolType !== CONSUMER) || (protocolName !== null && protocolName !== own)) {
      return refuse(INCONSISTENT);
    }
    if (group.assignmentEpoch > member.epoch && member.state !== STATE.unrevoked) {
      this.#timers.awaitJoin(group, member);
      return refuse(Errors.REBALANCE_IN_PROGRESS.code);
    }
    this.#timers.synced(group, member.id);
    this.#touch(group, member);
    const version = readSubscription(metadataOf(member))?.version ?? 0;
    const assigned = [...member.assigned].map(([id, partitions]) => [id, partitions.keys()] as const);
    const assignment = writeAssignment(this.#context.topics, assigned, version);
    this.#context.reply(ticket, { errorCode: 0, protocolType, protocolName, assignment });
  }

  #touch(group: ConsumerGroup, { id, classic }: ConsumerMember): void {
    if (classic !== null) this.#timers.touch(group, id, classic.sessionTimeoutMs);
  }

  /** Error code of a Heartbeat: REBALANCE_IN_PROGRESS if the member has partitions to revoke or to take. */
  heartbeat(group: ConsumerGroup, body: HeartbeatRequest): number {
    const member = this.#speaker(group, body);
    if (typeof member === "number") return member;
    this.#touch(group, member);
    const isReady = member.state === STATE.unreleased && !waitsForOthers(group, member);
    if (member.epoch >= group.assignmentEpoch && member.state !== STATE.unrevoked && !isReady) return 0;
    this.#timers.awaitJoin(group, member);
    return Errors.REBALANCE_IN_PROGRESS.code;
  }

  /** Members that leave, and the outcome for each identity, in order. */
  leaving(group: ConsumerGroup, identities: LeaveGroupRequest["members"]) {
    const members = new Set<ConsumerMember>();
    const outcomes = identities.map(({ memberId, groupInstanceId }) => {
      const member = groupInstanceId === null ? group.members.get(memberId) : group.staticMember(groupInstanceId);
      // Admin clients name static members by instance id only.
      const isFenced = groupInstanceId !== null && memberId !== "" && member !== undefined && member.id !== memberId;
      const errorCode = member === undefined ? UNKNOWN_MEMBER : isFenced ? Errors.FENCED_INSTANCE_ID.code : 0;
      if (errorCode === 0 && member !== undefined) members.add(member);
      return { memberId, groupInstanceId, errorCode };
    });
    return { members: [...members], outcomes };
  }
}

/** True if another member still owns a partition of the member's target assignment. */
function waitsForOthers(group: ConsumerGroup, member: ConsumerMember): boolean {
  for (const [topic, partitions] of group.targetOf(member.id)) {
    const assigned = member.assigned.get(topic);
    for (const partition of partitions) {
      if (assigned?.has(partition) !== true && group.isOwned(topic, partition)) return true;
    }
  }
  return false;
}
