import { InvariantError, type PreviousStates } from "@samsa/base";
import { describe, expect, test } from "vitest";
import {
  type MemberState,
  memberState,
  moved,
  newMember,
  PREVIOUS_MEMBER_STATES,
  STATE,
} from "../src/consumer/member.ts";
import { ClassicGroup, type GroupState, PREVIOUS_GROUP_STATES } from "../src/classic/group.ts";
import { PREVIOUS_RECORD_STATES, RecordState, Slot } from "../src/share/in-flight.ts";
import {
  completed,
  freshImage,
  prepared,
  PREVIOUS_TXN_STATES,
  TXN_STATES,
  type TxnImage,
  withNewProducer,
  withNextEpoch,
  withPartitions,
} from "../src/txn/image.ts";

function statesOf<S extends string | number>(
  previous: PreviousStates<S>,
  names: Readonly<Record<string, S>>,
): string[] {
  return Object.entries(names).flatMap(([name, state]) =>
    Object.entries(names).flatMap(([before, from]) => (previous[state].includes(from) ? [`${before} -> ${name}`] : [])),
  );
}

/** Names by themselves, for states that are text. */
function named<S extends string>(states: readonly S[]): Record<string, S> {
  return Object.fromEntries(states.map(state => [state, state]));
}

/** Tries each pair of states; returns those that do not throw. Other errors than `InvariantError` are thrown. */
function legal<S>(names: Readonly<Record<string, S>>, go: (from: S, to: S) => void): string[] {
  return Object.entries(names).flatMap(([name, to]) =>
    Object.entries(names).flatMap(([before, from]) => {
      try {
        go(from, to);
      } catch (error) {
        if (error instanceof InvariantError) return [];
        throw error;
      }
      return [`${before} -> ${name}`];
    }),
  );
}

describe("a classic group", () => {
  const names = named<GroupState>(["Empty", "PreparingRebalance", "CompletingRebalance", "Stable"]);
  const kafka = [
    "PreparingRebalance -> Empty",
    "Empty -> PreparingRebalance",
    "CompletingRebalance -> PreparingRebalance",
    "Stable -> PreparingRebalance",
    "PreparingRebalance -> CompletingRebalance",
    "CompletingRebalance -> Stable",
  ];

  test("goes where Kafka's goes, and nowhere else", () => {
    expect(statesOf(PREVIOUS_GROUP_STATES, names)).toEqual(kafka);
    const go = (state: GroupState, to: GroupState) =>
      new ClassicGroup("g", { state, stateTimestamp: 0 }).transition(to, 1);
    expect(legal(names, go)).toEqual(kafka);
  });
});

describe("a transactional id", () => {
  const kafka = [
    "Empty -> Empty",
    "CompleteCommit -> Empty",
    "CompleteAbort -> Empty",
    "Empty -> Ongoing",
    "Ongoing -> Ongoing",
    "CompleteCommit -> Ongoing",
    "CompleteAbort -> Ongoing",
    "Ongoing -> PrepareCommit",
    "Empty -> PrepareAbort",
    "Ongoing -> PrepareAbort",
    "CompleteCommit -> PrepareAbort",
    "CompleteAbort -> PrepareAbort",
    "PrepareEpochFence -> PrepareAbort",
    "PrepareCommit -> CompleteCommit",
    "PrepareAbort -> CompleteAbort",
    "Empty -> Dead",
    "CompleteCommit -> Dead",
    "CompleteAbort -> Dead",
    "Ongoing -> PrepareEpochFence",
  ];

  test("goes where Kafka's goes", () => {
    expect(statesOf(PREVIOUS_TXN_STATES, named(TXN_STATES))).toEqual(kafka);
  });

  test("takes no step from a state before which it is illegal", () => {
    const begin = { timeoutMs: 1, wall: 1 };
    const ending = { clientVersion: 2, nextProducerId: -1n, wall: 1 };
    const steps: readonly ((image: TxnImage) => TxnImage | undefined)[] = [
      image => withNextEpoch(image, begin, undefined),
      image => withNewProducer(image, begin, 2n, false),
      image => withPartitions(image, new Map(), 1, 2),
      image => prepared(image, { ...ending, commit: true }),
      image => prepared(image, { ...ending, commit: false }),
      image => completed(image, 1),
    ];
    const done = new Set<string>();
    for (const step of steps) {
      for (const state of TXN_STATES) {
        // No image is Dead or in PrepareEpochFence, but the table has rows for both.
        const image = { ...freshImage(1n, 1, 0), state } as TxnImage;
        try {
          done.add(`${state} -> ${step(image)?.state}`);
        } catch (error) {
          expect(error).toBeInstanceOf(InvariantError);
        }
      }
    }
    const steady = kafka.filter(pair => !/-> (?:Dead|PrepareEpochFence)$/.test(pair));
    expect([...done].toSorted()).toEqual(steady.toSorted());
  });
});

describe("a record of a share partition", () => {
  const kafka = [
    "ACQUIRED -> AVAILABLE",
    "AVAILABLE -> ACQUIRED",
    "ACQUIRED -> ACKNOWLEDGED",
    "ACQUIRED -> ARCHIVING",
    "AVAILABLE -> ARCHIVED",
    "ACQUIRED -> ARCHIVED",
    "ARCHIVING -> ARCHIVED",
  ];

  test("goes where Kafka's goes, and nowhere else", () => {
    expect(statesOf(PREVIOUS_RECORD_STATES, RecordState)).toEqual(kafka);
    const slot = (state: RecordState) => new Slot({ first: 0, last: 0 }, state, 1);
    expect(legal(RecordState, (from, to) => slot(from).become(to))).toEqual(kafka);
  });

  test("is archived once, and keeps its state if a change is undone", () => {
    const slot = new Slot({ first: 0, last: 0 }, RecordState.ACQUIRED, 1);
    slot.become(RecordState.ACKNOWLEDGED);
    expect(() => slot.archive()).toThrow(InvariantError);
    slot.restore({ state: RecordState.ACQUIRED, memberId: "m" });
    expect([slot.state, slot.memberId]).toEqual([RecordState.ACQUIRED, "m"]);
    slot.archive();
    expect(slot.state).toBe(RecordState.ARCHIVED);
  });
});

describe("a member of a consumer group", () => {
  test("never goes to a state that this version does not know", () => {
    const all = Object.keys(STATE);
    const kafka = ["stable", "unrevoked", "unreleased"].flatMap(to => all.map(from => `${from} -> ${to}`));
    expect(statesOf<MemberState>(PREVIOUS_MEMBER_STATES, STATE)).toEqual(kafka);
    const go = (from: MemberState, to: MemberState) => moved({ ...newMember("m"), state: from }, 1, { state: to });
    expect(legal<MemberState>(STATE, go)).toEqual(kafka);
  });

  test("has an unknown state if a later version has written its record", () => {
    expect([0, 1, 2, 3, 127].map(memberState)).toEqual([0, 1, 2, 127, 127]);
  });
});
