import { topicNameFault } from "@samsa/controller";
import { errorOf, Errors } from "@samsa/protocol";
import type { Handler } from "../../handler.ts";
import type { BrokerParts } from "../../parts.ts";

type Needs = Pick<BrokerParts, "topics">;

const INVALID_NAME = Errors.INVALID_TOPIC_EXCEPTION.code;

/** DescribeProducers (KIP-664): the active producers in a partition's log. */
export const describeProducers: Handler<"DescribeProducers", Needs> = (parts, request, _context, reply) => {
  const one = (name: string, partitionIndex: number) => {
    const partition = parts.topics.partition(name, partitionIndex);
    const absence = topicNameFault(name) === undefined ? parts.topics.absence(name, partitionIndex) : INVALID_NAME;
    const errorCode = partition === undefined ? absence : partition.fault;
    const active = partition === undefined || errorCode !== 0 ? [] : [...partition.producers.values()];
    return {
      partitionIndex,
      errorCode,
      // Kafka sends no error message if the topic exists and the partition does not.
      errorMessage: parts.topics.topic(name) !== undefined ? null : errorOf(errorCode).message,
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
