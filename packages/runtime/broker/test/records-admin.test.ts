import { ByteReader, concat } from "@samsa/base";
import { Errors, offsetCommitKey, offsetCommitValue } from "@samsa/protocol";
import { buildBatch, readRecords } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestBroker } from "./wire.ts";
import { logOf } from "./logs.ts";

let broker: TestBroker;
let wire: RawConnection;

beforeAll(async () => {
  broker = await TestBroker.start();
  wire = await broker.connect();
});

afterAll(() => broker.stop());

async function topic(name: string, configs: Record<string, string> = {}): Promise<void> {
  const rows = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  const topics = [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: rows }];
  await wire.ask("CreateTopics", 7, { topics, timeoutMs: 1000, validateOnly: false });
}

async function produce(name: string, count: number, producer = {}): Promise<void> {
  const record = { timestamp: Date.now(), key: new Uint8Array(1), value: new Uint8Array(10) };
  for (let i = 0; i < count; i++) {
    const bytes = buildBatch([record], { ...producer, baseSequence: i }, broker.broker.tools);
    const topicData = [{ name, partitionData: [{ index: 0, records: [bytes] }] }];
    await wire.ask("Produce", 9, { transactionalId: null, acks: -1, timeoutMs: 1000, topicData });
  }
}

describe("DeleteRecords", () => {
  async function before(name: string, offset: number) {
    const topics = [{ name, partitions: [{ partitionIndex: 0, offset }] }];
    const answer = await wire.ask("DeleteRecords", 2, { topics, timeoutMs: 1000 });
    const { lowWatermark, errorCode } = answer.topics[0].partitions[0];
    return [errorCode, lowWatermark];
  }

  test("moves the start of the log, never back and not past the high watermark", async () => {
    await topic("old");
    await produce("old", 5);
    expect(await before("old", 3)).toEqual([0, 3]);
    expect(await before("old", 1)).toEqual([0, 3]);
    expect(await before("old", 6)).toEqual([Errors.OFFSET_OUT_OF_RANGE.code, -1]);
    expect(await before("old", -2)).toEqual([Errors.OFFSET_OUT_OF_RANGE.code, -1]);
    expect(await before("old", -1)).toEqual([0, 5]);
    const partitions = [{ partitionIndex: 0, timestamp: -2n }];
    const body = { replicaId: -1, isolationLevel: 0, topics: [{ name: "old", partitions }], timeoutMs: 1000 };
    const listed = await wire.ask("ListOffsets", 7, body);
    expect(listed.topics[0].partitions[0].offset).toBe(5);
  });

  test("is refused where nothing may be deleted", async () => {
    await topic("kept", { "cleanup.policy": "compact" });
    expect(await before("kept", 0)).toEqual([Errors.POLICY_VIOLATION.code, -1]);
    expect(await before("nowhere", 0)).toEqual([Errors.UNKNOWN_TOPIC_OR_PARTITION.code, -1]);
    await wire.ask("FindCoordinator", 4, { keyType: 0, coordinatorKeys: ["g"] });
    expect(await before("__consumer_offsets", 0)).toEqual([Errors.INVALID_TOPIC_EXCEPTION.code, -1]);
  });

  test("is remembered over a restart", async () => {
    const own = await TestBroker.start();
    const asked = wire;
    wire = await own.connect();
    await topic("t");
    await produce("t", 4);
    expect(await before("t", 2)).toEqual([0, 2]);
    await own.node.close();
    const again = await TestBroker.start({}, own.directory);
    wire = await again.connect();
    expect(await before("t", 0)).toEqual([0, 2]);
    wire = asked;
    await again.stop();
  });
});

test("DescribeProducers tells who has written to a partition", async () => {
  await topic("written");
  await produce("written", 3, { producerId: 4000n, producerEpoch: 2 });
  const topics = [
    { name: "written", partitionIndexes: [0, 7] },
    { name: "nowhere", partitionIndexes: [0] },
  ];
  const answer = await wire.ask("DescribeProducers", 0, { topics });
  const unknown = Errors.UNKNOWN_TOPIC_OR_PARTITION.code;
  expect(answer.topics.map(({ partitions }) => partitions.map(({ errorCode }) => errorCode))).toEqual([
    [0, unknown],
    [unknown],
  ]);
  expect(answer.topics[0].partitions[0].activeProducers).toMatchObject([
    { producerId: 4000n, producerEpoch: 2, lastSequence: 2, currentTxnStartOffset: -1 },
  ]);
});

describe("OffsetDelete", () => {
  const remove = (groupId: string, ...names: string[]) => {
    const topics = names.map(name => ({ name, partitions: [{ partitionIndex: 0 }] }));
    return wire.ask("OffsetDelete", 0, { groupId, topics });
  };

  const committed = async (groupId: string, name: string) => {
    const topics = [{ name, partitionIndexes: [0] }];
    const groups = [{ groupId, memberId: null, memberEpoch: -1, topics }];
    const answer = await wire.ask("OffsetFetch", 8, { groups, requireStable: false });
    return answer.groups[0].topics[0].partitions[0].committedOffset;
  };

  test("erases committed offsets of a group without members", async () => {
    await wire.ask("FindCoordinator", 4, { keyType: 0, coordinatorKeys: ["idle"] });
    for (const name of ["a", "b"]) await topic(name);
    const topics = ["a", "b"].map(name => ({
      name,
      partitions: [{ partitionIndex: 0, committedOffset: 7, committedLeaderEpoch: -1, committedMetadata: "" }],
    }));
    const body = { groupId: "idle", generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null, topics };
    await wire.ask("OffsetCommit", 8, body);
    expect(await remove("idle", "a", "nowhere")).toMatchObject({
      errorCode: 0,
      topics: [
        { name: "nowhere", partitions: [{ errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION.code }] },
        { name: "a", partitions: [{ errorCode: 0 }] },
      ],
    });
    expect([await committed("idle", "a"), await committed("idle", "b")]).toEqual([-1, 7]);
  });

  test("is refused for groups that are not there", async () => {
    expect(await remove("never", "a")).toMatchObject({ errorCode: Errors.GROUP_ID_NOT_FOUND.code, topics: [] });
    expect(await remove("", "a")).toMatchObject({ errorCode: Errors.INVALID_GROUP_ID.code });
  });
});

test("a committed offset is written with the id of its topic, whoever commits it by name", async () => {
  await wire.ask("FindCoordinator", 4, { keyType: 0, coordinatorKeys: ["named"] });
  await topic("named");
  const partitions = [{ partitionIndex: 0, committedOffset: 5, committedLeaderEpoch: -1, committedMetadata: "" }];
  const topics = [{ name: "named", partitions }];
  const body = { groupId: "named", generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null, topics };
  await wire.ask("OffsetCommit", 8, body);
  const written = broker.broker.topics.partitionsOf("__consumer_offsets").flatMap(partition => {
    if (partition === undefined) return [];
    const log = logOf(partition);
    const read = log.read({ offset: 0, maxBytes: 1 << 20, minOneMessage: true, limitOffset: log.endOffset });
    return readRecords(concat(read.chunks), broker.broker.tools);
  });
  const ids = written.flatMap(({ key, value }) => {
    if (key === null || key === undefined || value === null || value === undefined) return [];
    const reader = new ByteReader(key);
    if (reader.i16() !== 1 || offsetCommitKey.decode(reader, 0).topic !== "named") return [];
    const body = new ByteReader(value);
    return [offsetCommitValue.decode(body, body.i16()).topicId];
  });
  expect(ids).toEqual([broker.broker.topics.idOf("named")]);
});
