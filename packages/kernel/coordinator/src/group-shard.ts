import { ByteReader, invariant } from "@samsa/base";
import {
  type consumerGroupHeartbeatResponse,
  type Draft,
  Errors,
  type HeartbeatRequest,
  type heartbeatResponse,
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
import { ClassicGroups } from "./classic/classic-groups.ts";
import { ClassicGroup, type Member, newClassicGroup } from "./classic/group.ts";
import { ClassicRequests, type JoinInput } from "./classic-requests.ts";
import { ConsumerGroups, describeConsumerGroup } from "./consumer/consumer-groups.ts";
import { type ConsumerContext, refusal } from "./consumer/context.ts";
import { ConsumerGroup } from "./consumer/group.ts";
import type { HeartbeatInput } from "./consumer/heartbeat.ts";
import { NO_TOPICS, type TopicDirectory, TopicHashes } from "./group/topics.ts";
import { CommittedOffsets, type OffsetContext, type TxnCommit } from "./offsets/committed-offsets.ts";
import type { GroupConfig } from "./group/config.ts";
import type { AppendDone, Client } from "./group/context.ts";
import type { GroupEffect, ShardRecord, Ticket, TxnAppend } from "./shard/effects.ts";
import type { GroupsOfType, GroupType } from "./group/group.ts";
import { GroupTable } from "./group/group-table.ts";
import { type commitError, deletionRecords, type TopicErrors } from "./offsets/offsets.ts";
import { parseOffsetRecord } from "./group/records.ts";
import { clientCode, type LoggedRecord, REQUEST_TIMED_OUT, type Shard, type TxnEnd } from "./shard/shard.ts";
import type { ShareGroupConfig } from "./share-group/group.ts";
import { type ShareContext, ShareGroups } from "./share-group/share-groups.ts";
import { Timeline } from "./shard/timeline.ts";
import { Timers } from "./shard/timers.ts";
import type { txnCommitError } from "./offsets/txn-offsets.ts";

/** Requests that a `GroupShard` answers: those of members, and commits of offsets. */
export type GroupRequest =
  | ({ readonly type: "join" } & JoinInput)
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

/** Group in the form of ListGroups. */
export interface ListedGroup {
  readonly groupId: string;
  readonly protocolType: string;
  readonly groupState: string;
  readonly groupType: GroupType;
}

/** Group as metrics count it. */
export interface GroupCensus {
  readonly groupId: string;
  readonly type: GroupType;
  readonly state: string;
  readonly members: number;
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

/** Context of all parts of a shard; the fields that change are the shard's to set. */
type Context = ConsumerContext &
  ShareContext &
  OffsetContext & {
    now: number;
    wall: number;
    isLive: boolean;
    topics: TopicDirectory;
    newTopicsVersion: number;
  };

/**
 * Coordinates the groups of one partition of `__consumer_offsets` (`GroupCoordinatorShard`). Calls that may change
 * state take the monotonic time `now` and the list `out`, to which they add effects.
 */
export class GroupShard implements Shard<GroupEffect> {
  readonly timeline = new Timeline();
  readonly #groups = new GroupTable(this.timeline, newClassicGroup);
  readonly #timers = new Timers();
  readonly #appends = new Map<number, AppendDone>();
  readonly #context: Context;
  readonly committed: CommittedOffsets;
  readonly #classic: ClassicGroups;
  readonly #consumers: ConsumerGroups;
  readonly #classicRequests: ClassicRequests;
  readonly shares: ShareGroups;
  /** The types of groups. */
  readonly #types: readonly GroupsOfType[];
  /** The types of groups, by the types of their records. */
  readonly #typeOfRecord: ReadonlyMap<number, GroupsOfType>;
  wallAhead = 0;
  #out: GroupEffect[] = [];
  #tokens = 0;

  constructor(config: GroupConfig, newId: () => string, shareGroups: ShareGroupConfig) {
    this.#context = this.#contextOf(config, newId);
    this.committed = new CommittedOffsets(this.#context, this.#groups);
    this.#classic = new ClassicGroups(this.#context, this.#groups);
    this.#consumers = new ConsumerGroups(this.#context, this.#groups, this.#classic.rebalance);
    this.shares = new ShareGroups(this.#context, this.#groups, shareGroups);
    this.#classicRequests = new ClassicRequests(this.#context, this.#groups, {
      classic: this.#classic,
      consumers: this.#consumers,
    });
    this.#types = [this.#classic, this.#consumers, this.shares];
    this.#typeOfRecord = new Map(this.#types.flatMap(type => type.recordTypes.map(record => [record, type] as const)));
  }

  #contextOf(config: GroupConfig, newId: () => string): Context {
    return {
      now: 0,
      wall: 0,
      isLive: false,
      config,
      timeline: this.timeline,
      reply: (ticket, response) => this.#out.push({ type: "reply", ticket, response }),
      append: (records, done) => this.#append(records, done, {}),
      maintain: (what, records) => this.#maintain(what, records),
      warn: (message, errorCode) => this.#out.push({ type: "warn", message, errorCode }),
      note: (message, about) => this.#out.push({ type: "note", message, about }),
      initialize: initialization => this.#out.push({ type: "initialize", initialization }),
      appendTxn: (records, done, of) => this.#append(records, done, of),
      after: (key, delayMs, run) => this.#timers.schedule(key, this.#context.now + Math.max(delayMs, 1), run),
      cancel: key => this.#timers.cancel(key),
      isScheduled: key => this.#timers.isScheduled(key),
      memberId: prefix => `${prefix}-${newId()}`,
      newId,
      topics: NO_TOPICS,
      hashes: new TopicHashes(),
      newTopicsVersion: -1,
      downgrade: (group, plan, done) => this.#consumers.downgrade(group, plan, done),
      keepAlive: (group, memberId) => {
        if (group instanceof ClassicGroup) this.#classic.membership.touch(group, memberId);
      },
    };
  }

  #append(records: readonly ShardRecord[], done: AppendDone, of: TxnAppend & { readonly divisible?: boolean }): void {
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

  #setTime(now: number): void {
    this.#context.now = now;
    this.#context.wall = Math.round(now + this.wallAhead);
  }

  #enter(now: number, out: GroupEffect[]): void {
    this.#setTime(now);
    this.#out = out;
  }

  appended(now: number, token: number, errorCode: number, out: GroupEffect[]): void {
    const done = this.#appends.get(token);
    invariant(done !== undefined, "an append ends once");
    this.#appends.delete(token);
    this.#enter(now, out);
    done(clientCode(errorCode), errorCode === REQUEST_TIMED_OUT);
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
        return this.#classicRequests.join(ticket, request);
      case "sync":
        return this.#classicRequests.sync(ticket, request.body);
      case "heartbeat":
        return this.#classicRequests.heartbeat(ticket, request.body);
      case "leave":
        return this.#classicRequests.leave(ticket, request.version, request.body);
      case "commit":
        return this.committed.commit(ticket, request.version, request.body);
      case "txnCommit":
        return this.committed.txnCommit(ticket, request);
      case "consumerHeartbeat":
        return this.#consumers.heartbeat({ ...request, ticket });
      case "share":
        return this.shares.heartbeat(ticket, request.body, request.client);
    }
  }

  /** Committed state of a consumer group in the form of ConsumerGroupDescribe, or an error. */
  consumerView(groupId: string) {
    const group = this.#groups.find(ConsumerGroup, groupId, "committed");
    if (group !== undefined) return describeConsumerGroup(group, this.#context);
    const absent = { groupState: "", groupEpoch: 0, assignmentEpoch: 0, assignorName: "", members: [] };
    return { ...absent, groupId, ...refusal(Errors.GROUP_ID_NOT_FOUND, this.absence("consumer", groupId)) };
  }

  /** Message of GROUP_ID_NOT_FOUND for a group that is missing in the committed state, or of another type. */
  absence(type: GroupType, groupId: string): string {
    return `Group ${groupId} ${this.#groups.get(groupId, "committed") === undefined ? "not found." : `is not a ${type} group.`}`;
  }

  /** Type of the group; undefined if it does not exist here. */
  typeOf(groupId: string): GroupType | undefined {
    return this.#groups.get(groupId)?.type;
  }

  /** Classic group whose creation is committed. Its state has no versions. */
  view(groupId: string): GroupView | undefined {
    const group = this.#groups.find(ClassicGroup, groupId, "committed");
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

  /** Groups that exist in the committed state. */
  list(): ListedGroup[] {
    return [...this.#groups.values("committed")].map(group => ({
      groupId: group.id,
      protocolType: group.protocolType ?? "",
      groupState: group.stateIn("committed"),
      groupType: group.type,
    }));
  }

  /** Groups that exist in the committed state, one at a time, with the numbers of their members. */
  *census(): IterableIterator<GroupCensus> {
    for (const group of this.#groups.values("committed")) {
      yield { groupId: group.id, type: group.type, state: group.stateIn("committed"), members: group.members.size };
    }
  }

  /** Deletes an empty group; `done` gets the error code. */
  delete(now: number, groupId: string, out: GroupEffect[], done: (errorCode: number) => void): void {
    this.#enter(now, out);
    const group = this.#groups.get(groupId);
    if (group === undefined) return done(Errors.GROUP_ID_NOT_FOUND.code);
    const fault = group.validateDelete();
    if (fault !== 0) return done(fault);
    this.#context.append(deletionRecords(group, this.#groups), done);
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
    for (const type of this.#types) type.eraseOrphans?.();
  }

  /** Sets the topics of the cluster. `changed` are created, deleted or changed; `created`: at least one was created. */
  topicsChanged(topics: TopicDirectory, changed: ReadonlySet<string>, created: boolean): void {
    const context = this.#context;
    if (created || context.newTopicsVersion === -1) context.newTopicsVersion = topics.version;
    context.topics = topics;
    if (changed.size === 0) return;
    for (const name of changed) context.hashes.forget(name);
    for (const group of this.#groups.values()) {
      for (const name of changed) {
        if (!group.isSubscribedTo(name)) continue;
        group.requestMetadataRefresh();
        break;
      }
    }
  }

  /**
   * Applies a record, at load and before every append of this shard. Only this call changes offsets and the existence of
   * groups; the members of a known classic group are up to date from their requests. Records of unknown types are
   * ignored.
   */
  replay(now: number, { key, value, producer }: LoggedRecord): void {
    this.#setTime(now);
    const reader = new ByteReader(key);
    const recordType = reader.i16();
    const offset = parseOffsetRecord(recordType, reader, value);
    if (offset !== undefined) this.committed.replay(offset, producer);
    else this.#typeOfRecord.get(recordType)?.replay(recordType, reader, value);
  }

  ended(now: number, end: TxnEnd): void {
    this.#setTime(now);
    this.committed.ended(end);
  }

  /** Starts sessions and timers after the load of the log. */
  loaded(now: number, out: GroupEffect[]): void {
    this.#enter(now, out);
    this.#context.isLive = true;
    this.timeline.start();
    for (const type of this.#types) type.loaded();
    // The broker may have stopped between the deletion of a topic and that of its offsets.
    this.committed.eraseOrphans();
    for (const type of this.#types) type.eraseOrphans?.();
  }

  /** Answers all waiting requests with the error: this broker no longer leads the partition. */
  unload(now: number, errorCode: number, out: GroupEffect[]): void {
    this.#enter(now, out);
    // Callbacks may append again: such appends fail in the same way.
    for (const [token, done] of this.#appends) {
      this.#appends.delete(token);
      done(errorCode, false);
    }
    for (const type of this.#types) type.unload?.(errorCode);
    this.#timers.clear();
  }

  /** Runs an action on the share groups that is no request of a member. */
  forShares(now: number, out: GroupEffect[], action: (shares: ShareGroups) => void): void {
    this.#enter(now, out);
    action(this.shares);
  }
}
