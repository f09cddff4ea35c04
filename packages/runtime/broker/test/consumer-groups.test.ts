import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RawConnection } from "@samsa/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { alterConfigs, TestBroker } from "./wire.ts";

const GROUP = 32;

let broker: TestBroker;
let wire: RawConnection;
beforeAll(async () => {
  broker = await TestBroker.start();
  wire = await broker.connect();
  await topic(wire, "t", 2);
  await wire.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
});
afterAll(async () => {
  wire.close();
  await broker.stop();
});

async function topic(to: RawConnection, name: string, numPartitions: number): Promise<void> {
  const topics = [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }];
  await to.ask("CreateTopics", 7, { topics, timeoutMs: 1000 });
}

function beat(groupId: string, more: object, to = wire) {
  const body = {
    groupId,
    memberId: "m",
    memberEpoch: 0,
    rebalanceTimeoutMs: 1000,
    subscribedTopicNames: ["t"],
    topicPartitions: [],
    ...more,
  };
  return to.ask("ConsumerGroupHeartbeat", 1, body);
}

const again = { memberEpoch: 2, rebalanceTimeoutMs: -1, subscribedTopicNames: null, topicPartitions: null };

const codeOf = (answer: { errorCode: number }): number => answer.errorCode;

describe("a group of the consumer protocol", () => {
  test("is joined, described and listed, and not deleted while it has members", async () => {
    const joined = await beat("g", {});
    expect(joined).toMatchObject({ errorCode: 0, memberId: "m", memberEpoch: 2, heartbeatIntervalMs: 5000 });
    expect(joined.assignment?.topicPartitions[0].partitions).toEqual([0, 1]);
    const view = await wire.ask("ConsumerGroupDescribe", 1, { groupIds: ["g", "none", ""] });
    expect(view.groups.map(codeOf)).toEqual([0, 69, 24]);
    expect(view.groups[0]).toMatchObject({
      groupState: "Stable",
      groupEpoch: 2,
      assignmentEpoch: 2,
      assignorName: "uniform",
      members: [{ memberId: "m", memberType: 1, assignment: { topicPartitions: [{ topicName: "t" }] } }],
    });
    const listed = (types: string[], states: string[]) =>
      wire.ask("ListGroups", 5, { statesFilter: states, typesFilter: types });
    const row = { groupId: "g", protocolType: "consumer", groupState: "Stable", groupType: "consumer" };
    expect((await listed(["Consumer"], ["stable"])).groups).toMatchObject([row]);
    expect((await listed(["classic"], [])).groups).toEqual([]);
    const classic = await wire.ask("DescribeGroups", 6, { groups: ["g"] });
    expect(classic.groups).toMatchObject([
      { errorCode: 69, errorMessage: "Group g is not a classic group.", groupState: "Dead" },
    ]);
    expect((await wire.ask("DeleteGroups", 2, { groupsNames: ["g"] })).results.map(codeOf)).toEqual([68]);
  });

  test("a group's own intervals count, within what the broker allows", async () => {
    const set = (value: string) => alterConfigs(wire, GROUP, "own", { "consumer.heartbeat.interval.ms": value });
    expect((await set("7000")).errorCode).toBe(0);
    expect((await beat("own", {})).heartbeatIntervalMs).toBe(7000);
    expect((await set("4999")).errorCode).toBe(40);
  });

  test("offsets are committed and read with the member's epoch", async () => {
    await beat("offsets", {});
    const commit = async (generationIdOrMemberEpoch: number): Promise<number> => {
      const partitions = [{ partitionIndex: 0, committedOffset: 5, committedMetadata: "" }];
      const body = {
        groupId: "offsets",
        memberId: "m",
        generationIdOrMemberEpoch,
        topics: [{ name: "t", partitions }],
      };
      return (await wire.ask("OffsetCommit", 9, body)).topics[0].partitions[0].errorCode;
    };
    expect([await commit(2), await commit(3), await commit(1)]).toEqual([0, 113, 113]);
    const read = async (memberEpoch: number): Promise<number> => {
      const groups = [
        { groupId: "offsets", memberId: "m", memberEpoch, topics: [{ name: "t", partitionIndexes: [0] }] },
      ];
      return (await wire.ask("OffsetFetch", 9, { groups })).groups[0].errorCode;
    };
    expect([await read(2), await read(1)]).toEqual([0, 113]);
  });
});

test("a group is there after a restart, with its members and epochs", async () => {
  const directory = mkdtempSync(join(tmpdir(), "samsa-consumer-groups-"));
  const first = await TestBroker.start({}, directory);
  let to = await first.connect();
  await topic(to, "t", 1);
  await to.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
  expect(await beat("g", {}, to)).toMatchObject({ errorCode: 0, memberEpoch: 2 });
  to.close();
  await first.node.close();
  const second = await TestBroker.start({}, directory);
  to = await second.connect();
  expect(await beat("g", again, to)).toMatchObject({ errorCode: 0, memberEpoch: 2, assignment: null });
  to.close();
  await second.stop();
});

test("it is not served where settings say so", async () => {
  const other = await TestBroker.start({ "group.coordinator.rebalance.protocols": "classic" });
  const to = await other.connect();
  expect((await beat("g", {}, to)).errorCode).toBe(35);
  const { groups } = await to.ask("ConsumerGroupDescribe", 1, { groupIds: ["g"] });
  expect(groups.map(codeOf)).toEqual([35]);
  to.close();
  await other.stop();
});

test.each([
  [{ "group.consumer.session.timeout.ms": "44999" }, /session.timeout.ms.*greater than or equal to/],
  [{ "group.consumer.max.session.timeout.ms": "44000" }, /max.session.timeout.ms.*greater than or equal to/],
  [{ "group.consumer.heartbeat.interval.ms": "16000" }, /heartbeat.interval.ms.*less than or equal to/],
  [{ "group.consumer.assignors": "" }, /group.consumer.assignors/],
  [
    { "group.consumer.heartbeat.interval.ms": "45000", "group.consumer.max.heartbeat.interval.ms": "45000" },
    /must be less than group.consumer.session.timeout.ms/,
  ],
])("%j do not fit each other", async (settings, why) => {
  await expect(TestBroker.start(settings)).rejects.toThrow(why);
});
