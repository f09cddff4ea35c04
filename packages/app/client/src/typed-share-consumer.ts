import type {
  AcknowledgementMode,
  CallBounds,
  FailureVerdict,
  PartitionOutcomes,
  ShareConsumer,
  ShareConsumerParts,
  ShareConsumerSettings,
  ShareHandlerContext,
  ShareRecord,
  ShareRunOptions,
} from "@samsa/client-runtime";
import type { AcknowledgeType, TopicPartition } from "@samsa/client-kernel";
import type { ConsumerInterceptor } from "./interceptors.ts";
import type { Serdes } from "./serde/serde.ts";
import { TypedReading, type TypedReadingParts } from "./typed-reading.ts";
import { TypedRecord } from "./typed-record.ts";

/** Settings of a share consumer (`maxPollRecords`, `acquireMode`, …), its group, its listeners and its serdes. */
export interface TypedShareConsumerOptions<K, V>
  extends Partial<Omit<ShareConsumerSettings, "groupId" | "acknowledgement">>,
    ShareConsumerParts,
    Serdes<K, V> {
  /** `group.id`; by default that of the client's properties. */
  readonly groupId?: string;
  /**
   * `share.acknowledgement.mode`: with "implicit", the default, a record is accepted when the next one is asked for, unless
   * the application has acknowledged it; with "explicit", the application acknowledges all of them.
   */
  readonly acknowledgement?: AcknowledgementMode;
  /** Interceptors of all records, in their order. */
  readonly interceptors?: readonly ConsumerInterceptor<K, V>[];
}

/** A record that no other member of the share group gets until it is acknowledged, or its lock is over. */
export class TypedShareRecord<K, V> extends TypedRecord<K, V> {
  /** Record with its bytes and its lock. */
  readonly inner: ShareRecord;

  constructor(inner: ShareRecord, serdes: Serdes<K, V>) {
    super(inner, serdes);
    this.inner = inner;
  }

  /** Number of deliveries, this one included; after the group's `share.delivery.count.limit`, brokers give up. */
  get deliveryCount(): number {
    return this.inner.deliveryCount;
  }
}

/** Options of `TypedShareConsumer.run`. */
export interface TypedShareRunOptions<K, V> extends Omit<ShareRunOptions, "failed"> {
  /** Decides on a record whose handler has failed; by default it is released, and comes again. */
  readonly failed?: (record: TypedShareRecord<K, V>, error: unknown) => FailureVerdict | Promise<FailureVerdict>;
}

/** Share consumer of typed records (KIP-932). Errors are `KafkaError`s. */
export class TypedShareConsumer<K, V> implements AsyncDisposable {
  readonly #consumer: ShareConsumer;
  readonly #reading: TypedReading<K, V, ShareRecord, TypedShareRecord<K, V>>;
  readonly #closed: () => void;

  constructor(consumer: ShareConsumer, parts: TypedReadingParts<K, V>) {
    this.#consumer = consumer;
    this.#reading = new TypedReading(parts, record => new TypedShareRecord(record, parts.serdes));
    this.#closed = parts.closed;
  }

  /** Joins the group with topics, or changes them. Rejects with UNSUPPORTED_VERSION if the cluster has no share groups. */
  subscribe(topics: readonly string[], bounds?: CallBounds): Promise<void> {
    return this.#consumer.subscribe(topics, bounds);
  }

  /** Id in the cluster's telemetry (KIP-714). Waits until a broker gives it; rejects with ILLEGAL_STATE without telemetry. */
  clientInstanceId(options?: CallBounds): Promise<string> {
    return this.#consumer.clientInstanceId(options);
  }

  /** Partitions that the group has assigned; other members may have them, too. */
  assignment(): TopicPartition[] {
    return this.#consumer.assignment();
  }

  /** Id of this member in its group. */
  get memberId(): string {
    return this.#consumer.memberId;
  }

  /** Time in ms for which the group locks records; undefined: no broker has told yet. */
  get lockMs(): number | undefined {
    return this.#consumer.lockMs;
  }

  /**
   * Records, one by one, until the consumer is closed. With implicit acknowledgement, a record is accepted when the next
   * one is asked for, and released if the loop ends before.
   */
  async *records(
    options?: Parameters<ShareConsumer["records"]>[0],
  ): AsyncGenerator<TypedShareRecord<K, V>, void, undefined> {
    for await (const record of this.#consumer.records(options)) yield this.#reading.seen(record);
  }

  /**
   * Hands all records to a handler, `concurrency` at a time, until the consumer is closed or `signal` aborts. A record is
   * accepted when its handler is done, and released, or what `failed` says, if it fails. Locks are renewed meanwhile.
   */
  run(
    handler: (record: TypedShareRecord<K, V>, context: ShareHandlerContext) => void | Promise<void>,
    { failed, ...options }: TypedShareRunOptions<K, V> = {},
  ): Promise<void> {
    const reading = this.#reading;
    return this.#consumer.run(reading.handler(handler), { ...options, ...reading.failed(failed) });
  }

  /**
   * Acknowledges a record: "accept" by default, "release", "reject", or "renew" for a longer lock (KIP-1222). Throws
   * ILLEGAL_STATE if that was done before.
   */
  acknowledge(record: TypedShareRecord<K, V>, type?: AcknowledgeType): void {
    this.#consumer.acknowledge(record.inner, type);
  }

  /** Waits until brokers have taken all acknowledgements. The outcomes are of the partitions that had some. */
  commit(bounds?: CallBounds): Promise<PartitionOutcomes<true>> {
    return this.#consumer.commit(bounds);
  }

  /** Waits for handlers at work, sends what is acknowledged, leaves the group, and closes the connections. */
  async close(options?: CallBounds): Promise<void> {
    await this.#consumer.close(options);
    this.#closed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
