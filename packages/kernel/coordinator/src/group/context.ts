import type { GroupConfig } from "./config.ts";
import type { Note, ShardRecord, Ticket } from "../shard/effects.ts";
import type { Timeline } from "../shard/timeline.ts";
import type { TopicDirectory, TopicHashes } from "./topics.ts";

/**
 * Gets 0 once records are committed, or the error code for the client. `isLate`: they are in the log, but were not
 * committed in time; they may still be.
 */
export type AppendDone = (errorCode: number, isLate: boolean) => void;

/** Client that has sent a request. */
export interface Client {
  readonly id: string;
  /** Address with a leading slash, as Kafka writes it. */
  readonly host: string;
  /** True for a topic that the client may describe; undefined: it may describe all. Must not throw. */
  readonly sees?: (topic: string) => boolean;
}

/** Context that the parts of a shard share: the time of the current input, and the sink of effects. */
export interface ShardContext {
  /** Monotonic milliseconds; timers use it. */
  readonly now: number;
  /** Milliseconds since 1970; timestamps in records use it. */
  readonly wall: number;
  readonly config: GroupConfig;
  /** Versions of the state that records change. */
  readonly timeline: Timeline;
  /** False while the log is being loaded. */
  readonly isLive: boolean;
  /** Topics of the cluster. */
  readonly topics: TopicDirectory;
  readonly hashes: TopicHashes;
  /** Metadata version in which a topic was last created. */
  readonly newTopicsVersion: number;
  reply(ticket: Ticket, response: object): void;
  /** Appends the records as one batch, then calls `done` with the outcome. */
  append(records: readonly ShardRecord[], done: AppendDone): void;
  /**
   * Appends records that need not be atomic, in as many batches as they take. A failure is logged as
   * "Failed to write <what>."; the caller must repeat the work later.
   */
  maintain(what: string, records: readonly ShardRecord[]): void;
  /** Reports a failed append that changes nothing for any client. */
  warn(message: string, errorCode: number): void;
  /** Tells an operator what has happened to a group, and why. */
  note(message: string, about: Note["about"]): void;
  /**
   * Runs `run` once after `delayMs`, under a key of `timerKey`; replaces the key's timer. A delay of 0 or less counts
   * as one millisecond, so that time passes between two runs of a timer that schedules itself.
   */
  after(key: string, delayMs: number, run: () => void): void;
  cancel(key: string): void;
  isScheduled(key: string): boolean;
  /** Returns a unique member id that begins with `prefix`. */
  memberId(prefix: string): string;
  newId(): string;
}
