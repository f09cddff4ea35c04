import { Errors, type ErrorName } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KafkaError, producerSettings } from "../../src/index.ts";
import { BrokerStates } from "../../src/produce/broker-states.ts";
import { CompressionRatio } from "../../src/produce/compression-ratio.ts";
import { Outbox, type TransactionApi } from "../../src/produce/effects.ts";
import { Chance, StickyPartitioner } from "../../src/produce/partitioner.ts";
import { failureOf, isRetriable, isSequenceGap, isStaleMetadata } from "../../src/produce/produce-errors.ts";
import { ProduceMemory } from "../../src/produce/produce-memory.ts";
import {
  isFatalOfBatch,
  lookupVerdict,
  type Verdict,
  verdictOf,
  withFlags,
} from "../../src/produce/transaction-errors.ts";
import { TransactionOperation } from "../../src/produce/transaction-operation.ts";
import { TOPIC_ID } from "./model-cluster.ts";

describe("memory beside a list of buffers", () => {
  const USUAL = 100;
  type Step =
    | { readonly do: "take"; readonly size: number }
    | { readonly do: "give" | "release"; readonly at: number }
    | { readonly do: "charge"; readonly size: number };
  const steps = fc.array(
    fc.oneof<fc.Arbitrary<Step>[]>(
      fc.record({ do: fc.constant("take" as const), size: fc.constantFrom(USUAL, USUAL, 50, 250, 400) }),
      fc.record({ do: fc.constantFrom("give", "release"), at: fc.nat(5) }),
      fc.record({ do: fc.constant("charge" as const), size: fc.constantFrom(30, 600) }),
    ),
    { maxLength: 40, size: "max" },
  );

  test("is never more than its total, unless it is charged, and no buffer is in two hands", () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(100, 500, 1000), (all, total) => {
        const memory = new ProduceMemory(total, USUAL);
        const held: Uint8Array[] = [];
        const released = new Set<Uint8Array>();
        let charged = 0;
        for (const step of all) {
          if (step.do === "take") {
            const used = memory.used;
            const buffer = memory.take(step.size);
            expect(buffer === undefined, "it is refused only if it does not fit").toBe(used + step.size > total);
            if (buffer === undefined) continue;
            expect(buffer.length).toBe(step.size);
            expect(held.includes(buffer), "nobody else has it").toBe(false);
            expect(released.has(buffer), "a socket may have it").toBe(false);
            held.push(buffer);
          } else if (step.do === "charge") {
            memory.charge(step.size);
            charged += step.size;
          } else {
            const [buffer] = held.splice(step.at % Math.max(1, held.length), 1);
            if (buffer === undefined) continue;
            if (step.do === "give") memory.give(buffer);
            else {
              released.add(buffer);
              memory.release(buffer.length);
            }
          }
          expect(memory.used).toBe(held.reduce((sum, { length }) => sum + length, charged));
        }
      }),
      { numRuns: 300 },
    );
  });

  test("keeps free buffers only as long as there is room for them", () => {
    const memory = new ProduceMemory(300, USUAL);
    const buffers = [1, 2, 3].map(() => memory.take(USUAL) as Uint8Array);
    for (const buffer of buffers) memory.give(buffer);
    const large = memory.take(250);
    expect(large?.length).toBe(250);
    memory.give(large as Uint8Array);
    expect(memory.used).toBe(0);
    // All three made room.
    expect(buffers.includes(memory.take(USUAL) as Uint8Array)).toBe(false);
  });
});

describe("brokers beside plain counters", () => {
  type Step = { readonly do: "began" | "ended" | "blocked" | "pass"; readonly id: number; readonly ms: number };
  const steps = fc.array(
    fc.record({
      do: fc.constantFrom<Step["do"]>("began", "ended", "blocked", "pass"),
      id: fc.integer({ min: 1, max: 2 }),
      ms: fc.constantFrom(0, 1, 10, 100),
    }),
    { maxLength: 40, size: "max" },
  );

  test("are free, idle and available as their requests and their throttle say", () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(0, 50), (all, availabilityTimeoutMs) => {
        const settings = { ...producerSettings({ maxInFlight: 2 }), availabilityTimeoutMs };
        const brokers = new BrokerStates(settings);
        const inFlight = new Map<number, number>();
        const throttled = new Map<number, number>();
        const blocked = new Map<number, number>();
        let now = 0;
        for (const { do: what, id, ms } of all) {
          if (what === "pass") now += ms;
          else if (what === "blocked") {
            brokers.blocked(id, now);
            blocked.set(id, blocked.get(id) ?? now);
          } else if (what === "began") {
            brokers.began(id);
            inFlight.set(id, (inFlight.get(id) ?? 0) + 1);
            blocked.delete(id);
          } else if ((inFlight.get(id) ?? 0) > 0) {
            brokers.ended(id, ms, now);
            inFlight.set(id, (inFlight.get(id) ?? 0) - 1);
            if (ms > 0) throttled.set(id, Math.max(throttled.get(id) ?? 0, now + ms));
          }
          for (const each of [1, 2, 3]) {
            const count = inFlight.get(each) ?? 0;
            const until = throttled.get(each) ?? -Infinity;
            expect(brokers.isIdle(each)).toBe(count === 0);
            expect(brokers.isFree(each, now)).toBe(count < 2 && now >= until);
            if (until > now) expect(brokers.throttledUntil(each)).toBe(until);
            else expect(brokers.throttledUntil(each)).toBeLessThanOrEqual(now);
            const since = blocked.get(each);
            const isBlocked = availabilityTimeoutMs > 0 && since !== undefined && now - since > availabilityTimeoutMs;
            expect(brokers.isAvailable(each, now)).toBe(!isBlocked);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

test("the compression ratio moves as CompressionRatioEstimator does, never past what a batch says when it falls", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0.01, max: 2, noNaN: true }), { maxLength: 30, size: "max" }), ratios => {
      const ratio = new CompressionRatio();
      let expected = 1;
      for (const observed of ratios) {
        ratio.observe(observed);
        if (observed > expected) expected = Math.max(expected + 0.05, observed);
        else if (observed < expected) expected = Math.max(expected - 0.005, observed);
        expect(ratio.estimate).toBeCloseTo(expected, 10);
        expect(ratio.expand(16384)).toBe(Math.floor(16384 / (ratio.estimate * 1.05)));
      }
      ratio.reset(3);
      expect(ratio.estimate).toBe(3);
    }),
    { numRuns: 200 },
  );
});

describe("partitions without keys", () => {
  const topicOf = (leaders: readonly number[]) => ({
    ...{ name: "t", id: TOPIC_ID, isInternal: false },
    partitions: leaders.map((leaderId, index) => ({
      index,
      leaderId,
      leaderEpoch: 0,
      replicas: [],
      inSync: [],
      offline: [],
    })),
  });

  test("are those that a table of all draws says, by the load that was told", () => {
    const loads = fc.integer({ min: 1, max: 5 }).chain(count =>
      fc.record({
        queues: fc.array(fc.nat(4), { minLength: count, maxLength: count }),
        leaders: fc.array(fc.constantFrom(-1, 0, 1, 2), { minLength: count, maxLength: count }),
        usable: fc.subarray(Array.from({ length: count }, (_, i) => i)),
      }),
    );
    fc.assert(
      fc.property(loads, fc.integer({ min: 1 }), ({ queues, leaders, usable }, seed) => {
        const sticky = new StickyPartitioner(10, new Chance(seed));
        const draws = new Chance(seed);
        const sizes = usable.map(index => queues[index]);
        sticky.weigh(sizes, usable, leaders.length);
        // A partition has as many lots as its queue is shorter than the longest, and one.
        const isEven = sizes.length === leaders.length && sizes.every(size => size === sizes[0]);
        const isWeighed = leaders.length >= 2 && sizes.length > 0 && !isEven;
        const most = Math.max(...sizes) + 1;
        const lots = isWeighed ? usable.flatMap((index, at) => Array<number>(most - sizes[at]).fill(index)) : [];
        const led = leaders.flatMap((leader, index) => (leader >= 0 ? [index] : []));
        const among = isWeighed ? lots : led.length > 0 ? led : leaders.map((_, index) => index);
        for (let i = 0; i < 5; i++) {
          sticky.move(topicOf(leaders));
          expect(sticky.partition).toBe(among[draws.next() % among.length]);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("are drawn anew if the topic has fewer than the load says", () => {
    const sticky = new StickyPartitioner(10, new Chance(3));
    sticky.weigh([9, 0], [0, 5], 6);
    for (let i = 0; i < 50; i++) {
      sticky.move(topicOf([0, 0]));
      expect(sticky.partition).toBeLessThan(2);
    }
    sticky.move(topicOf([]));
    expect(sticky.partition).toBe(0);
  });

  test("draws repeat with their seed, and reach everything", () => {
    const [a, b] = [new Chance(0), new Chance(0)];
    const drawn = Array.from({ length: 1000 }, () => a.next());
    expect(drawn).toEqual(Array.from({ length: 1000 }, () => b.next()));
    for (const value of drawn) expect(value >= 0 && value <= 0x7fffffff && Number.isInteger(value)).toBe(true);
    expect(new Set(drawn.map(value => value % 7)).size).toBe(7);
    expect(new Chance(1).next()).not.toBe(new Chance(2).next());
  });
});

describe("errors of batches", () => {
  const codes = (test_: (code: number) => boolean): ErrorName[] =>
    (Object.keys(Errors) as ErrorName[]).filter(name => test_(Errors[name].code));

  test("after which the leader is looked up are those of InvalidMetadataException", () => {
    expect(codes(isStaleMetadata).toSorted()).toEqual(
      [
        ...(["UNKNOWN_TOPIC_OR_PARTITION", "LEADER_NOT_AVAILABLE", "NOT_LEADER_OR_FOLLOWER"] as const),
        ...(["REPLICA_NOT_AVAILABLE", "NETWORK_EXCEPTION", "KAFKA_STORAGE_ERROR", "LISTENER_NOT_FOUND"] as const),
        ...(["FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH", "UNKNOWN_TOPIC_ID", "INCONSISTENT_TOPIC_ID"] as const),
      ].toSorted(),
    );
    // Each of them may succeed later.
    for (const name of codes(isStaleMetadata)) expect([name, isRetriable(Errors[name].code)]).toEqual([name, true]);
    expect(codes(isSequenceGap)).toEqual(["OUT_OF_ORDER_SEQUENCE_NUMBER", "UNKNOWN_PRODUCER_ID"]);
  });

  const answer = (change: object) => ({
    ...{ index: 0, errorCode: Errors.INVALID_RECORD.code, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 },
    ...{ recordErrors: [], errorMessage: null, currentLeader: { leaderId: -1, leaderEpoch: -1 } },
    ...change,
  });

  test("are those of all records, if the broker names none", () => {
    const { error, records } = failureOf("t-0", answer({ errorMessage: "bad" }) as never);
    expect([error.name, error.message, error.detail, records.size]).toEqual([
      ...["INVALID_RECORD", "t-0: bad (INVALID_RECORD)", "bad", 0],
    ]);
  });

  test("are the record's own if it is the only bad one, else that it is invalid", () => {
    const errorCode = Errors.INVALID_TIMESTAMP.code;
    const bad = (batchIndex: number, batchIndexErrorMessage: string | null) => ({ batchIndex, batchIndexErrorMessage });
    const one = failureOf("t-0", answer({ errorCode, recordErrors: [bad(3, null)], errorMessage: "late" }) as never);
    expect([...one.records].map(([at, error]) => [at, error.name, error.message])).toEqual([
      [3, "INVALID_TIMESTAMP", "t-0: late (INVALID_TIMESTAMP)"],
    ]);
    expect([one.error.name, (one.error.cause as KafkaError).name]).toEqual(["BATCH_REFUSED", "INVALID_TIMESTAMP"]);
    const two = failureOf("t-0", answer({ errorCode, recordErrors: [bad(0, "a"), bad(2, "b")] }) as never);
    expect([...two.records].map(([at, { name, detail }]) => [at, name, detail])).toEqual([
      [0, "INVALID_RECORD", "a"],
      [2, "INVALID_RECORD", "b"],
    ]);
  });
});

describe("errors of transactions", () => {
  // The handlers of Kafka's TransactionManager; other errors by whether they may be retried.
  const COMMON = {
    ...{ COORDINATOR_NOT_AVAILABLE: "lookup", NOT_COORDINATOR: "lookup" },
    ...{ INVALID_PRODUCER_EPOCH: "fenced", PRODUCER_FENCED: "fenced" },
    ...{ TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "fatal", TRANSACTION_ABORTABLE: "abort" },
  } as const;
  const OWN: Readonly<Record<TransactionApi, Readonly<Partial<Record<ErrorName, Verdict>>>>> = {
    InitProducerId: {
      ...{ TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "uninitialized", CLUSTER_AUTHORIZATION_FAILED: "uninitialized" },
      TRANSACTION_ABORTABLE: "uninitialized",
    },
    AddPartitionsToTxn: {
      UNKNOWN_PRODUCER_ID: "bump",
      INVALID_TXN_STATE: "fatal",
      INVALID_PRODUCER_ID_MAPPING: "fatal",
    },
    AddOffsetsToTxn: { UNKNOWN_PRODUCER_ID: "bump", GROUP_AUTHORIZATION_FAILED: "abort" },
    TxnOffsetCommit: {
      ...{ REQUEST_TIMED_OUT: "lookup", GROUP_AUTHORIZATION_FAILED: "abort", FENCED_INSTANCE_ID: "abort" },
      ...{ UNKNOWN_MEMBER_ID: "mismatch", ILLEGAL_GENERATION: "mismatch", GROUP_ID_NOT_FOUND: "mismatch" },
      STALE_MEMBER_EPOCH: "mismatch",
    },
    EndTxn: { UNKNOWN_PRODUCER_ID: "bump" },
  };

  test.each(Object.keys(OWN) as TransactionApi[])("of %s have the consequences that they have in Kafka", api => {
    for (const name of Object.keys(Errors) as ErrorName[]) {
      const { code, retriable } = Errors[name];
      if (code === 0) continue;
      const other: Verdict = retriable ? "retry" : api === "AddPartitionsToTxn" ? "abort" : "fatal";
      const common = name in COMMON ? COMMON[name as keyof typeof COMMON] : undefined;
      expect([name, verdictOf(api, code)]).toEqual([name, OWN[api][name] ?? common ?? other]);
    }
  });

  test("of batches and of look-ups that end a producer are few", () => {
    expect((Object.keys(Errors) as ErrorName[]).filter(isFatalOfBatch).toSorted()).toEqual([
      ...["CLUSTER_AUTHORIZATION_FAILED", "INVALID_PRODUCER_ID_MAPPING", "PRODUCER_FENCED"],
      ...["TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "UNSUPPORTED_VERSION"],
    ]);
    expect(["GROUP_AUTHORIZATION_FAILED", "TRANSACTION_ABORTABLE", "CLOSED"].map(lookupVerdict)).toEqual([
      ...["abort", "abort", "fatal"],
    ]);
  });

  test("keep what they say with other flags", () => {
    const error = KafkaError.of(Errors.UNKNOWN_PRODUCER_ID.code, "batch", "lost");
    const flagged = withFlags(error, { abortable: true });
    expect([flagged.name, flagged.message, flagged.code, flagged.abortable, flagged.fatal]).toEqual([
      ...[error.name, error.message, error.code, true, false],
    ]);
    expect(flagged.cause).toBe(error);
    expect(withFlags(flagged, { abortable: true }), "nothing changes").toBe(flagged);
    expect(withFlags(new KafkaError("TIMED_OUT", "late"), { fatal: true })).toMatchObject({
      ...{ name: "TIMED_OUT", code: undefined, retriable: true, fatal: true },
    });
  });
});

describe("an operation that the application waits for", () => {
  const FAILED = new KafkaError("TIMED_OUT", "late");
  type Step =
    | { readonly do: "call"; readonly name: "initTransactions" | "commitTransaction" }
    | { readonly do: "end"; readonly fails: boolean }
    | { readonly do: "abandon"; readonly at: number }
    | { readonly do: "other" };
  const steps = fc.array(
    fc.oneof<fc.Arbitrary<Step>[]>(
      fc.record({ do: fc.constant("call" as const), name: fc.constantFrom("initTransactions", "commitTransaction") }),
      fc.record({ do: fc.constant("end" as const), fails: fc.boolean() }),
      fc.record({ do: fc.constant("abandon" as const), at: fc.nat(3) }),
      fc.constant({ do: "other" as const }),
    ),
    { maxLength: 30, size: "max" },
  );

  test("ends once for each call, and is refused to others until somebody knows the outcome", () => {
    fc.assert(
      fc.property(steps, all => {
        const out = new Outbox<number>();
        const operation = new TransactionOperation(out);
        /** Operation that has begun, who waits for it, and its outcome if nobody has heard it. */
        let name: "initTransactions" | "commitTransaction" | undefined;
        let waiting: number[] = [];
        let untold: { readonly error: KafkaError | undefined } | undefined;
        let tokens = 0;
        for (const step of all) {
          const settled: unknown[] = [];
          if (step.do === "call") {
            const token = ++tokens;
            const joins = operation.joins(step.name, token);
            expect(joins).toBe(name === step.name);
            if (joins && untold === undefined) waiting.push(token);
            else if (joins) {
              settled.push([token, untold?.error]);
              [name, untold] = [undefined, undefined];
            } else {
              const obstacle = operation.obstacle(step.name);
              // A transaction that failed, which nobody knows, is forgotten by the next one.
              const isForgotten = untold?.error !== undefined;
              expect(obstacle === undefined).toBe(name === undefined || isForgotten);
              if (obstacle === undefined) {
                operation.start(step.name, token);
                [name, waiting, untold] = [step.name, [token], undefined];
              } else expect(obstacle.name).toBe("ILLEGAL_STATE");
            }
          } else if (step.do === "end") {
            const error = step.fails ? FAILED : undefined;
            operation.end(error);
            if (name !== undefined && untold === undefined) {
              for (const token of waiting) settled.push([token, error]);
              if (waiting.length === 0) untold = { error };
              else name = undefined;
              waiting = [];
            }
          } else if (step.do === "abandon") {
            const token = waiting[step.at] ?? -1;
            operation.abandon(token);
            waiting = waiting.filter(one => one !== token);
          } else {
            const isRefused = operation.obstacle("send") !== undefined;
            expect(isRefused).toBe(name !== undefined && untold?.error === undefined);
            if (untold?.error !== undefined) [name, untold] = [undefined, undefined];
          }
          expect(operation.unfinished).toBe(name);
          const told = out.take().map(effect => (effect.type === "settled" ? [effect.token, effect.error] : effect));
          expect(told).toEqual(settled);
        }
      }),
      { numRuns: 300 },
    );
  });
});
