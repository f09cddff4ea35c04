import type { ConsumedRecord } from "@samsa/client-runtime";
import type { RecordHeader } from "@samsa/records";
import { serdeError } from "./serde/failure.ts";
import type { Serde, Serdes } from "./serde/serde.ts";

/** A record that was read. Keys and values are decoded when they are asked for. */
export class TypedRecord<K, V> {
  readonly #record: ConsumedRecord;
  readonly #serdes: Serdes<K, V>;

  constructor(record: ConsumedRecord, serdes: Serdes<K, V>) {
    this.#record = record;
    this.#serdes = serdes;
  }

  get topic(): string {
    return this.#record.topic;
  }

  get partition(): number {
    return this.#record.partition;
  }

  get offset(): number {
    return this.#record.offset;
  }

  /** Milliseconds since the epoch; −1: none. */
  get timestamp(): number {
    return Number(this.#record.timestamp);
  }

  /** Throws `KafkaError` SERIALIZATION_FAILED if the serde cannot read it. */
  get key(): K | null {
    return this.#decoded(this.#record.key, this.#serdes.key, "key");
  }

  /** Null: a tombstone. Throws `KafkaError` SERIALIZATION_FAILED if the serde cannot read it. */
  get value(): V | null {
    return this.#decoded(this.#record.value, this.#serdes.value, "value");
  }

  get headers(): readonly RecordHeader[] {
    return this.#record.headers;
  }

  /** Value of the last header of a name as a text; undefined: there is none. */
  header(name: string): string | undefined {
    const found = this.headers.findLast(({ key }) => key === name)?.value;
    return found === undefined || found === null ? undefined : Buffer.from(found).toString();
  }

  #decoded<T>(bytes: Uint8Array | null, serde: Serde<T> | undefined, part: "key" | "value"): T | null {
    if (bytes === null) return null;
    // Without a serde the type is that of the bytes, as `KafkaClient.consumer` declares it.
    if (serde === undefined) return bytes as T;
    const context = { topic: this.topic, part, headers: [...this.headers] };
    try {
      return serde.deserialize(bytes, context);
    } catch (error) {
      throw serdeError(error, context, "read", ` at ${this.partition}/${this.offset}`);
    }
  }
}
