import type { PartitionIndex } from "@samsa/base";
import { topicNameFault } from "@samsa/controller";
import { errorOf, Errors } from "@samsa/protocol";
import type { TopicHandler } from "../../request/handler.ts";

const INVALID_NAME = Errors.INVALID_TOPIC_EXCEPTION.code;

/** DescribeProducers (KIP-664): the active producers in a partition's log. */
export const describeProducers: TopicHandler<"DescribeProducers", unknown> = (
  _parts,
  request,
  { topics: known },
  reply,
) => {
  const one = (name: string, partitionIndex: PartitionIndex) => {
    const partition = topicNameFault(name) === undefined ? known.partition(name, partitionIndex) : INVALID_NAME;
    const errorCode = typeof partition === "number" ? partition : partition.fault;
    const active = typeof partition === "number" || errorCode !== 0 ? [] : [...partition.producers.values()];
    return {
      partitionIndex,
      errorCode,
      // Kafka sends no error message if the topic exists and the partition does not.
      errorMessage: typeof known.named(name) !== "number" ? null : errorOf(errorCode).message,
      activeProducers: active.map(entry => ({
        producerId: entry.producerId,
        producerEpoch: entry.epoch,
        lastSequence: entry.batches.at(-1)?.lastSequence ?? -1,
        lastTimestamp: entry.lastTimestamp,
        coordinatorEpoch: entry.coordinatorEpoch,
        currentTxnStartOffset: entry.txnFirstOffset,
      })),
    };
  };
  const topics = request.topics.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map(index => one(name, index)),
  }));
  reply({ throttleTimeMs: 0, topics });
};
