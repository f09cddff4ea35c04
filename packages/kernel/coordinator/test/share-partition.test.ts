import { Errors } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AcknowledgementBatch,
  type FetchedBatch,
  SharePartition,
  type SharePartitionEffect,
  type SharePartitionSettings,
} from "../src/index.ts";

const AVAILABLE = 0;
const ACQUIRED = 1;
const ACKNOWLEDGED = 2;
const ARCHIVING = 3;
const ARCHIVED = 4;
const [GAP, ACCEPT, RELEASE, REJECT, RENEW] = [0, 1, 2, 3, 4];
const LOCK_MS = 30_000;

const settings: SharePartitionSettings = {
  maxRecordLocks: 100,
  deliveryCountLimit: 5,
  lockDurationMs: LOCK_MS,
  renewEnabled: true,
  deadLetters: false,
};

const batch = (baseOffset: number, lastOffset: number, more: Partial<FetchedBatch> = {}): FetchedBatch => ({
  baseOffset,
  lastOffset,
  producerId: -1n,
  isTransactional: false,
  isAbortMarker: false,
  ...more,
});

type Persist = Extract<SharePartitionEffect, { type: "persist" }>;
type Done = Extract<SharePartitionEffect, { type: "done" }>;
type Bury = Extract<SharePartitionEffect, { type: "bury" }>;
type Load = ConstructorParameters<typeof SharePartition>[1];
type Fetch = Partial<Parameters<SharePartition["acquire"]>[1]> & { readonly reads?: number };

/** Share partition over a log; writes of its state succeed at once, and dead letters end at once, unless they are held. */
class Bench {
  now = 1000;
  log: FetchedBatch[];
  hold = false;
  holdLetters = false;
  /** Dead letters that have not ended. */
  readonly letters: Bury[] = [];
  /** Dead letters so far, as text: "0-9×1 REJECTED". */
  readonly buried: string[] = [];
  readonly held: Persist[] = [];
  readonly done: Done[] = [];
  persisted: Persist[] = [];
  changes = 0;
  settings = settings;
  readonly partition: SharePartition;
  #tickets = 0;

  constructor(log: FetchedBatch[], loaded: Load = { startOffset: 0, batches: [] }) {
    this.log = log;
    this.partition = new SharePartition(() => this.settings, loaded);
    const out: SharePartitionEffect[] = [];
    this.partition.begin(out);
    this.settle(out);
  }

  settle(out: SharePartitionEffect[]): void {
    for (let next = out.shift(); next !== undefined; next = out.shift()) {
      if (next.type === "done") this.done.push(next);
      else if (next.type === "changed") this.changes++;
      else if (next.type === "bury") {
        const { firstOffset, lastOffset, deliveryCount, cause } = next.records;
        this.buried.push(`${firstOffset}-${lastOffset}×${deliveryCount} ${cause}`);
        if (this.holdLetters) this.letters.push(next);
        else this.partition.buried([next.token], out);
      } else {
        this.persisted.push(next);
        if (this.hold) this.held.push(next);
        else this.partition.persisted(this.now, next.token, { errorCode: 0, errorMessage: null }, out);
      }
    }
  }

  /** Ends a held write. */
  finish(write: Persist, errorCode: number): void {
    const out: SharePartitionEffect[] = [];
    const errorMessage = errorCode === 0 ? null : "no";
    this.partition.persisted(this.now, write.token, { errorCode, errorMessage }, out);
    this.settle(out);
  }

  /** Ends held dead letters. */
  bury(...letters: readonly Bury[]): void {
    const out: SharePartitionEffect[] = [];
    this.partition.buried(
      letters.map(({ token }) => token),
      out,
    );
    this.settle(out);
  }

  fetch(memberId = "m", { reads = 1, ...options }: Fetch = {}) {
    const fetchOffset = this.partition.nextFetchOffset();
    const at = this.log.findIndex(({ lastOffset }) => lastOffset >= fetchOffset);
    const batches = at === -1 ? [] : this.log.slice(at, at + reads);
    const defaults = { recordLimit: false, batchSize: 500, maxRecords: 500, aborted: [] };
    return this.partition.acquire(this.now, { memberId, fetchOffset, batches, ...defaults, ...options });
  }

  /** Runs that a fetch acquires, as text: "0-9×1" is ten records delivered for the first time. */
  acquired(memberId = "m", options: Fetch = {}): string[] {
    return this.fetch(memberId, options).records.map(
      ({ firstOffset, lastOffset, deliveryCount }) => `${firstOffset}-${lastOffset}×${deliveryCount}`,
    );
  }

  /** Error code of an acknowledgement; undefined while it is not durable. */
  acknowledge(memberId: string, ...batches: AcknowledgementBatch[]): number | undefined {
    const ticket = ++this.#tickets;
    const out: SharePartitionEffect[] = [];
    this.partition.acknowledge(this.now, ticket, { memberId, batches }, out);
    this.settle(out);
    return this.done.find(done => done.ticket === ticket)?.errorCode;
  }

  say(type: number, firstOffset: number, lastOffset = firstOffset, memberId = "m"): number | undefined {
    return this.acknowledge(memberId, { firstOffset, lastOffset, acknowledgeTypes: [type] });
  }

  release(memberId: string): void {
    const out: SharePartitionEffect[] = [];
    this.partition.release(++this.#tickets, memberId, out);
    this.settle(out);
  }

  pass(ms: number): void {
    const until = this.now + ms;
    for (let at = this.partition.nextDeadline(); at <= until; at = this.partition.nextDeadline()) {
      this.now = Math.max(this.now, at);
      const out: SharePartitionEffect[] = [];
      this.partition.tick(this.now, out);
      this.settle(out);
    }
    this.now = until;
  }

  get lastError(): string | null | undefined {
    return this.done.at(-1)?.errorMessage;
  }
}

const INVALID_STATE = Errors.INVALID_RECORD_STATE.code;
const INVALID_REQUEST = Errors.INVALID_REQUEST.code;

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

/** Record in flight in the model. */
interface Known {
  state: number;
  count: number;
  member: string;
  expiresAt: number;
  before: { state: number; member: string } | undefined;
}

/** Model: the rules of KIP-932 for single records, without batches. */
class Model {
  readonly records = new Map<number, Known>();
  start = 0;
  readonly writes: { token: number; offsets: number[]; archiving: number[] }[] = [];
  /** Offsets whose dead letters are on their way. */
  readonly letters = new Set<number>();
  readonly last: number;
  readonly deliveryCountLimit: number;

  constructor({ deadLetters, deliveryCountLimit }: SharePartitionSettings) {
    this.last = deadLetters ? ARCHIVING : ARCHIVED;
    this.deliveryCountLimit = deliveryCountLimit;
  }

  get(offset: number): Known {
    const known = this.records.get(offset);
    if (known === undefined) throw new Error(`${offset} is not in flight`);
    return known;
  }

  freed(offset: number, { count }: Known): number {
    if (offset < this.start) return ARCHIVED;
    return count >= this.deliveryCountLimit ? this.last : AVAILABLE;
  }

  /** Dead letters of those that are ARCHIVING begin. */
  bury(offsets: readonly number[]): void {
    for (const offset of offsets) {
      const known = this.records.get(offset);
      if (known?.state === ARCHIVING && known.before === undefined) this.letters.add(offset);
    }
  }

  change(offset: number, state: number): void {
    const known = this.get(offset);
    known.before = { state: known.state, member: known.member };
    known.state = state === AVAILABLE ? this.freed(offset, known) : state;
    known.member = "";
  }

  finish(now: number, offsets: readonly number[], failed: boolean): void {
    for (const offset of offsets) {
      const known = this.get(offset);
      const { before } = known;
      known.before = undefined;
      if (!failed) known.expiresAt = Infinity;
      else if (before !== undefined && known.expiresAt <= now) {
        known.state = this.freed(offset, known);
        known.expiresAt = Infinity;
      } else if (before !== undefined) Object.assign(known, before);
    }
    this.bury(offsets);
    this.move();
  }

  expire(now: number): void {
    for (const [offset, known] of this.records) {
      if (known.state !== ACQUIRED || known.expiresAt > now) continue;
      Object.assign(known, { state: this.freed(offset, known), member: "", expiresAt: Infinity });
    }
  }

  move(): void {
    for (const [offset, { state, before }] of this.records) {
      if (before !== undefined || (state !== ACKNOWLEDGED && state !== ARCHIVED)) break;
      this.records.delete(offset);
      const [next] = this.records.keys();
      this.start = Math.max(this.start, next ?? offset + 1);
    }
  }

  /** True if the member has acquired all these records; those before the start offset do not count. */
  owns(member: string, first: number, last: number): boolean {
    for (let offset = Math.max(first, this.start); offset <= last; offset++) {
      const known = this.records.get(offset);
      if (known?.state !== ACQUIRED || known.member !== member) return false;
    }
    return true;
  }

  /** Offset of the first available record. */
  get free(): number | undefined {
    for (const [offset, { state, before }] of this.records) {
      if (state === AVAILABLE && before === undefined) return offset;
    }
    return undefined;
  }
}

const MEMBERS = ["a", "b", "c"];
const LOG_END = 400;

/** Log of batches without gaps, in a repeating sequence of sizes. */
function logOf(sizes: readonly number[]): FetchedBatch[] {
  const log: FetchedBatch[] = [];
  for (let offset = 0, i = 0; offset < LOG_END; i++) {
    const size = sizes[i % sizes.length];
    log.push(batch(offset, offset + size - 1));
    offset += size;
  }
  return log;
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("fetch" as const),
      member: fc.constantFrom(...MEMBERS),
      recordLimit: fc.boolean(),
      maxRecords: fc.integer({ min: 1, max: 20 }),
      batchSize: fc.integer({ min: 1, max: 8 }),
      reads: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("say" as const),
      member: fc.constantFrom(...MEMBERS),
      skip: fc.nat(12),
      size: fc.integer({ min: 1, max: 8 }),
      types: fc.array(fc.constantFrom(GAP, ACCEPT, ACCEPT, RELEASE, RELEASE, REJECT, RENEW), {
        minLength: 8,
        maxLength: 8,
      }),
      one: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("release" as const), member: fc.constantFrom(...MEMBERS) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: LOCK_MS }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("trim" as const), by: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("finish" as const), which: fc.nat(3), fails: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("bury" as const), which: fc.nat(3) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Runs the share partition and its model side by side. */
class Pair {
  readonly model: Model;
  readonly bench: Bench;

  constructor(sizes: readonly number[], deadLetters: boolean) {
    // Few deliveries are allowed, so that many records use them up.
    const own = deadLetters ? { ...settings, deadLetters, deliveryCountLimit: 2 } : settings;
    this.model = new Model(own);
    this.bench = new Bench(logOf(sizes));
    this.bench.settings = own;
    this.bench.hold = true;
    this.bench.holdLetters = true;
  }

  /** Records a write that has begun for `offsets`, and compares it with the model. */
  #began(offsets: number[]): void {
    const [write] = this.bench.persisted.splice(0);
    if (offsets.length === 0) return expect(write).toBeUndefined();
    const { model } = this;
    model.writes.push({ token: write.token, offsets, archiving: [] });
    const told = new Map<number, string>();
    for (const { firstOffset, lastOffset, deliveryState, deliveryCount } of write.batches) {
      for (let o = firstOffset; o <= lastOffset; o++) told.set(o, `${deliveryState}×${deliveryCount}`);
    }
    expect(told).toEqual(new Map(offsets.map(o => [o, `${model.get(o).state}×${model.get(o).count}`])));
    expect(write.startOffset).toBe(model.start);
  }

  run(next: Step): void {
    const { bench, model } = this;
    switch (next.type) {
      case "fetch":
        return this.#fetch(next);
      case "say":
        return this.#say(next);
      case "release": {
        const offsets = [...model.records].filter(([, { member }]) => member === next.member).map(([offset]) => offset);
        for (const offset of offsets) model.change(offset, offset < model.start ? ARCHIVED : AVAILABLE);
        bench.release(next.member);
        return this.#began(offsets);
      }
      case "pass":
        return this.#pass(bench.now + next.ms);
      case "trim":
        return this.#trim(model.start + next.by);
      case "finish": {
        const [write] = bench.held.splice(next.which % Math.max(1, bench.held.length), 1);
        if (write === undefined) return;
        const at = model.writes.findIndex(({ token }) => token === write.token);
        const [{ offsets, archiving }] = model.writes.splice(at, 1);
        model.finish(bench.now, offsets, next.fails);
        model.bury(archiving);
        bench.finish(write, next.fails ? Errors.COORDINATOR_NOT_AVAILABLE.code : 0);
        return;
      }
      case "bury":
        return this.#bury(next.which);
    }
  }

  #bury(which: number): void {
    const { bench, model } = this;
    const ended = bench.letters.splice(which % Math.max(1, bench.letters.length), 1 + (which % 3));
    if (ended.length === 0) return;
    const offsets: number[] = [];
    for (const { records } of ended) for (let o = records.firstOffset; o <= records.lastOffset; o++) offsets.push(o);
    for (const offset of offsets) {
      model.get(offset).state = ARCHIVED;
      model.letters.delete(offset);
    }
    bench.bury(...ended);
    this.#began(offsets);
    model.writes.at(-1)?.offsets.splice(0);
  }

  #trim(to: number): void {
    const { bench, model } = this;
    for (const [offset, known] of model.records) {
      if (offset >= to || known.state !== AVAILABLE) continue;
      known.state = ARCHIVED;
      // The record stays archived whatever the outcome of a pending change.
      if (known.before !== undefined) known.before = { state: ARCHIVED, member: "" };
    }
    model.start = to;
    bench.partition.logStartMoved(to);
    model.move();
  }

  #pass(until: number): void {
    const { bench, model } = this;
    for (let at = bench.partition.nextDeadline(); at <= until; at = bench.partition.nextDeadline()) {
      const due = [...model.records].filter(([, { state, expiresAt }]) => state === ACQUIRED && expiresAt <= at);
      model.expire(at);
      bench.pass(Math.max(0, at - bench.now));
      const offsets = due.map(([offset]) => offset);
      this.#began(offsets);
      // The outcome of this write may only move the start offset.
      const write = model.writes.at(-1);
      if (offsets.length === 0 || write === undefined) continue;
      write.archiving = offsets.filter(offset => model.get(offset).state === ARCHIVING);
      write.offsets.length = 0;
    }
    bench.now = until;
    for (const { state, expiresAt } of model.records.values()) {
      if (state === ACQUIRED) expect(expiresAt, "nobody holds a record for too long").toBeGreaterThan(until);
    }
  }

  #say(next: Extract<Step, { type: "say" }>): void {
    const { bench, model } = this;
    const held = [...model.records].filter(([, { member }]) => member === next.member).map(([offset]) => offset);
    const firstOffset = held[next.skip % Math.max(1, held.length)] ?? next.skip;
    const lastOffset = firstOffset + next.size - 1;
    const acknowledgeTypes = next.types.slice(0, next.one ? 1 : next.size);
    const owns = model.owns(next.member, firstOffset, lastOffset);
    const typeOf = (offset: number) => acknowledgeTypes[next.one ? 0 : offset - firstOffset];
    const renewed: number[] = [];
    const changed: number[] = [];
    for (let offset = Math.max(firstOffset, model.start); owns && offset <= lastOffset; offset++) {
      const type = typeOf(offset);
      if (type === RENEW) renewed.push(offset);
      else changed.push(offset);
    }
    for (const offset of changed) {
      const turnsInto = [ARCHIVED, ACKNOWLEDGED, AVAILABLE, model.last][typeOf(offset)];
      model.change(offset, turnsInto);
    }
    for (const offset of renewed) model.get(offset).expiresAt = bench.now + LOCK_MS;
    const error = bench.acknowledge(next.member, { firstOffset, lastOffset, acknowledgeTypes });
    if (!owns) {
      expect(error === INVALID_STATE || error === INVALID_REQUEST).toBe(true);
      return this.#began([]);
    }
    expect(error).toBe(changed.length === 0 ? 0 : undefined);
    this.#began(changed);
  }

  #fetch({ member, ...options }: Extract<Step, { type: "fetch" }>): void {
    const { bench, model } = this;
    const end = Math.max(model.start - 1, ...model.records.keys());
    const from = bench.partition.nextFetchOffset();
    expect(from).toBe(model.free ?? Math.max(end + 1, model.start));
    const wasFree = model.free !== undefined;
    const room = bench.partition.canAcquire();
    const reach = bench.partition.reach(options.maxRecords);
    const at = bench.log.findIndex(({ lastOffset }) => lastOffset >= from);
    const readTo = at === -1 ? undefined : bench.log.slice(at, at + options.reads).at(-1)?.lastOffset;
    const fresh = readTo === undefined ? 0 : bench.partition.fresh(readTo + 1);
    const { records, count } = bench.fetch(member, options);
    const lastOffset = records.at(-1)?.lastOffset ?? -1;
    const { baseOffset = -1 } = bench.log.find(found => found.lastOffset >= lastOffset) ?? {};
    expect(baseOffset, "more need not be read").toBeLessThan(reach);
    if (!wasFree)
      expect(count, "what is fresh is delivered").toBeGreaterThanOrEqual(Math.min(fresh, options.maxRecords));
    let sum = 0;
    for (const { firstOffset, lastOffset, deliveryCount } of records) {
      for (let offset = firstOffset; offset <= lastOffset; offset++, sum++) {
        const known = model.records.get(offset) ?? { state: AVAILABLE, count: 0, before: undefined };
        if (!model.records.has(offset)) expect(offset, "nothing is left out").toBeGreaterThan(end);
        expect(known.state === AVAILABLE && known.before === undefined, "only what is free is delivered").toBe(true);
        expect(deliveryCount).toBe(known.count + 1);
        const expiresAt = bench.now + LOCK_MS;
        model.records.set(offset, { state: ACQUIRED, count: deliveryCount, member, expiresAt, before: undefined });
      }
    }
    expect(count).toBe(sum);
    if (options.recordLimit) expect(count).toBeLessThanOrEqual(options.maxRecords);
    expect(count > 0, "whoever may have something gets something").toBe(from < LOG_END && (wasFree || room));
    // The rest of a batch that `recordLimit` has cut is in flight and available.
    for (const { firstOffset, deliveryState, deliveryCount } of bench.partition.inFlight) {
      if (model.records.has(firstOffset) || firstOffset <= end) continue;
      expect([options.recordLimit, deliveryState, deliveryCount]).toEqual([true, AVAILABLE, 0]);
      const free = { state: AVAILABLE, count: 0, member: "", expiresAt: Infinity, before: undefined };
      model.records.set(firstOffset, free);
    }
  }

  agree(): void {
    const { bench, model } = this;
    const shown = new Map<number, string>();
    for (const { firstOffset, lastOffset, deliveryState, deliveryCount } of bench.partition.inFlight) {
      for (let o = Math.max(firstOffset, model.start); o <= lastOffset; o++) {
        shown.set(o, `${deliveryState}×${deliveryCount}`);
      }
    }
    const wanted = [...model.records].filter(([offset]) => offset >= model.start);
    expect(bench.partition.startOffset).toBe(model.start);
    expect(shown).toEqual(new Map(wanted.map(([offset, { state, count }]) => [offset, `${state}×${count}`])));
    const done = wanted.filter(([, { state }]) => state === ACKNOWLEDGED || state === ARCHIVED).length;
    expect(bench.partition.deliveryCompleteCount).toBe(done);
    const letters = bench.letters.flatMap(({ records: { firstOffset, lastOffset, deliveryCount } }) =>
      Array.from({ length: lastOffset - firstOffset + 1 }, (_, i) => [firstOffset + i, deliveryCount] as const),
    );
    expect(new Map(letters)).toEqual(new Map([...model.letters].map(offset => [offset, model.get(offset).count])));
    expect(letters, "each once").toHaveLength(model.letters.size);
  }
}

test("a share partition does what its records do one by one", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(
      sizes,
      fc.boolean(),
      fc.array(step, { maxLength: 60, size: "max" }),
      (batchSizes, deadLetters, steps) => {
        const pair = new Pair(batchSizes, deadLetters);
        for (const next of steps) {
          pair.run(next);
          pair.agree();
        }
      },
    ),
    { numRuns: 300 },
  );
});
