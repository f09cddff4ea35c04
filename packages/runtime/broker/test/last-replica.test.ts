import { expect, test } from "vitest";
import { SimCluster } from "@samsa/sim";

const MIN_ISR = [{ name: "min.insync.replicas", value: "2" }];

/** Two replicas of three leave, in the way `leave`; the last one in sync loses what it has not flushed (KIP-966, T0 to T3). */
async function lastReplicaStanding(level: number, leave: "stop" | "kill" = "stop"): Promise<SimCluster> {
  const cluster = new SimCluster({ features: [`eligible.leader.replicas.version=${level}`] });
  await cluster.startAll();
  expect(await cluster.createTopic("t", [1, 2, 3], MIN_ISR)).toBe(0);
  await cluster.untilPartition("t", { leader: 1, isr: [1, 2, 3] });
  expect(await cluster.produce("t", "a")).toBe(0);
  const gone = (id: number) => (leave === "stop" ? cluster.stop(id) : Promise.resolve(cluster.end(id, "kill")));
  await gone(2);
  await cluster.untilPartition("t", { isr: [1, 3] });
  expect(await cluster.produce("t", "b")).toBe(0);
  await gone(3);
  await cluster.untilPartition("t", { isr: [1], elr: level === 1 ? [3] : [] });
  expect(await cluster.consume("t")).toEqual(["a", "b"]);
  cluster.end(1, "power");
  await cluster.start(1);
  return cluster;
}

test("without eligible leader replicas, acknowledged records are lost with the last replica in sync", async () => {
  const cluster = await lastReplicaStanding(0);
  await cluster.untilPartition("t", { leader: 1, isr: [1] });
  for (const id of [2, 3]) await cluster.start(id);
  await cluster.untilPartition("t", { leader: 1, isr: [1, 2, 3], elr: [], lastKnown: [] });
  expect(await cluster.consume("t")).toEqual([]);
  await cluster.close();
});

test("with eligible leader replicas, one that left the ISR leads, and has all that was acknowledged", async () => {
  const cluster = await lastReplicaStanding(1);
  await cluster.untilPartition("t", { leader: -1, isr: [], elr: [3], lastKnown: [1] });
  await cluster.start(2);
  await cluster.untilPartition("t", { leader: -1, isr: [], elr: [3] });
  await cluster.start(3);
  await cluster.untilPartition("t", { leader: 3, isr: [1, 2, 3], elr: [], lastKnown: [] });
  expect(await cluster.consume("t")).toEqual(["a", "b"]);
  await cluster.close();
});

test("with too many unclean shutdowns nobody is eligible, and the last known leader leads", async () => {
  const cluster = await lastReplicaStanding(1, "kill");
  await cluster.untilPartition("t", { leader: -1, isr: [], elr: [3], lastKnown: [1] });
  await cluster.start(3);
  await cluster.untilPartition("t", { leader: 1, isr: [1, 3], elr: [], lastKnown: [] });
  expect(await cluster.consume("t")).toEqual([]);
  await cluster.close();
});

test("the feature makes min.insync.replicas one for all brokers; a change of it clears who is eligible", async () => {
  const feature = "eligible.leader.replicas.version";
  const cluster = new SimCluster({ features: [`${feature}=0`] });
  await cluster.startAll();
  const alter = async (resourceType: number, resourceName: string, value: string | null) => {
    const configs = [{ name: "min.insync.replicas", configOperation: value === null ? 1 : 0, value }];
    const resources = [{ resourceType, resourceName, configs }];
    const { responses } = await cluster.ask(1, "IncrementalAlterConfigs", { resources, validateOnly: false });
    return responses[0].errorMessage;
  };
  expect(await alter(4, "1", "3")).toBeNull();
  const featureUpdates = [{ feature, maxVersionLevel: 1, allowDowngrade: false, upgradeType: 1 }];
  const update = { timeoutMs: 5000, featureUpdates, validateOnly: false };
  expect(await cluster.ask(1, "UpdateFeatures", update)).toMatchObject({ errorCode: 0 });
  const sources = async (resourceName: string) => {
    const resources = [{ resourceType: 4, resourceName, configurationKeys: ["min.insync.replicas"] }];
    const asked = { resources, includeSynonyms: false, includeDocumentation: false };
    const { results } = await cluster.ask(1, "DescribeConfigs", asked);
    return results[0].configs.map(({ value, configSource }) => [value, configSource]);
  };
  const DEFAULT_BROKER = 3;
  expect([await sources(""), await sources("1")]).toEqual([[["1", DEFAULT_BROKER]], [["1", DEFAULT_BROKER]]]);
  expect(await alter(4, "1", "3")).toBe("Broker-level min.insync.replicas cannot be altered while ELR is enabled.");
  expect(await alter(4, "", null)).toBe("Cluster-level min.insync.replicas cannot be removed while ELR is enabled.");

  expect(await cluster.createTopic("t", [1, 2, 3], MIN_ISR)).toBe(0);
  for (const id of [2, 3]) await cluster.stop(id);
  await cluster.untilPartition("t", { leader: 1, isr: [1], elr: [3] });
  expect(await alter(2, "t", "1")).toBeNull();
  await cluster.untilPartition("t", { leader: 1, isr: [1], elr: [] });
  await cluster.close();
});
