import { fromUtf8, guard } from "@samsa/base";
import { partitionKey, type TopicPartition } from "@samsa/client-kernel";
import type { ConsumedRecord, ConsumerOptions, Moved, RebalanceListener } from "@samsa/client-runtime";
import { Violation, violationOf } from "../ledgers/rules.ts";
import type { Prng } from "../world/prng.ts";
import type { Period, PeriodFacts, Read } from "./journal.ts";
import type { ProgramStage } from "./program.ts";

/** Draws settings of a consumer. Small answers and short waits make more happen. */
export function consumerOptions(rng: Prng, isCommittedOnly: boolean): ConsumerOptions {
  return {
    reset: "earliest",
    isolation: isCommittedOnly ? "read_committed" : "read_uncommitted",
    maxPollRecords: rng.oneOf([1, 3, 20, 500]),
    maxWaitMs: rng.oneOf([50, 200, 500]),
    maxBytes: rng.oneOf([500, 4000, 1 << 20]),
    maxPartitionBytes: rng.oneOf([300, 2000, 1 << 20]),
    queueBytes: rng.oneOf([1, 1000, 1 << 20]),
    totalQueueBytes: rng.oneOf([1000, 1 << 20]),
  };
}

/** Text of a record's value. */
export function textOf({ value }: ConsumedRecord): string {
  return fromUtf8(value ?? new Uint8Array(0));
}

/** Partitions that one consumer reads, as its program was told, and what it gets of them. */
export class Reading {
  readonly #stage: ProgramStage;
  readonly #facts: PeriodFacts;
  readonly #open = new Map<string, Period>();

  constructor(stage: ProgramStage, facts: PeriodFacts) {
    this.#stage = stage;
    this.#facts = facts;
  }

  /** Listener of a member of a group. */
  get listener(): RebalanceListener {
    return {
      assigned: partitions => {
        // The consumer catches what its listener throws.
        guard(
          () => partitions.forEach(place => this.begin(place)),
          error => this.#stage.failed(violationOf(error)),
        );
      },
      revoked: partitions => this.end(partitions),
      lost: partitions => this.end(partitions),
    };
  }

  /** Takes note that a consumer does not go on at its position: the topics here lose nothing. */
  readonly moved = ({ topic, partition, from, to, loss }: Moved): void => {
    const where = `${topic}-${partition}: ${loss} from ${from} to ${to}`;
    this.#stage.failed(new Violation("a position was lost", `${this.#facts.reader} ${where}`));
  };

  /** Begins to read a partition, at `from` if that is known. */
  begin(place: TopicPartition, from?: number): Period {
    const key = partitionKey(place.topic, place.partition);
    const known = this.#open.get(key);
    if (known !== undefined && from === undefined) {
      throw new Violation("a partition has two owners", `${this.#facts.reader} is assigned ${key} twice`);
    }
    if (known !== undefined) this.#stage.journal.ended(known);
    this.#stage.world.trace(`${this.#facts.reader} begins ${key}${from === undefined ? "" : ` at ${from}`}`);
    const period = this.#stage.journal.assigned({ ...this.#facts, from }, place);
    this.#open.set(key, period);
    return period;
  }

  end(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const period = this.#open.get(partitionKey(topic, partition));
      if (period === undefined) continue;
      this.#open.delete(partitionKey(topic, partition));
      this.#stage.world.trace(`${this.#facts.reader} ends ${topic}/${partition} after ${period.reads.at(-1)?.offset}`);
      this.#stage.journal.ended(period);
    }
  }

  /** The process has crashed, or the consumer is closed. */
  endAll(): void {
    for (const period of this.#open.values()) this.#stage.journal.ended(period);
    this.#open.clear();
  }

  of({ topic, partition }: TopicPartition): Period | undefined {
    return this.#open.get(partitionKey(topic, partition));
  }

  /** Takes note of a record that the program has got. */
  read(record: ConsumedRecord): Read {
    const period = this.of(record);
    if (period === undefined) {
      const where = `${record.topic}-${record.partition} at ${record.offset}`;
      throw new Violation("a record of a lost partition was read", `${this.#facts.reader} gets ${where}`);
    }
    return this.#stage.journal.read(period, record.offset, textOf(record));
  }

  done(read: Read): void {
    this.#stage.journal.done(read);
  }
}
