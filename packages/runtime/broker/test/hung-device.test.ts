import type { Timer } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { Deadlines } from "../src/replica/deadlines.ts";
import { Partition } from "../src/replica/partition.ts";
import { ALONE, leading, NO_THROTTLE } from "./alone.ts";
import { logOf } from "./logs.ts";
import { clock } from "./share-bench.ts";
import { TestBroker } from "./wire.ts";

const { code: TIMED_OUT } = Errors.REQUEST_TIMED_OUT;
/** Time after which no append waits any longer. */
const LIMIT_MS = 30_001;

let broker: TestBroker;
/** Each waits for its own requests only. */
const wires: RawConnection[] = [];
let topics = 0;

beforeAll(async () => {
  broker = await TestBroker.start({}, undefined, clock.world);
  for (let i = 0; i < 3; i++) wires.push(await broker.connect());
});

afterEach(() => vi.restoreAllMocks());

afterAll(async () => {
  for (const wire of wires) wire.close();
  await broker.stop();
});

interface Producing {
  readonly sequence?: number;
  readonly acks?: number;
  readonly from?: number;
}

/** A topic of one partition, whose log has a name that is durable. */
async function topic(): Promise<{ partition: Partition; produce: (how?: Producing) => Promise<[number, number]> }> {
  const name = `t${++topics}`;
  const created = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  await wires[0].ask("CreateTopics", 7, { topics: [created], timeoutMs: 1000 });
  const produce = async ({ sequence = 0, acks = -1, from = 0 }: Producing = {}): Promise<[number, number]> => {
    const rows = [{ timestamp: clock.world.clock.now(), key: null, value: Buffer.from("v") }];
    const producer = { producerId: 7n, producerEpoch: 0, baseSequence: sequence };
    const records = [buildBatch(rows, producer, broker.broker.tools)];
    const topicData = [{ name, partitionData: [{ index: 0, records }] }];
    const request = { transactionalId: null, acks, timeoutMs: 1000, topicData };
    const { errorCode, baseOffset } = (await wires[from].ask("Produce", 9, request)).responses[0].partitionResponses[0];
    return [errorCode, Number(baseOffset)];
  };
  expect(await produce()).toEqual([0, 0]);
  return { partition: broker.broker.topics.partition(name, 0) as Partition, produce };
}

/** Lets the flushes of a partition hang until the returned function is called. */
function hang(partition: Partition): () => void {
  let end = (): void => {};
  const flushed = new Promise<void>(resolve => {
    end = resolve;
  });
  const log = logOf(partition);
  vi.spyOn(log, "flushDue").mockReturnValue(true);
  vi.spyOn(log, "flush").mockReturnValue(flushed);
  return end;
}

async function ends(partition: Partition, offset: number): Promise<void> {
  await vi.waitFor(() => expect(partition.endOffset).toBe(offset));
}

describe("a batch whose flush hangs", () => {
  test("times out, names its offset, and is a duplicate when it is sent again", async () => {
    const { partition, produce } = await topic();
    const end = hang(partition);
    const first = produce({ sequence: 1 });
    await ends(partition, 2);
    clock.pass(LIMIT_MS);
    expect(await first).toEqual([TIMED_OUT, 1]);
    const append = vi.spyOn(partition, "appendAsLeader");
    const again = produce({ sequence: 1 });
    await vi.waitFor(() => expect(append).toHaveBeenCalled());
    end();
    expect(await again).toEqual([0, 1]);
    expect(partition.endOffset).toBe(2);
  });

  test("does not delay the answer to a duplicate of a batch that is safe", async () => {
    const { partition, produce } = await topic();
    const end = hang(partition);
    const next = produce({ sequence: 1 });
    await ends(partition, 2);
    expect(await produce({ sequence: 0, from: 1 })).toEqual([0, 0]);
    expect(partition.highWatermark).toBe(1);
    end();
    expect(await next).toEqual([0, 1]);
  });

  test("delays a duplicate of a batch that an earlier process has written: nobody knows whether that is safe", async () => {
    const { partition } = await topic();
    const log = logOf(partition);
    const { turn, env } = broker.broker;
    const settings = { log: partition.config, rules: partition.rules, minInSync: 1, throttled: NO_THROTTLE };
    const deadlines = new Deadlines(env);
    const { topicId } = partition;
    const started = new Partition({ env, turn, log, deadlines, cluster: ALONE, topicId, settings });
    started.becomeLeader(leading(partition.leaderEpoch));
    expect(started.highWatermark).toBe(1);
    const end = hang(started);
    const flush = vi.spyOn(log, "flush");
    const rows = [{ timestamp: 0, key: null, value: Buffer.from("v") }];
    const bytes = buildBatch(rows, { producerId: 7n, producerEpoch: 0, baseSequence: 0 }, broker.broker.tools);
    const codes: number[] = [];
    const done = (code: number): void => void codes.push(code);
    const appended = started.appendAsLeader(bytes, { origin: "client", now: 0 }, { acks: "IN_SYNC", done });
    expect(appended).toMatchObject({ error: 0, duplicate: true, firstOffset: 0 });
    await vi.waitFor(() => expect(flush).toHaveBeenCalled());
    expect(codes).toEqual([]);
    end();
    await vi.waitFor(() => expect(codes).toEqual([0]));
  });

  test("is acknowledged with those of other rules, and each that timed out has one answer", async () => {
    const { partition, produce } = await topic();
    const end = hang(partition);
    const early = produce({ sequence: 1, acks: 1 });
    await ends(partition, 2);
    clock.pass(LIMIT_MS);
    expect(await early).toEqual([TIMED_OUT, 1]);
    const all = produce({ sequence: 2, acks: -1 });
    await ends(partition, 3);
    const one = produce({ sequence: 3, acks: 1, from: 1 });
    await ends(partition, 4);
    end();
    expect(await Promise.all([all, one])).toEqual([
      [0, 2],
      [0, 3],
    ]);
    expect(partition.highWatermark).toBe(4);
  });
});

describe("a batch for a log that another is about to replace", () => {
  test("times out, too", async () => {
    const { partition, produce } = await topic();
    partition.hold();
    const held = produce({ sequence: 1 });
    await ends(partition, 2);
    clock.pass(LIMIT_MS);
    expect(await held).toEqual([TIMED_OUT, 1]);
    partition.release();
    expect(await produce({ sequence: 2 })).toEqual([0, 2]);
  });

  test("is not acknowledged by a flush of the log that goes away", async () => {
    const { partition, produce } = await topic();
    const end = hang(partition);
    const flushing = produce({ sequence: 1 });
    await ends(partition, 2);
    partition.hold();
    end();
    expect(await produce({ sequence: 2, acks: 5, from: 1 }), "a later request has its answer").toEqual([
      Errors.INVALID_REQUIRED_ACKS.code,
      -1,
    ]);
    expect(partition.highWatermark).toBe(1);
    partition.release();
    expect(await flushing).toEqual([0, 1]);
  });

  test("is acknowledged if the other log comes in time", async () => {
    const { partition, produce } = await topic();
    partition.hold();
    const held = produce({ sequence: 1 });
    await ends(partition, 2);
    clock.pass(LIMIT_MS - 1000);
    partition.release();
    expect(await held).toEqual([0, 1]);
    clock.pass(LIMIT_MS);
    expect(await produce({ sequence: 2 })).toEqual([0, 2]);
  });
});

describe("a batch whose leader resigns before the batch is written", () => {
  test("is refused, and becomes readable when the same broker leads again", async () => {
    const { partition } = await topic();
    const { leaderEpoch } = partition;
    const codes: number[] = [];
    const bytes = buildBatch([{ timestamp: 0, key: null, value: null }], {}, broker.broker.tools);
    const done = (code: number): void => void codes.push(code);
    partition.appendAsLeader(bytes, { origin: "client", now: 0 }, { acks: "IN_SYNC", done });
    partition.becomeFollower({ leaderEpoch: leaderEpoch + 1, replicas: [1, 2] });
    expect(codes).toEqual([Errors.NOT_LEADER_OR_FOLLOWER.code]);
    await new Promise<void>(resolve => clock.world.timers.after(0, resolve));
    expect(partition.highWatermark).toBe(1);
    partition.becomeLeader(leading(leaderEpoch + 2));
    await vi.waitFor(() => expect(partition.highWatermark).toBe(2));
    expect(codes).toHaveLength(1);
  });
});

describe("deadlines", () => {
  test("wait behind one timer, and leave none behind", () => {
    const running = new Set<object>();
    const timers = {
      after: (): Timer => {
        const timer = { cancel: () => void running.delete(timer) };
        running.add(timer);
        return timer;
      },
    };
    const { env } = broker;
    const deadlines = new Deadlines({ ...env, timers: { ...env.timers, ...timers } });
    for (const ms of [3000, 2000, 1000, 4000]) {
      deadlines.after(ms, () => {});
      expect(running.size).toBe(1);
    }
    deadlines.close();
    expect(running.size).toBe(0);
  });

  test("that were cancelled do not count any more once they have passed", () => {
    const deadlines = new Deadlines(broker.env);
    for (let i = 0; i < 1000; i++) deadlines.after(LIMIT_MS, () => {}).cancel();
    clock.pass(LIMIT_MS + 1);
    expect(deadlines.size).toBe(0);
    const timers = Array.from({ length: 1024 }, () => deadlines.after(LIMIT_MS, () => {}));
    timers[0].cancel();
    expect(deadlines.size, "few are cancelled: it is not worth while to remove them").toBe(1024);
    deadlines.close();
  });
});
