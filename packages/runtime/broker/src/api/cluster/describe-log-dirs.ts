import type { PartitionIndex } from "@samsa/base";
import { METADATA_VERSION, metadataVersionOf } from "@samsa/metadata";
import { Errors } from "@samsa/protocol";
import type { LogDir, PartitionLog } from "@samsa/storage";
import type { ItemOf, TopicHandler } from "../../request/handler.ts";
import type { RequestTopics } from "../../request/request-topics.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "dirs" | "env"> & { readonly topics: RequestTopics };

/** Lag of a replica that is not served. */
const NO_LAG = -1;

/** Lag of a log, in records: a future log behind the current log, a current log behind its high watermark. */
function lagOf(parts: Needs, log: PartitionLog, isFuture: boolean): number {
  const partition = parts.topics.partition(log.topic, log.partition);
  if (typeof partition === "number" || partition.isOffline) return NO_LAG;
  const { endOffset, highWatermark } = partition;
  return isFuture ? endOffset - log.endOffset : Math.max(0, highWatermark - log.endOffset);
}

interface DescribedTopic {
  readonly name: string;
  readonly partitions: {
    partitionIndex: PartitionIndex;
    partitionSize: number;
    offsetLag: number;
    isFutureKey: boolean;
  }[];
}

function topicsIn(parts: Needs, dir: LogDir, wanted: (log: PartitionLog) => boolean): DescribedTopic[] {
  const topics = new Map<string, DescribedTopic>();
  const note = (log: PartitionLog, isFutureKey: boolean): void => {
    if (!wanted(log)) return;
    let topic = topics.get(log.topic);
    if (topic === undefined) topics.set(log.topic, (topic = { name: log.topic, partitions: [] }));
    const offsetLag = lagOf(parts, log, isFutureKey);
    topic.partitions.push({ partitionIndex: log.partition, partitionSize: log.size, offsetLag, isFutureKey });
  };
  for (const log of parts.dirs.logs()) if (log.home === dir) note(log, false);
  for (const log of dir.futures.values()) note(log, true);
  return [...topics.values()];
}

/** DescribeLogDirs (KIP-113; volume sizes KIP-827; cordoned directories KIP-1066). */
export const describeLogDirs: TopicHandler<"DescribeLogDirs", Pick<Needs, "dirs" | "env">> = (
  { dirs, env },
  request,
  context,
  reply,
) => {
  const parts = { dirs, env, topics: context.topics };
  const { topics } = request;
  const asked = topics && new Set(topics.flatMap(t => t.partitions.map(partition => `${t.topic}-${partition}`)));
  const wanted = (log: PartitionLog): boolean => asked === null || asked.has(`${log.topic}-${log.partition}`);
  const cordons = metadataVersionOf(parts.topics.image) >= METADATA_VERSION.cordonedDirectories;
  const describe = async (logDir: string): Promise<ItemOf<"DescribeLogDirs", "results">> => {
    const offline = { errorCode: Errors.KAFKA_STORAGE_ERROR.code, logDir, topics: [] };
    if (parts.dirs.at(logDir) === undefined) return offline;
    try {
      const { total: totalBytes, usable: usableBytes } = await parts.env.disk.space(logDir);
      const dir = parts.dirs.at(logDir);
      if (dir === undefined) return offline;
      const isCordoned = cordons && parts.dirs.cordoned.has(logDir);
      return { errorCode: 0, logDir, topics: topicsIn(parts, dir, wanted), totalBytes, usableBytes, isCordoned };
    } catch (error) {
      parts.env.logger.error("a log directory could not be described", { path: logDir, error });
      return offline;
    }
  };
  Promise.all(parts.dirs.paths.map(describe)).then(
    results => reply({ throttleTimeMs: 0, errorCode: 0, results }),
    (error: unknown) => {
      parts.env.logger.error("the log directories could not be described", { error });
      reply({ throttleTimeMs: 0, errorCode: Errors.UNKNOWN_SERVER_ERROR.code, results: [] });
    },
  );
};
