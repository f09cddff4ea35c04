import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestCluster } from "@samsa/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isBalanced } from "../src/requests/balance.ts";
import { ClassicGroup } from "../src/requests/classic-group.ts";
import { commit } from "../src/requests/commits.ts";
import { closedBytes, keyOf } from "../src/requests/compaction.ts";
import { ConsumerGroup, ConsumerMember } from "../src/requests/consumer-group.ts";
import { connectAll, coordinatorsOf, createTopic, repeated, until } from "../src/requests/target.ts";

describe("balance", () => {
  const size = { members: 2, partitions: 3 };

  test("wants each partition once and members that are alike", () => {
    expect(isBalanced([[0, 2], [1]], size)).toBe(true);
    expect(isBalanced([[0, 1, 2], []], size)).toBe(false);
    expect(isBalanced([[0, 1], [1]], size)).toBe(false);
    expect(isBalanced([[0, 1]], size)).toBe(false);
    expect(isBalanced([[0], [1]], size)).toBe(false);
  });
});

describe("compaction", () => {
  test("counts the closed segments of a partition", () => {
    const folder = mkdtempSync(join(tmpdir(), "samsa-bench-test-"));
    const write = (name: string, bytes: number): void => writeFileSync(join(folder, name), Buffer.alloc(bytes));
    write("00000000000000000000.log", 3);
    write("00000000000000000007.log", 4);
    write("00000000000000000009.log", 100);
    write("00000000000000000003.log.deleted", 50);
    write("00000000000000000007.index", 50);
    expect(closedBytes(folder)).toBe(7);
    rmSync(folder, { recursive: true });
  });

  test("leaves a tenth of the records and the last of each common key", () => {
    const last = new Map(Array.from({ length: 20_000 }, (_, i) => [keyOf(i), i]));
    expect(last.size).toBe(2000 + 900);
  });
});

describe("lanes", () => {
  test("count their calls, and fail with one of them", async () => {
    let calls = 0;
    const lane = (): Promise<void> => {
      calls++;
      return new Promise(resolve => setImmediate(resolve));
    };
    expect(await repeated(10, [lane, lane])).toBe(calls);
    await expect(repeated(10, [lane, () => Promise.reject(new Error("no"))])).rejects.toThrow("no");
  });
});

describe("a consumer member", () => {
  const place = { groupId: "group", topic: "topic", members: 1, partitions: 2 };
  const topicId = "AAAAAAAAAAAAAAAAAAAAAQ" as Parameters<typeof createTopic>[1] as never;
  const answer = { throttleTimeMs: 0, errorMessage: null, memberId: "m", heartbeatIntervalMs: 5000 };

  test("confirms an assignment once, and joins again after it was fenced", () => {
    const member = new ConsumerMember(place, topicId);
    expect(member.request()).toMatchObject({ memberEpoch: 0, subscribedTopicNames: ["topic"], topicPartitions: [] });
    const assignment = { topicPartitions: [{ topicId, partitions: [0, 1] }] };
    member.answered({ ...answer, errorCode: 0, memberEpoch: 3, assignment });
    expect(member.isUnconfirmed).toBe(true);
    expect(member.request()).toMatchObject({ memberEpoch: 3, topicPartitions: [{ topicId, partitions: [0, 1] }] });
    member.answered({ ...answer, errorCode: 0, memberEpoch: 4, assignment: null });
    expect(member.isUnconfirmed).toBe(false);
    expect(member.request()).toMatchObject({ memberEpoch: 4, topicPartitions: null });
    member.answered({ ...answer, errorCode: 110, memberEpoch: 4, assignment: null });
    expect(member.owned).toEqual([]);
    expect(member.request()).toMatchObject({ memberEpoch: 0, subscribedTopicNames: ["topic"] });
    expect(() => member.answered({ ...answer, errorCode: 42, memberEpoch: 0, assignment: null })).toThrow("42");
  });
});

describe("groups", () => {
  const size = { members: 5, partitions: 12 };
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await TestCluster.start();
  });

  afterAll(() => cluster.close());

  const target = () => ({
    ...{ port: Number(cluster.bootstrapServers.split(":")[1]), pid: process.pid },
    ...{ data: "", quick: true },
  });

  test("of both protocols settle, and end", async () => {
    const connections = await connectAll(target(), size.members);
    const topicId = await createTopic(connections[0], "grouped", size.partitions);
    await coordinatorsOf(connections[0], ["classic", "consumer"]);
    const groups = [
      new ClassicGroup({ ...size, groupId: "classic", topic: "grouped" }, connections),
      new ConsumerGroup({ ...size, groupId: "consumer", topic: "grouped" }, topicId, connections),
    ];
    for (const group of groups) {
      expect(group.isSettled).toBe(false);
      const running = group.start();
      await until("a balanced group", () => group.isSettled);
      await group.end();
      await running;
    }
    const asked = { groups: ["classic"], includeAuthorizedOperations: false };
    const described = await connections[0].call("DescribeGroups", asked);
    expect(described.groups[0].groupState).toBe("Empty");
    for (const connection of connections) connection.close();
  });

  test("take commits, and refuse those of a partition that is not there", async () => {
    const [connection] = await connectAll(target(), 1);
    const topicId = await createTopic(connection, "committed", 2);
    const what = { groupId: "committing", name: "committed", topicId };
    await commit(connection, { ...what, partitions: [0, 1], offset: 7 });
    const topics = [{ name: "committed", topicId, partitionIndexes: [0, 1] }];
    const asked = { groupId: "committing", memberId: null, memberEpoch: -1, topics };
    const { groups } = await connection.call("OffsetFetch", { groups: [asked], requireStable: false });
    expect(groups[0].topics[0].partitions.map(({ committedOffset }) => Number(committedOffset))).toEqual([7, 7]);
    const elsewhere = { ...what, topicId: "AAAAAAAAAAAAAAAAAAAAAQ" as never, partitions: [0], offset: 8 };
    await expect(commit(connection, elsewhere)).rejects.toThrow("error");
    connection.close();
  });
});
