import { decodeSubscription, encodeAssignment, encodeSubscription } from "@samsa/assign";
import { describe, expect, test } from "vitest";
import { ClassicMember, type ClassicSettings, KafkaError } from "../src/index.ts";
import { Script, Topics } from "./script.ts";

const SETTINGS: ClassicSettings = {
  groupId: "g",
  instanceId: null,
  rack: "r",
  rebalanceTimeoutMs: 30_000,
  commitsBeforeRevoke: true,
  progressTimeoutMs: undefined,
  backoff: { initialMs: 100, maxMs: 1000, jitter: 0 },
  sessionTimeoutMs: 10_000,
  heartbeatIntervalMs: 3000,
  assignors: ["range"],
};
const LOST = new KafkaError("DISCONNECTED", "lost");

type Ours = Script<ClassicMember>;

function script(settings: Partial<ClassicSettings> = {}, topics = new Topics({ t: 4, u: 2 })): Ours {
  return new Script(new ClassicMember({ ...SETTINGS, ...settings }, topics));
}

const places = (...keys: string[]) =>
  keys.map(key => ({ topic: key.slice(0, key.indexOf("/")), partition: Number(key.slice(key.indexOf("/") + 1)) }));

/** Takes a member through a rebalance as a follower. */
function follow(script: Ours, generationId: number, keys: readonly string[], protocolName = "range"): Ours {
  const join = script.call("JoinGroup");
  script.answer(join, {
    generationId,
    protocolType: "consumer",
    protocolName,
    leader: "other",
    memberId: "me",
    members: [],
  });
  const assignment = encodeAssignment({ partitions: places(...keys), userData: null });
  script.answer(script.call("SyncGroup"), { protocolType: "consumer", protocolName, assignment });
  return script;
}

function settled(settings: Partial<ClassicSettings> = {}): Ours {
  const ours = follow(script(settings).subscribe({ topics: ["t"] }), 1, ["t/0", "t/1"]);
  return ours.settle(ours.next("assign"));
}

/** The next heartbeat. */
function heartbeat(ours: Ours) {
  ours.pass(3000);
  return ours.call("Heartbeat");
}

describe("a join", () => {
  test("tells what the member wants", () => {
    const ours = script({ instanceId: "i" }).subscribe({ topics: ["t"] });
    const { call, timeoutMs } = ours.call("JoinGroup");
    expect(call.request).toMatchObject({
      groupId: "g",
      memberId: "",
      groupInstanceId: "i",
      rebalanceTimeoutMs: 30_000,
    });
    expect(timeoutMs).toBe(35_000);
    const [{ name, metadata }] = call.request.protocols;
    expect(name).toBe("range");
    expect(decodeSubscription(metadata)).toEqual({
      topics: ["t"],
      userData: null,
      owned: [],
      generation: -1,
      rack: "r",
    });
  });

  test("is repeated at once with the id that the coordinator gives", () => {
    const ours = script().subscribe({ topics: ["t"] });
    ours.refuse(ours.call("JoinGroup"), "MEMBER_ID_REQUIRED", { memberId: "new" });
    expect(ours.call("JoinGroup").call.request.memberId).toBe("new");
  });

  test("is repeated after a pause that grows, with another coordinator", () => {
    const ours = script().subscribe({ topics: ["t"] });
    const pauses: number[] = [];
    for (let i = 0; i < 6; i++) {
      ours.refuse(ours.call("JoinGroup"), "NOT_COORDINATOR");
      ours.next("forgetCoordinator");
      pauses.push(ours.member.nextDeadline() - ours.now);
      ours.pass(1000);
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1000, 1000]);
    ours.fail(ours.call("JoinGroup"), LOST);
    ours.next("forgetCoordinator");
  });

  test.each(["GROUP_AUTHORIZATION_FAILED", "INCONSISTENT_GROUP_PROTOCOL", "FENCED_INSTANCE_ID"] as const)(
    "ends with %s",
    name => {
      const ours = script().subscribe({ topics: ["t"] });
      ours.refuse(ours.call("JoinGroup"), name);
      expect(ours.next("fatal").error).toMatchObject({ name, fatal: true });
      expect(ours.pass(100_000).types()).toEqual([]);
      expect(() => ours.subscribe({ topics: ["u"] })).toThrow(KafkaError);
      expect(ours.leave().types()).toEqual(["left"]);
    },
  );

  test("ends if the group uses another protocol", () => {
    const ours = script().subscribe({ topics: ["t"] });
    ours.answer(ours.call("JoinGroup"), { protocolType: "connect", protocolName: "range", leader: "", memberId: "me" });
    expect(ours.next("fatal").error.name).toBe("PROTOCOL_VIOLATION");
  });

  test("is repeated if the assignment is for another subscription", () => {
    const ours = follow(script().subscribe({ topics: ["t"] }), 1, ["u/0"]);
    expect(ours.has("assign")).toBe(false);
    expect(ours.pass(1000).call("JoinGroup").call.request.reason).toBe(
      "the assignment does not match the subscription",
    );
  });

  test("ends if the assignment cannot be read", () => {
    const ours = script().subscribe({ topics: ["t"] });
    ours.answer(ours.call("JoinGroup"), { generationId: 1, protocolName: "range", leader: "o", memberId: "me" });
    ours.answer(ours.call("SyncGroup"), { assignment: Uint8Array.of(0) });
    expect(ours.next("fatal").error.message).toContain("cannot be read");
  });

  test.each(["REBALANCE_IN_PROGRESS", "COORDINATOR_LOAD_IN_PROGRESS"] as const)("follows a sync with %s", name => {
    const ours = script().subscribe({ topics: ["t"] });
    ours.answer(ours.call("JoinGroup"), { generationId: 1, protocolName: "range", leader: "o", memberId: "me" });
    ours.refuse(ours.call("SyncGroup"), name);
    expect(ours.call("JoinGroup").call.request.memberId).toBe("me");
  });
});

describe("the leader", () => {
  const lead = (ours: Ours, members: { memberId: string; metadata: Uint8Array }[], skipAssignment = false) =>
    ours.answer(ours.call("JoinGroup"), {
      ...{ generationId: 1, protocolName: "range", leader: "me", memberId: "me", skipAssignment },
      members: members.map(member => ({ ...member, groupInstanceId: null })),
    });
  const wants = (...topics: string[]) =>
    encodeSubscription({ topics, userData: null, owned: [], generation: -1, rack: null });

  test("assigns once it knows the topics of all, and again when they change", () => {
    const topics = new Topics({ t: 2 });
    const ours = script({}, topics).subscribe({ topics: ["t"] });
    lead(ours, [
      { memberId: "me", metadata: wants("t") },
      { memberId: "you", metadata: wants("t", "w") },
    ]);
    expect(ours.next("watch").topics).toEqual(["t", "w"]);
    const refresh = ours.next("refresh");
    expect(refresh.topics).toEqual(["w"]);
    topics.counts.set("w", 1);
    const sync = ours.settle(refresh).call("SyncGroup");
    expect(sync.call.request.assignments.map(({ memberId }) => memberId)).toEqual(["me", "you"]);
    const assignment = encodeAssignment({ partitions: places("t/0"), userData: null });
    ours.answer(sync, { protocolName: "range", assignment });
    ours.settle(ours.next("assign"));
    expect(ours.run(ours.member.metadataChanged(ours.at)).types()).toEqual([]);
    topics.counts.set("w", 5);
    expect(ours.run(ours.member.metadataChanged(ours.at)).types()).toEqual(["commit"]);
  });

  test("gives nothing to a member that it does not understand", () => {
    const ours = script().subscribe({ topics: ["t"] });
    lead(ours, [
      { memberId: "me", metadata: wants("t") },
      { memberId: "odd", metadata: Uint8Array.of(1) },
    ]);
    expect(ours.next("report").error.message).toContain("odd");
    expect(ours.call("SyncGroup").call.request.assignments.length).toBe(2);
  });

  test("leaves the assignment as it is if it has only come back", () => {
    const ours = script({ instanceId: "i" }).subscribe({ topics: ["t"] });
    lead(ours, [{ memberId: "me", metadata: wants("t") }], true);
    expect(ours.call("SyncGroup").call.request.assignments).toEqual([]);
  });
});

describe("a heartbeat", () => {
  test("goes on while the handlers work", () => {
    const ours = settled();
    ours.refuse(heartbeat(ours), "REBALANCE_IN_PROGRESS");
    expect(ours.types()).toEqual(["commit"]);
    for (let i = 0; i < 5; i++) ours.answer(heartbeat(ours), {});
    expect(ours.member.state).toBe("PREPARING");
  });

  test.each([
    ["UNKNOWN_MEMBER_ID", ""],
    ["ILLEGAL_GENERATION", "me"],
  ] as const)("with %s loses the partitions, then joins as %s", (name, memberId) => {
    const ours = settled();
    ours.refuse(heartbeat(ours), name);
    expect(ours.next("identity").identity).toBeNull();
    const lost = ours.next("lost");
    expect(lost.partitions).toEqual(places("t/0", "t/1"));
    expect(ours.has("call")).toBe(false);
    const { request } = ours.settle(lost).call("JoinGroup").call;
    expect(request.memberId).toBe(memberId);
    expect(decodeSubscription(request.protocols[0].metadata).generation).toBe(-1);
  });

  test("that fails is repeated, and a silent coordinator is looked for again", () => {
    const ours = settled();
    ours.fail(heartbeat(ours), LOST);
    expect(ours.pass(100).types()).toEqual(["forgetCoordinator", "Heartbeat"]);
    expect(ours.pass(10_000).types()).toContain("forgetCoordinator");
    expect([...ours.member.owned]).toEqual(places("t/0", "t/1"));
  });

  test("asks at once if offsets were refused", () => {
    const ours = settled();
    ours.effects.splice(0);
    expect(ours.run(ours.member.suspected(ours.at)).types()).toEqual(["Heartbeat"]);
  });
});

describe("a rebalance", () => {
  test("is eager: all partitions are given up first", () => {
    const ours = settled();
    ours.effects.splice(0);
    ours.subscribe({ topics: ["t", "u"] });
    ours.settle(ours.next("commit"));
    const revoke = ours.next("revoke");
    expect(revoke.partitions).toEqual(places("t/0", "t/1"));
    expect([...ours.member.owned].length).toBe(2);
    ours.settle(revoke);
    expect([...ours.member.owned]).toEqual([]);
    follow(ours, 2, ["t/1", "u/0"]);
    expect(ours.next("assign").added).toEqual(places("t/1", "u/0"));
  });

  test("is cooperative: only what has moved is given up, and the member joins again", () => {
    const assignors = ["cooperative-sticky"] as const;
    const ours = script({ assignors, commitsBeforeRevoke: false }).subscribe({ topics: ["t"] });
    follow(ours, 1, ["t/0", "t/1"], assignors[0]);
    ours.settle(ours.next("assign"));
    ours.refuse(heartbeat(ours), "REBALANCE_IN_PROGRESS");
    expect(ours.next("identity").identity).toMatchObject({ epoch: 1, isRebalancing: true });
    const { metadata } = ours.effects.flatMap(e =>
      e.type === "call" && e.call.api === "JoinGroup" ? e.call.request.protocols : [],
    )[0];
    expect(decodeSubscription(metadata)).toMatchObject({ owned: places("t/0", "t/1"), generation: 1 });
    follow(ours, 2, ["t/1", "t/2"], assignors[0]);
    const revoke = ours.next("revoke");
    expect(revoke.partitions).toEqual(places("t/0"));
    const assign = ours.settle(revoke).next("assign");
    expect([assign.added, assign.partitions]).toEqual([places("t/2"), places("t/1", "t/2")]);
    expect(ours.settle(assign).call("JoinGroup").call.request.reason).toBe("partitions were revoked");
  });

  test("gives up topics that the member no longer wants before it joins", () => {
    const assignors = ["cooperative-sticky"] as const;
    const ours = script({ assignors, commitsBeforeRevoke: false }).subscribe({ topics: ["t", "u"] });
    follow(ours, 1, ["t/0", "u/0"], assignors[0]);
    ours.settle(ours.next("assign")).subscribe({ topics: ["t"] });
    expect(ours.next("revoke").partitions).toEqual(places("u/0"));
  });

  test("is joined again on request", () => {
    const ours = settled({ commitsBeforeRevoke: false });
    ours.run(ours.member.enforceRebalance(ours.at, "why not"));
    expect(ours.settle(ours.next("revoke")).call("JoinGroup").call.request.reason).toBe("why not");
  });

  test("does not wait for a listener for ever", () => {
    const ours = settled({ commitsBeforeRevoke: false });
    ours.refuse(heartbeat(ours), "REBALANCE_IN_PROGRESS");
    ours.next("revoke");
    for (let i = 0; i < 9; i++) ours.answer(heartbeat(ours), {});
    ours.pass(3000);
    expect(ours.next("report").error.name).toBe("TIMED_OUT");
    ours.call("LeaveGroup");
    expect(ours.settle(ours.next("lost")).call("JoinGroup").call.request.memberId).toBe("");
  });
});

describe("without progress", () => {
  test("a member leaves, and comes back when there is some", () => {
    const ours = settled({ progressTimeoutMs: 5000 });
    ours.answer(heartbeat(ours), {});
    ours.run(ours.member.progressed(ours.at));
    ours.answer(heartbeat(ours), {});
    ours.effects.splice(0);
    ours.pass(1999);
    expect(ours.types()).toEqual([]);
    ours.pass(1);
    expect(ours.next("report").error.message).toContain("no progress for 5000 ms");
    ours.call("LeaveGroup");
    ours.settle(ours.next("lost"));
    expect(ours.pass(100_000).types()).toEqual([]);
    expect(ours.run(ours.member.progressed(ours.at)).types()).toEqual(["JoinGroup"]);
  });
});

describe("a leave", () => {
  test("gives up the partitions, then tells the coordinator", () => {
    const ours = settled();
    ours.effects.splice(0);
    ours.leave();
    ours.settle(ours.next("commit"));
    ours.settle(ours.next("revoke"));
    const { id, call } = ours.call("LeaveGroup");
    expect(call.request(2)).toEqual({ groupId: "g", memberId: "me", members: [] });
    expect(call.request(5)).toMatchObject({ memberId: "", members: [{ memberId: "me", groupInstanceId: null }] });
    ours.run(ours.member.failed(ours.at, id, LOST));
    expect(ours.types()).toEqual(["identity", "left"]);
    expect(ours.member.memberId).toBe("");
  });

  test.each([
    [null, "default", true],
    [null, "leave", true],
    [null, "remain", false],
    ["i", "default", false],
    ["i", "leave", true],
    ["i", "remain", false],
  ] as const)("of instance %s in mode %s tells the coordinator: %s", (instanceId, mode, tells) => {
    const ours = settled({ instanceId, commitsBeforeRevoke: false });
    ours.effects.splice(0);
    ours.leave(mode);
    ours.settle(ours.next("revoke"));
    expect(ours.types().includes("LeaveGroup")).toBe(tells);
  });

  test("during a join drops the join", () => {
    const ours = script().subscribe({ topics: ["t"] });
    const join = ours.call("JoinGroup");
    expect(ours.leave().types()).toEqual(["left"]);
    expect(ours.answer(join, { generationId: 1, protocolName: "range", leader: "o", memberId: "me" }).types()).toEqual(
      [],
    );
    expect(ours.member.state).toBe("UNSUBSCRIBED");
  });

  test("after a fence does not tell a coordinator that does not know the member", () => {
    const ours = settled();
    ours.effects.splice(0);
    ours.leave();
    ours.refuse(heartbeat(ours), "UNKNOWN_MEMBER_ID");
    ours.settle(ours.next("lost"));
    expect(ours.types()).toEqual(["left"]);
  });
});

test("a member that leaves while it joins again stays alive in the new generation until it has left", () => {
  const assignors = ["cooperative-sticky"] as const;
  const ours = script({ assignors }).subscribe({ topics: ["t"] });
  follow(ours, 1, ["t/0"], assignors[0]);
  ours.settle(ours.next("assign"));
  ours.refuse(heartbeat(ours), "REBALANCE_IN_PROGRESS");
  const join = ours.call("JoinGroup");
  ours.leave();
  const commit = ours.next("commit");
  expect(ours.pass(3000).types()).toEqual([]);
  ours.answer(join, { generationId: 2, protocolName: assignors[0], leader: "o", memberId: "me" });
  expect(heartbeat(ours).call.request.generationId).toBe(2);
  ours.settle(ours.settle(commit).next("revoke"));
  ours.call("LeaveGroup");
});

test("a member that leaves after its generation is over still tells the coordinator", () => {
  const ours = settled();
  ours.effects.splice(0);
  ours.leave();
  ours.refuse(heartbeat(ours), "ILLEGAL_GENERATION");
  ours.settle(ours.next("lost"));
  expect(ours.types()).toEqual(["LeaveGroup"]);
});

test("settings that cannot be are refused", () => {
  expect(() => script({ assignors: [] })).toThrow(KafkaError);
  expect(() => script({ heartbeatIntervalMs: 10_000 })).toThrow(KafkaError);
  expect(() => script().subscribe({ topics: [], regex: "t" })).toThrow(KafkaError);
});
