import { DiskError, type PartitionIndex } from "@samsa/base";
import { type ErrorName, Errors } from "@samsa/protocol";
import { futureName } from "@samsa/storage";
import type { TopicHandler } from "../../request/handler.ts";
import type { RequestTopics } from "../../request/request-topics.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "dirs" | "moves">;

const LONGEST_NAME = 255;
const NO_ID = new Uint8Array(16);

interface Place {
  readonly topic: string;
  readonly partition: PartitionIndex;
}

/** AlterReplicaLogDirs (KIP-113): begins to move replicas of this broker between its directories. */
export const alterReplicaLogDirs: TopicHandler<"AlterReplicaLogDirs", Needs> = (parts, request, context, reply) => {
  const wanted = new Map<string, Place & { readonly path: string }>();
  for (const { path, topics } of request.dirs) {
    for (const { name, partitions } of topics) {
      for (const partition of partitions) wanted.set(`${name}-${partition}`, { topic: name, partition, path });
    }
  }
  const results = new Map<string, { partitionIndex: PartitionIndex; errorCode: number }[]>();
  for (const { path, ...place } of wanted.values()) {
    const errorCode = Errors[moveTo(parts, context.topics, place, path)].code;
    const partitions = results.get(place.topic) ?? [];
    results.set(place.topic, [...partitions, { partitionIndex: place.partition, errorCode }]);
  }
  reply({
    throttleTimeMs: 0,
    results: [...results].map(([topicName, partitions]) => ({ topicName, partitions })),
  });
};

/** Error if no replica of the partition may be placed in `path`, whether or not a replica exists. */
function pathFault({ dirs }: Needs, { topic, partition }: Place, path: string): ErrorName | undefined {
  if (futureName(topic, partition, NO_ID).length > LONGEST_NAME) return "INVALID_TOPIC_EXCEPTION";
  if (!dirs.paths.includes(path)) return "LOG_DIR_NOT_FOUND";
  if (dirs.at(path) === undefined) return "KAFKA_STORAGE_ERROR";
  return dirs.cordoned.has(path) ? "INVALID_REPLICA_ASSIGNMENT" : undefined;
}

function moveTo(parts: Needs, topics: RequestTopics, place: Place, path: string): ErrorName {
  const { dirs, moves } = parts;
  const fault = pathFault(parts, place, path);
  const dir = dirs.at(path);
  if (fault !== undefined || dir === undefined) return fault ?? "KAFKA_STORAGE_ERROR";
  const partition = topics.partition(place.topic, place.partition);
  if (typeof partition === "number") {
    if (partition === Errors.KAFKA_STORAGE_ERROR.code) return "KAFKA_STORAGE_ERROR";
    return partition === Errors.UNKNOWN_TOPIC_OR_PARTITION.code
      ? "UNKNOWN_TOPIC_OR_PARTITION"
      : "REPLICA_NOT_AVAILABLE";
  }
  if (partition.isOffline) return "KAFKA_STORAGE_ERROR";
  const target = moves.target(partition);
  if (target === path) return "NONE";
  if (target !== undefined) moves.cancel(partition);
  if (moves.directoryOf(partition) === path) return "NONE";
  // After a move away from `dir` its old log remains there for a moment.
  if (dir.get(place.topic, place.partition) !== undefined) return "REPLICA_NOT_AVAILABLE";
  // An earlier copy may be in the offline directory.
  if (dirs.anyOffline) return "KAFKA_STORAGE_ERROR";
  try {
    moves.begin(partition, dir);
    return "NONE";
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return "KAFKA_STORAGE_ERROR";
  }
}
