/** A record to send. */
export interface OutgoingTypedRecord<K, V> {
  readonly topic: string;
  readonly key?: K | null;
  /** Null: a tombstone, which deletes the key in a compacted topic. */
  readonly value: V | null;
  readonly headers?: Readonly<Record<string, string | Uint8Array | null>>;
  /** The partition of the key, or one that the producer chooses, by default. */
  readonly partition?: number;
  /** Milliseconds since the epoch; now by default. */
  readonly timestamp?: number;
}
