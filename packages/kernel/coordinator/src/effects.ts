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
  /** Append all records as one batch, of a producer's transaction if it names one; then say `appended(token, …)`. */
  | {
      readonly type: "append";
      readonly token: number;
      readonly records: readonly ShardRecord[];
      readonly producer?: { readonly id: bigint; readonly epoch: number };
      /** The proof that the transaction was verified; absent when transactions are not verified here. */
      readonly guard?: number;
    };

/** What makes an append part of a transaction. */
export type TxnAppend = Pick<Extract<Effect, { type: "append" }>, "producer" | "guard">;
