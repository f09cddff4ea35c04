import { METADATA_VERSION, metadataVersionOf } from "@samsa/metadata";
import { type DescribeLogDirsRequest, Errors } from "@samsa/protocol";
import type { LogDir, PartitionLog } from "@samsa/storage";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

/** No lag can be told of a replica that is not served. */
const NO_LAG = -1;

/** How far a log is behind: a copy behind the log it is made of, the log behind its high watermark. */
function lagOf(broker: Broker, log: PartitionLog, isFuture: boolean): number {
  const partition = broker.topics.partition(log.topic, log.partition);
  if (partition === undefined || partition.fault !== 0) return NO_LAG;
  const { endOffset, highWatermark } = partition.log;
  return isFuture ? endOffset - log.endOffset : Math.max(0, highWatermark - log.endOffset);
}

interface DescribedTopic {
  readonly name: string;
  readonly partitions: { partitionIndex: number; partitionSize: number; offsetLag: number; isFutureKey: boolean }[];
}

function topicsIn(broker: Broker, dir: LogDir, wanted: (log: PartitionLog) => boolean): DescribedTopic[] {
  const topics = new Map<string, DescribedTopic>();
  const note = (log: PartitionLog, isFutureKey: boolean): void => {
    if (!wanted(log)) return;
    let topic = topics.get(log.topic);
    if (topic === undefined) topics.set(log.topic, (topic = { name: log.topic, partitions: [] }));
    const offsetLag = lagOf(broker, log, isFutureKey);
    topic.partitions.push({ partitionIndex: log.partition, partitionSize: log.size, offsetLag, isFutureKey });
  };
  for (const log of broker.dirs.logs()) if (log.home === dir) note(log, false);
  for (const log of dir.futures.values()) note(log, true);
  return [...topics.values()];
}

/** DescribeLogDirs (KIP-113; sizes of the file systems KIP-827; cordoned KIP-1066). */
export function describeLogDirs(
  broker: Broker,
  request: DescribeLogDirsRequest,
  _context: RequestContext,
  reply: (response: object) => void,
): void {
  const { topics } = request;
  const asked = topics && new Set(topics.flatMap(t => t.partitions.map(partition => `${t.topic}-${partition}`)));
  const wanted = (log: PartitionLog): boolean => asked === null || asked.has(`${log.topic}-${log.partition}`);
  const cordons = metadataVersionOf(broker.topics.image) >= METADATA_VERSION.cordonedDirectories;
  const describe = async (logDir: string): Promise<object> => {
    const offline = { errorCode: Errors.KAFKA_STORAGE_ERROR.code, logDir, topics: [] };
    if (broker.dirs.at(logDir) === undefined) return offline;
    try {
      const { total: totalBytes, usable: usableBytes } = await broker.env.disk.space(logDir);
      const dir = broker.dirs.at(logDir);
      if (dir === undefined) return offline;
      const isCordoned = cordons && broker.dirs.cordoned.has(logDir);
      return { errorCode: 0, logDir, topics: topicsIn(broker, dir, wanted), totalBytes, usableBytes, isCordoned };
    } catch (error) {
      broker.env.logger.error("a log directory could not be described", { path: logDir, error });
      return offline;
    }
  };
  void Promise.all(broker.dirs.paths.map(describe)).then(results => {
    reply({ throttleTimeMs: 0, errorCode: 0, results });
  });
}
