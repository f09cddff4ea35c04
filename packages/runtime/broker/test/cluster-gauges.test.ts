import { expect, test } from "vitest";
import { ElectionCounts } from "../src/controller/controller-gauges.ts";
import { LatencyWindow } from "../src/turn/latency-window.ts";
import { SimCluster } from "@samsa/sim";

const CONTROLLER_ID = 9;
const REPLICAS = "kafka_server_replicamanager_";
const CONTROLLER = "kafka_controller_kafkacontroller_";
const RAFT = "kafka_server_raft_metrics_";

/** Value of each metric without labels. */
function metricsOf(cluster: SimCluster, id: number): Record<string, number> {
  const families = cluster.nodes.get(id)?.metricFamilies() ?? [];
  return Object.fromEntries(
    families.flatMap(({ name, samples }) =>
      samples.filter(({ labels }) => Object.keys(labels).length === 0).map(({ value }) => [name, value]),
    ),
  );
}

test("leaders and controllers count what is missing in a cluster", async () => {
  const cluster = new SimCluster();
  await cluster.startAll();
  const configs = [{ name: "min.insync.replicas", value: "2" }];
  expect(await cluster.createTopic("t", [1, 2, 3], configs)).toBe(0);
  await cluster.untilPartition("t", { leader: 1, isr: [1, 2, 3] });
  const leader = (name: string) => metricsOf(cluster, 1)[REPLICAS + name];
  const controller = (name: string) => metricsOf(cluster, CONTROLLER_ID)[CONTROLLER + name];
  const counts = () => ["underreplicatedpartitions", "atminisrpartitioncount", "underminisrpartitioncount"].map(leader);
  expect([leader("leadercount"), ...counts()]).toEqual([1, 0, 0, 0]);
  expect(["activecontrollercount", "activebrokercount", "globaltopiccount"].map(controller)).toEqual([1, 3, 1]);
  await cluster.stop(3);
  await cluster.untilPartition("t", { isr: [1, 2] });
  expect([...counts(), controller("fencedbrokercount")]).toEqual([1, 1, 0, 1]);
  cluster.end(2, "kill");
  await cluster.untilPartition("t", { isr: [1] });
  expect([...counts(), controller("fencedbrokercount")]).toEqual([1, 0, 1, 2]);
  await cluster.start(2);
  await cluster.untilPartition("t", { isr: [1, 2] });
  expect([leader("isrexpands_total"), leader("reassigningpartitions")]).toEqual([1, 0]);
  const raft = metricsOf(cluster, CONTROLLER_ID);
  expect(raft[`${RAFT}current_leader`]).toBe(CONTROLLER_ID);
  expect(raft[`${RAFT}high_watermark`]).toBe(raft[`${RAFT}log_end_offset`]);
  expect(raft[`${CONTROLLER}lastappliedrecordoffset`]).toBe(raft[`${RAFT}high_watermark`] - 1);
  expect(raft[`${RAFT}commit_latency_avg`]).toBeGreaterThan(0);
  expect(raft[`${RAFT}commit_latency_max`]).toBeGreaterThanOrEqual(raft[`${RAFT}commit_latency_avg`]);
  expect(metricsOf(cluster, 1)[`${RAFT}current_leader`]).toBe(CONTROLLER_ID);
  await cluster.stop(2);
  await cluster.stop(1);
  expect([controller("offlinepartitionscount"), controller("activebrokercount")]).toEqual([1, 0]);
  await cluster.close();
});

test("elections of replicas that were not in sync are counted", () => {
  const counts = new ElectionCounts();
  const elected = (before: object | undefined, leader: number) => {
    const image = (partition: object | undefined) => ({
      topics: new Map([["t", { partitions: new Map(partition === undefined ? [] : [[0, partition]]) }]]),
    });
    const base = image(before && { leader: -1, isr: [], eligibleLeaderReplicas: [], ...before });
    const changes = { base, changedTopics: new Map([["t", new Set([0])]]) };
    counts.publish(changes as never, image({ leader }) as never);
    return [counts.unclean, counts.eligible];
  };
  expect(elected(undefined, 1), "a new partition").toEqual([0, 0]);
  expect(elected({ isr: [1] }, 1)).toEqual([0, 0]);
  expect(elected({ eligibleLeaderReplicas: [1] }, 1)).toEqual([0, 1]);
  expect(elected({ eligibleLeaderReplicas: [2] }, 1)).toEqual([1, 1]);
  expect(elected({ leader: 1 }, 1)).toEqual([1, 1]);
  expect(elected({ leader: 1 }, -1)).toEqual([1, 1]);
});

test("latencies are those of the last minute", () => {
  const window = new LatencyWindow({ ms: 30_000, count: 2 });
  expect([window.average(0), window.maximum(0)]).toEqual([NaN, NaN]);
  window.add(0, 10);
  window.add(20_000, 30);
  expect([window.average(20_000), window.maximum(20_000)]).toEqual([20, 30]);
  window.add(40_000, 5);
  expect([window.average(59_999), window.maximum(59_999)]).toEqual([15, 30]);
  expect([window.average(60_000), window.maximum(60_000)]).toEqual([5, 5]);
  expect(window.maximum(200_000)).toBe(NaN);
});
