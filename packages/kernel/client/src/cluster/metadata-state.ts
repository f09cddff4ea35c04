import { type BrokerId, ExponentialBackoff, type PartitionIndex, type Uuid, ZERO_UUID } from "@samsa/base";
import { errorOf, Errors, type MetadataResponse } from "@samsa/protocol";
import type { BrokerView, ClusterView, PartitionView, TopicView } from "./cluster-view.ts";
import type { LeaderHint } from "./leader-hint.ts";
import { type RetrySettings, retryBackoff } from "./retry-backoff.ts";

/** Settings of `MetadataState`, in ms. */
export interface MetadataSettings extends RetrySettings {
  /** `metadata.max.age.ms`. */
  readonly maxAgeMs: number;
  /** `metadata.max.idle.ms`: a topic that nobody has used for so long is not asked for any more. */
  readonly maxIdleMs: number;
  /**
   * `metadata.recovery.rebootstrap.trigger.ms`: the client goes back to its bootstrap servers if it gets no metadata for
   * so long (KIP-1102). Undefined: never (`metadata.recovery.strategy=none`).
   */
  readonly rebootstrapTriggerMs: number | undefined;
}

/** Next thing to do about metadata. */
export type MetadataStep =
  | MetadataQuestion
  /** Forget the known brokers and ask the bootstrap servers. */
  | { readonly type: "rebootstrap" }
  /** Do nothing before this monotonic time in ms; Infinity: nothing before an input. */
  | { readonly type: "wait"; readonly until: number };

/** Question to any broker. */
export interface MetadataQuestion {
  readonly type: "ask";
  /** Null: all topics of the cluster. */
  readonly topics: readonly string[] | null;
  /** True for a question about new topics only; known ones keep their age (KIP-526). */
  readonly isPartial: boolean;
}

type Node = MetadataResponse["brokers"][number];
type Topic = MetadataResponse["topics"][number];

/** Errors of a topic after which its metadata is asked for again. */
function isTransient(code: number): boolean {
  return errorOf(code).retriable;
}

/**
 * Knowledge of brokers and leaders, and the time to ask again (Kafka's `Metadata`). All times are monotonic, in ms. One
 * request is on its way at a time.
 */
export class MetadataState implements ClusterView {
  readonly #settings: MetadataSettings;
  readonly #backoff: ExponentialBackoff;
  #brokers: ReadonlyMap<BrokerId, BrokerView> = new Map();
  readonly #topics = new Map<string, TopicView>();
  readonly #byId = new Map<Uuid, TopicView>();
  /** Error codes of topics in the last answer about them. */
  readonly #errors = new Map<string, number>();
  /** Topics that a producer has used, with the time from which they count as idle. */
  readonly #used = new Map<string, number>();
  /** Topics that a consumer subscribes to; null: all. */
  #held: ReadonlySet<string> | null = new Set();
  /** Topics in use that no answer was about yet. */
  readonly #unasked = new Set<string>();
  #clusterId: string | undefined;
  #controllerId: BrokerId = -1;
  #version = 0;
  #isWanted = false;
  /** Request on its way. */
  #asked: MetadataQuestion | undefined;
  #failures = 0;
  #lastSuccessAt = -Infinity;
  /** Time before which nothing is asked, since the last answer was none. */
  #retryAt = -Infinity;
  /** Time before which known topics are not asked for again: metadata cannot mend every error of a leader. */
  #renewAt = -Infinity;
  /** Time of the first attempt since the last success; undefined: none. */
  #attemptsSince: number | undefined;
  #mustRebootstrap = false;

  constructor(settings: MetadataSettings) {
    this.#settings = settings;
    this.#backoff = new ExponentialBackoff(retryBackoff(settings));
  }

  get version(): number {
    return this.#version;
  }

  /** Undefined until the first answer. */
  get clusterId(): string | undefined {
    return this.#clusterId;
  }

  /** A broker that forwards to the active controller; −1: not known. */
  get controllerId(): BrokerId {
    return this.#controllerId;
  }

  get brokers(): ReadonlyMap<BrokerId, BrokerView> {
    return this.#brokers;
  }

  get topics(): ReadonlyMap<string, TopicView> {
    return this.#topics;
  }

  topic(name: string): TopicView | undefined {
    return this.#topics.get(name);
  }

  topicOf(id: Uuid): TopicView | undefined {
    return this.#byId.get(id);
  }

  broker(id: BrokerId): BrokerView | undefined {
    return this.#brokers.get(id);
  }

  /** Error code of the last answer about a topic; 0: none. */
  topicError(name: string): number {
    return this.#errors.get(name) ?? 0;
  }

  /** Keeps a topic in use until it has been idle. Asks for it if it is new. */
  use(topic: string, now: number): void {
    if (!this.#used.has(topic) && !this.#isHeld(topic)) this.#unasked.add(topic);
    this.#used.set(topic, now + this.#settings.maxIdleMs);
  }

  /** Keeps exactly these topics besides those in use; null: all topics of the cluster. */
  hold(topics: ReadonlySet<string> | null): void {
    if (topics === null) this.#isWanted ||= this.#held !== null;
    else for (const topic of topics) if (!this.#isHeld(topic) && !this.#used.has(topic)) this.#unasked.add(topic);
    this.#held = topics;
  }

  #isHeld(topic: string): boolean {
    return this.#held === null || this.#held.has(topic);
  }

  /** Asks again as soon as the backoff allows, as after an error of a leader. */
  requestUpdate(): void {
    this.#isWanted = true;
  }

  /** Goes back to the bootstrap servers (REBOOTSTRAP_REQUIRED, or no broker can be reached). */
  requestRebootstrap(): void {
    if (this.#settings.rebootstrapTriggerMs !== undefined) this.#mustRebootstrap = true;
  }

  /** Takes leaders that an answer names, if they are newer than those known. Unknown brokers are added. */
  hint(leaders: readonly LeaderHint[], nodes: readonly Node[]): void {
    const brokers = new Map(this.#brokers);
    for (const node of nodes) brokers.set(node.nodeId, brokerOf(node));
    let isNew = false;
    for (const { topic, partition, leaderId, leaderEpoch } of leaders) {
      const known = this.#topics.get(topic);
      const before = known?.partitions[partition];
      if (known === undefined || before === undefined || !brokers.has(leaderId)) continue;
      if (leaderEpoch <= before.leaderEpoch) continue;
      const partitions = [...known.partitions];
      partitions[partition] = { ...before, leaderId, leaderEpoch };
      this.#keep({ ...known, partitions });
      isNew = true;
    }
    if (!isNew) return;
    this.#brokers = brokers;
    this.#version++;
  }

  /** Next thing to do. After `ask` the caller says `asked`, then `received` or `failed`. */
  next(now: number): MetadataStep {
    if (this.#asked !== undefined) return { type: "wait", until: Infinity };
    if (this.#shouldRebootstrap(now)) return { type: "rebootstrap" };
    this.#dropIdle(now);
    const hasNew = this.#unasked.size > 0;
    const expiresAt = this.#isInUse ? this.#lastSuccessAt + this.#settings.maxAgeMs : Infinity;
    const renewAt = this.#isWanted ? this.#renewAt : Math.max(expiresAt, this.#renewAt);
    const at = Math.max(hasNew ? -Infinity : renewAt, this.#retryAt);
    if (at > now) return { type: "wait", until: this.#rebootstrapAt(at) };
    if (renewAt > now && this.#held !== null) return { type: "ask", topics: [...this.#unasked], isPartial: true };
    const topics = this.#held === null ? null : [...new Set([...this.#held, ...this.#used.keys()])];
    return { type: "ask", topics, isPartial: false };
  }

  /** True if anything would be missing without metadata: topics, or brokers that were known. */
  get #isInUse(): boolean {
    return this.#held === null || this.#held.size > 0 || this.#used.size > 0 || this.#clusterId !== undefined;
  }

  #shouldRebootstrap(now: number): boolean {
    return this.#mustRebootstrap || now >= this.#rebootstrapAt(Infinity);
  }

  #rebootstrapAt(latest: number): number {
    const { rebootstrapTriggerMs } = this.#settings;
    if (this.#attemptsSince === undefined || rebootstrapTriggerMs === undefined) return latest;
    return Math.min(latest, this.#attemptsSince + rebootstrapTriggerMs);
  }

  #dropIdle(now: number): void {
    for (const [topic, idleAt] of this.#used) {
      if (idleAt > now) continue;
      this.#used.delete(topic);
      if (this.#isHeld(topic)) continue;
      this.#unasked.delete(topic);
      this.#forget(topic);
    }
  }

  asked(question: MetadataQuestion, now: number): void {
    this.#asked = question;
    this.#attemptsSince ??= now;
    if (!question.isPartial) this.#isWanted = false;
    this.#unasked.clear();
  }

  /** The caller has forgotten its connections; the bootstrap servers are asked next. */
  rebootstrapped(now: number): void {
    this.#mustRebootstrap = false;
    this.#attemptsSince = now;
    this.#brokers = new Map();
    this.#isWanted = true;
    this.#version++;
  }

  failed(now: number, chance: number): void {
    this.#restore();
    this.#retryAt = now + this.#backoff.delayMs(this.#failures++, chance);
  }

  /** Wants again what the request on its way was about. */
  #restore(): void {
    const asked = this.#asked;
    this.#asked = undefined;
    if (asked === undefined) return;
    if (!asked.isPartial) this.#isWanted = true;
    else for (const topic of asked.topics ?? []) this.#unasked.add(topic);
  }

  /** Takes the answer to the request on its way. */
  received(response: MetadataResponse, now: number, chance: number): void {
    if (response.errorCode === Errors.REBOOTSTRAP_REQUIRED.code) {
      this.requestRebootstrap();
      return this.failed(now, chance);
    }
    // A broker that has just started may know no broker yet: the answer is worth nothing (KAFKA-1843).
    if (response.errorCode !== 0 || response.brokers.length === 0) return this.failed(now, chance);
    const asked = this.#asked;
    this.#asked = undefined;
    this.#attemptsSince = undefined;
    this.#brokers = new Map(response.brokers.map(node => [node.nodeId, brokerOf(node)]));
    this.#clusterId = response.clusterId ?? undefined;
    this.#controllerId = response.controllerId;
    let isTransientError = false;
    const told = new Set<string>();
    for (const topic of response.topics) {
      const { name } = topic;
      if (name === null) continue;
      told.add(name);
      isTransientError = this.#take(name, topic) || isTransientError;
    }
    if (asked?.topics === null) {
      for (const name of [...this.#topics.keys(), ...this.#errors.keys()]) if (!told.has(name)) this.#forget(name);
    }
    if (asked?.isPartial === false) this.#lastSuccessAt = now;
    this.#version++;
    if (isTransientError) this.#isWanted = true;
    this.#renewAt = now + this.#backoff.delayMs(isTransientError ? this.#failures++ : 0, chance);
    if (!isTransientError) this.#failures = 0;
  }

  /** Takes a topic of an answer. True if it is to be asked for again. */
  #take(name: string, topic: Topic): boolean {
    if (topic.errorCode !== 0) {
      this.#errors.set(name, topic.errorCode);
      this.#dropTopic(name);
      return isTransient(topic.errorCode);
    }
    this.#errors.delete(name);
    const before = this.#topics.get(name);
    const isSame = before !== undefined && (before.id === topic.topicId || topic.topicId === ZERO_UUID);
    const partitions = topic.partitions.map((_, index) => leaderless(index));
    let isTransientError = false;
    for (const described of topic.partitions) {
      const { partitionIndex: index, leaderId, leaderEpoch } = described;
      if (partitions[index] === undefined) continue;
      const known = isSame ? before.partitions[index] : undefined;
      isTransientError ||= described.errorCode !== 0 && isTransient(described.errorCode);
      // A broker that is behind may name an earlier leader (KIP-320).
      const isStale = known !== undefined && leaderEpoch >= 0 && leaderEpoch < known.leaderEpoch;
      partitions[index] = isStale
        ? known
        : {
            index,
            leaderId,
            leaderEpoch,
            replicas: described.replicaNodes,
            inSync: described.isrNodes,
            offline: described.offlineReplicas,
          };
    }
    this.#keep({ name, id: topic.topicId, isInternal: topic.isInternal, partitions });
    return isTransientError;
  }

  #keep(topic: TopicView): void {
    const before = this.#topics.get(topic.name);
    if (before !== undefined && before.id !== topic.id) this.#byId.delete(before.id);
    this.#topics.set(topic.name, topic);
    if (topic.id !== ZERO_UUID) this.#byId.set(topic.id, topic);
  }

  #dropTopic(name: string): void {
    const known = this.#topics.get(name);
    this.#topics.delete(name);
    if (known !== undefined) this.#byId.delete(known.id);
  }

  #forget(name: string): void {
    this.#dropTopic(name);
    this.#errors.delete(name);
  }
}

/** A partition that an answer leaves out. */
function leaderless(index: PartitionIndex): PartitionView {
  return { index, leaderId: -1, leaderEpoch: -1, replicas: [], inSync: [], offline: [] };
}

function brokerOf({ nodeId, host, port, rack }: Node): BrokerView {
  return { id: nodeId, host, port, rack };
}
