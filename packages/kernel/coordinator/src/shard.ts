import type { Effect } from "./effects.ts";

/** Record of a shard's partition, read from the log or just appended. */
export interface LoggedRecord {
  readonly key: Uint8Array;
  /** null: a tombstone. */
  readonly value: Uint8Array | null;
  /** Producer whose transaction the record is part of: it takes effect once that is committed. */
  readonly producer?: Producer;
}

/** Id and epoch of a producer. */
export interface Producer {
  readonly id: bigint;
  readonly epoch: number;
}

/** End of a producer's transaction in the partition: a COMMIT or ABORT marker. */
export interface TxnEnd {
  readonly producer: Producer;
  readonly committed: boolean;
}

/**
 * State machine of a coordinator over one partition of an internal topic (`CoordinatorShard`). Its input is requests,
 * time and outcomes; its output is records and replies, as effects. Durable state is the result of `replay` only.
 */
export interface Shard<E = Effect> {
  /** Lead of the wall clock over the monotonic time that calls are given, in milliseconds. */
  wallAhead: number;
  /** Applies a record, at load and after each of the shard's own appends; `offset` is its offset in the log. */
  replay(now: number, record: LoggedRecord, offset: number): void;
  /** Applies the end of a transaction, at load and when its marker has been appended. */
  ended(now: number, end: TxnEnd): void;
  /** Ends the load of the log: requests follow. */
  loaded(now: number, out: E[]): void;
  /** Takes the outcome of an append effect: 0, or the error code for its requests. */
  appended(now: number, token: number, errorCode: number, out: E[]): void;
  /** Monotonic time of the next `tick`; Infinity: none. */
  nextDeadline(): number;
  tick(now: number, out: E[]): void;
  /** Answers all waiting requests with the error: this broker no longer leads the partition. */
  unload(now: number, errorCode: number, out: E[]): void;
}
