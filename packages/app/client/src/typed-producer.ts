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
import { hasZstd } from "@samsa/node";
import { CODEC_NAMES, type Compression, defaultCompression, type RecordHeader } from "@samsa/records";
import { intercept, type Intercepted, type ProducerInterceptor, type SendOutcome } from "./interceptors.ts";
import { serdeError } from "./serde/failure.ts";
import type { OutgoingTypedRecord } from "./outgoing-record.ts";
import type { Serde, SerdeContext, Serdes } from "./serde/serde.ts";

/** Codec by its name in `compression.type`, at Kafka's default level. */
export type CompressionName = (typeof CODEC_NAMES)[number];

/** Settings of a producer (`acks`, `lingerMs`, `transactionalId`, …), and its serdes. */
export interface TypedProducerOptions<K, V> extends Omit<ProducerOptions, "compression">, Serdes<K, V> {
  /** `compression.type`, or a codec's number (0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd) with a level; none by default. */
  readonly compression?: CompressionName | Compression | undefined;
  /** Interceptors of all records, in their order. */
  readonly interceptors?: readonly ProducerInterceptor<K, V>[];
}

/** Parts of a `TypedProducer` beside its settings. */
export interface TypedProducerParts<K, V> {
  readonly serdes: Serdes<K, V>;
  readonly interceptors: readonly ProducerInterceptor<K, V>[];
  /** Called once the producer is closed. */
  readonly closed: () => void;
  /** Takes what interceptors throw. */
  readonly report: (error: unknown) => void;
  /** Takes records that failed and were offered without a callback. */
  readonly lost: (topic: string, error: KafkaError) => void;
}

const ZSTD = 4;

/** A codec with its level. Throws `KafkaError` INVALID_ARGUMENT for a name of none, and for one that is not there. */
export function compressionOf(given: CompressionName | Compression): Compression {
  const compression = typeof given === "string" ? named(given) : given;
  if (compression.codec !== ZSTD || hasZstd) return compression;
  throw new KafkaError("INVALID_ARGUMENT", "compression with zstd needs Node 22.15 or later; use lz4 or snappy");
}

function named(given: CompressionName): Compression {
  for (const codec of [0, 1, 2, 3, 4] as const) if (CODEC_NAMES[codec] === given) return defaultCompression(codec);
  throw new KafkaError("INVALID_ARGUMENT", `compression is one of ${CODEC_NAMES.join(", ")}, not "${String(given)}"`);
}

/** Producer of typed records. Errors are `KafkaError`s. */
export class TypedProducer<K, V> implements AsyncDisposable {
  readonly #producer: Producer;
  readonly #parts: TypedProducerParts<K, V>;
  #initialized: Promise<void> | undefined;
  /** Record that `offer` has not taken, which the interceptors have seen already. */
  #refused: { readonly given: OutgoingTypedRecord<K, V>; readonly seen: Intercepted<K, V> } | undefined;

  constructor(producer: Producer, parts: TypedProducerParts<K, V>) {
    this.#producer = producer;
    this.#parts = parts;
  }

  /** Records that were sent and have no outcome yet. */
  get unsent(): number {
    return this.#producer.unsent;
  }

  /** Sends a record; resolves with its place once it is acknowledged. Records of one turn leave together. */
  async send(record: OutgoingTypedRecord<K, V>, options?: { readonly signal?: AbortSignal }): Promise<RecordMetadata> {
    if (this.#parts.interceptors.length === 0) return this.#producer.send(this.#encoded(record), options);
    const { record: own, ended } = this.#intercepted(record);
    try {
      const metadata = await this.#producer.send(this.#encoded(own), options);
      ended({ metadata });
      return metadata;
    } catch (error) {
      ended({ error: asKafkaError(error) });
      throw error;
    }
  }

  /** Sends records with one promise for all, which costs much less than one for each. Errors are part of the result. */
  async sendBatch(
    records: readonly OutgoingTypedRecord<K, V>[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<BatchResult> {
    if (this.#parts.interceptors.length === 0) {
      return this.#producer.sendBatch(
        records.map(record => this.#encoded(record)),
        options,
      );
    }
    const seen = records.map(record => this.#intercepted(record));
    let encoded: ProducerRecord[];
    try {
      encoded = seen.map(({ record }) => this.#encoded(record));
    } catch (error) {
      for (const { ended } of seen) ended({ error: asKafkaError(error) });
      throw error;
    }
    const result = await this.#producer.sendBatch(encoded, options);
    for (const [index, { record, ended }] of seen.entries()) ended(outcomeOf(result, index, record));
    return result;
  }

  /** Sends a record without a promise. False: there is no room at the moment, and `drained` tells when there is. */
  offer(record: OutgoingTypedRecord<K, V>, acknowledge?: Acknowledge): boolean {
    if (this.#parts.interceptors.length === 0) return this.#producer.offer(this.#encoded(record), acknowledge);
    const seen = this.#refused?.given === record ? this.#refused.seen : this.#intercepted(record);
    const end: Acknowledge = (error, metadata) => {
      if (metadata !== undefined) seen.ended({ metadata });
      else if (error !== undefined) seen.ended({ error });
      if (acknowledge !== undefined) acknowledge(error, metadata);
      else if (error !== undefined) this.#parts.lost(record.topic, error);
    };
    let isTaken: boolean;
    try {
      isTaken = this.#producer.offer(this.#encoded(seen.record), end);
    } catch (error) {
      seen.ended({ error: asKafkaError(error) });
      throw error;
    }
    this.#refused = isTaken ? undefined : { given: record, seen };
    return isTaken;
  }

  /**
   * A stream that sends the records written to it, and waits while the memory is full. It fails with the error of the
   * first record that is not written. Closing it delivers what it took; the producer stays open.
   * `Writable.fromWeb(stream, { objectMode: true })` makes a stream of node:stream.
   */
  writable(): WritableStream<OutgoingTypedRecord<K, V>> {
    let failure: KafkaError | undefined;
    return new WritableStream<OutgoingTypedRecord<K, V>>({
      write: async (record, controller) => {
        const acknowledge: Acknowledge = error => {
          if (error === undefined) return;
          failure ??= error;
          controller.error(error);
        };
        while (!this.offer(record, acknowledge)) await this.drained();
      },
      close: async () => {
        await this.flush();
        if (failure !== undefined) throw failure;
      },
    });
  }

  /** Id in the cluster's telemetry (KIP-714). Waits until a broker gives it; rejects with ILLEGAL_STATE without telemetry. */
  clientInstanceId(options?: OperationOptions): Promise<string> {
    return this.#producer.clientInstanceId(options);
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
    this.#parts.closed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #intercepted(record: OutgoingTypedRecord<K, V>): Intercepted<K, V> {
    const { interceptors, report } = this.#parts;
    return intercept(record, interceptors, report);
  }

  #encoded({ topic, key = null, value, headers, partition, timestamp }: OutgoingTypedRecord<K, V>): ProducerRecord {
    const { serdes } = this.#parts;
    const written = headers === undefined ? [] : headersOf(headers);
    return {
      topic,
      partition,
      key: key === null ? null : serialized(key, serdes.key, { topic, part: "key", headers: written }),
      value: value === null ? null : serialized(value, serdes.value, { topic, part: "value", headers: written }),
      // Serdes may have added some.
      headers: written,
      timestamp,
    };
  }
}

function headersOf(headers: NonNullable<OutgoingTypedRecord<never, never>["headers"]>): RecordHeader[] {
  return Object.entries(headers).map(([key, data]) => ({
    key,
    value: typeof data === "string" ? Buffer.from(data) : data,
  }));
}

const asKafkaError = (error: unknown): KafkaError =>
  error instanceof KafkaError ? error : new KafkaError("INVALID_ARGUMENT", String(error), { cause: error });

function outcomeOf<K, V>(result: BatchResult, index: number, record: OutgoingTypedRecord<K, V>): SendOutcome {
  const error = result.failures.get(index);
  if (error !== undefined) return { error };
  const [partition = -1, offset = -1] = [result.partitions[index], result.offsets[index]];
  return { metadata: { topic: record.topic, partition, offset, timestamp: record.timestamp ?? -1 } };
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
