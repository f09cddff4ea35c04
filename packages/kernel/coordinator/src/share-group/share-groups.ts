import { type ByteReader, nearestNumber, type PartitionIndex, type Uuid, type WireOffset } from "@samsa/base";
import { Errors, type ProtocolError, type ShareGroupHeartbeatRequest } from "@samsa/protocol";
import type { ShardContext } from "../group/context.ts";
import type { ShardRecord, Ticket } from "../shard/effects.ts";
import type { GroupsOfType } from "../group/group.ts";
import type { GroupTable } from "../group/group-table.ts";
import type { Initialization } from "../shard/initialization.ts";
import { timerKey } from "../shard/timers.ts";
import type { Assignment } from "./assignor.ts";
import {
  countSubscriptions,
  type KnownTopic,
  type Member,
  newMember,
  same,
  ShareGroup,
  type ShareGroupConfig,
  stateRecord,
} from "./group.ts";
import { HeartbeatPlan } from "./heartbeat-plan.ts";
import { parseShareGroup, SHARE_RECORD_TYPES, type ShareGroupRecord, shareRecords } from "./records.ts";

/** Share group in the form of ShareGroupDescribe and ListGroups. */
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

type Fault = readonly [error: ProtocolError, message: string];

const JOIN = 0;
const LEAVE = -1;
/** Wait before the failed write of a member's removal is repeated. */
const RETRY_MS = 500;
const SESSION = "share session";

/** Context of share groups: the shard's, and the share coordinator. */
export interface ShareContext extends ShardContext {
  /** Asks the share coordinator to initialize states; the outcome comes to `ShareGroups.initialized`. */
  initialize(what: Initialization): void;
}

/** Share groups of one partition of `__consumer_offsets` (KIP-932): their members and assignments. */
export class ShareGroups implements GroupsOfType {
  readonly recordTypes = SHARE_RECORD_TYPES;
  readonly #context: ShareContext;
  readonly #config: ShareGroupConfig;
  readonly #table: GroupTable;

  constructor(context: ShareContext, table: GroupTable, config: ShareGroupConfig) {
    this.#context = context;
    this.#table = table;
    this.#config = config;
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
    const known = this.#table.find(ShareGroup, body.groupId);
    const group = known ?? new ShareGroup(body.groupId, this.#context.timeline);
    const member = group.members.get(body.memberId);
    if (body.memberEpoch === LEAVE) {
      const { memberId, memberEpoch } = body;
      this.#context.cancel(timerKey(SESSION, group.id, memberId));
      return this.#write(ticket, this.#fence(group, memberId), { memberId, memberEpoch, heartbeatIntervalMs: 0 });
    }
    const before = member ?? newMember(body.memberId);
    const plan = new HeartbeatPlan(this.#context, this.#config, group, {
      ...before,
      rackId: body.rackId ?? before.rackId,
      clientId: client.id,
      clientHost: client.host,
      topics: body.subscribedTopicNames === null ? before.topics : [...new Set(body.subscribedTopicNames)].sort(),
    });
    plan.run(member);
    this.#touch(group.id, body.memberId);
    const { after, records, initialization } = plan;
    const isTold =
      body.memberEpoch === JOIN || body.subscribedTopicNames !== null || !same(before.assigned, after.assigned);
    const response = {
      memberId: after.id,
      memberEpoch: after.memberEpoch,
      heartbeatIntervalMs: this.#config.heartbeatIntervalMs(group.id),
      assignment: isTold ? { topicPartitions: listed(after.assigned) } : null,
    };
    this.#write(ticket, records, response, initialization);
  }

  #fault({ groupId, memberId, memberEpoch }: ShareGroupHeartbeatRequest): Fault | undefined {
    const group = this.#table.find(ShareGroup, groupId);
    if (group === undefined && this.#table.get(groupId) !== undefined) {
      return [Errors.GROUP_ID_NOT_FOUND, `Group ${groupId} is not a share group.`];
    }
    if (group === undefined) {
      const which = memberEpoch === LEAVE ? "Group" : "Share group";
      return memberEpoch === JOIN ? undefined : [Errors.GROUP_ID_NOT_FOUND, `${which} ${groupId} not found.`];
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
      const failed = { errorCode, errorMessage: null, memberEpoch: 0, heartbeatIntervalMs: 0 };
      this.#context.reply(ticket, errorCode === 0 ? ok : failed);
      if (errorCode === 0 && initialization !== undefined) this.#context.initialize(initialization);
    };
    if (records.length === 0) done(0);
    else this.#context.append(records, done);
  }

  /** Records that remove the member. The assignment of a group that becomes empty is up to date at once. */
  #fence(group: ShareGroup, memberId: string): ShardRecord[] {
    const { id } = group;
    const epoch = group.epoch + 1;
    const { hashes, topics } = this.#context;
    const subscribers = new Map(group.subscribers);
    countSubscriptions(subscribers, group.members.get(memberId)?.topics ?? [], []);
    const metadataHash = hashes.of(topics, subscribers.keys());
    return [
      shareRecords.current(id, memberId, null),
      shareRecords.target(id, memberId, null),
      shareRecords.member(id, memberId, null),
      shareRecords.epoch(id, { epoch, metadataHash }),
      ...(group.members.size === 1 ? [shareRecords.targetEpoch(id, epoch)] : []),
    ];
  }

  /** Takes the outcome of an initialization; after a failure, a heartbeat starts it again. */
  initialized({ groupId, topics }: Initialization, succeeded: boolean): void {
    const group = this.#table.find(ShareGroup, groupId);
    if (group === undefined || (!succeeded && group.initializing.size === 0)) return;
    const initializing = new Map(group.initializing);
    const initialized = new Map(group.initialized);
    for (const { topicId, partitions } of topics) {
      const pending = initializing.get(topicId);
      const rest = new Set([...(pending?.partitions ?? [])].filter(index => !partitions.includes(index)));
      if (pending !== undefined && rest.size > 0) initializing.set(topicId, { ...pending, partitions: rest });
      else initializing.delete(topicId);
      const name = this.#context.topics.nameOf(topicId);
      // The topic may have been deleted meanwhile.
      if (!succeeded || name === undefined) continue;
      const all = new Set([...(initialized.get(topicId)?.partitions ?? []), ...partitions]);
      initialized.set(topicId, { name, partitions: all, since: this.#context.wall });
    }
    this.#context.append([stateRecord(groupId, initializing, initialized, group.deleting)], errorCode => {
      // A heartbeat retries an initialization that takes too long.
      if (errorCode !== 0) this.#context.warn(`Failed to write initialized partitions of group ${groupId}.`, errorCode);
    });
  }

  /** Restarts the session of a member. */
  #touch(groupId: string, memberId: string): void {
    this.#expireAfter(groupId, memberId, this.#config.sessionTimeoutMs(groupId));
  }

  #expireAfter(groupId: string, memberId: string, delayMs: number): void {
    this.#context.after(timerKey(SESSION, groupId, memberId), delayMs, () => {
      const group = this.#table.find(ShareGroup, groupId);
      if (group?.members.has(memberId) !== true) return;
      this.#context.append(this.#fence(group, memberId), errorCode => {
        if (errorCode === 0) return;
        this.#context.warn(`Failed to write the removal of member ${memberId} of group ${groupId}.`, errorCode);
        this.#expireAfter(groupId, memberId, RETRY_MS);
      });
    });
  }

  /** Checks that an admin client may change the group, a share group without members: 0 or an error code. */
  adminFault(groupId: string, mayBeNew = false): number {
    const group = this.#table.find(ShareGroup, groupId);
    if (group === undefined) {
      return mayBeNew && this.#table.get(groupId) === undefined ? 0 : Errors.GROUP_ID_NOT_FOUND.code;
    }
    return group.validateDelete();
  }

  /** Partitions with initialized state, by topic id. */
  initializedOf(groupId: string): Assignment {
    const known = this.#table.find(ShareGroup, groupId)?.initialized ?? new Map<Uuid, KnownTopic>();
    return new Map([...known].map(([topicId, { partitions }]) => [topicId, partitions]));
  }

  /** True if the group has a record of its partitions. */
  hasStates(groupId: string): boolean {
    return this.#table.find(ShareGroup, groupId)?.hasStates === true;
  }

  /** Writes that partitions get new start offsets; `done` gets the initialization to do next, or an error code. */
  alter(
    groupId: string,
    topics: readonly {
      readonly topicId: Uuid;
      readonly name: string;
      readonly offsets: ReadonlyMap<PartitionIndex, WireOffset>;
    }[],
    done: (outcome: Initialization | number) => void,
  ): void {
    const fault = this.adminFault(groupId, true);
    if (fault !== 0) return done(fault);
    const group = this.#table.find(ShareGroup, groupId) ?? new ShareGroup(groupId, this.#context.timeline);
    const initializing = new Map(group.initializing);
    for (const { topicId, name, offsets } of topics) {
      const partitions = new Set([...(initializing.get(topicId)?.partitions ?? []), ...offsets.keys()]);
      initializing.set(topicId, { name, partitions, since: this.#context.wall });
    }
    const starts = topics.flatMap(({ topicId, offsets }) =>
      [...offsets].map(([partition, startOffset]) => ({ topicId, partitions: [partition], startOffset })),
    );
    const what = { groupId, stateEpoch: group.epoch, topics: starts };
    if (topics.length === 0) return done(what);
    const deleting = group.deleting.filter(({ topicId }) => !initializing.has(topicId));
    const records = [stateRecord(groupId, initializing, group.initialized, deleting)];
    this.#context.append(records, errorCode => done(errorCode === 0 ? what : errorCode));
  }

  /** All partitions of topics in deletion: an earlier deletion of their states may not have ended. */
  #allOf({ deleting }: ShareGroup): Map<Uuid, ReadonlySet<PartitionIndex>> {
    const { topics } = this.#context;
    return new Map(
      deleting
        .filter(({ topicId }) => topics.nameOf(topicId) !== undefined)
        .map(({ topicId }) => [
          topicId,
          new Set(Array.from({ length: topics.partitions(topicId) }, (_, index) => index)),
        ]),
    );
  }

  /** Writes that a group without members is in deletion; `done` gets the states to delete first, or an error code. */
  beginDeletion(groupId: string, done: (states: Assignment | number) => void): void {
    const fault = this.adminFault(groupId);
    const group = this.#table.find(ShareGroup, groupId);
    if (fault !== 0 || group === undefined) return done(fault);
    if (!group.hasStates) return done(new Map());
    const states = this.#allOf(group);
    const names = new Map<Uuid, string>();
    for (const { topicId, topicName } of group.deleting) if (states.has(topicId)) names.set(topicId, topicName);
    for (const known of [group.initialized, group.initializing]) {
      for (const [topicId, { name, partitions }] of known) {
        states.set(topicId, new Set([...(states.get(topicId) ?? []), ...partitions]));
        names.set(topicId, name);
      }
    }
    const deleting = [...names].map(([topicId, topicName]) => ({ topicId, topicName }));
    const record = stateRecord(groupId, new Map(), new Map(), deleting);
    this.#context.append([record], errorCode => done(errorCode === 0 ? states : errorCode));
  }

  /** Writes that the states of topics are in deletion; `done` gets the existing ones, or an error code. */
  beginForgetting(
    groupId: string,
    topicIds: ReadonlySet<Uuid>,
    done: (states: ReadonlyMap<Uuid, ReadonlySet<PartitionIndex>> | number) => void,
  ): void {
    const fault = this.adminFault(groupId);
    const group = this.#table.find(ShareGroup, groupId);
    if (fault !== 0 || group === undefined) return done(fault);
    if (!group.hasStates) return done(new Map());
    const initialized = new Map(group.initialized);
    const deleting = [...group.deleting];
    const states = new Map([...this.#allOf(group)].filter(([topicId]) => topicIds.has(topicId)));
    for (const topicId of topicIds) {
      const known = initialized.get(topicId);
      if (known === undefined) continue;
      states.set(topicId, known.partitions);
      initialized.delete(topicId);
      if (deleting.every(one => one.topicId !== topicId)) deleting.push({ topicId, topicName: known.name });
    }
    const record = stateRecord(groupId, group.initializing, initialized, deleting);
    this.#context.append([record], errorCode => done(errorCode === 0 ? states : errorCode));
  }

  /** Writes that the states of topics have been deleted; `done` gets the error code. */
  forgotten(groupId: string, topicIds: ReadonlySet<Uuid>, done: (errorCode: number) => void): void {
    const group = this.#table.find(ShareGroup, groupId);
    if (group?.hasStates !== true) return done(0);
    const deleting = group.deleting.filter(({ topicId }) => !topicIds.has(topicId));
    this.#context.append([stateRecord(groupId, group.initializing, group.initialized, deleting)], done);
  }

  /** Removes deleted topics from the records of all groups. */
  eraseOrphans(): void {
    const { topics } = this.#context;
    // Before the first metadata, no topic is known: none must count as deleted.
    if (topics.version < 0) return;
    const isThere = (topicId: Uuid): boolean => topics.nameOf(topicId) !== undefined;
    const among = (known: ReadonlyMap<Uuid, KnownTopic>) => new Map([...known].filter(([topicId]) => isThere(topicId)));
    const records: ShardRecord[] = [];
    for (const { id, initializing, initialized, deleting } of this.#table.all(ShareGroup)) {
      const left = deleting.filter(({ topicId }) => isThere(topicId));
      const ids = [...initializing.keys(), ...initialized.keys()];
      if (ids.every(isThere) && left.length === deleting.length) continue;
      records.push(stateRecord(id, among(initializing), among(initialized), left));
    }
    this.#context.maintain("share groups without their deleted topics", records);
  }

  replay(recordType: number, key: ByteReader, value: Uint8Array | null): void {
    const { groupId, record } = parseShareGroup(recordType, key, value);
    const known = this.#table.find(ShareGroup, groupId);
    // Ignore tombstones of unknown groups.
    if (known === undefined && record.value === null) return;
    const group = known ?? new ShareGroup(groupId, this.#context.timeline);
    if (record.type === "epoch" && record.value === null) return this.#table.forget(group, this.#context.wall);
    if (known === undefined) this.#table.set(group);
    // The outlook does not depend on current assignments.
    if (record.type !== "current") group.outlook = undefined;
    switch (record.type) {
      case "epoch":
        if (record.value !== null) group.set(record.value);
        break;
      case "targetEpoch":
        group.set({
          assignmentEpoch: record.value?.assignmentEpoch ?? -1,
          assignmentTimestamp: nearestNumber(record.value?.assignmentTimestamp ?? 0),
        });
        break;
      case "target":
        if (record.value === null) group.targets.delete(record.memberId);
        else group.targets.set(record.memberId, record.value);
        break;
      case "state":
        group.set({
          initializing: knownTopics(record.value?.initializingTopics ?? [], this.#context.wall),
          initialized: knownTopics(record.value?.initializedTopics ?? [], this.#context.wall),
          deleting: record.value?.deletingTopics ?? [],
          hasStates: record.value !== null,
        });
        break;
      default:
        replayMember(group, record);
    }
  }

  loaded(): void {
    for (const { id, members } of this.#table.all(ShareGroup))
      for (const memberId of members.keys()) this.#touch(id, memberId);
  }

  /** Committed state of a group; undefined if it has no share group with that id. */
  view(groupId: string): ShareGroupView | undefined {
    const group = this.#table.find(ShareGroup, groupId, "committed");
    if (group === undefined) return undefined;
    const { epoch, assignmentEpoch } = group.epochs("committed");
    const members = [...group.members.values("committed")].map(
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
    return { groupId, state: group.stateIn("committed"), epoch, assignmentEpoch, members };
  }
}

type MemberRecord = Extract<ShareGroupRecord, { readonly type: "member" | "current" }>;

function listed(assigned: Assignment): { topicId: Uuid; partitions: PartitionIndex[] }[] {
  return [...assigned].map(([topicId, partitions]) => ({ topicId, partitions: [...partitions] }));
}

function replayMember(group: ShareGroup, record: MemberRecord): void {
  const { memberId, value } = record;
  const known = group.members.get(memberId);
  if (record.type === "member") {
    countSubscriptions(group.subscribers, known?.topics ?? [], record.value?.subscribedTopicNames ?? []);
  }
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
  topics: readonly {
    readonly topicId: Uuid;
    readonly topicName: string;
    readonly partitions: readonly PartitionIndex[];
  }[],
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
  // The response with the newer epoch may have been lost.
  if (memberEpoch === previousMemberEpoch) return undefined;
  const comparison = memberEpoch > known ? "greater" : "smaller";
  const rest =
    memberEpoch > known ? "." : `, and it does not match the previous member epoch (${previousMemberEpoch}).`;
  const message =
    `The share group member has a ${comparison} member epoch (${memberEpoch}) than the one known by the group ` +
    `coordinator (${known})${rest} The member must abandon all its partitions and rejoin.`;
  return [Errors.FENCED_MEMBER_EPOCH, message];
}
