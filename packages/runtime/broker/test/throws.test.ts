import { crc32c, type DiskError, type Int64 } from "@samsa/base";
import type { Effect } from "@samsa/coordinator";
import { Errors } from "@samsa/protocol";
import { buildBatch, FIELD } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Order } from "../src/replica/order.ts";
import type { Partition } from "../src/replica/partition.ts";
import { ShardRunner } from "../src/coordinator/shard-runner.ts";
import { TestBroker } from "./wire.ts";
import { logOf } from "./logs.ts";

/** Error that a test throws from callbacks of the broker. */
class Planted extends Error {}

function planted(): never {
  throw new Planted("planted");
}

let broker: TestBroker;
let wire: RawConnection;
beforeEach(async () => {
  broker = await TestBroker.start({ "log.retention.check.interval.ms": "20", "log.initial.task.delay.ms": "20" });
  wire = await broker.connect();
  const topics = ["t", "u"].map(name => ({
    name,
    numPartitions: 2,
    replicationFactor: 1,
    assignments: [],
    configs: [],
  }));
  await wire.ask("CreateTopics", 7, { topics, timeoutMs: 1000 });
});
afterEach(() => broker.stop());

function partition(topic = "t", index = 0): Partition {
  return broker.broker.topics.partition(topic, index) as Partition;
}

function batch(value: Uint8Array, options: Parameters<typeof buildBatch>[1] = {}): Uint8Array {
  return buildBatch([{ timestamp: Date.now(), key: null, value }], options, broker.broker.tools);
}

interface Produced {
  readonly errorCode: number;
  readonly baseOffset: Int64;
}

interface Wanted {
  readonly index?: number;
  readonly transactionalId?: string | null;
}

function send(bytes: Uint8Array, { index = 0, transactionalId = null }: Wanted = {}): void {
  const topicData = [{ name: "t", partitionData: [{ index, records: [bytes] }] }];
  wire.send("Produce", 9, { transactionalId, acks: -1, timeoutMs: 1000, topicData });
}

async function answer(): Promise<Produced> {
  const { errorCode, baseOffset } = (await wire.receive("Produce", 9)).responses[0].partitionResponses[0];
  return { errorCode, baseOffset };
}

async function produce(bytes: Uint8Array, options: Wanted = {}): Promise<Produced> {
  send(bytes, options);
  return answer();
}

const SMALL = new Uint8Array(20);
/** Incompressible, so that it would be validated on another thread. */
const LARGE = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 2654435761) >>> 24);
const FAILED = { errorCode: Errors.UNKNOWN_SERVER_ERROR.code, baseOffset: -1 };

describe("a batch whose header has an impossible time", () => {
  test.each([
    ["small", SMALL, { codec: 0, level: 0 }],
    ["large and compressed", LARGE, { codec: 1, level: 1 }],
  ] as const)("is taken, and the time is that of its records: %s", async (_, value, compression) => {
    const bytes = batch(value, { compression });
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const time = view.getBigInt64(FIELD.maxTimestamp);
    view.setBigInt64(FIELD.maxTimestamp, 0x7fffffffffffffffn);
    view.setUint32(FIELD.crc, crc32c(bytes, FIELD.attributes, bytes.length));
    expect(await produce(bytes)).toEqual({ errorCode: 0, baseOffset: 0 });
    const log = logOf(partition());
    const [kept] = log.read({ offset: 0, maxBytes: 1 << 20, minOneMessage: true, limitOffset: 1 }).chunks;
    expect(new DataView(kept.buffer, kept.byteOffset).getBigInt64(FIELD.maxTimestamp)).toBe(time);
  });
});

describe("a throw", () => {
  test("in the validation of a batch, or in its append, costs that batch", async () => {
    const { judging } = broker.broker;
    const log = logOf(partition());
    for (const [object, method] of [
      [judging, "now"],
      [log, "append"],
    ] as const) {
      Object.defineProperty(object, method, { value: planted, configurable: true });
      expect(await produce(batch(SMALL))).toEqual(FAILED);
      expect((await produce(batch(SMALL), { index: 1 })).errorCode).toBe(object === judging ? FAILED.errorCode : 0);
      Reflect.deleteProperty(object, method);
      expect((await produce(batch(SMALL))).errorCode).toBe(0);
    }
  });

  test("behind a batch that another thread judges costs that batch, and those that wait have their turn", async () => {
    const log = logOf(partition());
    const real = log.append.bind(log);
    let calls = 0;
    log.append = (...of) => (++calls === 1 ? planted() : real(...of));
    const { judging } = broker.broker;
    judging.isLarge = bytes => bytes.length > 1000;
    judging.later = async (bytes, rules, now) => judging.now(bytes, rules, now);
    send(batch(LARGE));
    send(batch(LARGE));
    send(batch(SMALL));
    expect([await answer(), await answer(), await answer()]).toEqual([
      FAILED,
      { errorCode: 0, baseOffset: 0 },
      { errorCode: 0, baseOffset: 1 },
    ]);
    judging.later = () => Promise.reject(new Planted());
    expect(await produce(batch(LARGE))).toEqual(FAILED);
    expect((await produce(batch(SMALL))).baseOffset).toBe(2);
  });

  test("in a request of a transaction leaves its id to the next one", async () => {
    const init = { transactionalId: "x", transactionTimeoutMs: 60_000 };
    await wire.ask("FindCoordinator", 6, { keyType: 1, coordinatorKeys: ["x"] });
    const producer = await wire.ask("InitProducerId", 5, init);
    expect(producer.errorCode).toBe(0);
    const of = { producerId: producer.producerId, producerEpoch: producer.producerEpoch, transactional: true };
    const { transactions } = broker.broker;
    const real = transactions.admit.bind(transactions);
    transactions.admit = planted;
    for (let i = 0; i < 3; i++) send(batch(SMALL, { ...of, baseSequence: 0 }), { transactionalId: "x" });
    expect([await answer(), await answer(), await answer()]).toEqual([FAILED, FAILED, FAILED]);
    expect(transactions.isBusy("x")).toBe(false);
    transactions.admit = real;
    await wire.ask("AddPartitionsToTxn", 3, {
      v3AndBelowTransactionalId: "x",
      v3AndBelowProducerId: producer.producerId,
      v3AndBelowProducerEpoch: producer.producerEpoch,
      v3AndBelowTopics: [{ name: "t", partitions: [0] }],
    });
    expect((await produce(batch(SMALL, { ...of, baseSequence: 0 }), { transactionalId: "x" })).errorCode).toBe(0);
  });

  test("in a step that a queued request finishes with releases the id", () => {
    const { transactions } = broker.broker;
    const seen: string[] = [];
    let release = (): void => {};
    const failed = (name: string) => (error: unknown) => void seen.push(`${name} failed: ${error instanceof Planted}`);
    transactions.inTurn("y", finish => void (release = () => finish(planted)), failed("one"));
    transactions.inTurn("y", planted, failed("two"));
    transactions.inTurn("y", finish => finish(() => void seen.push("three")), planted);
    transactions.inTurn("y", planted, planted);
    transactions.inTurn("y", finish => finish(() => void seen.push("five")), planted);
    release();
    release();
    expect(seen).toEqual(["one failed: true", "two failed: true", "three", "five"]);
    expect(transactions.isBusy("y")).toBe(false);
  });

  test("in a coordinator loses none of what it had decided before", () => {
    const { topics, env, tools, loads } = broker.broker;
    const partition = topics.partition("u", 1) as Partition;
    type Out = Effect[];
    const shard = {
      wallAhead: 0,
      timeline: undefined,
      loaded() {},
      replay() {},
      ended() {},
      tick() {},
      appended() {},
      unload() {},
      nextDeadline: () => Infinity,
    };
    const runner = new ShardRunner<typeof shard>({
      host: { env, tools, loads },
      loadBytes: 1,
      writeTimeoutMs: 1000,
      leaderEpoch: 0,
      partition,
      shard,
      perform() {},
    });
    const answers: string[] = [];
    let first = 0;
    runner.ask(
      { reply: () => answers.push("first"), refuse: planted },
      (_shard, _now, ticket) => void (first = ticket),
    );
    const reply = (out: Out, ticket: number) => void out.push({ type: "reply", ticket, response: {} });
    const failing = (answers: boolean) => () =>
      runner.ask({ reply: planted, refuse: planted }, (_shard, _now, ticket, out: Out) => {
        reply(out, answers ? ticket : first);
        planted();
      });
    // The waiting client gets an error, unless it already has its response.
    expect(failing(false)).toThrow(Planted);
    expect(answers).toEqual(["first"]);
    expect(failing(true)).not.toThrow();
  });

  test("of one who waits for a partition keeps nobody else from being told", async () => {
    const waiting = partition();
    const told: number[] = [];
    waiting.watch({ advanced: planted, changed: planted });
    waiting.watch({ advanced: () => void told.push(-1), changed: () => void told.push(-2) });
    const append = (done: (code: number) => void): void => {
      const request = { origin: "client" as const, now: Date.now() };
      expect(waiting.appendAsLeader(batch(SMALL), request, { acks: "IN_SYNC", done }).error).toBe(0);
    };
    append(planted);
    append(code => void told.push(code));
    expect(await produce(batch(SMALL))).toEqual({ errorCode: 0, baseOffset: 2 });
    expect(told).toEqual([0, -1, -1]);
    append(planted);
    append(code => void told.push(code));
    waiting.becomeOffline(Errors.KAFKA_STORAGE_ERROR.code);
    expect(told).toEqual([0, -1, -1, Errors.KAFKA_STORAGE_ERROR.code, -2]);
  });

  test("in the retention of one log keeps no other from it", async () => {
    const done = new Promise<void>(resolve => {
      logOf(partition("t", 0)).enforceRetention = planted;
      logOf(partition("u", 1)).enforceRetention = () => {
        resolve();
        return 0;
      };
    });
    await done;
    expect(broker.lines.map(({ message }) => message)).toContain("the retention of a log failed");
  });

  test("in a write takes the directory offline: files and memory do not agree any more", async () => {
    const log = logOf(partition());
    let reason: DiskError | undefined;
    Object.defineProperty(log.home, "fail", { value: (error: DiskError) => void (reason = error) });
    Object.defineProperty(log, "files", { value: { perform: planted, closeAll() {}, open: planted } });
    send(batch(SMALL));
    expect((await answer()).errorCode).toBe(Errors.KAFKA_STORAGE_ERROR.code);
    expect([reason?.code, reason?.path]).toEqual(["EIO", log.path]);
  });
});

test("an order goes on after whatever fails in it", async () => {
  const seen: string[] = [];
  const order = new Order(() => void seen.push("reported"));
  const note = (what: string) => () => void seen.push(what);
  order.add(Promise.resolve(1), planted, note("work failed"));
  order.add(Promise.reject(new Planted()), note("not called"), note("not ready"));
  order.add(Promise.resolve(1), planted, planted);
  const end = new Promise<void>(resolve => order.add(Promise.resolve(2), () => resolve(), planted));
  await end;
  expect(seen).toEqual(["work failed", "not ready", "reported"]);
  expect(order.busy).toBe(false);
});
