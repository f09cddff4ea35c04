import type { Handler } from "../../handler.ts";
import type { BrokerParts } from "../../parts.ts";

type Needs = Pick<BrokerParts, "topics">;

export const offsetForLeaderEpoch: Handler<"OffsetForLeaderEpoch", Needs> = (parts, request, _context, reply) => {
  const topics = request.topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition: index, currentLeaderEpoch, leaderEpoch }) => {
      const partition = parts.topics.leader(topic, index, currentLeaderEpoch);
      const failed = (errorCode: number) => ({ errorCode, partition: index, leaderEpoch: -1, endOffset: -1 });
      if (typeof partition === "number") return failed(partition);
      const { epoch, endOffset } = partition.endOffsetForEpoch(leaderEpoch);
      return { errorCode: 0, partition: index, leaderEpoch: epoch, endOffset };
    }),
  }));
  reply({ throttleTimeMs: 0, topics });
};
