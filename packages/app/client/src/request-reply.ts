import { randomUUID } from "node:crypto";
import { ignored } from "@samsa/base";
import { KafkaError } from "@samsa/client-kernel";
import type { KafkaClient } from "./kafka-client.ts";
import type { Serde } from "./serde/serde.ts";
import type { TypedConsumer } from "./typed-consumer.ts";
import type { TypedProducer } from "./typed-producer.ts";
import type { TypedRecord } from "./typed-record.ts";

/** Headers of requests and replies; those of Spring's ReplyingKafkaTemplate. */
export const REQUEST_HEADERS = { correlationId: "kafka_correlationId", replyTopic: "kafka_replyTopic" } as const;

/** Options of a `Requester`. */
export interface RequesterOptions<Q, R> {
  /** Topic of the replies, which several requesters may share. */
  readonly replyTopic: string;
  readonly request?: Serde<Q>;
  readonly reply?: Serde<R>;
  /** Longest wait for a reply, in ms; 30 s by default. */
  readonly timeoutMs?: number;
}

interface Waiting<R> {
  readonly resolve: (record: TypedRecord<string, R>) => void;
  readonly reject: (error: KafkaError) => void;
}

const TIMEOUT_MS = 30_000;
/** Most requests that wait for their replies at a time. */
const MOST_WAITING = 10_000;

/** Sends requests through topics, and waits for their replies, which it tells apart by a correlation id. */
export class Requester<Q, R> implements AsyncDisposable {
  readonly #producer: TypedProducer<string, Q>;
  readonly #consumer: TypedConsumer<string, R>;
  readonly #options: RequesterOptions<Q, R>;
  readonly #waiting = new Map<string, Waiting<R>>();
  #reading: Promise<void> | undefined;
  /** Reason for which there are no more replies. */
  #ended: KafkaError | undefined;

  private constructor(client: KafkaClient, options: RequesterOptions<Q, R>) {
    this.#options = options;
    const { request: value, reply } = options;
    this.#producer = client.producer<string, Q>(value === undefined ? {} : { value });
    this.#consumer = client.consumer<string, R>(reply === undefined ? {} : { value: reply });
  }

  /** Begins to read replies at the end of the reply topic, which must exist. Rejects with a `KafkaError`. */
  static async start<Q, R>(client: KafkaClient, options: RequesterOptions<Q, R>): Promise<Requester<Q, R>> {
    const { partitions } = await client.admin().topics.describeOne(options.replyTopic);
    const requester = new Requester(client, options);
    try {
      await requester.#begin(partitions.map(({ partition }) => partition));
    } catch (error) {
      await requester.close();
      throw error;
    }
    return requester;
  }

  async #begin(partitions: readonly number[]): Promise<void> {
    const topic = this.#options.replyTopic;
    this.#consumer.assign(partitions.map(partition => ({ topic, partition, offset: "end" as const })));
    // A reply may come as soon as a request was sent: the ends are looked up before.
    await Promise.all(partitions.map(partition => this.#consumer.position(topic, partition)));
    this.#reading = this.#read().then(
      () => this.#end(new KafkaError("CLOSED", "the client is closed")),
      (error: unknown) => this.#end(new KafkaError("ILLEGAL_STATE", "replies can be read no more", { cause: error })),
    );
  }

  /**
   * Sends a request, and resolves with its reply. Rejects with a `KafkaError`: TIMED_OUT, if none comes in time (it may have
   * been handled), ABORTED, or the error of the producer.
   */
  async request(
    topic: string,
    value: Q,
    { key = null, signal }: { readonly key?: string | null; readonly signal?: AbortSignal } = {},
  ): Promise<TypedRecord<string, R>> {
    if (this.#ended !== undefined) throw this.#ended;
    if (signal?.aborted === true) throw new KafkaError("ABORTED", "the caller has cancelled the call");
    if (this.#waiting.size >= MOST_WAITING) {
      throw new KafkaError("BUFFER_EXHAUSTED", `${MOST_WAITING} requests wait for their replies already`);
    }
    const { timeoutMs = TIMEOUT_MS, replyTopic } = this.#options;
    const id = randomUUID();
    let waiting: Waiting<R> = { resolve: ignored("replaced below"), reject: ignored("replaced below") };
    const reply = new Promise<TypedRecord<string, R>>((resolve, reject) => (waiting = { resolve, reject }));
    this.#waiting.set(id, waiting);
    const late = (): void => {
      waiting.reject(new KafkaError("TIMED_OUT", `no reply to a request of topic ${topic} within ${timeoutMs} ms`));
    };
    const onAbort = (): void => waiting.reject(new KafkaError("ABORTED", "the caller has cancelled the call"));
    const timer = setTimeout(late, timeoutMs);
    signal?.addEventListener("abort", onAbort);
    try {
      const headers = { [REQUEST_HEADERS.correlationId]: id, [REQUEST_HEADERS.replyTopic]: replyTopic };
      const [record] = await Promise.all([reply, this.#producer.send({ topic, key, value, headers })]);
      return record;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      this.#waiting.delete(id);
    }
  }

  /** Ends; requests that wait are rejected with CLOSED. */
  async close(): Promise<void> {
    this.#end(new KafkaError("CLOSED", "the requester is closed"));
    await Promise.all([this.#producer.close(), this.#consumer.close()]);
    await this.#reading;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #end(reason: KafkaError): void {
    this.#ended ??= reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }

  async #read(): Promise<void> {
    for await (const record of this.#consumer.records()) {
      const id = record.header(REQUEST_HEADERS.correlationId);
      // Others may share the topic, and a reply may come after its time.
      if (id !== undefined) this.#waiting.get(id)?.resolve(record);
    }
  }
}

/** Record that replies to a request: to be sent by the one who serves it. Undefined: the record wants no reply. */
export function replyTo<V>(
  request: TypedRecord<unknown, unknown>,
  value: V,
): { readonly topic: string; readonly value: V; readonly headers: Readonly<Record<string, string>> } | undefined {
  const topic = request.header(REQUEST_HEADERS.replyTopic);
  const id = request.header(REQUEST_HEADERS.correlationId);
  if (topic === undefined || id === undefined) return undefined;
  return { topic, value, headers: { [REQUEST_HEADERS.correlationId]: id } };
}
