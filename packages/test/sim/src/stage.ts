import type { Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { Client } from "./client.ts";
import type { SimDisk } from "./disk.ts";
import type { GroupLedger } from "./group-ledger.ts";
import type { Holdings } from "./holdings.ts";
import type { LogLedger } from "./log-ledger.ts";
import type { Prng } from "./prng.ts";
import type { TopicEntry, TopicLedger } from "./topic-ledger.ts";
import type { TxnLedger } from "./txn-ledger.ts";

/** What the parties of a scenario share: what was promised, and whether the power has gone yet. */
export interface Stage {
  readonly logs: LogLedger;
  readonly topics: TopicLedger;
  readonly groups: GroupLedger;
  readonly txns: TxnLedger;
  readonly holdings: Holdings;
  /** The broker's, for what only a power cut would show. */
  readonly device: SimDisk;
  /** The broker runs, and all that it shows is on the device: no life before it was killed. */
  readonly isFlushed: () => boolean;
  /** The log directories. */
  readonly dirs: readonly string[];
  /** Power cuts so far: only they may make a position or a sequence unknown. */
  powerCuts: number;
  /** Power cuts that may have taken what nobody had flushed and what a life after a kill has shown all the same. */
  losses: number;
  /** Number of times that a clock was set or stood still for hours: timers may have fired early. */
  clocks: number;
  /** Number of times that everything stood still for hours: state that is kept for a day is gone. */
  leaps: number;
  /** Logs forget who has written to them as soon as nothing is written: repeated batches are not known. */
  readonly forgetful: boolean;
  /** Counts the broker's lives. */
  life: number;
  note(line: string): void;
}

/** Somebody who does one thing at a time, for as long as the scenario lasts. */
export interface Actor {
  readonly client: Client;
  step(): Promise<void>;
}

/** A topic that is there, and one of its partitions. */
export interface TopicPlace {
  readonly topic: TopicEntry;
  readonly topicId: Uuid;
  readonly partition: number;
}

export const { code: STORAGE } = Errors.KAFKA_STORAGE_ERROR;
export const { code: OUT_OF_RANGE } = Errors.OFFSET_OUT_OF_RANGE;
const GONE = [Errors.UNKNOWN_TOPIC_OR_PARTITION, Errors.UNKNOWN_TOPIC_ID, Errors.INCONSISTENT_TOPIC_ID];
/** A failing disk or a topic that is being deleted: part of the play. */
export const EXCUSED: ReadonlySet<number> = new Set([STORAGE, ...GONE.map(({ code }) => code)]);
/** The type of a topic among resources. */
export const TOPIC = 2;

export function pick<T>(rng: Prng, from: readonly T[]): T | undefined {
  return from.length === 0 ? undefined : from[rng.int(0, from.length - 1)];
}

/** Some partition of some topic. */
export function somewhere(rng: Prng, { topics }: Stage): TopicPlace | undefined {
  const topic = pick(rng, topics.usable());
  if (topic === undefined) return undefined;
  return { topic, topicId: topic.id, partition: rng.int(0, topic.partitions - 1) };
}
