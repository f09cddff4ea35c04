import { ZERO_UUID } from "@samsa/base";
import { bootstrapRecords } from "@samsa/controller";
import { METADATA_VERSION, topicNamed } from "@samsa/metadata";
import { createTopicsRequest, incrementalAlterConfigsRequest, metadataRecord } from "@samsa/protocol";
import { beforeEach, expect, test } from "vitest";
import { FEATURES, Fixture } from "./fixture.ts";

const INTERVAL = 300_000;

let cluster: Fixture;
let epochs: number[];

beforeEach(() => {
  cluster = new Fixture();
  const features = new Map([...FEATURES].filter(([name]) => name !== "eligible.leader.replicas.version"));
  cluster.append(bootstrapRecords({ metadataVersion: METADATA_VERSION.latest, features }));
  epochs = [-1, ...[1, 2].map(broker => cluster.join(broker))];
});

/** Heartbeats of the given brokers, at the time of the next periodic election. */
function electionTime(...brokers: number[]): void {
  cluster.now = Math.ceil((cluster.now + 1) / INTERVAL) * INTERVAL;
  for (const broker of brokers) cluster.beat(broker, epochs[broker]);
}

function create(name: string, count: number, replicas: number[]): void {
  const assignments = Array.from({ length: count }, (_, partitionIndex) => ({ partitionIndex, brokerIds: replicas }));
  const topic = { name, numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  const { topics } = cluster.run("CreateTopics", createTopicsRequest.defaults({ topics: [topic] }));
  expect(topics[0].errorCode).toBe(0);
}

function partitions(name: string) {
  return [...(topicNamed(cluster.controller.image, name)?.partitions.values() ?? [])];
}

test("preferred leaders are elected 1000 at a time, as far as they are in sync", () => {
  for (const broker of [1, 2]) cluster.beat(broker, epochs[broker]);
  create("many", 1500, [1, 2]);
  cluster.beat(1, epochs[1], { wantFence: true });
  cluster.beat(1, epochs[1]);
  electionTime(1, 2);
  expect(cluster.tick()).toBeUndefined();
  const topicId = topicNamed(cluster.controller.image, "many")?.id ?? ZERO_UUID;
  for (const partitionId of partitions("many").keys()) {
    cluster.append([metadataRecord("PartitionChangeRecord", 2, { topicId, partitionId, isr: [1, 2] })]);
  }
  expect(cluster.tick()).toBeUndefined();
  electionTime(1, 2);
  expect(cluster.tick()).toMatchObject({ task: "electPreferred", brokerId: undefined, records: { length: 1000 } });
  expect(cluster.tick()).toBeUndefined();
  expect(cluster.controller.nextDeadline).toBe(cluster.now + 10);
  cluster.now += 10;
  expect(cluster.tick()).toMatchObject({ task: "electPreferred", records: { length: 500 } });
  expect(partitions("many").every(({ leader }) => leader === 1)).toBe(true);
  cluster.now += 10;
  expect(cluster.tick()).toBeUndefined();
});

test("leaders stay where they are without auto.leader.rebalance.enable", () => {
  cluster.takeOver({ preferredElectionIntervalMs: undefined });
  for (const broker of [1, 2]) cluster.beat(broker, epochs[broker]);
  create("t", 1, [1, 2]);
  const topicId = topicNamed(cluster.controller.image, "t")?.id ?? ZERO_UUID;
  cluster.append([metadataRecord("PartitionChangeRecord", 2, { topicId, partitionId: 0, leader: 2 })]);
  electionTime(1, 2);
  electionTime(1, 2);
  expect(cluster.tick()).toBeUndefined();
  expect(partitions("t")[0].leader).toBe(2);
});

test("a partition without a leader gets one that is not in sync if its topic allows that", () => {
  for (const broker of [1, 2]) cluster.beat(broker, epochs[broker]);
  for (const name of ["safe", "lossy"]) create(name, 1, [1, 2]);
  cluster.beat(2, epochs[2], { wantFence: true });
  cluster.beat(1, epochs[1], { wantFence: true });
  cluster.beat(2, epochs[2]);
  const configs = [{ name: "unclean.leader.election.enable", configOperation: 0, value: "true" }];
  const resources = [{ resourceType: 2, resourceName: "lossy", configs }];
  cluster.run("IncrementalAlterConfigs", incrementalAlterConfigsRequest.defaults({ resources }));
  electionTime(2);
  expect(cluster.tick()).toMatchObject({ task: "electUnclean", records: { length: 1 } });
  expect(partitions("lossy")[0]).toMatchObject({ leader: 2, isr: [2], leaderRecoveryState: 1 });
  expect(partitions("safe")[0]).toMatchObject({ leader: -1, isr: [1] });
  expect(cluster.tick()).toBeUndefined();
});

test("an idle controller shows other nodes that it is active, and writes nothing for itself", () => {
  const MAX_IDLE = 500;
  cluster.takeOver({ maxIdleIntervalMs: MAX_IDLE });
  const from = cluster.now;
  expect(cluster.controller.nextDeadline).toBe(from + MAX_IDLE);
  cluster.now += 300;
  cluster.beat(2, epochs[2]);
  // A decision with records counts, and one without does not.
  expect(cluster.controller.nextDeadline).toBe(cluster.now + MAX_IDLE);
  cluster.now += 200;
  cluster.beat(2, epochs[2]);
  expect(cluster.controller.nextDeadline).toBe(from + 300 + MAX_IDLE);
  cluster.now += 299;
  expect(cluster.tick()).toBeUndefined();
  cluster.now += 1;
  expect(cluster.tick()).toMatchObject({ task: "writeNoOpRecord", records: [{ type: "NoOpRecord" }] });
  expect(cluster.tick()).toBeUndefined();
  expect(cluster.controller.nextDeadline).toBe(cluster.now + MAX_IDLE);
  cluster.run("UnregisterBroker", { brokerId: 2 });
  cluster.now += 2 * MAX_IDLE;
  expect(cluster.tick(), "a node of its own").toBeUndefined();
  cluster.takeOver({ maxIdleIntervalMs: MAX_IDLE, quorumNodes: () => [1, 2] });
  expect(cluster.controller.nextDeadline).toBe(cluster.now + MAX_IDLE);
  cluster.takeOver({ maxIdleIntervalMs: 0, quorumNodes: () => [1, 2] });
  expect(cluster.controller.nextDeadline).toBeGreaterThan(cluster.now + MAX_IDLE);
});

test("a broker is fenced at the cost of its partitions", () => {
  let asked = 0;
  const replication = () => {
    asked++;
    return { uncleanLeaderElection: false, minInsyncReplicas: 1 };
  };
  cluster.takeOver({ replication });
  for (const broker of [1, 2]) cluster.beat(broker, epochs[broker]);
  create("own", 3, [1]);
  create("other", 500, [2]);
  cluster.now += 8000;
  cluster.beat(2, epochs[2]);
  cluster.now += 1000;
  asked = 0;
  expect(cluster.tick()).toMatchObject({ brokerId: 1, records: { length: 4 } });
  expect(asked).toBe(3);
});
