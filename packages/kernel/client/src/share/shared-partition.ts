import { type BrokerId, type ExponentialBackoff, type PartitionIndex, type Uuid, ZERO_UUID } from "@samsa/base";
import { type ClusterView, partitionKey, type TopicPartition } from "../cluster/cluster-view.ts";
import type { Moment } from "../offsets/moment.ts";

/** A partition that is assigned to a member of a share group. */
export class SharedPartition implements TopicPartition {
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly key: string;
  topicId: Uuid = ZERO_UUID;
  leaderId: BrokerId = -1;
  failures = 0;
  /** Monotonic time before which it is not fetched. */
  retryAt = -Infinity;

  constructor({ topic, partition }: TopicPartition) {
    this.topic = topic;
    this.partition = partition;
    this.key = partitionKey(topic, partition);
  }

  /** The leader and the id of the topic are known. */
  get isLed(): boolean {
    return this.leaderId >= 0 && this.topicId !== ZERO_UUID;
  }

  /** Takes the leader from the metadata. */
  learn(cluster: ClusterView): void {
    const topic = cluster.topic(this.topic);
    const leaderId = topic?.partitions[this.partition]?.leaderId ?? -1;
    if (topic === undefined || leaderId < 0 || cluster.broker(leaderId) === undefined) {
      this.leaderId = -1;
      return;
    }
    if (topic.id === this.topicId && leaderId === this.leaderId) return;
    this.topicId = topic.id;
    this.leaderId = leaderId;
    this.retryAt = -Infinity;
    this.failures = 0;
  }

  backOff({ now, chance }: Moment, backoff: ExponentialBackoff): void {
    this.retryAt = now + backoff.delayMs(this.failures++, chance);
  }
}
