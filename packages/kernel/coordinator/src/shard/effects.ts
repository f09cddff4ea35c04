import type { ProducerEpoch, ProducerId } from "@samsa/base";
import type { Initialization } from "./initialization.ts";

/** Number of a request that waits for its reply; the caller assigns it. */
export type Ticket = number;

/** A record for the log of the shard's partition. */
export interface ShardRecord {
  readonly key: Uint8Array;
  /** null: a tombstone. */
  readonly value: Uint8Array | null;
}

/** Effects of any shard, for its host to carry out. */
export type Effect =
  /** Answer the request. */
  | { readonly type: "reply"; readonly ticket: Ticket; readonly response: object }
  /**
   * Append the records, as part of `producer`'s transaction if set, then call `appended(token, …)`. Divisible ones are
   * appended up to the first batch that fails.
   */
  | {
      readonly type: "append";
      readonly token: number;
      readonly records: readonly ShardRecord[];
      /** True: the records may be written in several independent batches; else in one batch, or not at all. */
      readonly divisible?: boolean;
      /** Time within which the records must be committed, in ms; absent: the write timeout of the coordinator. */
      readonly timeoutMs?: number;
      readonly producer?: { readonly id: ProducerId; readonly epoch: ProducerEpoch };
      /** Verification guard of the transaction (KIP-890); absent if transactions are not verified here. */
      readonly guard?: number;
    };

/** Log a failure that no client gets as a response. */
export interface Warning {
  readonly type: "warn";
  readonly message: string;
  readonly errorCode: number;
}

/** Log what has happened to a group, and why. */
export interface Note {
  readonly type: "note";
  readonly message: string;
  readonly about: Readonly<Record<string, string | number>>;
}

/** Initialize share-partition states in the share coordinator, then call `ShareGroups.initialized`. */
export interface Initialize {
  readonly type: "initialize";
  readonly initialization: Initialization;
}

/** Effects of the groups of a shard. */
export type GroupEffect = Effect | Warning | Note | Initialize;

/** Fields that make an append part of a transaction. */
export type TxnAppend = Pick<Extract<Effect, { type: "append" }>, "producer" | "guard">;
