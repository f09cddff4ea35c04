import type { ConsumerGroupHeartbeatRequest } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { consumerMember, type ConsumerMemberSettings, type HeartbeatMember, KafkaError } from "../src/index.ts";
import { shareMember } from "../src/group/heartbeat-member.ts";
import { idOf, Script, Topics } from "./script.ts";

const SETTINGS: ConsumerMemberSettings = {
  groupId: "g",
  instanceId: null,
  rack: "r",
  rebalanceTimeoutMs: 30_000,
  commitsBeforeRevoke: true,
  progressTimeoutMs: undefined,
  backoff: { initialMs: 100, maxMs: 1000, jitter: 0 },
  serverAssignor: "uniform",
};
const LOST = new KafkaError("DISCONNECTED", "lost");

type Ours = Script<HeartbeatMember>;

function script(settings: Partial<ConsumerMemberSettings> = {}, topics = new Topics({ t: 4, u: 2 })): Ours {
  return new Script(consumerMember("me", { ...SETTINGS, ...settings }, topics));
}

const places = (...keys: string[]) =>
  keys.map(key => ({ topic: key.slice(0, key.indexOf("/")), partition: Number(key.slice(key.indexOf("/") + 1)) }));
const given = (topics: Readonly<Record<string, number[]>>) => ({
  topicPartitions: Object.entries(topics).map(([name, partitions]) => ({ topicId: idOf(name), partitions })),
});
const ok = (memberEpoch: number, topics?: Readonly<Record<string, number[]>>) => ({
  ...{ memberId: "me", memberEpoch, heartbeatIntervalMs: 3000 },
  assignment: topics === undefined ? null : given(topics),
});

function beat(ours: Ours) {
  return ours.call("ConsumerGroupHeartbeat");
}

function laterBeat(ours: Ours) {
  ours.pass(3000);
  return beat(ours);
}

/** A member that has acknowledged its partitions of t. */
function settled(settings: Partial<ConsumerMemberSettings> = {}): Ours {
  const ours = script(settings).subscribe({ topics: ["t"] });
  ours.answer(beat(ours), ok(5, { t: [1, 0] }));
  ours.settle(ours.next("assign"));
  ours.answer(beat(ours), ok(5));
  return ours;
}

const silent = {
  rackId: null,
  rebalanceTimeoutMs: -1,
  subscribedTopicNames: null,
  subscribedTopicRegex: null,
  serverAssignor: null,
  topicPartitions: null,
};

describe("heartbeats", () => {
  test("tell everything to join, then only what has changed", () => {
    const ours = script({ instanceId: "i" }).subscribe({ topics: ["u", "t", "t"] });
    const join = beat(ours);
    const first: ConsumerGroupHeartbeatRequest = {
      ...{ groupId: "g", memberId: "me", memberEpoch: 0, instanceId: "i", rackId: "r", rebalanceTimeoutMs: 30_000 },
      ...{
        subscribedTopicNames: ["t", "u"],
        subscribedTopicRegex: null,
        serverAssignor: "uniform",
        topicPartitions: [],
      },
    };
    expect(join.call.request).toEqual(first);
    ours.answer(join, ok(5, { t: [1, 0] }));
    expect(ours.next("identity").identity).toEqual({ memberId: "me", epoch: 5, instanceId: "i", isRebalancing: false });
    ours.settle(ours.next("assign"));
    const common = { groupId: "g", memberId: "me", memberEpoch: 5, instanceId: "i" };
    const acknowledgement = beat(ours);
    const { topicPartitions } = given({ t: [0, 1] });
    expect(acknowledgement.call.request).toEqual({ ...common, ...silent, topicPartitions });
    expect(ours.member.state).toBe("STABLE");
    ours.answer(acknowledgement, ok(5));
    expect(ours.pass(2900).types()).toEqual([]);
    const third = laterBeat(ours);
    expect(third.call.request).toEqual({ ...common, ...silent });
    ours.answer(third, ok(6)).subscribe({ topics: ["t"] });
    expect(beat(ours).call.request).toEqual({ ...common, ...silent, memberEpoch: 6, subscribedTopicNames: ["t"] });
  });

  test("tell everything again after a failure", () => {
    const ours = settled();
    ours.fail(laterBeat(ours), LOST);
    expect(ours.effects.splice(0)).toEqual([{ type: "forgetCoordinator" }]);
    const { request } = ours.pass(100).call("ConsumerGroupHeartbeat").call;
    expect(request).toMatchObject({
      memberEpoch: 5,
      rackId: null,
      subscribedTopicNames: ["t"],
      serverAssignor: "uniform",
    });
    expect(request.topicPartitions).toEqual(given({ t: [0, 1] }).topicPartitions);
  });

  test("pause longer with each failure", () => {
    const ours = settled();
    let call = laterBeat(ours);
    for (const pause of [100, 200, 400, 800, 1000]) {
      ours.refuse(call, "COORDINATOR_LOAD_IN_PROGRESS");
      expect(ours.member.nextDeadline() - ours.now).toBe(pause);
      call = ours.pass(pause).call("ConsumerGroupHeartbeat");
    }
  });

  test("carry a pattern, and take it back", () => {
    const ours = script().subscribe({ topics: [], regex: "t.*" });
    const join = beat(ours);
    expect(join.call.request).toMatchObject({ subscribedTopicNames: [], subscribedTopicRegex: "t.*" });
    ours.answer(join, ok(1));
    ours.subscribe({ topics: ["t"] });
    const change = beat(ours);
    expect(change.call.request).toMatchObject({ subscribedTopicNames: ["t"], subscribedTopicRegex: "" });
    ours.fail(change, LOST);
    expect(ours.pass(100).call("ConsumerGroupHeartbeat").call.request.subscribedTopicRegex).toBe("");
  });

  test("ask at once if offsets were refused", () => {
    const ours = settled();
    ours.effects.splice(0);
    expect(ours.run(ours.member.suspected(ours.at)).types()).toEqual(["ConsumerGroupHeartbeat"]);
  });
});

describe("an assignment", () => {
  test("is exchanged step by step, and acknowledged", () => {
    const ours = settled();
    ours.answer(laterBeat(ours), ok(5, { t: [1], u: [0] }));
    const commit = ours.next("commit");
    expect(commit.partitions).toEqual(places("t/0"));
    const revoke = ours.settle(commit).next("revoke");
    expect(revoke.partitions).toEqual(places("t/0"));
    const assign = ours.settle(revoke).next("assign");
    expect([assign.added, assign.partitions]).toEqual([places("u/0"), places("t/1", "u/0")]);
    ours.settle(assign);
    expect(beat(ours).call.request.topicPartitions).toEqual(given({ t: [1], u: [0] }).topicPartitions);
  });

  test("that comes meanwhile is taken next, even if it is the old one", () => {
    const ours = settled({ commitsBeforeRevoke: false });
    ours.answer(laterBeat(ours), ok(5, { t: [1] }));
    const revoke = ours.next("revoke");
    ours.answer(laterBeat(ours), ok(5, { t: [0, 1] }));
    const assign = ours.settle(revoke).next("assign");
    expect(assign.added).toEqual(places("t/0"));
    ours.settle(assign);
    expect(beat(ours).call.request.topicPartitions).toEqual(given({ t: [0, 1] }).topicPartitions);
    expect(ours.member.state).toBe("STABLE");
  });

  test("of an unknown topic waits for the metadata; the rest is taken", () => {
    const topics = new Topics({ t: 4 });
    const ours = script({}, topics).subscribe({ topics: ["t", "u"] });
    ours.answer(beat(ours), ok(5, { t: [0], u: [0] }));
    const assign = ours.next("assign");
    expect(assign.added).toEqual(places("t/0"));
    const acknowledgement = beat(ours.settle(assign));
    expect(acknowledgement.call.request.topicPartitions).toEqual(given({ t: [0] }).topicPartitions);
    const refresh = ours.next("refresh");
    expect(refresh.ids).toEqual([idOf("u")]);
    ours.settle(refresh);
    const again = ours.pass(400).next("refresh");
    expect(again.ids).toEqual([idOf("u")]);
    topics.counts.set("u", 1);
    // The coordinator may take what the acknowledgement leaves out for given up, until it answers.
    expect(ours.settle(again).has("assign")).toBe(false);
    expect(ours.answer(acknowledgement, ok(5)).next("assign").added).toEqual(places("u/0"));
  });

  test("that is being taken is on every list", () => {
    const ours = settled({ commitsBeforeRevoke: false });
    ours.answer(laterBeat(ours), ok(5, { t: [1], u: [0] }));
    const revoke = ours.next("revoke");
    const lists = (partitions: Readonly<Record<string, number[]>>) => {
      ours.fail(laterBeat(ours), LOST);
      const { request } = ours.pass(2000).call("ConsumerGroupHeartbeat").call;
      expect(request.topicPartitions).toEqual(given(partitions).topicPartitions);
    };
    lists({ t: [0, 1] });
    ours.settle(revoke);
    // The list is not answered: the coordinator may give u/0 away.
    expect(ours.has("assign")).toBe(false);
  });

  test("that is being taken is listed after a failure, before the listener has returned", () => {
    const ours = settled({ commitsBeforeRevoke: false });
    ours.answer(laterBeat(ours), ok(5, { t: [0, 1], u: [0] }));
    ours.next("assign");
    ours.fail(laterBeat(ours), LOST);
    const { request } = ours.pass(100).call("ConsumerGroupHeartbeat").call;
    expect(request.topicPartitions).toEqual(given({ t: [0, 1], u: [0] }).topicPartitions);
  });

  test("that takes a topic away works without its metadata", () => {
    const topics = new Topics({ t: 4 });
    const ours = script({ commitsBeforeRevoke: false }, topics).subscribe({ topics: ["t"] });
    ours.answer(beat(ours), ok(5, { t: [0, 1] }));
    ours.settle(ours.next("assign"));
    ours.answer(beat(ours), ok(5));
    topics.counts.delete("t");
    ours.answer(laterBeat(ours), ok(5, { t: [1] }));
    expect(ours.next("revoke").partitions).toEqual(places("t/0"));
  });
});

describe("a fault", () => {
  test.each(["FENCED_MEMBER_EPOCH", "UNKNOWN_MEMBER_ID", "GROUP_ID_NOT_FOUND"] as const)(
    "%s loses the partitions, then joins",
    name => {
      const ours = settled();
      ours.refuse(laterBeat(ours), name);
      expect(ours.next("identity").identity).toBeNull();
      const lost = ours.next("lost");
      expect([lost.partitions, [...ours.member.owned]]).toEqual([places("t/0", "t/1"), []]);
      expect(ours.pass(5000).types()).toEqual([]);
      expect(beat(ours.settle(lost)).call.request).toMatchObject({
        memberEpoch: 0,
        memberId: "me",
        topicPartitions: [],
      });
    },
  );

  test.each([
    ...(["GROUP_AUTHORIZATION_FAILED", "INVALID_REQUEST", "GROUP_MAX_SIZE_REACHED", "UNSUPPORTED_ASSIGNOR"] as const),
    ...(["INVALID_REGULAR_EXPRESSION", "GROUP_ID_NOT_FOUND", "UNRELEASED_INSTANCE_ID"] as const),
    ...(["FENCED_INSTANCE_ID", "UNSUPPORTED_VERSION"] as const),
  ])("%s ends the membership", name => {
    const ours = script().subscribe({ topics: ["t"] });
    ours.refuse(beat(ours), name, { errorMessage: "because" });
    const { error } = ours.next("fatal");
    expect(error).toMatchObject({ name, fatal: true });
    expect(error.message).toContain("because");
    expect(ours.pass(100_000).types()).toEqual([]);
    expect(ours.leave().types()).toEqual(["left"]);
  });

  test("TOPIC_AUTHORIZATION_FAILED is told, and tried again", () => {
    const ours = settled();
    ours.refuse(laterBeat(ours), "TOPIC_AUTHORIZATION_FAILED");
    expect(ours.next("report").error.name).toBe("TOPIC_AUTHORIZATION_FAILED");
    expect(ours.pass(100).types()).toEqual(["ConsumerGroupHeartbeat"]);
  });

  test("that leaves the instance id behind is mended: the member gives it up and joins again", () => {
    const ours = script({ instanceId: "i" }).subscribe({ topics: ["t"] });
    ours.fail(beat(ours), LOST);
    ours.refuse(ours.pass(100).call("ConsumerGroupHeartbeat"), "UNRELEASED_INSTANCE_ID");
    const release = beat(ours);
    expect(release.call.request.memberEpoch).toBe(-2);
    expect(beat(ours.answer(release, ok(-2))).call.request.memberEpoch).toBe(0);
  });

  test("of an instance id that another member holds ends the membership", () => {
    const ours = script({ instanceId: "i" }).subscribe({ topics: ["t"] });
    ours.fail(beat(ours), LOST);
    ours.refuse(ours.pass(100).call("ConsumerGroupHeartbeat"), "UNRELEASED_INSTANCE_ID");
    ours.refuse(beat(ours), "FENCED_INSTANCE_ID");
    expect(ours.next("fatal").error.name).toBe("FENCED_INSTANCE_ID");
  });
});

describe("a leave", () => {
  test.each([
    [null, "default", -1],
    [null, "leave", -1],
    [null, "remain", undefined],
    ["i", "default", -2],
    ["i", "leave", -1],
    ["i", "remain", -2],
  ] as const)("of instance %s in mode %s sends epoch %s", (instanceId, mode, epoch) => {
    const ours = settled({ instanceId });
    ours.effects.splice(0);
    ours.leave(mode);
    ours.settle(ours.next("commit"));
    ours.settle(ours.next("revoke"));
    if (epoch !== undefined) {
      const farewell = beat(ours);
      expect(farewell.call.request).toMatchObject({ memberEpoch: epoch, topicPartitions: null });
      expect(ours.has("left")).toBe(false);
      ours.fail(farewell, LOST);
    }
    expect(ours.types()).toContain("left");
    expect(ours.pass(100_000).types()).toEqual([]);
  });

  test("during a fence waits for the handlers", () => {
    const ours = settled();
    ours.refuse(laterBeat(ours), "UNKNOWN_MEMBER_ID");
    const lost = ours.next("lost");
    expect(ours.leave().types()).toEqual([]);
    expect(ours.settle(lost).types()).toEqual(["left"]);
  });

  test("is over if the coordinator fences the member meanwhile", () => {
    const ours = settled();
    ours.effects.splice(0);
    ours.leave();
    const call = laterBeat(ours);
    expect(call.call.request.subscribedTopicNames).toBeNull();
    ours.refuse(call, "FENCED_MEMBER_EPOCH");
    expect(ours.settle(ours.next("lost")).types()).toEqual(["left"]);
  });

  test("can be followed by a new subscription", () => {
    const ours = settled({ commitsBeforeRevoke: false });
    ours.leave();
    ours.answer(beat(ours.settle(ours.next("revoke"))), ok(-1));
    ours.next("left");
    expect(beat(ours.subscribe({ topics: ["u"] })).call.request).toMatchObject({ memberEpoch: 0, memberId: "me" });
  });
});

describe("without progress", () => {
  test("a member leaves, and comes back when there is some", () => {
    const ours = settled({ progressTimeoutMs: 2000 });
    ours.effects.splice(0);
    ours.pass(2000);
    expect(ours.next("report").error.message).toContain("no progress for 2000 ms");
    expect(beat(ours).call.request.memberEpoch).toBe(-1);
    ours.settle(ours.next("lost"));
    expect([ours.member.state, ours.pass(100_000).types()]).toEqual(["STALE", []]);
    expect(ours.run(ours.member.progressed(ours.at)).types()).toEqual(["ConsumerGroupHeartbeat"]);
  });

  test("a listener that never returns costs the membership, and the member joins again", () => {
    const ours = settled({ commitsBeforeRevoke: false });
    ours.answer(laterBeat(ours), ok(5, { t: [1] }));
    ours.next("revoke");
    for (let i = 0; i < 9; i++) ours.answer(laterBeat(ours), ok(5));
    ours.pass(3000);
    expect(ours.next("report").error.name).toBe("TIMED_OUT");
    expect(beat(ours).call.request.memberEpoch).toBe(-1);
    expect(beat(ours.settle(ours.next("lost"))).call.request.memberEpoch).toBe(0);
  });
});

describe("a member of a share group", () => {
  const share = () => new Script(shareMember("me", { ...SETTINGS, commitsBeforeRevoke: false }, new Topics({ t: 4 })));

  test("tells its topics and rack once", () => {
    const ours = share().subscribe({ topics: ["t"] });
    const join = ours.call("ShareGroupHeartbeat");
    const names = { groupId: "g", memberId: "me" };
    expect(join.call.request).toEqual({ ...names, memberEpoch: 0, rackId: "r", subscribedTopicNames: ["t"] });
    ours.answer(join, ok(1, { t: [0, 1] }));
    expect(ours.settle(ours.next("assign")).call("ShareGroupHeartbeat").call.request).toEqual({
      ...{ ...names, memberEpoch: 1, rackId: null, subscribedTopicNames: null },
    });
  });

  test("leaves", () => {
    const ours = share().subscribe({ topics: ["t"] });
    ours.answer(ours.call("ShareGroupHeartbeat"), ok(1, {}));
    ours.settle(ours.next("assign")).leave();
    ours.call("ShareGroupHeartbeat");
    expect(ours.call("ShareGroupHeartbeat").call.request.memberEpoch).toBe(-1);
  });

  test("has no patterns", () => {
    expect(() => share().subscribe({ topics: [], regex: "t" })).toThrow(KafkaError);
  });
});
