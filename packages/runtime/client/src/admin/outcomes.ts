import type { PartitionIndex } from "@samsa/base";
import { KafkaError, partitionKey } from "@samsa/client-kernel";

/** Result about one item of a call: its value, or the error. */
export type Outcome<T> = T | KafkaError;

/** Results about several items, each of which may have failed alone. */
export class Outcomes<K, T> implements Iterable<[K, Outcome<T>]> {
  readonly #outcomes: ReadonlyMap<K, Outcome<T>>;

  constructor(outcomes: ReadonlyMap<K, Outcome<T>>) {
    this.#outcomes = outcomes;
  }

  get size(): number {
    return this.#outcomes.size;
  }

  /** Undefined if the call was not about the item. */
  get(key: K): Outcome<T> | undefined {
    return this.#outcomes.get(key);
  }

  /** Value of an item. Throws its error. */
  value(key: K): T {
    const outcome = this.#outcomes.get(key);
    if (outcome === undefined) throw new KafkaError("INVALID_ARGUMENT", `the call was not about ${String(key)}`);
    if (outcome instanceof KafkaError) throw outcome;
    return outcome;
  }

  /** All values. Throws the first error, if there is one. */
  orThrow(): Map<K, T> {
    const values = new Map<K, T>();
    for (const [key, outcome] of this.#outcomes) {
      if (outcome instanceof KafkaError) throw outcome;
      values.set(key, outcome);
    }
    return values;
  }

  /** Errors of the items that failed. */
  get errors(): Map<K, KafkaError> {
    const errors = new Map<K, KafkaError>();
    for (const [key, outcome] of this.#outcomes) if (outcome instanceof KafkaError) errors.set(key, outcome);
    return errors;
  }

  [Symbol.iterator](): Iterator<[K, Outcome<T>]> {
    return this.#outcomes[Symbol.iterator]();
  }
}

/** Results about partitions, by `partitionKey`. */
export class PartitionOutcomes<T> extends Outcomes<string, T> {
  of(topic: string, partition: PartitionIndex): Outcome<T> | undefined {
    return this.get(partitionKey(topic, partition));
  }
}
