import type { Effect } from "./effects.ts";

/** A record of a shard's partition, as it is read or has been appended. */
export interface LoggedRecord {
  readonly key: Uint8Array;
  /** null: a tombstone. */
  readonly value: Uint8Array | null;
  /** Producer whose transaction the record is part of: the record counts once that is committed. */
  readonly producer?: Producer;
}

export interface Producer {
  readonly id: bigint;
  readonly epoch: number;
}

/** The end of a producer's transaction in the partition. */
export interface TxnEnd {
  readonly producer: Producer;
  readonly committed: boolean;
}

/**
 * A state machine over one partition of an internal topic: what a coordinator knows. Requests, time and outcomes come in,
 * records and replies go out as effects; what is remembered for ever is what `replay` makes of the records.
 */
export interface Shard<E = Effect> {
  /** Lead of the wall clock over the monotonic time that calls are given, in milliseconds. */
  wallAhead: number;
  /** Takes in one record, at load and after every append of its own; `offset` is its place in the partition's log. */
  replay(now: number, record: LoggedRecord, offset: number): void;
  /** Takes in the end of a transaction, at load and when its marker has been appended. */
  ended(now: number, end: TxnEnd): void;
  /** The log has been read to its end: requests come from now on. */
  loaded(now: number, out: E[]): void;
  /** The outcome of an append effect: 0, or the error code its requests are answered with. */
  appended(now: number, token: number, errorCode: number, out: E[]): void;
  /** When `tick` wants to be called next; Infinity: not at all. */
  nextDeadline(): number;
  tick(now: number, out: E[]): void;
  /** The partition is lost to this broker: everyone who waits is told so. */
  unload(now: number, errorCode: number, out: E[]): void;
}
