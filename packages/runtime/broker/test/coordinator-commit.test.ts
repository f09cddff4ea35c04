import type { Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { RawConnection } from "@samsa/wire";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { OFFSETS_TOPIC, SHARE_STATE_TOPIC, TRANSACTION_TOPIC } from "../src/config/internal-topics.ts";
import type { Partition } from "../src/replica/partition.ts";
import { clock } from "./share-bench.ts";
import { TestBroker } from "./wire.ts";

const { code: LOADING } = Errors.COORDINATOR_LOAD_IN_PROGRESS;
const { code: NOT_AVAILABLE } = Errors.COORDINATOR_NOT_AVAILABLE;
const { code: NOT_COORDINATOR } = Errors.NOT_COORDINATOR;
const { code: UNKNOWN } = Errors.UNKNOWN_SERVER_ERROR;
/** Timeout of writes; it passes when the clock of the tests says so. */
const TIMEOUT_MS = 20_000;

let broker: TestBroker;
let wire: RawConnection;
/** A second connection: requests of one wait for each other. */
let other: RawConnection;
let topicId: Uuid;
let groups = 0;

beforeAll(async () => {
  const settings = {
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "transactional.id.expiration.ms": "1",
    "offsets.commit.timeout.ms": String(TIMEOUT_MS),
    "share.coordinator.write.timeout.ms": String(TIMEOUT_MS),
    "request.timeout.ms": String(TIMEOUT_MS),
  };
  broker = await TestBroker.start(settings, undefined, clock.world);
  wire = await broker.connect();
  other = await broker.connect();
  const topic = { name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  const { topics } = await wire.ask("CreateTopics", 7, { topics: [topic], timeoutMs: 1000 });
  topicId = topics[0].topicId;
  await wire.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
  await wire.ask("FindCoordinator", 3, { key: "x", keyType: 1 });
  await initialize(0);
  // The first write to a log waits for the name of its directory.
  expect(await commit("first", 1)).toBe(0);
  expect(await init("first")).toBe(0);
});

afterEach(() => {
  vi.restoreAllMocks();
  for (const topic of [OFFSETS_TOPIC, TRANSACTION_TOPIC, SHARE_STATE_TOPIC]) partitionOf(topic).release();
});

afterAll(async () => {
  wire.close();
  other.close();
  await broker.stop();
});

function partitionOf(topic: string): Partition {
  return broker.broker.topics.partition(topic, 0) as Partition;
}

async function commit(groupId: string, committedOffset: number, from = wire): Promise<number> {
  const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: "" }];
  const { topics } = await from.ask("OffsetCommit", 2, { groupId, topics: [{ name: "t", partitions }] });
  return topics[0].partitions[0].errorCode;
}

async function fetch(groupId: string, requireStable = false, from = wire): Promise<number | string> {
  const asked = [{ groupId, topics: [{ name: "t", partitionIndexes: [0] }] }];
  const { groups: fetched } = await from.ask("OffsetFetch", 8, { groups: asked, requireStable });
  const { errorCode, topics } = fetched[0];
  return errorCode === 0 ? Number(topics[0].partitions[0].committedOffset) : `error ${errorCode}`;
}

async function listed(groupId: string): Promise<boolean> {
  const { groups: found } = await other.ask("ListGroups", 4, {});
  return found.some(group => group.groupId === groupId);
}

async function beat(groupId: string, memberEpoch: number, from = wire) {
  const joins = { rebalanceTimeoutMs: 10_000, subscribedTopicNames: ["t"], topicPartitions: [] };
  const member = { groupId, memberId: "m", memberEpoch, ...(memberEpoch === 0 ? joins : {}) };
  return from.ask("ConsumerGroupHeartbeat", 1, member);
}

async function initialize(stateEpoch: number): Promise<number> {
  const partitions = [{ partition: 0, stateEpoch, startOffset: 0 }];
  const request = { groupId: "s", topics: [{ topicId, partitions }] };
  const { results } = await wire.ask("InitializeShareGroupState", 0, request);
  return results[0].partitions[0].errorCode;
}

async function init(transactionalId: string, transactionTimeoutMs = 60_000): Promise<number> {
  return (await wire.ask("InitProducerId", 4, { transactionalId, transactionTimeoutMs })).errorCode;
}

/** Sends a request whose records stay uncommitted for `ms`; returns its error code. */
async function held(topic: string, send: () => Promise<number>, ms: number): Promise<number> {
  const partition = partitionOf(topic);
  const before = partition.endOffset;
  partition.hold();
  const answer = send();
  await vi.waitFor(() => expect(partition.endOffset).toBeGreaterThan(before));
  clock.pass(ms);
  return answer;
}

/** Commits offset 7 of a group, which stays uncommitted until the partition is released; returns the error code later. */
async function written(groupId: string): Promise<() => Promise<number>> {
  const partition = partitionOf(OFFSETS_TOPIC);
  const before = partition.endOffset;
  partition.hold();
  const answer = commit(groupId, 7);
  await vi.waitFor(() => expect(partition.endOffset).toBeGreaterThan(before));
  return () => answer;
}

function newGroup(): string {
  return `g${++groups}`;
}

function runnerOf(groupId: string) {
  const runner = broker.broker.groups.of(groupId);
  if (typeof runner === "number") throw new Error(`the shard takes no requests: ${runner}`);
  return runner;
}

describe("records that are not committed", () => {
  test("are not shown, and stable offsets wait for them", async () => {
    const groupId = newGroup();
    const write = await written(groupId);
    expect(await fetch(groupId, false, other)).toBe(-1);
    expect(await listed(groupId)).toBe(false);
    const { groups: described } = await other.ask("DescribeGroups", 6, { groups: [groupId] });
    expect(described[0].errorCode).toBe(Errors.GROUP_ID_NOT_FOUND.code);
    const stable = fetch(groupId, true, other);
    partitionOf(OFFSETS_TOPIC).release();
    expect([await write(), await stable]).toEqual([0, 7]);
    expect(await fetch(groupId)).toBe(7);
    expect(await listed(groupId)).toBe(true);
  });

  test("do not keep the next commits of their connection, but other requests", async () => {
    const groupId = newGroup();
    const partition = partitionOf(OFFSETS_TOPIC);
    const before = partition.endOffset;
    partition.hold();
    const commits = [1, 2, 3].map(offset => commit(groupId, offset));
    const ask = vi.spyOn(runnerOf(groupId), "whenCommitted");
    const fetched = fetch(groupId, true);
    await vi.waitFor(() => expect(partition.endOffset).toBe(before + 3));
    // Another connection's request comes later, and is answered: the fetch would have been asked by now.
    expect(await fetch(groupId, false, other)).toBe(-1);
    expect(ask).not.toHaveBeenCalled();
    partition.release();
    expect(await Promise.all(commits)).toEqual([0, 0, 0]);
    expect(await fetched, "commits take effect in their order").toBe(3);
  });

  test("delay the answers that rest on them", async () => {
    const groupId = newGroup();
    await expect.poll(async () => (await beat(groupId, 0)).memberEpoch).toBeGreaterThan(0);
    const { memberEpoch } = await beat(groupId, 0);
    const write = await written(newGroup());
    const ask = vi.spyOn(runnerOf(groupId), "ask");
    const beaten = beat(groupId, memberEpoch, other);
    await vi.waitFor(() => expect(ask).toHaveBeenCalled());
    clock.pass(TIMEOUT_MS);
    expect(await write()).toBe(NOT_AVAILABLE);
    expect((await beaten).errorCode, "it fails with the write").toBe(NOT_AVAILABLE);
    const again = beat(groupId, memberEpoch, other);
    await vi.waitFor(() => expect(ask).toHaveBeenCalledTimes(2));
    partitionOf(OFFSETS_TOPIC).release();
    expect((await again).errorCode).toBe(0);
  });

  test("stay in the log when their requests time out", async () => {
    const groupId = newGroup();
    const write = await written(groupId);
    const wait = vi.spyOn(runnerOf(groupId), "whenCommitted");
    const stable = fetch(groupId, true, other);
    await vi.waitFor(() => expect(wait).toHaveBeenCalled());
    clock.pass(TIMEOUT_MS);
    expect(await write()).toBe(NOT_AVAILABLE);
    expect(await stable).toBe(`error ${NOT_COORDINATOR}`);
    partitionOf(OFFSETS_TOPIC).release();
    await expect.poll(() => fetch(groupId)).toBe(7);
  });

  test("of share state time out, too", async () => {
    expect(await held(SHARE_STATE_TOPIC, () => initialize(1), TIMEOUT_MS)).toBe(NOT_AVAILABLE);
    partitionOf(SHARE_STATE_TOPIC).release();
    await expect.poll(() => initialize(2)).toBe(0);
  });

  test("of a transaction are waited for as long as for the transaction", async () => {
    const timeoutMs = 15_000;
    expect(await held(TRANSACTION_TOPIC, () => init("short", timeoutMs), timeoutMs)).toBe(NOT_AVAILABLE);
  });

  test("of expired transactional ids are waited for as long as for a request", async () => {
    const { transactions } = broker.broker;
    const partition = partitionOf(TRANSACTION_TOPIC);
    expect(await init("expired")).toBe(0);
    // All ids are older than `transactional.id.expiration.ms` now.
    clock.pass(10);
    partition.hold();
    transactions.expire();
    const end = partition.endOffset;
    transactions.expire();
    expect(partition.endOffset, "the id is being erased").toBe(end);
    clock.pass(TIMEOUT_MS);
    transactions.expire();
    expect(partition.endOffset, "it is tried again").toBeGreaterThan(end);
  });
});

describe("a batch", () => {
  test("that cannot be replayed does not reach the log", async () => {
    const groupId = newGroup();
    const partition = partitionOf(OFFSETS_TOPIC);
    const before = partition.endOffset;
    const { shard } = runnerOf(groupId);
    const replay = shard.replay.bind(shard);
    const planted = vi.spyOn(shard, "replay").mockImplementationOnce((...args) => {
      replay(...args);
      throw new Error("planted");
    });
    expect(await commit(groupId, 5)).toBe(UNKNOWN);
    expect(planted).toHaveBeenCalledTimes(1);
    expect(partition.endOffset).toBe(before);
    expect(await fetch(groupId, true)).toBe(-1);
    expect(await commit(groupId, 6)).toBe(0);
    expect(await fetch(groupId)).toBe(6);
  });

  test("that the log does not take leaves no trace", async () => {
    const groupId = newGroup();
    const { code: error } = Errors.KAFKA_STORAGE_ERROR;
    const refused = { error, firstOffset: -1, lastOffset: -1, logAppendTime: -1, duplicate: false };
    vi.spyOn(partitionOf(OFFSETS_TOPIC), "appendAsLeader").mockReturnValueOnce(refused);
    expect(await commit(groupId, 5)).toBe(NOT_COORDINATOR);
    expect(runnerOf(groupId).shard.typeOf(groupId)).toBeUndefined();
    expect(await fetch(groupId, true)).toBe(-1);
  });

  test("of a divisible append ends it, if the log does not take it", async () => {
    const groupId = newGroup();
    const offsets = [0, 1, 2, 3].map(partition => ({ partition, offset: 1 }));
    const partition = partitionOf(OFFSETS_TOPIC);
    const { config } = partition;
    vi.spyOn(partition, "config", "get").mockReturnValue({ ...config, maxMessageBytes: 100 });
    const appendAsLeader = partition.appendAsLeader.bind(partition);
    const append = vi.spyOn(partition, "appendAsLeader");
    const { code: error } = Errors.INVALID_TXN_STATE;
    const refused = { error, firstOffset: -1, lastOffset: -1, logAppendTime: -1, duplicate: false };
    const before = partition.endOffset;
    append.mockImplementationOnce(appendAsLeader);
    append.mockReturnValueOnce(refused);
    const outcomes: number[] = [];
    const records = offsets.map(({ partition: index }) => ({ key: Uint8Array.of(0, 99, index), value: null }));
    const { shard } = runnerOf(groupId);
    vi.spyOn(shard, "appended").mockImplementation((_now, _token, errorCode) => void outcomes.push(errorCode));
    runnerOf(groupId).run(out => void out.push({ type: "append", token: 99, records, divisible: true }));
    expect(append.mock.calls).toHaveLength(2);
    expect(outcomes).toEqual([error]);
    expect(partition.endOffset).toBeLessThan(before + records.length);
  });
});

describe("an election", () => {
  test("to the epoch of the shard, or to an earlier one, changes nothing", () => {
    const { groups: shards } = broker.broker;
    const runner = runnerOf("g");
    const partition = partitionOf(OFFSETS_TOPIC);
    const { leaderEpoch } = runner;
    for (const epoch of [leaderEpoch - 1, leaderEpoch]) shards.elect(partition, epoch);
    for (const epoch of [leaderEpoch - 1, leaderEpoch]) shards.resign(0, epoch);
    expect(runnerOf("g")).toBe(runner);
    expect(runner.leaderEpoch).toBe(leaderEpoch);
  });

  test("of the same broker lets groups go on, and loads transactions again", async () => {
    const { groups: shards, transactions } = broker.broker;
    const runner = runnerOf("g");
    const epoch = runner.leaderEpoch + 1;
    shards.elect(partitionOf(OFFSETS_TOPIC), epoch);
    expect(runnerOf("g")).toBe(runner);
    expect(runner.leaderEpoch).toBe(epoch);
    const before = transactions.of("x");
    transactions.elect(partitionOf(TRANSACTION_TOPIC), epoch);
    expect(transactions.of("x")).not.toBe(before);
    await expect.poll(() => init("x")).toBe(0);
  });

  test("loads to the end of the log, and serves once that is committed", async () => {
    const { groups: shards } = broker.broker;
    const groupId = newGroup();
    const partition = partitionOf(OFFSETS_TOPIC);
    const write = await written(groupId);
    const { leaderEpoch } = runnerOf(groupId);
    shards.resign(0, leaderEpoch + 1);
    expect(await write()).toBe(NOT_COORDINATOR);
    expect(await fetch(groupId)).toBe(`error ${NOT_COORDINATOR}`);
    shards.elect(partition, leaderEpoch + 2);
    expect(await fetch(groupId)).toBe(`error ${LOADING}`);
    expect(shards.isLoading).toBe(true);
    partition.release();
    await expect.poll(() => fetch(groupId)).toBe(7);
    expect(broker.lines.filter(({ level }) => level === "error").map(({ message }) => message)).toEqual([
      "a coordinator failed at a part of its work",
    ]);
  });

  test("drops what comes late for the shard of an earlier epoch", async () => {
    const { groups: shards } = broker.broker;
    const groupId = newGroup();
    const partition = partitionOf(OFFSETS_TOPIC);
    partitionOf(SHARE_STATE_TOPIC).hold();
    const body = { groupId, memberId: "m", memberEpoch: 0, rackId: null, subscribedTopicNames: ["t"] };
    await expect.poll(async () => (await wire.ask("ShareGroupHeartbeat", 1, body)).errorCode).toBe(0);
    const { leaderEpoch } = runnerOf(groupId);
    shards.resign(0, leaderEpoch + 1);
    shards.elect(partition, leaderEpoch + 2);
    await expect.poll(() => fetch("first")).toBe(1);
    const end = partition.endOffset;
    partitionOf(SHARE_STATE_TOPIC).release();
    await expect.poll(() => initialize(3)).toBe(0);
    expect(partition.endOffset, "no record of the earlier shard").toBe(end);
    const asked = { type: "summary", body: { partition: 0, leaderEpoch: -1 } } as const;
    const key = { groupId, topicId, partition: 0 };
    const summary = new Promise(resolve => broker.broker.shares.states.ask(key, asked, resolve));
    expect(await summary, "the initialization has succeeded").toMatchObject({ errorCode: 0, startOffset: -1 });
  });
});
