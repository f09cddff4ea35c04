import type { OffsetForLeaderEpochRequest } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";
import { epochFault } from "./fetch.ts";

export function offsetForLeaderEpoch(
  broker: Broker,
  request: OffsetForLeaderEpochRequest,
  _context: RequestContext,
  reply: (response: object) => void,
): void {
  const topics = request.topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition: index, currentLeaderEpoch, leaderEpoch }) => {
      const partition = broker.topics.partition(topic, index);
      const failed = (errorCode: number) => ({ errorCode, partition: index, leaderEpoch: -1, endOffset: -1 });
      if (partition === undefined) return failed(broker.topics.absence(topic, index));
      const fault = partition.fault !== 0 ? partition.fault : epochFault(partition, currentLeaderEpoch);
      if (fault !== 0) return failed(fault);
      const { epoch, endOffset } = partition.log.endOffsetForEpoch(leaderEpoch);
      return { errorCode: 0, partition: index, leaderEpoch: epoch, endOffset };
    }),
  }));
  reply({ throttleTimeMs: 0, topics });
}
