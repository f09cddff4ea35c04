import { type Int64, type LeaderEpoch, nearestNumber, type Offset } from "@samsa/base";
import { byTopic, KafkaError, type TopicPartition } from "@samsa/client-kernel";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { type AdminOptions, byCoordinator, check, drive, outcomeOf } from "./drive.ts";
import { partitionResults } from "./groups.ts";
import { Outcomes, type PartitionOutcomes } from "./outcomes.ts";

/** First offset of a share partition that is not finished. */
export interface ShareOffset extends TopicPartition {
  /** −1: the group has not read the partition. */
  readonly startOffset: Offset;
  readonly leaderEpoch: LeaderEpoch;
  /** Records that are not finished; −1: not known (KIP-1226). */
  readonly lag: Int64;
}

/** Share groups and their offsets (KIP-932). `GroupAdmin` lists, describes and deletes them. */
export class ShareGroupAdmin {
  readonly #client: ClusterClient;

  constructor(client: ClusterClient) {
    this.#client = client;
  }

  /** Offsets of share groups, of some partitions or all. */
  async offsets(
    groupIds: readonly string[],
    options: AdminOptions & { readonly partitions?: readonly TopicPartition[] } = {},
  ): Promise<Outcomes<string, ShareOffset[]>> {
    const { partitions } = options;
    const topics =
      partitions === undefined
        ? null
        : [...byTopic(partitions)].map(([topicName, entries]) => ({
            topicName,
            partitions: entries.map(({ partition }) => partition),
          }));
    const plan = byCoordinator<ShareOffset[]>(this.#client, "group", groupIds, async groupId => {
      const place = { kind: "group", key: groupId } as const;
      const answer = await this.#client.callCoordinator(place, "DescribeShareGroupOffsets", {
        groups: [{ groupId, topics }],
      });
      const [group] = answer.groups;
      if (group === undefined) throw new KafkaError("PROTOCOL_VIOLATION", `the answer leaves out group ${groupId}`);
      return outcomeOf(group, `group ${groupId}`, () =>
        group.topics.flatMap(({ topicName: topic, partitions: found }) =>
          found.map(result => {
            const { partitionIndex: partition, leaderEpoch, lag } = result;
            check(result, `${topic}-${partition}`);
            return { topic, partition, startOffset: nearestNumber(result.startOffset), leaderEpoch, lag };
          }),
        ),
      );
    });
    return new Outcomes(await drive(this.#client, this.#client.patience(options), plan));
  }

  /** Sets the offsets of a share group without members. */
  async alterOffsets(
    groupId: string,
    offsets: readonly (TopicPartition & { readonly startOffset: Offset })[],
    options: AdminOptions = {},
  ): Promise<PartitionOutcomes<true>> {
    const topics = [...byTopic(offsets)].map(([topicName, entries]) => ({
      topicName,
      partitions: entries.map(({ partition: partitionIndex, startOffset }) => ({ partitionIndex, startOffset })),
    }));
    const answer = await this.#client.retrying(this.#client.patience(options), async () => {
      const place = { kind: "group", key: groupId } as const;
      const response = await this.#client.callCoordinator(place, "AlterShareGroupOffsets", { groupId, topics });
      check(response, `group ${groupId}`);
      return response;
    });
    return partitionResults(answer.responses.map(({ topicName: name, partitions }) => ({ name, partitions })));
  }

  /** Deletes the offsets of topics of a share group without members. */
  async deleteOffsets(
    groupId: string,
    topics: readonly string[],
    options: AdminOptions = {},
  ): Promise<Outcomes<string, true>> {
    const answer = await this.#client.retrying(this.#client.patience(options), async () => {
      const response = await this.#client.callCoordinator({ kind: "group", key: groupId }, "DeleteShareGroupOffsets", {
        groupId,
        topics: topics.map(topicName => ({ topicName })),
      });
      check(response, `group ${groupId}`);
      return response;
    });
    return new Outcomes(
      new Map(
        answer.responses.map(result => [
          result.topicName,
          outcomeOf(result, `topic ${result.topicName}`, () => true as const),
        ]),
      ),
    );
  }
}
