import type { Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { Client } from "./client.ts";
import type { SimDisk } from "../world/disk.ts";
import type { GroupLedger } from "../ledgers/group-ledger.ts";
import type { Holdings } from "../ledgers/holdings.ts";
import type { LogLedger } from "../ledgers/log-ledger.ts";
import type { Prng } from "../world/prng.ts";
import type { TopicEntry, TopicLedger } from "../ledgers/topic-ledger.ts";
import type { TxnLedger } from "../ledgers/txn-ledger.ts";

/** State shared by the actors of a scenario: ledgers of the broker's promises, and counts of faults so far. */
export interface Stage {
  readonly logs: LogLedger;
  readonly topics: TopicLedger;
  readonly groups: GroupLedger;
  readonly txns: TxnLedger;
  readonly holdings: Holdings;
  /** The broker's disk. Checks read from it what a power cut would leave. */
  readonly device: SimDisk;
  /** True while the broker runs on a healthy disk and its previous life was not killed: its files were then flushed. */
  readonly isFlushed: () => boolean;
  /** The log directories. */
  readonly dirs: readonly string[];
  /** Number of power cuts. Only a power cut may make a position or a sequence unknown. */
  powerCuts: number;
  /** Number of power cuts in a life after a kill: that life may have served records that were never flushed. */
  losses: number;
  /** Number of wall clock changes and pauses of hours: timers may have fired early. */
  clocks: number;
  /** Number of pauses of hours: state that is kept for a day may have expired. */
  leaps: number;
  /** Producer state expires as soon as a producer pauses, so that duplicates may not be detected. */
  readonly forgetful: boolean;
  /** Number of the broker's current life; also incremented when a life ends. */
  life: number;
  note(line: string): void;
}

/** Client that performs one step after another for as long as the scenario lasts. */
export interface Actor {
  readonly client: Client;
  step(): Promise<void>;
}

/** Existing topic and one of its partitions. */
export interface TopicPlace {
  readonly topic: TopicEntry;
  readonly topicId: Uuid;
  readonly partition: number;
}

export const { code: STORAGE } = Errors.KAFKA_STORAGE_ERROR;
export const { code: OUT_OF_RANGE } = Errors.OFFSET_OUT_OF_RANGE;
const GONE = [Errors.UNKNOWN_TOPIC_OR_PARTITION, Errors.UNKNOWN_TOPIC_ID, Errors.INCONSISTENT_TOPIC_ID];
/** Expected errors: the disk may be failing, or the topic may be in deletion. */
export const EXCUSED: ReadonlySet<number> = new Set([STORAGE, ...GONE.map(({ code }) => code)]);
/** Expected errors in a cluster: the leader or coordinator may have moved, or lack replicas in sync. */
export const MOVING: ReadonlySet<number> = new Set([
  ...EXCUSED,
  ...[
    Errors.NOT_LEADER_OR_FOLLOWER,
    Errors.LEADER_NOT_AVAILABLE,
    Errors.REQUEST_TIMED_OUT,
    Errors.NOT_ENOUGH_REPLICAS,
    Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    Errors.OFFSET_NOT_AVAILABLE,
    Errors.FENCED_LEADER_EPOCH,
    Errors.UNKNOWN_LEADER_EPOCH,
    Errors.REPLICA_NOT_AVAILABLE,
  ].map(({ code }) => code),
]);
/** Config resource type of a topic. */
export const TOPIC = 2;

/** Draws an element; undefined if there is none. */
export function pick<T>(rng: Prng, from: readonly T[]): T | undefined {
  return from.length === 0 ? undefined : rng.oneOf(from);
}

/** Draws a partition of a usable topic; undefined without any. */
export function somewhere(rng: Prng, { topics }: Stage): TopicPlace | undefined {
  const topic = pick(rng, topics.usable());
  if (topic === undefined) return undefined;
  return { topic, topicId: topic.id, partition: rng.int(0, topic.partitions - 1) };
}
