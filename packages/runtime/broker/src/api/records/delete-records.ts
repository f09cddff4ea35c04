import { nearestNumber, type PartitionIndex, type WireOffset } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { INTERNAL_TOPICS } from "../../config/internal-topics.ts";
import type { Partition } from "../../replica/partition.ts";
import type { TopicHandler } from "../../request/handler.ts";
import type { RequestTopics } from "../../request/request-topics.ts";

/** Partition whose records may be deleted; else an error code. */
function deletable(known: RequestTopics, name: string, index: PartitionIndex): Partition | number {
  const isHere = typeof known.partition(name, index) !== "number";
  if (isHere && INTERNAL_TOPICS.has(name)) return Errors.INVALID_TOPIC_EXCEPTION.code;
  const partition = known.leader(name, index);
  if (typeof partition === "number") return partition;
  return partition.config.cleanupPolicy.has("delete") ? partition : Errors.POLICY_VIOLATION.code;
}

/**
 * Deletes records before an offset; -1 is the high watermark. Replies once all replicas have deleted them, or after the
 * time-out of the request (`ReplicaManager.deleteRecords`).
 */
export const deleteRecords: TopicHandler<"DeleteRecords", unknown> = (_parts, request, { topics: known }, reply) => {
  let waiting = 1;
  const done = (): void => {
    if (--waiting === 0) reply({ throttleTimeMs: 0, topics });
  };
  const one = (name: string, partitionIndex: PartitionIndex, offset: WireOffset) => {
    const result = { partitionIndex, errorCode: 0, lowWatermark: -1 };
    const partition = deletable(known, name, partitionIndex);
    if (typeof partition === "number") return { ...result, errorCode: partition };
    const start = offset < -1 ? -1 : partition.deleteRecords(nearestNumber(offset));
    if (start < 0) return { ...result, errorCode: Errors.OFFSET_OUT_OF_RANGE.code };
    waiting++;
    partition.whenDeleted(start, request.timeoutMs, (errorCode, lowWatermark) => {
      Object.assign(result, { errorCode, lowWatermark });
      done();
    });
    return result;
  };
  const asked = request.topics.filter(({ partitions }) => partitions.length > 0);
  const topics = asked.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, offset }) => one(name, partitionIndex, offset)),
  }));
  done();
};
