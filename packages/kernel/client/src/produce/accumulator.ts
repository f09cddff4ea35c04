import { invariant, type PartitionIndex } from "@samsa/base";
import { batchSizeBound, type Compression, type Tools } from "@samsa/records";
import type { ClusterView, TopicView } from "../cluster/cluster-view.ts";
import { KafkaError } from "../error/kafka-error.ts";
import type { BrokerStates } from "./broker-states.ts";
import { CompressionRatio } from "./compression-ratio.ts";
import { KeyBytes } from "./key-bytes.ts";
import { APPEND, type BatchFailure, type Outbox, type OutgoingRecord } from "./effects.ts";
import { EMPTY_BATCH, PartitionQueue, ProducerBatch } from "./partition-queue.ts";
import { Chance, partitionForKey, StickyPartitioner } from "./partitioner.ts";
import { ProduceMemory } from "./produce-memory.ts";
import type { ProducerSettings } from "./producer-settings.ts";

/** Batches of a topic, by partition. */
export class TopicQueues<T> {
  readonly queues: (PartitionQueue<T> | undefined)[] = [];
  readonly sticky: StickyPartitioner;
  readonly ratio = new CompressionRatio();
  /** Number of partitions that have a queue. */
  size = 0;
  /** View of the topic, and the version of the cluster's view that it is from. */
  view: TopicView;
  version: number;

  constructor(view: TopicView, version: number, sticky: StickyPartitioner) {
    this.view = view;
    this.version = version;
    this.sticky = sticky;
  }
}

/** A flush that is under way. */
interface Flush<T> {
  readonly tokens: number[];
  readonly batches: Set<ProducerBatch<T>>;
}

/** Parts of a producer's state machine that its other parts share. */
export interface ProducerParts<T> {
  readonly settings: ProducerSettings;
  readonly cluster: ClusterView;
  readonly tools: Tools;
  readonly out: Outbox<T>;
  readonly brokers: BrokerStates;
}

const NO_RECORD_ERRORS: ReadonlyMap<number, KafkaError> = new Map();
/** Failure of all records of a batch with one error. */
export function wholeFailure(error: KafkaError): BatchFailure {
  return { error, records: NO_RECORD_ERRORS };
}

function isSame(a: Compression, b: Compression): boolean {
  return a === b || (a.codec === b.codec && a.level === b.level);
}

/** Collects records into batches, by partition, within the memory of the producer (`RecordAccumulator`). */
export class Accumulator<T> {
  readonly topics = new Map<string, TopicQueues<T>>();
  /** Partitions with batches to send, in the order in which they get their turn. */
  readonly active = new Set<PartitionQueue<T>>();
  /** Batches whose records are not settled, oldest first. */
  incomplete = new Set<ProducerBatch<T>>();
  readonly memory: ProduceMemory;
  /** An append found no memory, and waits. */
  isExhausted = false;
  readonly #parts: ProducerParts<T>;
  readonly #chance: Chance;
  readonly #flushes = new Set<Flush<T>>();
  readonly #keys = new KeyBytes();
  /** Records of up to this many bytes of key and value need no check of their size. */
  readonly #harmless: number;

  constructor(parts: ProducerParts<T>, seed: number) {
    const { settings } = parts;
    this.#parts = parts;
    this.#chance = new Chance(seed);
    this.memory = new ProduceMemory(settings.bufferBytes, Math.max(settings.batchBytes, EMPTY_BATCH));
    this.#harmless = Math.min(settings.maxRequestBytes, settings.bufferBytes) - 2 * EMPTY_BATCH;
  }

  get isFlushing(): boolean {
    return this.#flushes.size > 0;
  }

  /** Queues of a topic; undefined if the view of the cluster does not have it. */
  topicQueues(topic: string): TopicQueues<T> | undefined {
    const { cluster, settings } = this.#parts;
    let queues = this.topics.get(topic);
    if (queues === undefined) {
      const view = cluster.topic(topic);
      if (view === undefined || view.partitions.length === 0) return undefined;
      queues = new TopicQueues(view, cluster.version, new StickyPartitioner(settings.batchBytes, this.#chance));
      this.topics.set(topic, queues);
    } else if (queues.version !== cluster.version) {
      queues.version = cluster.version;
      // A topic that the metadata lacks for now keeps the partitions that it had.
      queues.view = cluster.topic(topic) ?? queues.view;
    }
    return queues;
  }

  /** Queue for a record: that of its partition, of its key, or the sticky one; undefined if there is none. */
  queueFor(topic: TopicQueues<T>, record: OutgoingRecord, now: number): PartitionQueue<T> | undefined {
    const count = topic.view.partitions.length;
    if (record.partition !== undefined) {
      const { partition } = record;
      return partition >= 0 && partition < count ? this.#queue(topic, partition) : undefined;
    }
    const { ignoreKeys, keyHash } = this.#parts.settings;
    if (record.key !== null && !ignoreKeys) {
      return this.#queue(topic, partitionForKey(this.#keys.of(record.key), count, keyHash));
    }
    if (topic.sticky.partition >= count || topic.sticky.partition < 0) this.#move(topic, now);
    return this.#queue(topic, topic.sticky.partition);
  }

  #queue(topic: TopicQueues<T>, partition: PartitionIndex): PartitionQueue<T> {
    let queue = topic.queues[partition];
    if (queue === undefined) {
      queue = new PartitionQueue(topic.view.name, partition);
      topic.queues[partition] = queue;
      topic.size++;
    }
    return queue;
  }

  /** Error of a record that can never be sent. */
  refusalOf(record: OutgoingRecord): KafkaError | undefined {
    const { key, value, headers, timestamp } = record;
    if (!(Number.isSafeInteger(timestamp) && timestamp >= 0)) {
      return new KafkaError("INVALID_ARGUMENT", `the timestamp ${String(timestamp)} of a record is not a time`);
    }
    const most = 3 * ((key?.length ?? 0) + (value?.length ?? 0));
    if (most <= this.#harmless && (headers === undefined || headers.length === 0)) return undefined;
    const { maxRequestBytes, bufferBytes } = this.#parts.settings;
    const size = batchSizeBound(key, value, headers);
    if (size <= maxRequestBytes && size <= bufferBytes) return undefined;
    const limit = size > maxRequestBytes ? "the largest request" : "the memory of the producer";
    const bytes = Math.min(maxRequestBytes, bufferBytes);
    return new KafkaError(
      "RECORD_TOO_LARGE",
      `a record for topic ${record.topic} takes ${size} bytes, more than ${limit} of ${bytes} bytes`,
    );
  }

  /** Appends a record to a queue of its topic. Returns the partition, or `APPEND.NO_ROOM`. */
  append(topic: TopicQueues<T>, queue: PartitionQueue<T>, record: OutgoingRecord, now: number): PartitionIndex {
    const { key, value, headers, timestamp, compression = this.#parts.settings.compression } = record;
    let batch = queue.open;
    let before = batch?.size ?? 0;
    if (batch === undefined || !isSame(batch.compression, compression) || !this.#fits(batch, topic, record)) {
      if (batch !== undefined) batch.isClosed = true;
      const bound = batchSizeBound(key, value, headers);
      const memory = this.memory.take(Math.max(this.#parts.settings.batchBytes, bound));
      if (memory === undefined) {
        this.isExhausted = true;
        return APPEND.NO_ROOM;
      }
      batch = new ProducerBatch<T>(queue, memory, { createdMs: now, compression });
      batch.largest = bound;
      invariant(batch.append(timestamp, key, value, headers), "a batch has room for its first record");
      queue.waiting.push(batch);
      this.active.add(queue);
      this.incomplete.add(batch);
      before = 0;
    }
    if (batch.size >= this.#limitOf(topic, batch)) batch.isClosed = true;
    if (record.partition === undefined && (key === null || this.#parts.settings.ignoreKeys)) {
      if (topic.sticky.appended(batch.size - before, batch.isClosed)) this.#move(topic, now);
    }
    return queue.partition;
  }

  /** Uncompressed bytes of a full batch. */
  #limitOf(topic: TopicQueues<T>, { compression }: ProducerBatch<T>): number {
    const { batchBytes } = this.#parts.settings;
    return compression.codec === 0 ? batchBytes : topic.ratio.expand(batchBytes);
  }

  /** Appends to an open batch; false if it is full. A batch that will be compressed may take more than `batch.size`. */
  #fits(batch: ProducerBatch<T>, topic: TopicQueues<T>, record: OutgoingRecord): boolean {
    const { key, value, headers, timestamp } = record;
    const limit = this.#limitOf(topic, batch);
    const bound = EMPTY_BATCH + (key?.length ?? 0) + (value?.length ?? 0);
    if (bound > batch.largest) batch.largest = Math.max(batch.largest, batchSizeBound(key, value, headers));
    while (batch.size < limit) {
      if (batch.append(timestamp, key, value, headers)) return true;
      const room = Math.min(limit, batch.capacity * 2);
      const memory = room > batch.capacity ? this.memory.take(room) : undefined;
      if (memory === undefined) return false;
      batch.grow(memory, this.memory);
    }
    return false;
  }

  // Ends of batches

  /** Puts the parts of a batch that was too large in its place. */
  split(batch: ProducerBatch<T>): void {
    const { settings, tools } = this.#parts;
    const { queue } = batch;
    this.topics.get(queue.topic)?.ratio.reset(batch.size / Math.max(1, batch.rawSize));
    const size = batch.isPart ? Math.max(batch.largest, Math.ceil(batch.rawSize / 2)) : settings.batchBytes;
    const parts = batch.split(size, tools, this.memory);
    queue.replace(batch, parts);
    this.active.add(queue);
    // Parts are as old as their batch, and the order is by age.
    this.incomplete.delete(batch);
    this.incomplete = new Set([...parts, ...this.incomplete].sort((a, b) => a.createdMs - b.createdMs));
    for (const flush of this.#flushes)
      if (flush.batches.delete(batch)) for (const part of parts) flush.batches.add(part);
    batch.isDone = true;
    this.release(batch);
  }

  /** Ends a batch: its records are settled with an offset or a failure. */
  settle(batch: ProducerBatch<T>, baseOffset: number, logAppendTime: number | bigint, failure?: BatchFailure): void {
    if (batch.isDone) return;
    batch.isDone = true;
    batch.isClosed = true;
    const { queue } = batch;
    queue.remove(batch);
    if (queue.waiting.length === 0) this.active.delete(queue);
    this.incomplete.delete(batch);
    const { topic, partition } = queue;
    const { count, runs } = batch;
    this.#parts.out.push({ type: "delivered", topic, partition, count, runs, baseOffset, logAppendTime, failure });
    if (!batch.isOnWire) this.release(batch);
    this.#endFlushes(batch);
  }

  /** Gives the memory of a batch back; those who wait for memory are told. */
  release(batch: ProducerBatch<T>): void {
    batch.release(this.memory);
    if (!this.isExhausted) return;
    this.isExhausted = false;
    this.#parts.out.push({ type: "room" });
  }

  /** Settles a flush of all batches that there are now with `token`, once they have ended. */
  flush(token: number): void {
    if (this.incomplete.size === 0) {
      this.#parts.out.settle(token);
      return;
    }
    for (const batch of this.incomplete) batch.isClosed = true;
    for (const flush of this.#flushes) {
      if (flush.batches.size === this.incomplete.size) {
        flush.tokens.push(token);
        return;
      }
    }
    this.#flushes.add({ tokens: [token], batches: new Set(this.incomplete) });
  }

  #endFlushes(batch: ProducerBatch<T>): void {
    for (const flush of this.#flushes) {
      if (!flush.batches.delete(batch) || flush.batches.size > 0) continue;
      this.#flushes.delete(flush);
      for (const token of flush.tokens) this.#parts.out.settle(token);
    }
  }

  // Partitions without keys

  /** Moves the records without a key to another partition of the topic. */
  #move(topic: TopicQueues<T>, now: number): void {
    if (this.#parts.settings.adaptivePartitioning) this.#weigh(topic, now);
    topic.sticky.move(topic.view);
  }

  /** Tells the partitioner how many batches wait for each partition. */
  #weigh(topic: TopicQueues<T>, now: number): void {
    const { partitions } = topic.view;
    const sizes: number[] = [];
    const usable: PartitionIndex[] = [];
    // A partition that never got a record has no queue to compare with.
    if (topic.size >= partitions.length) {
      for (const { index, leaderId } of partitions) {
        if (leaderId < 0 || !this.#parts.brokers.isAvailable(leaderId, now)) continue;
        sizes.push(topic.queues[index]?.waiting.length ?? 0);
        usable.push(index);
      }
    }
    topic.sticky.weigh(sizes, usable, partitions.length);
  }
}
