import { DiskError, type Env, type Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import { type SimNode, World } from "@samsa/sim";
import { type LogDir, openLogDir, type PartitionLog } from "@samsa/storage";
import { describe, expect, test } from "vitest";
import { CONFIG, TOPIC_ID } from "../../storage/test/fixture.ts";
import { Deadlines } from "../src/replica/deadlines.ts";
import { Moves } from "../src/replica/moves.ts";
import { Partition, type PartitionOptions } from "../src/replica/partition.ts";
import { Turn } from "../src/turn/turn.ts";
import { ALONE, leading as state, NO_THROTTLE } from "./alone.ts";
import { logOf } from "./logs.ts";

const RANGE = { offset: 0, maxBytes: 1000, minOneMessage: true } as const;
const NOW = 1_700_000_000_000;

/** A partition that this broker leads. */
function leading(env: Env, turn: Turn, log: PartitionLog): Partition {
  const settings = {
    log: CONFIG,
    rules: {} as PartitionOptions["settings"]["rules"],
    minInSync: 1,
    throttled: NO_THROTTLE,
  };
  const deadlines = new Deadlines(env);
  const partition = new Partition({ env, turn, log, deadlines, cluster: ALONE, topicId: TOPIC_ID, settings });
  partition.becomeLeader(state(0));
  return partition;
}

/** A partition on a machine that may lose power, with a directory to which it may move. */
class Machine {
  readonly world = new World(5);
  node: SimNode = this.world.node("a");
  first: LogDir = this.open("/one");
  second: LogDir = this.open("/two");
  readonly partition: Partition;

  constructor() {
    const { env } = this.node;
    const turn = new Turn(env.timers, error => {
      throw error;
    });
    const log = this.first.create("t", 0, TOPIC_ID as Uuid);
    this.partition = leading(env, turn, log);
  }

  open(path: string): LogDir {
    return openLogDir(this.node.env, path, { nodeId: 1, clusterId: "c", configOf: () => CONFIG });
  }

  /** A batch of one record. */
  batch(): Uint8Array {
    const { crypto, codecs } = this.node.env;
    return buildBatch([{ timestamp: NOW, key: null, value: null }], {}, { crc32c: crypto.crc32c, codecs });
  }

  /** Appends a record; `done` is called when it is acknowledged. */
  append(done: () => void): void {
    const acknowledged = (errorCode: number): void => {
      expect(errorCode).toBe(0);
      done();
    };
    const acknowledgement = { acks: "IN_SYNC" as const, done: acknowledged };
    this.partition.appendAsLeader(this.batch(), { origin: "client", now: NOW }, acknowledgement);
  }

  powerCut(): void {
    this.node = this.world.crash("a", { unsynced: "lost" });
    this.first = this.open("/one");
    this.second = this.open("/two");
  }
}

describe("when a record is acknowledged", () => {
  test("the device knows whose log it is in, so that no start puts the log aside", async () => {
    const machine = new Machine();
    let acknowledged = false;
    machine.append(() => void (acknowledged = true));
    await machine.world.runUntil(() => acknowledged);
    machine.powerCut();
    expect(machine.first.get("t", 0)?.topicId).toBe(TOPIC_ID);
  });

  test("behind a move, the log that has it keeps its name through a power cut", async () => {
    const machine = new Machine();
    const { env } = machine.node;
    const moved = machine.partition;
    const before = logOf(moved);
    let acknowledged = false;
    const moves = new Moves({
      env,
      // Records appended now are copied and flushed before the copy replaces the log.
      assign: async () => {
        machine.append(() => void (acknowledged = logOf(moved) !== before));
        moved.hold();
      },
      settled: () => {},
    });
    moves.begin(moved, machine.second);
    await machine.world.runUntil(() => acknowledged);
    machine.powerCut();
    expect(machine.second.get("t", 0)?.endOffset).toBe(1);
  });
});

describe("moves", () => {
  const assign = () => Promise.resolve();
  const settled = () => {};

  test("rename a copy that has on the device all that the old log has in its files", async () => {
    const machine = new Machine();
    const { node, partition } = machine;
    const file = "00000000000000000000.log";
    let appended = 0;
    const found: { readonly before: number; readonly durable: number }[] = [];
    node.disk.watch = (operation, path) => {
      // Records come while the copy is flushed.
      if (operation === "sync" && path.endsWith(`-future/${file}`) && appended < 4) {
        appended++;
        machine.append(() => {});
      }
      if (operation !== "rename" || !path.endsWith("-future")) return;
      const before = node.disk.mount().stat(`/one/t-0/${file}`)?.size ?? 0;
      found.push({ before, durable: node.disk.durableBytes(`${path}/${file}`).length });
    };
    machine.append(() => {});
    const moves = new Moves({ env: node.env, assign, settled });
    moves.begin(partition, machine.second);
    await machine.world.runFor(1000);
    expect(appended).toBe(4);
    expect(found).toHaveLength(1);
    expect(found[0].before).toBeGreaterThan(0);
    expect(found[0].durable).toBeGreaterThanOrEqual(found[0].before);
    expect(partition.endOffset).toBe(5);
    await moves.close();
  });

  test("go on with the next when one throws, and when its cancellation does", async () => {
    const machine = new Machine();
    const { env } = machine.node;
    const other = machine.first.create("u", 0, TOPIC_ID as Uuid);
    const next = leading(env, new Turn(env.timers, () => {}), other);
    const moves = new Moves({ env, assign, settled });
    logOf(machine.partition).endOffsetForEpoch = logOf(machine.partition).resumeCleaning = () => {
      throw new Error("planted");
    };
    machine.append(() => {});
    await machine.world.runFor(100);
    const copy = machine.second.createFuture(logOf(machine.partition), TOPIC_ID);
    copy.appendAsFollower(
      logOf(machine.partition).read({ offset: 0, maxBytes: 1, minOneMessage: true, limitOffset: 1 }).chunks[0],
    );
    moves.resume(machine.partition, copy, false);
    moves.begin(next, machine.second);
    await machine.world.runFor(1000);
    expect(logOf(next).home.path).toBe("/two");
    await moves.close();
  });

  test("of a partition that is not served any more end, and leave the loop", async () => {
    const machine = new Machine();
    const { env } = machine.node;
    const moves = new Moves({ env, assign, settled });
    machine.partition.becomeOffline(56);
    moves.begin(machine.partition, machine.second);
    await machine.world.runFor(100);
    expect(moves.isMoving(machine.partition)).toBe(false);
    await moves.close();
  });
});

describe("a directory that fails while a replica moves to it", () => {
  /** Begins a move whose assignments are answered by hand; returns what the controller is asked, and may hear. */
  async function moving(answers: readonly ((answer: () => void) => void)[]) {
    const machine = new Machine();
    const { env } = machine.node;
    const asked: string[] = [];
    let told = 0;
    const moves = new Moves({
      env,
      assign: ({ directory }) => {
        const answered = answers[asked.push(directory === machine.second.directoryId ? "/two" : "/one") - 1];
        return new Promise(resolve => answered?.(resolve));
      },
      settled: () => void told++,
    });
    moves.begin(machine.partition, machine.second);
    await machine.world.runUntil(() => asked.length > 0);
    const fail = (): void => {
      machine.second.fail(new DiskError("EIO", "/two", "an injected fault"));
      moves.cancelFailed();
    };
    const mayTell = (): boolean => !moves.unsettled.has(machine.second.directoryId);
    return { machine, moves, asked, fail, mayTell, told: () => told };
  }

  test("is not told of before the controller knows that the replica stays, if it was assigned", async () => {
    const later: (() => void)[] = [];
    const answers = [0, 1].map(() => (answer: () => void) => void later.push(answer));
    const { machine, asked, fail, mayTell, told } = await moving(answers);
    machine.partition.hold = () => fail();
    later[0]();
    await machine.world.runFor(100);
    expect([asked, mayTell(), told()]).toEqual([["/two", "/one"], false, 0]);
    later[1]();
    await machine.world.runFor(100);
    expect([mayTell(), told()]).toEqual([true, 1]);
    expect(logOf(machine.partition).home.path).toBe("/one");
  });

  test("nor if the assignment was on its way", async () => {
    const later: (() => void)[] = [];
    const { machine, asked, fail, mayTell } = await moving([
      answer => later.push(answer),
      answer => later.push(answer),
    ]);
    fail();
    await machine.world.runFor(100);
    expect([asked, mayTell()]).toEqual([["/two"], false]);
    later[0]();
    await machine.world.runFor(100);
    expect([asked, mayTell()]).toEqual([["/two", "/one"], false]);
    later[1]();
    await machine.world.runFor(100);
    expect(mayTell()).toBe(true);
  });

  test("is told of once a move has ended", async () => {
    const { machine, mayTell, told } = await moving([resolve => resolve()]);
    await machine.world.runFor(1000);
    expect([logOf(machine.partition).home.path, mayTell(), told()]).toEqual(["/two", true, 1]);
  });
});

test("a disk that fails under a read takes the partition offline, and its memory comes back", () => {
  const broken = (): never => {
    throw new DiskError("EIO", "/one/t-0", "an injected fault");
  };
  const reads: readonly ((machine: Machine) => unknown)[] = [
    ({ partition }) => partition.offsetForTimestamp(NOW),
    ({ partition }) => partition.offsetOfMaxTimestamp(),
    ({ partition }) => partition.read({ ...RANGE, isolation: "TXN_COMMITTED" }).aborted ?? undefined,
  ];
  for (const read of reads) {
    const machine = new Machine();
    let released = 0;
    const found = { error: 0, chunks: [], size: 0, nextOffset: 0, release: () => void released++ };
    const log = logOf(machine.partition);
    Object.assign(log, { offsetForTimestamp: broken, offsetOfMaxTimestamp: broken, abortedTransactions: broken });
    log.read = () => found;
    expect(read(machine)).toBeUndefined();
    expect(machine.partition.fault).toBe(56);
    expect(released).toBe(read === reads[2] ? 1 : 0);
    expect(machine.partition.read({ ...RANGE, isolation: "HIGH_WATERMARK" }).aborted).toBeNull();
  }
});

describe("an append whose flush does not end", () => {
  /** A machine whose flushes wait for `flushed`, and the error codes of its appends so far. */
  function stuck() {
    const machine = new Machine();
    const log = logOf(machine.partition);
    let flushed = (): void => {};
    const flush = new Promise<void>(resolve => {
      flushed = resolve;
    });
    log.flushDue = () => true;
    log.flush = () => flush;
    const codes: number[] = [];
    const append = (timeoutMs?: number): void => {
      const done = (code: number): void => void codes.push(code);
      const acknowledgement = { acks: "IN_SYNC" as const, done, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
      machine.partition.appendAsLeader(machine.batch(), { origin: "client", now: NOW }, acknowledgement);
    };
    return { machine, codes, append, flushed: () => flushed() };
  }

  test("times out, and its records stay", async () => {
    const { machine, codes, append, flushed } = stuck();
    append(35_000);
    append(37_000);
    append();
    await machine.world.runFor(34_999);
    expect(codes).toEqual([]);
    await machine.world.runFor(2);
    expect(codes).toEqual([Errors.REQUEST_TIMED_OUT.code]);
    flushed();
    await machine.world.runFor(10);
    expect(codes).toEqual([Errors.REQUEST_TIMED_OUT.code, 0, 0]);
    expect(machine.partition.highWatermark).toBe(3);
    await machine.world.runFor(10_000);
    expect(codes).toHaveLength(3);
  });

  test("waits for 30 seconds at least, as Kafka's clients do", async () => {
    const { machine, codes, append } = stuck();
    append(0);
    await machine.world.runFor(29_999);
    expect(codes).toEqual([]);
    await machine.world.runFor(2);
    expect(codes).toEqual([Errors.REQUEST_TIMED_OUT.code]);
  });

  test("has one outcome if its partition goes offline", async () => {
    const { machine, codes, append } = stuck();
    append(35_000);
    await machine.world.runFor(10);
    machine.partition.becomeOffline(Errors.KAFKA_STORAGE_ERROR.code);
    await machine.world.runFor(100_000);
    expect(codes).toEqual([Errors.KAFKA_STORAGE_ERROR.code]);
  });
});

describe("deadlines", () => {
  test("pass in order, one failure apart from the others, and none that is cancelled", async () => {
    const world = new World(5);
    const { env } = world.node("a");
    const deadlines = new Deadlines(env);
    const passed: number[] = [];
    const timers = [30, 10, 20, 10].map(ms =>
      deadlines.after(ms, () => {
        passed.push(ms);
        if (ms === 10) throw new Error("planted");
      }),
    );
    timers[2].cancel();
    await world.runFor(15);
    expect(passed).toEqual([10, 10]);
    await world.runFor(100);
    expect(passed).toEqual([10, 10, 30]);
    expect(deadlines.size).toBe(0);
  });

  test("that are cancelled do not pile up, and a stop drops the rest", async () => {
    const world = new World(5);
    const deadlines = new Deadlines(world.node("a").env);
    let passed = 0;
    const far = deadlines.after(1000, () => void passed++);
    for (let i = 0; i < 10_000; i++) deadlines.after(2 ** 31, () => void passed++).cancel();
    expect(deadlines.size).toBeLessThan(2048);
    await world.runFor(1001);
    expect(passed).toBe(1);
    far.cancel();
    deadlines.after(1000, () => void passed++);
    deadlines.close();
    await world.runFor(2000);
    expect(passed).toBe(1);
  });
});
