import type { BrokerEpoch, BrokerId, Uuid } from "@samsa/base";
import type { IsrAnswer } from "@samsa/replica";
import type { RequestOf, ResponseOf } from "@samsa/wire";
import type { IsrChange, ProposeIsr } from "./isr-proposals.ts";

type AlterPartition = RequestOf<"AlterPartition">;

interface Host {
  readonly nodeId: BrokerId;
  readonly brokerEpoch: () => BrokerEpoch;
  /** Sends a request to the active controller, at version 3. Rejects if it cannot be reached. */
  readonly call: (request: AlterPartition) => Promise<ResponseOf<"AlterPartition">>;
}

/** Sends changes of ISRs to the controller in requests of AlterPartition (`DefaultAlterPartitionManager`). */
export function alterPartition({ nodeId: brokerId, brokerEpoch, call }: Host): ProposeIsr {
  return async changes => {
    const { errorCode, topics } = await call({ brokerId, brokerEpoch: brokerEpoch(), topics: byTopic(changes) });
    // The broker may have to register again, or the controller has another one after it: the changes are sent again.
    if (errorCode !== 0) throw new Error(`the controller refused changes of ISRs with error ${errorCode}`);
    const answers = new Map<string, IsrAnswer>();
    for (const { topicId, partitions } of topics) {
      for (const { partitionIndex, errorCode: code, leaderEpoch, partitionEpoch, isr } of partitions) {
        const answer = code === 0 ? ({ errorCode: 0, leaderEpoch, partitionEpoch, isr } as const) : { errorCode: code };
        answers.set(`${topicId}-${partitionIndex}`, answer);
      }
    }
    return changes.map(({ topicId, partition }) => answers.get(`${topicId}-${partition}`));
  };
}

function byTopic(changes: readonly IsrChange[]): AlterPartition["topics"] {
  const topics = new Map<Uuid, AlterPartition["topics"][number]["partitions"][number][]>();
  for (const { topicId, partition: partitionIndex, proposal } of changes) {
    const { leaderEpoch, partitionEpoch, isr } = proposal;
    const partitions = topics.get(topicId) ?? [];
    topics.set(topicId, partitions);
    // Every leader has recovered: Samsa has no recovery after an unclean election, nor has Kafka.
    partitions.push({
      partitionIndex,
      leaderEpoch,
      partitionEpoch,
      newIsrWithEpochs: [...isr],
      leaderRecoveryState: 0,
    });
  }
  return [...topics].map(([topicId, partitions]) => ({ topicId, partitions }));
}
