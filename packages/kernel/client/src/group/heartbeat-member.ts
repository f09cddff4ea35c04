import { checkTransition, type Uuid } from "@samsa/base";
import { type ConsumerGroupHeartbeatResponse, Errors, type ShareGroupHeartbeatResponse } from "@samsa/protocol";
import {
  byTopic,
  type ClusterView,
  partitionKey,
  partitionKeys,
  type TopicPartition,
} from "../cluster/cluster-view.ts";
import type { Moment } from "../offsets/moment.ts";
import { KafkaError } from "../error/kafka-error.ts";
import {
  ConsumerHeartbeatForm,
  type ConsumerMemberSettings,
  type HeartbeatForm,
  ShareHeartbeatForm,
} from "./heartbeat-forms.ts";
import {
  type IdAssignment,
  idPartitions,
  type IdPartitions,
  nextAssignment,
  NO_ASSIGNMENT,
  sameAssignment,
} from "./id-assignment.ts";
import type {
  GroupMember,
  LeaveMode,
  MemberEffect,
  MemberResponse,
  MemberSettings,
  TopicSubscription,
} from "./member.ts";
import { MemberCore } from "./member-core.ts";
import { MEMBER_EPOCH_FAULTS, reactionTo } from "./member-faults.ts";
import { type MemberState, PREVIOUS_MEMBER_STATES } from "./member-states.ts";

const JOINING_EPOCH = 0;
/** Failures that the time between two looks at the metadata is for. */
const LOOK_UP_FAILURES = 2;

type HeartbeatResponse = ConsumerGroupHeartbeatResponse | ShareGroupHeartbeatResponse;

/** Part of an assignment whose topics are known by name. */
interface Resolved {
  readonly assignment: IdAssignment;
  readonly places: readonly TopicPartition[];
  readonly unknown: readonly Uuid[];
}

/**
 * Member of a group whose coordinator assigns the partitions: of a consumer group (KIP-848) or a share group (KIP-932),
 * as the form of its heartbeats says (`AbstractMembershipManager` and `AbstractHeartbeatRequestManager`).
 */
class HeartbeatMember implements GroupMember {
  readonly memberId: string;
  readonly #form: HeartbeatForm;
  readonly #cluster: ClusterView;
  readonly #core: MemberCore;
  #state: MemberState = "UNSUBSCRIBED";
  #epoch = JOINING_EPOCH;
  #subscription: TopicSubscription | undefined;
  /** Assignment that the coordinator wants the member to have. */
  #target: IdAssignment = NO_ASSIGNMENT;
  /** Assignment that the member has taken last. */
  #current: IdAssignment = NO_ASSIGNMENT;
  /** Names of the topics that the member has or should have; the metadata may forget them. */
  #names: ReadonlyMap<Uuid, string> = new Map();
  /**
   * The coordinator may have a list of the member's partitions, and no answer to it has come. It may give all others to
   * somebody else, so the member takes none.
   */
  #isListUnanswered = false;
  /** Time at which to look for unknown topics again. */
  #resolveAt = Infinity;
  /** Heartbeat under way; undefined: none. */
  #heartbeat: number | undefined;
  #heartbeatAt = Infinity;
  #sentAt = 0;
  /** An earlier heartbeat of this member may have made it the holder of its instance id. */
  #mayHoldInstance = false;
  /** The heartbeat under way gives up the instance id. */
  #isReleasing = false;
  /** Heartbeat with which the member leaves, until it is answered. */
  #farewell: number | undefined;
  #leaveMode: LeaveMode = "default";
  #mayReturn = false;

  constructor(memberId: string, form: HeartbeatForm, core: MemberCore, cluster: ClusterView) {
    this.memberId = memberId;
    this.#form = form;
    this.#core = core;
    this.#cluster = cluster;
  }

  get state(): MemberState {
    return this.#state;
  }

  /** Member epoch; 0 or below: not a member. */
  get epoch(): number {
    return this.#epoch;
  }

  get owned(): Iterable<TopicPartition> {
    return this.#core.owned;
  }

  subscribe(at: Moment, subscription: TopicSubscription): readonly MemberEffect[] {
    if (this.#form.api === "ShareGroupHeartbeat" && subscription.regex !== undefined) {
      throw new KafkaError("INVALID_ARGUMENT", "members of share groups subscribe to topics by name");
    }
    return this.#input(at, () => {
      if (this.#state === "FATAL" || this.#isLeaving) {
        throw new KafkaError("ILLEGAL_STATE", `a member cannot subscribe while it is ${this.#state}`);
      }
      this.#subscription = subscription;
      this.#core.emit({ type: "watch", topics: subscription.topics });
      if (this.#state === "UNSUBSCRIBED" || (this.#state === "STALE" && this.#core.step === undefined)) {
        this.#core.progressed();
        this.#join();
      } else this.#beatSoon();
    });
  }

  leave(at: Moment, mode: LeaveMode): readonly MemberEffect[] {
    return this.#input(at, () => this.#leave(mode));
  }

  answered(at: Moment, id: number, answer: MemberResponse): readonly MemberEffect[] {
    return this.#input(at, () => {
      if (id === this.#farewell) return this.#farewellEnds();
      if (id !== this.#heartbeat || answer.api !== this.#form.api) return;
      this.#heartbeat = undefined;
      if (this.#isReleasing) this.#released(answer.response);
      else if (answer.response.errorCode === 0) this.#heartbeatAnswered(answer.response);
      else this.#heartbeatRefused(answer.response);
    });
  }

  failed(at: Moment, id: number, error: KafkaError): readonly MemberEffect[] {
    return this.#input(at, () => {
      if (id === this.#farewell) return this.#farewellEnds();
      if (id !== this.#heartbeat) return;
      this.#heartbeat = undefined;
      this.#mayHoldInstance = true;
      this.#isReleasing = false;
      this.#form.reset();
      if (!error.retriable) return this.#fail(error);
      this.#core.emit({ type: "forgetCoordinator" });
      this.#heartbeatAt = this.#core.retryAt();
    });
  }

  settled(at: Moment, token: number): readonly MemberEffect[] {
    return this.#input(at, () => this.#core.settled(token));
  }

  metadataChanged(at: Moment): readonly MemberEffect[] {
    return this.#input(at, () => this.#reconcile());
  }

  suspected(at: Moment): readonly MemberEffect[] {
    return this.#input(at, () => this.#beatSoon());
  }

  progressed(at: Moment): readonly MemberEffect[] {
    return this.#input(at, () => {
      this.#core.progressed();
      this.#mayReturn = true;
      if (this.#state === "STALE" && this.#core.step === undefined && this.#subscription !== undefined) this.#join();
    });
  }

  tick(at: Moment): readonly MemberEffect[] {
    return this.#input(at, () => {
      const { now, stepUntil, progressUntil } = this.#core;
      if (stepUntil <= now) this.#stepIsLate();
      if (this.#isActive && progressUntil <= now) {
        this.#core.report(this.#core.slowError());
        this.#goStale(false);
      }
      if (this.#resolveAt <= now) this.#reconcile();
      this.#beatIfDue();
    });
  }

  nextDeadline(): number {
    const { stepUntil, progressUntil } = this.#core;
    const progress = this.#isActive ? progressUntil : Infinity;
    const beat = this.#beats && this.#heartbeat === undefined ? this.#heartbeatAt : Infinity;
    return Math.min(stepUntil, progress, beat, this.#resolveAt);
  }

  /** The member is in its group, or is about to be. */
  get #isActive(): boolean {
    return ["JOINING", "RECONCILING", "ACKNOWLEDGING", "STABLE"].includes(this.#state);
  }

  get #isLeaving(): boolean {
    return this.#state === "PREPARE_LEAVING" || this.#state === "LEAVING";
  }

  get #beats(): boolean {
    return this.#isActive || this.#state === "PREPARE_LEAVING";
  }

  #input(at: Moment, run: () => void): readonly MemberEffect[] {
    this.#core.enter(at);
    run();
    return this.#core.take();
  }

  #become(state: MemberState): void {
    if (state !== this.#state) checkTransition(PREVIOUS_MEMBER_STATES, this.#state, state);
    this.#state = state;
  }

  #setEpoch(epoch: number): void {
    this.#epoch = epoch;
    const { instanceId } = this.#core.settings;
    this.#core.identify(epoch > 0 ? { memberId: this.memberId, epoch, instanceId, isRebalancing: false } : null);
  }

  // Heartbeats

  #join(): void {
    this.#become("JOINING");
    this.#setEpoch(JOINING_EPOCH);
    this.#form.reset();
    this.#target = NO_ASSIGNMENT;
    this.#current = NO_ASSIGNMENT;
    this.#names = new Map();
    this.#heartbeat = undefined;
    this.#isReleasing = false;
    // The first fault costs no time.
    this.#heartbeatAt = this.#core.failures > 1 ? this.#core.retryAt() : this.#core.now;
    this.#beatIfDue();
  }

  #beatIfDue(): void {
    if (this.#beats && this.#heartbeat === undefined && this.#heartbeatAt <= this.#core.now) this.#beat();
  }

  /** Sends the next heartbeat as soon as the one under way is answered. */
  #beatSoon(): void {
    // After a failure the backoff holds.
    if (this.#core.failures === 0) this.#heartbeatAt = Math.min(this.#heartbeatAt, this.#core.now);
    this.#beatIfDue();
  }

  #beat(): void {
    const request = this.#form.build({
      memberId: this.memberId,
      epoch: this.#epoch,
      subscription: this.#subscription ?? { topics: [] },
      assigned: { version: this.#current.version, partitions: this.#held() },
      isJoining: this.#state === "JOINING",
    });
    if (request.api === "ConsumerGroupHeartbeat" && request.request.topicPartitions !== null) {
      this.#isListUnanswered = true;
    }
    this.#heartbeat = this.#core.call(request);
    this.#sentAt = this.#core.now;
    this.#heartbeatAt = Infinity;
    if (this.#state !== "ACKNOWLEDGING") return;
    if (sameAssignment(this.#current, this.#target)) return this.#become("STABLE");
    this.#become("RECONCILING");
    this.#reconcile();
  }

  #heartbeatAnswered(response: HeartbeatResponse): void {
    const { memberEpoch, heartbeatIntervalMs, assignment } = response;
    if (!this.#beats || memberEpoch < 0) return;
    this.#heartbeatAt = Math.min(this.#heartbeatAt, this.#sentAt + heartbeatIntervalMs);
    this.#core.failures = 0;
    this.#mayHoldInstance = true;
    this.#isListUnanswered = false;
    this.#setEpoch(memberEpoch);
    if (assignment !== null && this.#isActive) this.#aim(idPartitions(assignment.topicPartitions));
    this.#reconcile();
    this.#beatIfDue();
  }

  #heartbeatRefused({ errorCode, errorMessage }: HeartbeatResponse): void {
    this.#form.reset();
    if (!this.#beats) return;
    if (errorCode === Errors.UNRELEASED_INSTANCE_ID.code && this.#mayHoldInstance) return this.#release();
    // The group of a member that was away may have been deleted, or become a classic one.
    if (errorCode === Errors.GROUP_ID_NOT_FOUND.code && this.#epoch > 0) return this.#fenced();
    const what = `heartbeat of group ${this.#core.settings.groupId}`;
    switch (reactionTo(errorCode, MEMBER_EPOCH_FAULTS)) {
      case "loseMembership":
        return this.#fenced();
      case "findCoordinator":
        this.#core.emit({ type: "forgetCoordinator" });
        break;
      case "report":
        this.#core.report(KafkaError.of(errorCode, what, errorMessage));
        break;
      case "retry":
        break;
      default:
        return this.#fail(KafkaError.of(errorCode, what, errorMessage));
    }
    this.#heartbeatAt = this.#core.retryAt();
  }

  /**
   * Gives up the instance id, which this member itself may hold: a join whose answer was lost, or a fence, leaves the
   * place in the group behind, and the coordinator lets nobody join in its stead. Kafka's consumer fails then.
   */
  #release(): void {
    const request = this.#form.farewell(this.memberId, "default");
    if (request === undefined) return;
    this.#mayHoldInstance = false;
    this.#isReleasing = true;
    this.#heartbeat = this.#core.call(request);
  }

  #released({ errorCode, errorMessage }: HeartbeatResponse): void {
    this.#isReleasing = false;
    const what = `heartbeat of group ${this.#core.settings.groupId}`;
    // Another member holds the instance id.
    if (errorCode === Errors.FENCED_INSTANCE_ID.code) return this.#fail(KafkaError.of(errorCode, what, errorMessage));
    if (errorCode !== 0) this.#mayHoldInstance = true;
    this.#heartbeatAt = errorCode === 0 ? this.#core.now : this.#core.retryAt();
    this.#beatIfDue();
  }

  // Assignments

  /** Takes the assignment that the coordinator wants the member to have. */
  #aim(partitions: IdPartitions): void {
    this.#target = nextAssignment(this.#target, partitions);
    if (sameAssignment(this.#target, this.#current)) {
      if (this.#state === "JOINING" || this.#state === "RECONCILING") this.#become("STABLE");
      return;
    }
    // An acknowledgement that was not sent goes with the next heartbeat.
    if (this.#state === "ACKNOWLEDGING") this.#heartbeatAt = this.#core.now;
    this.#become("RECONCILING");
    if (this.#core.step === "refresh") this.#core.abandonStep();
  }

  /** Exchanges partitions, as far as their topics are known; one step at a time. */
  #reconcile(hasLookedUp = false): void {
    this.#resolveAt = Infinity;
    if (this.#state !== "RECONCILING" || this.#core.step !== undefined) return;
    if (sameAssignment(this.#target, this.#current)) return;
    const { assignment, places, unknown } = this.#resolve();
    const keys = partitionKeys(places);
    const revoked = this.#core.ownedWithout(({ topic, partition }) => keys.has(partitionKey(topic, partition)));
    if (revoked.length > 0) return this.#core.release(revoked, () => this.#reconcile());
    const added = places.filter(place => !this.#core.owns(place));
    if (added.length > 0 || this.#current === NO_ASSIGNMENT) {
      if (!this.#isListUnanswered) this.#core.assign(added, () => this.#acknowledge(assignment));
    } else if (assignment.version !== this.#current.version) this.#acknowledge(assignment);
    else this.#await(unknown, hasLookedUp);
  }

  #resolve(): Resolved {
    const names = new Map<Uuid, string>();
    const known = new Map<Uuid, readonly number[]>();
    const places: TopicPartition[] = [];
    const unknown: Uuid[] = [];
    for (const [id, partitions] of this.#target.partitions) {
      const topic = this.#cluster.topicOf(id)?.name ?? this.#names.get(id);
      if (topic === undefined) unknown.push(id);
      else {
        names.set(id, topic);
        known.set(id, partitions);
        for (const partition of partitions) places.push({ topic, partition });
      }
    }
    const owned = new Set([...this.#core.owned].map(({ topic }) => topic));
    for (const [id, topic] of this.#names) if (owned.has(topic)) names.set(id, topic);
    this.#names = names;
    return { assignment: { version: this.#target.version, partitions: known }, places, unknown };
  }

  /** Partitions of the member, by the ids of their topics. */
  #held(): IdPartitions {
    const ids = new Map([...this.#names].map(([id, topic]) => [topic, id]));
    const held = new Map<Uuid, number[]>();
    for (const [topic, entries] of byTopic(this.#core.owned)) {
      const id = ids.get(topic);
      if (id !== undefined)
        held.set(
          id,
          entries.map(({ partition }) => partition).sort((a, b) => a - b),
        );
    }
    return held;
  }

  /** Asks for the metadata of topics whose names are not known, from time to time until they are. */
  #await(ids: readonly Uuid[], hasLookedUp: boolean): void {
    const { now, backoff, chance } = this.#core;
    if (hasLookedUp) this.#resolveAt = now + backoff.delayMs(LOOK_UP_FAILURES, chance);
    else this.#core.begin({ type: "refresh", topics: [], ids }, () => this.#reconcile(true));
  }

  /** Tells the coordinator that the member has this assignment. */
  #acknowledge(assignment: IdAssignment): void {
    this.#current = assignment;
    this.#become("ACKNOWLEDGING");
    this.#beatSoon();
  }

  // Faults

  /** Loses the partitions and joins again, or leaves if that was under way. */
  #fenced(): void {
    this.#core.failures++;
    this.#heartbeat = undefined;
    this.#resolveAt = Infinity;
    if (this.#state === "PREPARE_LEAVING") {
      this.#become("LEAVING");
      this.#setEpoch(JOINING_EPOCH);
      return this.#core.lose(() => this.#left());
    }
    this.#become("FENCED");
    this.#setEpoch(JOINING_EPOCH);
    this.#core.lose(() => this.#join());
  }

  #fail(error: KafkaError): void {
    const isLeaving = this.#isLeaving;
    this.#become("FATAL");
    this.#setEpoch(JOINING_EPOCH);
    this.#heartbeat = undefined;
    this.#resolveAt = Infinity;
    this.#core.lose(() => {
      if (isLeaving) this.#core.emit({ type: "left" });
    });
    this.#core.fail(error);
  }

  #stepIsLate(): void {
    const { step } = this.#core;
    this.#core.reportStep();
    if ((step === "revoke" || step === "assign") && this.#isActive) this.#goStale(true);
    else this.#core.finishStep();
  }

  /** Leaves the group since the application is stuck; `mayReturn`: joins again as soon as the handlers have ended. */
  #goStale(mayReturn: boolean): void {
    this.#mayReturn = mayReturn;
    this.#heartbeat = undefined;
    this.#resolveAt = Infinity;
    this.#become("PREPARE_LEAVING");
    this.#become("LEAVING");
    const request = this.#form.farewell(this.memberId, "default");
    if (request !== undefined) this.#core.tell(request);
    this.#become("STALE");
    this.#setEpoch(JOINING_EPOCH);
    this.#core.lose(() => {
      if (this.#mayReturn) this.#join();
    });
  }

  // Leave

  #leave(mode: LeaveMode): void {
    const core = this.#core;
    if (!this.#isActive && !this.#isLeaving) this.#subscription = undefined;
    this.#leaveMode = mode;
    this.#resolveAt = Infinity;
    switch (this.#state) {
      case "PREPARE_LEAVING":
      case "LEAVING":
        return;
      case "UNSUBSCRIBED":
        if (this.#farewell === undefined) core.emit({ type: "left" });
        return;
      case "FATAL":
        return core.afterStep(() => core.emit({ type: "left" }));
      case "STALE":
        this.#mayReturn = false;
        return core.afterStep(() => core.emit({ type: "left" }));
      case "FENCED":
        return core.afterStep(() => this.#left());
    }
    this.#become("PREPARE_LEAVING");
    core.abandonStep();
    if (this.#epoch <= 0) core.lose(() => this.#sayFarewell());
    else core.release([...core.owned], () => this.#sayFarewell());
  }

  /** Tells the coordinator, unless the member keeps its place. */
  #sayFarewell(): void {
    this.#become("LEAVING");
    this.#subscription = undefined;
    this.#heartbeat = undefined;
    const request = this.#form.farewell(this.memberId, this.#leaveMode);
    if (request === undefined) return this.#left();
    this.#farewell = this.#core.call(request);
    this.#become("UNSUBSCRIBED");
  }

  #farewellEnds(): void {
    this.#farewell = undefined;
    this.#setEpoch(JOINING_EPOCH);
    this.#core.emit({ type: "left" });
  }

  #left(): void {
    this.#subscription = undefined;
    this.#become("UNSUBSCRIBED");
    this.#setEpoch(JOINING_EPOCH);
    this.#core.emit({ type: "left" });
  }
}

/** Member of a group whose coordinator assigns the partitions. */
export type { HeartbeatMember };

/**
 * Member of a consumer group (KIP-848). `memberId` is a random UUID that the member keeps for its life (KIP-1082).
 * `cluster` gives the names of topic ids.
 */
export function consumerMember(
  memberId: string,
  settings: ConsumerMemberSettings,
  cluster: ClusterView,
): HeartbeatMember {
  return new HeartbeatMember(memberId, new ConsumerHeartbeatForm(settings), new MemberCore(settings), cluster);
}

/** Member of a share group (KIP-932). Several members may have the same partition. */
export function shareMember(memberId: string, settings: MemberSettings, cluster: ClusterView): HeartbeatMember {
  return new HeartbeatMember(memberId, new ShareHeartbeatForm(settings), new MemberCore(settings), cluster);
}
