import { ignored } from "@samsa/base";
import {
  type ClusterClient,
  Producer as Runtime,
  type ProducerOptions,
  type ProducerRecord as Outgoing,
} from "@samsa/client-runtime";
import type { Cluster } from "../cluster/cluster.ts";
import type { CommittedOffsets } from "../cluster/committed.ts";
import { kafkaJSError } from "../error/convert.ts";
import { KafkaJSError, KafkaJSNonRetriableError } from "../error/errors.ts";
import type { Emitter } from "../events/emitter.ts";
import type { Logger } from "../log/logger.ts";
import { checkMessages, compressionOf, placesOf, recordOf, TopicPartitions } from "./messages.ts";
import type { PartitionerArgs } from "./partitioners.ts";
import { OngoingTransaction, type TransactionParts } from "./transaction.ts";
import {
  type Producer,
  type ProducerBatch,
  producerEvents,
  type ProducerRecord,
  type RecordMetadata,
  type Transaction,
} from "./types.ts";

/** Parts of a producer. */
export interface ProducerParts {
  readonly cluster: Cluster;
  readonly logger: Logger;
  readonly emitter: Emitter;
  readonly committed: CommittedOffsets;
  readonly partitioner: (args: PartitionerArgs) => number;
  readonly idempotent: boolean;
  readonly transactionalId: string | undefined;
  /** Settings of the producers below. */
  readonly options: ProducerOptions;
}

/** Most pairs of `acks` and `timeout` that calls of one producer have. */
const MOST_WAYS = 16;

type Status = "connected" | "disconnecting" | "disconnected";

/** Producer with KafkaJS's methods, over a producer of the client below for each pair of `acks` and `timeout`. */
export class KafkaJSProducer implements Producer {
  readonly events = producerEvents;
  readonly on: Producer["on"];
  readonly #parts: ProducerParts;
  readonly #ways = new Map<string, Runtime>();
  readonly #partitions = new TopicPartitions();
  #status: Status = "disconnected";
  #transactional: Promise<Runtime> | undefined;
  #ongoing: OngoingTransaction | undefined;

  constructor(parts: ProducerParts) {
    this.#parts = parts;
    this.on = (name, listener) => parts.emitter.on(name, listener);
  }

  readonly connect = async (): Promise<void> => {
    await this.#parts.cluster.connect();
    this.#status = "connected";
    this.#parts.emitter.emit(this.events.CONNECT, null);
  };

  readonly disconnect = async (): Promise<void> => {
    this.#status = "disconnecting";
    const transactional = await this.#transactional?.catch(
      ignored("the call that began the transaction has heard of it"),
    );
    const open = [...this.#ways.values(), ...(transactional === undefined ? [] : [transactional])];
    this.#ways.clear();
    this.#transactional = undefined;
    this.#ongoing = undefined;
    try {
      await Promise.all(open.map(producer => producer.close()));
    } finally {
      this.#parts.cluster.disconnect();
      this.#status = "disconnected";
    }
    this.#parts.emitter.emit(this.events.DISCONNECT, null);
  };

  readonly isIdempotent = (): boolean => this.#parts.idempotent;

  readonly logger = (): Logger => this.#parts.logger;

  readonly send = async ({ topic, messages, ...options }: ProducerRecord): Promise<RecordMetadata[]> =>
    this.sendBatch({ ...options, topicMessages: [{ topic, messages }] });

  readonly sendBatch = async (batch: ProducerBatch): Promise<RecordMetadata[]> => {
    const acks = this.#checked(batch, this.#parts.idempotent);
    return this.#send(batch, acks, client => this.#way(client, acks, batch.timeout));
  };

  readonly transaction = async (): Promise<Transaction> => {
    const { transactionalId } = this.#parts;
    if (transactionalId === undefined) {
      throw new KafkaJSNonRetriableError("Must provide transactional id for transactional producer");
    }
    this.#checkConnected();
    if (this.#ongoing?.isActive() === true) {
      throw new KafkaJSNonRetriableError(
        "There is already an ongoing transaction for this producer. Please end the transaction before beginning another.",
      );
    }
    const ongoing = new OngoingTransaction(this.#transactionParts());
    // Taken before the wait, so that no other transaction begins meanwhile.
    this.#ongoing = ongoing;
    try {
      ongoing.begin(await this.#initialized(transactionalId));
    } catch (error) {
      ongoing.end();
      throw this.#parts.cluster.finalError(error);
    }
    return ongoing;
  };

  #transactionParts(): TransactionParts {
    const { cluster, committed } = this.#parts;
    return {
      ...{ cluster, committed },
      send: (batch, producer) => {
        const acks = this.#checked(batch, true);
        if (batch.timeout !== undefined && batch.timeout !== cluster.client.settings.requestTimeoutMs) {
          throw new KafkaJSNonRetriableError(
            "timeout cannot be given in a transaction: requestTimeout of the client holds",
          );
        }
        return this.#send(batch, acks, () => producer);
      },
    };
  }

  /** Producer of the transactions, which has its id. */
  #initialized(transactionalId: string): Promise<Runtime> {
    if (this.#transactional !== undefined) return this.#transactional;
    const { cluster, options } = this.#parts;
    const begin = async (): Promise<Runtime> => {
      const producer = new Runtime(cluster.client, { ...options, idempotent: true, transactionalId });
      try {
        await producer.initTransactions();
      } catch (error) {
        this.#transactional = undefined;
        await producer.close({ timeoutMs: 0 });
        throw error;
      }
      return producer;
    };
    return (this.#transactional = begin());
  }

  /** Producer for a pair of `acks` and `timeout`. */
  #way(client: ClusterClient, acks: -1 | 0 | 1, timeout: number | undefined): Runtime {
    const key = `${acks}/${timeout ?? ""}`;
    const found = this.#ways.get(key);
    if (found !== undefined) return found;
    if (this.#ways.size >= MOST_WAYS) {
      throw new KafkaJSNonRetriableError(
        `The calls of a producer have ${MOST_WAYS} different pairs of acks and timeout at most`,
      );
    }
    const { options, idempotent } = this.#parts;
    const own = { ...options, acks, idempotent, ...(timeout === undefined ? {} : { ackTimeoutMs: timeout }) };
    const producer = new Runtime(client, own);
    this.#ways.set(key, producer);
    return producer;
  }

  #checkConnected(): void {
    if (this.#status === "disconnecting") {
      throw new KafkaJSNonRetriableError(
        "The producer is disconnecting; therefore, it can't safely accept messages anymore",
      );
    }
    if (this.#status === "disconnected") throw new KafkaJSError("The producer is disconnected");
  }

  /** Checks a call. Returns its `acks`. */
  #checked({ acks = -1, topicMessages = [] }: ProducerBatch, needsAll: boolean): -1 | 0 | 1 {
    if (needsAll && acks !== -1) {
      throw new KafkaJSNonRetriableError(
        "Not requiring ack for all messages invalidates the idempotent producer's EoS guarantees",
      );
    }
    if (acks !== -1 && acks !== 0 && acks !== 1) {
      throw new KafkaJSNonRetriableError(`acks is -1, 0 or 1, not ${String(acks)}`);
    }
    checkMessages(topicMessages);
    this.#checkConnected();
    return acks;
  }

  async #send(
    { topicMessages = [], compression }: ProducerBatch,
    acks: number,
    producerFor: (client: ClusterClient) => Runtime,
  ): Promise<RecordMetadata[]> {
    const { cluster, logger, partitioner } = this.#parts;
    const { client } = cluster;
    const codec = compressionOf(compression);
    try {
      const records: Outgoing[] = [];
      for (const { topic, messages } of topicMessages) {
        const view = client.metadata.topic(topic) ?? (await client.topic(topic, client.patience()));
        const choices = { topic, partitions: this.#partitions.of(view), partitioner, compression: codec };
        for (const message of messages) records.push(recordOf(message, choices));
      }
      const result = await producerFor(client).sendBatch(records);
      const [failure] = result.failures.values();
      if (failure !== undefined) throw failure;
      return acks === 0 ? [] : placesOf(records, result);
    } catch (error) {
      logger.error(`Failed to send messages: ${kafkaJSError(error).message}`);
      throw cluster.finalError(error);
    }
  }
}
