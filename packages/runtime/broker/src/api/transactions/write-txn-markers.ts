import type { PartitionIndex, ProducerId } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { errorResponses } from "../../request/error-responses.ts";
import type { ItemOf, TopicHandler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "writeMarker">;

type MarkedPartition = ItemOf<"WriteTxnMarkers", "markers">["topics"][number]["partitions"][number];
type Outcome = { readonly topic: string; readonly index: PartitionIndex; readonly errorCode: number };

/**
 * WriteTxnMarkers: ends transactions in partitions of this broker, for their coordinator or for an administrator who
 * aborts a hanging transaction.
 */
export const writeTxnMarkers: TopicHandler<"WriteTxnMarkers", Needs> = (parts, request, { access, topics }, reply) => {
  // Administrators have the first permission, brokers the second.
  if (!access.showsCluster("ALTER") && !access.permitsCluster("CLUSTER_ACTION")) {
    return reply(errorResponses.WriteTxnMarkers(request, { ...Errors.CLUSTER_AUTHORIZATION_FAILED, detail: null }));
  }
  const { markers } = request;
  const outcomes = new Map<ProducerId, Map<string, Outcome>>();
  let waiting = 1;
  const done = (): void => {
    if (--waiting > 0) return;
    reply({ markers: [...outcomes].map(([producerId, of]) => ({ producerId, topics: byTopic([...of.values()]) })) });
  };
  for (const one of markers) {
    const { producerId, producerEpoch, coordinatorEpoch, transactionResult: commit, transactionVersion } = one;
    const of = outcomes.get(producerId) ?? new Map<string, Outcome>();
    // A producer without partitions is left out of the response.
    if (one.topics.some(({ partitionIndexes }) => partitionIndexes.length > 0)) outcomes.set(producerId, of);
    const marker = { producerId, producerEpoch, coordinatorEpoch, commit };
    for (const { name: topic, partitionIndexes } of one.topics) {
      for (const index of partitionIndexes) {
        waiting++;
        const tell = (errorCode: number): void => {
          of.set(`${topic}-${index}`, { topic, index, errorCode });
          done();
        };
        const partition = topics.partition(topic, index);
        const isServed = typeof partition !== "number" && partition.fault === 0;
        if (isServed) parts.writeMarker({ topic, index, marker, transactionVersion }, tell);
        else tell(Errors.UNKNOWN_TOPIC_OR_PARTITION.code);
      }
    }
  }
  done();
};

function byTopic(outcomes: readonly Outcome[]) {
  const topics = new Map<string, MarkedPartition[]>();
  for (const { topic, index: partitionIndex, errorCode } of outcomes) {
    const partitions = topics.get(topic) ?? [];
    partitions.push({ partitionIndex, errorCode });
    topics.set(topic, partitions);
  }
  return [...topics].map(([name, partitions]) => ({ name, partitions }));
}
