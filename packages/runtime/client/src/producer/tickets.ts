import type { Report } from "@samsa/base";
import { guard, ignored, nearestNumber } from "@samsa/base";
import type { Delivery, KafkaError, Run } from "@samsa/client-kernel";
import type { Acknowledge, BatchResult, RecordMetadata } from "./records.ts";

type Ended = Delivery<Ticket>;

/** Someone who waits for records. */
export interface Ticket {
  /** Takes the end of the records of a run. */
  ended(delivery: Ended, run: Run<Ticket>): void;
}

/** Error of a record of a batch, by its index there. */
function errorOf({ failure }: Ended, record: number): KafkaError | undefined {
  return failure === undefined ? undefined : (failure.records.get(record) ?? failure.error);
}

function metadataOf(delivery: Ended, record: number, timestamp: number): RecordMetadata {
  const { topic, partition, baseOffset, logAppendTime } = delivery;
  const offset = baseOffset < 0 ? -1 : baseOffset + record;
  return { topic, partition, offset, timestamp: logAppendTime < 0 ? timestamp : nearestNumber(logAppendTime) };
}

/** A record whose sender has a promise. */
export class SendTicket implements Ticket {
  readonly promise: Promise<RecordMetadata>;
  readonly #timestamp: number;
  #resolve: (metadata: RecordMetadata) => void = ignored("the promise sets it");
  #reject: (error: unknown) => void = ignored("the promise sets it");

  constructor(timestamp: number) {
    this.#timestamp = timestamp;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  ended(delivery: Ended, { first }: Run<Ticket>): void {
    const error = errorOf(delivery, first);
    if (error === undefined) this.#resolve(metadataOf(delivery, first, this.#timestamp));
    else this.#reject(error);
  }

  fail(error: unknown): void {
    this.#reject(error);
  }
}

/** A record whose sender has a callback. */
export class OfferTicket implements Ticket {
  readonly #timestamp: number;
  readonly #acknowledge: Acknowledge;
  readonly #report: Report;

  constructor(timestamp: number, acknowledge: Acknowledge, report: Report) {
    this.#timestamp = timestamp;
    this.#acknowledge = acknowledge;
    this.#report = report;
  }

  ended(delivery: Ended, { first }: Run<Ticket>): void {
    const error = errorOf(delivery, first);
    guard(() => {
      if (error !== undefined) this.#acknowledge(error, undefined);
      else this.#acknowledge(undefined, metadataOf(delivery, first, this.#timestamp));
    }, this.#report);
  }
}

/** Records that share one promise. */
export class BatchTicket implements Ticket {
  readonly promise: Promise<BatchResult>;
  readonly #partitions: Int32Array;
  readonly #offsets: Float64Array;
  readonly #failures = new Map<number, KafkaError>();
  #resolve: (result: BatchResult) => void = ignored("the promise sets it");
  #left: number;

  constructor(count: number) {
    this.promise = new Promise(resolve => {
      this.#resolve = resolve;
    });
    this.#partitions = new Int32Array(count).fill(-1);
    this.#offsets = new Float64Array(count).fill(-1);
    this.#left = count;
    if (count === 0) this.#finish();
  }

  ended(delivery: Ended, { first, index, count }: Run<Ticket>): void {
    const { partition, baseOffset, failure } = delivery;
    for (let i = 0; i < count; i++) {
      this.#partitions[index + i] = partition;
      if (failure === undefined) this.#offsets[index + i] = baseOffset < 0 ? -1 : baseOffset + first + i;
      else this.#failures.set(index + i, failure.records.get(first + i) ?? failure.error);
    }
    this.#finish(count);
  }

  /** Ends the record at `index`, which no batch took. */
  fail(index: number, error: KafkaError): void {
    this.#failures.set(index, error);
    this.#finish(1);
  }

  #finish(count = 0): void {
    this.#left -= count;
    if (this.#left > 0) return;
    this.#resolve({ partitions: this.#partitions, offsets: this.#offsets, failures: this.#failures });
  }
}
