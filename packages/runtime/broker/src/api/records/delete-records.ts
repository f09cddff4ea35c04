import { nearestNumber, type Offset, type PartitionIndex, type WireOffset } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { INTERNAL_TOPICS } from "../../config/internal-topics.ts";
import type { TopicHandler } from "../../request/handler.ts";

/** Deletes records before an offset; -1 is the high watermark (`ReplicaManager.deleteRecords`). */
export const deleteRecords: TopicHandler<"DeleteRecords", unknown> = (_parts, request, { topics: known }, reply) => {
  const one = (
    name: string,
    index: PartitionIndex,
    offset: WireOffset,
  ): { errorCode: number; lowWatermark: Offset } => {
    const failed = (errorCode: number) => ({ errorCode, lowWatermark: -1 });
    const isHere = typeof known.partition(name, index) !== "number";
    if (isHere && INTERNAL_TOPICS.has(name)) return failed(Errors.INVALID_TOPIC_EXCEPTION.code);
    const partition = known.leader(name, index);
    if (typeof partition === "number") return failed(partition);
    if (!partition.config.cleanupPolicy.has("delete")) return failed(Errors.POLICY_VIOLATION.code);
    const lowWatermark = offset < -1 ? -1 : partition.deleteRecords(nearestNumber(offset));
    return lowWatermark < 0 ? failed(Errors.OFFSET_OUT_OF_RANGE.code) : { errorCode: 0, lowWatermark };
  };
  const asked = request.topics.filter(({ partitions }) => partitions.length > 0);
  const topics = asked.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, offset }) => ({
      partitionIndex,
      ...one(name, partitionIndex, offset),
    })),
  }));
  reply({ throttleTimeMs: 0, topics });
};
