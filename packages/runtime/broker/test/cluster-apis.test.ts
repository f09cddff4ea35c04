import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ZERO_UUID } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import type { RawConnection, ResponseOf } from "@samsa/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatStorage } from "../src/index.ts";
import { TestBroker } from "./wire.ts";

let broker: TestBroker;
let wire: RawConnection;
beforeAll(async () => {
  broker = await TestBroker.start();
  wire = await broker.connect();
  for (const [name, numPartitions] of [
    ["a", 3],
    ["b", 2],
  ] as const) {
    const topic = { name, numPartitions, replicationFactor: 1, assignments: [], configs: [] };
    await wire.ask("CreateTopics", 7, { topics: [topic], timeoutMs: 1000 });
  }
});
afterAll(async () => {
  wire.close();
  await broker.stop();
});

describe("ElectLeaders", () => {
  const ask = (version: number, body: object) => wire.ask("ElectLeaders", version, body);
  const one = [{ topic: "a", partitions: [0, 7] }];

  test.each([0, 1, 2])("version %i", async version => {
    const type = version === 0 ? {} : { electionType: 1 };
    const { errorCode, replicaElectionResults } = await ask(version, {
      ...type,
      topicPartitions: one,
      timeoutMs: 1000,
    });
    expect(errorCode).toBe(0);
    const [result] = replicaElectionResults;
    expect(result.partitionResult.map(r => [r.partitionId, r.errorCode])).toEqual([
      [0, 84],
      [7, 3],
    ]);
    expect(result.partitionResult[1].errorMessage).toBe("No such partition as a-7");
  });

  test("a kind that is not known; all partitions", async () => {
    const unknown = await ask(2, { electionType: 5, topicPartitions: one, timeoutMs: 1000 });
    expect(unknown.errorCode).toBe(42);
    expect(unknown.replicaElectionResults[0].partitionResult[0].errorMessage).toBe("Unknown election type 5");
    const all = await ask(2, { electionType: 0, topicPartitions: null, timeoutMs: 1000 });
    expect(all.replicaElectionResults.map(r => [r.topic, r.partitionResult])).toEqual([
      ["a", []],
      ["b", []],
    ]);
  });
});

describe("partition reassignments", () => {
  const alter = async (version: number, partition: number, replicas: number[] | null, more: object = {}) => {
    const topics = [{ name: "a", partitions: [{ partitionIndex: partition, replicas }] }];
    const { responses } = await wire.ask("AlterPartitionReassignments", version, { timeoutMs: 1000, topics, ...more });
    const { errorCode, errorMessage } = responses[0].partitions[0];
    return [errorCode, errorMessage];
  };

  test("there is nowhere to go on one node", async () => {
    expect(await alter(0, 0, [1])).toEqual([0, null]);
    expect(await alter(1, 0, null)).toEqual([85, null]);
    expect(await alter(1, 0, [2])).toEqual([
      39,
      "The manual partition assignment includes broker 2, but no such broker is registered.",
    ]);
    expect(await alter(1, 9, [1])).toEqual([3, "Unable to find partition a:9."]);
    expect(await alter(1, 0, [1], { allowReplicationFactorChange: false })).toEqual([0, null]);
  });

  test("and nothing under way", async () => {
    for (const topics of [null, [{ name: "a", partitionIndexes: [0, 1] }]]) {
      const answer = await wire.ask("ListPartitionReassignments", 0, { timeoutMs: 1000, topics });
      expect(answer).toEqual({ throttleTimeMs: 0, errorCode: 0, errorMessage: null, topics: [] });
    }
  });
});

describe("UpdateFeatures", () => {
  const update = (version: number, level: number, more: object = {}) =>
    wire.ask("UpdateFeatures", version, {
      timeoutMs: 1000,
      featureUpdates: [{ feature: "metadata.version", maxVersionLevel: level, ...more }],
      ...(version > 0 ? { validateOnly: true } : {}),
    });
  const FAILED = "The update failed for all features since the following feature had an error: ";

  test("a trial", async () => {
    expect(await update(1, 33)).toMatchObject({
      errorCode: 0,
      errorMessage: null,
      results: [{ feature: "metadata.version", errorCode: 0, errorMessage: "NONE" }],
    });
    expect(await update(2, 33)).toMatchObject({ errorCode: 0, results: [] });
    expect(broker.broker.topics.image.features.get("metadata.version")).toBe(33);
  });

  test("what is not possible", async () => {
    expect(await update(2, 99)).toMatchObject({
      errorCode: 95,
      errorMessage: `${FAILED}Invalid update version 99 for feature metadata.version. Local controller 1 only supports versions 7-33`,
    });
    expect(await update(0, 20, { allowDowngrade: true })).toMatchObject({
      errorCode: 95,
      errorMessage:
        `${FAILED}Unsupported metadata.version downgrade from 33 to 20. Refusing to perform the requested downgrade ` +
        "because it might delete metadata information.",
      results: [],
    });
    expect((await update(2, 20, { upgradeType: 3 })).errorMessage).toContain("Unsafe metadata downgrade is not");
  });

  test("an upgrade is announced", async () => {
    const directory = mkdtempSync(join(tmpdir(), "samsa-broker-"));
    const settings = new Map([["log.dirs", join(directory, "data")]]);
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const old = { settings, clusterId: "old", ignoreFormatted: false, features: [], releaseVersion: "4.3" };
    formatStorage(nodeEnv({ logger }), { ...old, quorum: { kind: "standalone" } });
    const other = await TestBroker.start({}, directory);
    const client = await other.connect();
    const level = async (): Promise<number | undefined> => {
      const software = { clientSoftwareName: "t", clientSoftwareVersion: "1" };
      const { finalizedFeatures } = await client.ask("ApiVersions", 4, software);
      return finalizedFeatures.find(({ name }) => name === "metadata.version")?.maxVersionLevel;
    };
    expect(await level()).toBe(30);
    // APIs of later metadata versions are not supported at this level.
    const unregister = await client.ask("UnregisterController", 0, { controllerId: 9 });
    expect(unregister).toMatchObject({ errorCode: 35 });
    const featureUpdates = [{ feature: "metadata.version", maxVersionLevel: 33, upgradeType: 1 }];
    const request = { timeoutMs: 1000, featureUpdates, validateOnly: false };
    expect(await client.ask("UpdateFeatures", 2, request)).toMatchObject({ errorCode: 0 });
    expect(await level()).toBe(33);
    client.close();
    await other.stop();
  });
});

describe("DescribeQuorum", () => {
  const ask = (version: number, topicName = "__cluster_metadata", partitionIndex = 0) =>
    wire.ask("DescribeQuorum", version, { topics: [{ topicName, partitions: [{ partitionIndex }] }] });

  test.each([0, 1, 2])("version %i", async version => {
    const answer = await ask(version);
    const directory = version < 2 ? ZERO_UUID : broker.node.shared.quorum.voters[0].directoryId;
    expect(answer).toMatchObject({
      errorCode: 0,
      topics: [
        {
          topicName: "__cluster_metadata",
          partitions: [
            {
              errorCode: 0,
              leaderId: 1,
              leaderEpoch: 1,
              currentVoters: [{ replicaId: 1, replicaDirectoryId: directory }],
              observers: [],
            },
          ],
        },
      ],
      nodes: version < 2 ? [] : [{ nodeId: 1 }],
    });
    const text = JSON.stringify(answer);
    const end = broker.node.shared.quorum.endOffset;
    expect(text).toContain(`"highWatermark":${end}`);
    expect(text).toContain(`"logEndOffset":${end}`);
  });

  test.each([
    ["x", 0],
    ["__cluster_metadata", 1],
  ])("%s-%i has no quorum", async (topic, partition) => {
    expect(await ask(2, topic, partition)).toMatchObject({
      errorCode: 0,
      topics: [{ topicName: topic, partitions: [{ partitionIndex: partition, errorCode: 3, currentVoters: [] }] }],
      nodes: [],
    });
  });
});

describe("DescribeTopicPartitions", () => {
  type Answer = ResponseOf<"DescribeTopicPartitions">;
  const ask = (names: string[], limit = 2000, cursor: Answer["nextCursor"] = null) =>
    wire.ask("DescribeTopicPartitions", 0, {
      topics: names.map(name => ({ name })),
      responsePartitionLimit: limit,
      cursor,
    });
  const shown = ({ topics }: Answer) =>
    topics.map(({ name, partitions }) => `${name} ${partitions.map(p => p.partitionIndex).join()}`);

  test("all that is known of a partition", async () => {
    const { topics } = await ask(["a"]);
    expect(topics[0]).toMatchObject({ errorCode: 0, isInternal: false, topicAuthorizedOperations: 3576 });
    expect(topics[0].partitions[0]).toEqual({
      errorCode: 0,
      partitionIndex: 0,
      leaderId: 1,
      leaderEpoch: 0,
      replicaNodes: [1],
      isrNodes: [1],
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
      offlineReplicas: [],
    });
  });

  test("page after page", async () => {
    const pages: string[][] = [];
    let cursor: Answer["nextCursor"] = null;
    do {
      const answer: Answer = await ask([], 2, cursor);
      pages.push(shown(answer));
      cursor = answer.nextCursor;
    } while (cursor !== null);
    expect(pages).toEqual([["a 0,1"], ["a 2", "b 0"], ["b 1"]]);
    expect((await ask(["b", "a"], 3)).nextCursor).toEqual({ topicName: "b", partitionIndex: 0 });
    expect(shown(await ask(["b", "a"], 0))).toEqual(["a 0"]);
    expect(shown(await ask(["a"], 5, { topicName: "a", partitionIndex: 9 }))).toEqual(["a "]);
  });

  test("what is not there, and cursors that lead nowhere", async () => {
    expect((await ask(["nosuch", "a b"])).topics.map(t => [t.name, t.errorCode])).toEqual([
      ["a b", 17],
      ["nosuch", 3],
    ]);
    for (const cursor of [
      { topicName: "z", partitionIndex: 0 },
      { topicName: "a", partitionIndex: -1 },
    ]) {
      expect((await ask(["a", "b"], 5, cursor)).topics.map(t => t.errorCode)).toEqual([42, 42]);
    }
  });
});

test("a broker that is unregistered while it runs registers again, and leads what it led", async () => {
  const other = await TestBroker.start();
  const client = await other.connect();
  const topic = { name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  await client.ask("CreateTopics", 7, { topics: [topic], timeoutMs: 1000 });
  const partitions = [{ partitionIndex: 0, committedOffset: 5, committedMetadata: "" }];
  await client.ask("FindCoordinator", 2, { key: "g", keyType: 0 });
  const commit = { groupId: "g", topics: [{ name: "t", partitions }] };
  expect(await client.ask("OffsetCommit", 2, commit)).toMatchObject({
    topics: [{ partitions: [{ errorCode: 0 }] }],
  });
  const offsetOf = async () => {
    const topics = [{ name: "t", partitionIndexes: [0] }];
    return (await client.ask("OffsetFetch", 2, { groupId: "g", topics })).topics[0].partitions[0].committedOffset;
  };
  expect(await offsetOf()).toBe(5);
  expect(await client.ask("UnregisterBroker", 0, { brokerId: 9 })).toEqual({
    throttleTimeMs: 0,
    errorCode: 102,
    errorMessage: "Broker ID 9 is not currently registered",
  });
  expect(await client.ask("UnregisterBroker", 0, { brokerId: 1 })).toMatchObject({ errorCode: 0 });
  const described = () => client.ask("Metadata", 9, { topics: [{ name: "t" }] });
  await expect.poll(async () => (await described()).topics[0].partitions[0].leaderId).toBe(1);
  const told = await described();
  expect(told.brokers.map(({ nodeId }) => nodeId)).toEqual([1]);
  expect(told.topics[0].partitions[0].leaderEpoch).toBe(2);
  // The coordinator was unloaded without a leader, and has loaded its group again.
  expect(await offsetOf()).toBe(5);
  // The new registration is used everywhere: blocks of producer ids depend on the broker epoch.
  for (let i = 0; i < 3; i++) {
    const request = { transactionalId: null, transactionTimeoutMs: 60_000 };
    expect(await client.ask("InitProducerId", 0, request)).toMatchObject({ errorCode: 0 });
  }
  expect(await client.ask("UnregisterBroker", 0, { brokerId: 1 })).toMatchObject({ errorCode: 0 });
  client.close();
  await other.stop();
});

test("a controller that is gone is forgotten; the one that answers is not", async () => {
  const other = await TestBroker.start();
  const client = await other.connect();
  const unregister = (controllerId: number) => client.ask("UnregisterController", 0, { controllerId });
  expect(await unregister(1)).toEqual({
    throttleTimeMs: 0,
    errorCode: 42,
    errorMessage: "Controller cannot unregister itself while it is active.",
  });
  expect(await unregister(9)).toEqual({
    throttleTimeMs: 0,
    errorCode: 136,
    errorMessage: "Controller ID 9 is not currently registered.",
  });
  client.close();
  await other.stop();
});
