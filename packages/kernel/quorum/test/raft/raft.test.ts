import { ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { Leadership } from "../../src/raft/leadership.ts";
import type { ElectionState, RaftEffect } from "../../src/raft/effects.ts";
import type { RaftAnswer, RaftCall, ReplicaKey } from "../../src/raft/messages.ts";
import { RaftLog } from "../../src/raft/raft-log.ts";
import { RaftNode } from "../../src/raft/raft-node.ts";
import { VoterHistory } from "../../src/raft/voter-history.ts";
import { described, type Machine, RaftCluster, TIMES } from "./cluster.ts";
import { heal, play } from "./histories.ts";

test.each([1, 2, 3, 5])("%i voters elect a leader, commit, and go on without it", voters => {
  const cluster = new RaftCluster(voters, voters, 1);
  cluster.run(5000);
  cluster.propose(3);
  cluster.run(1000);
  expect(cluster.elections).toBe(1);
  expect(cluster.committed.map(({ value }) => value)).toEqual([-1, 0, 1, 2]);
  expect(cluster.machines.map(({ highWatermark }) => highWatermark)).toEqual(cluster.machines.map(() => 4));
  const first = cluster.leader;
  if (voters < 3 || first === undefined) return;
  cluster.crash(first);
  cluster.run(5000);
  expect(cluster.leader).toBeDefined();
  cluster.propose(1);
  cluster.run(1000);
  expect(cluster.committed.map(({ value }) => value)).toEqual([-1, 0, 1, 2, -1, 3]);
  heal(cluster);
});

/** A cluster of three voters and one observer, and its leader. */
function elected(seed: number): { cluster: RaftCluster; leader: Machine; followers: Machine[]; observer: Machine } {
  const cluster = new RaftCluster(seed, 3, 1);
  cluster.run(5000);
  const { leader } = cluster;
  const [observer] = cluster.machines.slice(3);
  if (leader === undefined || observer === undefined) throw new Error("no leader");
  return { cluster, leader, followers: cluster.machines.filter(m => m !== leader && m !== observer), observer };
}

describe("a leader", () => {
  test("that no majority of voters fetches from resigns, whoever else does", () => {
    const { cluster, leader, followers } = elected(7);
    cluster.isolate(leader, followers);
    cluster.run(3001);
    expect(leader.node?.role).not.toBe("LEADER");
    heal(cluster);
  });

  test("that resigns names the most up to date voter, which follows at once", () => {
    const { cluster, leader, followers } = elected(8);
    const [behind, ahead] = followers as [Machine, Machine];
    cluster.isolate(behind);
    cluster.propose(1);
    cluster.run(100);
    cluster.cut.clear();
    cluster.step(leader, { type: "resign" });
    expect(leader.node?.role).toBe("RESIGNED");
    cluster.run(100);
    expect(cluster.leader?.key.id).toBe(ahead.key.id);
    expect(cluster.elections).toBe(2);
  });

  test("that resigns waits for no voter whose process has ended", () => {
    const { cluster, leader, followers } = elected(8);
    for (const follower of followers) cluster.crash(follower);
    cluster.step(leader, { type: "resign" });
    expect(leader.node?.hasSaidGoodbye).toBe(false);
    // Its next election is later than that.
    cluster.run(500);
    expect([leader.node?.role, leader.node?.hasSaidGoodbye]).toEqual(["RESIGNED", true]);
  });

  test("is not disturbed by a voter that was cut off", () => {
    const { cluster, leader, followers } = elected(9);
    const [lonely] = followers as [Machine];
    const { epoch } = leader.node as { epoch: number };
    cluster.isolate(lonely);
    cluster.run(60_000);
    expect(lonely.node?.epoch, "nobody would elect it, so it does not stand").toBe(epoch);
    cluster.cut.clear();
    cluster.run(5000);
    expect(cluster.leader).toBe(leader);
    expect(cluster.elections).toBe(1);
  });

  test("of an earlier epoch that comes back follows, and loses what was not committed", () => {
    const { cluster, leader } = elected(10);
    cluster.isolate(leader);
    cluster.propose(2);
    cluster.run(100);
    expect(leader.log).toHaveLength(3);
    cluster.run(10_000);
    expect(cluster.elections).toBe(2);
    cluster.cut.clear();
    cluster.run(5000);
    expect(cluster.truncations).toBe(1);
    expect(leader.log.map(({ value }) => value)).toEqual([-1, -1]);
    heal(cluster);
  });

  test("does not commit records of earlier epochs before one of its own", () => {
    const [self, second, third] = [1, 2, 3].map(id => ({ id, directoryId: ZERO_UUID })) as [
      ReplicaKey,
      ReplicaKey,
      ReplicaKey,
    ];
    const start = { self, epoch: 4, startOffset: 5, voters: [self, second, third], fetchTimeoutMs: 2000, now: 0 };
    const leadership = new Leadership(start);
    leadership.flushed(6);
    expect(leadership.fetched(second, 5, { now: 1, ownEnd: 6 })).toBe(false);
    expect(leadership.highWatermark).toBe(-1);
    expect(leadership.fetched(second, 6, { now: 2, ownEnd: 6 })).toBe(true);
    expect(leadership.highWatermark).toBe(6);
    expect(leadership.fetched(third, 3, { now: 3, ownEnd: 6 })).toBe(false);
    expect(leadership.highWatermark).toBe(6);
  });
});

test("followers hear of the high watermark at once", () => {
  const { cluster, leader } = elected(12);
  cluster.propose(1);
  cluster.run(60);
  expect(cluster.machines.map(({ highWatermark }) => highWatermark)).toEqual(Array(4).fill(leader.log.length));
});

test("a replica does not call a node that is down in a loop", () => {
  const { cluster, leader, followers } = elected(13);
  for (const follower of followers) cluster.crash(follower);
  const before = cluster.calls;
  cluster.run(10_000);
  expect(leader.node?.role).not.toBe("LEADER");
  expect(cluster.calls - before).toBeLessThan(2500);
});

const KEYS = [1, 2, 3].map(id => ({ id, directoryId: ZERO_UUID }));

/** The first of three voters, with what it has kept of an election. */
function voter(state: ElectionState, draw = 0): RaftNode {
  const [self] = KEYS as [ReplicaKey];
  return new RaftNode({
    self: described(self),
    canVote: true,
    voters: new VoterHistory(KEYS.map(described)),
    state,
    log: new RaftLog({ epochs: [], endOffset: 0 }),
    times: TIMES,
    draw: () => draw,
    now: 0,
  });
}

test("a follower takes no records that leave a gap, or that come from a later epoch", () => {
  for (const [run, isTaken] of [
    [{ epoch: 1, baseOffset: 0, endOffset: 1 }, true],
    [{ epoch: 1, baseOffset: 5, endOffset: 6 }, false],
    [{ epoch: 2, baseOffset: 0, endOffset: 1 }, false],
  ] as const) {
    const node = voter({ epoch: 1, leaderId: 2, votedKey: undefined });
    const sent = node.step({ type: "tick", now: 1 }).find(({ type }) => type === "send");
    const call = sent?.type === "send" ? sent.call : -1;
    const answer = { type: "fetch", errorCode: 0, epoch: 1, leaderId: 2, highWatermark: 1, runs: [run] } as const;
    const effects = node.step({ type: "answer", call, from: 2, answer, now: 2 });
    expect(effects.filter(({ type }) => type === "store")).toHaveLength(isTaken ? 1 : 0);
  }
});

test("a replica promises no record that is not on its device, in whatever role", () => {
  const node = voter({ epoch: 1, leaderId: undefined, votedKey: { id: 1, directoryId: ZERO_UUID } });
  const asked = node.step({ type: "tick", now: 1 }).find(({ type }) => type === "send");
  const call = asked?.type === "send" ? asked.call : -1;
  const granted = { type: "vote", errorCode: 0, epoch: 1, leaderId: -1, granted: true } as const;
  const flush = node.step({ type: "answer", call, from: 2, answer: granted, now: 2 }).find(e => e.type === "flush");
  expect([node.role, flush?.type]).toEqual(["LEADER", "flush"]);
  const fetches = (effects: readonly RaftEffect[]): unknown[] =>
    effects.filter(effect => effect.type === "send" && effect.request.type === "fetch");
  const [, second, third] = KEYS as [ReplicaKey, ReplicaKey, ReplicaKey];
  const end = { offset: 1, epoch: 1 };
  const vote = { type: "vote", preVote: false, epoch: 3, candidate: third, voter: second, end } as const;
  expect(fetches(node.step({ type: "call", ticket: 1, call: vote, now: 3 }))).toEqual([]);
  expect(node.role).toBe("UNATTACHED");
  const begin = { type: "begin", epoch: 3, leaderId: 3, voter: KEYS[0] as ReplicaKey } as const;
  expect(fetches(node.step({ type: "call", ticket: 2, call: begin, now: 4 }))).toEqual([]);
  expect(node.role).toBe("FOLLOWER");
  if (flush?.type !== "flush") throw new Error("no flush");
  const { generation, offset } = flush;
  expect(fetches(node.step({ type: "flushed", generation, offset, now: 5 }))).toHaveLength(1);
});

test("a voter of a release without pre-votes is asked for its vote at once", () => {
  const node = voter({ epoch: 1, leaderId: undefined, votedKey: undefined });
  const asked = node.step({ type: "tick", now: 1000 }).filter(({ type }) => type === "send");
  expect([node.role, asked.length]).toEqual(["PROSPECTIVE", 2]);
  const [{ call }] = asked as { call: number }[];
  node.step({ type: "failed", call, isUnsupported: true, now: 1001 });
  expect([node.role, node.epoch]).toEqual(["CANDIDATE", 2]);
});

test("a leader whose process does not run is missed at once, unless it is heard again", () => {
  const node = voter({ epoch: 1, leaderId: 2, votedKey: undefined }, 0.5);
  const callOf = (effects: readonly RaftEffect[]): number => {
    const sent = effects.find(({ type }) => type === "send");
    return sent?.type === "send" ? sent.call : -1;
  };
  const answer = { type: "fetch", errorCode: 0, epoch: 1, leaderId: 2, highWatermark: 1, runs: [] } as const;
  let call = callOf(node.step({ type: "tick", now: 1 }));
  call = callOf(node.step({ type: "answer", call, from: 2, answer, now: 2 }));
  const { electionTimeoutMs, fetchTimeoutMs, retryBackoffMs } = TIMES;
  const [, second, third] = KEYS as [ReplicaKey, ReplicaKey, ReplicaKey];
  const end = { offset: 1, epoch: 1 };
  const asks = (now: number): unknown =>
    node
      .step({
        type: "call",
        ticket: now,
        call: { type: "vote", preVote: true, epoch: 1, candidate: third, voter: KEYS[0] as ReplicaKey, end },
        now,
      })
      .find(({ type }) => type === "reply");
  expect(second.id).toBe(2);
  expect(asks(3)).toMatchObject({ answer: { granted: false } });
  // Another voter may know of another leader; it does not.
  const other = callOf(node.step({ type: "failed", call, isRefused: true, now: 4 }));
  node.step({ type: "failed", call: other, now: 4 });
  expect(asks(5)).toMatchObject({ answer: { granted: true } });
  call = callOf(node.step({ type: "tick", now: 5 + retryBackoffMs }));
  expect(node.nextDeadline()).toBeLessThan(5 + electionTimeoutMs / 4);
  node.step({ type: "answer", call, from: 2, answer, now: 6 + retryBackoffMs });
  expect(asks(7 + retryBackoffMs)).toMatchObject({ answer: { granted: false } });
  node.step({ type: "tick", now: electionTimeoutMs });
  expect([node.role, fetchTimeoutMs > electionTimeoutMs]).toEqual(["FOLLOWER", true]);
});

test("a log is trimmed below a snapshot only, and tells followers of the snapshot then", () => {
  const epochs = [1, 2, 3].map(epoch => ({ epoch, startOffset: epoch * 10 - 10 }));
  const log = new RaftLog({ epochs, endOffset: 30 });
  expect(() => log.trim({ offset: 15, epoch: 2 })).toThrow("below a snapshot");
  log.snapshotted({ offset: 15, epoch: 2 });
  log.trim({ offset: 15, epoch: 2 });
  const snapshot = { offset: 15, epoch: 2 };
  expect([0, 5, 14].map(offset => log.misplaced({ offset, epoch: 1 }))).toEqual(Array(3).fill({ snapshot }));
  expect(log.misplaced({ offset: 15, epoch: 1 })).toEqual({ snapshot });
  expect(log.misplaced({ offset: 15, epoch: 2 })).toBeUndefined();
  expect(log.misplaced({ offset: 25, epoch: 2 })).toEqual({ diverging: { offset: 20, epoch: 2 } });
  expect(log.misplaced({ offset: 30, epoch: 3 })).toBeUndefined();
  log.restart({ offset: 40, epoch: 5 });
  expect([log.end, log.endForEpoch(7), log.misplaced({ offset: 40, epoch: 5 })]).toEqual([
    { offset: 40, epoch: 5 },
    { offset: 40, epoch: 5 },
    undefined,
  ]);
});

test("a request that makes no sense gets Kafka's error, and changes nothing", () => {
  const { leader, followers } = elected(11);
  const [follower] = followers as [Machine];
  const node = follower.node as RaftNode;
  const { epoch } = node;
  const end = { offset: 1, epoch };
  const ask = (call: RaftCall): unknown => {
    const replies = node.step({ type: "call", ticket: 1, call, now: 5000 }).filter(({ type }) => type === "reply");
    return (replies as { answer: RaftAnswer }[]).map(({ answer }) => answer.errorCode);
  };
  const vote = { type: "vote", preVote: false, candidate: leader.key, voter: follower.key } as const;
  const begin = { type: "begin", epoch, leaderId: leader.key.id, voter: follower.key } as const;
  const fetch = { type: "fetch", epoch, replica: leader.key, end, highWatermark: -1, maxWaitMs: 0 } as const;
  const { INVALID_REQUEST, FENCED_LEADER_EPOCH, INVALID_VOTER_KEY, UNKNOWN_LEADER_EPOCH } = Errors;
  expect([
    ask({ ...vote, epoch, end }),
    ask({ ...vote, epoch: epoch + 1, end: { offset: -1, epoch } }),
    ask({ ...vote, preVote: true, epoch: epoch - 1, end: { offset: 0, epoch: 0 } }),
    ask({ ...begin, epoch: epoch - 1 }),
    ask({ ...begin, leaderId: -1 }),
    ask({ ...begin, leaderId: 99 }),
    ask({ ...begin, voter: leader.key }),
    ask({ ...fetch, end: { offset: 1, epoch: epoch + 1 } }),
    ask({ ...fetch, epoch: epoch + 1 }),
    ask(fetch),
    ask({ ...fetch, epoch: epoch - 1, end: { offset: 0, epoch: 0 } }),
  ]).toEqual(
    [
      INVALID_REQUEST,
      INVALID_REQUEST,
      FENCED_LEADER_EPOCH,
      FENCED_LEADER_EPOCH,
      INVALID_REQUEST,
      Errors.UNKNOWN_SERVER_ERROR,
      INVALID_VOTER_KEY,
      INVALID_REQUEST,
      UNKNOWN_LEADER_EPOCH,
      Errors.NOT_LEADER_OR_FOLLOWER,
      FENCED_LEADER_EPOCH,
    ].map(({ code }) => [code]),
  );
  expect([node.epoch, node.role, node.leaderId]).toEqual([epoch, "FOLLOWER", leader.key.id]);
});

const SEEDS = Number(process.env["RAFT_SEEDS"] ?? 150);

describe("any history of faults", () => {
  test.each([
    ["static", false],
    ["changing", true],
  ])("with %s voters keeps every committed record, and ends with a leader", (_, isDynamic) => {
    const sums = { elections: 0, truncations: 0, installs: 0, changes: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const cluster = play(seed, isDynamic);
      sums.elections += cluster.elections;
      sums.truncations += cluster.truncations;
      sums.installs += cluster.installs;
      sums.changes += cluster.changes;
    }
    expect(sums.elections).toBeGreaterThan(SEEDS);
    expect(sums.truncations).toBeGreaterThan(SEEDS / 10);
    expect(sums.installs).toBeGreaterThan(SEEDS / 10);
    if (isDynamic) expect(sums.changes).toBeGreaterThan(SEEDS);
  });
});
