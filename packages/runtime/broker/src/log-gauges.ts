import type { LogDirs, PartitionLog } from "@samsa/storage";
import type { BoundedSeries } from "./turn/bounded-series.ts";
import type { Labels, MetricSample } from "./turn/metric.ts";
import type { BrokerMetrics } from "./turn/metrics.ts";
import type { Partition } from "./replica/partition.ts";
import type { Topics } from "./replica/topics.ts";

interface Counted {
  readonly metrics: BrokerMetrics;
  readonly series: BoundedSeries;
  readonly dirs: Pick<LogDirs, "logs">;
  readonly topics: Pick<Topics, "all" | "image">;
}

/** Labels of partitions and logs: one object for each, so that it is rendered once. */
function partitionLabels<T extends object>(placeOf: (of: T) => readonly [topic: string, index: number]) {
  const known = new WeakMap<T, Labels>();
  return (of: T): Labels => {
    let labels = known.get(of);
    if (labels === undefined) {
      const [topic, index] = placeOf(of);
      labels = { topic, partition: String(index) };
      known.set(of, labels);
    }
    return labels;
  };
}

/** Adds the gauges of the logs here (`UnifiedLog`), one series for each. */
function addLogs({ metrics, series, dirs }: Counted): void {
  const labelsOf = partitionLabels<PartitionLog>(({ topic, partition }) => [topic, partition]);
  const add = (name: string, help: string, read: (log: PartitionLog) => number): void => {
    const full = `kafka_log_log_${name}`;
    const sampleOf = (log: PartitionLog): MetricSample => ({ labels: labelsOf(log), value: read(log) });
    metrics.add({ name: full, help, type: "gauge", samples: () => series.limit(full, dirs.logs(), sampleOf) });
  };
  add("size", "Bytes of a log.", log => log.size);
  add("logstartoffset", "First offset of a log.", log => log.startOffset);
  add("logendoffset", "Offset after the last record of a log.", log => log.endOffset);
  add("numlogsegments", "Segments of a log.", log => log.state.segments.length);
}

type Read = (partition: Partition, leader: NonNullable<Partition["leader"]>) => number;

/** Gauges of partitions that are led here (`Partition`); other replicas have 0. */
const LED: readonly (readonly [name: string, help: string, read: Read])[] = [
  [
    "underreplicated",
    "1 if a partition that is led here has replicas that are not in sync.",
    (_partition, { isr, followers }) => Number(isr.length < followers + 1),
  ],
  [
    "underminisr",
    "1 if a partition that is led here has fewer replicas in sync than min.insync.replicas.",
    (_partition, { isBelowMinimum }) => Number(isBelowMinimum),
  ],
  [
    "atminisr",
    "1 if a partition that is led here has as many replicas in sync as min.insync.replicas.",
    (_partition, { isAtMinimum }) => Number(isAtMinimum),
  ],
  ["insyncreplicascount", "Replicas in sync of a partition that is led here.", (_partition, { isr }) => isr.length],
  ["replicascount", "Replicas of a partition that is led here.", (_partition, { followers }) => followers + 1],
  [
    "laststableoffsetlag",
    "Records of a partition that is led here between its last stable offset and its high watermark.",
    ({ highWatermark, stableOffset }) => Math.max(0, highWatermark - stableOffset),
  ],
];

/** Gauges that exporters outside the brokers have of each partition; its leader has them here. */
const EXPORTED: readonly (readonly [name: string, help: string, read: Read])[] = [
  ["current_offset", "High watermark of a partition, at its leader.", ({ highWatermark }) => highWatermark],
  ["oldest_offset", "First offset of a partition, at its leader.", ({ startOffset }) => startOffset],
  ["replicas", "Replicas of a partition, at its leader.", (_partition, { followers }) => followers + 1],
  ["in_sync_replica", "Replicas in sync of a partition, at its leader.", (_partition, { isr }) => isr.length],
  [
    "under_replicated_partition",
    "1 if a partition has replicas that are not in sync, at its leader.",
    (_partition, { isr, followers }) => Number(isr.length < followers + 1),
  ],
];

/** Adds the gauges of the logs and the partitions here, one series for each. */
export function addLogGauges(counted: Counted): void {
  addLogs(counted);
  const { metrics, series, topics } = counted;
  const labelsOf = partitionLabels<Partition>(({ topic, index }) => [topic, index]);
  const add = (name: string, help: string, read: (partition: Partition) => number | undefined): void => {
    const sampleOf = (partition: Partition): MetricSample | undefined => {
      const value = read(partition);
      return value === undefined ? undefined : { labels: labelsOf(partition), value };
    };
    metrics.add({ name, help, type: "gauge", samples: () => series.limit(name, topics.all(), sampleOf) });
  };
  for (const [name, help, read] of LED) {
    add(`kafka_cluster_partition_${name}`, help, of => (of.leader === undefined ? 0 : read(of, of.leader)));
  }
  for (const [name, help, read] of EXPORTED) {
    add(`kafka_topic_partition_${name}`, help, of => (of.leader === undefined ? undefined : read(of, of.leader)));
  }
  const inImage = ({ topicId, index }: Partition) => topics.image.topics.get(topicId)?.partitions.get(index);
  add("kafka_topic_partition_leader", "Id of the broker that leads a partition, at that broker.", of =>
    of.leader === undefined ? undefined : inImage(of)?.leader,
  );
  add("kafka_topic_partition_leader_is_preferred", "1 if its first replica leads a partition, at its leader.", of => {
    const image = inImage(of);
    return of.leader === undefined || image === undefined ? undefined : Number(image.leader === image.replicas[0]);
  });
}
