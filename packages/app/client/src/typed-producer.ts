import type {
  Acknowledge,
  BatchResult,
  OperationOptions,
  Producer,
  ProducerOptions,
  ProducerRecord,
  RecordMetadata,
} from "@samsa/client-runtime";
import { type GroupMembership, KafkaError, type TransactionOffset } from "@samsa/client-kernel";
import { CODEC_NAMES, type Compression, defaultCompression, type RecordHeader } from "@samsa/records";
import { serdeError } from "./serde/failure.ts";
import type { Serde, SerdeContext } from "./serde/serde.ts";

/** Serdes of keys and values. */
export interface Serdes<K, V> {
  readonly key?: Serde<K> | undefined;
  readonly value?: Serde<V> | undefined;
}

/** Codec by its name in `compression.type`, at Kafka's default level. */
export type CompressionName = (typeof CODEC_NAMES)[number];

/** Settings of a producer (`acks`, `lingerMs`, `transactionalId`, …), and its serdes. */
export interface TypedProducerOptions<K, V> extends Omit<ProducerOptions, "compression">, Serdes<K, V> {
  /** `compression.type`, or a codec's number (0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd) with a level; none by default. */
  readonly compression?: CompressionName | Compression | undefined;
}

/** A codec with its level. Throws `KafkaError` INVALID_ARGUMENT for a name of none. */
export function compressionOf(given: CompressionName | Compression): Compression {
  if (typeof given !== "string") return given;
  for (const codec of [0, 1, 2, 3, 4] as const) if (CODEC_NAMES[codec] === given) return defaultCompression(codec);
  throw new KafkaError("INVALID_ARGUMENT", `compression is one of ${CODEC_NAMES.join(", ")}, not "${String(given)}"`);
}

/** A record to send. */
export interface OutgoingTypedRecord<K, V> {
  readonly topic: string;
  readonly key?: K | null;
  /** Null: a tombstone, which deletes the key in a compacted topic. */
  readonly value: V | null;
  readonly headers?: Readonly<Record<string, string | Uint8Array | null>>;
  /** The partition of the key, or one that the producer chooses, by default. */
  readonly partition?: number;
  /** Milliseconds since the epoch; now by default. */
  readonly timestamp?: number;
}

/** Producer of typed records. Errors are `KafkaError`s. */
export class TypedProducer<K, V> implements AsyncDisposable {
  readonly #producer: Producer;
  readonly #serdes: Serdes<K, V>;
  readonly #closed: () => void;
  #initialized: Promise<void> | undefined;

  constructor(producer: Producer, serdes: Serdes<K, V>, closed: () => void) {
    this.#producer = producer;
    this.#serdes = serdes;
    this.#closed = closed;
  }

  /** Sends a record; resolves with its place once it is acknowledged. Records of one turn leave together. */
  async send(record: OutgoingTypedRecord<K, V>, options?: { readonly signal?: AbortSignal }): Promise<RecordMetadata> {
    return this.#producer.send(this.#encoded(record), options);
  }

  /** Sends records with one promise for all, which costs much less than one for each. Errors are part of the result. */
  async sendBatch(
    records: readonly OutgoingTypedRecord<K, V>[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<BatchResult> {
    return this.#producer.sendBatch(
      records.map(record => this.#encoded(record)),
      options,
    );
  }

  /** Sends a record without a promise. False: there is no room at the moment, and `drained` tells when there is. */
  offer(record: OutgoingTypedRecord<K, V>, acknowledge?: Acknowledge): boolean {
    return this.#producer.offer(this.#encoded(record), acknowledge);
  }

  /** Resolves when `offer` may take a record again. */
  drained(): Promise<void> {
    return this.#producer.drained();
  }

  /** Resolves when all records that were sent have ended. */
  flush(options?: OperationOptions): Promise<void> {
    return this.#producer.flush(options);
  }

  /**
   * Runs `work` in a transaction, which is committed when `work` has resolved, and aborted when it, or the commit, fails.
   * The producer needs a `transactionalId`.
   */
  async transaction<R>(work: (producer: this) => Promise<R>): Promise<R> {
    this.#initialized ??= this.#producer.initTransactions();
    try {
      await this.#initialized;
    } catch (error) {
      this.#initialized = undefined;
      throw error;
    }
    return this.#producer.transaction(() => work(this));
  }

  /** Makes offsets of a consumer's group part of the transaction: `sendOffsets(consumer.processed(), consumer.groupMembership)`. */
  sendOffsets(
    offsets: readonly (Omit<TransactionOffset, "metadata"> & { readonly metadata?: string | null })[],
    group: GroupMembership,
    options?: OperationOptions,
  ): Promise<void> {
    return this.#producer.sendOffsets(
      offsets.map(offset => ({ metadata: null, ...offset })),
      group,
      options,
    );
  }

  /** Delivers what was sent, for as long as the timeout allows, and closes the connections. */
  async close(options?: OperationOptions): Promise<void> {
    await this.#producer.close(options);
    this.#closed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #encoded(record: OutgoingTypedRecord<K, V>): ProducerRecord {
    const { topic, key = null, value, headers, partition, timestamp } = record;
    const written: RecordHeader[] = Object.entries(headers ?? {}).map(([name, data]) => ({
      key: name,
      value: typeof data === "string" ? Buffer.from(data) : data,
    }));
    const of = <T>(data: T | null, serde: Serde<T> | undefined, part: "key" | "value") =>
      data === null ? null : serialized(data, serde, { topic, part, headers: written });
    return {
      topic,
      key: of(key, this.#serdes.key, "key"),
      value: of(value, this.#serdes.value, "value"),
      ...(written.length === 0 ? {} : { headers: written }),
      ...(partition === undefined ? {} : { partition }),
      ...(timestamp === undefined ? {} : { timestamp }),
    };
  }
}

function serialized<T>(data: T, serde: Serde<T> | undefined, context: SerdeContext): Uint8Array | string | null {
  if (serde === undefined) {
    if (typeof data === "string" || data instanceof Uint8Array) return data;
    throw serdeError(new TypeError(`a ${typeof data} needs a serde`), context, "written");
  }
  try {
    return serde.serialize(data, context);
  } catch (error) {
    throw error instanceof KafkaError ? error : serdeError(error, context, "written");
  }
}
