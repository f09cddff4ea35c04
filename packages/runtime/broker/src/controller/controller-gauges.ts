import type { Env } from "@samsa/base";
import type { MetadataChanges, MetadataImage, PartitionImage } from "@samsa/metadata";
import type { RaftClient } from "@samsa/raft";
import type { MetadataPublisher } from "../metadata/publisher.ts";
import { MOST_SERIES } from "../turn/bounded-series.ts";
import { summary } from "../turn/histogram.ts";
import type { MetricSample } from "../turn/metric.ts";
import type { BrokerMetrics } from "../turn/metrics.ts";
import type { QuorumController } from "./quorum-controller.ts";

/** Elections of replicas that were not in sync, as the metadata of this controller tell (`ControllerMetricsChanges`). */
export class ElectionCounts implements MetadataPublisher {
  readonly name = "election counts";
  unclean = 0;
  eligible = 0;

  publish({ base, changedTopics }: MetadataChanges, image: MetadataImage): void {
    for (const [topicId, indexes] of changedTopics) {
      const before = base.topics.get(topicId)?.partitions;
      const after = image.topics.get(topicId)?.partitions;
      for (const index of indexes) this.#count(before?.get(index), after?.get(index));
    }
  }

  #count(before: PartitionImage | undefined, after: PartitionImage | undefined): void {
    if (before === undefined || after === undefined) return;
    const { leader } = after;
    if (leader < 0 || leader === before.leader || before.isr.includes(leader)) return;
    if (before.eligibleLeaderReplicas.includes(leader)) this.eligible++;
    else this.unclean++;
  }
}

/** Controller of a node, and what it knows. */
export interface ControllerGaugeParts {
  readonly env: Env;
  readonly metrics: BrokerMetrics;
  readonly quorum: Pick<RaftClient, "highWatermark">;
  /** Committed metadata. */
  readonly image: () => MetadataImage;
  readonly controller: Pick<QuorumController, "activations" | "commitLatency" | "failure" | "isActive" | "times">;
  readonly elections: ElectionCounts;
}

function countBrokers({ brokers }: MetadataImage, isCounted: (fenced: boolean, stopping: boolean) => boolean): number {
  let count = 0;
  for (const { fenced, inControlledShutdown } of brokers.values()) if (isCounted(fenced, inControlledShutdown)) count++;
  return count;
}

function countPartitions({ topics }: MetadataImage, isCounted: (partition: PartitionImage) => boolean): number {
  let count = 0;
  for (const { partitions } of topics.values()) {
    for (const partition of partitions.values()) if (isCounted(partition)) count++;
  }
  return count;
}

/** Adds the gauges of a controller (`QuorumControllerMetrics`, `ControllerMetadataMetrics`). */
export function addControllerGauges(parts: ControllerGaugeParts): void {
  addClusterGauges(parts);
  const { env, metrics, quorum, image, controller, elections } = parts;
  const gauge = (name: string, help: string, read: () => number): void =>
    metrics.gauge(`kafka_controller_kafkacontroller_${name}`, help, read);
  gauge("activecontrollercount", "1 if this controller is the active one.", () => Number(controller.isActive));
  gauge("fencedbrokercount", "Fenced brokers.", () => countBrokers(image(), fenced => fenced));
  gauge("activebrokercount", "Brokers that are not fenced.", () => countBrokers(image(), fenced => !fenced));
  gauge("controlledshutdownbrokercount", "Brokers that are stopping.", () =>
    countBrokers(image(), (_fenced, stopping) => stopping),
  );
  gauge("globaltopiccount", "Topics.", () => image().topics.size);
  gauge("globalpartitioncount", "Partitions.", () => countPartitions(image(), () => true));
  gauge("offlinepartitionscount", "Partitions without a leader.", () =>
    countPartitions(image(), ({ leader }) => leader < 0),
  );
  gauge("preferredreplicaimbalancecount", "Partitions that their first replica does not lead.", () =>
    countPartitions(image(), ({ leader, replicas }) => leader !== replicas[0]),
  );
  gauge("metadataerrorcount", "1 if this controller has failed over its metadata.", () =>
    Number(controller.failure !== undefined),
  );
  gauge("lastappliedrecordoffset", "Offset of the last metadata record applied here.", () => image().provenance.offset);
  gauge("lastappliedrecordtimestamp", "Timestamp of that record.", () => image().provenance.timestamp);
  gauge("lastappliedrecordlagms", "Age of that record in ms; 0 on the active controller.", () =>
    controller.isActive ? 0 : env.clock.now() - image().provenance.timestamp,
  );
  gauge("lastcommittedrecordoffset", "Offset of the last metadata record known to be committed.", () =>
    Math.max(-1, quorum.highWatermark - 1),
  );
  metrics.counter("kafka_controller_kafkacontroller_newactivecontrollerscount", "Times it became active.", () =>
    controller.activations(),
  );
  metrics.counter(
    "kafka_controller_controllerstats_uncleanleaderelections_total",
    "Elections of leaders that may lack acknowledged records.",
    () => elections.unclean,
    "kafka_controller_controllerstats_uncleanleaderelectionspersec",
  );
  metrics.counter(
    "kafka_controller_controllerstats_electionfromeligibleleaderreplicas_total",
    "Elections of eligible leader replicas (KIP-966).",
    () => elections.eligible,
  );
  const commit = (name: string, help: string, read: (now: number) => number): void =>
    metrics.gauge(
      `kafka_server_raft_metrics_commit_latency_${name}`,
      help,
      () => read(env.clock.monotonic()),
      `kafka_server_raftmetrics_commit_latency_${name}`,
    );
  const { commitLatency } = controller;
  commit("avg", "Average time from append to commit of metadata in the last minute, in ms.", now =>
    commitLatency.average(now),
  );
  commit("max", "Longest time from append to commit of metadata in the last minute, in ms.", now =>
    commitLatency.maximum(now),
  );
}

/** Adds what exporters outside the brokers tell of the cluster: the active controller tells it, so that it is there once. */
function addClusterGauges({ env, metrics, image, controller }: ControllerGaugeParts): void {
  const whenActive =
    (read: () => Iterable<MetricSample>): (() => Iterable<MetricSample>) =>
    () =>
      controller.isActive ? read() : [];
  const add = (name: string, help: string, read: () => Iterable<MetricSample>): void =>
    metrics.add({ name, help, type: "gauge", samples: whenActive(read) });
  add("kafka_brokers", "Brokers that are not fenced, at the active controller.", () => [
    { labels: {}, value: countBrokers(image(), fenced => !fenced) },
  ]);
  add("kafka_broker_info", "1 for each broker, with its first listener, at the active controller.", function* infos() {
    for (const [id, { endPoints }] of image().brokers) {
      const [first] = endPoints;
      const address = first === undefined ? "" : `${first.host}:${first.port}`;
      yield { labels: { id: String(id), address }, value: 1 };
    }
  });
  const topics = function* topics(): Iterable<MetricSample> {
    let left = MOST_SERIES;
    for (const { name, partitions } of image().topics.values()) {
      if (left-- === 0) return;
      yield { labels: { topic: name }, value: partitions.size };
    }
  };
  add("kafka_topic_partitions", "Partitions of a topic, at the active controller.", topics);
  metrics.add({
    name: "kafka_controller_controllereventmanager_eventqueueprocessingtimems",
    help: "Time from a request of the controller to the commit of its decision, in ms.",
    type: "summary",
    samples: () => summary(controller.times.histogram, { unit: 0.001, now: env.clock.monotonic() }),
  });
}
