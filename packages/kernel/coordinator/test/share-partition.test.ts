import { Errors } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FetchedBatch } from "../src/index.ts";
import {
  ACCEPT,
  ACKNOWLEDGED,
  ACQUIRED,
  ARCHIVED,
  ARCHIVING,
  AVAILABLE,
  Bench,
  GAP,
  INVALID_REQUEST,
  INVALID_STATE,
  LOCK_MS,
  REJECT,
  RELEASE,
  RENEW,
  batch,
  settings,
} from "./share-bench.ts";

describe("acquiring", () => {
  test("whole batches, in runs of about the size that is wanted", () => {
    const bench = new Bench([batch(0, 9), batch(10, 14), batch(15, 29), batch(30, 31)]);
    expect(bench.acquired("m", { reads: 3, batchSize: 10 })).toEqual(["0-9×1", "10-29×1"]);
    expect(bench.partition.nextFetchOffset()).toBe(30);
    expect(bench.acquired()).toEqual(["30-31×1"]);
    expect(bench.acquired()).toEqual([]);
  });

  test("a batch is not cut for the sake of the most records, unless the most is strict", () => {
    const bench = new Bench([batch(0, 9), batch(10, 19), batch(20, 29)]);
    expect(bench.acquired("m", { reads: 2, maxRecords: 3 })).toEqual(["0-9×1"]);
    expect(bench.acquired("m", { recordLimit: true, maxRecords: 3 })).toEqual(["10-12×1"]);
    expect(bench.partition.nextFetchOffset(), "the rest of the batch is free").toBe(13);
    expect(bench.acquired("n", { recordLimit: true, maxRecords: 4, reads: 2 })).toEqual(["13-16×1"]);
    expect(bench.acquired("n", { recordLimit: true, maxRecords: 6, reads: 2 })).toEqual(["17-19×1", "20-22×1"]);
    expect(bench.acquired("n", { maxRecords: 100 })).toEqual(["23-29×1"]);
  });

  test("no more than may be locked, but what is free among them", () => {
    const bench = new Bench([batch(0, 59), batch(60, 119), batch(120, 129)]);
    expect(bench.acquired()).toEqual(["0-59×1"]);
    expect(bench.partition.canAcquire()).toBe(true);
    expect(bench.acquired()).toEqual(["60-119×1"]);
    expect(bench.partition.canAcquire()).toBe(false);
    expect(bench.acquired()).toEqual([]);
    bench.say(RELEASE, 20, 21);
    expect(bench.partition.canAcquire()).toBe(true);
    expect(bench.acquired("n", { reads: 3 })).toEqual(["20-21×2"]);
    bench.say(ACCEPT, 0, 19);
    expect(bench.partition.startOffset).toBe(20);
    expect(bench.partition.canAcquire(), "the first in flight holds the others up").toBe(false);
    bench.say(ACCEPT, 20, 21, "n");
    bench.say(ACCEPT, 22, 119);
    expect(bench.acquired()).toEqual(["120-129×1"]);
  });

  test("records that keep failing are delivered ever fewer at a time, at last one by one", () => {
    const bench = new Bench([batch(0, 7)]);
    for (const times of [1, 2, 3]) {
      expect(bench.acquired()).toEqual([`0-7×${times}`].slice(0, times < 3 ? 1 : 0).concat(times < 3 ? [] : ["0-7×3"]));
      bench.release("m");
    }
    expect(bench.acquired(), "half of the batch").toEqual(["0-3×4"]);
    expect(bench.acquired()).toEqual(["4-7×4"]);
    bench.release("m");
    expect(bench.acquired(), "the last delivery").toEqual(["0-0×5"]);
    expect(bench.acquired()).toEqual(["1-1×5"]);
    bench.say(ACCEPT, 0);
    bench.say(RELEASE, 1);
    expect(bench.partition.startOffset, "delivered often enough").toBe(2);
  });

  test("a batch that has failed too often does not come with others", () => {
    const bench = new Bench([batch(0, 3), batch(4, 7)]);
    bench.acquired("m", { reads: 1 });
    bench.acquired("n", { reads: 1 });
    for (let times = 2; times <= 3; times++) {
      bench.release("n");
      bench.acquired("n");
    }
    bench.release("m");
    bench.release("n");
    expect(bench.acquired("m", { reads: 2 })).toEqual(["0-3×2"]);
    expect(bench.acquired("m", { reads: 2 })).toEqual(["4-5×4"]);
  });

  test("what compaction has taken meanwhile is done with", () => {
    const bench = new Bench([batch(0, 4), batch(5, 9), batch(10, 14)]);
    bench.acquired("m", { reads: 1 });
    bench.acquired("m", { reads: 1 });
    bench.release("m");
    bench.log = [batch(5, 9), batch(10, 14)];
    expect(bench.acquired("m", { reads: 2 })).toEqual(["5-9×2", "10-14×1"]);
    bench.say(ACCEPT, 5, 14);
    expect(bench.partition.startOffset).toBe(15);
  });

  test("records of aborted transactions are done with before anybody sees them", () => {
    const txn = { producerId: 7n, isTransactional: true };
    const log = [
      batch(0, 1, txn),
      batch(2, 4),
      batch(5, 6, txn),
      batch(7, 7, { ...txn, isAbortMarker: true }),
      batch(8, 9, txn),
    ];
    const bench = new Bench(log);
    const aborted = [{ producerId: 7n, firstOffset: 0 }];
    expect(bench.acquired("m", { reads: 5, aborted })).toEqual(["2-4×1", "7-9×1"]);
    expect(bench.partition.startOffset, "until something is acknowledged").toBe(0);
    bench.say(ACCEPT, 2, 4);
    expect(bench.persisted.at(-1)?.startOffset).toBe(0);
    expect(bench.partition.startOffset).toBe(7);
    expect(new Bench(log).acquired("m", { reads: 5 })).toEqual(["0-9×1"]);
  });
});

test("a partition that is full of records of aborted transactions does not stop", () => {
  const txn = { producerId: 7n, isTransactional: true };
  const bench = new Bench([batch(0, 3, txn), batch(4, 7)]);
  bench.settings = { ...bench.settings, maxRecordLocks: 4 };
  expect(bench.acquired("m", { aborted: [{ producerId: 7n, firstOffset: 0 }] })).toEqual([]);
  expect(bench.partition.canAcquire()).toBe(true);
  expect(bench.acquired("m")).toEqual(["4-7×1"]);
  expect(bench.partition.canAcquire()).toBe(false);
});

describe("acknowledging", () => {
  test("accepted and rejected records, and gaps, are done with; released ones are free", () => {
    const bench = new Bench([batch(0, 4)]);
    bench.acquired();
    const acknowledgeTypes = [ACCEPT, REJECT, GAP, RELEASE, ACCEPT];
    expect(bench.acknowledge("m", { firstOffset: 0, lastOffset: 4, acknowledgeTypes })).toBe(0);
    expect(bench.persisted.at(-1)?.batches.map(({ deliveryState }) => deliveryState)).toEqual([2, 4, 4, 0, 2]);
    expect(bench.persisted.at(-1)).toMatchObject({ startOffset: 0, deliveryCompleteCount: 4 });
    expect(bench.partition.startOffset).toBe(3);
    expect(bench.partition.deliveryCompleteCount).toBe(1);
    expect(bench.acquired("n")).toEqual(["3-3×2"]);
    expect(bench.say(ACCEPT, 3, 3, "n")).toBe(0);
    expect(bench.partition.startOffset).toBe(5);
    expect(bench.partition.inFlight).toEqual([]);
  });

  test("only who holds a record may say something of it, and of all or of none", () => {
    const bench = new Bench([batch(0, 4), batch(5, 9)]);
    expect(bench.say(ACCEPT, 0, 4)).toBe(INVALID_STATE);
    bench.acquired("m");
    expect(bench.say(ACCEPT, 0, 4, "n")).toBe(INVALID_STATE);
    expect(bench.lastError).toBe("Member is not the owner of batch record");
    expect(bench.say(ACCEPT, 0, 7)).toBe(INVALID_REQUEST);
    expect(bench.say(ACCEPT, 6, 7)).toBe(INVALID_REQUEST);
    expect(bench.say(9, 0, 4)).toBe(INVALID_REQUEST);
    bench.acquired("n");
    expect(bench.say(ACCEPT, 2, 7)).toBe(INVALID_STATE);
    expect(bench.persisted).toEqual([]);
    expect(bench.say(ACCEPT, 0, 4)).toBe(0);
    expect(bench.say(ACCEPT, 0, 4), "before the start offset nothing is in question").toBe(0);
    expect(bench.say(ACCEPT, 5, 9, "n")).toBe(0);
  });

  test("a change counts when it is durable, and is undone when it cannot be", () => {
    const bench = new Bench([batch(0, 4)]);
    bench.acquired();
    bench.hold = true;
    expect(bench.say(RELEASE, 0, 4)).toBeUndefined();
    expect(bench.acquired("n"), "not free yet").toEqual([]);
    expect(bench.say(ACCEPT, 0, 4), "not held any more").toBe(INVALID_STATE);
    bench.finish(bench.held.splice(0)[0], Errors.COORDINATOR_NOT_AVAILABLE.code);
    expect(bench.done.at(-1)?.errorCode).toBe(Errors.COORDINATOR_NOT_AVAILABLE.code);
    expect(bench.say(ACCEPT, 0, 4), "held again").toBeUndefined();
    bench.pass(LOCK_MS);
    bench.finish(bench.held.splice(0)[0], Errors.COORDINATOR_NOT_AVAILABLE.code);
    expect(bench.acquired("n"), "its time was up meanwhile").toEqual(["0-4×2"]);
  });

  test("a lock lasts as long as is said, and as long again when it is renewed", () => {
    const bench = new Bench([batch(0, 4), batch(5, 9)]);
    bench.acquired();
    bench.acquired();
    bench.pass(LOCK_MS - 1);
    expect(bench.say(RENEW, 5, 7)).toBe(0);
    const before = bench.changes;
    bench.pass(1);
    expect(bench.changes).toBe(before + 2);
    expect(bench.acquired("n", { reads: 2 })).toEqual(["0-4×2", "8-9×2"]);
    expect(bench.say(ACCEPT, 0, 4)).toBe(INVALID_STATE);
    expect(bench.say(ACCEPT, 5, 7)).toBe(0);
    bench.settings = { ...settings, renewEnabled: false };
    expect(bench.say(RENEW, 8, 9, "n")).toBe(INVALID_STATE);
    expect(bench.lastError).toBe("Renewing acquisition locks is not enabled for the group.");
  });

  test("a record that the log has lost is done with once nobody holds it", () => {
    const bench = new Bench([batch(0, 4), batch(5, 9)]);
    bench.acquired("m", { reads: 2 });
    bench.say(RELEASE, 6, 7);
    bench.partition.logStartMoved(7);
    expect(bench.partition.startOffset).toBe(7);
    expect(bench.acquired("n")).toEqual(["7-7×2"]);
    bench.pass(LOCK_MS);
    expect(bench.partition.startOffset).toBe(7);
    expect(bench.acquired("n", { reads: 2 })).toEqual(["7-7×3", "8-9×2"]);
    bench.say(ACCEPT, 5, 9, "n");
    expect(bench.partition.startOffset).toBe(10);
    bench.partition.logStartMoved(20);
    expect(bench.partition.nextFetchOffset()).toBe(20);
  });
});

test("records that the log has lost do not come back with a change that is undone", () => {
  const bench = new Bench([batch(0, 1), batch(2, 3)]);
  bench.acquired();
  bench.hold = true;
  bench.say(ACCEPT, 0, 1);
  bench.pass(LOCK_MS);
  bench.partition.logStartMoved(1);
  bench.finish(bench.held.splice(0)[0], Errors.COORDINATOR_NOT_AVAILABLE.code);
  expect(bench.partition.nextFetchOffset()).toBe(1);
  expect(bench.acquired()).toEqual(["1-1×2"]);
});

describe("dead letters", () => {
  const withLetters = (log: FetchedBatch[]): Bench => {
    const bench = new Bench(log);
    bench.settings = { ...settings, deliveryCountLimit: 2, deadLetters: true };
    return bench;
  };

  test("are of records that are rejected or delivered too often, once that is durable", () => {
    const bench = withLetters([batch(0, 9)]);
    bench.acquired();
    const acknowledgeTypes = [REJECT, REJECT, GAP, RELEASE, RELEASE, ACCEPT, RENEW, REJECT, ACCEPT, ACCEPT];
    bench.hold = true;
    bench.acknowledge("m", { firstOffset: 0, lastOffset: 9, acknowledgeTypes });
    expect(bench.persisted.at(-1)?.batches.map(({ deliveryState }) => deliveryState)).toEqual([
      ...[ARCHIVING, ARCHIVING, ARCHIVED, AVAILABLE, AVAILABLE, ACKNOWLEDGED, ARCHIVING, ACKNOWLEDGED, ACKNOWLEDGED],
    ]);
    expect(bench.persisted.at(-1)?.deliveryCompleteCount, "they are not complete yet").toBe(4);
    expect(bench.buried).toEqual([]);
    bench.hold = false;
    bench.finish(bench.held.splice(0)[0], 0);
    expect(bench.buried).toEqual(["0-1×1 REJECTED", "7-7×1 REJECTED"]);
    expect(bench.persisted.slice(-2).map(({ batches }) => batches.map(one => one.deliveryState))).toEqual([
      [ARCHIVED, ARCHIVED],
      [ARCHIVED],
    ]);
    expect(bench.partition.startOffset).toBe(3);
    expect(bench.acquired("n")).toEqual(["3-4×2"]);
    bench.say(RELEASE, 3, 3, "n");
    expect(bench.buried.at(-1)).toBe("3-3×2 DELIVERIES_EXCEEDED");
    bench.pass(LOCK_MS);
    expect(bench.buried.at(-1)).toBe("4-4×2 DELIVERIES_EXCEEDED");
    expect(bench.acquired("n"), "its lock was over first").toEqual(["6-6×2"]);
  });

  test("hold up the start offset but nothing else, and end whatever comes of them", () => {
    const bench = withLetters([batch(0, 4), batch(5, 9)]);
    bench.holdLetters = true;
    bench.acquired();
    bench.say(REJECT, 0, 4);
    expect(bench.acquired("n")).toEqual(["5-9×1"]);
    bench.say(ACCEPT, 5, 9, "n");
    expect([bench.partition.startOffset, bench.partition.deliveryCompleteCount]).toEqual([0, 5]);
    expect(bench.say(REJECT, 0, 4), "they are not held any more").toBe(INVALID_STATE);
    bench.partition.logStartMoved(3);
    expect(bench.partition.startOffset).toBe(3);
    bench.bury(bench.letters[0]);
    expect(bench.partition.startOffset).toBe(10);
    expect(bench.partition.inFlight).toEqual([]);
  });

  test("are written after the end of a lock even if that could not be persisted, and not for a change that is undone", () => {
    const bench = withLetters([batch(0, 4)]);
    bench.acquired();
    bench.release("m");
    bench.acquired();
    bench.hold = true;
    bench.say(REJECT, 0, 1);
    bench.finish(bench.held.splice(0)[0], Errors.COORDINATOR_NOT_AVAILABLE.code);
    expect(bench.buried).toEqual([]);
    bench.say(ACCEPT, 2, 2);
    bench.pass(LOCK_MS);
    const [accepted, expired] = bench.held.splice(0);
    expect(expired.batches.map(({ firstOffset, deliveryState }) => [firstOffset, deliveryState])).toEqual([
      ...[0, 1, 3, 4].map(offset => [offset, ARCHIVING]),
    ]);
    bench.hold = false;
    bench.finish(expired, Errors.COORDINATOR_NOT_AVAILABLE.code);
    expect(bench.buried).toEqual(["0-1×2 DELIVERIES_EXCEEDED", "3-4×2 DELIVERIES_EXCEEDED"]);
    bench.finish(accepted, Errors.COORDINATOR_NOT_AVAILABLE.code);
    expect(bench.buried.at(-1), "its lock was over meanwhile").toBe("2-2×2 DELIVERIES_EXCEEDED");
    expect(bench.partition.startOffset).toBe(5);
  });

  test("are written if a lock ends with an acknowledgement that is refused", () => {
    const bench = withLetters([batch(0, 1)]);
    bench.acquired();
    bench.release("m");
    bench.acquired();
    // The timer of the lock is late.
    bench.now += LOCK_MS;
    const accepted = { firstOffset: 0, lastOffset: 1, acknowledgeTypes: [ACCEPT] };
    expect(bench.acknowledge("m", accepted, { ...accepted, firstOffset: 7 })).toBe(INVALID_REQUEST);
    expect(bench.buried).toEqual(["0-1×2 DELIVERIES_EXCEEDED"]);
    expect(bench.partition.startOffset).toBe(2);
  });

  test("that an earlier leader has left are written by the next", () => {
    const batches = [
      { firstOffset: 0, lastOffset: 2, deliveryState: ARCHIVING, deliveryCount: 1 },
      { firstOffset: 3, lastOffset: 3, deliveryState: AVAILABLE, deliveryCount: 1 },
      { firstOffset: 4, lastOffset: 6, deliveryState: ARCHIVING, deliveryCount: 5 },
    ];
    // The group may have no topic for them any more; that is for their writer to say.
    const bench = new Bench([batch(0, 9)], { startOffset: 0, batches });
    expect(bench.buried).toEqual(["0-2×1 REJECTED", "4-6×5 DELIVERIES_EXCEEDED"]);
    expect(bench.partition.startOffset).toBe(3);
    expect(bench.acquired()).toEqual(["3-3×2", "7-9×1"]);
  });
});

describe("loading", () => {
  const state = (firstOffset: number, lastOffset: number, deliveryState: number, deliveryCount = 1) => ({
    firstOffset,
    lastOffset,
    deliveryState,
    deliveryCount,
  });

  test("what was in flight is free again or done with, and gaps are fetched", () => {
    const batches = [state(0, 4, ACKNOWLEDGED), state(10, 12, AVAILABLE, 2), state(13, 14, ARCHIVED)];
    const bench = new Bench([batch(0, 9), batch(10, 19)], { startOffset: 0, batches });
    expect(bench.partition.startOffset).toBe(5);
    expect(bench.partition.nextFetchOffset()).toBe(5);
    expect(bench.acquired("m", { reads: 1 })).toEqual(["5-9×1"]);
    expect(bench.acquired("m", { reads: 1 })).toEqual(["10-12×3", "15-19×1"]);
    bench.say(ACCEPT, 5, 9);
    bench.say(ACCEPT, 10, 12);
    bench.say(ACCEPT, 15, 19);
    expect(bench.partition.startOffset).toBe(20);
  });

  test("a gap that the log has lost holds nobody up", () => {
    const bench = new Bench([batch(10, 19), batch(20, 29)], { startOffset: 0, batches: [state(10, 19, ACKNOWLEDGED)] });
    expect(bench.acquired()).toEqual([]);
    expect(bench.partition.nextFetchOffset()).toBe(20);
    expect(bench.acquired()).toEqual(["20-29×1"]);
    bench.say(ACCEPT, 20, 29);
    expect(bench.partition.startOffset).toBe(30);
  });

  test("batches that cannot be are refused", () => {
    const load = (...batches: ReturnType<typeof state>[]) => new Bench([], { startOffset: 5, batches });
    expect(() => load(state(4, 6, AVAILABLE))).toThrow(RangeError);
    expect(() => load(state(7, 6, AVAILABLE))).toThrow(RangeError);
    expect(() => load(state(5, 8, AVAILABLE), state(8, 9, AVAILABLE))).toThrow(RangeError);
    expect(() => load(state(5, 8, 5))).toThrow(RangeError);
  });

  test("everything that was not done with is delivered and accepted in the end", () => {
    const run = fc.tuple(
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(undefined, AVAILABLE, ACQUIRED, ACKNOWLEDGED, 3, ARCHIVED),
    );
    const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fc.array(run, { maxLength: 8 }), sizes, fc.boolean(), fc.integer({ min: 1, max: 9 }), (...given) => {
        const [runs, batchSizes, recordLimit, maxRecords] = given;
        const log: FetchedBatch[] = [];
        let end = 0;
        for (const size of batchSizes) log.push(batch(end, (end += size) - 1));
        const batches: ReturnType<typeof state>[] = [];
        const wanted = new Set(Array.from({ length: end }, (_, offset) => offset));
        let at = 0;
        for (const [size, known] of runs) {
          if (at + size > end) break;
          const isDone = known !== undefined && known > ACQUIRED;
          if (known !== undefined) batches.push(state(at, at + size - 1, known));
          for (let i = 0; i < size; i++) if (isDone) wanted.delete(at + i);
          at += size;
        }
        const bench = new Bench(log, { startOffset: 0, batches });
        for (let tries = 0; tries < 200 && bench.partition.startOffset < end; tries++) {
          for (const { firstOffset, lastOffset } of bench.fetch("m", { recordLimit, maxRecords, reads: 2 }).records) {
            for (let offset = firstOffset; offset <= lastOffset; offset++) expect(wanted.delete(offset)).toBe(true);
            expect(bench.say(ACCEPT, firstOffset, lastOffset)).toBe(0);
          }
        }
        expect(wanted).toEqual(new Set());
        expect(bench.partition.startOffset).toBe(end);
      }),
    );
  });
});
