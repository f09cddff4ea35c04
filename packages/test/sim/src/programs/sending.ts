import { KafkaError } from "@samsa/client-kernel";
import type { Producer, ProducerOptions, ProducerRecord } from "@samsa/client-runtime";
import { defaultCompression } from "@samsa/records";
import { violationOf } from "../ledgers/rules.ts";
import type { Prng } from "../world/prng.ts";
import type { Journal, Sender, Sent, Transaction } from "./journal.ts";
import type { Life } from "./life.ts";
import type { ProgramStage } from "./program.ts";

/** Topic with a number of partitions. */
export interface Subject {
  readonly name: string;
  readonly partitions: number;
}

/** Errors of records that have never left the client. */
const REFUSED: ReadonlySet<string> = new Set(["BUFFER_EXHAUSTED", "RECORD_TOO_LARGE"]);
/** Codecs that the simulation has in JavaScript. */
const CODECS = [0, 0, 0, 1, 2, 3] as const;
/** Keys, few enough that each is used often. */
const KEYS = ["a", "b", "c", "d", "e"];

/** Draws settings of a producer. Small batches and little memory make more happen. */
export function producerOptions(rng: Prng): ProducerOptions {
  const bufferBytes = rng.oneOf([2048, 65_536, 1 << 20]);
  return {
    lingerMs: rng.oneOf([0, 5, 40]),
    adaptiveLinger: rng.chance(0.7),
    batchBytes: Math.min(bufferBytes, rng.oneOf([200, 1000, 16_384])),
    bufferBytes,
    maxInFlight: rng.oneOf([1, 2, 5, 5]),
    retryBackoffMs: rng.oneOf([10, 50]),
    retryBackoffMaxMs: 200,
    ackTimeoutMs: 300,
    deliveryTimeoutMs: rng.oneOf([3000, 10_000]),
    maxBlockMs: rng.oneOf([500, 3000]),
    compression: defaultCompression(rng.oneOf(CODECS)),
    adaptivePartitioning: rng.chance(0.5),
    availabilityTimeoutMs: rng.oneOf([0, 200]),
  };
}

/** Longest time for which a record may have no end, with these settings. */
export function patienceOf({ deliveryTimeoutMs = 0, maxBlockMs = 0 }: ProducerOptions): number {
  return deliveryTimeoutMs + maxBlockMs;
}

/** Parts of a `Sending`. */
export interface SendingParts {
  readonly stage: ProgramStage;
  readonly rng: Prng;
  readonly life: Life;
  readonly producer: Producer;
  readonly options: ProducerOptions;
}

/** Records on their way through one producer, of which the journal has the ends. */
export class Sending {
  readonly by: Sender;
  readonly #parts: SendingParts;
  readonly #journal: Journal;
  readonly #patienceMs: number;
  #labels = 0;
  /** Called with each record that is acknowledged. */
  acknowledged: (sent: Sent) => void = () => undefined;

  constructor(name: string, parts: SendingParts) {
    this.by = { name, isIdempotent: parts.options.idempotent !== false, count: 0 };
    this.#parts = parts;
    this.#journal = parts.stage.journal;
    this.#patienceMs = patienceOf(parts.options);
  }

  /** Sends `count` records in one of the ways that a producer has. Resolves when all have ended. */
  async some(subject: Subject, count: number, transaction?: Transaction): Promise<void> {
    const { rng } = this.#parts;
    const records = Array.from({ length: count }, () => this.#record(subject, transaction));
    const way = rng.next();
    if (way < 0.5) await Promise.all(records.map(([record, sent]) => this.#send(record, sent)));
    else if (way < 0.8) await this.#sendBatch(records);
    else await Promise.all(records.map(([record, sent]) => this.#offer(record, sent)));
  }

  /** Sends one record to a partition. */
  one(place: { readonly topic: string; readonly partition: number }, value: string, transaction?: Transaction) {
    const sent = this.#journal.send(this.by, place, value, transaction);
    return this.#send({ ...place, value }, sent);
  }

  #record({ name: topic, partitions }: Subject, transaction?: Transaction): [ProducerRecord, Sent] {
    const { rng } = this.#parts;
    const label = `${this.by.name}/${++this.#labels}`;
    const value = label.padEnd(rng.chance(0.15) ? rng.int(100, 900) : 16, "~");
    const how = rng.next();
    if (how < 0.5) {
      const partition = rng.int(0, partitions - 1);
      return [{ topic, partition, value }, this.#journal.send(this.by, { topic, partition }, value, transaction)];
    }
    const key = how < 0.8 ? rng.oneOf(KEYS) : null;
    return [{ topic, key, value }, this.#journal.send(this.by, { topic, key }, value, transaction)];
  }

  async #send(record: ProducerRecord, sent: Sent): Promise<void> {
    const { life, producer } = this.#parts;
    try {
      const { partition, offset } = await life.call("a send", this.#patienceMs, producer.send(record));
      this.#ended(sent, partition, offset);
    } catch (error) {
      this.#failed(sent, error);
    }
  }

  async #sendBatch(records: readonly [ProducerRecord, Sent][]): Promise<void> {
    const { life, producer } = this.#parts;
    const work = producer.sendBatch(records.map(([record]) => record));
    const { partitions, offsets, failures } = await life.call("a batch of sends", this.#patienceMs, work);
    for (const [index, [, sent]] of records.entries()) {
      const failure = failures.get(index);
      if (failure !== undefined) this.#failed(sent, failure);
      else this.#ended(sent, partitions[index] ?? -1, offsets[index] ?? -1);
    }
  }

  async #offer(record: ProducerRecord, sent: Sent): Promise<void> {
    const { life, producer, stage } = this.#parts;
    let settle: () => void = () => undefined;
    const end = new Promise<void>(resolve => (settle = resolve));
    const told = (error: KafkaError | undefined, place: { partition: number; offset: number } | undefined): void => {
      try {
        if (place !== undefined) this.#ended(sent, place.partition, place.offset);
        else this.#failed(sent, error);
      } catch (violation) {
        // Code that the client calls must not throw.
        stage.failed(violationOf(violation));
      }
      settle();
    };
    try {
      for (let attempts = 0; !producer.offer(record, told); attempts++) {
        if (attempts === 20) return this.#journal.failed(sent, "withdrawn");
        await life.call("room for a record", this.#patienceMs, Promise.race([producer.drained(), life.pause(500)]));
      }
      this.#journal.taken(sent);
    } catch (error) {
      // The transaction may have ended while there was no room.
      const isLate = error instanceof KafkaError && error.name === "ILLEGAL_STATE";
      return isLate ? this.#journal.failed(sent, "withdrawn") : this.#failed(sent, error);
    }
    await life.call("an offered record", this.#patienceMs, end);
  }

  #ended(sent: Sent, partition: number, offset: number): void {
    this.#journal.acknowledged(sent, partition, offset);
    this.acknowledged(sent);
  }

  #failed(sent: Sent, error: unknown): void {
    if (!(error instanceof KafkaError)) throw error;
    this.#parts.stage.world.trace(`${sent.value.slice(0, 20)} failed: ${error.name} ${error.message}`);
    this.#journal.failed(sent, REFUSED.has(error.name) ? "refused" : "failed");
  }
}
