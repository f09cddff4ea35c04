import { KafkaError } from "@samsa/client-kernel";
import type { Producer as Runtime } from "@samsa/client-runtime";
import type { Cluster } from "../cluster/cluster.ts";
import type { CommittedOffsets } from "../cluster/committed.ts";
import { KafkaJSNonRetriableError } from "../error/errors.ts";
import { checkPartition, checkTopic, offsetOf, type Place } from "../values/offset.ts";
import type { Offsets, ProducerBatch, ProducerRecord, RecordMetadata, Transaction } from "./types.ts";

/** Parts of a transaction. */
export interface TransactionParts {
  readonly cluster: Cluster;
  readonly committed: CommittedOffsets;
  readonly send: (batch: ProducerBatch, producer: Runtime) => Promise<RecordMetadata[]>;
}

/** A transaction from its beginning to its commit or abort. */
export class OngoingTransaction implements Transaction {
  readonly #parts: TransactionParts;
  #producer: Runtime | undefined;
  #hasEnded = false;
  #isEnding = false;
  /** Offsets that its commit makes those of a group. */
  readonly #offsets: (readonly [groupId: string, offset: Place])[] = [];

  constructor(parts: TransactionParts) {
    this.#parts = parts;
  }

  /** Begins with a producer that has its id. */
  begin(producer: Runtime): void {
    producer.beginTransaction();
    this.#producer = producer;
  }

  /** Ends it without a word to the cluster. */
  end(): void {
    this.#hasEnded = true;
  }

  readonly isActive = (): boolean => !this.#hasEnded;

  readonly send = async ({ topic, messages, ...options }: ProducerRecord): Promise<RecordMetadata[]> =>
    this.sendBatch({ ...options, topicMessages: [{ topic, messages }] });

  readonly sendBatch = async (batch: ProducerBatch): Promise<RecordMetadata[]> =>
    this.#parts.send(batch, this.#active());

  readonly sendOffsets = async ({
    consumerGroupId,
    topics,
  }: Offsets & { readonly consumerGroupId: string }): Promise<void> => {
    const producer = this.#active();
    if (!consumerGroupId) throw new KafkaJSNonRetriableError("Missing consumerGroupId");
    if (!Array.isArray(topics)) throw new KafkaJSNonRetriableError("Missing offset topics");
    const offsets = topics.flatMap(({ topic, partitions }: Offsets["topics"][number]) => {
      checkTopic(topic);
      return partitions.map(({ partition, offset }) => {
        checkPartition(partition);
        return { topic, partition, offset: offsetOf(offset), leaderEpoch: -1, metadata: null };
      });
    });
    const group = { groupId: consumerGroupId, generationId: -1, memberId: "", groupInstanceId: null };
    await this.#calling(() => producer.sendOffsets(offsets, group));
    for (const offset of offsets) this.#offsets.push([consumerGroupId, offset]);
  };

  readonly commit = async (): Promise<void> => {
    const producer = this.#active();
    await this.#ending(() => producer.commitTransaction());
    for (const offset of this.#offsets) this.#parts.committed.tell(...offset);
  };

  readonly abort = async (): Promise<void> => {
    const producer = this.#active();
    await this.#ending(() => producer.abortTransaction());
  };

  #active(): Runtime {
    if (this.#hasEnded || this.#isEnding || this.#producer === undefined) {
      throw new KafkaJSNonRetriableError("Cannot continue to use transaction once ended");
    }
    return this.#producer;
  }

  /** Ends the transaction, unless it can still be committed or aborted after a failure. */
  async #ending(call: () => Promise<void>): Promise<void> {
    this.#isEnding = true;
    try {
      await call();
      this.#hasEnded = true;
    } catch (error) {
      if (error instanceof KafkaError && error.fatal) this.#hasEnded = true;
      throw this.#parts.cluster.finalError(error);
    } finally {
      this.#isEnding = false;
    }
  }

  async #calling(call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error) {
      throw this.#parts.cluster.finalError(error);
    }
  }
}
