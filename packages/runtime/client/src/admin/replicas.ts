import { type BrokerId, groupBy, type Int64, type PartitionIndex } from "@samsa/base";
import { byTopic, KafkaError, partitionKey, type TopicPartition } from "@samsa/client-kernel";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { type AdminOptions, check, drive, outcomeOf, type Share } from "./drive.ts";
import { partitionResults } from "./groups.ts";
import { type Outcome, Outcomes, PartitionOutcomes } from "./outcomes.ts";

/** Replica in a log directory. */
export interface LogDirReplica extends TopicPartition {
  readonly sizeBytes: Int64;
  /** Records behind the replica that it is to replace, or behind the high watermark. */
  readonly offsetLag: Int64;
  /** True for the copy that a move fills. */
  readonly isFuture: boolean;
}

/** Log directory of a broker. */
export interface DescribedLogDir {
  readonly path: string;
  /** Reason for which the directory is offline; undefined: it is online. */
  readonly error: KafkaError | undefined;
  readonly replicas: readonly LogDirReplica[];
  /** −1: the broker does not tell. */
  readonly totalBytes: Int64;
  readonly usableBytes: Int64;
}

/** Replica of a partition on a broker. */
export interface ReplicaPlace extends TopicPartition {
  readonly broker: BrokerId;
}

/** Reassignment that is under way. */
export interface Reassignment extends TopicPartition {
  readonly replicas: readonly BrokerId[];
  readonly adding: readonly BrokerId[];
  readonly removing: readonly BrokerId[];
}

const ELECTION_TYPES = { preferred: 0, unclean: 1 } as const;

/** Replicas: their directories, leaders and reassignments. */
export class ReplicaAdmin {
  readonly #client: ClusterClient;

  constructor(client: ClusterClient) {
    this.#client = client;
  }

  /** Log directories of brokers, of all by default. */
  async describeLogDirs(
    brokers: readonly BrokerId[] | "all" = "all",
    options: AdminOptions = {},
  ): Promise<Outcomes<BrokerId, DescribedLogDir[]>> {
    const client = this.#client;
    const patience = client.patience(options);
    const known = await client.ready(patience);
    const keys = brokers === "all" ? [...known.keys()] : brokers;
    const shares = (open: readonly BrokerId[]): Promise<Share<BrokerId, DescribedLogDir[]>[]> =>
      Promise.resolve(open.map(id => ({ keys: [id], ask: async () => new Map([[id, await this.#logDirs(id)]]) })));
    return new Outcomes(await drive(client, patience, { keys, shares }));
  }

  async #logDirs(id: BrokerId): Promise<Outcome<DescribedLogDir[]>> {
    const answer = await this.#client.call(id, "DescribeLogDirs", { topics: null });
    return outcomeOf(answer, `the log directories of broker ${id}`, () =>
      answer.results.map(({ errorCode, logDir, topics, totalBytes, usableBytes }) => ({
        path: logDir,
        error: errorCode === 0 ? undefined : KafkaError.of(errorCode, `directory ${logDir}`),
        replicas: topics.flatMap(({ name: topic, partitions }) =>
          partitions.map(
            ({ partitionIndex: partition, partitionSize: sizeBytes, offsetLag, isFutureKey: isFuture }) => ({
              ...{ topic, partition, sizeBytes, offsetLag, isFuture },
            }),
          ),
        ),
        totalBytes,
        usableBytes,
      })),
    );
  }

  /** Moves replicas to other directories of their brokers (KIP-113). The key of a result is `<broker>:<topic>/<partition>`. */
  async moveToLogDirs(
    moves: readonly (ReplicaPlace & { readonly path: string })[],
    options: AdminOptions = {},
  ): Promise<Outcomes<string, true>> {
    const client = this.#client;
    const patience = client.patience(options);
    await client.ready(patience);
    const byKey = new Map(moves.map(move => [`${move.broker}:${partitionKey(move.topic, move.partition)}`, move]));
    const shares = (open: readonly string[]): Promise<Share<string, true>[]> => {
      const wanted = open.flatMap(key => byKey.get(key) ?? []);
      return Promise.resolve(
        [...groupBy(wanted, ({ broker }) => broker)].map(([broker, group]) => ({
          keys: group.map(({ topic, partition }) => `${broker}:${partitionKey(topic, partition)}`),
          ask: () => this.#move(broker, group),
        })),
      );
    };
    return new Outcomes(await drive(client, patience, { keys: byKey.keys(), shares }));
  }

  async #move(
    broker: BrokerId,
    moves: readonly (ReplicaPlace & { readonly path: string })[],
  ): Promise<Map<string, Outcome<true>>> {
    const dirs = [...groupBy(moves, ({ path }) => path)].map(([path, entries]) => ({
      path,
      topics: [...byTopic(entries)].map(([name, group]) => ({ name, partitions: group.map(entry => entry.partition) })),
    }));
    const { results } = await this.#client.call(broker, "AlterReplicaLogDirs", { dirs });
    return new Map(
      results.flatMap(({ topicName, partitions }) =>
        partitions.map((result): [string, Outcome<true>] => [
          `${broker}:${partitionKey(topicName, result.partitionIndex)}`,
          outcomeOf(result, `${topicName}-${result.partitionIndex}`, () => true as const),
        ]),
      ),
    );
  }

  /**
   * Elects leaders of partitions, or of all. A partition that has the wanted leader already fails with
   * ELECTION_NOT_NEEDED if it is named; of all, such partitions are not in the result.
   */
  async electLeaders(
    type: keyof typeof ELECTION_TYPES,
    partitions: readonly TopicPartition[] | "all",
    options: AdminOptions = {},
  ): Promise<PartitionOutcomes<true>> {
    const wanted =
      partitions === "all"
        ? null
        : [...byTopic(partitions)].map(([topic, entries]) => ({
            topic,
            partitions: entries.map(({ partition }) => partition),
          }));
    const answer = await this.#client.retrying(this.#client.patience(options), async () => {
      const response = await this.#client.callAny("ElectLeaders", version => ({
        ...(version === 0 ? {} : { electionType: ELECTION_TYPES[type] }),
        topicPartitions: wanted,
        timeoutMs: this.#client.settings.requestTimeoutMs,
      }));
      check(response, "the election");
      return response;
    });
    const results = answer.replicaElectionResults.map(({ topic: name, partitionResult }) => ({
      name,
      partitions: partitionResult.map(({ partitionId: partitionIndex, errorCode, errorMessage }) => ({
        partitionIndex,
        errorCode,
        errorMessage,
      })),
    }));
    return partitionResults(results);
  }

  /** Moves partitions to other brokers; null cancels the reassignment of a partition (KIP-455). */
  async reassign(
    targets: readonly (TopicPartition & { readonly replicas: readonly BrokerId[] | null })[],
    options: AdminOptions & { readonly allowReplicationFactorChange?: boolean } = {},
  ): Promise<PartitionOutcomes<true>> {
    const { allowReplicationFactorChange = true } = options;
    const topics = [...byTopic(targets)].map(([name, entries]) => ({
      name,
      partitions: entries.map(({ partition: partitionIndex, replicas }) => ({ partitionIndex, replicas })),
    }));
    const answer = await this.#client.retrying(this.#client.patience(options), async () => {
      const response = await this.#client.callAny("AlterPartitionReassignments", version => ({
        timeoutMs: this.#client.settings.requestTimeoutMs,
        ...(version === 0 && allowReplicationFactorChange ? {} : { allowReplicationFactorChange }),
        topics,
      }));
      check(response, "the reassignment");
      return response;
    });
    return partitionResults(answer.responses);
  }

  /** Reassignments that are under way: of some partitions, or all. */
  async listReassignments(
    partitions: readonly TopicPartition[] | "all" = "all",
    options: AdminOptions = {},
  ): Promise<Reassignment[]> {
    const topics =
      partitions === "all"
        ? null
        : [...byTopic(partitions)].map(([name, entries]) => ({
            name,
            partitionIndexes: entries.map(({ partition }): PartitionIndex => partition),
          }));
    const answer = await this.#client.retrying(this.#client.patience(options), async () => {
      const response = await this.#client.callAny("ListPartitionReassignments", {
        timeoutMs: this.#client.settings.requestTimeoutMs,
        topics,
      });
      check(response, "the reassignments");
      return response;
    });
    return answer.topics.flatMap(({ name: topic, partitions: moving }) =>
      moving.map(({ partitionIndex: partition, replicas, addingReplicas: adding, removingReplicas: removing }) => ({
        ...{ topic, partition, replicas, adding, removing },
      })),
    );
  }
}
