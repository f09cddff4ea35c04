import { type Crc32c, invariant, type LeaderEpoch, type Offset, type PartitionIndex } from "@samsa/base";
import {
  addSequence,
  BatchCursor,
  BatchWriter,
  batchSizeBound,
  type Compression,
  HEADER_SIZE,
  NO_SEQUENCE,
  RecordCursor,
  type RecordData,
  restampBatch,
  type Tools,
  type WritableHeader,
} from "@samsa/records";
import type { Run } from "./effects.ts";
import { NO_PRODUCER, type ProducerIdAndEpoch } from "./producer-id.ts";
import type { ProduceMemory } from "./produce-memory.ts";

/** Facts of a batch that do not change. */
export interface BatchTraits {
  /** Monotonic time in ms at which its first record came; its delivery timeout runs from there. */
  readonly createdMs: number;
  readonly compression: Compression;
  /** A part of a batch that was too large; false by default. */
  readonly isPart?: boolean;
}

/** A batch from its first record until the broker's last word on it (`ProducerBatch`). */
export class ProducerBatch<T> {
  readonly queue: PartitionQueue<T>;
  readonly createdMs: number;
  readonly compression: Compression;
  readonly isPart: boolean;
  readonly runs: Run<T>[] = [];
  count = 0;
  /** Bytes that a batch of its largest record may take. */
  largest = 0;
  /** No more records are appended. */
  isClosed = false;
  /** Times that it was tried in vain. */
  attempts = 0;
  /** Monotonic time in ms of its creation or last failure, from which it lingers or backs off. */
  waitsSince: number;
  /** Delay before the next attempt, in ms; 0 before the first. */
  backoffMs = 0;
  /** Epoch of the leader of the last attempt. */
  leaderEpoch: LeaderEpoch = -1;
  producer = NO_PRODUCER;
  baseSequence = NO_SEQUENCE;
  /** Place among the batches of its partition that got sequences; the parts of a batch share it. */
  ordinal = 0;
  isTransactional = false;
  /** A request with it is under way. */
  isOnWire = false;
  /** No batch of its partition with a lower sequence was in flight at the last attempt: the broker's word is final. */
  wasFirst = false;
  /** A request with it ended without an answer: the socket may still refer to its memory. */
  isTainted = false;
  /** Its records have been settled. */
  isDone = false;
  /** Bytes of the records before compression, and of the batch. */
  rawSize = 0;
  /** The batch as it is sent; undefined until the first attempt. */
  bytes: Uint8Array | undefined;
  #writer: BatchWriter | undefined;
  /** Memory of the producer that it holds: a buffer, or a number of bytes that only count. */
  #memory: Uint8Array | undefined;
  #charged = 0;

  constructor(queue: PartitionQueue<T>, memory: Uint8Array, { createdMs, compression, isPart = false }: BatchTraits) {
    this.queue = queue;
    this.compression = compression;
    this.createdMs = createdMs;
    this.waitsSince = createdMs;
    this.isPart = isPart;
    this.#memory = memory;
    this.#writer = new BatchWriter(memory);
  }

  /** Bytes of the batch; without compression until the first attempt. */
  get size(): number {
    return this.bytes?.length ?? this.#writer?.size ?? 0;
  }

  /** Bytes of memory for records. */
  get capacity(): number {
    return this.#writer?.memory.length ?? 0;
  }

  get hasSequence(): boolean {
    return this.baseSequence !== NO_SEQUENCE;
  }

  get nextSequence(): number {
    return addSequence(this.baseSequence, this.count);
  }

  /** Appends a record; false if it does not fit. */
  append(
    timestamp: number,
    key: RecordData,
    value: RecordData,
    headers: readonly WritableHeader[] | undefined,
  ): boolean {
    if (this.#writer?.append(timestamp, key, value, headers) !== true) return false;
    this.count++;
    return true;
  }

  /** Gives the last record to `ticket`, as the record at `index` of its call. */
  assign(ticket: T, index: number): void {
    const record = this.count - 1;
    const last = this.runs[this.runs.length - 1];
    if (last !== undefined && last.ticket === ticket && last.first + last.count === record) {
      if (last.index + last.count === index) {
        last.count++;
        return;
      }
    }
    this.runs.push({ ticket, first: record, index, count: 1 });
  }

  /** Moves to a larger buffer, and gives the smaller one back. */
  grow(memory: Uint8Array, pool: ProduceMemory): void {
    if (this.#writer === undefined) return;
    pool.give(this.#writer.move(memory));
    this.#memory = memory;
  }

  /** Sets producer and sequence before the batch is sealed, or changes them. */
  stamp(producer: ProducerIdAndEpoch, baseSequence: number, crc32c: Crc32c): void {
    this.producer = producer;
    this.baseSequence = baseSequence;
    if (this.bytes === undefined) return;
    // A socket may still refer to the old memory, and must not see the change.
    if (this.isTainted) this.bytes = this.bytes.slice();
    restampBatch(this.bytes, this.#stamp, crc32c);
  }

  get #stamp() {
    const { producer, baseSequence, isTransactional: transactional } = this;
    return { producerId: producer.producerId, producerEpoch: producer.producerEpoch, baseSequence, transactional };
  }

  /** Completes the batch. A compressed batch gives its buffer back, and counts with its own size. */
  seal(tools: Tools, pool: ProduceMemory): Uint8Array {
    const { compression } = this;
    if (this.bytes !== undefined || this.#writer === undefined) return this.bytes ?? new Uint8Array(0);
    this.isClosed = true;
    this.rawSize = this.#writer.size;
    this.bytes = this.#writer.finish(this.#stamp, compression, tools);
    if (compression.codec !== 0 && this.#memory !== undefined) {
      pool.give(this.#memory);
      this.#memory = undefined;
      this.#charged = this.bytes.length;
      pool.charge(this.#charged);
    }
    this.#writer = undefined;
    return this.bytes;
  }

  /** Gives its memory back, once no request with it is under way. */
  release(pool: ProduceMemory): void {
    if (this.#memory !== undefined) {
      if (this.isTainted) pool.release(this.#memory.length);
      else pool.give(this.#memory);
    } else pool.release(this.#charged);
    this.#memory = undefined;
    this.#charged = 0;
    this.#writer = undefined;
    this.bytes = undefined;
  }

  /**
   * Parts of at most `size` bytes, or of one record, in order, with its tickets, producer and sequences. The parts of a
   * part have half of its records at most, so that there is an end of it. The batch must be sealed.
   */
  split(size: number, tools: Tools, pool: ProduceMemory): ProducerBatch<T>[] {
    const parts: ProducerBatch<T>[] = [];
    const batch = new BatchCursor(this.bytes);
    if (!batch.next()) return parts;
    const cursor = new RecordCursor().open(batch, tools.codecs);
    const most = this.isPart ? Math.ceil(this.count / 2) : this.count;
    const runs = this.runs.values();
    let run = runs.next().value;
    for (let record = 0; cursor.next(); record++) {
      const timestamp = Number(cursor.timestamp);
      const key = cursor.key();
      const value = cursor.value();
      const headers = cursor.headerCount === 0 ? [] : cursor.headers();
      let part = parts[parts.length - 1];
      const bound = batchSizeBound(key, value, headers);
      if (part === undefined || part.count === most || !part.append(timestamp, key, value, headers)) {
        part = this.#part(Math.max(size, bound), record, pool);
        parts.push(part);
        invariant(part.append(timestamp, key, value, headers), "a part has room for its first record");
      }
      part.largest = Math.max(part.largest, bound);
      while (run !== undefined && run.first + run.count <= record) run = runs.next().value;
      if (run !== undefined && run.first <= record) part.assign(run.ticket, run.index + record - run.first);
    }
    return parts;
  }

  #part(size: number, record: number, pool: ProduceMemory): ProducerBatch<T> {
    // The parts need memory now, so that the batch can go; they may exceed the limit for as long as it stays.
    pool.charge(size);
    const { createdMs, compression } = this;
    const part = new ProducerBatch(this.queue, new Uint8Array(size), { createdMs, compression, isPart: true });
    part.isClosed = true;
    part.attempts = this.attempts;
    part.producer = this.producer;
    part.ordinal = this.ordinal;
    part.isTransactional = this.isTransactional;
    if (this.hasSequence) part.baseSequence = addSequence(this.baseSequence, record);
    return part;
  }
}

/** Bytes of an empty batch. */
export const EMPTY_BATCH = HEADER_SIZE;

/** Batches of one partition, and the sequence numbers of an idempotent producer in it (`TxnPartitionEntry`). */
export class PartitionQueue<T> {
  readonly topic: string;
  readonly partition: PartitionIndex;
  /** Batches to send, in the order in which they leave; those that are tried again are in front. */
  readonly waiting: ProducerBatch<T>[] = [];
  /** Batches that have left at least once, in the order of their sequences, until the broker's last word. */
  readonly inFlight: ProducerBatch<T>[] = [];
  /** Batches on the wire, those included that were given up meanwhile. */
  onWire = 0;
  /** Producer whose sequences are counted. */
  producer = NO_PRODUCER;
  nextSequence = 0;
  #nextOrdinal = 0;
  /** Sequence after the last one that was acknowledged. */
  ackedSequence = 0;
  /** Last offset that was acknowledged; −1: none. */
  ackedOffset: Offset = -1;
  /**
   * The broker has acknowledged a batch of this producer id. A broker that does not know the id takes any sequence for the
   * first one, so until then only one batch is in flight.
   */
  isKnown = false;
  /** A batch with a sequence was given up: the broker may miss that sequence. New batches wait. */
  isUnresolved = false;
  /** The broker misses a sequence for certain: all batches wait until they have new ones. */
  isBroken = false;
  /** Number of the transaction that the partition takes part in. */
  transaction = 0;
  /** True if that transaction knows of it, so that batches may leave. */
  isJoined = false;

  constructor(topic: string, partition: PartitionIndex) {
    this.topic = topic;
    this.partition = partition;
  }

  /** Batch that takes appends. */
  get open(): ProducerBatch<T> | undefined {
    const last = this.waiting[this.waiting.length - 1];
    return last === undefined || last.isClosed ? undefined : last;
  }

  /** True if the sequences are counted for another producer id or epoch. */
  isStale(producer: ProducerIdAndEpoch): boolean {
    return this.producer.producerId !== producer.producerId || this.producer.producerEpoch !== producer.producerEpoch;
  }

  /**
   * Batches from the first in flight to the last that got a sequence. A broker remembers the last five: if there were
   * more, it would not know the first any more when that is tried again.
   */
  get span(): number {
    const first = this.inFlight[0];
    return first === undefined ? 0 : this.#nextOrdinal - first.ordinal;
  }

  /** Every sequence before the next one was acknowledged. */
  get isSettled(): boolean {
    return this.inFlight.length === 0 && this.nextSequence === this.ackedSequence;
  }

  /**
   * Begins to count anew, and gives the batches in flight new sequences. None of them may be on the wire, nor in the log.
   */
  restart(producer: ProducerIdAndEpoch, crc32c: Crc32c): void {
    if (producer.producerId !== this.producer.producerId) this.isKnown = false;
    this.producer = producer;
    this.nextSequence = 0;
    this.ackedSequence = 0;
    this.isUnresolved = false;
    this.isBroken = false;
    for (const batch of this.inFlight) this.number(batch, crc32c);
  }

  /** Gives a batch the next sequence. */
  number(batch: ProducerBatch<T>, crc32c: Crc32c): void {
    batch.ordinal = this.#nextOrdinal++;
    batch.stamp(this.producer, this.nextSequence, crc32c);
    this.nextSequence = addSequence(this.nextSequence, batch.count);
  }

  /** Takes the acknowledgement of a batch. `baseOffset` is −1 if the broker does not know it. */
  acknowledged(batch: ProducerBatch<T>, baseOffset: Offset): void {
    if (baseOffset >= 0) this.ackedOffset = Math.max(this.ackedOffset, baseOffset + batch.count - 1);
    if (batch.producer.producerId === this.producer.producerId) this.isKnown = true;
    // Sequences wrap around, so the later one is that within half of their range.
    const { nextSequence, producer } = batch;
    const isSame =
      producer.producerId === this.producer.producerId && producer.producerEpoch === this.producer.producerEpoch;
    if (isSame && (nextSequence - this.ackedSequence) << 1 >= 0) this.ackedSequence = nextSequence;
  }

  /** Puts a batch that left back in front, behind those of lower sequences. */
  putBack(batch: ProducerBatch<T>): void {
    const at = this.inFlight.indexOf(batch);
    let place = 0;
    if (batch.hasSequence) {
      for (const waiting of this.waiting) {
        const other = this.inFlight.indexOf(waiting);
        if (other < 0 || other > at) break;
        place++;
      }
    }
    this.waiting.splice(place, 0, batch);
  }

  /** Replaces a batch in flight by its parts, which wait in front. */
  replace(batch: ProducerBatch<T>, parts: readonly ProducerBatch<T>[]): void {
    const at = this.inFlight.indexOf(batch);
    if (at >= 0) this.inFlight.splice(at, 1, ...(batch.hasSequence ? parts : []));
    if (!batch.hasSequence) {
      this.waiting.unshift(...parts);
      return;
    }
    for (const part of parts) this.putBack(part);
  }

  /** Takes a batch out for good. */
  remove(batch: ProducerBatch<T>): void {
    const flying = this.inFlight.indexOf(batch);
    if (flying >= 0) this.inFlight.splice(flying, 1);
    const waiting = this.waiting.indexOf(batch);
    if (waiting >= 0) this.waiting.splice(waiting, 1);
  }
}
