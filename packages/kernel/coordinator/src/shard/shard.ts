import type { Offset, ProducerEpoch, ProducerId } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { Effect } from "./effects.ts";
import type { Timeline } from "./timeline.ts";

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
  readonly id: ProducerId;
  readonly epoch: ProducerEpoch;
}

/** End of a producer's transaction in the partition: a COMMIT or ABORT marker. */
export interface TxnEnd {
  readonly producer: Producer;
  readonly committed: boolean;
}

export const REQUEST_TIMED_OUT: number = Errors.REQUEST_TIMED_OUT.code;

/** Error code for the clients of an append with this outcome (`CoordinatorOperationExceptionHelper`). */
export function clientCode(errorCode: number): number {
  return errorCode === REQUEST_TIMED_OUT ? Errors.COORDINATOR_NOT_AVAILABLE.code : errorCode;
}

/**
 * State machine of a coordinator over one partition of an internal topic (`CoordinatorShard`). Its input is requests,
 * time and outcomes; its output is records and replies, as effects. Durable state is the result of `replay` only.
 */
export interface Shard<E = Effect> {
  /** Lead of the wall clock over the monotonic time that calls are given, in milliseconds. */
  wallAhead: number;
  /**
   * Versions of the state that records change. Undefined: the state changes when records are committed, in `appended`,
   * and `replay` and `ended` are called at load only.
   */
  readonly timeline: Timeline | undefined;
  /** Applies a record, at load and before each of the shard's own appends; `offset` is its offset in the log. */
  replay(now: number, record: LoggedRecord, offset: Offset): void;
  /** Applies the end of a transaction, at load and before its marker is appended. */
  ended(now: number, end: TxnEnd): void;
  /** Ends the load of the log: requests follow. */
  loaded(now: number, out: E[]): void;
  /**
   * Takes the outcome of an append effect: 0 once its records are committed, or an error code. After
   * REQUEST_TIMED_OUT they are in the log, and may still be committed; after another error they are not.
   */
  appended(now: number, token: number, errorCode: number, out: E[]): void;
  /** Monotonic time of the next `tick`; Infinity: none. */
  nextDeadline(): number;
  tick(now: number, out: E[]): void;
  /** Answers all waiting requests with the error: this broker no longer leads the partition. */
  unload(now: number, errorCode: number, out: E[]): void;
}
