import type { PartitionIndex } from "@samsa/base";
import { partitionKey } from "../cluster/cluster-view.ts";
import type { KafkaError } from "../error/kafka-error.ts";

/** Results of acknowledgements by `partitionKey`; undefined: all of the partition's were taken. */
export type AcknowledgeResults = ReadonlyMap<string, KafkaError | undefined>;

/** Wait for the ends of all acknowledgements that were under way when it began (`commitSync`). */
export class ShareCommit {
  readonly token: number;
  readonly #results: Map<string, KafkaError | undefined>;
  #waiting = 0;

  /** Begins with `failures`, which no commit has told yet. */
  constructor(token: number, failures: ReadonlyMap<string, KafkaError>) {
    this.token = token;
    this.#results = new Map(failures);
  }

  /** Waits for one more end. */
  await(): void {
    this.#waiting++;
  }

  /** Takes the end of acknowledgements of one partition. True if it was the last. */
  settle(topic: string, partition: PartitionIndex, error: KafkaError | undefined): boolean {
    const key = partitionKey(topic, partition);
    if (error !== undefined || !this.#results.has(key)) this.#results.set(key, error);
    return --this.#waiting === 0;
  }

  get isOver(): boolean {
    return this.#waiting === 0;
  }

  get results(): AcknowledgeResults {
    return this.#results;
  }
}
