import { type ErrorName, Errors } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KafkaError, parseOffsetReset } from "../../src/index.ts";
import { AutoCommit } from "../../src/offsets/auto-commit.ts";
import { isolationCode, listOffsetsRequest } from "../../src/offsets/list-offsets.ts";
import { offsetReactionTo } from "../../src/offsets/offset-faults.ts";
import { timestampOf } from "../../src/offsets/offset-reset.ts";
import { faultOf } from "../../src/offsets/partition-fault.ts";
import { TrackedOffsets } from "../../src/offsets/tracked-offsets.ts";

const SETTINGS = { intervalMs: 1000, retryMs: 100 };
const RETRIABLE = new KafkaError("TIMED_OUT", "late");
const FINAL = new KafkaError("ABORTED", "over");
const place = (partition: number) => ({ topic: "t", partition });

type Step =
  | { readonly do: "begin"; readonly partition: number; readonly at: number; readonly isCommitted: boolean }
  | { readonly do: "end"; readonly partition: number }
  | { readonly do: "start" | "finish"; readonly partition: number; readonly at: number }
  | { readonly do: "commit"; readonly partition: number }
  | { readonly do: "take"; readonly ms: number }
  | { readonly do: "ended"; readonly outcome: "done" | "retriable" | "final" }
  | { readonly do: "restart" };
const partition = fc.nat(2);
const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ do: fc.constant("begin" as const), partition, at: fc.nat(5), isCommitted: fc.boolean() }),
    fc.record({ do: fc.constant("end" as const), partition }),
    fc.record({ do: fc.constantFrom("start", "start", "finish"), partition, at: fc.nat(3) }),
    fc.record({ do: fc.constantFrom("start", "finish", "finish"), partition, at: fc.nat(3) }),
    fc.record({ do: fc.constant("commit" as const), partition }),
    fc.record({ do: fc.constant("take" as const), ms: fc.constantFrom(0, 50, 100, 500, 1000) }),
    fc.record({ do: fc.constant("ended" as const), outcome: fc.constantFrom("done", "done", "retriable", "final") }),
    fc.constant({ do: "restart" as const }),
  ),
  { maxLength: 50, size: "max" },
);

/** Records that were handed out, one by one, and what the group has. */
interface Partition {
  readonly start: number;
  readonly records: { readonly offset: number; readonly ticket: number; isDone: boolean }[];
  committed: number;
}

function watermark({ start, records }: Partition): number {
  const open = records.find(({ isDone }) => !isDone);
  return open?.offset ?? (records.length > 0 ? records[records.length - 1].offset + 1 : start);
}

describe("tracked offsets, and their automatic commits, beside lists of records", () => {
  test("are those below which all is done, once they differ from what is committed", () => {
    fc.assert(
      fc.property(steps, all => {
        const tracked = new TrackedOffsets(100);
        const auto = new AutoCommit(SETTINGS, tracked, 0);
        const model = new Map<number, Partition>();
        let now = 0;
        let dueAt = SETTINGS.intervalMs;
        let sent: readonly (readonly [number, number])[] | undefined;
        const dirty = (): (readonly [number, number])[] =>
          [...model].flatMap(([index, one]) =>
            watermark(one) === one.committed ? [] : [[index, watermark(one)] as const],
          );
        for (const step of all) {
          if (step.do === "begin") {
            const before = tracked.begin(place(step.partition), step.at, -1, step.isCommitted);
            expect(tracked.tracker(place(step.partition))).toBe(before);
            model.delete(step.partition);
            model.set(step.partition, { start: step.at, records: [], committed: step.isCommitted ? step.at : -1 });
          } else if (step.do === "end") {
            tracked.end([place(step.partition)]);
            model.delete(step.partition);
          } else if (step.do === "start") {
            const one = model.get(step.partition);
            const offset = one === undefined ? 0 : (one.records.at(-1)?.offset ?? one.start - 1) + 1 + (step.at % 2);
            const ticket = tracked.tracker(place(step.partition))?.start(offset, 7);
            if (ticket !== undefined) one?.records.push({ offset, ticket, isDone: false });
          } else if (step.do === "finish") {
            const records = model.get(step.partition)?.records ?? [];
            const record = records[step.at % Math.max(1, records.length)];
            if (record === undefined) continue;
            tracked.tracker(place(step.partition))?.finish(record.ticket);
            record.isDone = true;
          } else if (step.do === "commit") {
            const one = model.get(step.partition);
            if (one === undefined) continue;
            const offset = watermark(one);
            tracked.committed({ ...place(step.partition), offset, leaderEpoch: -1, metadata: "" });
            one.committed = offset;
          } else if (step.do === "take") {
            now += step.ms;
            expect(auto.nextDeadline()).toBe(sent === undefined ? dueAt : Infinity);
            const taken = auto.take(now).map(({ partition: index, offset }) => [index, offset] as const);
            const isDue = sent === undefined && dueAt <= now;
            const expected = isDue ? dirty() : [];
            expect(new Map(taken)).toEqual(new Map(expected));
            if (!isDue) continue;
            dueAt = now + SETTINGS.intervalMs;
            if (expected.length > 0) sent = expected;
          } else if (step.do === "ended") {
            const error = { done: undefined, retriable: RETRIABLE, final: FINAL }[step.outcome];
            auto.ended(now, error);
            // A partition that has begun anew meanwhile has that offset committed, too.
            if (error === undefined) {
              for (const [index, offset] of sent ?? []) {
                const one = model.get(index);
                if (one !== undefined) one.committed = offset;
              }
            } else if (error.retriable) dueAt = Math.min(dueAt, now + SETTINGS.retryMs);
            sent = undefined;
          } else {
            auto.restart(now);
            dueAt = now + SETTINGS.intervalMs;
          }
          const listed = tracked.dirty().map(({ partition: index, offset }) => [index, offset] as const);
          expect(new Map(listed)).toEqual(new Map(dirty()));
          const some = tracked.dirty([place(0), place(2), place(9)]).map(({ partition: index }) => index);
          expect(new Set(some)).toEqual(new Set(dirty().flatMap(([index]) => (index === 1 ? [] : [index]))));
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("errors of offsets", () => {
  const names = (Object.keys(Errors) as ErrorName[]).filter(name => Errors[name].code !== 0);

  test("of a group have the reactions of CommitRequestManager", () => {
    const OWN: Readonly<Partial<Record<ErrorName, string>>> = {
      ...{ COORDINATOR_NOT_AVAILABLE: "findCoordinator", NOT_COORDINATOR: "findCoordinator" },
      ...{ REQUEST_TIMED_OUT: "findCoordinator", STALE_MEMBER_EPOCH: "refreshEpoch" },
      ...{ ILLEGAL_GENERATION: "notMember", UNKNOWN_MEMBER_ID: "notMember", FENCED_INSTANCE_ID: "notMember" },
      ...{ GROUP_ID_NOT_FOUND: "notMember", REBALANCE_IN_PROGRESS: "retry", UNSTABLE_OFFSET_COMMIT: "retry" },
    };
    for (const name of names) {
      const { code, retriable } = Errors[name];
      expect([name, offsetReactionTo(code)]).toEqual([name, OWN[name] ?? (retriable ? "retry" : "fail")]);
    }
    expect(offsetReactionTo(12_345)).toBe("fail");
  });

  test("of a partition have the reactions of FetchCollector", () => {
    const OWN: Readonly<Partial<Record<ErrorName, string>>> = {
      ...{ UNKNOWN_LEADER_EPOCH: "retry", UNKNOWN_SERVER_ERROR: "retry", OFFSET_OUT_OF_RANGE: "range" },
      ...{ TOPIC_AUTHORIZATION_FAILED: "raise", CORRUPT_MESSAGE: "raise" },
      ...{ UNKNOWN_TOPIC_ID: "refresh", INCONSISTENT_TOPIC_ID: "refresh", OFFSET_NOT_AVAILABLE: "refresh" },
    };
    for (const name of names) {
      const { code, retriable } = Errors[name];
      expect([name, faultOf(code)]).toEqual([name, OWN[name] ?? (retriable ? "refresh" : "raise")]);
    }
  });
});

describe("questions for offsets", () => {
  test("have the time of a duration before now, or Kafka's names of the ends", () => {
    expect([timestampOf("latest", 5), timestampOf("earliest", 5)]).toEqual([-1, -2]);
    expect(timestampOf({ byDurationMs: 1000 }, 5000.9)).toBe(4000);
    expect(timestampOf({ byDurationMs: 1000 }, 999), "not before 1970").toBe(0);
  });

  test("list the partitions of each topic together", () => {
    const ask = (topic: string, index: number, timestamp: number) => ({
      topic,
      partition: index,
      timestamp,
      leaderEpoch: 4,
    });
    const queries = [ask("a", 0, -1), ask("b", 0, 7), ask("a", 2, -2)];
    expect(listOffsetsRequest(queries, "read_committed", 99)).toEqual({
      ...{ replicaId: -1, isolationLevel: 1, timeoutMs: 99 },
      topics: [
        {
          name: "a",
          partitions: [
            { partitionIndex: 0, currentLeaderEpoch: 4, timestamp: -1 },
            { partitionIndex: 2, currentLeaderEpoch: 4, timestamp: -2 },
          ],
        },
        { name: "b", partitions: [{ partitionIndex: 0, currentLeaderEpoch: 4, timestamp: 7 }] },
      ],
    });
    expect(isolationCode("read_uncommitted")).toBe(0);
  });

  test("with a duration mean its parts, summed up", () => {
    const part = fc.option(fc.nat(99), { nil: undefined });
    fc.assert(
      fc.property(
        part,
        part,
        part,
        part,
        fc.option(fc.nat(999), { nil: undefined }),
        (days, hours, minutes, seconds, ms) => {
          const text = (value: number | undefined, unit: string): string =>
            value === undefined ? "" : `${value}${unit}`;
          const fraction = ms === undefined || seconds === undefined ? "" : `.${String(ms).padStart(3, "0")}`;
          const time = text(hours, "H") + text(minutes, "M") + (seconds === undefined ? "" : `${seconds}${fraction}S`);
          const all = `by_duration:P${text(days, "D")}${time === "" ? "" : `T${time}`}`;
          if (days === undefined && time === "") {
            expect(() => parseOffsetReset(all)).toThrow("which is not ISO-8601");
            return;
          }
          const whole = (((days ?? 0) * 24 + (hours ?? 0)) * 60 + (minutes ?? 0)) * 60 + (seconds ?? 0);
          const byDurationMs = whole * 1000 + (fraction === "" ? 0 : (ms ?? 0));
          expect(parseOffsetReset(all)).toEqual({ byDurationMs });
        },
      ),
      { numRuns: 300 },
    );
  });
});
