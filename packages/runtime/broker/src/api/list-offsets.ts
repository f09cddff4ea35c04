import type { Int64 } from "@samsa/base";
import type { ListOffsetsRequest } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { Partition } from "../partition.ts";
import type { RequestContext } from "../requests.ts";
import { epochFault } from "./fetch.ts";

/** Timestamps that ask for something other than a time (`ListOffsetsRequest`). */
const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;
const EARLIEST_PENDING_UPLOAD = -6;

interface Answer {
  readonly errorCode: number;
  readonly timestamp: Int64;
  readonly offset: number;
  readonly leaderEpoch: number;
}

const NOTHING: Answer = { errorCode: 0, timestamp: -1, offset: -1, leaderEpoch: -1 };

function at(partition: Partition, offset: number, timestamp: Int64 = -1): Answer {
  const { epochs } = partition.log;
  // The epoch in which that offset was, or will be, written.
  let leaderEpoch = -1;
  for (const entry of epochs) if (entry.startOffset <= offset) leaderEpoch = entry.epoch;
  return { errorCode: 0, timestamp, offset, leaderEpoch };
}

function lookUp(partition: Partition, timestamp: Int64, committed: boolean): Answer {
  const { log } = partition;
  const limit = partition.limit(committed);
  switch (timestamp) {
    case LATEST:
      return at(partition, limit);
    case EARLIEST:
    case EARLIEST_LOCAL:
      return at(partition, log.startOffset);
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      return NOTHING;
    case MAX_TIMESTAMP: {
      const found = log.offsetOfMaxTimestamp();
      return found === undefined ? NOTHING : at(partition, found.offset, found.timestamp);
    }
    default: {
      const found = log.offsetForTimestamp(timestamp);
      return found === undefined || found.offset >= limit ? NOTHING : at(partition, found.offset, found.timestamp);
    }
  }
}

export function listOffsets(
  broker: Broker,
  request: ListOffsetsRequest,
  context: RequestContext,
  reply: (response: object) => void,
): void {
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, currentLeaderEpoch, timestamp }) => {
      const partition = broker.topics.partition(name, partitionIndex);
      const fault =
        partition === undefined
          ? broker.topics.absence(name, partitionIndex)
          : partition.fault !== 0
            ? partition.fault
            : epochFault(partition, currentLeaderEpoch);
      if (partition === undefined || fault !== 0) return { ...NOTHING, partitionIndex, errorCode: fault };
      const answer = lookUp(partition, timestamp, request.isolationLevel === 1);
      // Versions below 4 have no place for the epoch.
      return { partitionIndex, ...answer, leaderEpoch: context.version < 4 ? -1 : answer.leaderEpoch };
    }),
  }));
  reply({ throttleTimeMs: 0, topics });
}
