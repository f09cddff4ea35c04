import { ExponentialBackoff } from "@samsa/base";
import { errorOf } from "@samsa/protocol";
import { partitionKey, type TopicPartition } from "../cluster/cluster-view.ts";
import type { Moment } from "../offsets/moment.ts";
import { KafkaError } from "../error/kafka-error.ts";
import type { MemberIdentity } from "../offsets/member-identity.ts";
import type { MemberEffect, MemberRequest, MemberSettings } from "./member.ts";

/** Step that the runtime carries out. */
export type StepType = "commit" | "revoke" | "assign" | "lost" | "refresh";
/** Fields of a step beside its token. */
type StepFields = MemberEffect extends infer E
  ? E extends { readonly token: number }
    ? Omit<E, "token">
    : never
  : never;

interface Step {
  readonly token: number;
  readonly type: StepType;
  readonly until: number;
  readonly next: () => void;
}

/** State that memberships of all protocols have in common: calls and steps under way, partitions, backoff. */
export class MemberCore {
  readonly settings: MemberSettings;
  readonly backoff: ExponentialBackoff;
  now = 0;
  chance = 0;
  /** Failures since the last success; they lengthen the backoff. */
  failures = 0;
  /** Partitions of the member, by key. */
  readonly #owned = new Map<string, TopicPartition>();
  #out: MemberEffect[] = [];
  #ids = 0;
  #step: Step | undefined;
  #identity: MemberIdentity | null = null;
  /** Time by which the application must make progress. */
  #progressUntil = Infinity;

  constructor(settings: MemberSettings) {
    this.settings = settings;
    this.backoff = new ExponentialBackoff(settings.backoff);
  }

  /** Takes the time of an input. Time never goes back. */
  enter({ now, chance }: Moment): void {
    this.now = Math.max(this.now, now);
    this.chance = chance;
  }

  /** Effects since the last call. */
  take(): readonly MemberEffect[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  emit(effect: MemberEffect): void {
    this.#out.push(effect);
  }

  /** Sends a request; returns the id of the call. */
  call(call: MemberRequest, timeoutMs = 0): number {
    const id = ++this.#ids;
    this.emit({ type: "call", id, timeoutMs, call });
    return id;
  }

  /** Sends a request whose response does not matter. */
  tell(call: MemberRequest): void {
    this.emit({ type: "call", id: ++this.#ids, timeoutMs: 0, call });
  }

  fail(error: KafkaError): void {
    this.emit({ type: "fatal", error: error.fatal ? error : fatalOf(error) });
  }

  report(error: KafkaError): void {
    this.emit({ type: "report", error });
  }

  /** Time of the next attempt after a failure. */
  retryAt(): number {
    return this.now + this.backoff.delayMs(this.failures++, this.chance);
  }

  /** Tells the identity for requests about offsets, if it has changed. */
  identify(identity: MemberIdentity | null): void {
    const known = this.#identity;
    const isSame =
      known?.memberId === identity?.memberId &&
      known?.epoch === identity?.epoch &&
      known?.isRebalancing === identity?.isRebalancing;
    if (isSame) return;
    this.#identity = identity;
    this.emit({ type: "identity", identity });
  }

  get identity(): MemberIdentity | null {
    return this.#identity;
  }

  // Partitions

  get owned(): Iterable<TopicPartition> {
    return this.#owned.values();
  }

  owns({ topic, partition }: TopicPartition): boolean {
    return this.#owned.has(partitionKey(topic, partition));
  }

  /** Partitions of this member that `isKept` is false for. */
  ownedWithout(isKept: (partition: TopicPartition) => boolean): TopicPartition[] {
    return [...this.#owned.values()].filter(partition => !isKept(partition));
  }

  // Steps

  /** Step that is not settled yet. */
  get step(): StepType | undefined {
    return this.#step?.type;
  }

  /** Begins a step in place of the one under way; calls `then` once it is settled. */
  begin(fields: StepFields, then: () => void): void {
    const token = ++this.#ids;
    this.#step = { token, type: fields.type, until: this.now + this.settings.rebalanceTimeoutMs, next: then };
    this.emit({ ...fields, token });
  }

  /** Forgets the step under way. */
  abandonStep(): void {
    this.#step = undefined;
  }

  /** Ends a step, and goes on with what comes after it. */
  settled(token: number): void {
    if (this.#step?.token === token) this.#finish(this.#step);
  }

  #finish(step: Step): void {
    this.#step = undefined;
    step.next();
  }

  /** Time at which the step under way is late. */
  get stepUntil(): number {
    return this.#step?.until ?? Infinity;
  }

  /** Reports a late step. */
  reportStep(): void {
    const what = `step "${this.#step?.type}" of a rebalance`;
    this.report(new KafkaError("TIMED_OUT", `${what} took longer than ${this.settings.rebalanceTimeoutMs} ms`));
  }

  /** Ends the step under way as if it were settled. */
  finishStep(): void {
    if (this.#step !== undefined) this.#finish(this.#step);
  }

  /** Goes on with `then` after the step under way, in place of what was to come. */
  afterStep(then: () => void): void {
    if (this.#step === undefined) then();
    else this.#step = { ...this.#step, next: then };
  }

  /** Gives up partitions: commits if that is wanted, then revokes; without partitions goes on at once. */
  release(partitions: readonly TopicPartition[], then: () => void): void {
    if (partitions.length === 0) return then();
    const revoke = (): void =>
      this.begin({ type: "revoke", partitions }, () => {
        this.#drop(partitions);
        then();
      });
    if (this.settings.commitsBeforeRevoke) this.begin({ type: "commit", partitions }, revoke);
    else revoke();
  }

  /** Loses all partitions at once; goes on when their handlers have ended. */
  lose(then: () => void): void {
    this.abandonStep();
    const partitions = [...this.#owned.values()];
    if (partitions.length === 0) return then();
    this.#drop(partitions);
    this.begin({ type: "lost", partitions }, then);
  }

  /** Takes partitions; `added` are new. */
  assign(added: readonly TopicPartition[], then: () => void): void {
    for (const place of added) this.#owned.set(partitionKey(place.topic, place.partition), place);
    this.begin({ type: "assign", partitions: [...this.#owned.values()], added }, then);
  }

  #drop(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) this.#owned.delete(partitionKey(topic, partition));
  }

  // Progress of the application

  progressed(): void {
    this.#progressUntil = this.now + (this.settings.progressTimeoutMs ?? Infinity);
  }

  get progressUntil(): number {
    return this.#progressUntil;
  }

  /** Error that tells the application that it is too slow. */
  slowError(): KafkaError {
    const ms = this.settings.progressTimeoutMs;
    return new KafkaError("TIMED_OUT", `no progress for ${ms} ms, so the member leaves group ${this.settings.groupId}`);
  }
}

/** The same error, marked as one after which the member cannot be used. */
function fatalOf(cause: KafkaError): KafkaError {
  const error = cause.code === undefined ? {} : { error: errorOf(cause.code) };
  return new KafkaError(cause.name, cause.message, { fatal: true, cause, ...error });
}
