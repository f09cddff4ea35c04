import { type Env, nearestNumber, type Offset, type PartitionIndex } from "@samsa/base";
import type { GroupCensus, GroupShard } from "@samsa/coordinator";
import type { Groups } from "./coordinator/groups.ts";
import { type LatestOffset, LatestOffsets } from "./share/latest-offsets.ts";
import type { Topics } from "./replica/topics.ts";
import type { BoundedSeries } from "./turn/bounded-series.ts";
import type { Labels, MetricSample } from "./turn/metric.ts";
import type { BrokerMetrics } from "./turn/metrics.ts";

interface Counted {
  readonly env: Pick<Env, "clock">;
  readonly metrics: BrokerMetrics;
  readonly series: BoundedSeries;
  readonly groups: Groups;
  readonly topics: Pick<Topics, "partition">;
  readonly shares: { readonly latestOffsets: Pick<LatestOffsets, "list"> };
}

/** Least time between two questions to other brokers for the ends of their partitions, in ms. */
const ASK_AFTER_MS = 10_000;
/** A census is used again for so long, in ms: one scrape takes one. */
const CENSUS_MS = 500;

/** States of classic groups with their names in `GroupMetadataManager`'s gauges. */
const CLASSIC_STATES = [
  ["PreparingRebalance", "preparingrebalance"],
  ["CompletingRebalance", "completingrebalance"],
  ["Stable", "stable"],
  ["Dead", "dead"],
  ["Empty", "empty"],
] as const;
const CONSUMER_STATES = ["Empty", "Assigning", "Reconciling", "Stable", "Dead"] as const;
const SHARE_STATES = ["Empty", "Stable", "Dead"] as const;

/** Groups of a coordinator, counted by type and state. */
class Census {
  readonly #counted: Counted;
  #counts = new Map<string, number>();
  #at = -Infinity;

  constructor(counted: Counted) {
    this.#counted = counted;
  }

  /** Number of groups of a type, in a state or in any. */
  count(type: GroupCensus["type"], state = ""): number {
    const now = this.#counted.env.clock.monotonic();
    if (now - this.#at > CENSUS_MS) {
      this.#counts = new Map();
      for (const { shard } of this.#counted.groups.all()) {
        for (const group of shard.census()) {
          this.#add(`${group.type} `);
          this.#add(`${group.type} ${group.state}`);
        }
      }
      this.#at = now;
    }
    return this.#counts.get(`${type} ${state}`) ?? 0;
  }

  #add(key: string): void {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }
}

/** Ends of partitions: of replicas here as they are, of others as their leaders last told. */
class Ends {
  readonly #counted: Counted;
  #told: ReadonlyMap<string, LatestOffset> = new Map();
  #askedAt = -Infinity;
  #isAsking = false;
  #missing = new Map<string, { readonly topic: string; readonly index: PartitionIndex }>();

  constructor(counted: Counted) {
    this.#counted = counted;
  }

  /** High watermark of a partition; undefined: unknown yet. */
  of(topic: string, index: PartitionIndex): Offset | undefined {
    const partition = this.#counted.topics.partition(topic, index);
    if (partition !== undefined && partition.readFault === 0) return partition.highWatermark;
    const key = LatestOffsets.keyOf({ topic, index });
    this.#missing.set(key, { topic, index });
    const told = this.#told.get(key);
    return told === undefined || told.errorCode !== 0 ? undefined : nearestNumber(told.offset);
  }

  /** Asks for the ends that were missing since the last call; a later scrape has the answers. */
  ask(): void {
    const now = this.#counted.env.clock.monotonic();
    const missing = [...this.#missing.values()];
    if (missing.length === 0 || this.#isAsking || now - this.#askedAt < ASK_AFTER_MS) return;
    this.#missing = new Map();
    this.#isAsking = true;
    this.#askedAt = now;
    this.#counted.shares.latestOffsets.list(missing, told => {
      this.#told = told;
      this.#isAsking = false;
    });
  }
}

/** Labels of committed offsets, kept as long as a scrape finds them. */
class OffsetLabels {
  #known = new Map<string, Labels>();
  #next = new Map<string, Labels>();

  of(consumergroup: string, topic: string, partition: PartitionIndex): Labels {
    const key = `${consumergroup}\0${topic}\0${partition}`;
    const labels = this.#next.get(key) ??
      this.#known.get(key) ?? { consumergroup, topic, partition: String(partition) };
    this.#next.set(key, labels);
    return labels;
  }

  /** Forgets labels that were not asked for since the last call. */
  swap(): void {
    this.#known = this.#next;
    this.#next = new Map();
  }
}

/** Adds the gauges of groups that are coordinated here (`GroupCoordinatorMetrics`), and of their lags. */
export function addGroupGauges(counted: Counted): void {
  const { metrics, groups } = counted;
  const census = new Census(counted);
  const prefix = "kafka_coordinator_group_groupmetadatamanager_";
  const numOffsets = (): number => {
    let count = 0;
    for (const { shard } of groups.all()) count += shard.committed.count;
    return count;
  };
  metrics.gauge(`${prefix}numgroups`, "Classic groups that are coordinated here.", () => census.count("classic"));
  for (const [state, name] of CLASSIC_STATES) {
    const help = `Classic groups that are coordinated here, in the state ${state}.`;
    metrics.gauge(prefix + `numgroups${name}`, help, () => census.count("classic", state));
  }
  metrics.gauge(`${prefix}numoffsets`, "Committed offsets that are coordinated here.", numOffsets);
  const states = (type: GroupCensus["type"], of: readonly string[]): void =>
    metrics.add({
      name: `kafka_server_group_coordinator_metrics_${type}_group_count`,
      help: `Groups of the type ${type} that are coordinated here, by state.`,
      type: "gauge",
      samples: () => of.map(state => ({ labels: { state }, value: census.count(type, state) })),
    });
  states(
    "classic",
    CLASSIC_STATES.map(([state]) => state),
  );
  states("consumer", CONSUMER_STATES);
  states("share", SHARE_STATES);
  metrics.add({
    name: "kafka_server_group_coordinator_metrics_group_count",
    help: "Groups that are coordinated here, by protocol.",
    type: "gauge",
    samples: () =>
      (["classic", "consumer", "share"] as const).map(protocol => ({
        labels: { protocol },
        value: census.count(protocol),
      })),
  });
  addLags(counted);
}

/** Adds a metric of groups, named as exporters outside the brokers name it: of each item, one series or none. */
type AddGauge = <T>(
  name: string,
  help: string,
  items: () => Iterable<T>,
  sampleOf: (item: T) => MetricSample | undefined,
) => void;

type Place = ReturnType<GroupShard["committed"]["all"]> extends Iterable<infer P> ? P : never;

/** Adds committed offsets, lags and members of groups. */
function addLags({ metrics, groups, series, ...counted }: Counted): void {
  const ends = new Ends({ metrics, groups, series, ...counted });
  const add: AddGauge = (name, help, items, sampleOf) => {
    const full = `kafka_consumergroup_${name}`;
    metrics.add({ name: full, help, type: "gauge", samples: () => series.limit(full, items(), sampleOf) });
  };
  const offsets = function* offsets() {
    for (const { shard } of groups.all()) yield* shard.committed.all();
  };
  addOffsets(add, offsets, ends);
  addSums(add, offsets, ends);
  const census = function* census() {
    for (const { shard } of groups.all()) yield* shard.census();
  };
  add("members", "Members of a group, at its coordinator.", census, ({ groupId, members }) => ({
    labels: { consumergroup: groupId },
    value: members,
  }));
  metrics.gauge("kafka_server_group_coordinator_metrics_partitions_loading", "Partitions being loaded.", () =>
    groups.known().reduce((count, { isLoaded, failed }) => count + Number(!isLoaded && !failed), 0),
  );
}

/** Adds the offsets and lags of single partitions. */
function addOffsets(add: AddGauge, offsets: () => Iterable<Place>, ends: Ends): void {
  const labels = new OffsetLabels();
  add(
    "current_offset",
    "Committed offset of a group, at its coordinator.",
    offsets,
    ({ groupId, topic, partition, offset }) => ({
      labels: labels.of(groupId, topic, partition),
      value: nearestNumber(offset),
    }),
  );
  const lastOffsets = function* lastOffsets() {
    try {
      yield* offsets();
    } finally {
      labels.swap();
      ends.ask();
    }
  };
  add(
    "lag",
    "Records between a group's committed offset and the high watermark, at its coordinator.",
    lastOffsets,
    ({ groupId, topic, partition, offset }) => {
      const end = ends.of(topic, partition);
      if (end === undefined) return undefined;
      return { labels: labels.of(groupId, topic, partition), value: Math.max(0, end - nearestNumber(offset)) };
    },
  );
}

/** Adds the sums of offsets and lags, by topic. */
function addSums(add: AddGauge, offsets: () => Iterable<Place>, ends: Ends): void {
  const sums = (read: (topic: string, partition: PartitionIndex, offset: number) => number) =>
    function* samples(): Iterable<MetricSample> {
      let sum: { readonly labels: Labels; value: number } | undefined;
      // Offsets come group by group, and within a group topic by topic.
      for (const { groupId, topic, partition, offset } of offsets()) {
        if (sum?.labels["consumergroup"] !== groupId || sum.labels["topic"] !== topic) {
          if (sum !== undefined) yield sum;
          sum = { labels: { consumergroup: groupId, topic }, value: 0 };
        }
        sum.value += read(topic, partition, nearestNumber(offset));
      }
      if (sum !== undefined) yield sum;
    };
  add(
    "current_offset_sum",
    "Sum of a group's committed offsets of a topic, at its coordinator.",
    sums((_topic, _partition, offset) => offset),
    sum => sum,
  );
  add(
    "lag_sum",
    "Sum of a group's known lags of a topic, at its coordinator.",
    sums((topic, partition, offset) => Math.max(0, (ends.of(topic, partition) ?? 0) - offset)),
    sum => sum,
  );
}
