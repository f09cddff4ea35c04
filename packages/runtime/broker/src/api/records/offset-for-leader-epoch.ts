import type { TopicHandler } from "../../request/handler.ts";

export const offsetForLeaderEpoch: TopicHandler<"OffsetForLeaderEpoch", unknown> = (
  _parts,
  request,
  context,
  reply,
) => {
  const topics = request.topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition: index, currentLeaderEpoch, leaderEpoch }) => {
      const partition = context.topics.leader(topic, index, currentLeaderEpoch);
      const failed = (errorCode: number) => ({ errorCode, partition: index, leaderEpoch: -1, endOffset: -1 });
      if (typeof partition === "number") return failed(partition);
      const { epoch, endOffset } = partition.endOffsetForEpoch(leaderEpoch);
      return { errorCode: 0, partition: index, leaderEpoch: epoch, endOffset };
    }),
  }));
  reply({ throttleTimeMs: 0, topics });
};
