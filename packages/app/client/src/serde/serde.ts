import type { RecordHeader } from "@samsa/records";

/** Circumstances of a key or a value. */
export interface SerdeContext {
  readonly topic: string;
  /** Part of the record that is written or read. */
  readonly part: "key" | "value";
  /** Headers of the record; those of a record that is written may be added to. */
  readonly headers: RecordHeader[];
}

/**
 * Writes and reads keys or values. Null, which is a tombstone as a value, never reaches a serde unless it is nullable by
 * its type. A text is written as UTF-8.
 */
export interface Serde<T> {
  serialize(value: T, context: SerdeContext): Uint8Array | string | null;
  deserialize(bytes: Uint8Array, context: SerdeContext): T;
}

/** Serdes of keys and values. */
export interface Serdes<K, V> {
  readonly key?: Serde<K> | undefined;
  readonly value?: Serde<V> | undefined;
}
