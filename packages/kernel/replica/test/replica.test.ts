import { InvariantError } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Acks, type BrokerView, type PartitionState, Replica, type Settled, type Wait } from "../src/index.ts";

const ACKS = ["LEADER", "COMMITTED", "IN_SYNC"] as const;
const NOT_LEADER = Errors.NOT_LEADER_OR_FOLLOWER.code;
const STORAGE = Errors.KAFKA_STORAGE_ERROR.code;
const AFTER_APPEND = Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND.code;

const BROKERS: BrokerView = { self: 1, ownEpoch: () => 1, aliveEpoch: () => 1, isLeaving: () => false };
const START = { logEnd: 0, ownEnd: 0, now: 0 };

function follower(highWatermark = 0): Replica<number> {
  return new Replica<number>(highWatermark, { brokers: BROKERS, lagMs: 100 });
}

/** State in which broker 1 leads in an epoch. */
function state(leaderEpoch: number, replicas = [1], isr = [1]): PartitionState {
  return { leaderEpoch, partitionEpoch: leaderEpoch, replicas, isr };
}

function leader(): Replica<number> {
  const replica = follower();
  expect(replica.becomeLeader(state(0), START)).toBe(true);
  return replica;
}

/** Appends that end once the leader has written up to `end`. */
function written(replica: Replica<number>, end: number): readonly Settled<number>[] {
  replica.written(end, 0);
  return replica.settled();
}

describe("a replica", () => {
  test("serves nobody before it leads, and names the reason", () => {
    const replica = follower(7);
    expect([replica.fault, replica.leaderEpoch, replica.highWatermark]).toEqual([NOT_LEADER, -1, 7]);
    expect(replica.appendFault("LEADER")).toBe(NOT_LEADER);
    expect(() => replica.appended(8, "LEADER", 1)).toThrow(InvariantError);
    replica.becomeLeader(state(3), START);
    expect([replica.fault, replica.appendFault("LEADER")]).toEqual([0, 0]);
    replica.becomeFollower(4);
    expect(replica.fault).toBe(NOT_LEADER);
    replica.becomeOffline(STORAGE);
    expect([replica.fault, replica.isOffline]).toEqual([STORAGE, true]);
  });

  test("does not come back once it is offline, nor to an earlier epoch", () => {
    const replica = leader();
    replica.becomeFollower(5);
    expect(() => replica.becomeLeader(state(4), START)).toThrow(InvariantError);
    const gone = leader();
    gone.becomeOffline(STORAGE);
    expect(() => gone.becomeLeader(state(9), START)).toThrow(InvariantError);
    for (const step of ["becomeFollower", "becomeOffline"] as const)
      expect(() => gone[step](9)).toThrow(InvariantError);
  });

  test("compares the epoch that a client knows", () => {
    const replica = follower();
    replica.becomeLeader(state(5), START);
    const { FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH } = Errors;
    const codes = [-1, 4, 5, 6].map(epoch => replica.epochFault(epoch));
    expect(codes).toEqual([0, FENCED_LEADER_EPOCH.code, 0, UNKNOWN_LEADER_EPOCH.code]);
  });

  test("refuses appends for all replicas in sync while these are too few", () => {
    const replica = leader();
    replica.minInSync = 2;
    expect(replica.appendFault("IN_SYNC"), "it has no other replica").toBe(0);
    replica.becomeLeader(state(1, [1, 2, 3], [1]), START);
    expect(ACKS.map(acks => replica.appendFault(acks))).toEqual([0, 0, Errors.NOT_ENOUGH_REPLICAS.code]);
  });

  test("says so if they became too few after the append", () => {
    const replica = leader();
    ACKS.forEach((acks, i) => replica.appended(1, acks, i));
    replica.written(1, 0);
    replica.minInSync = 2;
    replica.becomeLeader(state(1, [1, 2], [1]), START);
    expect(outcomes(replica.settled())).toEqual([
      [0, 0],
      [1, 0],
      [2, AFTER_APPEND],
    ]);
  });

  test("commits nothing while they are too few", () => {
    const replica = leader();
    replica.minInSync = 2;
    replica.becomeLeader(state(1, [1, 2], [1]), START);
    ACKS.forEach((acks, i) => replica.appended(1, acks, i));
    expect(outcomes(written(replica, 1))).toEqual([[0, 0]]);
    expect(replica.highWatermark).toBe(0);
  });

  test("takes the high watermark of its leader, as far as it has the records", () => {
    const replica = follower(2);
    replica.becomeFollower(4);
    expect([replica.follow(7, 5), replica.highWatermark]).toEqual([5, 5]);
    expect([replica.follow(3, 5), replica.highWatermark], "a new leader may know less").toEqual([3, 3]);
    replica.becomeLeader(state(5), { logEnd: 5, ownEnd: 5, now: 0 });
    expect(replica.highWatermark).toBe(5);
    replica.becomeFollower(6);
    expect(replica.highWatermark).toBe(5);
  });
});

function outcomes(settled: readonly Settled<number>[]): [item: number, errorCode: number][] {
  return settled.flatMap(({ items, errorCode }) => items.map((item): [number, number] => [item, errorCode]));
}

/** A list that is searched as a whole at each step. */
class Model {
  waits: { readonly item: number; readonly end: number; readonly acks: Acks }[] = [];
  highWatermark = 0;
  role: "LEADER" | "FOLLOWER" = "LEADER";

  take(isOver: (end: number) => boolean, errorCode: number): [item: number, errorCode: number][] {
    const over = ACKS.flatMap(acks =>
      this.waits.filter(wait => wait.acks === acks && isOver(wait.end)).toSorted((a, b) => a.end - b.end),
    );
    this.waits = this.waits.filter(({ end }) => !isOver(end));
    return over.map(({ item }) => [item, errorCode]);
  }
}

test("every append has one outcome, in order, or is cancelled", () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constant("append"), fc.nat(3), fc.nat(2)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("duplicate"), fc.nat(30), fc.nat(2)) },
    { weight: 3, arbitrary: fc.tuple(fc.constant("cancel"), fc.nat(200), fc.constant(0)) },
    { weight: 3, arbitrary: fc.tuple(fc.constant("written"), fc.nat(300), fc.constant(0)) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom("follow", "lead"), fc.nat(2), fc.constant(0)) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), steps => {
      const replica = leader();
      const model = new Model();
      const waits: Wait<number>[] = [];
      let end = 0;
      for (const [what, by, which] of steps) {
        if ((what === "append" || what === "duplicate") && model.role === "LEADER") {
          if (what === "append") end += by;
          // A duplicate ends where the batch ends that the log already has.
          const at = what === "append" ? end : Math.max(0, end - by);
          const acks = ACKS[which] as Acks;
          model.waits.push({ item: waits.length, end: at, acks });
          waits.push(replica.appended(at, acks, waits.length));
        } else if (what === "cancel" && by < waits.length) {
          waits[by]?.cancel();
          model.waits = model.waits.filter(({ item }) => item !== by);
        } else if (what === "written") {
          const at = Math.min(by, end);
          const isLeader = model.role === "LEADER";
          if (isLeader) model.highWatermark = Math.max(model.highWatermark, at);
          const expected = isLeader ? model.take(offset => offset <= model.highWatermark, 0) : [];
          const got = outcomes(written(replica, at));
          expect(got).toEqual(expected);
          expect(replica.highWatermark).toBe(model.highWatermark);
        } else if (what === "follow" || what === "lead") {
          const epoch = replica.leaderEpoch + by;
          model.role = what === "lead" ? "LEADER" : "FOLLOWER";
          if (what === "lead") replica.becomeLeader(state(epoch), START);
          else expect(outcomes([replica.becomeFollower(epoch)])).toEqual(model.take(() => true, NOT_LEADER));
        }
      }
      expect(waits.filter(({ item }) => item !== undefined)).toHaveLength(model.waits.length);
    }),
  );
});

test("cancelled appends do not pile up while the log stands still", () => {
  const replica = leader();
  const kept = replica.appended(1, "IN_SYNC", -1);
  for (let i = 0; i < 10_000; i++) replica.appended(1, "IN_SYNC", i).cancel();
  expect(kept.item).toBe(-1);
  expect(replica.waiting).toBeLessThan(100);
  expect(outcomes(written(replica, 1))).toEqual([[-1, 0]]);
});

test("cancelled appends that have ended do not count among those that are kept", () => {
  const replica = leader();
  for (let i = 0; i < 60; i++) replica.appended(1, "IN_SYNC", i).cancel();
  written(replica, 1);
  const waits = Array.from({ length: 64 }, (_, i) => replica.appended(2, "IN_SYNC", i));
  waits[0]?.cancel();
  expect(replica.waiting, "few are cancelled: it is not worth while to remove them").toBe(64);
});
