import type {
  CallBounds,
  ConsumedBatch,
  ConsumedRecord,
  Consumer,
  ConsumerSettings,
  GroupSettings,
  HandlerContext,
  PartitionStart,
  RebalanceListener,
  RunOptions,
  StreamOptions,
  Subscription,
} from "@samsa/client-runtime";
import type { CommittedOffset, GroupMembership, LeaveMode, OffsetReset, TopicPartition } from "@samsa/client-kernel";
import type { ConsumerInterceptor } from "./interceptors.ts";
import type { Serdes } from "./serde/serde.ts";
import { TypedReading, type TypedReadingParts } from "./typed-reading.ts";
import { TypedRecord } from "./typed-record.ts";

/** Settings of a consumer (`reset`, `isolation`, `maxPollRecords`, …), its group and its serdes. */
export interface TypedConsumerOptions<K, V> extends Partial<Omit<ConsumerSettings, "reset">>, Serdes<K, V> {
  /** `auto.offset.reset`: earliest, latest (the default), none, or by_duration with an ISO-8601 duration (KIP-1106). */
  readonly reset?: OffsetReset | `by_duration:${string}`;
  /** Id of the group, or its settings; without a group, partitions are assigned with `assign`. */
  readonly group?: string | (Partial<GroupSettings> & Pick<GroupSettings, "groupId">);
  readonly listener?: RebalanceListener;
  /** Interceptors of all records, in their order. */
  readonly interceptors?: readonly ConsumerInterceptor<K, V>[];
}

type Handler<K, V> = (record: TypedRecord<K, V>, context: HandlerContext) => void | Promise<void>;

/** Options of `TypedConsumer.run`. */
export interface TypedRunOptions<K, V> extends Omit<RunOptions, "failed"> {
  /** Called with a record whose attempts have all failed; by default `run` rejects with the error. */
  readonly failed?: (record: TypedRecord<K, V>, error: unknown) => void | Promise<void>;
}

/** Records of one partition, in order. They count as processed when the next batch is asked for. */
export interface TypedBatch<K, V> {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly TypedRecord<K, V>[];
}

/** Consumer of typed records. Errors are `KafkaError`s. */
export class TypedConsumer<K, V> implements AsyncDisposable {
  readonly #consumer: Consumer;
  readonly #reading: TypedReading<K, V, ConsumedRecord, TypedRecord<K, V>>;
  readonly #closed: () => void;

  constructor(consumer: Consumer, parts: TypedReadingParts<K, V>) {
    this.#consumer = consumer;
    this.#reading = new TypedReading(parts, record => new TypedRecord(record, parts.serdes));
    this.#closed = parts.closed;
  }

  /** Joins the group with topics, or a pattern of their names (RE2 syntax), or changes them. */
  subscribe(topics: readonly string[] | Subscription, bounds?: CallBounds): Promise<void> {
    return this.#consumer.subscribe(topics, bounds);
  }

  /** Assigns partitions to a consumer without a group, with the places where they begin. */
  assign(partitions: readonly PartitionStart[]): void {
    this.#consumer.assign(partitions);
  }

  assignment(): TopicPartition[] {
    return this.#consumer.assignment();
  }

  /**
   * Records, one by one, in order within a partition, until the consumer is closed. A record counts as processed when the
   * next one is asked for; it comes again, perhaps elsewhere, if the loop ends before.
   */
  async *records(options?: StreamOptions): AsyncGenerator<TypedRecord<K, V>, void, undefined> {
    for await (const record of this.#consumer.records(options)) yield this.#reading.seen(record);
  }

  /** Batches of records, each of one partition: faster than `records` for many small ones. */
  async *batches(options?: StreamOptions): AsyncGenerator<TypedBatch<K, V>, void, undefined> {
    for await (const batch of this.#consumer.batches(options)) yield this.#typed(batch);
  }

  /**
   * Hands all records to a handler until the consumer is closed or `signal` aborts: `concurrency` at a time, those of a
   * partition (`order: "partition"`) or of a key in order. `attempts` repeats a handler that fails; `failed` takes what has
   * failed for good, for example to a dead-letter topic.
   */
  run(handler: Handler<K, V>, { failed, ...options }: TypedRunOptions<K, V> = {}): Promise<void> {
    const reading = this.#reading;
    return this.#consumer.run(reading.handler(handler), { ...options, ...reading.failed(failed) });
  }

  /** Commits offsets of the group; by default all that is processed. */
  commit(...args: Parameters<Consumer["commit"]>): Promise<void> {
    return this.#consumer.commit(...args);
  }

  /** Offsets that the group has committed. */
  committed(...args: Parameters<Consumer["committed"]>): ReturnType<Consumer["committed"]> {
    return this.#consumer.committed(...args);
  }

  /** Id in the cluster's telemetry (KIP-714). Waits until a broker gives it; rejects with ILLEGAL_STATE without telemetry. */
  clientInstanceId(options?: CallBounds): Promise<string> {
    return this.#consumer.clientInstanceId(options);
  }

  /** Offsets up to which records are processed, for `TypedProducer.sendOffsets`. */
  processed(): CommittedOffset[] {
    return this.#consumer.processed();
  }

  /**
   * Membership in the group, for `TypedProducer.sendOffsets`: to be asked for in the transaction. Throws COMMIT_FAILED if
   * partitions that the transaction has read are gone, so that it is aborted.
   */
  get groupMembership(): GroupMembership {
    return this.#consumer.groupMembership;
  }

  seek(...args: Parameters<Consumer["seek"]>): void {
    this.#consumer.seek(...args);
  }

  seekToTime(...args: Parameters<Consumer["seekToTime"]>): Promise<void> {
    return this.#consumer.seekToTime(...args);
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#consumer.pause(partitions);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#consumer.resume(partitions);
  }

  /** Offset of the next record. Waits until it is known. */
  position(...args: Parameters<Consumer["position"]>): Promise<number> {
    return this.#consumer.position(...args);
  }

  /** Records from the position to the end; undefined: not known yet. */
  lag(topic: string, partition: number): number | undefined {
    return this.#consumer.lag(topic, partition);
  }

  /** Commits what is processed, leaves the group, and closes the connections. Streams end. */
  async close(options?: CallBounds & { readonly leave?: LeaveMode }): Promise<void> {
    await this.#consumer.close(options);
    this.#closed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #typed(batch: ConsumedBatch): TypedBatch<K, V> {
    const { topic, partition } = batch;
    return { topic, partition, records: batch.toArray().map(record => this.#reading.seen(record)) };
  }
}
