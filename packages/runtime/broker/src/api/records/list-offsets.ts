import { duplicates, type BrokerId, type Int64, type LeaderEpoch, type Offset, type PartitionIndex } from "@samsa/base";
import { Errors, type ListOffsetsRequest } from "@samsa/protocol";
import type { Partition } from "../../replica/partition.ts";
import type { TopicHandler } from "../../request/handler.ts";
import type { RequestTopics } from "../../request/request-topics.ts";

/** Special timestamps of ListOffsets that do not name a time (`ListOffsetsRequest`). */
const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;
const EARLIEST_PENDING_UPLOAD = -6;
/** First version that accepts each special timestamp (`ReplicaManager.timestampMinSupportedVersion`). */
const SINCE: ReadonlyMap<Int64, number> = new Map([
  [LATEST, 1],
  [EARLIEST, 1],
  [MAX_TIMESTAMP, 7],
  [EARLIEST_LOCAL, 8],
  [LATEST_TIERED, 9],
  [EARLIEST_PENDING_UPLOAD, 11],
]);
const ISOLATION = { uncommitted: 0, committed: 1 } as const;

interface Answer {
  readonly errorCode: number;
  readonly timestamp: Int64;
  readonly offset: Offset;
  readonly leaderEpoch: LeaderEpoch;
}

const NOTHING: Answer = { errorCode: 0, timestamp: -1, offset: -1, leaderEpoch: -1 };
const UNAVAILABLE: Answer = { ...NOTHING, errorCode: Errors.OFFSET_NOT_AVAILABLE.code };
/** First version in which OFFSET_NOT_AVAILABLE has a name; before, a leader that is behind is called not available. */
const UNAVAILABLE_VERSION = 5;

/** Request as a look-up sees it. */
interface Asking {
  readonly reader: Reader;
  readonly committed: boolean;
}

function at(partition: Partition, offset: Offset, timestamp: Int64 = -1): Answer {
  return { errorCode: 0, timestamp, offset, leaderEpoch: partition.epochAt(offset) };
}

/** Reader of offsets: another replica, a consumer, or a tool that reads on any replica (`ListOffsetsRequest.replicaId`). */
type Reader = "REPLICA" | "CONSUMER" | "DEBUGGER";

const DEBUGGING_REPLICA = -2;

function readerOf(replicaId: BrokerId): Reader {
  return replicaId === DEBUGGING_REPLICA ? "DEBUGGER" : replicaId < 0 ? "CONSUMER" : "REPLICA";
}

/** End of the records that a reader may know of. */
function limitOf(partition: Partition, reader: Reader, committed: boolean): Offset {
  return reader === "CONSUMER" ? partition.limit(committed) : partition.endOffset;
}

function lookUp(partition: Partition, timestamp: Int64, { reader, committed }: Asking): Answer {
  const limit = limitOf(partition, reader, committed);
  // A leader that does not know yet what is committed would show a consumer offsets that go back.
  const isBehind = reader === "CONSUMER" && (partition.leader?.epochStart ?? -1) > partition.highWatermark;
  switch (timestamp) {
    case LATEST:
      // Kafka tells the epoch of the leader, not that of the last record.
      return isBehind ? UNAVAILABLE : { ...at(partition, limit), leaderEpoch: partition.leaderEpoch };
    case EARLIEST:
    case EARLIEST_LOCAL:
      return at(partition, partition.startOffset);
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      return NOTHING;
    case MAX_TIMESTAMP: {
      const found = partition.offsetOfMaxTimestamp();
      return found === undefined ? NOTHING : at(partition, found.offset, found.timestamp);
    }
    default: {
      const found = partition.offsetForTimestamp(timestamp);
      if (found === undefined) return NOTHING;
      if (found.offset >= limit) return isBehind ? UNAVAILABLE : NOTHING;
      return at(partition, found.offset, found.timestamp);
    }
  }
}

export const listOffsets: TopicHandler<"ListOffsets", unknown> = (_parts, request, context, reply) => {
  const { isolationLevel } = request;
  const known = isolationLevel === ISOLATION.uncommitted || isolationLevel === ISOLATION.committed;
  const reader = readerOf(request.replicaId);
  const repeated = duplicates(
    request.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex }) => `${name}-${partitionIndex}`),
    ),
  );
  const topics = [...byTopic(request.topics)].map(([name, partitions]) => ({
    name,
    partitions: partitions.map(asked => {
      const { partitionIndex, timestamp } = asked;
      const refused = (errorCode: number) => ({ ...NOTHING, partitionIndex, errorCode });
      if (!context.topics.allows(name)) return refused(Errors.TOPIC_AUTHORIZATION_FAILED.code);
      if (!known) return refused(Errors.UNKNOWN_SERVER_ERROR.code);
      if (repeated.has(`${name}-${partitionIndex}`)) return refused(Errors.INVALID_REQUEST.code);
      if (timestamp < 0 && context.version < (SINCE.get(timestamp) ?? Infinity)) {
        return refused(Errors.UNSUPPORTED_VERSION.code);
      }
      const partition = partitionFor(reader, context.topics, name, asked);
      if (typeof partition === "number") return refused(partition);
      const committed = isolationLevel === ISOLATION.committed;
      const answer = lookUp(partition, timestamp, { reader, committed });
      if (partition.readFault !== 0) return refused(partition.readFault);
      if (answer === UNAVAILABLE && context.version < UNAVAILABLE_VERSION) {
        return refused(Errors.LEADER_NOT_AVAILABLE.code);
      }
      // Versions below 4 have no field for the leader epoch.
      return { partitionIndex, ...answer, leaderEpoch: context.version < 4 ? -1 : answer.leaderEpoch };
    }),
  }));
  reply({ throttleTimeMs: 0, topics });
};

/** Partition of a request; only tools read on followers. */
function partitionFor(
  reader: Reader,
  topics: RequestTopics,
  name: string,
  { partitionIndex, currentLeaderEpoch }: AskedPartition,
): Partition | number {
  if (reader !== "DEBUGGER") return topics.leader(name, partitionIndex, currentLeaderEpoch);
  const partition = topics.partition(name, partitionIndex);
  if (typeof partition === "number") return partition;
  const fault = partition.readFault !== 0 ? partition.readFault : partition.epochFault(currentLeaderEpoch);
  return fault === 0 ? partition : fault;
}

type AskedPartition = ListOffsetsRequest["topics"][number]["partitions"][number];

/** Groups partitions by topic, each partition once; topics without partitions are left out. */
function byTopic(topics: ListOffsetsRequest["topics"]): ReadonlyMap<string, readonly AskedPartition[]> {
  const found = new Map<string, Map<PartitionIndex, AskedPartition>>();
  for (const { name, partitions } of topics) {
    if (partitions.length === 0) continue;
    const all = found.get(name) ?? new Map<PartitionIndex, AskedPartition>();
    for (const partition of partitions) all.set(partition.partitionIndex, partition);
    found.set(name, all);
  }
  return new Map([...found].map(([name, all]) => [name, [...all.values()]]));
}
