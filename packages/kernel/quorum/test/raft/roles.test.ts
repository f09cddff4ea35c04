import { Errors } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import type { RaftAnswer, VoteCall } from "../../src/raft/messages.ts";
import { PREVIOUS_ROLES, type RoleName } from "../../src/raft/role.ts";
import { TIMES } from "./cluster.ts";
import { directoryOf, end, keyOf, Replica, voterOf } from "./replica.ts";

const RUN = { epoch: 1, baseOffset: 0, endOffset: 3 };
const NOBODY = { leaderId: undefined, votedKey: undefined };
const LOG = { epochs: [{ epoch: 1, startOffset: 0 }], endOffset: 3 };

/** A replica in each role, in epoch 2, whose log ends with the third record of epoch 1. */
const IN_ROLE: Readonly<Record<string, () => Replica>> = {
  UNATTACHED: () => new Replica({ log: LOG, state: { epoch: 2, ...NOBODY } }),
  "UNATTACHED, with a vote for 3": () =>
    new Replica({ log: LOG, state: { epoch: 2, leaderId: undefined, votedKey: keyOf(3) } }),
  "FOLLOWER that has not fetched": () =>
    new Replica({ log: LOG, state: { epoch: 2, leaderId: 2, votedKey: undefined } }).pass(0),
  "FOLLOWER that has fetched": () =>
    new Replica({ log: LOG, state: { epoch: 2, leaderId: 2, votedKey: undefined } })
      .pass(0)
      .answer(2, { type: "fetch", leaderId: 2, highWatermark: 0 }),
  PROSPECTIVE: () => new Replica({ log: LOG, state: { epoch: 2, ...NOBODY } }).pass(TIMES.electionTimeoutMs),
  CANDIDATE: () => new Replica({ log: LOG, state: { epoch: 2, leaderId: undefined, votedKey: keyOf(1) } }),
  LEADER: () => new Replica({ log: LOG, state: { epoch: 1, ...NOBODY } }).lead(),
  RESIGNED: () => new Replica({ log: LOG, state: { epoch: 2, leaderId: 1, votedKey: keyOf(1) } }),
};

const vote = (change: Partial<VoteCall> = {}): VoteCall => ({
  ...{ type: "vote", preVote: false, epoch: 2, candidate: keyOf(3), voter: keyOf(1), end: end(3, 1) },
  ...change,
});
const granted = (answer: RaftAnswer | undefined): boolean => {
  if (answer?.type !== "vote" || answer.errorCode !== 0) throw new Error(`not a vote: ${JSON.stringify(answer)}`);
  return answer.granted;
};

describe("votes", () => {
  test.each<[string, RoleName, readonly boolean[]]>([
    // Votes that it grants: a vote, a pre-vote, either to a candidate that is behind, and a vote to candidate 2.
    ["UNATTACHED", "UNATTACHED", [true, true, false, false, true]],
    ["UNATTACHED, with a vote for 3", "UNATTACHED", [true, true, true, false, false]],
    ["FOLLOWER that has not fetched", "FOLLOWER", [false, true, false, false, false]],
    ["FOLLOWER that has fetched", "FOLLOWER", [false, false, false, false, false]],
    ["PROSPECTIVE", "PROSPECTIVE", [true, true, false, false, true]],
    ["CANDIDATE", "CANDIDATE", [false, true, false, false, false]],
    ["LEADER", "LEADER", [false, false, false, false, false]],
    ["RESIGNED", "RESIGNED", [false, true, false, false, false]],
  ])("of one that is %s", (name, role, expected) => {
    const behind = end(2, 1);
    const answers = [
      vote(),
      vote({ preVote: true }),
      vote({ end: behind }),
      vote({ preVote: true, end: behind }),
      vote({ candidate: keyOf(2) }),
    ].map(call => {
      const made = (IN_ROLE[name] as () => Replica)();
      expect([made.node.role, made.node.epoch]).toEqual([role, 2]);
      // A leader has a record of its own epoch.
      return granted(made.ask({ ...call, end: role === "LEADER" ? end(9, 1) : call.end }));
    });
    expect(answers).toEqual(expected);
  });

  test.each(Object.keys(IN_ROLE))("of a later epoch: one that is %s forgets its role for them", name => {
    const made = (IN_ROLE[name] as () => Replica)();
    made.ask(vote({ epoch: 5, end: end(9, 4) }));
    expect(made.of("reply").at(-1)?.answer).toMatchObject({ granted: true, epoch: 5, leaderId: -1 });
    expect(made.of("save").at(-1)?.state).toEqual({ epoch: 5, leaderId: undefined, votedKey: keyOf(3) });
    expect([made.node.role, made.node.epoch]).toEqual(["UNATTACHED", 5]);
    const order = made.effects.map(({ type }) => type).filter(type => type === "save" || type === "reply");
    expect(order.lastIndexOf("save")).toBeLessThan(order.lastIndexOf("reply"));
    expect(granted(made.ask(vote({ epoch: 5, candidate: keyOf(2), end: end(9, 4) }))), "one vote").toBe(false);
    expect(granted(made.ask(vote({ epoch: 5, end: end(9, 4) }))), "as often as it is asked for").toBe(true);
  });

  test("of a later epoch are refused to one that is behind, and the epoch counts all the same", () => {
    const made = IN_ROLE.UNATTACHED();
    expect(granted(made.ask(vote({ epoch: 5, end: end(2, 1) })))).toBe(false);
    expect(made.node.epoch).toBe(5);
    expect(granted(made.ask(vote({ epoch: 5, end: end(1, 2) }))), "a later epoch is ahead of a longer log").toBe(true);
    const other = IN_ROLE.UNATTACHED();
    expect(granted(other.ask(vote({ epoch: 5, end: end(9, 0) }))), "and an earlier one behind").toBe(false);
  });

  test("are for the directory that is asked", () => {
    const made = IN_ROLE.UNATTACHED();
    const voter = { id: 1, directoryId: directoryOf(9) };
    expect(made.ask(vote({ voter }))).toMatchObject({ errorCode: Errors.INVALID_VOTER_KEY.code, granted: false });
    expect(made.ask(vote({ voter: keyOf(2) }))?.errorCode).toBe(Errors.INVALID_VOTER_KEY.code);
    expect(granted(made.ask(vote()))).toBe(true);
    const twin = { id: 3, directoryId: directoryOf(33) };
    expect(granted(made.ask(vote({ candidate: twin }))), "another disk of the candidate").toBe(false);
  });

  test("a pre-vote may end in the epoch that it asks in, a vote may not", () => {
    const made = IN_ROLE.UNATTACHED();
    const { code } = Errors.INVALID_REQUEST;
    expect(made.ask(vote({ end: end(3, 2) }))?.errorCode).toBe(code);
    expect(made.ask(vote({ preVote: true, end: end(3, 3) }))?.errorCode).toBe(code);
    expect(granted(made.ask(vote({ preVote: true, end: end(3, 2) })))).toBe(true);
    expect(made.ask(vote({ end: end(3, -1) }))?.errorCode).toBe(code);
    expect(made.ask(vote({ candidate: { ...keyOf(3), id: -1 } }))?.errorCode).toBe(code);
  });
});

describe("an election", () => {
  const elect = (voters: readonly number[]): Replica => new Replica({ voters }).pass(0);

  test("asks all others, and begins only if a majority would vote", () => {
    const made = elect([1, 2, 3, 4, 5]);
    expect(made.node.role).toBe("PROSPECTIVE");
    expect(Object.keys(made.sent)).toEqual(["2", "3", "4", "5"]);
    expect(made.sent[2]).toEqual(
      vote({ preVote: true, epoch: 0, candidate: voterOf(1), voter: voterOf(2), end: end(0, 0) }),
    );
    const asked = made.of("send");
    const answer = (at: number, isGranted: boolean): Replica =>
      made.step({
        ...{ type: "answer", call: asked[at].call, from: asked[at].to },
        answer: { type: "vote", errorCode: 0, epoch: 0, leaderId: -1, granted: isGranted },
      });
    answer(0, true);
    answer(1, false);
    expect([made.node.role, made.node.epoch]).toEqual(["PROSPECTIVE", 0]);
    answer(2, true);
    expect([made.node.role, made.node.epoch]).toEqual(["CANDIDATE", 1]);
    expect(made.of("save").map(({ state }) => state)).toEqual([
      { epoch: 1, leaderId: undefined, votedKey: voterOf(1) },
    ]);
    const types = made.effects.map(({ type }) => type);
    expect(types.indexOf("save"), "its own vote is durable first").toBeLessThan(types.indexOf("send"));
  });

  test("goes back once a majority refuses to vote, or does not answer", () => {
    const refused = elect([1, 2, 3]);
    const asked = refused.of("send");
    for (const { call, to } of asked) {
      refused.step({
        ...{ type: "answer", call, from: to },
        answer: { type: "vote", errorCode: 0, epoch: 0, leaderId: -1, granted: false },
      });
    }
    expect([refused.node.role, refused.node.epoch]).toEqual(["UNATTACHED", 0]);
    const silent = elect([1, 2, 3]).pass(TIMES.electionTimeoutMs);
    expect([silent.node.role, silent.node.epoch]).toEqual(["UNATTACHED", 0]);
  });

  test("goes back to the leader that it had", () => {
    const made = new Replica().follow().pass(TIMES.fetchTimeoutMs);
    expect(made.node.role).toBe("PROSPECTIVE");
    expect(made.node.leaderId, "it still knows it").toBe(2);
    made.pass(TIMES.electionTimeoutMs);
    expect([made.node.role, made.node.leaderId, made.node.epoch]).toEqual(["FOLLOWER", 2, 1]);
  });

  test("of a candidate that loses begins anew, in a later epoch only with a majority for it", () => {
    const made = IN_ROLE.CANDIDATE().pass(0);
    const asked = made.of("send");
    for (const { call, to } of asked) {
      made.step({
        ...{ type: "answer", call, from: to },
        answer: { type: "vote", errorCode: 0, epoch: 2, leaderId: -1, granted: false },
      });
    }
    expect(made.node.role, "it waits for its time").toBe("CANDIDATE");
    made.pass(TIMES.electionTimeoutMs);
    expect([made.node.role, made.node.epoch]).toEqual(["PROSPECTIVE", 2]);
  });

  test("does not count the vote of one that is no voter, or of a call that is over", () => {
    const made = elect([1, 2, 3]);
    const [{ call }] = made.of("send");
    const yes = { type: "vote", errorCode: 0, epoch: 0, leaderId: -1, granted: true } as const;
    made.step({ type: "answer", call, from: 9, answer: yes });
    made.step({ type: "answer", call: 999, from: 3, answer: yes });
    expect(made.node.role).toBe("PROSPECTIVE");
  });

  test("does not count answers of an earlier epoch", () => {
    const made = IN_ROLE.CANDIDATE().pass(0);
    made.answer(2, { type: "vote", granted: true, epoch: 1 });
    expect(made.node.role).toBe("CANDIDATE");
    const other = IN_ROLE.CANDIDATE().pass(0);
    other.answer(2, { type: "vote", granted: true, epoch: 1, leaderId: 3 });
    expect([other.node.role, other.node.leaderId]).toEqual(["CANDIDATE", undefined]);
  });

  test("ends with news of a leader, or of a later epoch", () => {
    const led = elect([1, 2, 3]).answer(2, { type: "vote", granted: false, leaderId: 3 });
    expect([led.node.role, led.node.leaderId]).toEqual(["FOLLOWER", 3]);
    const later = elect([1, 2, 3]).answer(2, { type: "vote", granted: false, epoch: 7, errorCode: 74 });
    expect([later.node.role, later.node.epoch, later.node.leaderId]).toEqual(["UNATTACHED", 7, undefined]);
    const both = elect([1, 2, 3]).answer(2, { type: "vote", granted: false, epoch: 7, leaderId: 3 });
    expect([both.node.role, both.node.epoch, both.node.leaderId]).toEqual(["FOLLOWER", 7, 3]);
    const itself = elect([1, 2, 3]).answer(2, { type: "vote", granted: false, epoch: 7, leaderId: 1 });
    expect([itself.node.role, itself.node.epoch], "it has never led that epoch").toEqual(["UNATTACHED", 7]);
  });

  test("is won at once by the only voter, in the next epoch, whatever it was", () => {
    for (const leaderId of [undefined, 1]) {
      const made = new Replica({ voters: [1], log: LOG, state: { epoch: 4, leaderId, votedKey: keyOf(1) } });
      made.pass(0);
      expect([made.node.role, made.node.epoch]).toEqual(["LEADER", 5]);
      expect(made.of("control")[0]?.records[0]).toMatchObject({
        ...{ type: "leaderChange", version: 0, leaderId: 1 },
        ...{ voters: [{ id: 1 }], grantingVoters: [{ id: 1 }] },
      });
      expect(made.flush().node.highWatermark).toBe(made.log.endOffset);
    }
  });

  test("is not for observers, nor for brokers", () => {
    for (const made of [new Replica({ voters: [2, 3] }), new Replica({ canVote: false })]) {
      made.pass(60_000);
      expect([made.node.role, made.node.nextDeadline() < Infinity]).toEqual(["UNATTACHED", true]);
      made.follow();
      made.pass(60_000);
      expect(made.node.role).toBe("FOLLOWER");
    }
  });
});

describe("a start", () => {
  test.each<[string, Replica["node"]["role"], number | undefined]>([
    ["UNATTACHED", "UNATTACHED", undefined],
    ["FOLLOWER that has not fetched", "FOLLOWER", 2],
    ["CANDIDATE", "CANDIDATE", undefined],
    ["RESIGNED", "RESIGNED", 1],
  ])("remembers that it was %s", (name, role, leaderId) => {
    const made = (IN_ROLE[name] as () => Replica)();
    expect([made.node.role, made.node.leaderId]).toEqual([role, leaderId]);
  });

  test("with a log that is ahead of the election state counts the epoch of the log", () => {
    const made = new Replica({
      log: { epochs: [{ epoch: 6, startOffset: 0 }], endOffset: 1 },
      state: { epoch: 2, leaderId: 1, votedKey: keyOf(1) },
    });
    expect([made.node.role, made.node.epoch, made.node.leaderId]).toEqual(["UNATTACHED", 6, undefined]);
  });

  test("with a snapshot knows that its records are committed", () => {
    const snapshot = end(20, 3);
    const made = new Replica({ log: { epochs: [], endOffset: 20, start: snapshot, snapshot } });
    expect([made.node.highWatermark, made.node.epoch]).toEqual([20, 3]);
    expect(new Replica().node.highWatermark).toBe(-1);
  });
});

describe("a leader that ends its epoch", () => {
  test.each([
    [[1, 2, 3], 0],
    [[2, 1, 3], 250],
    [[2, 3, 1], 500],
    [[2, 3], 1000],
    [[2, 1], 500],
    [[], 1000],
  ])("lets the successors %j stand one after the other", (order, ms) => {
    const made = IN_ROLE["FOLLOWER that has fetched"]();
    made.ask({ type: "end", epoch: 2, leaderId: 2, successors: order.map(keyOf) });
    expect(made.of("reply")[0]?.answer).toMatchObject({ type: "end", errorCode: 0 });
    if (ms > 0) {
      made.pass(ms - 1);
      expect(made.node.role).toBe("FOLLOWER");
      made.pass(1);
    }
    expect(made.node.role).toBe("PROSPECTIVE");
  });

  test("is heard in its own epoch only, and from the leader", () => {
    const made = IN_ROLE["FOLLOWER that has fetched"]();
    const successors = [keyOf(1)];
    expect(made.ask({ type: "end", epoch: 1, leaderId: 2, successors })?.errorCode).toBe(
      Errors.FENCED_LEADER_EPOCH.code,
    );
    expect(made.ask({ type: "end", epoch: 2, leaderId: 3, successors })?.errorCode).toBe(
      Errors.UNKNOWN_SERVER_ERROR.code,
    );
    expect(made.ask({ type: "end", epoch: 2, leaderId: -1, successors })?.errorCode).toBe(Errors.INVALID_REQUEST.code);
    expect(made.node.role).toBe("FOLLOWER");
    const unattached = IN_ROLE.UNATTACHED();
    unattached.ask({ type: "end", epoch: 4, leaderId: 3, successors: [] });
    expect([unattached.node.role, unattached.node.epoch, unattached.node.leaderId]).toEqual(["FOLLOWER", 4, 3]);
  });

  test("tells each voter until it knows, and stands again in the next epoch", () => {
    const made = new Replica().lead();
    made.fetched(keyOf(3));
    made.step({ type: "resign" });
    expect(made.node.role).toBe("RESIGNED");
    const successors = [3, 2].map(id => voterOf(id));
    expect(made.sent).toEqual({
      2: { type: "end", epoch: 1, leaderId: 1, successors },
      3: { type: "end", epoch: 1, leaderId: 1, successors },
    });
    expect(made.of("leader")).toEqual([{ type: "leader", epoch: 1, leaderId: undefined }]);
    made.answer(3, { type: "end", leaderId: 1 });
    expect(made.node.hasSaidGoodbye).toBe(false);
    made.pass(TIMES.electionTimeoutMs - 1);
    expect(Object.keys(made.sent), "the call to 2 has not timed out").toEqual([]);
    made.pass(1);
    expect([made.node.role, made.node.epoch, made.node.leaderId]).toEqual(["PROSPECTIVE", 2, undefined]);
  });

  test("does nothing if it leads no more", () => {
    const made = IN_ROLE["FOLLOWER that has fetched"]().step({ type: "resign" });
    expect([made.node.role, made.of("save")]).toEqual(["FOLLOWER", []]);
  });
});

describe("a leader", () => {
  test("makes itself known to voters that do not fetch, each half fetch time-out", () => {
    const made = new Replica().lead();
    expect(made.sent, "BeginQuorumEpoch went out with the election").toEqual({});
    made.fetched(keyOf(2));
    made.pass(TIMES.fetchTimeoutMs / 2);
    // The calls of the election are given up after the request time-out.
    made.pass(TIMES.fetchTimeoutMs / 2);
    expect(made.node.role).toBe("LEADER");
    expect(made.sent[3]).toEqual({ type: "begin", epoch: 1, leaderId: 1, voter: voterOf(3) });
  });

  test("lets a fetch wait until there is news, or its time is over", () => {
    const made = new Replica().lead();
    const first = made.fetched(keyOf(2));
    expect(made.answerTo(first), "the high watermark has risen, and 2 has a higher one").toBeUndefined();
    made.step({ type: "propose", epoch: 1, token: 5, count: 2 });
    expect(made.of("append")).toMatchObject([{ token: 5, run: { epoch: 1, baseOffset: 3, endOffset: 5 } }]);
    expect(made.answerTo(first)).toMatchObject({ errorCode: 0, from: 3 });
    made.flush();
    const second = made.fetched(keyOf(2));
    expect(made.answerTo(second)).toBeUndefined();
    expect(made.node.nextDeadline()).toBe(made.now + 500);
    made.pass(499);
    expect(made.answerTo(second)).toBeUndefined();
    made.pass(1);
    expect(made.answerTo(second)).toMatchObject({ errorCode: 0, from: 5, highWatermark: 5 });
    // A follower that knows less of the high watermark has its answer at once.
    const third = made.fetched(keyOf(3), 5, 4);
    expect(made.answerTo(third)).toMatchObject({ highWatermark: 5 });
  });

  test("answers waiting fetches when it leads no more", () => {
    const made = new Replica().lead();
    const waiting = made.fetched(keyOf(2));
    made.ask({ type: "begin", epoch: 9, leaderId: 3, voter: keyOf(1) });
    expect(made.answerTo(waiting)).toMatchObject({
      ...{ errorCode: Errors.NOT_LEADER_OR_FOLLOWER.code, epoch: 9, leaderId: 3 },
    });
  });

  test("appends for its own epoch only, and something", () => {
    const made = new Replica().lead();
    for (const [epoch, count] of [
      [0, 1],
      [2, 1],
      [1, 0],
    ] as const) {
      made.step({ type: "propose", epoch, token: 8, count });
      expect(made.of("refuse")).toEqual([{ type: "refuse", token: 8 }]);
      expect(made.of("append")).toEqual([]);
    }
    const follower = new Replica().follow().step({ type: "propose", epoch: 1, token: 9, count: 1 });
    expect(follower.of("refuse")).toEqual([{ type: "refuse", token: 9 }]);
  });

  test("announces the voters that are not in its log yet, and counts its records when they are durable", () => {
    const made = new Replica();
    made.pass(0).answer(2, { type: "vote", granted: true });
    made.answer(3, { type: "vote", granted: true });
    expect(made.of("control")[0]?.records.map(({ type }) => type)).toEqual([
      ...["leaderChange", "kraftVersion", "kraftVoters"],
    ]);
    expect(made.of("control")[0]?.records[0]).toMatchObject({ grantingVoters: [{ id: 1 }, { id: 3 }] });
    const flush = made.of("flush").at(-1);
    made.fetched(keyOf(2));
    made.fetched(keyOf(3));
    expect(made.node.highWatermark, "two of three have them").toBe(3);
    made.step({ type: "flushed", generation: 99, offset: 3 });
    expect(made.node.leadership?.successors).toHaveLength(2);
    expect(flush?.offset).toBe(3);
  });
});

describe("valid previous roles", () => {
  test("lead nowhere but from a candidate to a leader, and from no leader to a candidate", () => {
    // QuorumState of Kafka checks the same in its functions `transitionTo…`.
    expect(PREVIOUS_ROLES).toEqual({
      UNATTACHED: ["UNATTACHED", "PROSPECTIVE", "CANDIDATE", "LEADER", "FOLLOWER", "RESIGNED"],
      PROSPECTIVE: ["UNATTACHED", "CANDIDATE", "FOLLOWER", "PROSPECTIVE"],
      CANDIDATE: ["PROSPECTIVE", "UNATTACHED"],
      LEADER: ["CANDIDATE"],
      FOLLOWER: ["UNATTACHED", "PROSPECTIVE", "CANDIDATE", "LEADER", "FOLLOWER", "RESIGNED"],
      RESIGNED: ["LEADER", "UNATTACHED"],
    });
  });
});

describe("a follower", () => {
  test("fetches from its leader, then again as soon as the records are durable", () => {
    const made = new Replica().follow();
    expect(made.sent[2]).toEqual({
      ...{ type: "fetch", epoch: 1, replica: voterOf(1), end: end(0, 0) },
      ...{ highWatermark: -1, maxWaitMs: 500 },
    });
    made.store([RUN], 2);
    expect(made.effects.map(({ type }) => type)).toEqual(["store", "flush", "highWatermark"]);
    expect(made.node.highWatermark).toBe(2);
    expect(made.flush().sent[2]).toMatchObject({ end: end(3, 1), highWatermark: 2 });
    made.store([], 99);
    expect(made.node.highWatermark, "no further than its own log").toBe(3);
  });

  test("truncates what its leader does not have, but nothing that is committed", () => {
    const made = new Replica().follow().store([RUN], 2).flush();
    made.answer(2, { type: "fetch", leaderId: 2, diverging: end(2, 1) });
    expect([made.of("truncate"), made.log.endOffset]).toEqual([[{ type: "truncate", offset: 2 }], 2]);
    made.answer(2, { type: "fetch", leaderId: 2, diverging: end(1, 1) });
    expect([made.of("truncate"), made.log.endOffset]).toEqual([[], 2]);
    expect(made.sent[2], "it leaves the leader alone for a while").toBeUndefined();
    expect(made.retry().sent[2]).toMatchObject({ type: "fetch" });
  });

  const RECORDS = {
    type: "fetch",
    errorCode: 0,
    epoch: 1,
    leaderId: 2,
    highWatermark: 3,
    from: 0,
    runs: [RUN],
  } as const;

  test("takes no answer of a node that it does not follow", () => {
    const made = new Replica().follow();
    const [{ call }] = made.of("send");
    made.step({ type: "answer", call, from: 3, answer: RECORDS });
    expect([made.of("store"), made.log.endOffset]).toEqual([[], 0]);
  });

  test("takes no answer of an earlier epoch", () => {
    const made = new Replica().follow();
    const [{ call }] = made.of("send");
    made.ask({ type: "begin", epoch: 2, leaderId: 2, voter: keyOf(1) });
    made.step({ type: "answer", call, from: 2, answer: RECORDS });
    expect([made.of("store"), made.log.endOffset, made.node.epoch]).toEqual([[], 0, 2]);
  });
});

describe("a snapshot of the leader", () => {
  const ID = end(10, 1);
  const NO_SNAPSHOT = Errors.SNAPSHOT_NOT_FOUND.code;
  /** A follower whose leader has told it to read a snapshot. */
  const reading = (): Replica =>
    new Replica().follow().answer(2, { type: "fetch", leaderId: 2, highWatermark: -1, snapshot: ID });
  const part = (made: Replica, position: number, length: number, size = 30): Replica =>
    made.answer(2, { type: "snapshot", leaderId: 2, id: ID, position, length, size });
  const voters = { kraftVersion: 1, voters: [1, 2].map(id => voterOf(id)) };

  test("is read part by part, checked, and goes before the log", () => {
    const made = reading();
    expect(made.sent[2]).toEqual({ type: "snapshot", epoch: 1, replica: voterOf(1), id: ID, position: 0 });
    part(made, 0, 20);
    expect(made.of("part")).toEqual([{ type: "part", id: ID, position: 0 }]);
    expect(made.sent[2]).toMatchObject({ type: "snapshot", position: 20 });
    part(made, 20, 10);
    expect(made.effects.map(({ type }) => type)).toEqual(["part", "complete"]);
    made.step({ type: "received", id: ID, voters });
    expect(made.effects.map(({ type }) => type)).toEqual(["install", "highWatermark", "send"]);
    expect([made.log.startOffset, made.log.end, made.node.highWatermark]).toEqual([10, ID, 10]);
    expect(made.history.last.set).toEqual(voters);
    expect(made.sent[2]).toMatchObject({ type: "fetch", end: ID, highWatermark: 10 });
  });

  test.each<[string, Partial<RaftAnswer>]>([
    ["another snapshot", { id: end(11, 1) } as Partial<RaftAnswer>],
    ["one of another epoch", { id: end(10, 2) } as Partial<RaftAnswer>],
    ["another place", { position: 5 } as Partial<RaftAnswer>],
    ["nothing", { length: 0 } as Partial<RaftAnswer>],
    ["more than there is", { length: 31 } as Partial<RaftAnswer>],
    ["one that is too large", { size: 0x80000000 } as Partial<RaftAnswer>],
    ["no size", { size: undefined } as Partial<RaftAnswer>],
  ])("is not read from an answer with %s", (_what, change) => {
    const made = reading();
    made.answer(2, { type: "snapshot", leaderId: 2, id: ID, position: 0, length: 20, size: 30, ...change });
    expect([made.of("part"), made.sent[2]]).toEqual([[], undefined]);
    expect(made.retry().sent[2], "it asks again").toMatchObject({ type: "snapshot", position: 0 });
  });

  test.each([NO_SNAPSHOT, Errors.POSITION_OUT_OF_RANGE.code])("is forgotten if the leader answers %i", errorCode => {
    const made = part(reading(), 0, 20).answer(2, { type: "snapshot", leaderId: 2, errorCode });
    expect(made.of("abandon")).toEqual([{ type: "abandon", id: ID }]);
    expect(made.retry().sent[2]).toMatchObject({ type: "fetch" });
  });

  test("is kept at another error", () => {
    const made = part(reading(), 0, 20).answer(2, { type: "snapshot", leaderId: 2, errorCode: 1 });
    expect(made.of("abandon")).toEqual([]);
    expect(made.retry().sent[2]).toMatchObject({ type: "snapshot", position: 20 });
  });

  test("that is none is forgotten, and the leader is left alone for a while", () => {
    const made = part(reading(), 0, 30);
    made.step({ type: "rejected", id: end(9, 1) });
    expect(made.effects).toEqual([]);
    made.step({ type: "rejected", id: ID });
    expect([made.of("abandon"), made.sent[2]]).toEqual([[{ type: "abandon", id: ID }], undefined]);
    expect(made.retry().sent[2]).toMatchObject({ type: "fetch" });
  });

  test("is forgotten with the leader, and comes too late then", () => {
    const made = part(reading(), 0, 30);
    made.ask({ type: "begin", epoch: 2, leaderId: 3, voter: keyOf(1) });
    expect(made.of("abandon")).toEqual([{ type: "abandon", id: ID }]);
    made.step({ type: "received", id: ID, voters });
    expect([made.of("install"), made.log.startOffset]).toEqual([[], 0]);
  });

  test("is not read if this replica has it, or if it is of an epoch to come", () => {
    const made = part(reading(), 0, 30).step({ type: "received", id: ID, voters });
    for (const snapshot of [ID, end(9, 1), end(20, 2)]) {
      made.answer(2, { type: "fetch", leaderId: 2, highWatermark: 10, snapshot });
      expect(made.sent[2]).toBeUndefined();
      expect(made.retry().sent[2]).toMatchObject({ type: "fetch" });
    }
  });

  test("is not installed over one of its own that is newer", () => {
    const made = part(reading(), 0, 30);
    made.step({ type: "snapshotted", id: end(10, 1) });
    made.step({ type: "received", id: ID, voters });
    expect([made.of("install"), made.of("abandon")]).toEqual([[], [{ type: "abandon", id: ID }]]);
  });

  test("is read by followers of the leader only", () => {
    const made = new Replica().lead();
    const call = { type: "snapshot", epoch: 1, replica: keyOf(2), id: ID, position: 0 } as const;
    expect(made.ask(call)).toMatchObject({ type: "snapshot", errorCode: 0, leaderId: 1 });
    expect(made.ask({ ...call, epoch: 0 })?.errorCode).toBe(Errors.FENCED_LEADER_EPOCH.code);
    expect(made.ask({ ...call, epoch: 2 })?.errorCode).toBe(Errors.UNKNOWN_LEADER_EPOCH.code);
    expect(new Replica().follow().ask(call)?.errorCode).toBe(Errors.NOT_LEADER_OR_FOLLOWER.code);
  });
});

describe("a replica that knows no leader", () => {
  test("asks the bootstrap nodes, one at a time, and follows whom they name", () => {
    const made = new Replica({ voters: [], bootstrap: [-2, -3], draw: 0.5 });
    made.pass(0);
    expect(Object.keys(made.sent)).toEqual(["-3"]);
    made.pass(1);
    expect(made.sent).toEqual({});
    const { code } = Errors.NOT_LEADER_OR_FOLLOWER;
    made.pass(TIMES.requestTimeoutMs - 1);
    expect(Object.keys(made.sent)).toEqual(["-3"]);
    made.answer(-3, { type: "fetch", errorCode: code, epoch: 4, leaderId: 7, highWatermark: -1 });
    expect([made.node.role, made.node.leaderId, made.node.epoch]).toEqual(["FOLLOWER", 7, 4]);
    expect(made.sent[7]).toMatchObject({ type: "fetch", epoch: 4 });
  });

  test("leaves a node alone that has failed, and asks another", () => {
    const made = new Replica({ voters: [], bootstrap: [-2, -3] }).pass(0);
    const [{ call }] = made.of("send");
    made.step({ type: "failed", call });
    expect(Object.keys(made.sent)).toEqual(["-3"]);
    made.step({ type: "failed", call: 99 });
    expect(made.effects).toEqual([]);
  });
});
