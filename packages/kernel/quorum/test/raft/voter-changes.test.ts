import { Errors } from "@samsa/protocol";
import type { VoterDescription } from "@samsa/records";
import { describe, expect, test } from "vitest";
import type { RaftAnswer } from "../../src/raft/messages.ts";
import { TIMES } from "./cluster.ts";
import { directoryOf, keyOf, Replica, voterOf } from "./replica.ts";

const RANGE = { min: 0, max: 1 };

/** Error of an answer, and its reason. */
const outcome = (answer: RaftAnswer | undefined): unknown =>
  answer === undefined ? "waits" : [answer.errorCode, "message" in answer ? answer.message : undefined];
const fault = ({ code }: { readonly code: number }, message?: string): unknown => [code, message];

/** A leader whose first records are committed, and of which replica 2 knows that. */
function leader(setup: ConstructorParameters<typeof Replica>[0] = {}): Replica {
  const made = new Replica(setup).lead();
  made.fetched(keyOf(2));
  expect(made.node.highWatermark).toBe(made.log.endOffset);
  return made;
}

/** Outcomes of changes that the last input has ended. */
const changed = (replica: Replica): unknown =>
  replica.of("reply").flatMap(({ answer }) => (answer.type === "change" ? [outcome(answer)] : []));

const ids = (replica: Replica): readonly number[] => replica.history.last.set.voters.map(({ id }) => id);

describe("adding a voter", () => {
  const add = (id: number, ackWhenCommitted = true) => ({ type: "add", voter: voterOf(id), ackWhenCommitted }) as const;
  const probed = (replica: Replica, id: number, range: typeof RANGE | undefined = RANGE): Replica =>
    replica.step({ type: "probed", voter: keyOf(id), range });

  test("asks for its versions, then appends it, and answers once that is committed", () => {
    const made = leader();
    made.fetched(keyOf(4));
    expect(outcome(made.ask(add(4)))).toBe("waits");
    expect(made.of("probe")).toEqual([{ type: "probe", voter: voterOf(4) }]);
    expect(ids(made)).toEqual([1, 2, 3]);
    probed(made, 4);
    expect(ids(made)).toEqual([1, 2, 3, 4]);
    expect(made.of("reply")).toEqual([]);
    expect(made.of("control")).toMatchObject([
      { records: [{ type: "kraftVoters", voters: [{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4, maxKraftVersion: 1 }] }] },
    ]);
    made.flush();
    made.fetched(keyOf(2));
    expect(made.node.leadership?.change, "two of four are no majority").toBeDefined();
    made.fetched(keyOf(4));
    expect(changed(made)).toEqual([fault(Errors.NONE)]);
    expect(made.node.leadership?.change).toBeUndefined();
  });

  test("has the versions that the voter has told, not those of the request", () => {
    const made = leader();
    made.fetched(keyOf(4));
    made.ask({ ...add(4), voter: { ...voterOf(4), minKraftVersion: 9, maxKraftVersion: 9 } });
    made.step({ type: "probed", voter: keyOf(4), range: { min: 0, max: 7 } });
    expect(made.history.last.set.voters.at(-1)).toEqual({ ...voterOf(4), maxKraftVersion: 7 });
  });

  test("answers at once if the request does not wait for the commit", () => {
    const made = leader();
    made.fetched(keyOf(4));
    made.ask(add(4, false));
    probed(made, 4);
    expect(changed(made)).toEqual([fault(Errors.NONE)]);
    // The change goes on: another has to wait.
    expect(outcome(made.ask(add(5)))).toEqual(
      fault(Errors.REQUEST_TIMED_OUT, "an earlier change of the voters is in progress"),
    );
    made.pass(TIMES.requestTimeoutMs);
    expect(
      made.of("reply").filter(({ answer }) => answer.type === "change"),
      "it is answered once",
    ).toEqual([]);
    expect(made.node.leadership?.change).toBeUndefined();
    expect(outcome(made.ask(add(5)))).toEqual(
      fault(Errors.REQUEST_TIMED_OUT, "the last change of the voters is not committed yet"),
    );
  });

  test.each<[string, (made: Replica) => RaftAnswer | undefined, unknown]>([
    ["a voter", made => made.ask(add(3)), fault(Errors.DUPLICATE_VOTER, "node 3 is a voter already")],
    [
      "a voter with another disk",
      made => made.ask({ ...add(3), voter: { ...voterOf(3), directoryId: directoryOf(33) } }),
      fault(Errors.DUPLICATE_VOTER, "node 3 is a voter already"),
    ],
    [
      "one while another is asked",
      made => {
        made.ask(add(4));
        return made.ask(add(5));
      },
      fault(Errors.REQUEST_TIMED_OUT, "an earlier change of the voters is in progress"),
    ],
    [
      "one that does not answer",
      made => {
        made.ask(add(4));
        return made.step({ type: "probed", voter: keyOf(4), range: undefined }).of("reply")[0]?.answer;
      },
      fault(Errors.REQUEST_TIMED_OUT, "the new voter does not answer ApiVersions"),
    ],
    [
      "one that does not know kraft.version 1",
      made => {
        made.fetched(keyOf(4));
        made.ask(add(4));
        return probed(made, 4, { min: 0, max: 0 }).of("reply")[0]?.answer;
      },
      fault(Errors.INVALID_REQUEST, "the new voter does not support kraft.version 1"),
    ],
    [
      "one that knows only later ones",
      made => {
        made.fetched(keyOf(4));
        made.ask(add(4));
        return probed(made, 4, { min: 2, max: 3 }).of("reply")[0]?.answer;
      },
      fault(Errors.INVALID_REQUEST, "the new voter does not support kraft.version 1"),
    ],
    [
      "one that has not fetched",
      made => {
        made.ask(add(4));
        return probed(made, 4).of("reply")[0]?.answer;
      },
      fault(Errors.REQUEST_TIMED_OUT, "the new voter is behind the leader"),
    ],
    [
      "one that does not answer in time",
      made => {
        made.ask(add(4));
        return made.pass(TIMES.requestTimeoutMs).of("reply")[0]?.answer;
      },
      fault(Errors.REQUEST_TIMED_OUT, "the change takes too long"),
    ],
  ])("refuses %s", (_what, act, expected) => {
    const made = leader();
    expect(outcome(act(made))).toEqual(expected);
    expect(ids(made)).toEqual([1, 2, 3]);
  });

  test("does not take the answer of another replica, or one that comes too late", () => {
    const made = leader();
    made.fetched(keyOf(4));
    made.ask(add(4));
    probed(made, 5);
    made.step({ type: "probed", voter: { id: 4, directoryId: directoryOf(44) }, range: RANGE });
    expect([made.effects, ids(made)]).toEqual([[], [1, 2, 3]]);
    made.pass(TIMES.requestTimeoutMs);
    probed(made, 4);
    expect(ids(made)).toEqual([1, 2, 3]);
    made.step({ type: "resign" });
    expect(probed(made, 4).of("control")).toEqual([]);
  });

  test("ends with the leadership", () => {
    const made = leader();
    made.ask(add(4));
    made.step({ type: "resign" });
    expect(changed(made)).toEqual([fault(Errors.NOT_LEADER_OR_FOLLOWER)]);
  });

  test("needs a leader that has committed a record of its epoch", () => {
    const fresh = new Replica().lead();
    expect(outcome(fresh.ask(add(4)))).toEqual(
      fault(Errors.REQUEST_TIMED_OUT, "the leader has not committed a record of its epoch yet"),
    );
    const follower = new Replica().follow();
    expect(outcome(follower.ask(add(4)))).toEqual(fault(Errors.NOT_LEADER_OR_FOLLOWER));
    const fixed = leader({ kraftVersion: 0 });
    expect(outcome(fixed.ask(add(4)))).toEqual(
      fault(Errors.UNSUPPORTED_VERSION, "the voters cannot change with kraft.version 0"),
    );
  });
});

describe("removing a voter", () => {
  const remove = (id: number, directory = id) =>
    ({ type: "remove", voter: { id, directoryId: directoryOf(directory) } }) as const;

  test("counts at once, and answers once it is committed", () => {
    const made = leader();
    expect(outcome(made.ask(remove(3)))).toBe("waits");
    expect(ids(made)).toEqual([1, 2]);
    made.flush();
    const before = made.of("reply");
    made.fetched(keyOf(2));
    expect(before).toEqual([]);
    expect(made.of("reply").map(({ answer }) => answer.type)).toContain("change");
    expect(made.node.leadership?.change).toBeUndefined();
  });

  test("refuses one that is none, another disk, and the last one", () => {
    const made = leader();
    for (const [id, directory] of [
      [4, 4],
      [3, 33],
    ] as const) {
      expect(outcome(made.ask(remove(id, directory)))).toEqual(
        fault(Errors.VOTER_NOT_FOUND, `node ${id} with this directory is no voter`),
      );
    }
    const alone = new Replica({ voters: [1] });
    alone.pass(0).flush();
    expect(outcome(alone.ask(remove(1)))).toEqual(fault(Errors.INVALID_REQUEST, "the last voter cannot be removed"));
    expect(ids(alone)).toEqual([1]);
  });

  test("of the leader lets it resign once the others have committed that", () => {
    const made = leader();
    made.ask(remove(1));
    made.flush();
    expect([made.node.role, ids(made)]).toEqual(["LEADER", [2, 3]]);
    made.fetched(keyOf(2));
    expect(made.node.role, "one of two").toBe("LEADER");
    made.fetched(keyOf(3));
    expect(made.of("reply").some(({ answer }) => answer.type === "change" && answer.errorCode === 0)).toBe(true);
    expect(made.node.role).toBe("RESIGNED");
    const { epoch } = made.node;
    // The leader stands no more, and does not get ahead of its successor.
    made.pass(60_000);
    expect([made.node.role, made.node.epoch]).toEqual(["UNATTACHED", epoch]);
  });

  test("times out, but stays in the log", () => {
    const made = leader();
    made.ask(remove(3));
    made.pass(TIMES.requestTimeoutMs);
    expect(changed(made)).toEqual([fault(Errors.REQUEST_TIMED_OUT, "the change takes too long")]);
    expect(ids(made)).toEqual([1, 2]);
  });
});

describe("an update of a voter", () => {
  const update = (made: Replica, voter: VoterDescription, epoch = made.node.epoch) =>
    ({ type: "update", epoch, voter }) as const;

  test("is written down, and answered at once", () => {
    const made = leader();
    const moved = voterOf(2, "elsewhere");
    expect(outcome(made.ask(update(made, moved)))).toEqual(fault(Errors.NONE));
    expect(made.history.last.set.voters).toEqual([voterOf(1), moved, voterOf(3)]);
  });

  test("is refused of one that is no voter, and of one that does not know kraft.version", () => {
    const made = leader();
    expect(outcome(made.ask(update(made, voterOf(4))))).toEqual(fault(Errors.VOTER_NOT_FOUND));
    expect(outcome(made.ask(update(made, { ...voterOf(2), directoryId: directoryOf(22) })))).toEqual(
      fault(Errors.VOTER_NOT_FOUND),
    );
    expect(outcome(made.ask(update(made, { ...voterOf(2), maxKraftVersion: 0 })))).toEqual(
      fault(Errors.INVALID_REQUEST),
    );
    expect(outcome(made.ask(update(made, voterOf(2), made.node.epoch - 1)))).toEqual(fault(Errors.FENCED_LEADER_EPOCH));
    expect(outcome(made.ask(update(made, voterOf(2), made.node.epoch + 1)))).toEqual(
      fault(Errors.UNKNOWN_LEADER_EPOCH),
    );
    expect(made.of("control")).toEqual([]);
  });

  test("waits for an earlier one", () => {
    const made = leader();
    made.ask(update(made, voterOf(2, "elsewhere")));
    expect(outcome(made.ask(update(made, voterOf(3, "elsewhere"))))).toEqual(
      fault(Errors.REQUEST_TIMED_OUT, "the last change of the voters is not committed yet"),
    );
  });

  test("with kraft.version 0 is remembered, and an upgrade writes all down", () => {
    const made = leader({ kraftVersion: 0 });
    const upgrade = (level = 1, validateOnly = false): unknown => {
      made.step({ type: "upgrade", ticket: 77, epoch: made.node.epoch, level, validateOnly });
      return outcome(made.answerTo(77));
    };
    expect(upgrade(0)).toEqual(fault(Errors.NONE));
    expect(upgrade()).toEqual(
      fault(Errors.INVALID_UPDATE_VERSION, "voter 2 has not told its directory and versions yet"),
    );
    expect(outcome(made.ask(update(made, voterOf(4))))).toEqual(fault(Errors.VOTER_NOT_FOUND));
    expect(outcome(made.ask(update(made, { ...voterOf(2), minKraftVersion: 1 })))).toEqual(
      fault(Errors.INVALID_REQUEST),
    );
    made.ask(update(made, voterOf(2)));
    expect(made.of("control"), "nothing is written").toEqual([]);
    made.ask(update(made, { ...voterOf(3), maxKraftVersion: 0 }));
    expect(upgrade()).toEqual(fault(Errors.INVALID_UPDATE_VERSION, "voter 3 does not support kraft.version 1"));
    made.ask(update(made, voterOf(3)));
    expect(upgrade(1, true)).toEqual(fault(Errors.NONE));
    expect(made.of("control"), "only asked").toEqual([]);
    expect(upgrade()).toEqual(fault(Errors.NONE));
    expect(made.history.last.set).toEqual({ kraftVersion: 1, voters: [1, 2, 3].map(id => voterOf(id)) });
    expect(upgrade()).toEqual(fault(Errors.NONE));
    expect(upgrade(0)).toEqual(fault(Errors.INVALID_UPDATE_VERSION, "kraft.version is 1, and cannot be lowered"));
    expect(upgrade(2)).toEqual(
      fault(Errors.INVALID_UPDATE_VERSION, "the last change of the voters is not committed yet"),
    );
  });
});

describe("what a follower wants of its leader", () => {
  const RUN = { epoch: 1, baseOffset: 0, endOffset: 1 };
  /** Call of a follower to its leader after a fetch time-out in which it has heard of it. */
  const wanted = (made: Replica): unknown => {
    made.follow().store([RUN]);
    if (made.of("flush").length > 0) made.flush();
    made.now += TIMES.fetchTimeoutMs - 1;
    made.answer(2, { type: "fetch", leaderId: 2, highWatermark: 0 });
    made.now += 1;
    return made.answer(2, { type: "fetch", leaderId: 2, highWatermark: 0 }).sent[2];
  };

  test("a voter that the log describes as it is wants nothing", () => {
    expect(wanted(new Replica())).toMatchObject({ type: "fetch" });
  });

  test("a voter with another endpoint tells it, and waits for the log to say so", () => {
    const self = voterOf(1, "elsewhere");
    const made = new Replica({ self });
    expect(wanted(made)).toEqual({ type: "update", epoch: 1, voter: self });
    made.answer(2, { type: "change", leaderId: 2 });
    expect(made.sent[2]).toMatchObject({ type: "fetch" });
    made.now += TIMES.fetchTimeoutMs - 1;
    made.answer(2, { type: "fetch", leaderId: 2, highWatermark: 0 });
    made.now += 1;
    made.answer(2, { type: "fetch", leaderId: 2, highWatermark: 0 });
    expect(made.sent[2], "it is not in the log yet").toEqual({ type: "update", epoch: 1, voter: self });
  });

  test("with kraft.version 0 each leader is told once", () => {
    const made = new Replica({ kraftVersion: 0 });
    expect(wanted(made)).toEqual({ type: "update", epoch: 1, voter: voterOf(1) });
    made.answer(2, { type: "change", leaderId: 2 });
    made.now += TIMES.fetchTimeoutMs - 1;
    made.answer(2, { type: "fetch", leaderId: 2, highWatermark: 0 });
    made.now += 1;
    expect(made.answer(2, { type: "fetch", leaderId: 2, highWatermark: 0 }).sent[2]).toMatchObject({ type: "fetch" });
  });

  test("an observer wants to be a voter only if it is told to", () => {
    expect(wanted(new Replica({ voters: [2, 3] }))).toMatchObject({ type: "fetch" });
    expect(wanted(new Replica({ voters: [2, 3], autoJoin: true }))).toEqual({
      ...{ type: "add", voter: voterOf(1), ackWhenCommitted: false },
    });
    expect(wanted(new Replica({ voters: [2, 3], autoJoin: true, canVote: false }))).toMatchObject({ type: "fetch" });
    expect(wanted(new Replica({ voters: [2, 3], autoJoin: true, kraftVersion: 0 }))).toMatchObject({ type: "fetch" });
  });

  test("a node with a new disk has its old vote removed first", () => {
    const self = { ...voterOf(1), directoryId: directoryOf(11) };
    expect(wanted(new Replica({ self, autoJoin: true }))).toEqual({ type: "remove", voter: keyOf(1) });
    expect(wanted(new Replica({ self }))).toMatchObject({ type: "fetch" });
  });
});
