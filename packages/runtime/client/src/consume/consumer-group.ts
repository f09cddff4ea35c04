import { type BackoffOptions, guard, ignored, randomUuid, sameItems, type Timer } from "@samsa/base";
import {
  AutoCommit,
  ClassicMember,
  type CommittedOffset,
  consumerMember,
  type GroupMember,
  KafkaError,
  retryBackoff,
  type GroupMembership,
  type LeaveMode,
  type MemberIdentity,
  partitionKey,
  partitionKeys,
  type PartitionOffset,
  type TopicPartition,
  TrackedOffsets,
  withoutPartitions,
} from "@samsa/client-kernel";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { ended, type Patience } from "../cluster/deadline.ts";
import type { ConsumedRecord } from "./consumed-record.ts";
import type { ConsumerReporter } from "./consumer-observer.ts";
import type { FetchRuntime } from "./fetch-runtime.ts";
import type { GroupSettings, RebalanceListener, Subscription } from "./group-settings.ts";
import { Membership, type MembershipSteps } from "./membership.ts";
import { OffsetRuntime } from "./offset-runtime.ts";

/** Parts of the consumer whose group this is. */
export interface GroupParts {
  readonly runtime: FetchRuntime;
  readonly listener: RebalanceListener;
  /** True while the application works on records of one of these partitions. */
  readonly isBusyWith: (partitions: readonly TopicPartition[]) => boolean;
  /** True while handlers work, which take records ahead of the position up to which they are done. */
  readonly isRunning: () => boolean;
  /** These partitions may be another member's by now. */
  readonly lose: (partitions: readonly TopicPartition[]) => void;
  /** `client.rack`; empty: none. */
  readonly rackId: string;
  /** A rebalance has ended, after so many milliseconds. */
  readonly rebalanced: (ms: number) => void;
  /** Tells of heartbeats; undefined: nobody listens. */
  readonly reporter: ConsumerReporter | undefined;
}

/** Most commits, or fetches of offsets, that wait at a time. */
const MOST_WAITING = 1000;
/** Most records of a partition that handlers work on at a time. */
const MOST_HANDLED = 100_000;

/** Membership of a consumer in its group: rebalances, and the offsets that it commits. */
export class ConsumerGroup {
  readonly #client: ClusterClient;
  readonly #settings: GroupSettings;
  readonly #parts: GroupParts;
  readonly #tracked = new TrackedOffsets(MOST_HANDLED);
  /** Offsets that partitions began with, by key. */
  readonly #begun = new Map<string, number>();
  #offsets: OffsetRuntime | undefined;
  #membership: Membership | undefined;
  #starting: Promise<Membership> | undefined;
  #isClassic = false;
  #identity: MemberIdentity | null = null;
  /** Identity before the member lost its place. */
  #lastIdentity: MemberIdentity | null = null;
  /** Partitions, by key, that the application got records of since it last asked for the membership. */
  readonly #given = new Set<string>();
  /** Some of them are gone. */
  #isProgressLost = false;
  #subscription: Subscription = {};
  /** Topics that a pattern has matched, of a classic group. */
  #matched: readonly string[] = [];
  #unobserve: (() => void) | undefined;
  #auto: AutoCommit | undefined;
  #commitTimer: Timer | undefined;
  #committing: Promise<void> | undefined;
  #isClosing = false;
  /** Monotonic time of the first step of a rebalance under way, in ms. */
  #rebalanceBegan: number | undefined;
  /** The member has left. Until then a listener may commit. */
  #isClosed = false;

  constructor(client: ClusterClient, settings: GroupSettings, parts: GroupParts) {
    if (settings.groupId === "") throw new KafkaError("INVALID_ARGUMENT", "the group id is empty");
    this.#client = client;
    this.#settings = settings;
    this.#parts = parts;
  }

  /** Undefined until the member has joined. */
  get memberId(): string | undefined {
    return this.#membership?.memberId;
  }

  /** Generation or epoch of the member; −1: it has no place in the group. */
  get generation(): number {
    return this.#identity?.epoch ?? -1;
  }

  /** The application gets records of a partition. */
  given({ topic, partition }: TopicPartition): void {
    this.#given.add(partitionKey(topic, partition));
  }

  /**
   * Membership, as a transaction that commits offsets names it (`ConsumerGroupMetadata`). Throws COMMIT_FAILED, once, if a
   * partition is gone that the application got records of since the last call: in a new generation the coordinator could not
   * tell, and a transaction would keep what it has made of them, without their offsets.
   */
  get membership(): GroupMembership {
    this.#given.clear();
    if (this.#isProgressLost) {
      this.#isProgressLost = false;
      const what = "partitions with records that the transaction is about are no longer this member's";
      throw new KafkaError("COMMIT_FAILED", `${what} in group ${this.#settings.groupId}`);
    }
    const { groupId, instanceId } = this.#settings;
    // A member without a place is refused by its last identity; without any, the coordinator would not ask.
    const identity = this.#identity ?? this.#lastIdentity;
    const [memberId, generationId] = identity === null ? ["", -1] : [identity.memberId, identity.epoch];
    return { groupId, generationId, memberId, groupInstanceId: instanceId };
  }

  /** Joins the group, or changes the subscription. Rejects if the cluster cannot be reached in time. */
  async subscribe(subscription: Subscription, patience: Patience): Promise<void> {
    const { topics = [], pattern } = subscription;
    if (topics.length === 0 && pattern === undefined) {
      throw new KafkaError("INVALID_ARGUMENT", "a subscription names topics or a pattern");
    }
    if (pattern !== undefined) this.#client.env.pattern(pattern);
    this.#subscription = subscription;
    this.#starting ??= this.#start(patience);
    const membership = await this.#starting.catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    if (this.#isClosing) return;
    if (this.#isClassic && pattern !== undefined) this.#match(membership);
    else membership.subscribe(pattern === undefined ? { topics } : { topics, regex: pattern });
  }

  /** The application has asked for records. */
  progressed(): void {
    this.#membership?.progressed();
  }

  /** Offsets that the group has committed. */
  async committed(partitions: readonly TopicPartition[], patience: Patience): Promise<readonly PartitionOffset[]> {
    return this.#offsetRuntime().committed(partitions, patience);
  }

  /** Offsets up to which the application is done. */
  processed(): CommittedOffset[] {
    this.#take();
    return this.#parts.runtime.fetcher.processed().map(entry => {
      const tracker = this.#tracked.tracker(entry);
      return tracker === undefined ? entry : { ...entry, offset: tracker.watermark, leaderEpoch: tracker.epoch };
    });
  }

  /** `committed`, for partitions that begin. */
  async beginnings(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    const found = await this.committed(partitions, this.#client.patience());
    for (const { topic, partition, offset } of found) this.#begun.set(partitionKey(topic, partition), offset);
    return found;
  }

  /** Commits offsets; by default of all that is processed. */
  async commit(offsets: readonly PartitionOffset[] | undefined, patience: Patience): Promise<void> {
    if (offsets === undefined) return this.#commitProcessed(undefined, patience);
    await this.#offsetRuntime().commit(offsets, patience);
    for (const offset of offsets) this.#tracked.committed(offset);
  }

  /** True if no record of the partition may begin before an earlier one is processed. */
  isFull(place: TopicPartition): boolean {
    return this.#tracked.tracker(place)?.isFull ?? false;
  }

  /** A handler begins with a record. Returns its ticket for `finish`. */
  start({ topic, partition, offset, leaderEpoch }: ConsumedRecord): number {
    const place = { topic, partition };
    let tracker = this.#tracked.tracker(place);
    if (tracker === undefined || tracker.position > offset) {
      const isCommitted = tracker === undefined && this.#begun.get(partitionKey(topic, partition)) === offset;
      tracker = this.#tracked.begin(place, offset, -1, isCommitted);
    }
    return tracker.start(offset, leaderEpoch);
  }

  /** A handler is done with a record. */
  finish(place: TopicPartition, ticket: number): void {
    this.#tracked.tracker(place)?.finish(ticket);
  }

  /** Commits what is processed, leaves, and does nothing more. */
  async close(mode: LeaveMode, patience: Patience): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#commitTimer?.cancel();
    this.#unobserve?.();
    const membership = this.#membership;
    if (membership !== undefined) {
      if (this.#settings.autoCommit) await this.#commitOrWarn(undefined, patience);
      await membership.leave(mode, patience);
    }
    this.#isClosed = true;
    this.#offsets?.close();
  }

  // Start

  #offsetRuntime(): OffsetRuntime {
    if (this.#isClosed) throw new KafkaError("CLOSED", "the consumer is closed");
    if (this.#offsets === undefined) throw new KafkaError("ILLEGAL_STATE", "the consumer has not subscribed yet");
    return this.#offsets;
  }

  /** Chooses the protocol, and makes the member. */
  async #start(patience: Patience): Promise<Membership> {
    const client = this.#client;
    const { groupId, protocol } = this.#settings;
    // The protocol of KIP-848 is on from `group.version` 1.
    const hasConsumer = () => client.hasFeature("group.version", "ConsumerGroupHeartbeat", patience);
    this.#isClassic = protocol === "classic" || (protocol === "auto" && !(await hasConsumer()));
    const backoff = retryBackoff(client.settings);
    this.#offsets = new OffsetRuntime(
      client,
      { groupId, hasMemberEpochs: !this.#isClassic, isMember: true, maxWaiting: MOST_WAITING, backoff },
      () => this.#membership?.suspected(),
    );
    this.#membership = new Membership(client, groupId, this.#newMember(backoff), this.#steps());
    if (this.#isClosing) {
      this.#membership.close();
      this.#offsets.close();
    }
    if (this.#settings.autoCommit) {
      const settings = { intervalMs: this.#settings.autoCommitIntervalMs, retryMs: client.settings.retryBackoffMs };
      this.#auto = new AutoCommit(settings, this.#tracked, client.env.clock.monotonic());
      this.#commitLater();
    }
    return this.#membership;
  }

  #newMember(backoff: BackoffOptions): GroupMember {
    const { groupId, instanceId, rebalanceTimeoutMs, progressTimeoutMs, autoCommit } = this.#settings;
    const { env, metadata } = this.#client;
    const rack = this.#parts.rackId === "" ? null : this.#parts.rackId;
    const shared = { groupId, instanceId, rack, rebalanceTimeoutMs, progressTimeoutMs, backoff };
    const settings = { ...shared, commitsBeforeRevoke: autoCommit };
    if (!this.#isClassic) {
      const memberId = randomUuid(length => env.random.bytes(length));
      return consumerMember(memberId, { ...settings, serverAssignor: this.#settings.serverAssignor }, metadata);
    }
    const { sessionTimeoutMs, heartbeatIntervalMs, assignors } = this.#settings;
    return new ClassicMember({ ...settings, sessionTimeoutMs, heartbeatIntervalMs, assignors }, metadata);
  }

  /** Subscribes a member of a classic group to the topics that a pattern matches, now and whenever they change. */
  #match(membership: Membership): void {
    const { metadata, env } = this.#client;
    metadata.hold(null);
    this.#unobserve?.();
    const look = (): void => {
      const { topics = [], pattern = "" } = this.#subscription;
      const matches = env.pattern(pattern);
      const found = [...metadata.topics.values()].filter(({ name, isInternal }) => !isInternal && matches(name));
      const names = [...new Set([...topics, ...found.map(({ name }) => name)])].sort();
      if (sameItems(names, this.#matched)) return;
      this.#matched = names;
      membership.subscribe({ topics: names });
    };
    this.#unobserve = this.#client.observe(look);
    look();
    this.#client.wake();
  }

  // Rebalances

  #steps(): MembershipSteps {
    const { runtime, listener, reporter } = this.#parts;
    return {
      commit: async partitions => {
        this.#rebalanceBegins();
        await this.#release(partitions);
        await this.#commitOrWarn(partitions, this.#client.patience());
      },
      revoke: async partitions => {
        this.#rebalanceBegins();
        await this.#release(partitions);
        await this.#tell("revoked", partitions);
        this.#drop(partitions);
      },
      assign: async (partitions, added) => {
        this.#rebalanceBegins();
        runtime.fetcher.assign(partitions, true);
        await this.#tell("assigned", added);
        runtime.fetcher.enable(added);
        runtime.loop.turn();
        this.#notify(() => listener.settled?.(partitions));
        // Offsets were committed before the rebalance.
        const now = this.#client.env.clock.monotonic();
        this.#auto?.restart(now);
        this.#commitLater();
        this.#parts.rebalanced(now - (this.#rebalanceBegan ?? now));
        this.#rebalanceBegan = undefined;
      },
      lost: async partitions => {
        this.#parts.lose(partitions);
        this.#drop(partitions);
        await this.#tell("lost" in listener ? "lost" : "revoked", partitions);
      },
      identity: identity => {
        this.#lastIdentity = identity ?? this.#identity ?? this.#lastIdentity;
        this.#identity = identity;
        this.#offsets?.identify(identity);
      },
      watch: topics => {
        // A pattern that is matched here looks at all topics.
        if (this.#isClassic && this.#subscription.pattern !== undefined) return;
        this.#client.metadata.hold(new Set(topics));
        this.#client.wake();
      },
      report: error => this.#client.env.logger.warn(error.message, { group: this.#settings.groupId }),
      fatal: error => runtime.loop.fail(error),
      heartbeat: () => reporter?.heartbeat(),
      joined: generation => reporter?.joined(generation),
    };
  }

  #rebalanceBegins(): void {
    this.#rebalanceBegan ??= this.#client.env.clock.monotonic();
  }

  /** Stops records of partitions, and waits until the application is done with those that it has. */
  async #release(partitions: readonly TopicPartition[]): Promise<void> {
    const { runtime, isBusyWith, listener } = this.#parts;
    runtime.fetcher.beginRevocation(partitions);
    this.#notify(() => listener.revoking?.(partitions));
    runtime.loop.turn();
    const { clock } = this.#client.env;
    const patience = { deadline: clock.monotonic() + this.#settings.rebalanceTimeoutMs };
    // The coordinator stops waiting at the same time, and the partitions are lost then.
    while (isBusyWith(partitions) && !this.#isClosing && !runtime.isClosed && clock.monotonic() < patience.deadline) {
      await runtime.loop.changed(patience).catch(ignoreTimeout);
    }
  }

  #notify(call: () => void): void {
    guard(call, error => this.#client.env.logger.error("a rebalance listener has failed", { error: String(error) }));
  }

  /** Calls a listener; a failure is told, and does not stop the rebalance. */
  async #tell(what: "assigned" | "revoked" | "lost", partitions: readonly TopicPartition[]): Promise<void> {
    if (partitions.length === 0) return;
    try {
      await this.#parts.listener[what]?.(partitions);
    } catch (error) {
      this.#client.env.logger.error("a rebalance listener has failed", { error: String(error) });
    }
  }

  #drop(partitions: readonly TopicPartition[]): void {
    const { fetcher } = this.#parts.runtime;
    this.#offsets?.forget(partitions);
    this.#tracked.end(partitions);
    for (const key of partitionKeys(partitions)) {
      this.#begun.delete(key);
      this.#isProgressLost = this.#given.delete(key) || this.#isProgressLost;
    }
    fetcher.assign(withoutPartitions(fetcher.assigned(), partitions));
    this.#parts.runtime.loop.turn();
  }

  // Commits

  /** Sets the timer of the next automatic commit. */
  #commitLater(): void {
    const auto = this.#auto;
    if (auto === undefined || this.#isClosing) return;
    const { clock, timers, logger } = this.#client.env;
    this.#commitTimer?.cancel();
    this.#commitTimer = timers.after(Math.max(0, auto.nextDeadline() - clock.monotonic()), () => {
      this.#commitAutomatically(auto).then(
        () => this.#commitLater(),
        (error: unknown) => logger.error("automatic commits have ended", { error: String(error) }),
      );
    });
  }

  async #commitAutomatically(auto: AutoCommit): Promise<void> {
    const { clock, logger } = this.#client.env;
    await this.#committing?.catch(ignored("its caller hears of it"));
    this.#take();
    const offsets = auto.take(clock.monotonic());
    if (offsets.length === 0 || this.#offsets === undefined) return;
    try {
      this.#committing = this.#offsets.commit(offsets, this.#client.patience());
      await this.#committing;
      auto.ended(clock.monotonic(), undefined);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      auto.ended(clock.monotonic(), error);
      if (!this.#isClosing) logger.warn("offsets could not be committed", { why: error.message });
    }
  }

  async #commitOrWarn(partitions: readonly TopicPartition[] | undefined, patience: Patience): Promise<void> {
    try {
      await this.#commitProcessed(partitions, patience);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      this.#client.env.logger.warn("offsets could not be committed", { why: error.message });
    }
  }

  /** Commits what is processed and not committed yet, one commit after the other. */
  async #commitProcessed(partitions: readonly TopicPartition[] | undefined, patience: Patience): Promise<void> {
    await ended(this.#client.env, patience, lateCommit, this.#committing);
    this.#take();
    const offsets = this.#tracked.dirty(partitions);
    const runtime = this.#offsets;
    if (offsets.length === 0 || runtime === undefined) return;
    const committing = runtime.commit(offsets, patience);
    this.#committing = committing;
    await committing;
    for (const offset of offsets) this.#tracked.committed(offset);
  }

  /** Takes the progress of the application. */
  #take(): void {
    for (const entry of this.#parts.runtime.fetcher.processed()) {
      const { topic, partition, offset, leaderEpoch } = entry;
      const tracker = this.#tracked.tracker(entry);
      if (tracker !== undefined && offset >= tracker.position) tracker.skipTo(offset, leaderEpoch);
      // Handlers have taken records beyond what the stream counts as processed.
      else if (tracker !== undefined && this.#parts.isRunning()) continue;
      // A partition that was sought back begins anew.
      else {
        const isCommitted = tracker === undefined && this.#begun.get(partitionKey(topic, partition)) === offset;
        this.#tracked.begin(entry, offset, leaderEpoch, isCommitted);
      }
    }
  }
}

function lateCommit(): KafkaError {
  return new KafkaError("TIMED_OUT", "an earlier commit was not answered in time");
}

function ignoreTimeout(error: unknown): void {
  if (!(error instanceof KafkaError) || error.name !== "TIMED_OUT") throw error;
}
