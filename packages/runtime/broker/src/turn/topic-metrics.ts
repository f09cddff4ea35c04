import { Errors } from "@samsa/protocol";
import type { Labels, MetricSample, MetricSource } from "./metric.ts";

/** Counters of a topic on this broker, and of all topics together (`BrokerTopicMetrics`). */
export class TopicCounts {
  messagesIn = 0;
  bytesIn = 0;
  bytesOut = 0;
  bytesRejected = 0;
  totalProduceRequests = 0;
  failedProduceRequests = 0;
  totalFetchRequests = 0;
  failedFetchRequests = 0;
}

type Counter = keyof TopicCounts;

/** Counters by their names in Kafka; those that Kafka has of all topics only are apart. */
const COUNTERS: readonly (readonly [field: Counter, help: string])[] = [
  ["messagesIn", "Records produced."],
  ["bytesIn", "Bytes produced."],
  ["bytesOut", "Bytes that consumers have fetched."],
  ["bytesRejected", "Bytes of batches above max.message.bytes."],
  ["totalProduceRequests", "Appends that producers have asked for, one for each partition of a request."],
  ["failedProduceRequests", "Appends that failed for another reason than their client's state of the cluster."],
  ["totalFetchRequests", "Reads for consumers and followers, one for each partition of a request."],
  ["failedFetchRequests", "Reads that failed for another reason than their client's state of the cluster."],
];

/**
 * Errors that are the state of a client's metadata, or what its client may do about: they are no failures of the broker
 * (`ReplicaManager.appendRecordsToLeader`, `ReplicaManager.readFromLog`).
 */
const EXPECTED_OF_PRODUCE: ReadonlySet<number> = new Set(
  [
    Errors.UNKNOWN_TOPIC_OR_PARTITION,
    Errors.UNKNOWN_TOPIC_ID,
    Errors.NOT_LEADER_OR_FOLLOWER,
    Errors.MESSAGE_TOO_LARGE,
    Errors.RECORD_LIST_TOO_LARGE,
    Errors.CORRUPT_MESSAGE,
    Errors.KAFKA_STORAGE_ERROR,
  ].map(({ code }) => code),
);
const EXPECTED_OF_FETCH: ReadonlySet<number> = new Set(
  [
    Errors.UNKNOWN_TOPIC_OR_PARTITION,
    Errors.UNKNOWN_TOPIC_ID,
    Errors.INCONSISTENT_TOPIC_ID,
    Errors.NOT_LEADER_OR_FOLLOWER,
    Errors.UNKNOWN_LEADER_EPOCH,
    Errors.FENCED_LEADER_EPOCH,
    Errors.REPLICA_NOT_AVAILABLE,
    Errors.KAFKA_STORAGE_ERROR,
    Errors.OFFSET_OUT_OF_RANGE,
  ].map(({ code }) => code),
);

const NO_LABELS: Labels = {};

/** Counters of topics. A topic has counters from its first request until it is deleted. */
export class TopicMetrics {
  readonly #topics = new Map<string, { readonly labels: Labels; readonly counts: TopicCounts }>();
  readonly all = new TopicCounts();
  replicationBytesOut = 0;

  /** Adds to a counter of a topic and to that of all. */
  add(topic: string, counter: Counter, value: number): void {
    this.all[counter] += value;
    let known = this.#topics.get(topic);
    if (known === undefined) {
      known = { labels: { topic }, counts: new TopicCounts() };
      this.#topics.set(topic, known);
    }
    known.counts[counter] += value;
  }

  /** Counts records appended for a producer. */
  produced(topic: string, bytes: number, records: number): void {
    this.add(topic, "messagesIn", records);
    this.add(topic, "bytesIn", bytes);
  }

  /** Counts an append that is refused with `errorCode`. */
  produceFailed(topic: string, errorCode: number, bytes: number): void {
    if (errorCode === Errors.MESSAGE_TOO_LARGE.code) this.add(topic, "bytesRejected", bytes);
    if (!EXPECTED_OF_PRODUCE.has(errorCode)) this.add(topic, "failedProduceRequests", 1);
  }

  /** Counts a read that fails with `errorCode`. */
  fetchFailed(topic: string, errorCode: number): void {
    if (!EXPECTED_OF_FETCH.has(errorCode)) this.add(topic, "failedFetchRequests", 1);
  }

  topicDeleted(topic: string): void {
    this.#topics.delete(topic);
  }

  *sources(): Iterable<MetricSource> {
    for (const [field, help] of COUNTERS) yield this.#source(field.toLowerCase(), help, () => this.#samples(field));
    const single = (read: () => number) => () => [{ labels: NO_LABELS, value: read() }];
    yield this.#source(
      "replicationbytesout",
      "Bytes that followers have fetched.",
      single(() => this.replicationBytesOut),
    );
  }

  #source(name: string, help: string, samples: MetricSource["samples"]): MetricSource {
    const prefix = `kafka_server_brokertopicmetrics_${name}`;
    return { name: `${prefix}_total`, aliases: [`${prefix}persec`], help, type: "counter", samples };
  }

  *#samples(field: Counter): Iterable<MetricSample> {
    yield { labels: NO_LABELS, value: this.all[field] };
    for (const { labels, counts } of this.#topics.values()) yield { labels, value: counts[field] };
  }
}
