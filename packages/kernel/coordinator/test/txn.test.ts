import { ByteReader, entryAt } from "@samsa/base";
import { Errors, transactionLogKey, transactionLogValue } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ProducerReply } from "../src/index.ts";
import { DAY, namesOf, TxnBench } from "./txn-bench.ts";

const CODE = {
  none: 0,
  busy: Errors.CONCURRENT_TRANSACTIONS.code,
  fenced: Errors.PRODUCER_FENCED.code,
  state: Errors.INVALID_TXN_STATE.code,
  mapping: Errors.INVALID_PRODUCER_ID_MAPPING.code,
  timeout: Errors.INVALID_TRANSACTION_TIMEOUT.code,
  away: Errors.COORDINATOR_NOT_AVAILABLE.code,
};
const LAST_EPOCH = 32766;

function at(reply: ProducerReply, epoch: number): ProducerReply {
  return { ...reply, producerEpoch: epoch };
}

/** Calls InitProducerId until the producer has the epoch. */
function aged(bench: TxnBench, epoch: number): ProducerReply {
  let producer = bench.init();
  while (producer.producerEpoch < epoch) producer = bench.init();
  return producer;
}

describe("InitProducerId", () => {
  test("gives an id, then one epoch after the other", () => {
    const bench = new TxnBench();
    expect(bench.init()).toEqual({ errorCode: 0, producerId: 1000n, producerEpoch: 0 });
    expect(bench.init()).toEqual({ errorCode: 0, producerId: 1000n, producerEpoch: 1 });
    expect(bench.init("y")).toEqual({ errorCode: 0, producerId: 1001n, producerEpoch: 0 });
  });

  test.each([0, -1, 60_001])("a timeout of %d ms is refused", timeoutMs => {
    expect(new TxnBench().init("x", undefined, timeoutMs).errorCode).toBe(CODE.timeout);
  });

  test("of two at once for a new id one is busy, and only one id is given", () => {
    const bench = new TxnBench();
    bench.holding.add("producerId");
    const request = { type: "init", transactionalId: "x", timeoutMs: 1000, expected: undefined } as const;
    const [first, second] = [bench.send(request), bench.send(request)];
    bench.holding.add("append");
    const ids = bench.held.splice(0);
    bench.run(out => {
      for (const effect of ids) bench.shard.producerId(bench.now, effect.token, { id: bench.nextId++ }, out);
    });
    expect(bench.replies.get(second)?.errorCode).toBe(CODE.busy);
    bench.release();
    expect(bench.replies.get(first)).toEqual({ errorCode: 0, producerId: 1000n, producerEpoch: 0 });
  });

  test("a producer goes on with the id that it has, once, and may ask again (KIP-360)", () => {
    const bench = new TxnBench();
    const first = bench.init();
    const expected = { id: first.producerId, epoch: 0 };
    expect(bench.init("x", expected)).toEqual({ errorCode: 0, producerId: 1000n, producerEpoch: 1 });
    expect(bench.init("x", expected)).toEqual({ errorCode: 0, producerId: 1000n, producerEpoch: 1 });
    expect(bench.init("x", { id: 7n, epoch: 0 }).errorCode).toBe(CODE.fenced);
    bench.init();
    expect(bench.init("x", expected).errorCode).toBe(CODE.fenced);
    expect(bench.init("new", { id: 5n, epoch: 3 }).producerEpoch).toBe(0);
  });

  test("when epochs are used up there is another id, and who asked may ask again", () => {
    const bench = new TxnBench();
    const old = aged(bench, LAST_EPOCH);
    const expected = { id: old.producerId, epoch: LAST_EPOCH };
    const next = bench.init("x", expected);
    expect(next).toEqual({ errorCode: 0, producerId: 1001n, producerEpoch: 0 });
    expect(bench.init("x", expected)).toEqual(next);
    expect(bench.init("x", { id: old.producerId, epoch: 5 }).errorCode).toBe(CODE.fenced);
  });

  test.each([
    [0, 2],
    [1, 2],
    [2, 2],
  ])("with transaction.version %d aborts what is open, and the producer asks again", (version, epoch) => {
    const bench = new TxnBench(version);
    const old = bench.init();
    bench.add(old, ["t-0", "t-1"]);
    expect(bench.init().errorCode).toBe(CODE.busy);
    expect(bench.markers).toEqual([
      {
        producerId: 1000n,
        producerEpoch: 1,
        commit: false,
        transactionVersion: version < 2 ? 0 : 2,
        partitions: ["t-0", "t-1"],
      },
    ]);
    expect(bench.stateOf()).toBe("CompleteAbort");
    expect(bench.init().producerEpoch).toBe(epoch);
    expect(bench.add(old, ["t-0"])).toBe(CODE.fenced);
  });

  test("a fence that is not written takes no second epoch", () => {
    const bench = new TxnBench(1);
    const old = bench.init();
    bench.add(old, ["t-0"], { clientVersion: 0 });
    bench.failing = CODE.away;
    expect(bench.init().errorCode).toBe(CODE.away);
    expect(bench.init().errorCode).toBe(CODE.away);
    bench.failing = 0;
    // The old epoch is fenced already, though no client has got the new one.
    expect(bench.add(old, ["t-1"])).toBe(CODE.fenced);
    bench.init();
    expect(bench.markers.map(({ producerEpoch }) => producerEpoch)).toEqual([1]);
  });
});

describe("AddPartitionsToTxn", () => {
  test("puts partitions in, and is done at once when they are there", () => {
    const bench = new TxnBench();
    const producer = bench.init();
    expect(bench.add(producer, ["t-0"])).toBe(0);
    expect(bench.add(producer, ["t-1", "u-0"])).toBe(0);
    const before = bench.log.length;
    expect(bench.add(producer, ["t-0", "u-0"])).toBe(0);
    expect(bench.log).toHaveLength(before);
    expect(namesOf(bench.shard.view("x")?.partitions ?? new Map())).toEqual(["t-0", "t-1", "u-0"]);
  });

  test("wants the producer of the id", () => {
    const bench = new TxnBench();
    const producer = bench.init();
    expect(bench.add(producer, ["t-0"], { id: "nobody" })).toBe(CODE.mapping);
    expect(bench.add({ ...producer, producerId: 5n }, ["t-0"])).toBe(CODE.mapping);
    expect(bench.add(at(producer, 1), ["t-0"])).toBe(CODE.fenced);
  });

  test("is busy while a step is on its way, and as before when that fails", () => {
    const bench = new TxnBench();
    const producer = bench.init();
    bench.holding.add("append");
    const open = { type: "add", transactionalId: "x", clientVersion: 2, partitions: new Map([["t", new Set([0])]]) };
    const claim = { id: producer.producerId, epoch: 0 };
    const first = bench.send({ ...open, type: "add", producer: claim });
    expect(bench.add(producer, ["t-1"])).toBe(CODE.busy);
    expect(bench.stateOf()).toBe("Empty");
    expect(bench.shard.verify("x", claim, "t", 0)).toBe(Errors.TRANSACTION_ABORTABLE.code);
    const [held] = bench.held.splice(0);
    bench.run(out => bench.shard.appended(bench.now, held.token, CODE.away, out));
    expect(bench.replies.get(first)?.errorCode).toBe(CODE.away);
    bench.holding.clear();
    expect(bench.add(producer, ["t-1"])).toBe(0);
    expect(namesOf(bench.shard.view("x")?.partitions ?? new Map())).toEqual(["t-1"]);
  });

  test("a leader asks whether a partition is in", () => {
    const bench = new TxnBench();
    const { producerId: id } = bench.init();
    bench.add({ errorCode: 0, producerId: id, producerEpoch: 0 }, ["t-0"]);
    const verify = (claim: { id: bigint; epoch: number }, index: number) => bench.shard.verify("x", claim, "t", index);
    expect(verify({ id, epoch: 0 }, 0)).toBe(0);
    expect(verify({ id, epoch: 0 }, 1)).toBe(Errors.TRANSACTION_ABORTABLE.code);
    expect(verify({ id: 5n, epoch: 0 }, 0)).toBe(CODE.mapping);
    expect(verify({ id, epoch: 1 }, 0)).toBe(CODE.fenced);
    bench.holding.add("markers");
    bench.end({ errorCode: 0, producerId: id, producerEpoch: 0 }, true);
    expect(verify({ id, epoch: 1 }, 0)).toBe(CODE.busy);
  });
});

describe("EndTxn", () => {
  const states = {
    Empty: (bench: TxnBench) => bench.init(),
    CompleteAbort: (bench: TxnBench) => ended(bench, false),
    CompleteCommit: (bench: TxnBench) => ended(bench, true),
  };

  function ended(bench: TxnBench, commit: boolean): ProducerReply {
    const producer = bench.init();
    bench.add(producer, ["t-0"]);
    return bench.end(producer, commit);
  }

  // Table of `TransactionCoordinator.endTransaction`; "bump": no error, and the next epoch.
  test.each([
    ["Empty", "abort", "fenced", "bump"],
    ["Empty", "commit", "fenced", "state"],
    ["CompleteAbort", "abort", "none", "bump"],
    ["CompleteAbort", "commit", "state", "state"],
    ["CompleteCommit", "abort", "state", "bump"],
    ["CompleteCommit", "commit", "none", "state"],
  ] as const)("%s, %s: again %s, anew %s", (state, what, again, anew) => {
    for (const [expected, back] of [
      [again, 1],
      [anew, 0],
    ] as const) {
      const bench = new TxnBench();
      let current = states[state](bench);
      if (state === "Empty") current = bench.init();
      const { producerEpoch } = current;
      const reply = bench.end(at(current, producerEpoch - back), what === "commit");
      const epoch = expected === "bump" ? producerEpoch + 1 : expected === "none" ? producerEpoch : -1;
      expect([reply.errorCode, reply.producerEpoch]).toEqual([expected === "bump" ? 0 : CODE[expected], epoch]);
    }
  });

  test.each([
    [true, true, "none"],
    [true, false, "state"],
    [false, false, "none"],
    [false, true, "state"],
  ] as const)("clients of old keep their epoch: %s, then %s: %s", (first, second, expected) => {
    const bench = new TxnBench();
    const producer = bench.init();
    const old = { clientVersion: 0 };
    expect(bench.end(producer, first, old).errorCode).toBe(CODE.state);
    bench.add(producer, ["t-0"], old);
    expect(bench.end(at(producer, 1), first, old).errorCode).toBe(CODE.fenced);
    expect(bench.end(producer, first, old)).toEqual({ errorCode: 0, producerId: -1n, producerEpoch: -1 });
    expect(bench.markers).toEqual([
      { producerId: 1000n, producerEpoch: 0, commit: first, transactionVersion: 0, partitions: ["t-0"] },
    ]);
    expect(bench.end(producer, second, old).errorCode).toBe(CODE[expected]);
    expect(bench.add(producer, ["t-0"], old)).toBe(0);
  });

  test("is answered once it is decided; the next transaction waits for the markers", () => {
    const bench = new TxnBench();
    const producer = bench.init();
    bench.add(producer, ["t-0", "t-1"]);
    bench.holding.add("markers");
    const next = bench.end(producer, true);
    expect(next).toEqual({ errorCode: 0, producerId: 1000n, producerEpoch: 1 });
    expect(bench.stateOf()).toBe("PrepareCommit");
    for (const errorCode of [
      bench.add(next, ["t-0"]),
      bench.end(producer, true).errorCode,
      bench.end(next, false).errorCode,
      bench.init().errorCode,
    ]) {
      expect(errorCode).toBe(CODE.busy);
    }
    bench.release();
    expect(bench.stateOf()).toBe("CompleteCommit");
    expect(bench.add(next, ["t-0"])).toBe(0);
  });

  test("markers that fail are written again, and only those", () => {
    const bench = new TxnBench();
    const producer = bench.init();
    bench.add(producer, ["t-0", "t-1"]);
    bench.holding.add("markers");
    bench.end(producer, true);
    const [{ token }] = bench.held.splice(0);
    const tell = (index: number, errorCode: number) =>
      bench.run(out => bench.shard.marked(bench.now, token, { topic: "t", index, errorCode }, out));
    tell(0, 0);
    tell(1, Errors.NOT_LEADER_OR_FOLLOWER.code);
    expect(namesOf(bench.shard.view("x")?.partitions ?? new Map())).toEqual(["t-1"]);
    bench.holding.clear();
    bench.pass(10_000);
    expect(bench.markers.map(({ partitions }) => partitions)).toEqual([["t-1"]]);
    expect(bench.stateOf()).toBe("CompleteCommit");
  });

  test.each([Errors.INVALID_PRODUCER_EPOCH.code, Errors.TRANSACTION_COORDINATOR_FENCED.code])(
    "markers that are refused with %d are not written again before the log is read",
    errorCode => {
      const bench = new TxnBench();
      const producer = bench.init();
      bench.add(producer, ["t-0"]);
      bench.holding.add("markers");
      bench.end(producer, true);
      const [{ token }] = bench.held.splice(0);
      bench.run(out => bench.shard.marked(bench.now, token, { topic: "t", index: 0, errorCode }, out));
      bench.holding.clear();
      bench.pass(10_000);
      expect(bench.markers).toEqual([]);
      expect(bench.init().errorCode).toBe(CODE.busy);
      bench.reload();
      expect(bench.stateOf()).toBe("CompleteCommit");
    },
  );

  test("that it is complete is written again while the log cannot take it", () => {
    const bench = new TxnBench();
    const producer = bench.init();
    bench.add(producer, ["t-0"]);
    bench.holding.add("markers");
    bench.end(producer, true);
    bench.failing = CODE.away;
    bench.release();
    bench.pass(2000);
    expect(bench.stateOf()).toBe("PrepareCommit");
    expect(bench.init().errorCode).toBe(CODE.busy);
    bench.failing = 0;
    bench.pass(2000);
    expect(bench.stateOf()).toBe("CompleteCommit");
  });

  test("with the last epoch gives another id; a repeat gets it too", () => {
    const bench = new TxnBench();
    const producer = aged(bench, LAST_EPOCH);
    bench.add(producer, ["t-0"]);
    const next = bench.end(producer, true);
    expect(next).toEqual({ errorCode: 0, producerId: 1001n, producerEpoch: 0 });
    expect(bench.markers[0]).toMatchObject({ producerId: 1000n, producerEpoch: LAST_EPOCH + 1 });
    expect(bench.end(producer, true)).toEqual(next);
    bench.reload();
    expect(bench.end(producer, true)).toEqual(next);
    expect(bench.add(next, ["t-0"])).toBe(0);
  });
});

describe("time", () => {
  test.each([0, 2])("with transaction.version %d a transaction that lasts too long is aborted", version => {
    const bench = new TxnBench(version);
    const producer = bench.init();
    bench.add(producer, ["t-0"]);
    bench.pass(1000);
    bench.abortTimedOut();
    expect(bench.stateOf()).toBe("Ongoing");
    bench.pass(1);
    bench.abortTimedOut();
    expect(bench.stateOf()).toBe("CompleteAbort");
    expect(bench.end(producer, true).errorCode).not.toBe(0);
    expect(bench.init().producerEpoch).toBe(2);
  });

  test("its timeout goes on over a restart, and not by the clock that somebody sets", () => {
    const bench = new TxnBench();
    bench.add(bench.init(), ["t-0"]);
    bench.shard.wallAhead = 100_000;
    bench.abortTimedOut();
    expect(bench.stateOf()).toBe("Ongoing");
    bench.shard.wallAhead = 0;
    bench.pass(600);
    bench.reload();
    bench.pass(401);
    bench.abortTimedOut();
    expect(bench.stateOf()).toBe("CompleteAbort");
  });

  test("a transaction that another system ends (KIP-939) never lasts too long, over a restart either", () => {
    const bench = new TxnBench();
    const producer = bench.init("x", undefined, "ENDLESS");
    bench.add(producer, ["t-0"]);
    bench.pass(3_000_000_000);
    bench.abortTimedOut();
    bench.reload();
    bench.pass(3_000_000_000);
    bench.abortTimedOut();
    expect(bench.shard.view("x")).toMatchObject({ state: "Ongoing", timeoutMs: 2_147_483_647 });
    expect(bench.end(producer, true).errorCode).toBe(0);
    expect(bench.stateOf()).toBe("CompleteCommit");
  });

  test("a timeout at the last epoch takes another id", () => {
    const bench = new TxnBench();
    bench.add(aged(bench, LAST_EPOCH), ["t-0"]);
    bench.pass(1001);
    bench.abortTimedOut();
    expect(bench.shard.view("x")).toMatchObject({ state: "CompleteAbort", producerId: 1001n, producerEpoch: 0 });
  });

  test("ids that nobody uses are forgotten, open transactions are not", () => {
    const bench = new TxnBench();
    bench.init("idle");
    bench.add(bench.init("open"), ["t-0"], { id: "open" });
    bench.pass(DAY - 1);
    bench.init("young");
    bench.run(out => bench.shard.expire(bench.now, out));
    expect([...bench.shard.views()].map(({ transactionalId }) => transactionalId)).toEqual(["idle", "open", "young"]);
    bench.pass(1);
    bench.run(out => bench.shard.expire(bench.now, out));
    expect([...bench.shard.views()].map(({ transactionalId }) => transactionalId)).toEqual(["open", "young"]);
    bench.reload();
    expect(bench.stateOf("idle")).toBeUndefined();
  });
});

describe("the log", () => {
  test.each([0, 1, 2])("with transaction.version %d has Kafka's records", version => {
    const bench = new TxnBench(version);
    bench.add(bench.init(), ["t-0", "t-2"]);
    const [empty, open] = bench.log.map(({ key, value }) => {
      const reader = new ByteReader(key);
      expect(reader.i16()).toBe(0);
      expect(transactionLogKey.decode(reader, 0)).toEqual({ transactionalId: "x" });
      const body = new ByteReader(value ?? new Uint8Array(0));
      const valueVersion = body.i16();
      expect(valueVersion).toBe(Math.min(version, 1));
      return transactionLogValue.decode(body, valueVersion);
    });
    expect(empty).toMatchObject({
      producerId: 1000n,
      producerEpoch: 0,
      transactionTimeoutMs: 1000,
      transactionStatus: 0,
      transactionPartitions: null,
      transactionStartTimestampMs: -1,
      previousProducerId: version === 0 ? -1n : 1000n,
      nextProducerId: -1n,
    });
    expect(open).toMatchObject({
      transactionStatus: 1,
      transactionPartitions: [{ topic: "t", partitionIds: [0, 2] }],
      transactionStartTimestampMs: bench.now,
      clientTransactionVersion: version === 0 ? 0 : 2,
    });
  });

  test.each([6, 7, 8, -1])("is loaded without a record of state %d, which nobody writes", state => {
    const bench = new TxnBench();
    bench.init("a");
    bench.init("b");
    const { key, value } = entryAt(bench.log, 0);
    // The status comes after the version, the producer id, the epoch and the timeout.
    const damaged = Uint8Array.from(value ?? []).fill(state, 16, 17);
    bench.log.push({ key, value: damaged });
    bench.reload();
    expect([bench.stateOf("a"), bench.stateOf("b")]).toEqual(["Empty", "Empty"]);
    bench.pass(DAY);
    bench.run(out => bench.shard.expire(bench.now, out));
    expect([...bench.shard.views()]).toEqual([]);
  });

  test("what is decided is done by who reads it", () => {
    const bench = new TxnBench();
    for (const [id, commit] of [
      ["a", true],
      ["b", false],
    ] as const) {
      const producer = bench.init(id);
      bench.add(producer, ["t-0"], { id });
      bench.holding.add("markers");
      bench.end(producer, commit, { id });
      bench.holding.clear();
    }
    bench.reload();
    expect(bench.markers.map(({ commit, producerEpoch }) => [commit, producerEpoch])).toEqual([
      [true, 1],
      [false, 1],
    ]);
    expect([bench.stateOf("a"), bench.stateOf("b")]).toEqual(["CompleteCommit", "CompleteAbort"]);
  });

  test("who waits when it is lost is told so", () => {
    const bench = new TxnBench();
    bench.holding.add("append").add("producerId");
    const waiting = bench.send({ type: "init", transactionalId: "x", timeoutMs: 1000, expected: undefined });
    bench.run(out => bench.shard.unload(bench.now, Errors.NOT_COORDINATOR.code, out));
    expect(bench.replies.get(waiting)?.errorCode).toBe(Errors.NOT_COORDINATOR.code);
    const [{ token }] = bench.held;
    bench.run(out => bench.shard.producerId(bench.now, token, { id: 1n }, out));
    expect(bench.log).toEqual([]);
  });
});

/** Simplest model of a transactional id: each step is complete when it is answered. */
class Model {
  id = -1n;
  epoch = -1;
  state: "none" | "Empty" | "Ongoing" | "CompleteCommit" | "CompleteAbort" = "none";
  partitions = new Set<string>();
}

const step = fc.oneof(
  fc.record({ type: fc.constant("init" as const) }),
  fc.record({ type: fc.constant("add" as const), partition: fc.nat(3), back: fc.constantFrom(0, 0, 0, 1) }),
  fc.record({ type: fc.constant("end" as const), commit: fc.boolean(), back: fc.constantFrom(0, 0, 0, 1, -1) }),
  fc.record({ type: fc.constant("timeout" as const) }),
  fc.record({ type: fc.constant("reload" as const) }),
  fc.record({ type: fc.constant("fail" as const) }),
);

describe("against a model", () => {
  test("whatever clients do, one after the other", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        const bench = new TxnBench();
        const model = new Model();
        const told = new Set<string>();
        for (const action of steps) play(bench, model, action, told);
      }),
      { numRuns: 300 },
    );
  });

  function play(
    bench: TxnBench,
    model: Model,
    action: typeof step extends fc.Arbitrary<infer T> ? T : never,
    told: Set<string>,
  ): void {
    const claim = (back: number): ProducerReply => ({
      errorCode: 0,
      producerId: model.id,
      producerEpoch: model.epoch - back,
    });
    const marked = bench.markers.length;
    const close = (commit: boolean): void => {
      const partitions = [...model.partitions].sort();
      expect(bench.markers.slice(marked)).toEqual(
        partitions.length === 0
          ? []
          : [{ producerId: model.id, producerEpoch: model.epoch + 1, commit, transactionVersion: 2, partitions }],
      );
      model.partitions.clear();
      model.epoch++;
      model.state = commit ? "CompleteCommit" : "CompleteAbort";
    };
    switch (action.type) {
      case "init": {
        const reply = bench.init();
        if (model.state === "Ongoing") {
          expect(reply.errorCode).toBe(CODE.busy);
          return close(false);
        }
        model.id = model.id === -1n ? reply.producerId : model.id;
        model.epoch++;
        model.state = "Empty";
        expect(reply).toEqual(claim(0));
        const name = `${reply.producerId}/${reply.producerEpoch}`;
        expect(told.has(name), "nobody else has it").toBe(false);
        told.add(name);
        return;
      }
      case "add": {
        const name = `t-${action.partition}`;
        const errorCode = bench.add(claim(action.back), [name]);
        if (model.state === "none") return expect(errorCode).toBe(CODE.mapping);
        if (action.back !== 0) return expect(errorCode).toBe(CODE.fenced);
        expect(errorCode).toBe(0);
        model.state = "Ongoing";
        model.partitions.add(name);
        return;
      }
      case "end": {
        const { commit, back } = action;
        const { errorCode } = bench.end(claim(back), commit);
        if (model.state === "none") return expect(errorCode).toBe(CODE.mapping);
        const isDone = model.state === (commit ? "CompleteCommit" : "CompleteAbort");
        const isOtherDone = model.state === (commit ? "CompleteAbort" : "CompleteCommit");
        if (back === 1 && (isDone || isOtherDone)) return expect(errorCode).toBe(isDone ? 0 : CODE.state);
        if (back !== 0) return expect(errorCode).toBe(CODE.fenced);
        if (commit && model.state !== "Ongoing") return expect(errorCode).toBe(CODE.state);
        expect(errorCode).toBe(0);
        return close(commit);
      }
      case "timeout":
        bench.pass(1001);
        bench.abortTimedOut();
        if (model.state === "Ongoing") close(false);
        return;
      case "reload":
        return bench.reload();
      case "fail": {
        bench.failing = CODE.away;
        const { errorCode } = bench.init();
        bench.failing = 0;
        expect(errorCode).toBe(CODE.away);
        if (model.state === "none") bench.reload();
      }
    }
  }
});
