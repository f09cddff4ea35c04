import { DeadlineHeap, type Int64, nearestNumber, type Uuid } from "@samsa/base";
import { Errors, type KafkaError, type ShareGroupHeartbeatRequest } from "@samsa/protocol";
import type { ShardContext } from "../context.ts";
import type { ShardRecord, Ticket } from "../effects.ts";
import type { Assignment } from "./assignor.ts";
import {
  hashOf,
  type Initialization,
  type KnownTopic,
  type Member,
  newGroup,
  newMember,
  same,
  type ShareGroup,
  type ShareGroupConfig,
  stateRecord,
} from "./group.ts";
import { HeartbeatPlan } from "./heartbeat-plan.ts";
import { parseShareGroup, shareRecords } from "./records.ts";

/** One share group as ShareGroupDescribe and ListGroups show it. */
export interface ShareGroupView {
  readonly groupId: string;
  readonly state: "Empty" | "Stable";
  readonly epoch: number;
  readonly assignmentEpoch: number;
  readonly members: readonly {
    readonly memberId: string;
    readonly rackId: string | null;
    readonly memberEpoch: number;
    readonly clientId: string;
    readonly clientHost: string;
    readonly subscribedTopicNames: readonly string[];
    readonly assigned: Assignment;
  }[];
}

type Fault = readonly [error: KafkaError, message: string];

const JOIN = 0;
const LEAVE = -1;

/** The share groups of one partition of `__consumer_offsets` (KIP-932): members, and who fetches what. */
export class ShareGroups {
  readonly #context: ShardContext;
  readonly #config: ShareGroupConfig;
  readonly #groups = new Map<string, ShareGroup>();
  readonly #sessions = new DeadlineHeap<{ readonly groupId: string; readonly memberId: string }>();
  #initializations: Initialization[] = [];

  constructor(context: ShardContext, config: ShareGroupConfig) {
    this.#context = context;
    this.#config = config;
  }

  has(groupId: string): boolean {
    return this.#groups.has(groupId);
  }

  get ids(): readonly string[] {
    return [...this.#groups.keys()];
  }

  /** What is to be initialized since it was last asked for. */
  takeInitializations(): readonly Initialization[] {
    return this.#initializations.splice(0);
  }

  heartbeat(
    ticket: Ticket,
    body: ShareGroupHeartbeatRequest,
    client: { readonly id: string; readonly host: string },
  ): void {
    const fault = requestFault(body) ?? this.#fault(body);
    if (fault !== undefined) {
      const [{ code }, errorMessage] = fault;
      return this.#context.reply(ticket, { errorCode: code, errorMessage, memberEpoch: 0, heartbeatIntervalMs: 0 });
    }
    const known = this.#groups.get(body.groupId);
    const group = known ?? newGroup(body.groupId);
    const member = group.members.get(body.memberId);
    if (body.memberEpoch === LEAVE) {
      const { memberId, memberEpoch } = body;
      return this.#write(ticket, this.#fence(group, memberId), { memberId, memberEpoch, heartbeatIntervalMs: 0 });
    }
    const before = member ?? newMember(body.memberId);
    const plan = new HeartbeatPlan(this.#config, this.#context.wall, group, {
      ...before,
      rackId: body.rackId ?? before.rackId,
      clientId: client.id,
      clientHost: client.host,
      topics: body.subscribedTopicNames === null ? before.topics : [...new Set(body.subscribedTopicNames)].sort(),
    });
    plan.run(member);
    this.#touch(group, body.memberId);
    const { after, records, initialization } = plan;
    const isTold =
      body.memberEpoch === JOIN || body.subscribedTopicNames !== null || !same(before.assigned, after.assigned);
    const topicPartitions = [...after.assigned].map(([topicId, partitions]) => ({
      topicId,
      partitions: [...partitions],
    }));
    const response = {
      memberId: after.id,
      memberEpoch: after.memberEpoch,
      heartbeatIntervalMs: this.#config.heartbeatIntervalMs(group.id),
      assignment: isTold ? { topicPartitions } : null,
    };
    this.#write(ticket, records, response, initialization);
  }

  #fault({ groupId, memberId, memberEpoch }: ShareGroupHeartbeatRequest): Fault | undefined {
    const group = this.#groups.get(groupId);
    if (group === undefined && this.#config.isTaken(groupId)) {
      return [Errors.GROUP_ID_NOT_FOUND, `Group ${groupId} is not a share group.`];
    }
    if (group === undefined) {
      return memberEpoch === JOIN ? undefined : [Errors.GROUP_ID_NOT_FOUND, `Share group ${groupId} not found.`];
    }
    const member = group.members.get(memberId);
    const most = this.#config.maxSize();
    if (memberEpoch !== LEAVE && member === undefined && group.members.size >= most) {
      const message = `The share group has reached its maximum capacity of ${most} members.`;
      return [Errors.GROUP_MAX_SIZE_REACHED, message];
    }
    if (member === undefined) {
      const message = `Member ${memberId} is not a member of group ${groupId}.`;
      return memberEpoch === JOIN ? undefined : [Errors.UNKNOWN_MEMBER_ID, message];
    }
    return memberEpoch === LEAVE ? undefined : epochFault(member, memberEpoch);
  }

  #write(ticket: Ticket, records: readonly ShardRecord[], response: object, initialization?: Initialization): void {
    const ok = { errorCode: 0, errorMessage: null, ...response };
    const done = (errorCode: number): void => {
      if (errorCode === 0 && initialization !== undefined) this.#initializations.push(initialization);
      const failed = { errorCode, errorMessage: null, memberEpoch: 0, heartbeatIntervalMs: 0 };
      this.#context.reply(ticket, errorCode === 0 ? ok : failed);
    };
    if (records.length === 0) done(0);
    else this.#context.append(records, done);
  }

  /** Records without the member; of a group that is empty then, the assignment is of its epoch. */
  #fence(group: ShareGroup, memberId: string): ShardRecord[] {
    const { id } = group;
    const epoch = group.epoch + 1;
    const left = [...group.members.values()].filter(member => member.id !== memberId);
    const metadataHash = hashOf(
      this.#config,
      left.flatMap(({ topics }) => topics),
    );
    return [
      shareRecords.current(id, memberId, null),
      shareRecords.target(id, memberId, null),
      shareRecords.member(id, memberId, null),
      shareRecords.epoch(id, { epoch, metadataHash }),
      ...(left.length === 0 ? [shareRecords.targetEpoch(id, epoch)] : []),
    ];
  }

  /** The share coordinator has initialized partitions, or could not: then they are tried again with a heartbeat. */
  initialized({ groupId, topics }: Initialization, succeeded: boolean): void {
    const group = this.#groups.get(groupId);
    if (group === undefined) return;
    const initializing = new Map(group.initializing);
    const initialized = new Map(group.initialized);
    for (const { topicId, partitions } of topics) {
      const pending = initializing.get(topicId);
      const rest = new Set([...(pending?.partitions ?? [])].filter(index => !partitions.includes(index)));
      if (pending !== undefined && rest.size > 0) initializing.set(topicId, { ...pending, partitions: rest });
      else initializing.delete(topicId);
      if (!succeeded) continue;
      const known = initialized.get(topicId);
      const name = pending?.name ?? known?.name ?? "";
      const all = new Set([...(known?.partitions ?? []), ...partitions]);
      initialized.set(topicId, { name, partitions: all, since: this.#context.wall });
    }
    this.#context.append([stateRecord(groupId, initializing, initialized, group.deleting)], () => {});
  }

  #touch(group: ShareGroup, memberId: string): void {
    const at = this.#context.now + this.#config.sessionTimeoutMs(group.id);
    const isWatched = group.expiries.has(memberId);
    group.expiries.set(memberId, at);
    // A group that is new is not there before its records are; its member is watched all the same.
    this.#unborn = group;
    if (!isWatched) this.#sessions.push(at, { groupId: group.id, memberId });
  }

  /** A group whose first records are being written: its sessions count from the request on. */
  #unborn: ShareGroup | undefined;

  /** Why an administrator may not change a group, or 0: it must be one of these, and have no members. */
  adminFault(groupId: string, mayBeNew = false): number {
    const group = this.#groups.get(groupId);
    if (group === undefined) {
      return mayBeNew && !this.#config.isTaken(groupId) ? 0 : Errors.GROUP_ID_NOT_FOUND.code;
    }
    return group.members.size > 0 ? Errors.NON_EMPTY_GROUP.code : 0;
  }

  /** The partitions of which there are states, by topic. */
  initializedOf(groupId: string): Assignment {
    const known = this.#groups.get(groupId)?.initialized ?? new Map<Uuid, KnownTopic>();
    return new Map([...known].map(([topicId, { partitions }]) => [topicId, partitions]));
  }

  /** Notes that partitions are to begin at other offsets; `done` gets what is then to be initialized, or an error. */
  alter(
    groupId: string,
    topics: readonly { readonly topicId: Uuid; readonly name: string; readonly offsets: ReadonlyMap<number, Int64> }[],
    done: (outcome: Initialization | number) => void,
  ): void {
    const fault = this.adminFault(groupId, true);
    if (fault !== 0) return done(fault);
    const group = this.#groups.get(groupId) ?? newGroup(groupId);
    const initializing = new Map(group.initializing);
    for (const { topicId, name, offsets } of topics) {
      const partitions = new Set([...(initializing.get(topicId)?.partitions ?? []), ...offsets.keys()]);
      initializing.set(topicId, { name, partitions, since: this.#context.wall });
    }
    const starts = topics.flatMap(({ topicId, offsets }) =>
      [...offsets].map(([partition, startOffset]) => ({ topicId, partitions: [partition], startOffset })),
    );
    const what = { groupId, stateEpoch: group.epoch, topics: starts };
    const records = [stateRecord(groupId, initializing, group.initialized, group.deleting)];
    this.#context.append(records, errorCode => done(errorCode === 0 ? what : errorCode));
  }

  /** Forgets the states of topics, which are no more; `done` gets the error code. */
  forget(groupId: string, topicIds: ReadonlySet<Uuid>, done: (errorCode: number) => void): void {
    const group = this.#groups.get(groupId);
    if (group === undefined) return done(0);
    const without = (topics: ReadonlyMap<Uuid, KnownTopic>) => new Map([...topics].filter(([id]) => !topicIds.has(id)));
    const deleting = group.deleting.filter(({ topicId }) => !topicIds.has(topicId));
    this.#context.append(
      [stateRecord(groupId, without(group.initializing), without(group.initialized), deleting)],
      done,
    );
  }

  topicDeleted(topicId: Uuid): void {
    for (const { id, initializing, initialized } of this.#groups.values()) {
      if (initializing.has(topicId) || initialized.has(topicId)) this.forget(id, new Set([topicId]), () => {});
    }
  }

  /** Deletes a group without members; `done` gets the error code. */
  delete(groupId: string, done: (errorCode: number) => void): void {
    const fault = this.adminFault(groupId);
    if (fault !== 0) return done(fault);
    const records = [
      shareRecords.targetEpoch(groupId, null),
      shareRecords.state(groupId, null),
      shareRecords.epoch(groupId, null),
    ];
    this.#context.append(records, done);
  }

  nextDeadline(): number {
    return this.#sessions.next();
  }

  /** Puts out the members that were not heard of. */
  tick(): void {
    const { now } = this.#context;
    const touched = new Set<string>();
    const later: { readonly groupId: string; readonly memberId: string }[] = [];
    for (let session = this.#sessions.pop(now); session !== undefined; session = this.#sessions.pop(now)) {
      const { groupId, memberId } = session;
      const group = this.#groups.get(groupId);
      const at = group?.expiries.get(memberId);
      if (group === undefined || at === undefined) continue;
      if (at > now) this.#sessions.push(at, session);
      // What one leaves behind is known once its records are there.
      else if (touched.has(groupId)) later.push(session);
      else if (group.members.has(memberId)) {
        touched.add(groupId);
        group.expiries.delete(memberId);
        this.#context.append(this.#fence(group, memberId), () => {});
      } else group.expiries.delete(memberId);
    }
    for (const session of later) this.#sessions.push(now, session);
  }

  /** Takes in a record; false when it is of another type of group. */
  replay(key: Uint8Array, value: Uint8Array | null): boolean {
    const parsed = parseShareGroup(key, value);
    if (parsed === undefined) return false;
    const { groupId, record } = parsed;
    if (record.type === "epoch" && record.value === null) {
      this.#groups.delete(groupId);
      return true;
    }
    const group = this.#groups.get(groupId) ?? (this.#unborn?.id === groupId ? this.#unborn : newGroup(groupId));
    if (record.value !== null) this.#groups.set(groupId, group);
    switch (record.type) {
      case "epoch":
        if (record.value !== null) Object.assign(group, record.value);
        break;
      case "targetEpoch":
        group.assignmentEpoch = record.value?.assignmentEpoch ?? 0;
        group.assignmentTimestamp = nearestNumber(record.value?.assignmentTimestamp ?? 0);
        break;
      case "target":
        if (record.value === null) group.targets.delete(record.memberId);
        else group.targets.set(record.memberId, record.value);
        break;
      case "state":
        group.initializing = knownTopics(record.value?.initializingTopics ?? [], this.#context.wall);
        group.initialized = knownTopics(record.value?.initializedTopics ?? [], this.#context.wall);
        group.deleting = record.value?.deletingTopics ?? [];
        break;
      default:
        replayMember(group, record);
    }
    return true;
  }

  /** The log has been read: sessions begin to count. */
  loaded(): void {
    for (const group of this.#groups.values())
      for (const memberId of group.members.keys()) this.#touch(group, memberId);
  }

  unload(): void {
    this.#groups.clear();
    this.#unborn = undefined;
  }

  view(groupId: string): ShareGroupView | undefined {
    const group = this.#groups.get(groupId);
    if (group === undefined) return undefined;
    const { epoch, assignmentEpoch } = group;
    const members = [...group.members.values()].map(
      ({ id: memberId, rackId, memberEpoch, clientId, clientHost, topics: subscribedTopicNames, assigned }) => ({
        memberId,
        rackId,
        memberEpoch,
        clientId,
        clientHost,
        subscribedTopicNames,
        assigned,
      }),
    );
    return { groupId, state: members.length === 0 ? "Empty" : "Stable", epoch, assignmentEpoch, members };
  }
}

type MemberRecord = Extract<
  NonNullable<ReturnType<typeof parseShareGroup>>["record"],
  { readonly type: "member" | "current" }
>;

function replayMember(group: ShareGroup, record: MemberRecord): void {
  const { memberId, value } = record;
  const known = group.members.get(memberId);
  if (record.type === "member" && value === null) {
    group.members.delete(memberId);
    return;
  }
  const member = known ?? newMember(memberId);
  if (record.type === "member" && record.value !== null) {
    const { subscribedTopicNames: topics, rackId, clientId, clientHost } = record.value;
    group.members.set(memberId, { ...member, rackId, clientId, clientHost, topics });
  } else if (record.type === "current" && record.value !== null) {
    const { memberEpoch, previousMemberEpoch, assigned } = record.value;
    group.members.set(memberId, { ...member, memberEpoch, previousMemberEpoch, assigned });
  } else if (known !== undefined) {
    const { memberEpoch, previousMemberEpoch, assigned } = newMember(memberId);
    group.members.set(memberId, { ...known, memberEpoch, previousMemberEpoch, assigned });
  }
}

function knownTopics(
  topics: readonly { readonly topicId: Uuid; readonly topicName: string; readonly partitions: readonly number[] }[],
  since: number,
): Map<Uuid, KnownTopic> {
  return new Map(
    topics.map(({ topicId, topicName: name, partitions }) => [
      topicId,
      { name, partitions: new Set(partitions), since },
    ]),
  );
}

function requestFault({
  groupId,
  memberId,
  memberEpoch,
  rackId,
  ...body
}: ShareGroupHeartbeatRequest): Fault | undefined {
  const invalid = (message: string): Fault => [Errors.INVALID_REQUEST, message];
  if (memberId.trim() === "") return invalid("MemberId can't be empty.");
  if (groupId.trim() === "") return invalid("GroupId can't be empty.");
  if (rackId !== null && rackId.trim() === "") return invalid("RackId can't be empty.");
  const topics = body.subscribedTopicNames ?? [];
  if (memberEpoch === JOIN && topics.length === 0) return invalid("SubscribedTopicNames must be set in first request.");
  return memberEpoch < LEAVE ? invalid("MemberEpoch is invalid.") : undefined;
}

function epochFault({ memberEpoch: known, previousMemberEpoch }: Member, memberEpoch: number): Fault | undefined {
  if (memberEpoch === JOIN || memberEpoch === known) return undefined;
  // The answer with the later epoch may have been lost.
  if (memberEpoch === previousMemberEpoch) return undefined;
  const comparison = memberEpoch > known ? "greater" : "smaller";
  const rest =
    memberEpoch > known ? "." : `, and it does not match the previous member epoch (${previousMemberEpoch}).`;
  const message =
    `The share group member has a ${comparison} member epoch (${memberEpoch}) than the one known by the group ` +
    `coordinator (${known})${rest} The member must abandon all its partitions and rejoin.`;
  return [Errors.FENCED_MEMBER_EPOCH, message];
}
