import {
  ASSIGNORS,
  type Assignor,
  type AssignorName,
  CONSUMER_PROTOCOL_TYPE,
  decodeAssignment,
  encodeSubscription,
  type LastAssignment,
} from "@samsa/assign";
import { checkTransition, MalformedError } from "@samsa/base";
import type {
  HeartbeatResponse,
  JoinGroupRequest,
  JoinGroupResponse,
  SyncGroupRequest,
  SyncGroupResponse,
} from "@samsa/protocol";
import { type ClusterView, partitionKey, partitionKeys, type TopicPartition } from "../cluster/cluster-view.ts";
import type { Moment } from "../offsets/moment.ts";
import { KafkaError } from "../error/kafka-error.ts";
import { ClassicLeader } from "./classic-leader.ts";
import { type ClassicState, PREVIOUS_CLASSIC_STATES } from "./classic-states.ts";
import { leaveRequest } from "./leave-request.ts";
import type {
  GroupMember,
  LeaveMode,
  MemberEffect,
  MemberResponse,
  MemberSettings,
  TopicSubscription,
} from "./member.ts";
import { MemberCore } from "./member-core.ts";
import { HEARTBEAT_FAULTS, JOIN_FAULTS, type Reaction, reactionTo, SYNC_FAULTS } from "./member-faults.ts";

/** Settings of a member with the classic protocol; times in ms. */
export interface ClassicSettings extends MemberSettings {
  /** `session.timeout.ms`. */
  readonly sessionTimeoutMs: number;
  /** `heartbeat.interval.ms`. */
  readonly heartbeatIntervalMs: number;
  /** `partition.assignment.strategy`: assignors that the member offers, the best first. */
  readonly assignors: readonly AssignorName[];
}

/** Time that the coordinator gets beyond the rebalance timeout to answer JoinGroup (`JOIN_GROUP_TIMEOUT_LAPSE`). */
const JOIN_LAPSE_MS = 5000;
const NO_GENERATION = -1;

/** A request under way that the member waits for. */
interface Awaited {
  readonly id: number;
  readonly api: "JoinGroup" | "SyncGroup" | "LeaveGroup";
}

/** Member of a group with the classic protocol (`ConsumerCoordinator` and `AbstractCoordinator`). */
export class ClassicMember implements GroupMember {
  readonly #settings: ClassicSettings;
  readonly #cluster: ClusterView;
  readonly #core: MemberCore;
  readonly #assignors: readonly Assignor[];
  /** Members keep their partitions while they join, if all assignors can deal with it (KIP-429). */
  readonly #isCooperative: boolean;
  #state: ClassicState = "UNSUBSCRIBED";
  #memberId = "";
  #generation = NO_GENERATION;
  #protocol: AssignorName | undefined;
  #subscription: TopicSubscription | undefined;
  /** Topics in the last JoinGroup. */
  #joinedTopics: readonly string[] = [];
  #leader: ClassicLeader | undefined;
  #last: LastAssignment | undefined;
  #awaited: Awaited | undefined;
  /** Time at which to send JoinGroup; Infinity: not now. */
  #joinAt = Infinity;
  /** Heartbeat under way; undefined: none. */
  #heartbeat: number | undefined;
  #heartbeatAt = Infinity;
  /** Time at which the coordinator counts this member as gone, unless it hears from it. */
  #sessionUntil = Infinity;
  /** Why the member must join again; undefined: it need not. */
  #rejoinReason: string | undefined;
  #leaveMode: LeaveMode = "default";
  /** The application has made progress since the member went stale. */
  #mayReturn = false;

  /** Throws `KafkaError` INVALID_ARGUMENT for settings that cannot be. */
  constructor(settings: ClassicSettings, cluster: ClusterView) {
    if (settings.assignors.length === 0)
      throw new KafkaError("INVALID_ARGUMENT", "a member offers at least one assignor");
    if (settings.heartbeatIntervalMs >= settings.sessionTimeoutMs) {
      throw new KafkaError("INVALID_ARGUMENT", "the heartbeat interval is shorter than the session timeout");
    }
    this.#settings = settings;
    this.#cluster = cluster;
    this.#core = new MemberCore(settings);
    this.#assignors = settings.assignors.map(name => ASSIGNORS[name]);
    this.#isCooperative = this.#assignors.every(({ isCooperative }) => isCooperative);
  }

  get state(): ClassicState {
    return this.#state;
  }

  get memberId(): string {
    return this.#memberId;
  }

  /** −1: none. */
  get generation(): number {
    return this.#generation;
  }

  get owned(): Iterable<TopicPartition> {
    return this.#core.owned;
  }

  subscribe(at: Moment, subscription: TopicSubscription): readonly MemberEffect[] {
    if (subscription.regex !== undefined) {
      throw new KafkaError("INVALID_ARGUMENT", "the classic protocol has no patterns that the coordinator matches");
    }
    return this.#input(at, () => {
      if (this.#state === "FATAL" || this.#state === "LEAVING") {
        throw new KafkaError("ILLEGAL_STATE", `a member cannot subscribe while it is ${this.#state}`);
      }
      this.#subscription = subscription;
      this.#watch();
      if (this.#state === "UNSUBSCRIBED") {
        this.#core.progressed();
        this.#prepare();
      } else this.#rejoinIfNeeded();
    });
  }

  leave(at: Moment, mode: LeaveMode): readonly MemberEffect[] {
    return this.#input(at, () => this.#leave(mode));
  }

  answered(at: Moment, id: number, answer: MemberResponse): readonly MemberEffect[] {
    return this.#input(at, () => {
      if (answer.api === "Heartbeat") {
        if (this.#heartbeat === id) this.#heartbeatAnswered(answer.response);
        return;
      }
      if (this.#awaited?.id !== id) return;
      this.#awaited = undefined;
      if (answer.api === "JoinGroup" && this.#state === "LEAVING") this.#adopt(answer.response);
      else if (answer.api === "JoinGroup") this.#joined(answer.response);
      else if (answer.api === "SyncGroup") this.#synced(answer.response);
      else if (answer.api === "LeaveGroup") this.#left();
    });
  }

  failed(at: Moment, id: number, error: KafkaError): readonly MemberEffect[] {
    return this.#input(at, () => {
      const { api } = this.#awaited?.id === id ? this.#awaited : { api: undefined };
      if (this.#heartbeat === id) this.#heartbeat = undefined;
      else if (api === undefined) return;
      else this.#awaited = undefined;
      if (api === "LeaveGroup") return this.#left();
      if (api === "JoinGroup" && this.#state === "LEAVING") return;
      if (!error.retriable) return this.#fail(error);
      this.#core.emit({ type: "forgetCoordinator" });
      if (api === undefined) this.#heartbeatAt = this.#core.retryAt();
      else this.#joinLater();
    });
  }

  settled(at: Moment, token: number): readonly MemberEffect[] {
    return this.#input(at, () => this.#core.settled(token));
  }

  metadataChanged(at: Moment): readonly MemberEffect[] {
    return this.#input(at, () => this.#rejoinIfNeeded());
  }

  progressed(at: Moment): readonly MemberEffect[] {
    return this.#input(at, () => {
      this.#core.progressed();
      this.#mayReturn = true;
      if (this.#state === "STALE" && this.#core.step === undefined) this.#prepare();
    });
  }

  suspected(at: Moment): readonly MemberEffect[] {
    return this.#input(at, () => {
      if (this.#beats && this.#heartbeat === undefined) this.#beat();
    });
  }

  /** Joins again though nothing has changed (KIP-568). `reason` is for the coordinator's log. */
  enforceRebalance(at: Moment, reason: string): readonly MemberEffect[] {
    return this.#input(at, () => this.#requestRejoin(reason));
  }

  tick(at: Moment): readonly MemberEffect[] {
    return this.#input(at, () => {
      const { now } = this.#core;
      if (this.#core.stepUntil <= now) this.#stepIsLate();
      if (this.#isActive && this.#core.progressUntil <= now) {
        this.#core.report(this.#core.slowError());
        this.#goStale(false);
      }
      if (this.#state === "JOINING" && this.#joinAt <= now) this.#join();
      if (this.#beats && this.#sessionUntil <= now) {
        this.#sessionUntil = now + this.#settings.sessionTimeoutMs;
        this.#core.emit({ type: "forgetCoordinator" });
      }
      if (this.#beats && this.#heartbeat === undefined && this.#heartbeatAt <= now) this.#beat();
    });
  }

  nextDeadline(): number {
    const { stepUntil, progressUntil } = this.#core;
    const progress = this.#isActive ? progressUntil : Infinity;
    const join = this.#state === "JOINING" ? this.#joinAt : Infinity;
    if (!this.#beats) return Math.min(stepUntil, progress, join);
    const beat = this.#heartbeat === undefined ? this.#heartbeatAt : Infinity;
    return Math.min(stepUntil, progress, join, this.#sessionUntil, beat);
  }

  /** The member is in its group, or is about to be. */
  get #isActive(): boolean {
    return this.#state !== "UNSUBSCRIBED" && !["LEAVING", "STALE", "FATAL"].includes(this.#state);
  }

  /** The member sends heartbeats. A member that joins is alive as long as its JoinGroup waits. */
  get #beats(): boolean {
    const api = this.#awaited?.api;
    if (api === "JoinGroup" || api === "LeaveGroup") return false;
    return this.#generation !== NO_GENERATION && this.#state !== "JOINING";
  }

  #input(at: Moment, run: () => void): readonly MemberEffect[] {
    this.#core.enter(at);
    run();
    return this.#core.take();
  }

  #become(state: ClassicState): void {
    checkTransition(PREVIOUS_CLASSIC_STATES, this.#state, state);
    this.#state = state;
  }

  // Before a join

  /** Gives up the partitions that the member must not keep while it joins. */
  #prepare(): void {
    this.#become("PREPARING");
    this.#awaited = undefined;
    const join = (): void => {
      this.#become("JOINING");
      // The first fault costs no time.
      this.#joinAt = this.#core.failures > 1 ? this.#core.retryAt() : this.#core.now;
      this.#joinIfDue();
    };
    if (this.#generation === NO_GENERATION) return this.#core.lose(join);
    const topics = new Set(this.#subscription?.topics);
    this.#core.release(
      this.#core.ownedWithout(({ topic }) => this.#isCooperative && topics.has(topic)),
      join,
    );
  }

  #joinIfDue(): void {
    if (this.#joinAt <= this.#core.now) this.#join();
  }

  /** Joins after the backoff; `soon`: at once, if it is the first attempt. */
  #joinLater(soon = false): void {
    if (this.#state === "SYNCING") this.#become("JOINING");
    this.#core.abandonStep();
    const isFirst = this.#core.failures === 0;
    const retryAt = this.#core.retryAt();
    this.#joinAt = soon && isFirst ? this.#core.now : retryAt;
    this.#joinIfDue();
  }

  #join(): void {
    this.#joinAt = Infinity;
    this.#heartbeat = undefined;
    this.#leader = undefined;
    const { groupId, instanceId, sessionTimeoutMs, rebalanceTimeoutMs } = this.#settings;
    this.#joinedTopics = this.#subscription?.topics ?? [];
    const request = {
      ...{ groupId, sessionTimeoutMs, rebalanceTimeoutMs, memberId: this.#memberId },
      groupInstanceId: instanceId,
      protocolType: CONSUMER_PROTOCOL_TYPE,
      protocols: this.#protocols(),
      reason: this.#rejoinReason ?? null,
    };
    this.#rejoinReason = undefined;
    const { identity } = this.#core;
    if (identity !== null) this.#core.identify({ ...identity, isRebalancing: true });
    const id = this.#core.call({ api: "JoinGroup", request }, rebalanceTimeoutMs + JOIN_LAPSE_MS);
    this.#awaited = { id, api: "JoinGroup" };
  }

  #protocols(): JoinGroupRequest["protocols"] {
    return this.#assignors.map(assignor => ({
      name: assignor.name,
      metadata: encodeSubscription({
        topics: this.#joinedTopics,
        userData: assignor.userData(this.#last),
        owned: [...this.#core.owned],
        generation: this.#generation,
        rack: this.#settings.rack,
      }),
    }));
  }

  // Join

  #joined(response: JoinGroupResponse): void {
    if (response.errorCode !== 0) return this.#joinRefused(response);
    const protocol = this.#assignors.find(({ name }) => name === response.protocolName);
    const isOther = response.protocolType !== null && response.protocolType !== CONSUMER_PROTOCOL_TYPE;
    if (protocol === undefined || isOther) {
      const chosen = `${response.protocolType}/${response.protocolName}`;
      return this.#fail(
        new KafkaError("PROTOCOL_VIOLATION", `the group uses protocol ${chosen}, which was not offered`),
      );
    }
    this.#become("SYNCING");
    this.#protocol = protocol.name;
    this.#memberId = response.memberId;
    this.#generation = response.generationId;
    this.#heard();
    this.#heartbeatAt = this.#core.now + this.#settings.heartbeatIntervalMs;
    if (response.leader === response.memberId) this.#lead(response, protocol.name);
    else this.#sync([]);
  }

  /** Takes the generation that begins while the member leaves: it is alive in this one only. */
  #adopt({ errorCode, generationId, memberId }: JoinGroupResponse): void {
    if (errorCode !== 0 || this.#generation === NO_GENERATION) return;
    this.#memberId = memberId;
    this.#generation = generationId;
    this.#heard();
    this.#heartbeatAt = this.#core.now + this.#settings.heartbeatIntervalMs;
  }

  #joinRefused({ errorCode, memberId }: JoinGroupResponse): void {
    const reaction = reactionTo(errorCode, JOIN_FAULTS);
    if (reaction === "takeMemberId") {
      this.#memberId = memberId;
      return this.#join();
    }
    this.#react(reaction, errorCode, "JoinGroup");
  }

  #lead(response: JoinGroupResponse, protocol: AssignorName): void {
    const leader = new ClassicLeader(response.members);
    this.#leader = leader;
    this.#watch();
    for (const memberId of leader.unreadable) {
      const what = `the subscription of member ${memberId} cannot be read, so it gets no partitions`;
      this.#core.report(new KafkaError("PROTOCOL_VIOLATION", what));
    }
    const assign = (): void => {
      // The leader that has come back keeps the assignment of the group (KIP-814).
      if (response.skipAssignment) {
        leader.observe(this.#cluster);
        this.#sync([]);
      } else this.#sync(leader.assign(protocol, this.#cluster));
    };
    const unknown = leader.topics.filter(topic => this.#cluster.topic(topic) === undefined);
    if (unknown.length === 0) assign();
    else this.#core.begin({ type: "refresh", topics: unknown, ids: [] }, assign);
  }

  #sync(assignments: SyncGroupRequest["assignments"]): void {
    const request = {
      groupId: this.#settings.groupId,
      generationId: this.#generation,
      memberId: this.#memberId,
      groupInstanceId: this.#settings.instanceId,
      protocolType: CONSUMER_PROTOCOL_TYPE,
      protocolName: this.#protocol ?? null,
      assignments,
    };
    const id = this.#core.call({ api: "SyncGroup", request }, this.#settings.rebalanceTimeoutMs);
    this.#awaited = { id, api: "SyncGroup" };
  }

  #synced(response: SyncGroupResponse): void {
    const { errorCode, protocolName, assignment } = response;
    if (errorCode !== 0) return this.#react(reactionTo(errorCode, SYNC_FAULTS), errorCode, "SyncGroup");
    if (protocolName !== null && protocolName !== this.#protocol) {
      const what = `the group uses protocol ${protocolName} after ${this.#protocol} was chosen`;
      return this.#fail(new KafkaError("PROTOCOL_VIOLATION", what));
    }
    let partitions: readonly TopicPartition[];
    try {
      partitions = decodeAssignment(assignment).partitions;
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      const what = "the leader of the group sent an assignment that cannot be read";
      return this.#fail(new KafkaError("PROTOCOL_VIOLATION", what, { cause: error }));
    }
    this.#become("STABLE");
    this.#core.failures = 0;
    this.#core.identify({
      memberId: this.#memberId,
      epoch: this.#generation,
      instanceId: this.#settings.instanceId,
      isRebalancing: false,
    });
    this.#take(partitions);
  }

  // After a join

  /** Exchanges the partitions of the member for those that it was assigned. */
  #take(partitions: readonly TopicPartition[]): void {
    const topics = new Set(this.#subscription?.topics);
    if (partitions.some(({ topic }) => !topics.has(topic))) {
      // The subscription has changed since the member joined.
      this.#core.failures = 2;
      return this.#requestRejoin("the assignment does not match the subscription");
    }
    this.#last = { generation: this.#generation, partitions };
    const keys = partitionKeys(partitions);
    const revoked = this.#core.ownedWithout(({ topic, partition }) => keys.has(partitionKey(topic, partition)));
    this.#core.release(revoked, () => {
      // Others wait for what this member has given up.
      if (revoked.length > 0) this.#rejoinReason ??= "partitions were revoked";
      this.#core.assign(
        partitions.filter(place => !this.#core.owns(place)),
        () => this.#rejoinIfNeeded(),
      );
    });
  }

  /** Begins a rebalance if there is a reason for one, as soon as the steps under way are done. */
  #rejoinIfNeeded(): void {
    if (this.#state !== "STABLE") return;
    const topics = this.#subscription?.topics ?? [];
    const isSame =
      topics.length === this.#joinedTopics.length && topics.every(topic => this.#joinedTopics.includes(topic));
    if (!isSame) this.#rejoinReason ??= "the subscription has changed";
    if (this.#leader?.hasChanged(this.#cluster) === true) this.#rejoinReason ??= "the metadata of topics has changed";
    if (this.#rejoinReason !== undefined && this.#core.step === undefined) this.#prepare();
  }

  #requestRejoin(reason: string): void {
    if (!this.#isActive) return;
    this.#rejoinReason ??= reason;
    this.#rejoinIfNeeded();
  }

  #watch(): void {
    const topics = new Set([...(this.#subscription?.topics ?? []), ...(this.#leader?.topics ?? [])]);
    this.#core.emit({ type: "watch", topics: [...topics] });
  }

  // Heartbeats

  #heard(): void {
    this.#sessionUntil = this.#core.now + this.#settings.sessionTimeoutMs;
  }

  #beat(): void {
    const { groupId, instanceId, heartbeatIntervalMs } = this.#settings;
    this.#heartbeatAt = this.#core.now + heartbeatIntervalMs;
    const request = {
      ...{ groupId, generationId: this.#generation, memberId: this.#memberId },
      groupInstanceId: instanceId,
    };
    this.#heartbeat = this.#core.call({ api: "Heartbeat", request });
  }

  #heartbeatAnswered({ errorCode }: HeartbeatResponse): void {
    this.#heartbeat = undefined;
    if (!this.#beats) return;
    if (errorCode === 0) return this.#heard();
    const reaction = reactionTo(errorCode, HEARTBEAT_FAULTS);
    if (reaction === "rejoin") {
      this.#heard();
      if (this.#state === "STABLE") this.#requestRejoin("the group rebalances");
      return;
    }
    if (reaction === "retry" || reaction === "findCoordinator") {
      if (reaction === "findCoordinator") this.#core.emit({ type: "forgetCoordinator" });
      this.#heartbeatAt = this.#core.retryAt();
      return;
    }
    this.#react(reaction, errorCode, "Heartbeat");
  }

  // Faults

  #react(reaction: Reaction, code: number, api: string): void {
    switch (reaction) {
      case "findCoordinator":
        this.#core.emit({ type: "forgetCoordinator" });
        return this.#joinLater();
      case "retry":
        return this.#joinLater();
      case "rejoin":
        return this.#joinLater(true);
      case "loseMembership":
        return this.#reset("");
      case "loseGeneration":
        return this.#reset(this.#memberId);
      default:
        return this.#fail(KafkaError.of(code, `${api} of group ${this.#settings.groupId}`));
    }
  }

  /** Loses the partitions and joins again, or leaves if that was under way. */
  #reset(memberId: string): void {
    this.#forget(memberId);
    if (this.#state === "LEAVING") return this.#core.lose(() => this.#farewell());
    this.#core.failures++;
    this.#prepare();
  }

  /** Forgets the place in the group. */
  #forget(memberId: string): void {
    this.#memberId = memberId;
    this.#generation = NO_GENERATION;
    this.#heartbeat = undefined;
    this.#leader = undefined;
    this.#awaited = undefined;
    this.#core.identify(null);
  }

  #fail(error: KafkaError): void {
    this.#forget("");
    const isLeaving = this.#state === "LEAVING";
    this.#become("FATAL");
    this.#core.lose(() => {
      if (isLeaving) this.#core.emit({ type: "left" });
    });
    this.#core.fail(error);
  }

  #stepIsLate(): void {
    const { step } = this.#core;
    const isStuck = (step === "revoke" || step === "assign") && this.#isActive;
    this.#core.reportStep();
    if (isStuck) this.#goStale(true);
    else this.#core.finishStep();
  }

  /** Leaves the group since the application is stuck; `mayReturn`: joins again as soon as the handlers have ended. */
  #goStale(mayReturn: boolean): void {
    this.#mayReturn = mayReturn;
    this.#become("STALE");
    const isStatic = this.#settings.instanceId !== null;
    if (!isStatic && this.#memberId !== "")
      this.#core.tell(leaveRequest(this.#settings, this.#memberId, "the application is stuck"));
    // Without its id, a static member would get its old assignment back, even for another subscription.
    this.#forget(isStatic ? this.#memberId : "");
    this.#core.lose(() => {
      if (this.#mayReturn) this.#prepare();
    });
  }

  // Leave

  #leave(mode: LeaveMode): void {
    this.#subscription = undefined;
    switch (this.#state) {
      case "LEAVING":
        return;
      case "UNSUBSCRIBED":
      case "FATAL":
        return this.#core.afterStep(() => this.#core.emit({ type: "left" }));
    }
    this.#leaveMode = mode;
    if (this.#awaited?.api !== "JoinGroup") this.#awaited = undefined;
    this.#become("LEAVING");
    if (this.#core.step === "lost") return this.#core.afterStep(() => this.#farewell());
    this.#core.abandonStep();
    if (this.#generation === NO_GENERATION) this.#core.lose(() => this.#farewell());
    else this.#core.release([...this.#core.owned], () => this.#farewell());
  }

  /** Tells the coordinator, unless the member keeps its place. */
  #farewell(): void {
    const { instanceId } = this.#settings;
    const leaves = this.#leaveMode === "leave" || (this.#leaveMode === "default" && instanceId === null);
    if (!leaves || this.#memberId === "") return this.#left();
    const call = leaveRequest(this.#settings, this.#memberId, "the consumer is closed");
    this.#awaited = { id: this.#core.call(call), api: "LeaveGroup" };
  }

  #left(): void {
    this.#forget("");
    this.#become("UNSUBSCRIBED");
    this.#core.emit({ type: "left" });
  }
}
