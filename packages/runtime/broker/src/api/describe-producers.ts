import { topicNameFault } from "@samsa/controller";
import { type DescribeProducersRequest, errorOf, Errors } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

const INVALID_NAME = Errors.INVALID_TOPIC_EXCEPTION.code;

/** The producers that a partition's log remembers (KIP-664). */
export function describeProducers(
  broker: Broker,
  request: DescribeProducersRequest,
  _context: RequestContext,
  reply: (response: object) => void,
): void {
  const one = (name: string, partitionIndex: number) => {
    const partition = broker.topics.partition(name, partitionIndex);
    const absence = topicNameFault(name) === undefined ? broker.topics.absence(name, partitionIndex) : INVALID_NAME;
    const errorCode = partition === undefined ? absence : partition.fault;
    const active = partition === undefined || errorCode !== 0 ? [] : [...partition.log.producers.values()];
    return {
      partitionIndex,
      errorCode,
      // Kafka has no sentence for a partition that is missing from its topic.
      errorMessage: broker.topics.topic(name) !== undefined ? null : errorOf(errorCode).message,
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
}
