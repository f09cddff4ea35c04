import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { BatchCursor, buildBatch, RecordCursor } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SHARE_STATE_TOPIC } from "../src/config/internal-topics.ts";
import { TestBroker } from "./wire.ts";

const SETTINGS = { "share.coordinator.state.topic.num.partitions": "3" };
const METADATA = "__cluster_metadata-0";
const GROUPS = ["g0", "g1"];

let broker: TestBroker;
let wire: RawConnection;

async function start(directory?: string): Promise<void> {
  broker = await TestBroker.start(SETTINGS, directory);
  wire = await broker.connect();
  await wire.ask("FindCoordinator", 4, { keyType: 0, coordinatorKeys: GROUPS });
}

beforeEach(() => start());
afterEach(async () => {
  wire.close();
  await broker.stop();
});

async function createTopic(): Promise<Uuid> {
  const topics = [{ name: "t", numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] }];
  const made = await wire.ask("CreateTopics", 7, { topics, timeoutMs: 1000 });
  return made.topics[0].topicId;
}

async function produce(count: number): Promise<void> {
  const row = { timestamp: Date.now(), key: null, value: new Uint8Array(1) };
  const bytes = buildBatch(Array(count).fill(row), {}, broker.broker.tools);
  const topicData = [{ name: "t", partitionData: [{ index: 0, records: [bytes] }] }];
  await wire.ask("Produce", 9, { transactionalId: null, acks: -1, timeoutMs: 1000, topicData });
}

const startAt = (groupId: string, startOffset: number) => {
  const partitions = [0, 1].map(partitionIndex => ({ partitionIndex, startOffset }));
  return wire.ask("AlterShareGroupOffsets", 0, { groupId, topics: [{ topicName: "t", partitions }] });
};

/** Topics with initialized states, as the record of a group says. */
function initialized(groupId: string): readonly Uuid[] {
  const runner = broker.broker.groups.of(groupId);
  return typeof runner === "number" ? [] : [...runner.shard.shares.initializedOf(groupId).keys()];
}

/** Topics of which a group has offsets. */
async function topicsOf(groupId: string): Promise<readonly object[]> {
  const asked = { groups: [{ groupId, topics: null }] };
  const { groups } = await wire.ask("DescribeShareGroupOffsets", 1, asked);
  return groups[0].topics;
}

/** Partition 0 of a share state that is read by topic id. */
async function stateOf(groupId: string, topicId: Uuid): Promise<object> {
  const topics = [{ topicId, partitions: [{ partition: 0, leaderEpoch: 0 }] }];
  const { results } = await wire.ask("ReadShareGroupStateSummary", 1, { groupId, topics });
  return results[0].partitions[0];
}

/** Number of tombstones in the topic of share states. */
function tombstones(): number {
  let count = 0;
  for (const partition of broker.broker.topics.partitionsOf(SHARE_STATE_TOPIC)) {
    const range = { offset: 0, maxBytes: 1 << 20, minOneMessage: true, isolation: "LOG_END" } as const;
    for (const chunk of partition?.read(range).chunks ?? []) {
      const batch = new BatchCursor();
      batch.reset(chunk);
      while (batch.next()) {
        const record = new RecordCursor().open(batch, broker.broker.tools.codecs);
        while (record.next()) if (record.value() === null) count++;
      }
    }
  }
  return count;
}

test("states of a deleted topic are erased at the next start if the broker was killed before it erased them", async () => {
  const { directory } = broker;
  const before = await createTopic();
  await produce(6);
  for (const groupId of GROUPS) expect(await startAt(groupId, 4)).toMatchObject({ errorCode: 0 });
  expect(await stateOf("g0", before)).toMatchObject({ errorCode: 0, startOffset: 4 });
  expect(initialized("g0")).toEqual([before]);
  const data = join(directory, "data");
  const killed = join(directory, "killed");
  cpSync(data, killed, { recursive: true });
  await wire.ask("DeleteTopics", 6, { topics: [{ name: null, topicId: before }], timeoutMs: 1000 });
  expect(tombstones()).toBe(4);
  wire.close();
  await broker.node.close();
  // The deletion is in the metadata log, and the states have no tombstones yet.
  rmSync(join(killed, METADATA), { recursive: true });
  cpSync(join(data, METADATA), join(killed, METADATA), { recursive: true });
  rmSync(data, { recursive: true });
  cpSync(killed, data, { recursive: true });
  await start(directory);
  await vi.waitFor(() => expect(tombstones()).toBe(4));
  expect(GROUPS.map(initialized)).toEqual([[], []]);
  const after = await createTopic();
  expect(after).not.toBe(before);
  for (const groupId of GROUPS) expect(await topicsOf(groupId)).toEqual([]);
  expect(await stateOf("g0", before)).toMatchObject({ errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION.code });
  expect(await stateOf("g0", after)).toMatchObject({ errorCode: 0, startOffset: -1, stateEpoch: 0 });
  expect(await startAt("g1", 1)).toMatchObject({ errorCode: 0 });
  expect(await stateOf("g1", after)).toMatchObject({ startOffset: 1 });
  // A second start neither erases nor loses anything.
  wire.close();
  await broker.node.close();
  await start(directory);
  expect(tombstones()).toBe(4);
  expect(await stateOf("g1", after)).toMatchObject({ startOffset: 1 });
});
