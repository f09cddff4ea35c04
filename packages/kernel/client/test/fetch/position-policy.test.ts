import { ExponentialBackoff, uuidFromBytes, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { byTopic, withoutPartitions } from "../../src/cluster/cluster-view.ts";
import { leaderHint } from "../../src/cluster/leader-hint.ts";
import { AssignedPartition } from "../../src/fetch/assigned-partition.ts";
import { Assignment } from "../../src/fetch/assignment.ts";
import { DEFAULT_FETCH_OPTIONS } from "../../src/fetch/fetch-options.ts";
import { Outbox } from "../../src/fetch/outbox.ts";
import { PositionPolicy } from "../../src/fetch/position-policy.ts";
import { QueueBudget } from "../../src/fetch/queue-budget.ts";
import type { OffsetReset } from "../../src/offsets/offset-reset.ts";
import { SharedPartition } from "../../src/share/shared-partition.ts";
import { tools } from "./model-log.ts";

const MOMENT = { now: 1000, wall: 0, chance: 0.5 } as never;
const ID = uuidFromBytes(new Uint8Array(16).fill(9));
const VIEW = { version: 1, topic: () => undefined, topicOf: () => undefined, broker: () => undefined };

/** A partition at offset 20 with its policy, and what the application is told. */
function stage(reset: OffsetReset) {
  const assignment = new Assignment();
  const [partition] = assignment.replace([{ topic: "t", partition: 3 }]);
  const outbox = new Outbox(VIEW, 100);
  const policy = new PositionPolicy({ ...DEFAULT_FETCH_OPTIONS, tools, reset }, assignment, outbox);
  partition.seek(20, 4);
  return { partition, policy, moved: () => outbox.take(), told: () => assignment.take() };
}

describe("a partition without a position", () => {
  test("begins where the policy says, or tells that there is no offset", () => {
    const { partition, policy, told } = stage("earliest");
    policy.missing(partition, MOMENT);
    expect([partition.state, partition.target, partition.position, told()]).toEqual([
      ...["AWAIT_RESET", "earliest", -1, undefined],
    ]);
    const none = stage("none");
    none.policy.missing(none.partition, MOMENT);
    expect(none.told()).toMatchObject({
      ...{ name: "NO_OFFSET", message: "no offset is committed for t-3, and auto.offset.reset is none" },
    });
    expect(none.partition.retryAt, "it is asked again later").toBe(1100);
  });
});

describe("a position that the log does not have", () => {
  test("is given up for that of the policy, and the application learns what it has lost", () => {
    const { partition, policy, moved } = stage({ byDurationMs: 5 });
    policy.outOfRange(partition, MOMENT);
    expect([partition.state, partition.target]).toEqual(["AWAIT_RESET", { byDurationMs: 5 }]);
    expect(moved()).toEqual([
      { type: "moved", topic: "t", partition: 3, from: 20, to: undefined, loss: "OUT_OF_RANGE" },
    ]);
  });

  test("is told without a policy, and kept", () => {
    const { partition, policy, told, moved } = stage("none");
    policy.outOfRange(partition, MOMENT);
    expect(told()).toMatchObject({
      ...{ name: "OFFSET_OUT_OF_RANGE", code: Errors.OFFSET_OUT_OF_RANGE.code },
      message: "t-3 has no offset 20, and auto.offset.reset is none",
    });
    expect([partition.position, moved()]).toEqual([20, []]);
  });

  test("is not given up while records before it wait", () => {
    const { partition, policy, moved } = stage("earliest");
    partition.fetchOffset = 25;
    policy.outOfRange(partition, MOMENT);
    expect([partition.position, partition.retryAt, moved()]).toEqual([20, 1100, []]);
  });
});

describe("a log that was truncated", () => {
  const END = { epoch: 3, endOffset: 12 };

  test("is read on where it left what was read", () => {
    const { partition, policy, moved } = stage("latest");
    policy.truncated(partition, END, MOMENT);
    expect([partition.position, partition.positionEpoch, partition.state]).toEqual([12, 3, "FETCHING"]);
    expect(moved()).toMatchObject([{ from: 20, to: 12, loss: "TRUNCATED" }]);
  });

  test("is read as the policy says if that is not known", () => {
    const { partition, policy, moved } = stage("latest");
    policy.truncated(partition, undefined, MOMENT);
    expect([partition.state, partition.target]).toEqual(["AWAIT_RESET", "latest"]);
    expect(moved()).toMatchObject([{ from: 20, to: undefined, loss: "TRUNCATED" }]);
  });

  test.each([
    [END, "the log of t-3 was truncated below offset 20, from offset 12 on"],
    [undefined, "the log of t-3 was truncated below offset 20"],
  ])("is told without a policy", (end, message) => {
    const { partition, policy, told } = stage("none");
    policy.truncated(partition, end, MOMENT);
    expect(told()).toMatchObject({ name: "LOG_TRUNCATED", message });
    expect(partition.position).toBe(20);
  });
});

test("a topic that was created again is read from its beginning without a policy, and that is told", () => {
  const some = stage("latest");
  some.policy.recreated(some.partition);
  expect([some.partition.target, some.told()]).toEqual(["latest", undefined]);
  expect(some.moved()).toMatchObject([{ from: 20, to: undefined, loss: "RECREATED" }]);
  const none = stage("none");
  none.policy.recreated(none.partition);
  expect(none.partition.target).toBe("earliest");
  expect(none.told()).toMatchObject({ name: "LOG_TRUNCATED" });
});

describe("a partition and its leaders", () => {
  const leaders = fc.array(
    fc.record({
      leaderId: fc.integer({ min: -1, max: 2 }),
      leaderEpoch: fc.integer({ min: -1, max: 4 }),
      hasId: fc.constantFrom(true, true, false),
      isOther: fc.constantFrom(false, false, false, true),
    }),
    { maxLength: 12 },
  );

  test("follows the newest, is validated at each new one, and notices a topic that was created again", () => {
    fc.assert(
      fc.property(leaders, fc.boolean(), fc.constantFrom(-1, 4), (all, hasPosition, epoch) => {
        const partition = new AssignedPartition({ topic: "t", partition: 0 }, new QueueBudget());
        if (hasPosition) partition.seek(5, epoch);
        let known = { leaderId: -1, leaderEpoch: -1, topicId: ZERO_UUID };
        let generation = 0;
        for (const { leaderId, leaderEpoch, hasId, isOther } of all) {
          if (isOther) generation = 1 - generation;
          const topicId = hasId ? uuidFromBytes(new Uint8Array(16).fill(5 + generation)) : ZERO_UUID;
          const isRecreated = known.topicId !== ZERO_UUID && hasId && topicId !== known.topicId;
          const isBehind = !isRecreated && leaderEpoch >= 0 && leaderEpoch < known.leaderEpoch;
          const isNew =
            isRecreated || (!isBehind && (leaderId !== known.leaderId || leaderEpoch !== known.leaderEpoch));
          partition.preferredReplica = 7;
          partition.ticket = 9;
          expect(partition.follow({ leaderId, leaderEpoch, topicId })).toBe(isNew && isRecreated && hasPosition);
          if (!isBehind) known = { ...known, topicId: hasId ? topicId : known.topicId };
          if (isNew) known = { ...known, leaderId, leaderEpoch };
          expect([partition.leaderId, partition.leaderEpoch, partition.topicId]).toEqual([
            known.leaderId,
            known.leaderEpoch,
            known.topicId,
          ]);
          // Requests to the old leader, and to its replicas, are void.
          expect([partition.preferredReplica, partition.ticket]).toEqual(isNew ? [-1, 0] : [7, 9]);
          if (!hasPosition) expect(partition.state).toBe("INITIALIZING");
          else if (isNew)
            expect(partition.state).toBe(epoch >= 0 && leaderEpoch >= 0 ? "AWAIT_VALIDATION" : "FETCHING");
        }
      }),
      { numRuns: 300 },
    );
  });

  test("is valid up to where the leader's log has its epoch", () => {
    const validated = (end: { epoch: number; endOffset: number }): unknown => {
      const partition = new AssignedPartition({ topic: "t", partition: 0 }, new QueueBudget());
      partition.seek(5, 2);
      partition.follow({ leaderId: 1, leaderEpoch: 3, topicId: ID });
      return [partition.complete(end), partition.state];
    };
    expect(validated({ epoch: 2, endOffset: 5 })).toEqual(["valid", "FETCHING"]);
    expect(validated({ epoch: 2, endOffset: 4 })).toEqual(["truncated", "AWAIT_VALIDATION"]);
    expect(validated({ epoch: -1, endOffset: -1 })).toEqual(["truncated", "AWAIT_VALIDATION"]);
  });

  test("drops what was truncated before anybody has seen it, and is validated again", () => {
    const partition = new AssignedPartition({ topic: "t", partition: 0 }, new QueueBudget());
    partition.seek(5, 2);
    partition.follow({ leaderId: 1, leaderEpoch: 3, topicId: ID });
    partition.fetchOffset = 9;
    expect(partition.complete({ epoch: 2, endOffset: 8 })).toBe("unread");
    expect([partition.fetchOffset, partition.fetchEpoch, partition.state]).toEqual([5, 2, "AWAIT_VALIDATION"]);
  });

  test("is readable unless it is paused, taken away, or awaited", () => {
    const budget = new QueueBudget();
    const partition = new AssignedPartition({ topic: "t", partition: 0 }, budget);
    expect(partition.isReadable).toBe(false);
    partition.seek(5, -1);
    for (const flag of ["isPaused", "isAwaitingCallback", "isBeingRevoked"] as const) {
      budget.isDirty = false;
      partition[flag] = true;
      expect([partition[flag], partition.isReadable, budget.isDirty]).toEqual([true, false, true]);
      partition[flag] = false;
      expect(partition.isReadable).toBe(true);
    }
    partition.reset("latest");
    expect(partition.isReadable).toBe(false);
  });

  test("waits longer after each failure", () => {
    const backoff = new ExponentialBackoff({ initialMs: 100, maxMs: 1000, jitter: 0.2 });
    const partition = new AssignedPartition({ topic: "t", partition: 0 }, new QueueBudget());
    const waits = [0, 1, 2, 3, 4].map(() => {
      partition.backOff(MOMENT, backoff);
      return partition.retryAt - 1000;
    });
    expect(waits).toEqual([100, 200, 400, 800, 1000]);
  });
});

describe("a shared partition", () => {
  const cluster = (leaderId: number, brokers: readonly number[], id = ID) => ({
    ...{ version: 1, topicOf: () => undefined },
    topic: () => ({
      ...{ name: "t", id, isInternal: false },
      partitions: [{ index: 0, leaderId, leaderEpoch: 0, replicas: [], inSync: [], offline: [] }],
    }),
    broker: (broker: number) => (brokers.includes(broker) ? { id: broker, host: "h", port: 1, rack: null } : undefined),
  });

  test("has a leader once it is known where that is, and forgets its failures at another", () => {
    const partition = new SharedPartition({ topic: "t", partition: 0 });
    const backoff = new ExponentialBackoff({ initialMs: 100, maxMs: 1000, jitter: 0.2 });
    partition.learn(VIEW);
    expect(partition.isLed).toBe(false);
    partition.learn(cluster(1, []));
    expect([partition.isLed, partition.leaderId]).toEqual([false, -1]);
    partition.learn(cluster(1, [1], ZERO_UUID));
    expect(partition.isLed, "fetches name its topic by id").toBe(false);
    partition.learn(cluster(1, [1]));
    expect([partition.isLed, partition.key]).toEqual([true, "t/0"]);
    partition.backOff(MOMENT, backoff);
    partition.learn(cluster(1, [1]));
    expect([partition.retryAt, partition.failures]).toEqual([1100, 1]);
    partition.learn(cluster(2, [1, 2]));
    expect([partition.retryAt, partition.failures, partition.leaderId]).toEqual([-Infinity, 0, 2]);
    partition.learn(cluster(-1, [1, 2]));
    expect(partition.isLed).toBe(false);
  });
});

describe("partitions of answers", () => {
  test("name another leader with two errors only, and only if it is known", () => {
    const at = { topic: "t", partition: 1 };
    const leader = { leaderId: 2, leaderEpoch: 3 };
    const { NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH } = Errors;
    for (const { code } of [NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH]) {
      expect(leaderHint(at, code, leader)).toEqual({ ...at, ...leader });
      expect(leaderHint(at, code, { ...leader, leaderId: -1 })).toBeUndefined();
      expect(leaderHint(at, code, { ...leader, leaderEpoch: -1 })).toBeUndefined();
    }
    for (const code of [0, UNKNOWN_LEADER_EPOCH.code]) expect(leaderHint(at, code, leader)).toBeUndefined();
  });

  test("are grouped by topic in their order, and told apart by topic and number", () => {
    const all = ["b/0", "a/0", "b/1", "a/10"].map(key => ({ topic: key[0], partition: Number(key.slice(2)) }));
    expect([...byTopic(all)].map(([topic, own]) => [topic, own.map(({ partition }) => partition)])).toEqual([
      ["b", [0, 1]],
      ["a", [0, 10]],
    ]);
    expect(
      withoutPartitions(all, [
        { topic: "a", partition: 1 },
        { topic: "b", partition: 0 },
      ]),
    ).toEqual(all.slice(1));
  });
});
