import type { Int64, LeaderEpoch, Offset, PartitionIndex, Uuid } from "@samsa/base";
import {
  type CommittedOffset,
  KafkaError,
  type GroupMembership,
  type LeaveMode,
  partitionKey,
  partitionKeys,
  type PartitionOffset,
  type PartitionStatus,
  type TopicPartition,
} from "@samsa/client-kernel";
import type { OffsetToCommit } from "../admin/groups.ts";
import { type FoundOffset, listOffsets, type OffsetSpec } from "../admin/offsets.ts";
import type { PartitionOutcomes } from "../admin/outcomes.ts";
import { checkWhole } from "../cluster/checks.ts";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { type CancelSignal, ended } from "../cluster/deadline.ts";
import { TelemetryReporter } from "../telemetry/telemetry-reporter.ts";
import { ConsumerGroup } from "./consumer-group.ts";
import { type ConsumerObserver, ConsumerReporter } from "./consumer-observer.ts";
import { GROUP_DEFAULTS, type GroupSettings, type RebalanceListener, type Subscription } from "./group-settings.ts";
import { type ConsumerOptions, type ConsumerSettings, consumerSettings, fetchOptions } from "./consumer-settings.ts";
import { FetchRuntime, type Moved } from "./fetch-runtime.ts";
import { type RecordHandler, RecordRunner, type RunOptions } from "./record-runner.ts";
import { BatchStream, type BatchStreamOptions, RecordStream, type StreamOptions } from "./record-stream.ts";

/** Bounds of a call. */
export interface CallBounds {
  /** Longest time in ms; `apiTimeoutMs` of the client by default. */
  readonly timeoutMs?: number;
  readonly signal?: CancelSignal;
}

/** Partition to read, and where to begin. */
export interface PartitionStart extends TopicPartition {
  /** Undefined: at the committed offset, or by `reset`. */
  readonly offset?: Offset | "beginning" | "end";
  /** Leader epoch of the record before the offset, as it was committed with it (KIP-320). */
  readonly leaderEpoch?: LeaderEpoch;
}

/** Parts of a consumer beside its settings. */
export interface ConsumerParts {
  /** Group whose member the consumer is, with its settings; none by default. */
  readonly group?: Partial<GroupSettings> & Pick<GroupSettings, "groupId">;
  /** Hears of partitions that come and go in a rebalance of the group. */
  readonly listener?: RebalanceListener;
  /** Called when a partition goes on elsewhere than at its position; the log gets a warning by default. */
  readonly moved?: (moved: Moved) => void;
  /** Hears of heartbeats and of requests for records; nobody by default. */
  readonly observer?: ConsumerObserver | undefined;
}

/** Time in ms that a close waits for brokers. */
const CLOSE_MS = 5000;

/**
 * Reads records of the partitions that it is assigned. The client serves this consumer alone, since the consumer decides
 * which topics the metadata holds; it stays open when the consumer is closed. Errors are `KafkaError`s.
 */
export class Consumer {
  readonly #client: ClusterClient;
  readonly #settings: ConsumerSettings;
  readonly #runtime: FetchRuntime;
  readonly #group: ConsumerGroup | undefined;
  readonly #telemetry: TelemetryReporter;
  #stream: BatchStream | undefined;
  #runner: RecordRunner | undefined;
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** Throws a `KafkaError` for a setting that cannot be. */
  constructor(client: ClusterClient, options: ConsumerOptions = {}, parts: ConsumerParts = {}) {
    this.#client = client;
    this.#settings = consumerSettings(options);
    const { group, listener = {}, observer, moved = ({ type: _, ...facts }: Moved) => this.#warn(facts) } = parts;
    const fetch = fetchOptions(this.#settings, client, group !== undefined);
    const committed = (partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> =>
      this.#ofGroup().beginnings(partitions);
    const reporter = observer && new ConsumerReporter(client.env, observer);
    this.#runtime = new FetchRuntime(client, fetch, { committed: group && committed, moved, reporter });
    this.#telemetry = new TelemetryReporter(client, {
      domain: "consumer",
      resource: () => this.#resource(group),
      ...(group === undefined ? {} : { assigned: () => this.assignment().length }),
    });
    this.#group =
      group &&
      new ConsumerGroup(
        client,
        { ...GROUP_DEFAULTS, ...group },
        {
          runtime: this.#runtime,
          listener,
          isBusyWith: partitions => this.#isBusyWith(partitions),
          isRunning: () => this.#runner !== undefined,
          lose: partitions => this.#runner?.lose(partitions),
          ...{ rackId: this.#settings.rackId, reporter },
          rebalanced: ms => this.#telemetry.metrics.rebalanced(ms, client.env.clock.monotonic()),
        },
      );
  }

  /** Attributes in the telemetry of the cluster (`ClientTelemetryProvider`). */
  #resource({ groupId, instanceId }: NonNullable<ConsumerParts["group"]> = { groupId: "" }): Record<string, string> {
    const { rackId } = this.#settings;
    const { memberId } = this;
    return {
      ...(rackId === "" ? {} : { client_rack: rackId }),
      ...(groupId === "" ? {} : { group_id: groupId }),
      ...(instanceId === undefined || instanceId === null ? {} : { group_instance_id: instanceId }),
      ...(memberId === undefined || memberId === "" ? {} : { group_member_id: memberId }),
    };
  }

  /**
   * Id of the consumer in the cluster's telemetry (KIP-714). Waits until a broker gives it; rejects with ILLEGAL_STATE if
   * there is no telemetry.
   */
  clientInstanceId(bounds?: CallBounds): Promise<Uuid> {
    return this.#telemetry.clientInstanceId(this.#client.patience(bounds));
  }

  // Group

  /** Joins the group with these topics, or changes them. Records come once the group has assigned partitions. */
  subscribe(subscription: Subscription | readonly string[], bounds?: CallBounds): Promise<void> {
    this.#checkOpen();
    const wanted = "length" in subscription ? { topics: subscription } : subscription;
    return this.#ofGroup().subscribe(wanted, this.#client.patience(bounds));
  }

  /** Commits offsets of the group; by default all that the application is done with. */
  async commit(offsets?: readonly OffsetToCommit[], bounds?: CallBounds): Promise<void> {
    this.#checkOpen();
    const named = offsets?.map(entry => ({ ...entry, ...optional(entry) }));
    await this.#ofGroup().commit(named, this.#client.patience(bounds));
  }

  /** Offsets that the group has committed. Partitions without one are left out. */
  committed(partitions: readonly TopicPartition[], bounds?: CallBounds): Promise<readonly PartitionOffset[]> {
    this.#checkOpen();
    return this.#ofGroup().committed(partitions, this.#client.patience(bounds));
  }

  /**
   * Membership for a transaction that commits offsets of the group (`Consumer.groupMetadata`): to be asked for in the
   * transaction, after its last record was read. Throws COMMIT_FAILED, once, if a partition is gone that the application got
   * records of since it last asked: the transaction is to be aborted, since another member reads them again.
   */
  get groupMembership(): GroupMembership {
    return this.#ofGroup().membership;
  }

  /** Generation or epoch of this member in its group; −1: it has no place there. */
  get generation(): number {
    return this.#group?.generation ?? -1;
  }

  /** Id of this member in its group; undefined: it has not joined. */
  get memberId(): string | undefined {
    return this.#group?.memberId;
  }

  #ofGroup(): ConsumerGroup {
    if (this.#group !== undefined) return this.#group;
    throw new KafkaError("ILLEGAL_STATE", "the consumer is in no group: give it a group id");
  }

  // Assignment

  /** Replaces the assigned partitions of a consumer without a group. Those that stay keep their position, unless an offset is given. */
  assign(partitions: readonly PartitionStart[]): void {
    this.#checkOpen();
    if (this.#group !== undefined) throw new KafkaError("ILLEGAL_STATE", "the group assigns the partitions");
    const keys = new Set<string>();
    for (const { topic, partition } of partitions) {
      if (topic === "" || !Number.isInteger(partition) || partition < 0) {
        throw new KafkaError("INVALID_ARGUMENT", `${topic}-${partition} is not the name of a partition`);
      }
      const key = partitionKey(topic, partition);
      if (keys.has(key)) throw new KafkaError("INVALID_ARGUMENT", `${topic}-${partition} is assigned twice`);
      keys.add(key);
    }
    const { metadata } = this.#client;
    metadata.hold(new Set(partitions.map(({ topic }) => topic)));
    this.#change(() => {
      this.#runtime.fetcher.assign(partitions);
      for (const { topic, partition, offset, leaderEpoch } of partitions) {
        if (offset !== undefined) this.#seek(topic, partition, offset, leaderEpoch);
      }
    });
    this.#client.wake();
  }

  /** Assigned partitions. */
  assignment(): TopicPartition[] {
    return this.#runtime.fetcher.assigned();
  }

  // Records

  /**
   * Batches of the assigned partitions, by turns; the stream ends when the consumer is closed. Records count as processed
   * when the next batch is asked for. One stream is open at a time.
   */
  batches({ max = this.#settings.maxPollRecords, signal, isHeld = none }: StreamOptions = {}): BatchStream {
    return this.#open({ max, signal, isHeld });
  }

  /** Looks for records of partitions that `isHeld` has passed over. */
  wake(): void {
    this.#runtime.loop.turn();
  }

  #open(options: Omit<BatchStreamOptions, "progressed" | "given" | "waits">): BatchStream {
    this.#checkOpen();
    const { max } = options;
    if (this.#stream !== undefined) throw new KafkaError("ILLEGAL_STATE", "another stream of this consumer is open");
    checkWhole("max", max, 1);
    const progressed = (): void => this.#group?.progressed();
    const given = (place: TopicPartition): void => this.#group?.given(place);
    const { metrics } = this.#telemetry;
    const { clock } = this.#client.env;
    const waits = { asked: () => metrics.asked(clock.monotonic()), given: () => metrics.given(clock.monotonic()) };
    const stream = new BatchStream(this.#runtime, { ...options, progressed, given, waits }, () => {
      if (this.#stream === stream) this.#stream = undefined;
    });
    this.#stream = stream;
    return stream;
  }

  /** Records of the assigned partitions, one by one. For many small records, `batches` is faster. */
  records(options: StreamOptions = {}): RecordStream {
    return new RecordStream(this.batches(options));
  }

  /**
   * Hands all records to a handler, until the consumer is closed or `signal` aborts: several at a time, those of a
   * partition or of a key in order. Commits know which records are processed, in whatever order they end. Rejects with the
   * error of a handler, unless `failed` takes it.
   */
  async run(handler: RecordHandler, options: RunOptions = {}): Promise<void> {
    const group = this.#group;
    const runner = new RecordRunner(handler, options, {
      account: {
        isFull: place => group?.isFull(place) ?? false,
        start: record => group?.start(record) ?? 0,
        finish: (place, ticket) => group?.finish(place, ticket),
      },
      open: (max, isHeld) => this.#open({ max, signal: options.signal, isHeld }),
      pause: ms => new Promise(resolve => this.#client.env.timers.after(ms, () => resolve())),
      ended: () => this.#runtime.loop.turn(),
    });
    this.#runner = runner;
    try {
      this.#running = runner.run();
      await this.#running;
    } finally {
      this.#runner = undefined;
      this.#running = undefined;
      this.#rewind([...runner.unfinished.values()]);
    }
  }

  /** Goes back to records that were read and not processed, of partitions that are still assigned. */
  #rewind(places: readonly (TopicPartition & { readonly offset: Offset })[]): void {
    if (this.#runtime.isClosed) return;
    const assigned = partitionKeys(this.assignment());
    this.#change(() => {
      for (const { topic, partition, offset } of places) {
        if (assigned.has(partitionKey(topic, partition))) this.#seek(topic, partition, offset);
      }
    });
  }

  #isBusyWith(partitions: readonly TopicPartition[]): boolean {
    if (this.#runner !== undefined) return this.#runner.isBusyWith(partitions);
    const held = this.#stream?.held;
    return partitions.some(({ topic, partition }) => held?.topic === topic && held.partition === partition);
  }

  // Positions. All throw, or reject with, a `KafkaError` if the partition is not assigned.

  /** Goes on at an offset, or at the beginning or the end of the log. */
  seek(
    topic: string,
    partition: PartitionIndex,
    offset: Offset | "beginning" | "end",
    leaderEpoch?: LeaderEpoch,
  ): void {
    this.#checkOpen();
    this.#change(() => this.#seek(topic, partition, offset, leaderEpoch));
  }

  /** Goes on at the first record with this timestamp or a later one, or at the end if there is none. */
  async seekToTime(topic: string, partition: PartitionIndex, timestamp: Int64, bounds?: CallBounds): Promise<void> {
    const found = await this.#offsetsAt([{ topic, partition }], { timestamp }, bounds);
    const { offset, leaderEpoch } = found.value(partitionKey(topic, partition));
    this.seek(topic, partition, offset < 0 ? "end" : offset, offset < 0 ? undefined : leaderEpoch);
  }

  /** Holds back records of partitions. What is fetched of them is kept. */
  pause(partitions: readonly TopicPartition[]): void {
    this.#checkOpen();
    this.#change(() => {
      for (const { topic, partition } of partitions) this.#runtime.fetcher.pause(topic, partition);
    });
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#checkOpen();
    this.#change(() => {
      for (const { topic, partition } of partitions) this.#runtime.fetcher.resume(topic, partition);
    });
  }

  /** State, offsets and lag of a partition, as far as they are known at the moment. */
  status(topic: string, partition: PartitionIndex): PartitionStatus {
    return this.#runtime.fetcher.status(topic, partition);
  }

  /** Offset of the next record. Waits until it is known; rejects with what prevents that. */
  async position(topic: string, partition: PartitionIndex, bounds?: CallBounds): Promise<Offset> {
    const patience = this.#client.patience(bounds);
    for (;;) {
      this.#checkOpen();
      this.#runtime.loop.checkHealth();
      const { position, failure } = this.status(topic, partition);
      if (position >= 0) return position;
      if (failure !== undefined) throw failure;
      await this.#runtime.loop.changed(patience);
    }
  }

  /** Records from the position to the end that `isolation` allows; undefined: no broker has told yet. */
  lag(topic: string, partition: PartitionIndex): number | undefined {
    return this.status(topic, partition).lag;
  }

  /** Offsets up to which records are processed. */
  processed(): CommittedOffset[] {
    return this.#group?.processed() ?? this.#runtime.fetcher.processed();
  }

  // Offsets of any partitions, assigned or not

  /** First offset of each log. */
  beginningOffsets(
    partitions: readonly TopicPartition[],
    bounds?: CallBounds,
  ): Promise<PartitionOutcomes<FoundOffset>> {
    return this.#offsetsAt(partitions, "earliest", bounds);
  }

  /** End of what `isolation` lets be read of each log. */
  endOffsets(partitions: readonly TopicPartition[], bounds?: CallBounds): Promise<PartitionOutcomes<FoundOffset>> {
    return this.#offsetsAt(partitions, "latest", bounds);
  }

  /** First offset of each log whose record has the timestamp, in ms since the epoch, or a later one; −1: none. */
  offsetsForTimes(
    times: readonly (TopicPartition & { readonly timestamp: Int64 })[],
    bounds?: CallBounds,
  ): Promise<PartitionOutcomes<FoundOffset>> {
    const negative = times.find(({ timestamp }) => timestamp < 0);
    if (negative !== undefined) {
      return Promise.reject(new KafkaError("INVALID_ARGUMENT", `the timestamp ${negative.timestamp} is negative`));
    }
    const specs = times.map(({ topic, partition, timestamp }) => ({ topic, partition, at: { timestamp } }));
    return listOffsets(this.#client, specs, { ...bounds, isolation: this.#settings.isolation });
  }

  /**
   * Waits for handlers at work, commits what is processed and leaves the group, if there is one; then stops reading:
   * streams end, and brokers are told. A static member keeps its place unless `leave` says otherwise (KIP-1092). The client stays open.
   */
  close(options: CallBounds & { readonly leave?: LeaveMode } = {}): Promise<void> {
    return (this.#closing ??= this.#close(options));
  }

  async #close({
    timeoutMs = CLOSE_MS,
    signal,
    leave = "default",
  }: Parameters<Consumer["close"]>[0] & {}): Promise<void> {
    const patience = this.#client.patience({ timeoutMs, signal });
    const { logger } = this.#client.env;
    this.#runner?.end();
    await ended(this.#client.env, patience, stillAtWork, this.#running).catch((error: unknown) => {
      logger.warn("handlers take longer, so their records will come again", { why: String(error) });
    });
    await this.#group?.close(leave, patience);
    await this.#runtime.close(patience);
    await this.#telemetry.close();
  }

  #offsetsAt(
    partitions: readonly TopicPartition[],
    at: OffsetSpec,
    bounds: CallBounds = {},
  ): Promise<PartitionOutcomes<FoundOffset>> {
    const specs = partitions.map(({ topic, partition }) => ({ topic, partition, at }));
    return listOffsets(this.#client, specs, { ...bounds, isolation: this.#settings.isolation });
  }

  #seek(
    topic: string,
    partition: PartitionIndex,
    offset: Offset | "beginning" | "end",
    leaderEpoch?: LeaderEpoch,
  ): void {
    const { fetcher } = this.#runtime;
    if (offset === "beginning") fetcher.seekTo(topic, partition, "earliest");
    else if (offset === "end") fetcher.seekTo(topic, partition, "latest");
    else fetcher.seek(topic, partition, offset, leaderEpoch);
  }

  /** Applies a change, and does what it calls for even if it fails half-way. */
  #change(change: () => void): void {
    try {
      change();
    } finally {
      this.#runtime.loop.turn();
    }
  }

  #checkOpen(): void {
    if (this.#runtime.isClosed) throw new KafkaError("CLOSED", "the consumer is closed");
  }

  #warn(facts: Omit<Moved, "type">): void {
    this.#client.env.logger.warn("a partition does not go on at its position", { ...facts });
  }
}

const none = (): boolean => false;

function stillAtWork(): KafkaError {
  return new KafkaError("TIMED_OUT", "handlers are still at work");
}

/** Fields that a commit may leave out. */
function optional({ leaderEpoch = -1, metadata = "" }: OffsetToCommit): { leaderEpoch: LeaderEpoch; metadata: string } {
  return { leaderEpoch, metadata };
}
