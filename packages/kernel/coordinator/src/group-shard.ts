import { invariant, nearestNumber } from "@samsa/base";
import {
  type consumerGroupHeartbeatResponse,
  type Draft,
  Errors,
  type HeartbeatRequest,
  type heartbeatResponse,
  type JoinGroupRequest,
  type joinGroupResponse,
  type LeaveGroupRequest,
  type leaveGroupResponse,
  type OffsetCommitRequest,
  type OffsetDeleteRequest,
  type ShareGroupHeartbeatRequest,
  type shareGroupHeartbeatResponse,
  type SyncGroupRequest,
  type syncGroupResponse,
} from "@samsa/protocol";
import { ConsumerGroups, describeConsumerGroup } from "./consumer/consumer-groups.ts";
import { type ConsumerContext, type Downgrade, refusal } from "./consumer/context.ts";
import { ConsumerGroup } from "./consumer/group.ts";
import { AWAY_EPOCH, JOINING_EPOCH, LEAVING_EPOCH } from "./consumer/member.ts";
import { ClassicMembers } from "./consumer/classic-members.ts";
import { downgraded, recordsOf, upgraded } from "./consumer/migrate.ts";
import type { HeartbeatInput } from "./consumer/heartbeat.ts";
import type { ConsumerRecord } from "./consumer/records.ts";
import { NO_TOPICS, type TopicDirectory, TopicHashes } from "./consumer/topics.ts";
import { CommittedOffsets, type OffsetContext, type TxnCommit } from "./committed-offsets.ts";
import type { GroupConfig } from "./context.ts";
import type { GroupEffect, ShardRecord, Ticket, TxnAppend } from "./effects.ts";
import { ClassicGroup, type Member } from "./classic/group.ts";
import { GroupTable } from "./group-table.ts";
import { type Client, Membership } from "./classic/membership.ts";
import {
  type AnyGroup,
  type commitError,
  deletionRecords,
  subscribedTopics,
  tombstonesOf,
  type TopicErrors,
} from "./offsets.ts";
import type { txnCommitError } from "./txn-offsets.ts";
import { type GroupValue, groupRecord, groupTombstone, newGroupRecord, parseRecord } from "./records.ts";
import { joinError, Rebalance, syncError } from "./classic/rebalance.ts";
import type { LoggedRecord, Shard, TxnEnd } from "./shard.ts";
import type { ShareGroupConfig } from "./share-group/group.ts";
import { ShareGroups } from "./share-group/share-groups.ts";
import { Timers } from "./timers.ts";

/** Requests that a `GroupShard` answers: those of members, and commits of offsets. */
export type GroupRequest =
  | { readonly type: "join"; readonly version: number; readonly client: Client; readonly body: JoinGroupRequest }
  | { readonly type: "sync"; readonly body: SyncGroupRequest }
  | { readonly type: "heartbeat"; readonly body: HeartbeatRequest }
  | { readonly type: "leave"; readonly version: number; readonly body: LeaveGroupRequest }
  | { readonly type: "commit"; readonly version: number; readonly body: OffsetCommitRequest }
  | ({ readonly type: "txnCommit" } & TxnCommit)
  | ({ readonly type: "consumerHeartbeat" } & Omit<HeartbeatInput, "ticket">)
  | { readonly type: "share"; readonly client: Client; readonly body: ShareGroupHeartbeatRequest };

/** Response to each type of request. */
export interface GroupReplies {
  readonly join: Draft<typeof joinGroupResponse>;
  readonly sync: Draft<typeof syncGroupResponse>;
  readonly heartbeat: Draft<typeof heartbeatResponse>;
  readonly leave: Draft<typeof leaveGroupResponse>;
  readonly commit: ReturnType<typeof commitError>;
  readonly txnCommit: ReturnType<typeof txnCommitError>;
  readonly consumerHeartbeat: Draft<typeof consumerGroupHeartbeatResponse>;
  readonly share: Draft<typeof shareGroupHeartbeatResponse>;
}

/** Classic or consumer group in the form of ListGroups. */
export interface ListedGroup {
  readonly groupId: string;
  readonly protocolType: string;
  readonly groupState: string;
  readonly groupType: "classic" | "consumer";
}

/** Classic group in the form of DescribeGroups. */
export interface GroupView {
  readonly groupId: string;
  readonly state: string;
  readonly protocolType: string;
  readonly protocol: string;
  readonly members: readonly Member[];
  metadataOf(member: Member): Uint8Array;
}

/**
 * Coordinates the groups of one partition of `__consumer_offsets` (`GroupCoordinatorShard`). Calls that may change
 * state take the monotonic time `now` and the list `out`, to which they add effects.
 */
export class GroupShard implements Shard<GroupEffect> {
  readonly #groups = new GroupTable();
  readonly #timers = new Timers();
  readonly #appends = new Map<number, (errorCode: number) => void>();
  readonly #context: ConsumerContext &
    OffsetContext & {
      now: number;
      wall: number;
      topics: TopicDirectory;
      newTopicsVersion: number;
    };
  readonly #rebalance: Rebalance;
  readonly #membership: Membership;
  readonly committed: CommittedOffsets;
  readonly #consumers: ConsumerGroups;
  readonly #classicMembers: ClassicMembers;
  /** New consumer group whose records are being written; the replay of the first one adds it to the groups. */
  #entering: ConsumerGroup | undefined;
  /** Share groups; they have records of their own. */
  readonly shares: ShareGroups;
  wallAhead = 0;
  #out: GroupEffect[] = [];
  #tokens = 0;
  /** False while the log is being read. */
  #live = false;

  constructor(config: GroupConfig, newId: () => string, shareGroups: Omit<ShareGroupConfig, "isTaken">) {
    this.#context = {
      now: 0,
      wall: 0,
      config,
      reply: (ticket, response) => this.#out.push({ type: "reply", ticket, response }),
      append: (records, done) => this.#append(records, done, {}),
      maintain: (what, records) => this.#maintain(what, records),
      warn: (message, errorCode) => this.#out.push({ type: "warn", message, errorCode }),
      isShareGroup: groupId => this.shares.has(groupId),
      appendTxn: (records, done, of) => this.#append(records, done, of),
      after: (key, delayMs, run) => this.#timers.schedule(key, this.#context.now + Math.max(delayMs, 1), run),
      cancel: key => this.#timers.cancel(key),
      isScheduled: key => this.#timers.isScheduled(key),
      memberId: prefix => `${prefix}-${newId()}`,
      newId,
      topics: NO_TOPICS,
      hashes: new TopicHashes(),
      newTopicsVersion: -1,
      downgrade: (group, plan, done) => this.#downgrade(group, plan, done),
    };
    const isCurrent = (group: AnyGroup): boolean => this.#groups.get(group.id) === group;
    this.#rebalance = new Rebalance(this.#context, isCurrent);
    this.#membership = new Membership(this.#context, this.#rebalance);
    this.committed = new CommittedOffsets(this.#context, this.#groups, this.#membership);
    this.#consumers = new ConsumerGroups(this.#context, isCurrent);
    this.#classicMembers = new ClassicMembers(this.#context, this.#consumers);
    this.shares = new ShareGroups(this.#context, { ...shareGroups, isTaken: id => this.#groups.get(id) !== undefined });
  }

  #append(
    records: readonly ShardRecord[],
    done: (errorCode: number) => void,
    of: TxnAppend & { readonly divisible?: boolean },
  ): void {
    const token = ++this.#tokens;
    this.#appends.set(token, done);
    this.#out.push({ type: "append", token, records, ...of });
  }

  #maintain(what: string, records: readonly ShardRecord[]): void {
    if (records.length === 0) return;
    const done = (errorCode: number): void => {
      if (errorCode !== 0) this.#context.warn(`Failed to write ${what}.`, errorCode);
    };
    this.#append(records, done, { divisible: true });
  }

  #wall(now: number): number {
    return Math.round(now + this.wallAhead);
  }

  #enter(now: number, out: GroupEffect[]): void {
    this.#context.now = now;
    this.#context.wall = this.#wall(now);
    this.#out = out;
  }

  /** Takes the outcome of an append effect: 0, or the error code for its requests. */
  appended(now: number, token: number, errorCode: number, out: GroupEffect[]): void {
    const done = this.#appends.get(token);
    invariant(done !== undefined, "an append ends once");
    this.#appends.delete(token);
    this.#enter(now, out);
    done(errorCode);
  }

  /** Number of scheduled timers. */
  get scheduled(): number {
    return this.#timers.size;
  }

  nextDeadline(): number {
    return this.#timers.next();
  }

  /** Runs due timers. Stops after the first that appends: the next timer must see the outcome. */
  tick(now: number, out: GroupEffect[]): void {
    this.#enter(now, out);
    const tokens = this.#tokens;
    this.#timers.tick(now, () => this.#tokens !== tokens);
  }

  request(now: number, ticket: Ticket, request: GroupRequest, out: GroupEffect[]): void {
    this.#enter(now, out);
    switch (request.type) {
      case "join":
        return this.#join(ticket, request);
      case "sync": {
        if (request.body.groupId === "") return this.#context.reply(ticket, syncError(Errors.INVALID_GROUP_ID.code));
        const group = this.#groups.get(request.body.groupId);
        if (group?.type === "consumer") return this.#classicMembers.sync(group, ticket, request.body);
        if (group === undefined) return this.#context.reply(ticket, syncError(Errors.UNKNOWN_MEMBER_ID.code));
        return this.#membership.sync(group, ticket, request.body);
      }
      case "heartbeat": {
        if (request.body.groupId === "")
          return this.#context.reply(ticket, { errorCode: Errors.INVALID_GROUP_ID.code });
        const group = this.#groups.get(request.body.groupId);
        if (group?.type === "consumer") {
          return this.#context.reply(ticket, { errorCode: this.#classicMembers.heartbeat(group, request.body) });
        }
        const unknown = Errors.UNKNOWN_MEMBER_ID.code;
        const errorCode = group === undefined ? unknown : this.#membership.heartbeat(group, request.body);
        return this.#context.reply(ticket, { errorCode });
      }
      case "leave":
        return this.#leave(ticket, request.version, request.body);
      case "commit":
        return this.committed.commit(ticket, request.version, request.body);
      case "txnCommit":
        return this.committed.txnCommit(ticket, request);
      case "consumerHeartbeat":
        return this.#consumerHeartbeat({ ...request, ticket });
      case "share":
        return this.shares.heartbeat(ticket, request.body, request.client);
    }
  }

  #consumerHeartbeat(input: HeartbeatInput): void {
    if (this.#consumers.refused(input)) return;
    const { groupId, memberEpoch } = input.body;
    const refuse = (text: string): void => this.#context.reply(input.ticket, refusal(Errors.GROUP_ID_NOT_FOUND, text));
    const known = this.#groups.get(groupId);
    if (known?.type === "consumer") return this.#consumers.heartbeat(known, input, []);
    if (this.shares.has(groupId)) return refuse(`Group ${groupId} is not a consumer group.`);
    if (memberEpoch !== JOINING_EPOCH) {
      if (known !== undefined) return refuse(`Group ${groupId} is not a consumer group.`);
      const leaves = memberEpoch === LEAVING_EPOCH || memberEpoch === AWAY_EPOCH;
      return refuse(leaves ? `Group ${groupId} not found.` : `Consumer group ${groupId} not found.`);
    }
    // An empty classic group is replaced; one with members is converted.
    const records = known === undefined ? [] : [groupTombstone(groupId)];
    let group = new ConsumerGroup(groupId);
    if (known !== undefined && known.state !== "Empty") {
      const found = this.#upgrade(known);
      if (typeof found === "string")
        return refuse(`Cannot upgrade classic group ${groupId} to consumer group because ${found}`);
      group = found;
      records.push(...recordsOf(group));
    }
    this.#entering = group;
    this.#consumers.heartbeat(group, input, records);
  }

  /** Converts a classic group to a consumer group; or returns the reason why it cannot (`validateOnlineUpgrade`). */
  #upgrade(classic: ClassicGroup): ConsumerGroup | string {
    const { migration, maxSize } = this.#context.config.consumer;
    if (!migration.upgrade) return "online upgrade is disabled.";
    if (classic.protocolType !== "consumer") return "the group does not use the consumer embedded protocol.";
    if (classic.members.size > maxSize) return "the group size exceeds the consumer group maximum size.";
    const group = upgraded(classic, this.#context);
    if (typeof group === "string") return group;
    // Waiting members are told to join again; they then join the consumer group.
    for (const member of classic.members.values()) {
      this.#rebalance.answerJoin(classic, member, joinError(Errors.REBALANCE_IN_PROGRESS.code, member.id));
      this.#rebalance.answerSync(member, syncError(Errors.REBALANCE_IN_PROGRESS.code));
    }
    return group;
  }

  #downgrade(group: ConsumerGroup, plan: Downgrade, done: (errorCode: number) => void): void {
    const classic = downgraded(group, plan, this.#context);
    const assignments = new Map([...classic.members.values()].map(({ id, assignment }) => [id, assignment]));
    const records = [...plan.records, ...tombstonesOf(group, plan.replaced), groupRecord(classic, assignments)];
    this.#groups.set(classic);
    this.#consumers.cancelTimers(group);
    this.#context.append(records, errorCode => {
      if (errorCode !== 0 && this.#groups.get(group.id) === classic) {
        this.#rebalance.abandon(classic, errorCode);
        this.#groups.set(group);
        this.#consumers.loaded(group);
      }
      done(errorCode);
    });
    for (const { id, sessionTimeoutMs } of classic.members.values()) {
      this.#rebalance.touch(classic, id, sessionTimeoutMs);
    }
    if (plan.rebalance) this.#rebalance.prepare(classic);
  }

  #join(ticket: Ticket, { version, client, body }: Extract<GroupRequest, { type: "join" }>): void {
    const { config, wall } = this.#context;
    const refuse = (code: number): void => this.#context.reply(ticket, joinError(code, body.memberId));
    if (body.groupId === "") return refuse(Errors.INVALID_GROUP_ID.code);
    if (body.sessionTimeoutMs < config.minSessionTimeoutMs || body.sessionTimeoutMs > config.maxSessionTimeoutMs) {
      return refuse(Errors.INVALID_SESSION_TIMEOUT.code);
    }
    if (this.shares.has(body.groupId)) {
      return this.#context.reply(ticket, joinError(Errors.INCONSISTENT_GROUP_PROTOCOL.code, ""));
    }
    const known = this.#groups.get(body.groupId);
    // The request's bytes are slices of a receive buffer, which must not live as long as the group.
    const protocols = body.protocols.map(({ name, metadata }) => ({ name, metadata: Uint8Array.from(metadata) }));
    // Version 0 has no rebalance timeout: the session timeout serves for both.
    const rebalanceTimeoutMs = version === 0 ? body.sessionTimeoutMs : body.rebalanceTimeoutMs;
    const request = { ...body, protocols, rebalanceTimeoutMs };
    if (known?.type === "consumer" && known.members.size > 0) {
      return this.#classicMembers.join(known, { ticket, version, client, body: request });
    }
    if (known?.type === "classic") return this.#membership.join(known, { ticket, version, client, request });
    if (body.memberId !== "") return refuse(Errors.UNKNOWN_MEMBER_ID.code);
    const group = this.#groups.create(body.groupId, wall, known?.offsets);
    this.#membership.join(group, { ticket, version, client, request });
    this.#writeNew(group, known);
  }

  /** Writes a group that its first JoinGroup has created; it replaces the empty consumer group `before`, if any. */
  #writeNew(group: ClassicGroup, before: ConsumerGroup | undefined): void {
    const records = before === undefined ? [] : tombstonesOf(before);
    this.#context.append([...records, newGroupRecord(group)], errorCode => {
      if (errorCode === 0 || this.#groups.get(group.id) !== group) return;
      this.#context.warn(`Failed to write the new group ${group.id}.`, errorCode);
      this.#rebalance.abandon(group, errorCode);
      if (before === undefined) this.#forget(group);
      else this.#groups.set(before);
    });
  }

  #leave(ticket: Ticket, version: number, body: LeaveGroupRequest): void {
    const found = this.#groups.get(body.groupId);
    const group = found?.type === "classic" ? found : undefined;
    const identities = version >= 3 ? body.members : [{ memberId: body.memberId, groupInstanceId: null, reason: null }];
    const answer = (members: readonly { readonly errorCode: number }[]): void =>
      this.#context.reply(ticket, version >= 3 ? { errorCode: 0, members } : { errorCode: members[0].errorCode });
    if (body.groupId === "")
      return this.#context.reply(ticket, { errorCode: Errors.INVALID_GROUP_ID.code, members: [] });
    if (found?.type === "consumer") {
      const { members, outcomes } = this.#classicMembers.leaving(found, identities);
      if (members.length === 0) return answer(outcomes);
      return this.#consumers.updates.putOut(found, members, errorCode =>
        errorCode === 0 ? answer(outcomes) : this.#context.reply(ticket, { errorCode, members: [] }),
      );
    }
    if (group === undefined) {
      const { code: errorCode } = Errors.UNKNOWN_MEMBER_ID;
      return answer(identities.map(({ memberId, groupInstanceId }) => ({ memberId, groupInstanceId, errorCode })));
    }
    this.#membership.leave(group, identities, (errorCode, outcomes) => {
      if (errorCode === 0) answer(outcomes);
      else this.#context.reply(ticket, { errorCode, members: [] });
    });
  }

  /** Consumer group in the form of ConsumerGroupDescribe, or an error. */
  consumerView(groupId: string) {
    const group = this.#groups.get(groupId);
    if (group?.type === "consumer") return describeConsumerGroup(group, this.#context);
    const why = group === undefined ? "not found." : "is not a consumer group.";
    const absent = { groupState: "", groupEpoch: 0, assignmentEpoch: 0, assignorName: "", members: [] };
    return { ...absent, groupId, ...refusal(Errors.GROUP_ID_NOT_FOUND, `Group ${groupId} ${why}`) };
  }

  /** Type of the group; undefined if it does not exist here. */
  typeOf(groupId: string): AnyGroup["type"] | undefined {
    return this.#groups.get(groupId)?.type;
  }

  view(groupId: string): GroupView | undefined {
    const group = this.#groups.classic(groupId);
    if (group === undefined) return undefined;
    return {
      groupId,
      state: group.state,
      protocolType: group.protocolType ?? "",
      protocol: group.state === "Stable" ? (group.protocolName ?? "") : "",
      members: [...group.members.values()],
      metadataOf: member => (group.state === "Stable" ? group.metadataOf(member) : new Uint8Array(0)),
    };
  }

  list(): ListedGroup[] {
    return [...this.#groups.values()].map(group => ({
      groupId: group.id,
      protocolType: group.type === "consumer" ? "consumer" : (group.protocolType ?? ""),
      groupState: group.state,
      groupType: group.type,
    }));
  }

  /** Deletes an empty group; `done` gets the error code. */
  delete(now: number, groupId: string, out: GroupEffect[], done: (errorCode: number) => void): void {
    this.#enter(now, out);
    const group = this.#groups.get(groupId);
    if (group === undefined) return done(Errors.GROUP_ID_NOT_FOUND.code);
    if (group.state !== "Empty") return done(Errors.NON_EMPTY_GROUP.code);
    this.#context.append(deletionRecords(group, this.#groups.pending), done);
  }

  /** Deletes committed offsets; `done` gets the group's error code, and the topics' (`CommittedOffsets.delete`). */
  deleteOffsets(
    now: number,
    request: OffsetDeleteRequest,
    out: GroupEffect[],
    done: (errorCode: number, topics: readonly TopicErrors[]) => void,
  ): void {
    this.#enter(now, out);
    this.committed.delete(request, done);
  }

  /** Erases expired offsets, and empty groups without offsets. */
  cleanUp(now: number, out: GroupEffect[]): void {
    this.#enter(now, out);
    this.committed.cleanUp();
  }

  /** Erases offsets of deleted topics with these names. Call `topicsChanged` first; new topics may have the names. */
  topicsDeleted(now: number, names: ReadonlySet<string>, out: GroupEffect[]): void {
    this.#enter(now, out);
    this.committed.eraseOrphans(names);
    this.shares.eraseOrphans();
  }

  /** Sets the topics of the cluster. `changed` are created, deleted or changed; `created`: at least one was created. */
  topicsChanged(topics: TopicDirectory, changed: ReadonlySet<string>, created: boolean): void {
    const context = this.#context;
    if (created || context.newTopicsVersion === -1) context.newTopicsVersion = topics.version;
    context.topics = topics;
    if (changed.size === 0) return;
    for (const name of changed) context.hashes.forget(name);
    for (const group of this.#groups.values()) {
      if (group.type === "consumer") this.#consumers.topicsChanged(group, changed);
    }
    this.shares.topicsChanged(changed);
  }

  /**
   * Applies a record, at load and after every append of this shard. Only this call changes offsets and the existence of
   * groups; the members of a known classic group are up to date from their requests.
   */
  replay(now: number, { key, value, producer }: LoggedRecord): void {
    const record = parseRecord(key, value);
    this.#context.now = now;
    if (record.type === "other") {
      this.#context.wall = this.#wall(now);
      return this.shares.replay(key, value);
    }
    if (record.type === "consumer") return this.#replayConsumer(record.record);
    if (record.type === "offset") this.committed.replay(record, producer, this.#wall(now));
    else if (record.value === null) this.#erase(record.group, "classic");
    else this.#replayGroup(record.group, record.value);
  }

  ended(now: number, end: TxnEnd): void {
    this.committed.ended(end, this.#wall(now));
  }

  /** Removes a group after the tombstone of its record. */
  #erase(groupId: string, type: AnyGroup["type"]): void {
    const group = this.#groups.get(groupId);
    if (group?.type !== type) return;
    if (group.type === "classic") this.#rebalance.cancelTimers(group);
    this.#forget(group);
  }

  /** Removes a group; offsets that it has stay in an empty classic group. */
  #forget({ id, offsets }: AnyGroup): void {
    this.#groups.delete(id);
    if (offsets.size > 0) this.#groups.create(id, this.#wall(this.#context.now), offsets);
  }

  #replayConsumer(record: ConsumerRecord): void {
    const { groupId } = record.key;
    const known = this.#groups.get(groupId);
    let group = known?.type === "consumer" ? known : undefined;
    if (group === undefined) {
      // Ignore tombstones of unknown groups, and consumer records written by a conversion to a classic group.
      const isConverted = this.#live && known !== undefined && this.#entering?.id !== groupId;
      if (record.value === null || isConverted) return;
      const entering = this.#entering?.id === groupId ? this.#entering : new ConsumerGroup(groupId);
      this.#entering = undefined;
      for (const [topic, partitions] of known?.offsets ?? []) entering.offsets.set(topic, partitions);
      if (known?.type === "classic") this.#rebalance.cancelTimers(known);
      group = entering;
      this.#groups.set(group);
    }
    if (record.type === "group" && record.value === null) this.#erase(groupId, "consumer");
    else this.#consumers.replay(group, record, this.#live);
  }

  #replayGroup(id: string, value: GroupValue): void {
    const known = this.#groups.get(id);
    // Requests have applied this change already, and the record lacks the requests that wait.
    if (known?.type === "classic" && this.#live) return;
    const group = new ClassicGroup(id, {
      state: value.members.length === 0 ? "Empty" : "Stable",
      stateTimestamp: nearestNumber(value.currentStateTimestamp),
      ...(known === undefined ? {} : { offsets: known.offsets }),
    });
    group.generation = value.generation;
    group.protocolType = value.protocolType === "" ? null : value.protocolType;
    group.protocolName = value.protocol;
    for (const loaded of value.members) {
      const member: Member = {
        id: loaded.memberId,
        instanceId: loaded.groupInstanceId,
        clientId: loaded.clientId,
        clientHost: loaded.clientHost,
        rebalanceTimeoutMs: loaded.rebalanceTimeout === -1 ? loaded.sessionTimeout : loaded.rebalanceTimeout,
        sessionTimeoutMs: loaded.sessionTimeout,
        protocols: [{ name: value.protocol ?? "", metadata: Uint8Array.from(loaded.subscription) }],
        assignment: Uint8Array.from(loaded.assignment),
        joining: undefined,
        syncing: undefined,
        isNew: false,
      };
      group.add(member, value.protocolType);
    }
    group.leaderId = value.leader;
    group.subscribed = subscribedTopics(group);
    this.#groups.set(group);
  }

  /** Starts sessions and timers after the load of the log. */
  loaded(now: number, out: GroupEffect[]): void {
    this.#enter(now, out);
    this.#live = true;
    for (const group of this.#groups.values()) {
      if (group.type === "consumer") this.#consumers.loaded(group);
      else this.#loadedClassic(group);
    }
    // The broker may have stopped between the deletion of a topic and that of its offsets.
    this.committed.eraseOrphans();
    this.shares.loaded();
  }

  #loadedClassic(group: ClassicGroup): void {
    for (const { id, sessionTimeoutMs } of group.members.values()) this.#rebalance.touch(group, id, sessionTimeoutMs);
    // `group.max.size` may be lower than before: the members rejoin, as many as fit.
    if (group.members.size > this.#context.config.maxSize) this.#rebalance.prepare(group);
  }

  /** Answers all waiting requests with the error: this broker no longer leads the partition. */
  unload(now: number, errorCode: number, out: GroupEffect[]): void {
    this.#enter(now, out);
    // Callbacks may append again: such appends fail in the same way.
    for (const [token, done] of this.#appends) {
      this.#appends.delete(token);
      done(errorCode);
    }
    for (const group of this.#groups.values()) {
      if (group.type !== "classic") continue;
      for (const member of group.members.values()) {
        this.#rebalance.answerJoin(group, member, joinError(errorCode, member.id));
        this.#rebalance.answerSync(member, syncError(errorCode));
      }
    }
    this.#groups.clear();
    this.#timers.clear();
    this.shares.unload();
  }

  /** Runs an action on the share groups that is no request of a member. */
  forShares(now: number, out: GroupEffect[], action: (shares: ShareGroups) => void): void {
    this.#enter(now, out);
    action(this.shares);
  }
}
