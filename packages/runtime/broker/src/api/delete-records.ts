import { type Int64, nearestNumber } from "@samsa/base";
import { type DeleteRecordsRequest, Errors } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";
import { INTERNAL_TOPICS } from "../topics.ts";

/** Drops records before an offset; -1 is the high watermark (`ReplicaManager.deleteRecords`). */
export function deleteRecords(
  broker: Broker,
  request: DeleteRecordsRequest,
  _context: RequestContext,
  reply: (response: object) => void,
): void {
  const one = (name: string, index: number, offset: Int64): { errorCode: number; lowWatermark: number } => {
    const failed = (errorCode: number) => ({ errorCode, lowWatermark: -1 });
    const partition = broker.topics.partition(name, index);
    if (partition === undefined) return failed(broker.topics.absence(name, index));
    if (INTERNAL_TOPICS.has(name)) return failed(Errors.INVALID_TOPIC_EXCEPTION.code);
    if (partition.fault !== 0) return failed(partition.fault);
    if (!partition.log.config.cleanupPolicy.has("delete")) return failed(Errors.POLICY_VIOLATION.code);
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
}
