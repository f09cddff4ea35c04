import type { BrokerId, Int64, LeaderEpoch, Offset, ProducerEpoch, ProducerId } from "@samsa/base";
import { nearestNumber } from "@samsa/base";
import { byTopic, KafkaError, partitionKey, type TopicPartition } from "@samsa/client-kernel";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { type AdminOptions, byBroker, byCoordinator, byLeader, check, drive, outcomeOf } from "./drive.ts";
import { type Outcome, Outcomes, PartitionOutcomes } from "./outcomes.ts";

/** Transaction in a list. */
export interface ListedTransaction {
  readonly transactionalId: string;
  readonly producerId: ProducerId;
  readonly state: string;
  /** Broker that coordinates it. */
  readonly coordinator: BrokerId;
}

/** A transaction. */
export interface DescribedTransaction {
  readonly transactionalId: string;
  readonly state: string;
  readonly producerId: ProducerId;
  readonly producerEpoch: ProducerEpoch;
  readonly timeoutMs: number;
  /** In ms since the epoch; −1: it has not begun. */
  readonly startedAt: Int64;
  readonly partitions: readonly TopicPartition[];
}

/** Producer that has written to a partition. */
export interface PartitionProducer {
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  /** In ms since the epoch; −1: not known. */
  readonly lastTimestamp: Int64;
  /** −1: none. */
  readonly coordinatorEpoch: LeaderEpoch;
  /** First offset of its open transaction; −1: it has none. */
  readonly transactionStart: Offset;
}

/** Ends an open transaction of a partition whose coordinator does not know it any more (KIP-664). */
export interface AbortTransaction extends TopicPartition {
  readonly producerId: ProducerId;
  readonly producerEpoch: ProducerEpoch;
  readonly coordinatorEpoch: LeaderEpoch;
}

/** Transactions and producers (KIP-664). */
export class TransactionAdmin {
  readonly #client: ClusterClient;

  constructor(client: ClusterClient) {
    this.#client = client;
  }

  /** Transactions of all coordinators, filtered if wanted. A broker that fails makes the call fail. */
  async list(
    options: AdminOptions & {
      readonly states?: readonly string[];
      readonly producerIds?: readonly ProducerId[];
      /** Only transactions that are open for longer. */
      readonly openForMs?: number;
      /** Pattern of transactional ids, in the syntax of RE2 (KIP-1152). */
      readonly pattern?: string;
    } = {},
  ): Promise<ListedTransaction[]> {
    const client = this.#client;
    const patience = client.patience(options);
    const { states = [], producerIds = [], openForMs, pattern } = options;
    const brokers = await client.ready(patience);
    const lists = await Promise.all(
      [...brokers.keys()].map(id =>
        client.retrying(patience, async () => {
          const answer = await client.call(id, "ListTransactions", {
            stateFilters: states,
            producerIdFilters: producerIds,
            ...(openForMs === undefined ? {} : { durationFilter: openForMs }),
            ...(pattern === undefined ? {} : { transactionalIdPattern: pattern }),
          });
          check(answer, `the transactions of broker ${id}`);
          return answer.transactionStates.map(({ transactionalId, producerId, transactionState: state }) => ({
            ...{ transactionalId, producerId, state, coordinator: id },
          }));
        }),
      ),
    );
    return lists.flat();
  }

  async describe(
    transactionalIds: readonly string[],
    options: AdminOptions = {},
  ): Promise<Outcomes<string, DescribedTransaction>> {
    const plan = byCoordinator<DescribedTransaction>(this.#client, "transaction", transactionalIds, async id => {
      const place = { kind: "transaction", key: id } as const;
      const answer = await this.#client.callCoordinator(place, "DescribeTransactions", { transactionalIds: [id] });
      const [found] = answer.transactionStates;
      if (found === undefined) throw new KafkaError("PROTOCOL_VIOLATION", `the answer leaves out transaction ${id}`);
      return outcomeOf(found, `transaction ${id}`, () => ({
        transactionalId: id,
        state: found.transactionState,
        producerId: found.producerId,
        producerEpoch: found.producerEpoch,
        timeoutMs: found.transactionTimeoutMs,
        startedAt: found.transactionStartTimeMs,
        partitions: found.topics.flatMap(({ topic, partitions }) =>
          partitions.map(partition => ({ topic, partition })),
        ),
      }));
    });
    return new Outcomes(await drive(this.#client, this.#client.patience(options), plan));
  }

  /** Producers that the leaders of partitions know, or one of their replicas. */
  async describeProducers(
    partitions: readonly TopicPartition[],
    options: AdminOptions & { readonly broker?: BrokerId } = {},
  ): Promise<PartitionOutcomes<PartitionProducer[]>> {
    const patience = this.#client.patience(options);
    const { broker } = options;
    if (broker !== undefined) await this.#client.ready(patience);
    const ask = async (leader: BrokerId, led: readonly TopicPartition[]) => {
      const { topics } = await this.#client.call(leader, "DescribeProducers", {
        topics: [...byTopic(led)].map(([name, entries]) => ({
          name,
          partitionIndexes: entries.map(({ partition }) => partition),
        })),
      });
      return new Map(
        topics.flatMap(({ name, partitions: described }) =>
          described.map((answer): [string, Outcome<PartitionProducer[]>] => [
            partitionKey(name, answer.partitionIndex),
            outcomeOf(answer, `${name}-${answer.partitionIndex}`, () =>
              answer.activeProducers.map(({ currentTxnStartOffset, ...producer }) => ({
                ...producer,
                transactionStart: nearestNumber(currentTxnStartOffset),
              })),
            ),
          ]),
        ),
      );
    };
    const plan =
      broker === undefined
        ? byLeader<PartitionProducer[]>(this.#client, patience, partitions, ask)
        : byBroker<PartitionProducer[]>(broker, partitions, ask);
    return new PartitionOutcomes(await drive(this.#client, patience, plan));
  }

  /** Fences producers: a transaction that is open is aborted, and the producer can go on no more. */
  async fence(
    transactionalIds: readonly string[],
    options: AdminOptions = {},
  ): Promise<Outcomes<string, { readonly producerId: ProducerId; readonly producerEpoch: ProducerEpoch }>> {
    // The coordinator waits as long for the replicas of its log (`FenceProducersHandler`).
    const transactionTimeoutMs = options.timeoutMs ?? this.#client.settings.requestTimeoutMs;
    const plan = byCoordinator(this.#client, "transaction", transactionalIds, async id => {
      const place = { kind: "transaction", key: id } as const;
      const request = { transactionalId: id, transactionTimeoutMs };
      const answer = await this.#client.callCoordinator(place, "InitProducerId", request);
      const { producerId, producerEpoch } = answer;
      return outcomeOf(answer, `transaction ${id}`, () => ({ producerId, producerEpoch }));
    });
    return new Outcomes(await drive(this.#client, this.#client.patience(options), plan));
  }

  /** Aborts a transaction that hangs in one partition, through the partition's leader. */
  async abort(
    { topic, partition, producerId, producerEpoch, coordinatorEpoch }: AbortTransaction,
    options: AdminOptions = {},
  ): Promise<void> {
    const patience = this.#client.patience(options);
    const plan = byLeader<true>(this.#client, patience, [{ topic, partition }], async leader => {
      const marker = { producerId, producerEpoch, coordinatorEpoch, transactionResult: false };
      const { markers } = await this.#client.call(leader, "WriteTxnMarkers", {
        markers: [{ ...marker, topics: [{ name: topic, partitionIndexes: [partition] }] }],
      });
      const result = markers[0]?.topics[0]?.partitions[0];
      if (result === undefined) throw new KafkaError("PROTOCOL_VIOLATION", "the broker's answer leaves out the marker");
      return new Map([
        [partitionKey(topic, partition), outcomeOf(result, `${topic}-${partition}`, () => true as const)],
      ]);
    });
    new PartitionOutcomes(await drive(this.#client, patience, plan)).value(partitionKey(topic, partition));
  }
}
