/** Names a request that waits for its reply; the caller hands out the numbers. */
export type Ticket = number;

/** A record for the log of the shard's partition. */
export interface ShardRecord {
  readonly key: Uint8Array;
  /** null: a tombstone. */
  readonly value: Uint8Array | null;
}

export type Effect =
  /** Answer the request. */
  | { readonly type: "reply"; readonly ticket: Ticket; readonly response: object }
  /** Append the records, as part of a producer's transaction if it names one; then say `appended(token, …)`. */
  | {
      readonly type: "append";
      readonly token: number;
      readonly records: readonly ShardRecord[];
      /** The records may be written in several batches, each of which stands for itself; else in one, or not at all. */
      readonly divisible?: boolean;
      readonly producer?: { readonly id: bigint; readonly epoch: number };
      /** The proof that the transaction was verified; absent when transactions are not verified here. */
      readonly guard?: number;
    };

/** Log a failure that no client is told of. */
export interface Warning {
  readonly type: "warn";
  readonly message: string;
  readonly errorCode: number;
}

/** Effects of the groups of a shard. */
export type GroupEffect = Effect | Warning;

/** Fields that make an append part of a transaction. */
export type TxnAppend = Pick<Extract<Effect, { type: "append" }>, "producer" | "guard">;
