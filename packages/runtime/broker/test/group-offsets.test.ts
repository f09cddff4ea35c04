import { ZERO_UUID } from "@samsa/base";
import { ApiKey } from "@samsa/protocol";
import type { RawConnection } from "@samsa/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { batchesOf } from "../src/coordinator/shard-runner.ts";
import { TestBroker } from "./wire.ts";

let broker: TestBroker;
let wire: RawConnection;
beforeAll(async () => {
  broker = await TestBroker.start({ "offsets.topic.num.partitions": "1" });
  wire = await broker.connect();
  await createTopic("t", 2);
  await wire.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
});
afterAll(async () => {
  wire.close();
  await broker.stop();
});

interface Outcome {
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly { readonly partitionIndex: number; readonly errorCode: number }[];
  }[];
}

async function createTopic(name: string, numPartitions: number): Promise<void> {
  const topics = [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }];
  await wire.ask("CreateTopics", 7, { topics, timeoutMs: 1000 });
}

async function deleteTopic(name: string): Promise<void> {
  await wire.ask("DeleteTopics", 5, { topicNames: [name], timeoutMs: 1000 });
}

function offsets(partitions: readonly number[]) {
  return partitions.map(partitionIndex => ({
    partitionIndex,
    committedOffset: partitionIndex + 1,
    committedLeaderEpoch: -1,
    committedMetadata: "",
  }));
}

function commit(groupId: string, topic: string, partitions: readonly number[], version = 8): Promise<Outcome> {
  const topics = [{ name: topic, topicId: ZERO_UUID, partitions: offsets(partitions) }];
  const body = { groupId, generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null, retentionTimeMs: -1 };
  return wire.ask("OffsetCommit", version, { ...body, topics });
}

interface Fetched {
  readonly topics: readonly { readonly name: string; readonly partitions: readonly object[] }[];
  readonly errorCode: number;
}

function fetchAll(groupId: string): Promise<Fetched> {
  return wire.ask("OffsetFetch", 7, { groupId, topics: null, requireStable: false });
}

function deleteOffsets(groupId: string, topics: readonly (readonly [string, readonly number[]])[]) {
  const body = topics.map(([name, all]) => ({ name, partitions: all.map(partitionIndex => ({ partitionIndex })) }));
  return wire.ask("OffsetDelete", 0, { groupId, topics: body });
}

async function deleteGroups(...groupsNames: string[]): Promise<(readonly [string, number])[]> {
  const { results } = await wire.ask("DeleteGroups", 2, {
    groupsNames,
  });
  return results.map(({ groupId, errorCode }) => [groupId, errorCode] as const);
}

function shown({ topics }: Outcome): string[] {
  return topics.map(({ name, partitions }) =>
    [name, ...partitions.map(({ partitionIndex, errorCode }) => `${partitionIndex}:${errorCode}`)].join(" "),
  );
}

describe("partitions that do not exist", () => {
  test("are refused by a commit, in one entry with those that do", async () => {
    expect(shown(await commit("absent", "t", [0, 7, 1, 2_000_000_000]))).toEqual(["t 7:3 2000000000:3 0:0 1:0"]);
    expect(shown(await commit("absent", "nope", [0]))).toEqual(["nope 0:3"]);
    expect((await fetchAll("absent")).topics).toMatchObject([{ name: "t", partitions: [{}, {}] }]);
  });

  test("are refused by a commit in a transaction", async () => {
    const init = { transactionalId: "absent", transactionTimeoutMs: 60_000, producerId: -1n, producerEpoch: -1 };
    await wire.ask("FindCoordinator", 3, { key: "absent", keyType: 1 });
    const { producerId, producerEpoch } = await wire.ask("InitProducerId", 4, init);
    const of = { transactionalId: "absent", producerId, producerEpoch };
    await wire.ask("AddOffsetsToTxn", 3, { ...of, groupId: "pending" });
    const body = { ...of, groupId: "pending", generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null };
    const topics = [{ name: "t", topicId: ZERO_UUID, partitions: offsets([9, 0]) }];
    expect(shown(await wire.ask("TxnOffsetCommit", 3, { ...body, topics }))).toEqual(["t 9:3 0:0"]);
    // A group whose only offsets belong to open transactions can be deleted.
    expect(await deleteGroups("pending", "pending")).toEqual([["pending", 0]]);
  });

  test("are refused by a deletion, and an unknown group before them", async () => {
    await commit("deleting", "t", [0, 1]);
    const answer = await deleteOffsets("deleting", [
      ["t", [0, 99]],
      ["nope", [0]],
    ]);
    expect([answer.errorCode, ...shown(answer)]).toEqual([0, "t 99:3 0:0", "nope 0:3"]);
    expect((await fetchAll("deleting")).topics).toMatchObject([{ partitions: [{ partitionIndex: 1 }] }]);
    expect(await deleteOffsets("nobody", [["nope", [0]]])).toMatchObject({ errorCode: 69, topics: [] });
  });
});

test("the empty group id serves simple consumers, and no members", async () => {
  expect(shown(await commit("", "t", [0]))).toEqual(["t 0:0"]);
  expect((await fetchAll("")).topics).toMatchObject([{ partitions: [{ partitionIndex: 0 }] }]);
  const { groups } = await wire.ask("DescribeGroups", 5, { groups: [""] });
  expect(groups).toMatchObject([{ errorCode: 0, groupState: "Empty" }]);
  const member = { groupId: "", generationId: 1, memberId: "m" };
  const ask = async (key: number, version: number, body: object): Promise<number> =>
    ((await wire.ask(key, version, body)) as { errorCode: number }).errorCode;
  expect(await ask(ApiKey.Heartbeat, 4, member)).toBe(24);
  expect(await ask(ApiKey.SyncGroup, 4, { ...member, assignments: [] })).toBe(24);
  expect(await ask(ApiKey.LeaveGroup, 5, { groupId: "", members: [{ memberId: "m" }] })).toBe(24);
  expect((await deleteOffsets("", [["t", [0]]])).errorCode).toBe(24);
  expect(await deleteGroups("")).toEqual([["", 0]]);
});

test("what a client may do to a group is told when it is asked for", async () => {
  const described = async (key: number, version: number, asked: object): Promise<number[]> => {
    const { groups } = (await wire.ask(key, version, asked)) as {
      groups: readonly { authorizedOperations: number }[];
    };
    return groups.map(({ authorizedOperations }) => authorizedOperations);
  };
  await commit("asked", "t", [0]);
  const classic = { groups: ["asked", "nobody"] };
  expect(await described(ApiKey.DescribeGroups, 6, { ...classic, includeAuthorizedOperations: true })).toEqual([
    3400, -2147483648,
  ]);
  expect(await described(ApiKey.DescribeGroups, 6, { ...classic, includeAuthorizedOperations: false })).toEqual([
    -2147483648, -2147483648,
  ]);
  const joins = { groupId: "new", memberId: "m", memberEpoch: 0, rebalanceTimeoutMs: 1000, topicPartitions: [] };
  await wire.ask("ConsumerGroupHeartbeat", 1, { ...joins, subscribedTopicNames: ["t"] });
  const consumer = { groupIds: ["new", "nobody"], includeAuthorizedOperations: true };
  expect(await described(ApiKey.ConsumerGroupDescribe, 1, consumer)).toEqual([3400, -2147483648]);
});

describe("when a topic is deleted", () => {
  test("its offsets go with it, also where their tombstones do not fit one batch", async () => {
    const name = "L".repeat(249);
    const partitions = Array.from({ length: 1500 }, (_, index) => index);
    await createTopic(name, partitions.length);
    for (const group of ["big1", "big2", "big3"]) await commit(group, name, partitions);
    expect((await fetchAll("big3")).topics[0].partitions).toHaveLength(1500);
    await deleteTopic(name);
    for (const group of ["big1", "big2", "big3"]) expect((await fetchAll(group)).topics).toEqual([]);
    expect(broker.lines.filter(({ message }) => message.startsWith("Failed"))).toEqual([]);
  });

  test("another of its name has none of them", async () => {
    await createTopic("again", 1);
    await commit("again", "again", [0]);
    await deleteTopic("again");
    await createTopic("again", 1);
    expect((await fetchAll("again")).topics).toEqual([]);
    const asked = [{ name: "again", partitionIndexes: [0] }];
    const { topics } = await wire.ask("OffsetFetch", 7, {
      groupId: "again",
      topics: asked,
      requireStable: false,
    });
    expect(topics[0].partitions).toMatchObject([{ errorCode: 0 }]);
    expect(Number((topics[0].partitions[0] as { committedOffset: number }).committedOffset)).toBe(-1);
  });
});

test("records that need not be together are cut into batches that fit, in order", () => {
  const records = Array.from({ length: 50 }, (_, index) => ({ key: new Uint8Array(100).fill(index), value: null }));
  const batches = batchesOf([...records, { key: new Uint8Array(5000), value: null }, ...records], 1024);
  expect(batches.flat()).toHaveLength(101);
  expect(batches.flat().slice(0, 50)).toEqual(records);
  for (const batch of batches) expect(batch.length <= 7).toBe(true);
  expect(batches.filter(batch => batch.some(({ key }) => key.length === 5000))).toMatchObject([{ length: 1 }]);
  expect(batchesOf([], 1024)).toEqual([]);
});
