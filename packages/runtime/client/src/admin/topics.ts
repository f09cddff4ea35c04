import {
  type BrokerId,
  type LeaderEpoch,
  nearestNumber,
  type Offset,
  type PartitionIndex,
  type Uuid,
  ZERO_UUID,
} from "@samsa/base";
import { byTopic, KafkaError, partitionKey, type TopicPartition } from "@samsa/client-kernel";
import type { ResponseOf } from "@samsa/wire";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { type AdminOptions, byLeader, drive, operationsOf, outcomeOf, together } from "./drive.ts";
import { type Outcome, Outcomes, PartitionOutcomes } from "./outcomes.ts";

/** Topic to create. */
export interface NewTopic {
  readonly name: string;
  /** The broker's default if it is left out (KIP-464). */
  readonly partitions?: number;
  /** The broker's default if it is left out. */
  readonly replicationFactor?: number;
  /** Brokers of each partition's replicas, the preferred leader first; instead of the two numbers. */
  readonly assignments?: readonly (readonly BrokerId[])[];
  readonly configs?: Readonly<Record<string, string>>;
}

/** Topic that was created. Numbers are −1 where the caller may not describe the topic. */
export interface CreatedTopic {
  readonly id: Uuid;
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Settings with their values; null for sensitive ones. Undefined where the caller may not describe them. */
  readonly configs: ReadonlyMap<string, string | null> | undefined;
}

/** Topic in a list. */
export interface ListedTopic {
  readonly name: string;
  readonly id: Uuid;
  readonly isInternal: boolean;
}

/** Partition of a described topic. */
export interface DescribedPartition {
  readonly partition: PartitionIndex;
  /** −1: none. */
  readonly leader: BrokerId;
  readonly leaderEpoch: LeaderEpoch;
  readonly replicas: readonly BrokerId[];
  readonly isr: readonly BrokerId[];
  readonly offline: readonly BrokerId[];
  /** Eligible leader replicas (KIP-966); undefined from brokers that do not tell. */
  readonly elr: readonly BrokerId[] | undefined;
  readonly lastKnownElr: readonly BrokerId[] | undefined;
}

/** A described topic. */
export interface DescribedTopic extends ListedTopic {
  readonly partitions: readonly DescribedPartition[];
  /** Operations that the caller may do; undefined unless asked for. */
  readonly authorizedOperations: readonly string[] | undefined;
}

const PAGE = 2000;
/** First version of DeleteTopics with topic ids. */
const DELETE_BY_ID = 6;
type Page = ResponseOf<"DescribeTopicPartitions">;

/** Topics of a cluster: Java's `Admin.createTopics` and its like. */
export class TopicAdmin {
  readonly #client: ClusterClient;

  constructor(client: ClusterClient) {
    this.#client = client;
  }

  /** Creates topics. `validateOnly` creates nothing, and says what would be refused. */
  async create(
    topics: readonly NewTopic[],
    options: AdminOptions & { readonly validateOnly?: boolean } = {},
  ): Promise<Outcomes<string, CreatedTopic>> {
    const byName = new Map(topics.map(topic => [topic.name, topic]));
    const patience = this.#client.patience(options);
    const ask = async (open: readonly string[]) => {
      const answer = await this.#client.callAny("CreateTopics", {
        topics: open.flatMap(name => requested(byName.get(name))),
        timeoutMs: this.#client.settings.requestTimeoutMs,
        validateOnly: options.validateOnly === true,
      });
      return new Map(
        answer.topics.map(topic => [topic.name, outcomeOf(topic, `topic ${topic.name}`, () => made(topic))]),
      );
    };
    return new Outcomes(await drive(this.#client, patience, together(byName.keys(), ask)));
  }

  /** Deletes topics by name. */
  async delete(names: readonly string[], options: AdminOptions = {}): Promise<Outcomes<string, true>> {
    const timeoutMs = this.#client.settings.requestTimeoutMs;
    const ask = async (open: readonly string[]) => {
      const { responses } = await this.#client.callAny("DeleteTopics", version =>
        version < DELETE_BY_ID
          ? { topicNames: open, timeoutMs }
          : { topics: open.map(name => ({ name, topicId: ZERO_UUID })), timeoutMs },
      );
      return new Map(
        responses.map(made => [made.name ?? "", outcomeOf(made, `topic ${made.name}`, () => true as const)]),
      );
    };
    return new Outcomes(await drive(this.#client, this.#client.patience(options), together(names, ask)));
  }

  /** Topics of the cluster, in no order; internal ones only if asked for. */
  async list(options: AdminOptions & { readonly internal?: boolean } = {}): Promise<ListedTopic[]> {
    const patience = this.#client.patience(options);
    const { topics } = await this.#client.retrying(patience, () =>
      this.#client.callAny("Metadata", { topics: null, allowAutoTopicCreation: false }),
    );
    const listed = topics.flatMap(({ name, topicId: id, isInternal, errorCode }) =>
      name === null || errorCode !== 0 ? [] : [{ name, id, isInternal }],
    );
    return options.internal === true ? listed : listed.filter(({ isInternal }) => !isInternal);
  }

  /** Describes topics, however many partitions they have (KIP-966). */
  async describe(
    names: readonly string[],
    options: AdminOptions & {
      readonly authorizedOperations?: boolean;
      /** Most partitions in one answer; 2000 by default. */
      readonly partitionsPerAnswer?: number;
    } = {},
  ): Promise<Outcomes<string, DescribedTopic>> {
    const patience = this.#client.patience(options);
    const { partitionsPerAnswer = PAGE } = options;
    const ask = async (open: readonly string[]) => {
      try {
        return await this.#pages(open, options.authorizedOperations === true, partitionsPerAnswer);
      } catch (error) {
        if (!(error instanceof KafkaError) || error.name !== "UNSUPPORTED_VERSION") throw error;
        return this.#byMetadata(open, options.authorizedOperations === true);
      }
    };
    return new Outcomes(await drive(this.#client, patience, together(names, ask)));
  }

  async #pages(
    names: readonly string[],
    withOperations: boolean,
    partitionsPerAnswer: number,
  ): Promise<Map<string, Outcome<DescribedTopic>>> {
    const found = new Map<string, Outcome<DescribedTopic>>();
    const topics = [...names].sort(byCodePoint).map(name => ({ name }));
    for (let cursor: Page["nextCursor"] = null; ; ) {
      const page: Page = await this.#client.callAny("DescribeTopicPartitions", {
        topics,
        responsePartitionLimit: partitionsPerAnswer,
        cursor,
      });
      for (const topic of page.topics) addTo(found, topic, withOperations);
      const next: Page["nextCursor"] = page.nextCursor;
      if (next === null || (cursor !== null && !isAfter(next, cursor))) return found;
      cursor = next;
    }
  }

  /** Brokers before Kafka 3.8 have no pages. */
  async #byMetadata(names: readonly string[], withOperations: boolean): Promise<Map<string, Outcome<DescribedTopic>>> {
    const { topics } = await this.#client.callAny("Metadata", {
      topics: names.map(name => ({ name })),
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: withOperations,
    });
    const found = new Map<string, Outcome<DescribedTopic>>();
    for (const topic of topics) {
      const partitions = topic.partitions.map(partition => ({
        ...partition,
        eligibleLeaderReplicas: null,
        lastKnownElr: null,
      }));
      addTo(found, { ...topic, partitions }, withOperations);
    }
    return found;
  }

  /** Adds partitions, so that topics have as many as given. `assignments`: brokers of each new partition's replicas. */
  async addPartitions(
    counts: ReadonlyMap<string, number>,
    options: AdminOptions & {
      readonly validateOnly?: boolean;
      readonly assignments?: ReadonlyMap<string, readonly (readonly BrokerId[])[]>;
    } = {},
  ): Promise<Outcomes<string, true>> {
    const ask = async (open: readonly string[]) => {
      const { results } = await this.#client.callAny("CreatePartitions", {
        topics: open.map(name => ({
          name,
          count: counts.get(name) ?? 0,
          assignments: options.assignments?.get(name)?.map(brokerIds => ({ brokerIds })) ?? null,
        })),
        timeoutMs: this.#client.settings.requestTimeoutMs,
        validateOnly: options.validateOnly === true,
      });
      return new Map(results.map(made => [made.name, outcomeOf(made, `topic ${made.name}`, () => true as const)]));
    };
    return new Outcomes(await drive(this.#client, this.#client.patience(options), together(counts.keys(), ask)));
  }

  /** Deletes the records before an offset of each partition; −1: all up to the high watermark. Returns the new starts. */
  async deleteRecords(
    before: readonly (TopicPartition & { readonly offset: Offset })[],
    options: AdminOptions = {},
  ): Promise<PartitionOutcomes<Offset>> {
    const patience = this.#client.patience(options);
    const offsets = new Map(before.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
    const plan = byLeader<Offset>(this.#client, patience, before, async (leader, led) => {
      const { topics } = await this.#client.call(leader, "DeleteRecords", {
        topics: [...byTopic(led)].map(([name, entries]) => ({
          name,
          partitions: entries.map(({ partition }) => ({
            partitionIndex: partition,
            offset: offsets.get(partitionKey(name, partition)) ?? -1,
          })),
        })),
        timeoutMs: this.#client.settings.requestTimeoutMs,
      });
      return new Map(
        topics.flatMap(({ name, partitions }) =>
          partitions.map((answer): [string, Outcome<Offset>] => [
            partitionKey(name, answer.partitionIndex),
            outcomeOf(answer, `${name}-${answer.partitionIndex}`, () => nearestNumber(answer.lowWatermark)),
          ]),
        ),
      );
    });
    return new PartitionOutcomes(await drive(this.#client, patience, plan));
  }

  /** Describes one topic. Throws UNKNOWN_TOPIC_OR_PARTITION if there is none. */
  async describeOne(name: string, options: AdminOptions = {}): Promise<DescribedTopic> {
    return (await this.describe([name], options)).value(name);
  }
}

function requested(topic: NewTopic | undefined) {
  if (topic === undefined) return [];
  const { name, partitions = -1, replicationFactor = -1, assignments, configs = {} } = topic;
  return [
    {
      name,
      numPartitions: assignments === undefined ? partitions : -1,
      replicationFactor: assignments === undefined ? replicationFactor : -1,
      assignments: (assignments ?? []).map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
    },
  ];
}

function made(topic: ResponseOf<"CreateTopics">["topics"][number]): CreatedTopic {
  const { topicId: id, numPartitions: partitions, replicationFactor, configs } = topic;
  return {
    ...{ id, partitions, replicationFactor },
    configs: configs === null ? undefined : new Map(configs.map(({ name, value }) => [name, value])),
  };
}

function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isAfter(a: NonNullable<Page["nextCursor"]>, b: NonNullable<Page["nextCursor"]>): boolean {
  return a.topicName > b.topicName || (a.topicName === b.topicName && a.partitionIndex > b.partitionIndex);
}

function addTo(found: Map<string, Outcome<DescribedTopic>>, topic: Page["topics"][number], operations: boolean): void {
  const name = topic.name ?? "";
  if (topic.errorCode !== 0) {
    found.set(name, KafkaError.of(topic.errorCode, `topic ${name}`));
    return;
  }
  const earlier = found.get(name);
  const partitions = topic.partitions.map(partition => ({
    partition: partition.partitionIndex,
    leader: partition.leaderId,
    leaderEpoch: partition.leaderEpoch,
    replicas: partition.replicaNodes,
    isr: partition.isrNodes,
    offline: partition.offlineReplicas,
    elr: partition.eligibleLeaderReplicas ?? undefined,
    lastKnownElr: partition.lastKnownElr ?? undefined,
  }));
  const before = earlier === undefined || earlier instanceof KafkaError ? [] : earlier.partitions;
  found.set(name, {
    ...{ name, id: topic.topicId, isInternal: topic.isInternal },
    partitions: [...before, ...partitions],
    authorizedOperations: operations ? operationsOf(topic.topicAuthorizedOperations) : undefined,
  });
}
