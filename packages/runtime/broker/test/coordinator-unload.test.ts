import { Errors } from "@samsa/protocol";
import type { RawConnection } from "@samsa/wire";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { Partition } from "../src/replica/partition.ts";
import { OFFSETS_TOPIC } from "../src/config/internal-topics.ts";
import { clock } from "./share-bench.ts";
import { TestBroker } from "./wire.ts";

const { code: NOT_COORDINATOR } = Errors.NOT_COORDINATOR;
const { code: NOT_LEADER } = Errors.NOT_LEADER_OR_FOLLOWER;
const { code: TIMED_OUT } = Errors.REQUEST_TIMED_OUT;
const { code: UNSTABLE } = Errors.UNSTABLE_OFFSET_COMMIT;
const TIMEOUT_MS = 20_000;
const PRODUCER = { producerId: 70n, producerEpoch: 0 };

let broker: TestBroker;
/** Requests of one connection wait for each other. */
let wire: RawConnection;
let other: RawConnection;
let count = 0;

beforeAll(async () => {
  const settings = {
    "offsets.topic.num.partitions": "1",
    "offsets.commit.timeout.ms": String(TIMEOUT_MS),
    "transaction.partition.verification.enable": "false",
  };
  broker = await TestBroker.start(settings, undefined, clock.world);
  wire = await broker.connect();
  other = await broker.connect();
  const topic = { name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  await wire.ask("CreateTopics", 7, { topics: [topic], timeoutMs: 1000 });
  await served();
});

afterEach(() => {
  vi.restoreAllMocks();
  offsets().release();
});

afterAll(async () => {
  wire.close();
  other.close();
  await broker.stop();
});

function offsets(): Partition {
  return broker.broker.topics.partition(OFFSETS_TOPIC, 0) as Partition;
}

/** Waits until the coordinator takes commits, and its log has a name that is durable. */
async function served(): Promise<void> {
  await vi.waitFor(async () => {
    const { errorCode } = await wire.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
    expect([errorCode, await commit("first", 1)]).toEqual([0, 0]);
  });
}

async function commit(groupId: string, committedOffset: number, from = wire): Promise<number> {
  const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: "" }];
  const { topics } = await from.ask("OffsetCommit", 2, { groupId, topics: [{ name: "t", partitions }] });
  return topics[0].partitions[0].errorCode;
}

async function txnCommit(groupId: string, committedOffset: number): Promise<number> {
  const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: "" }];
  const topics = [{ name: "t", partitions }];
  const response = await wire.ask("TxnOffsetCommit", 2, { transactionalId: "x", groupId, ...PRODUCER, topics });
  return response.topics[0].partitions[0].errorCode;
}

async function mark(transactionResult: boolean): Promise<number> {
  const topics = [{ name: OFFSETS_TOPIC, partitionIndexes: [0] }];
  const markers = [{ ...PRODUCER, transactionResult, topics, coordinatorEpoch: 0 }];
  return (await wire.ask("WriteTxnMarkers", 1, { markers })).markers[0].topics[0].partitions[0].errorCode;
}

async function fetch(groupId: string, requireStable: boolean): Promise<number | string> {
  const groups = [{ groupId, topics: [{ name: "t", partitionIndexes: [0] }] }];
  const { groups: fetched } = await other.ask("OffsetFetch", 8, { groups, requireStable });
  const { errorCode, topics } = fetched[0];
  const code = errorCode === 0 ? topics[0].partitions[0].errorCode : errorCode;
  return code === 0 ? Number(topics[0].partitions[0].committedOffset) : `error ${code}`;
}

function newGroup(): string {
  return `g${++count}`;
}

function runner() {
  const found = broker.broker.groups.of("g");
  if (typeof found === "number") throw new Error(`the shard takes no requests: ${found}`);
  return found;
}

/** Sends a request whose records stay uncommitted; the answer comes later. */
async function open(send: () => Promise<number>): Promise<() => Promise<number>> {
  const partition = offsets();
  const before = partition.endOffset;
  partition.hold();
  const answer = send();
  await vi.waitFor(() => expect(partition.endOffset).toBeGreaterThan(before));
  return () => answer;
}

/** Unloads the shard, and loads it in a later epoch. */
async function reelect(): Promise<void> {
  const { groups } = broker.broker;
  const { leaderEpoch } = runner();
  groups.resign(0, leaderEpoch + 1);
  groups.elect(offsets(), leaderEpoch + 2);
}

describe("a marker that is not committed", () => {
  test("hides the offset of its transaction, and stable fetches wait for it", async () => {
    const groupId = newGroup();
    expect(await commit(groupId, 1)).toBe(0);
    expect(await txnCommit(groupId, 5)).toBe(0);
    expect([await fetch(groupId, false), await fetch(groupId, true)]).toEqual([1, `error ${UNSTABLE}`]);
    const marked = await open(() => mark(true));
    expect(await fetch(groupId, false)).toBe(1);
    const stable = fetch(groupId, true);
    offsets().release();
    expect([await marked(), await stable, await fetch(groupId, false)]).toEqual([0, 5, 5]);
  });

  test("times out, and is repeated without harm", async () => {
    const groupId = newGroup();
    expect(await txnCommit(groupId, 6)).toBe(0);
    const marked = await open(() => mark(true));
    clock.pass(TIMEOUT_MS);
    expect(await marked()).toBe(TIMED_OUT);
    offsets().release();
    expect(await mark(true)).toBe(0);
    expect(await fetch(groupId, true)).toBe(6);
  });

  test("that the log does not take leaves the transaction open", async () => {
    const groupId = newGroup();
    expect(await commit(groupId, 1)).toBe(0);
    expect(await txnCommit(groupId, 7)).toBe(0);
    const refused = { error: NOT_LEADER, firstOffset: -1, lastOffset: -1, logAppendTime: -1, duplicate: false };
    vi.spyOn(offsets(), "appendAsLeader").mockReturnValueOnce(refused);
    expect(await mark(true)).toBe(NOT_LEADER);
    expect([await fetch(groupId, false), await fetch(groupId, true)]).toEqual([1, `error ${UNSTABLE}`]);
    expect(await mark(false)).toBe(0);
    expect(await fetch(groupId, true)).toBe(1);
  });

  test("is refused as by a partition without a leader when its shard is unloaded", async () => {
    const groupId = newGroup();
    expect(await txnCommit(groupId, 8)).toBe(0);
    const marked = await open(() => mark(true));
    await reelect();
    expect(await marked()).toBe(NOT_LEADER);
    expect(await fetch(groupId, true)).toBe(`error ${Errors.COORDINATOR_LOAD_IN_PROGRESS.code}`);
    offsets().release();
    await expect.poll(() => fetch(groupId, true)).toBe(8);
  });
});

describe("a write that is not committed", () => {
  test("does not delay the answer to one that the log does not take", async () => {
    const write = await open(() => commit(newGroup(), 1));
    const { code } = Errors.KAFKA_STORAGE_ERROR;
    const refused = { error: code, firstOffset: -1, lastOffset: -1, logAppendTime: -1, duplicate: false };
    vi.spyOn(offsets(), "appendAsLeader").mockReturnValueOnce(refused);
    expect(await commit(newGroup(), 2, other)).toBe(NOT_COORDINATOR);
    offsets().release();
    expect(await write()).toBe(0);
  });

  test("times out at its own time, after earlier ones", async () => {
    const first = await open(() => commit(newGroup(), 1));
    clock.pass(TIMEOUT_MS / 2);
    const end = offsets().endOffset;
    const second = commit(newGroup(), 2, other);
    await vi.waitFor(() => expect(offsets().endOffset).toBeGreaterThan(end));
    const { code } = Errors.COORDINATOR_NOT_AVAILABLE;
    clock.pass(TIMEOUT_MS / 2);
    expect(await first()).toBe(code);
    clock.pass(TIMEOUT_MS / 2);
    expect(await second).toBe(code);
  });

  test("times out as the first of its shard, if it is a marker", async () => {
    await reelect();
    await vi.waitFor(() => expect(runner().isLoaded).toBe(true));
    const marked = await open(() => mark(true));
    clock.pass(TIMEOUT_MS);
    expect(await marked()).toBe(TIMED_OUT);
  });

  test("fails stable fetches in time even after its own request has timed out", async () => {
    const groupId = newGroup();
    const write = await open(() => commit(groupId, 4));
    clock.pass(TIMEOUT_MS);
    expect(await write()).toBe(Errors.COORDINATOR_NOT_AVAILABLE.code);
    const waits = vi.spyOn(runner(), "whenCommitted");
    const stable = fetch(groupId, true);
    await vi.waitFor(() => expect(waits).toHaveBeenCalled());
    clock.pass(TIMEOUT_MS);
    expect(await stable).toBe(`error ${NOT_COORDINATOR}`);
    offsets().release();
    await expect.poll(() => fetch(groupId, true)).toBe(4);
  });

  test("is replayed with the offsets that its records have in the log", async () => {
    const end = offsets().endOffset;
    const replay = vi.spyOn(runner().shard, "replay");
    const partitions = [0, 0].map(partitionIndex => ({ partitionIndex, committedOffset: 1, committedMetadata: "" }));
    await wire.ask("OffsetCommit", 2, { groupId: newGroup(), topics: [{ name: "t", partitions }] });
    expect(replay.mock.calls.map((call: readonly unknown[]) => call[2])).toEqual([end, end + 1]);
    expect(offsets().endOffset).toBe(end + 2);
  });
});

describe("a shard that is unloaded", () => {
  test("hears no more of its partition", async () => {
    const before = runner();
    await reelect();
    const advanced = vi.spyOn(before, "advanced");
    await served();
    expect(advanced).not.toHaveBeenCalled();
  });

  test("because it has failed is loaded again when the same broker is elected again", async () => {
    const before = runner();
    vi.spyOn(before, "failed", "get").mockReturnValue(true);
    broker.broker.groups.elect(offsets(), before.leaderEpoch + 1);
    await served();
    expect(runner()).not.toBe(before);
  });

  test("answers all that waits, even if the shard fails at it", async () => {
    const groupId = newGroup();
    const write = await open(() => commit(groupId, 9));
    vi.spyOn(runner().shard, "unload").mockImplementation(() => {
      throw new Error("planted");
    });
    await reelect();
    expect(await write()).toBe(NOT_COORDINATOR);
    offsets().release();
    await expect.poll(() => fetch(groupId, true)).toBe(9);
  });

  test("with its topic leaves nothing to a topic of the same name", async () => {
    const groupId = newGroup();
    expect(await commit(groupId, 1)).toBe(0);
    const before = runner();
    const write = await open(() => commit(groupId, 2));
    const { responses } = await other.ask("DeleteTopics", 5, { topicNames: [OFFSETS_TOPIC], timeoutMs: 1000 });
    expect(responses[0].errorCode).toBe(0);
    expect(await write()).not.toBe(0);
    expect(before.failed).toBe(true);
    await served();
    expect(runner()).not.toBe(before);
    expect(await fetch(groupId, true)).toBe(-1);
    expect(await commit(groupId, 3)).toBe(0);
    expect(await fetch(groupId, true)).toBe(3);
  });
});

test("a broker that stops loads no shard any more", async () => {
  const stopping = await TestBroker.start({ "offsets.topic.num.partitions": "1" });
  const client = await stopping.connect();
  await client.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
  client.close();
  const { groups, topics } = stopping.broker;
  const partition = topics.partition(OFFSETS_TOPIC, 0) as Partition;
  groups.close(NOT_COORDINATOR);
  groups.elect(partition, partition.leaderEpoch + 1);
  expect(groups.known()).toEqual([]);
  await stopping.stop();
});
