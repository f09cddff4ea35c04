import { describe, expect, test } from "vitest";
import { Bench, config, LATE } from "./bench.ts";
import { type Answer, ask, type Beat } from "./consumer-requests.ts";

const JOIN: Beat = { rebalanceTimeoutMs: 10_000, subscribedTopicNames: ["t"], topicPartitions: [] };
const [INVALID, FENCED, UNKNOWN, UNRELEASED, FENCED_INSTANCE, FULL] = [42, 110, 25, 111, 82, 81];

const said = ({ errorCode, errorMessage }: Answer): unknown => [errorCode, errorMessage];

/** A group with the members "a" and "b", and static member "s" as "i". */
function grouped(): Bench {
  const bench = new Bench();
  bench.topic("t", 6);
  for (const memberId of ["a", "b"]) ask(bench, { ...JOIN, memberId });
  ask(bench, { ...JOIN, memberId: "s", instanceId: "i" });
  return bench;
}

describe("a heartbeat that makes no sense", () => {
  // Messages are those of GroupCoordinatorService and GroupMetadataManager.
  test.each<[string, Beat, number, string]>([
    ["no member id", { ...JOIN, memberId: " " }, 1, "MemberId can't be empty."],
    ["no member id, later", { memberId: "", memberEpoch: 3 }, 0, "MemberId can't be empty."],
    ["no member id, at the end", { memberId: "", memberEpoch: -1 }, 0, "MemberId can't be empty."],
    ["no group id", { ...JOIN, groupId: "" }, 1, "GroupId can't be empty."],
    ["an empty instance id", { ...JOIN, instanceId: "" }, 1, "InstanceId can't be empty."],
    ["an empty rack", { ...JOIN, rackId: " " }, 1, "RackId can't be empty."],
    ["no timeout", { ...JOIN, rebalanceTimeoutMs: -1 }, 1, "RebalanceTimeoutMs must be provided in first request."],
    ["no partitions", { ...JOIN, topicPartitions: null }, 1, "TopicPartitions must be empty when (re-)joining."],
    [
      "partitions at the start",
      { ...JOIN, topicPartitions: [{ topicId: "AAAAAAAAAAAAAAAAAAAAZA" as never, partitions: [0] }] },
      1,
      "TopicPartitions must be empty when (re-)joining.",
    ],
    [
      "no subscription",
      { ...JOIN, subscribedTopicNames: null },
      1,
      "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
    ],
    ["a temporary leave without an instance", { memberEpoch: -2 }, 1, "InstanceId can't be null."],
    ["an epoch below all", { memberEpoch: -3 }, 1, "MemberEpoch is invalid."],
  ])("has %s", (_what, draft, version, message) => {
    expect(said(ask(new Bench(), draft, version))).toEqual([INVALID, message]);
  });

  test("names an assignor that there is not", () => {
    expect(said(ask(new Bench(), { ...JOIN, serverAssignor: "best" }))).toEqual([
      112,
      "ServerAssignor best is not supported. Supported assignors: uniform, range.",
    ]);
    expect(ask(new Bench(), { ...JOIN, serverAssignor: "range" }).errorCode).toBe(0);
  });

  test("is of nobody in the group", () => {
    const bench = grouped();
    expect(said(ask(bench, { memberId: "x", memberEpoch: 2 }))).toEqual([
      UNKNOWN,
      "Member x is not a member of group g.",
    ]);
    expect(said(ask(bench, { memberId: "x", memberEpoch: -1 }))).toEqual([
      UNKNOWN,
      "Member x is not a member of group g.",
    ]);
    for (const memberEpoch of [1, -1, -2]) {
      expect(said(ask(bench, { memberId: "x", instanceId: "j", memberEpoch }))).toEqual([
        UNKNOWN,
        "Instance id j is unknown.",
      ]);
    }
  });

  test("has another epoch than the member", () => {
    const bench = grouped();
    const { memberEpoch } = ask(bench, { ...JOIN, memberId: "b" });
    const text = (which: string, epoch: number): string =>
      `The consumer group member has a ${which} member epoch (${epoch}) than the one known by the group coordinator ` +
      `(${memberEpoch}). The member must abandon all its partitions and rejoin.`;
    const later = ask(bench, { memberId: "b", memberEpoch: memberEpoch + 1 });
    expect(said(later)).toEqual([FENCED, text("greater", memberEpoch + 1)]);
    const earlier = ask(bench, { memberId: "b", memberEpoch: memberEpoch - 1 });
    expect(said(earlier)).toEqual([FENCED, text("smaller", memberEpoch - 1)]);
    expect(ask(bench, { memberId: "b", memberEpoch }).errorCode, "it is still a member").toBe(0);
    // An answer may be lost, not two of them.
    const grown = (known: number, partitions: number): number => {
      bench.topic("t", partitions);
      bench.pass(2000);
      return ask(bench, { memberId: "b", memberEpoch: known }).memberEpoch;
    };
    const first = grown(memberEpoch, 7);
    const second = grown(first, 8);
    const third = grown(second, 9);
    expect(new Set([memberEpoch, first, second, third]).size).toBe(4);
    const last: Beat = { memberId: "b", topicPartitions: [] };
    expect(ask(bench, { ...last, memberEpoch: first }).errorCode).toBe(FENCED);
    expect(ask(bench, { ...last, memberEpoch: second }).errorCode).toBe(0);
  });
});

describe("static members", () => {
  test("keep their instance from others until they have left for a while", () => {
    const bench = grouped();
    expect(said(ask(bench, { ...JOIN, memberId: "n", instanceId: "i" }))).toEqual([
      UNRELEASED,
      "Static member n with instance id i cannot join the group because the instance id is owned by s member.",
    ]);
    expect(ask(bench, { memberId: "s", instanceId: "i", memberEpoch: -2 })).toMatchObject({
      ...{ errorCode: 0, memberId: "s", memberEpoch: -2 },
    });
    expect(ask(bench, { ...JOIN, memberId: "n", instanceId: "i" })).toMatchObject({ errorCode: 0, memberId: "n" });
    const fenced = [FENCED_INSTANCE, "Static member s with instance id i was fenced by member n."];
    for (const memberEpoch of [1, -1, -2]) {
      expect(said(ask(bench, { memberId: "s", instanceId: "i", memberEpoch }))).toEqual(fenced);
    }
  });

  test("leave for good with the last of their epochs", () => {
    const bench = grouped();
    expect(ask(bench, { memberId: "s", instanceId: "i", memberEpoch: -1 }).errorCode).toBe(0);
    expect(ask(bench, { ...JOIN, memberId: "n", instanceId: "i" }).errorCode).toBe(0);
    expect(ask(bench, { memberId: "a", memberEpoch: -1 }).errorCode).toBe(0);
    expect(ask(bench, { memberId: "a", memberEpoch: -1 }).errorCode).toBe(UNKNOWN);
  });
});

describe("a full group", () => {
  test("takes nobody but those that it has, and static members that come back", () => {
    const bench = new Bench();
    bench.topic("t", 1);
    for (let i = 0; i < config.consumer.maxSize - 1; i++) ask(bench, { ...JOIN, memberId: `m${i}` });
    ask(bench, { ...JOIN, memberId: "s", instanceId: "i" });
    expect(said(ask(bench, { ...JOIN, memberId: "n" }))).toEqual([
      FULL,
      "The consumer group has reached its maximum capacity of 100 members.",
    ]);
    expect(ask(bench, { ...JOIN, memberId: "n", instanceId: "j" }).errorCode).toBe(FULL);
    expect(ask(bench, { ...JOIN, memberId: "m1" }).errorCode).toBe(0);
    expect(ask(bench, { memberId: "s", instanceId: "i", memberEpoch: -2 }).errorCode).toBe(0);
    expect(ask(bench, { ...JOIN, memberId: "n", instanceId: "i" }).errorCode).toBe(0);
    expect(ask(bench, { memberId: "m2", memberEpoch: -1 }).errorCode).toBe(0);
    expect(ask(bench, { ...JOIN, memberId: "k" }).errorCode).toBe(0);
  });
});

describe("an answer", () => {
  const whole = (bench: Bench, memberEpoch: number, more: Beat): Answer =>
    ask(bench, { memberEpoch, rebalanceTimeoutMs: 10_000, subscribedTopicNames: ["t"], ...more });

  test("has the assignment if it is new, or if the request tells everything", () => {
    const bench = new Bench();
    const topicId = bench.topic("t", 2);
    const { memberEpoch, assignment } = ask(bench, JOIN);
    const all = { topicPartitions: [{ topicId, partitions: [0, 1] }] };
    expect(assignment).toEqual(all);
    expect(ask(bench, { memberEpoch }).assignment, "nothing is new").toBeNull();
    expect(ask(bench, { memberEpoch, ...all }).assignment).toBeNull();
    expect(whole(bench, memberEpoch, {}).assignment, "without the partitions").toBeNull();
    expect(whole(bench, memberEpoch, { ...all, rebalanceTimeoutMs: -1 }).assignment).toBeNull();
    expect(whole(bench, memberEpoch, { ...all, subscribedTopicNames: null }).assignment).toBeNull();
    expect(whole(bench, memberEpoch, all).assignment).toEqual(all);
  });

  test("waits for the record, and tells that it could not be written", () => {
    const bench = new Bench();
    bench.topic("t", 2);
    bench.failing = 15;
    expect(ask(bench, JOIN)).toMatchObject({ errorCode: 15, errorMessage: null });
    bench.failing = 0;
    expect(ask(bench, { memberEpoch: 1 }).errorCode, "there is no group").toBe(69);
    bench.failing = LATE;
    expect(ask(bench, JOIN), "not committed in time, but in the log").toMatchObject({ errorCode: 15 });
    bench.failing = 0;
    expect(ask(bench, JOIN).errorCode).toBe(0);
    bench.failing = 15;
    expect(ask(bench, { memberEpoch: -1 })).toMatchObject({ errorCode: 15, errorMessage: null });
    bench.failing = 0;
    expect(ask(bench, { memberEpoch: -1 })).toMatchObject({ errorCode: 0, memberEpoch: -1 });
  });
});

describe("a session", () => {
  test("that cannot be ended in the log is ended later, with a warning each time", () => {
    const bench = grouped();
    bench.failing = 15;
    bench.pass(45_000);
    const before = bench.warnings.filter(text => text.startsWith("Failed to write the removal of member")).length;
    expect(before).toBeGreaterThan(0);
    bench.pass(500);
    expect(bench.warnings.length).toBeGreaterThan(before);
    bench.failing = 0;
    bench.pass(500);
    for (const memberId of ["a", "b"]) expect(ask(bench, { memberId, memberEpoch: 5 }).errorCode).toBe(UNKNOWN);
  });

  test("goes on with each heartbeat, and does not outlive a member that leaves", () => {
    const bench = new Bench();
    bench.topic("t", 2);
    let { memberEpoch } = ask(bench, { ...JOIN, memberId: "a" });
    for (let i = 0; i < 5; i++) {
      bench.pass(44_999);
      const beat = ask(bench, { memberId: "a", memberEpoch });
      expect(beat.errorCode).toBe(0);
      ({ memberEpoch } = beat);
    }
    ask(bench, { memberId: "a", memberEpoch: -1 });
    const { length } = bench.log;
    bench.pass(200_000);
    expect(bench.log.length, "nobody is put out any more").toBe(length);
  });
});
