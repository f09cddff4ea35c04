import { describe, expect, test } from "vitest";
import { Bench } from "./bench.ts";
import { type Answer, ask, type Beat } from "./consumer-requests.ts";
import { parseRecord } from "./records.ts";

function join(bench: Bench, memberId: string, topics: readonly string[] | RegExp, more: Beat = {}): Answer {
  const subscription: Beat =
    topics instanceof RegExp ? { subscribedTopicRegex: topics.source } : { subscribedTopicNames: [...topics] };
  return ask(bench, { memberId, rebalanceTimeoutMs: 10_000, topicPartitions: [], ...subscription, ...more });
}

const places = (answer: Answer) =>
  answer.assignment?.topicPartitions.flatMap(({ topicId, partitions }) => partitions.map(p => `${topicId}/${p}`)) ?? [];
const count = (answer: Answer): number => places(answer).length;

interface Described {
  readonly groupState: string;
  readonly groupEpoch: number;
  readonly assignmentEpoch: number;
  readonly members: { readonly memberId: string; readonly memberEpoch: number }[];
}
const shown = (bench: Bench) => bench.shard.consumerView("g") as unknown as Described;

describe("members of the consumer protocol", () => {
  test("the first gets all; the second gets its half when the first has given it up", () => {
    const bench = new Bench();
    const id = bench.topic("t", 4);
    const first = join(bench, "a", ["t"]);
    expect(first).toMatchObject({ errorCode: 0, memberId: "a", memberEpoch: 2, heartbeatIntervalMs: 5000 });
    expect(count(first)).toBe(4);
    expect(shown(bench)).toMatchObject({ groupState: "Stable", groupEpoch: 2, assignmentEpoch: 2 });
    bench.pass(2000);
    const second = join(bench, "b", ["t"]);
    expect(second).toMatchObject({ errorCode: 0, memberEpoch: 3 });
    expect(count(second)).toBe(0);
    expect(shown(bench).groupState).toBe("Reconciling");
    const told = ask(bench, { memberEpoch: 2 });
    // The member keeps its epoch until it has revoked its partitions.
    expect(told).toMatchObject({ errorCode: 0, memberEpoch: 2 });
    expect(count(told)).toBe(2);
    const kept = told.assignment?.topicPartitions[0].partitions ?? [];
    expect(ask(bench, { memberId: "b", memberEpoch: 3 }).assignment).toBeNull();
    const done = ask(bench, { memberEpoch: 2, topicPartitions: [{ topicId: id, partitions: kept }] });
    expect(done).toMatchObject({ errorCode: 0, memberEpoch: 3 });
    expect(count(ask(bench, { memberId: "b", memberEpoch: 3 }))).toBe(2);
    expect(shown(bench).groupState).toBe("Stable");
  });

  test.each([20_000, 40_000])("a pattern is matched again after %i ms, though no topic is new", refreshMs => {
    const bench = new Bench();
    bench.regexRefreshMs = refreshMs;
    bench.reload();
    bench.topic("t", 1);
    const matched = (): number =>
      bench.log.filter(({ key, value }) => {
        const read = parseRecord({ key, value });
        return read.type === "consumer" && read.record.type === "regex";
      }).length;
    let { memberEpoch } = join(bench, "a", /t.*/);
    bench.pass(1);
    const after = (ms: number): number => {
      bench.pass(ms);
      const answer = ask(bench, { memberId: "a", memberEpoch });
      memberEpoch = answer.memberEpoch;
      bench.pass(1);
      return matched();
    };
    expect([after(11_000), after(refreshMs - 11_002), after(2000), after(11_000)]).toEqual([1, 1, 2, 2]);
  });

  test("the record of one that names topics has an empty pattern, as Kafka's", () => {
    const bench = new Bench();
    bench.topic("t", 1);
    join(bench, "a", ["t"]);
    join(bench, "b", /t.*/);
    const written = bench.log.flatMap(({ key, value }) => {
      const replayed = parseRecord({ key, value });
      if (replayed.type !== "consumer" || replayed.record.type !== "member" || replayed.record.value === null)
        return [];
      const { subscribedTopicNames, subscribedTopicRegex } = replayed.record.value;
      return [[replayed.record.key.memberId, subscribedTopicNames, subscribedTopicRegex]];
    });
    expect(written).toEqual([
      ["a", ["t"], ""],
      ["b", [], "t.*"],
    ]);
  });

  test("what they say is checked", () => {
    const bench = new Bench();
    bench.topic("t", 1);
    const codes = (...drafts: Beat[]) => drafts.map(draft => ask(bench, draft).errorCode);
    const joining: Beat = { rebalanceTimeoutMs: 1, subscribedTopicNames: ["t"], topicPartitions: [] };
    expect(
      codes({}, { ...joining, memberId: "" }, { ...joining, instanceId: "" }, { ...joining, rackId: " " }),
    ).toEqual([42, 42, 42, 42]);
    expect(codes({ memberEpoch: -3 }, { memberEpoch: -2 }, { ...joining, topicPartitions: null })).toEqual([
      42, 42, 42,
    ]);
    expect(codes({ ...joining, serverAssignor: "best" })).toEqual([112]);
    expect(codes({ memberEpoch: 2 }, { memberEpoch: -1 })).toEqual([69, 69]);
    join(bench, "a", ["t"]);
    expect(codes({ memberId: "b", memberEpoch: 2 }, { memberId: "b", memberEpoch: -1 })).toEqual([25, 25]);
    expect(codes({ memberEpoch: 3 })).toEqual([110]);
    // In version 0, the broker generates member ids.
    const made = ask(bench, { ...joining, memberId: "" }, 0);
    expect(made).toMatchObject({ errorCode: 0, memberId: "id1" });
  });

  test("one that missed an answer may come with its last epoch, unless it has what it should not", () => {
    const bench = new Bench();
    const id = bench.topic("t", 2);
    join(bench, "a", ["t"]);
    bench.topic("t", 3);
    bench.pass(5000);
    expect(ask(bench, { memberEpoch: 2 })).toMatchObject({ memberEpoch: 3 });
    const again = { memberEpoch: 2, topicPartitions: [{ topicId: id, partitions: [0, 1] }] };
    expect(ask(bench, again)).toMatchObject({ errorCode: 0, memberEpoch: 3 });
    expect(ask(bench, { memberEpoch: 2, topicPartitions: [{ topicId: id, partitions: [9] }] }).errorCode).toBe(110);
    expect(ask(bench, { memberEpoch: 2 }).errorCode).toBe(110);
  });

  test("sessions and rebalances end", () => {
    const bench = new Bench();
    bench.topic("t", 4);
    join(bench, "a", ["t"]);
    bench.pass(40_000);
    expect(ask(bench, { memberEpoch: 2 }).errorCode).toBe(0);
    bench.pass(40_000);
    join(bench, "b", ["t"]);
    ask(bench, { memberEpoch: 2 });
    // The member does not revoke its partitions in time.
    bench.pass(10_001);
    expect(ask(bench, { memberEpoch: 2 }).errorCode).toBe(25);
    expect(count(ask(bench, { memberId: "b", memberEpoch: 3 }))).toBe(4);
    bench.pass(45_001);
    expect(shown(bench)).toMatchObject({ groupState: "Empty", groupEpoch: 5, assignmentEpoch: 5, members: [] });
  });

  test("static members keep their place while they are away, and under another id", () => {
    const bench = new Bench();
    bench.topic("t", 4);
    const first = join(bench, "a", ["t"], { instanceId: "i" });
    expect(join(bench, "b", ["t"], { instanceId: "i" }).errorCode).toBe(111);
    expect(ask(bench, { memberId: "b", instanceId: "i", memberEpoch: 2 }).errorCode).toBe(82);
    expect(ask(bench, { memberId: "b", instanceId: "j", memberEpoch: 2 }).errorCode).toBe(25);
    expect(ask(bench, { instanceId: "i", memberEpoch: -2 })).toMatchObject({ errorCode: 0, memberEpoch: -2 });
    const back = join(bench, "b", ["t"], { instanceId: "i" });
    expect(back).toMatchObject({ errorCode: 0, memberEpoch: 2 });
    expect(places(back)).toEqual(places(first));
    expect(shown(bench)).toMatchObject({ groupEpoch: 2, members: [{ memberId: "b" }] });
    bench.reload();
    expect(ask(bench, { memberId: "b", instanceId: "i", memberEpoch: 2 }).errorCode).toBe(0);
  });

  test("topics that come, grow or go move the epoch on", () => {
    const bench = new Bench();
    bench.topic("t", 1);
    join(bench, "a", ["t", "u"]);
    bench.topic("other", 1);
    expect(ask(bench, { memberEpoch: 2 })).toMatchObject({ memberEpoch: 2, assignment: null });
    bench.topic("u", 2);
    bench.pass(1000);
    expect(count(ask(bench, { memberEpoch: 2 }))).toBe(3);
    bench.topic("t", 0);
    bench.pass(1000);
    const told = ask(bench, { memberEpoch: 3 });
    expect(count(told)).toBe(2);
    expect(shown(bench).groupEpoch).toBe(4);
  });

  test("assignments are made no more often than the interval says", () => {
    const bench = new Bench();
    bench.topic("t", 2);
    join(bench, "a", ["t"]);
    expect(join(bench, "b", ["t"])).toMatchObject({ memberEpoch: 2 });
    expect(shown(bench)).toMatchObject({ groupState: "Assigning", groupEpoch: 3, assignmentEpoch: 2 });
    bench.pass(1000);
    expect(ask(bench, { memberId: "b", memberEpoch: 2 })).toMatchObject({ memberEpoch: 3 });
  });

  test("patterns are matched, and matched again when topics come", () => {
    const bench = new Bench();
    bench.topic("foo-1", 1);
    bench.topic("bar", 1);
    expect(count(join(bench, "a", /foo-\d+/))).toBe(0);
    bench.pass(5000);
    expect(count(ask(bench, { memberEpoch: 1 }))).toBe(1);
    bench.topic("foo-2", 2);
    expect(ask(bench, { memberEpoch: 2 }).assignment).toBeNull();
    bench.pass(15_000);
    ask(bench, { memberEpoch: 2 });
    bench.pass(1000);
    expect(count(ask(bench, { memberEpoch: 2 }))).toBe(3);
    bench.reload();
    expect(ask(bench, { memberEpoch: 3 })).toMatchObject({ errorCode: 0, memberEpoch: 3 });
    const fault = join(bench, "b", /x/, { subscribedTopicRegex: "(a" });
    expect(fault.errorCode).toBe(128);
    expect(fault.errorMessage).toBe("SubscribedTopicRegex `(a` is not a valid regular expression: missing closing ).");
    expect(count(ask(bench, { memberEpoch: 3, subscribedTopicRegex: "", subscribedTopicNames: ["bar"] }))).toBe(0);
  });

  test("an empty classic group makes room, and keeps its offsets", () => {
    const bench = new Bench();
    const topicId = bench.topic("t", 1);
    const partitions = [{ partitionIndex: 0, committedOffset: 7, committedLeaderEpoch: 0, committedMetadata: "" }];
    const commit = (memberId: string, epoch: number, version = 9): number => {
      const body = {
        groupId: "g",
        memberId,
        generationIdOrMemberEpoch: epoch,
        groupInstanceId: null,
        retentionTimeMs: -1,
        topics: [{ name: "t", topicId, partitions }],
      };
      const answer = bench.ask({ type: "commit", version, body }) as unknown as {
        topics: { partitions: { errorCode: number }[] }[];
      };
      return answer.topics[0].partitions[0].errorCode;
    };
    expect(commit("", -1)).toBe(0);
    expect(bench.shard.list()).toMatchObject([{ groupType: "classic" }]);
    join(bench, "a", ["t"]);
    expect(bench.shard.list()).toEqual([
      { groupId: "g", protocolType: "consumer", groupState: "Stable", groupType: "consumer" },
    ]);
    expect(bench.shard.committed.fetch("g", null, false)).toMatchObject([{ partitions: [{ committedOffset: 7 }] }]);
    expect([commit("a", 2), commit("a", 3), commit("a", 1), commit("x", 2), commit("", -1)]).toEqual([
      0, 113, 113, 25, 25,
    ]);
    expect(commit("a", 2, 8)).toBe(35);
    bench.topic("u", 1);
    bench.pass(1000);
    ask(bench, { memberEpoch: 2, subscribedTopicNames: ["t", "u"] });
    // An older epoch suffices for partitions that were assigned by then.
    expect([commit("a", 2), commit("a", 3)]).toEqual([0, 0]);
    const fetchFault = (memberEpoch: number): number =>
      bench.shard.committed.fetchFault("g", memberEpoch < 0 ? null : "a", { memberEpoch, stable: false });
    expect([-1, 2, 3].map(fetchFault)).toEqual([0, 113, 0]);
    ask(bench, { memberEpoch: -1 });
    bench.reload();
    expect(bench.shard.committed.fetch("g", null, false)).toMatchObject([{ partitions: [{ committedOffset: 7 }] }]);
    let code = -1;
    const out: never[] = [];
    bench.shard.delete(bench.now, "g", out, error => (code = error));
    bench.settle(out);
    expect(code).toBe(0);
    expect(bench.shard.list()).toEqual([]);
    bench.reload();
    expect(bench.shard.list()).toEqual([]);
  });
});
