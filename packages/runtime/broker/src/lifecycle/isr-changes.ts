import type { BrokerEpoch, BrokerId, Uuid } from "@samsa/base";
import { errorOf } from "@samsa/protocol";
import type { IsrAnswer } from "@samsa/replica";
import type { ControllerChannel, ControllerRequest } from "../controller/controller-channel.ts";
import type { IsrChange, ProposeIsr } from "../replica/isr-proposals.ts";

interface Host {
  readonly nodeId: BrokerId;
  readonly brokerEpoch: () => BrokerEpoch;
  readonly channel: ControllerChannel;
}

type AskedTopic = ControllerRequest<"AlterPartition">["topics"][number];
type AskedPartition = AskedTopic["partitions"][number];

/** Recovery state of a partition whose leader was elected from the replicas in sync (`LeaderRecoveryState`). */
const RECOVERED = 0;

function byTopic(changes: readonly IsrChange[]): AskedTopic[] {
  const topics = new Map<Uuid, AskedPartition[]>();
  for (const { topicId, partition: partitionIndex, proposal } of changes) {
    const { leaderEpoch, partitionEpoch, isr } = proposal;
    const asked = {
      partitionIndex,
      leaderEpoch,
      newIsr: [],
      newIsrWithEpochs: isr,
      leaderRecoveryState: RECOVERED,
      partitionEpoch,
    };
    topics.set(topicId, [...(topics.get(topicId) ?? []), asked]);
  }
  return [...topics].map(([topicId, partitions]) => ({ topicId, partitions }));
}

/** Sends changes of the ISR to the controller with AlterPartition (`DefaultAlterPartitionManager`). */
export function isrChanges({ nodeId, brokerEpoch, channel }: Host): ProposeIsr {
  return async changes => {
    const response = await channel.call("AlterPartition", {
      brokerId: nodeId,
      brokerEpoch: brokerEpoch(),
      topics: byTopic(changes),
    });
    if (response.errorCode !== 0) {
      throw new Error(`the controller refuses changes of the ISR: ${errorOf(response.errorCode).name}`);
    }
    const answers = new Map<string, IsrAnswer>();
    for (const { topicId, partitions } of response.topics) {
      for (const { partitionIndex, errorCode, leaderEpoch, partitionEpoch, isr } of partitions) {
        const answer = errorCode === 0 ? { errorCode: 0 as const, leaderEpoch, partitionEpoch, isr } : { errorCode };
        answers.set(`${topicId}-${partitionIndex}`, answer);
      }
    }
    return changes.map(({ topicId, partition }) => answers.get(`${topicId}-${partition}`));
  };
}
