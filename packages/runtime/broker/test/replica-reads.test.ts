import { Errors } from "@samsa/protocol";
import type { ResponseOf } from "@samsa/wire";
import { describe, expect, test, vi } from "vitest";
import { retain } from "../src/replica/retention.ts";
import { logOf } from "./logs.ts";
import { ReplicaBrokers, TOPIC, TOPIC_ID } from "./replica-brokers.ts";

const RACKS = { "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector" };

/** Three brokers with `count` records that all of them have. */
async function cluster(count: number, settings: Record<string, string> = {}): Promise<ReplicaBrokers> {
  const made = new ReplicaBrokers(1, { settings });
  await made.world.runFor(100);
  for (let i = 0; i < count; i++) made.produce(1, 0);
  await made.heal();
  return made;
}

interface Ask {
  readonly offset?: number;
  readonly epoch?: number;
  readonly rackId?: string;
  readonly maxWaitMs?: number;
  readonly version?: number;
  readonly replica?: readonly [id: number, epoch: number];
  readonly session?: readonly [id: number, epoch: number];
  readonly isNamed?: boolean;
}

async function fetch(brokers: ReplicaBrokers, id: number, ask: Ask): Promise<ResponseOf<"Fetch">> {
  const { offset = 0, epoch = -1, version = 15, replica = [-1, -1], session = [0, -1], isNamed = true } = ask;
  const partition = { partition: 0, fetchOffset: offset, currentLeaderEpoch: epoch, partitionMaxBytes: 1 << 20 };
  const of = version >= 15 ? { replicaState: { replicaId: replica[0], replicaEpoch: replica[1] } } : {};
  return brokers.ask(id, "Fetch", version, {
    ...of,
    maxWaitMs: ask.maxWaitMs ?? 0,
    minBytes: 1,
    maxBytes: 1 << 20,
    sessionId: session[0],
    sessionEpoch: session[1],
    topics: isNamed ? [{ topic: TOPIC, topicId: TOPIC_ID, partitions: [partition] }] : [],
    forgottenTopicsData: [],
    rackId: ask.rackId ?? "",
  });
}

/** Answer for the one partition. */
async function one(brokers: ReplicaBrokers, id: number, ask: Ask) {
  const { responses } = await fetch(brokers, id, ask);
  const data = responses[0]?.partitions[0];
  if (data === undefined) throw new Error("the answer has no partition");
  const { errorCode, highWatermark, preferredReadReplica } = data;
  return {
    errorCode,
    highWatermark,
    preferredReadReplica,
    bytes: (data.records ?? []).reduce((n, r) => n + r.length, 0),
  };
}

describe("a consumer", () => {
  test("reads from a follower, from version 11 on, up to what that knows to be committed", async () => {
    const brokers = await cluster(3);
    expect(await one(brokers, 2, {})).toMatchObject({ errorCode: 0, highWatermark: 3, bytes: expect.any(Number) });
    expect((await one(brokers, 2, {})).bytes).toBeGreaterThan(0);
    expect((await one(brokers, 2, { version: 10 })).errorCode).toBe(Errors.NOT_LEADER_OR_FOLLOWER.code);
    expect((await one(brokers, 2, { epoch: 9 })).errorCode).toBe(Errors.UNKNOWN_LEADER_EPOCH.code);
    expect((await one(brokers, 2, { offset: 4 })).errorCode).toBe(Errors.OFFSET_OUT_OF_RANGE.code);
    // Records that broker 3 lacks are not committed, although broker 2 has them.
    brokers.world.network.cut("broker-1", "broker-3");
    brokers.produce(1, 0);
    await brokers.world.runFor(1500);
    expect(brokers.broker(2)?.partition(0)?.endOffset).toBe(4);
    expect(await one(brokers, 2, { offset: 3 })).toMatchObject({ errorCode: 0, highWatermark: 3, bytes: 0 });
  });

  test("that waits at a follower is woken", async () => {
    const brokers = await cluster(1);
    const { timers } = brokers.world.node("broker-1").env;
    timers.after(200, () => brokers.produce(1, 0));
    const began = brokers.world.now();
    const answer = await one(brokers, 3, { offset: 1, maxWaitMs: 20_000 });
    expect(answer.bytes).toBeGreaterThan(0);
    expect(brokers.world.now() - began).toBeLessThan(2000);
  });

  test("is sent to the replica in its rack, if the leader is told to", async () => {
    const brokers = await cluster(2, RACKS);
    expect(await one(brokers, 1, { rackId: "rack-3" })).toMatchObject({ preferredReadReplica: 3, bytes: 0 });
    expect((await one(brokers, 1, { rackId: "rack-1" })).preferredReadReplica, "the leader is there").toBe(-1);
    expect((await one(brokers, 1, { rackId: "elsewhere" })).preferredReadReplica).toBe(-1);
    expect((await one(brokers, 1, { rackId: "rack-3", version: 10 })).preferredReadReplica).toBe(-1);
    expect((await one(brokers, 2, { rackId: "rack-3" })).preferredReadReplica, "a follower tells nobody").toBe(-1);
    brokers.crash(3);
    await brokers.world.runFor(100);
    expect((await one(brokers, 1, { rackId: "rack-3" })).preferredReadReplica).toBe(-1);
    const plain = await cluster(2);
    expect((await one(plain, 1, { rackId: "rack-3" })).preferredReadReplica).toBe(-1);
  });
});

describe("a fetch of a replica", () => {
  test("needs a broker with a replica, of the life that the metadata knows, and the leader", async () => {
    const brokers = await cluster(1);
    const { leaderEpoch: epoch } = brokers.states[0] ?? { leaderEpoch: -1 };
    const code = async (id: number, ask: Ask) => (await one(brokers, id, ask)).errorCode;
    expect(await code(1, { replica: [9, -1], epoch })).toBe(Errors.UNKNOWN_LEADER_EPOCH.code);
    expect(await code(1, { replica: [9, -1] })).toBe(Errors.NOT_LEADER_OR_FOLLOWER.code);
    expect(await code(1, { replica: [2, 1], epoch, offset: 1 })).toBe(Errors.NOT_LEADER_OR_FOLLOWER.code);
    expect(await code(3, { replica: [2, -1], epoch })).toBe(Errors.NOT_LEADER_OR_FOLLOWER.code);
    expect(await code(1, { replica: [2, -1], epoch: epoch + 1 })).toBe(Errors.UNKNOWN_LEADER_EPOCH.code);
    expect(await code(1, { replica: [2, -1], epoch, offset: 2 })).toBe(Errors.OFFSET_OUT_OF_RANGE.code);
    expect(await code(1, { replica: [2, -1], epoch, offset: 1 })).toBe(0);
  });

  test("has a session of its own, which tells only what is new", async () => {
    const brokers = await cluster(1);
    const replica = [2, -1] as const;
    const first = await fetch(brokers, 1, { replica, offset: 0, session: [0, 0] });
    expect(first.responses[0]?.partitions[0]?.records).not.toEqual([]);
    const id = first.sessionId;
    expect(id).toBeGreaterThan(0);
    const moved = await fetch(brokers, 1, { replica, offset: 1, session: [id, 1] });
    expect([moved.errorCode, moved.responses[0]?.partitions[0]?.highWatermark]).toEqual([0, 1]);
    expect((await fetch(brokers, 1, { replica, session: [id, 2], isNamed: false })).responses).toEqual([]);
    brokers.produce(1, 0);
    await brokers.world.runFor(50);
    const next = await fetch(brokers, 1, { replica, session: [id, 3], isNamed: false });
    expect(next.responses[0]?.partitions[0]?.records).toHaveLength(1);
    const code = async (ask: Ask) => (await fetch(brokers, 1, ask)).errorCode;
    const { FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH } = Errors;
    expect(await code({ replica, session: [id, 9] })).toBe(INVALID_FETCH_SESSION_EPOCH.code);
    expect(await code({ replica: [3, -1], session: [id, 4] })).toBe(FETCH_SESSION_ID_NOT_FOUND.code);
    expect(await code({ session: [id, 4] }), "a consumer").toBe(FETCH_SESSION_ID_NOT_FOUND.code);
  });
});

describe("offsets", () => {
  const latest = async (brokers: ReplicaBrokers, id: number, replicaId: number, version = 7) => {
    const partitions = [{ partitionIndex: 0, timestamp: -1 }];
    const answer = await brokers.ask(id, "ListOffsets", version, { replicaId, topics: [{ name: TOPIC, partitions }] });
    const { errorCode, offset } = answer.topics[0]?.partitions[0] ?? { errorCode: -1, offset: -1 };
    return [errorCode, offset];
  };

  test("of a replica are those of the log, of a consumer those that are committed", async () => {
    const brokers = await cluster(1);
    brokers.world.network.cut("broker-1", "broker-3");
    brokers.produce(1, 0);
    await brokers.world.runFor(100);
    expect([await latest(brokers, 1, 2), await latest(brokers, 1, -1)]).toEqual([
      [0, 2],
      [0, 1],
    ]);
    expect(await latest(brokers, 2, -1), "only the leader answers").toEqual([Errors.NOT_LEADER_OR_FOLLOWER.code, -1]);
    expect(await latest(brokers, 2, -2), "or a follower, to a tool").toEqual([0, 2]);
  });

  test("are not known to a new leader before it knows what is committed", async () => {
    const brokers = await cluster(1);
    brokers.world.network.cut("broker-1", "broker-3");
    brokers.world.network.cut("broker-2", "broker-3");
    brokers.produce(1, 0);
    await brokers.world.runFor(100);
    brokers.move(0);
    await brokers.world.runFor(100);
    expect(brokers.broker(2)?.partition(0)?.fault).toBe(0);
    expect(await latest(brokers, 2, -1)).toEqual([Errors.OFFSET_NOT_AVAILABLE.code, -1]);
    expect(await latest(brokers, 2, -1, 4)).toEqual([Errors.LEADER_NOT_AVAILABLE.code, -1]);
    await brokers.heal();
    expect(await latest(brokers, 2, -1)).toEqual([0, 2]);
  });
});

test("the lag of a replica is told by followers, too", async () => {
  const brokers = await cluster(2);
  for (const id of [1, 2, 3]) {
    const { results } = await brokers.ask(id, "DescribeLogDirs", 4, { topics: null });
    const partition = results[0]?.topics[0]?.partitions[0];
    expect(partition, `broker ${id}`).toMatchObject({ partitionIndex: 0, offsetLag: 0, isFutureKey: false });
  }
});

test("a deletion of records waits until all replicas that are alive have deleted them", async () => {
  const brokers = await cluster(5);
  const partition = brokers.broker(1)?.partition(0);
  const outcomes: [errorCode: number, lowWatermark: number][] = [];
  const wait = (offset: number, ms: number): void => {
    expect(partition?.deleteRecords(offset)).toBe(offset);
    partition?.whenDeleted(offset, ms, (...outcome) => outcomes.push(outcome));
  };
  wait(2, 5000);
  expect(outcomes).toEqual([]);
  await brokers.world.runFor(1500);
  expect(outcomes).toEqual([[0, 2]]);
  brokers.world.network.cut("broker-1", "broker-3");
  wait(3, 1000);
  await brokers.world.runFor(1100);
  expect(outcomes[1]).toEqual([Errors.REQUEST_TIMED_OUT.code, -1]);
  wait(4, 60_000);
  brokers.fence(3);
  await brokers.world.runFor(2000);
  expect(outcomes[2], "broker 3 is fenced").toEqual([0, 4]);
  wait(5, 60_000);
  brokers.move(0);
  await brokers.world.runFor(100);
  expect(outcomes[3]).toEqual([Errors.NOT_LEADER_OR_FOLLOWER.code, -1]);
});

test("followers hear of segments that the leader has deleted, and delete their own", async () => {
  const brokers = await cluster(3);
  const retention = ({ id, topics }: (typeof brokers.running)[number]): void => {
    const { env } = brokers.world.node(`broker-${id}`);
    retain({ env, topics, config: { "producer.id.expiration.ms": 1 } });
  };
  const [leader, follower] = brokers.running;
  if (leader === undefined || follower === undefined) throw new Error("three brokers run");
  retention(leader);
  expect(leader.partition(0)?.startOffset, "the records are of 1970").toBe(3);
  await brokers.world.runFor(1000);
  expect(follower.partition(0)?.startOffset).toBe(3);
  const spy = vi.spyOn(logOf(follower.partition(0)), "enforceRetention");
  retention(follower);
  expect(spy).toHaveBeenCalledTimes(1);
});
