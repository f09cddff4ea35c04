import { afterEach, expect, test } from "vitest";
import { formatStorage } from "../src/format.ts";
import { Node } from "../src/node.ts";
import { SimCluster } from "@samsa/sim";

const CONTROLLER_ID = 9;
let cluster: SimCluster;

afterEach(() => cluster.close());

/** Starts a node that is no part of the cluster, and returns the error with which its start ends. */
async function startStranger(id: number, clusterId: string): Promise<string> {
  const settings = new Map(
    Object.entries({
      "node.id": String(id),
      "process.roles": "broker",
      listeners: "PLAINTEXT://stranger:9092",
      "controller.quorum.voters": `${CONTROLLER_ID}@n${CONTROLLER_ID}:9092`,
      "log.dirs": "/data",
      "initial.broker.registration.timeout.ms": "5000",
      "broker.heartbeat.interval.ms": "200",
      "broker.session.timeout.ms": "1000",
    }),
  );
  const { env } = cluster.world.node("stranger");
  formatStorage(env, { settings, clusterId, ignoreFormatted: false, features: [] });
  const end = await cluster.settle(
    Node.start(env, { settings }).then(
      () => "it has started",
      (error: unknown) => String(error),
    ),
  );
  cluster.world.crash("stranger", { unsynced: "cached" });
  return end;
}

test.each([
  ["of another cluster", 4, "another", /refuses to register this broker: INCONSISTENT_CLUSTER_ID/],
  ["whose id a running broker has", 2, "cluster", /refuses to register this broker: DUPLICATE_BROKER_REGISTRATION/],
])("a broker %s ends with a sentence, and hurts nobody", async (_, id, clusterId, sentence) => {
  cluster = new SimCluster({ features: ["eligible.leader.replicas.version=1"] });
  await cluster.startAll();
  expect(await cluster.createTopic("t", [1, 2, 3], [{ name: "min.insync.replicas", value: "2" }])).toBe(0);
  const end = await startStranger(id, clusterId);
  expect(end).toMatch(sentence);
  expect(await cluster.produce("t", "after")).toBe(0);
  await cluster.untilPartition("t", { isr: [1, 2, 3] });
  const { brokers } = await cluster.ask(1, "DescribeCluster", { includeClusterAuthorizedOperations: false } as never);
  expect(brokers.map(({ brokerId }) => brokerId).toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
});

test("a disk that is full in the middle of a metadata snapshot costs that snapshot, and nobody is hurt", async () => {
  cluster = new SimCluster({
    settings: { "metadata.log.max.record.bytes.between.snapshots": "500", "metadata.max.idle.interval.ms": "0" },
  });
  await cluster.startAll();
  const { disk } = cluster.world.node(`n${CONTROLLER_ID}`);
  let refused = 0;
  disk.fault = (operation, path) => {
    if (operation !== "write" || !/\.checkpoint/.test(path) || refused >= 1) return undefined;
    refused++;
    return "ENOSPC";
  };
  const { quorum } = cluster.nodes.get(CONTROLLER_ID)?.shared ?? {};
  let count = 0;
  const createMore = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) expect(await cluster.createTopic(`t${count++}`, [1, 2, 3], [])).toBe(0);
  };
  await createMore();
  expect(refused).toBe(1);
  expect(quorum?.bytesSinceSnapshot).toBeGreaterThan(500);
  expect(await cluster.produce("t0", "after")).toBe(0);
  // Another one is written after a minute, and the controller starts with it.
  await cluster.world.runFor(61_000);
  await createMore();
  expect(quorum?.bytesSinceSnapshot).toBeLessThan(3000);
  await cluster.stop(CONTROLLER_ID);
  await cluster.start(CONTROLLER_ID);
  await createMore();
});

test("a controller, as a broker, wants clients to name their software", async () => {
  cluster = new SimCluster({});
  await cluster.startAll();
  for (const id of [CONTROLLER_ID, 1]) {
    const code = async (software: string, version: number, more: object = {}): Promise<number> => {
      const draft = { clientSoftwareName: software, clientSoftwareVersion: "1", ...more };
      return (await cluster.ask(id, "ApiVersions", draft, version)).errorCode;
    };
    expect([await code("t-1.x", 4), await code("", 2), await code("", 4), await code("t t", 4)]).toEqual([
      0, 0, 42, 42,
    ]);
    expect(await code("t", 5, { clusterId: "c", nodeId: -1 })).toBe(42);
  }
});
