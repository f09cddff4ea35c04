import { Errors } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { type BrokerView, type IsrAnswer, type IsrProposal, Replica } from "../src/index.ts";

const LAG = 100;

/** Broker 1 leads; brokers 2 and 3 follow. Epochs of brokers: 20 and 30. */
class Leader {
  readonly alive = new Map([
    [2, 20],
    [3, 30],
  ]);
  readonly leaving = new Set<number>();
  readonly replica: Replica<number>;
  logEnd = 10;
  now = 1000;
  readonly pulse = { at: 0 };

  constructor(isr: readonly number[], highWatermark = 0, minInSync = 1) {
    const brokers: BrokerView = {
      self: 1,
      ownEpoch: () => 10,
      aliveEpoch: id => this.alive.get(id),
      isLeaving: id => this.leaving.has(id),
    };
    this.replica = new Replica<number>(highWatermark, { brokers, lagMs: LAG });
    this.replica.minInSync = minInSync;
    this.image(5, 7, isr);
  }

  image(leaderEpoch: number, partitionEpoch: number, isr: readonly number[], replicas = [1, 2, 3]): boolean {
    const { logEnd, now } = this;
    return this.replica.becomeLeader({ leaderEpoch, partitionEpoch, replicas, isr }, { logEnd, ownEnd: logEnd, now });
  }

  fetched(id: number, offset: number, brokerEpoch = id * 10, logStart = 0): number {
    const { logEnd, now, pulse } = this;
    return this.replica.fetched({ id, brokerEpoch, offset, logStart, logEnd, now, pulse });
  }

  append(to: number): void {
    this.logEnd = to;
    this.replica.written(to, this.now);
  }

  get highWatermark(): number {
    return this.replica.highWatermark;
  }

  /** ISR that the leader asks for. */
  asks(): [proposal: IsrProposal, isr: number[]] | undefined {
    const proposal = this.replica.leader?.takeProposal();
    return proposal && [proposal, proposal.isr.map(({ brokerId }) => brokerId)];
  }

  answer(proposal: IsrProposal, answer: IsrAnswer): boolean {
    return this.replica.isrAnswered(proposal, answer, this.now);
  }
}

describe("the high watermark", () => {
  test("is the least end of the replicas in sync", () => {
    const leader = new Leader([1, 2, 3]);
    expect(leader.highWatermark, "no follower has fetched").toBe(0);
    expect([leader.fetched(2, 10), leader.fetched(3, 4)]).toEqual([0, 0]);
    expect(leader.highWatermark).toBe(4);
    leader.fetched(3, 10);
    expect(leader.highWatermark).toBe(10);
    leader.fetched(3, 2);
    expect(leader.highWatermark, "it does not fall").toBe(10);
  });

  test("counts the leader's own end only once that is written", () => {
    const leader = new Leader([1, 2]);
    leader.logEnd = 20;
    leader.fetched(2, 20);
    expect(leader.highWatermark).toBe(10);
    leader.append(20);
    expect(leader.highWatermark).toBe(20);
  });

  test("waits for a replica that joins, before the controller has answered and if it then falls behind", () => {
    const leader = new Leader([1], 10);
    leader.fetched(2, 10);
    const asked = leader.asks();
    expect(asked?.[1]).toEqual([1, 2]);
    leader.append(12);
    leader.now += 10 * LAG;
    leader.append(15);
    expect(leader.highWatermark, "it is not caught up any more, but may be in the ISR").toBe(10);
  });

  test("waits for a replica outside of the ISR that is caught up, but not for one that may not join", () => {
    const leader = new Leader([1]);
    expect(leader.highWatermark).toBe(10);
    leader.leaving.add(2);
    leader.fetched(2, 10);
    expect(leader.asks(), "it leaves").toBeUndefined();
    leader.append(11);
    expect(leader.highWatermark).toBe(11);
    leader.fetched(3, 11);
    const [proposal] = leader.asks() ?? [];
    expect(leader.answer(proposal as IsrProposal, { errorCode: Errors.INELIGIBLE_REPLICA.code })).toBe(false);
    leader.append(12);
    expect(leader.highWatermark, "broker 3 is about to join").toBe(11);
    leader.now += LAG + 1;
    leader.replica.leader?.tick(leader.now);
    expect(leader.highWatermark, "it has stopped").toBe(12);
  });

  test("stands still while the ISR is below the minimum, although a replica joins", () => {
    const leader = new Leader([1], 5, 2);
    expect(leader.highWatermark).toBe(5);
    leader.fetched(2, 10);
    const [proposal] = leader.asks() ?? [];
    expect(leader.highWatermark).toBe(5);
    leader.answer(proposal as IsrProposal, { errorCode: 0, leaderEpoch: 5, partitionEpoch: 8, isr: [1, 2] });
    expect(leader.highWatermark).toBe(10);
  });
});

describe("a follower joins the ISR", () => {
  test("with all that is committed, and the start of the leader's epoch", () => {
    const leader = new Leader([1, 2], 3);
    leader.fetched(3, 9);
    expect(leader.asks(), "records 3 to 9 may be committed").toBeUndefined();
    leader.fetched(3, 10);
    expect(leader.asks()?.[1]).toEqual([1, 2, 3]);
    expect(leader.asks(), "it asks once").toBeUndefined();
  });

  test("later, if it could not when it fetched", () => {
    const leader = new Leader([1]);
    leader.leaving.add(2);
    leader.fetched(2, 10);
    leader.fetched(3, 10);
    const [proposal, isr] = leader.asks() ?? [];
    expect(isr).toEqual([1, 3]);
    leader.leaving.clear();
    leader.answer(proposal as IsrProposal, { errorCode: 0, leaderEpoch: 5, partitionEpoch: 8, isr: [1, 3] });
    expect(leader.asks()?.[1], "one joins at a time").toEqual([1, 3, 2]);
    const other = new Leader([1]);
    other.alive.delete(2);
    other.fetched(2, 10);
    other.alive.set(2, 20);
    other.replica.leader?.tick(other.now);
    expect(other.asks()?.[1]).toEqual([1, 2]);
  });

  test("as the broker that it is, and as none that is fenced or unknown", () => {
    const leader = new Leader([1]);
    expect(leader.fetched(2, 10, 19), "an earlier life").toBe(Errors.NOT_LEADER_OR_FOLLOWER.code);
    leader.fetched(2, 10, 21);
    expect(leader.asks(), "a life that the metadata does not know yet").toBeUndefined();
    leader.alive.delete(3);
    leader.fetched(3, 10);
    expect(leader.asks()).toBeUndefined();
    expect(leader.fetched(9, 10)).toBe(Errors.NOT_LEADER_OR_FOLLOWER.code);
    leader.fetched(2, 10, -1);
    const [proposal] = leader.asks() ?? [];
    expect(proposal).toMatchObject({ leaderEpoch: 5, partitionEpoch: 7, joining: 2 });
    expect(proposal?.isr).toEqual([
      { brokerId: 1, brokerEpoch: 10 },
      { brokerId: 2, brokerEpoch: -1 },
    ]);
  });
});

describe("a follower leaves the ISR", () => {
  test("in which a leader without other replicas has nothing to look for", () => {
    const leader = new Leader([1, 2]);
    const tick = () => leader.replica.leader?.tick(leader.now);
    expect(tick()).toBe(true);
    leader.image(6, 8, [1], [1]);
    expect(tick()).toBe(false);
    expect(leader.asks()).toBeUndefined();
    leader.image(6, 9, [1, 2], [1]);
    expect(tick()).toBe(true);
    expect(leader.asks()?.[1], "broker 2 is no replica any more").toEqual([1]);
    leader.image(7, 10, [1], [1, 3]);
    expect([tick(), leader.fetched(3, 10), leader.fetched(2, 10)]).toEqual([true, 0, expect.any(Number)]);
    expect(leader.asks()?.[1]).toEqual([1, 3]);
  });

  test("after replica.lag.time.max.ms without the end of the log", () => {
    const leader = new Leader([1, 2, 3]);
    leader.fetched(2, 10);
    leader.fetched(3, 9);
    leader.now += LAG;
    leader.replica.leader?.tick(leader.now);
    expect(leader.asks()).toBeUndefined();
    leader.now += 1;
    leader.replica.leader?.tick(leader.now);
    const [proposal, isr] = leader.asks() ?? [];
    expect(isr).toEqual([1, 2]);
    expect(leader.highWatermark, "broker 3 counts until the controller agrees").toBe(9);
    leader.answer(proposal as IsrProposal, { errorCode: 0, leaderEpoch: 5, partitionEpoch: 8, isr: [1, 2] });
    expect(leader.highWatermark).toBe(10);
  });

  test("not if each fetch has the end of the fetch before", () => {
    const leader = new Leader([1, 2]);
    for (let i = 0; i < 10; i++) {
      leader.fetched(2, leader.logEnd - 1);
      leader.append(leader.logEnd + 1);
      leader.fetched(2, leader.logEnd - 1);
      leader.now += LAG / 2;
      leader.replica.leader?.tick(leader.now);
      expect(leader.asks()).toBeUndefined();
    }
  });

  test("not if its session goes on while the partition is idle", () => {
    const leader = new Leader([1, 2]);
    leader.fetched(2, 10);
    leader.now += 100 * LAG;
    leader.pulse.at = leader.now - LAG / 2;
    leader.append(11);
    leader.replica.leader?.tick(leader.now);
    expect(leader.asks()).toBeUndefined();
    leader.now += LAG;
    leader.replica.leader?.tick(leader.now);
    expect(leader.asks()?.[1]).toEqual([1]);
  });

  test("if its session does not ask for the partition any more", () => {
    const leader = new Leader([1, 2]);
    leader.fetched(2, 10);
    leader.replica.leader?.forgotten(2, leader.pulse);
    leader.now += 2 * LAG;
    leader.pulse.at = leader.now;
    leader.append(11);
    leader.replica.leader?.tick(leader.now);
    expect(leader.asks()?.[1]).toEqual([1]);
  });
});

describe("the answer of the controller", () => {
  const asked = (): [Leader, IsrProposal] => {
    const leader = new Leader([1, 2], 10);
    leader.fetched(2, 10);
    leader.fetched(3, 10);
    return [leader, leader.asks()?.[0] as IsrProposal];
  };

  test.each([
    ["INELIGIBLE_REPLICA", false, [1, 2]],
    ["OPERATION_NOT_ATTEMPTED", false, [1, 2]],
    ["INVALID_UPDATE_VERSION", false, [1, 2, 3]],
    ["FENCED_LEADER_EPOCH", false, [1, 2, 3]],
    ["NEW_LEADER_ELECTED", false, [1, 2, 3]],
    ["NOT_CONTROLLER", true, [1, 2, 3]],
    ["UNKNOWN_SERVER_ERROR", true, [1, 2, 3]],
  ] as const)("%s: sent again %s, maximal ISR %j", (name, again, isr) => {
    const [leader, proposal] = asked();
    expect(leader.answer(proposal, { errorCode: Errors[name].code })).toBe(again);
    expect(leader.replica.leader?.maximalIsr).toEqual(isr);
  });

  test("to a proposal that the metadata has overtaken is ignored", () => {
    const [leader, proposal] = asked();
    expect(leader.image(5, 9, [1, 3])).toBe(true);
    expect(leader.image(5, 8, [1, 2]), "an earlier image").toBe(false);
    leader.answer(proposal, { errorCode: 0, leaderEpoch: 5, partitionEpoch: 10, isr: [1, 2, 3] });
    expect(leader.replica.leader?.isr).toEqual([1, 3]);
  });

  test("of an earlier epoch changes nothing", () => {
    const [leader, proposal] = asked();
    leader.answer(proposal, { errorCode: 0, leaderEpoch: 4, partitionEpoch: 10, isr: [1, 2, 3] });
    leader.answer(proposal, { errorCode: 0, leaderEpoch: 5, partitionEpoch: 6, isr: [1, 2, 3] });
    expect(leader.replica.leader?.isPending(proposal)).toBe(true);
  });

  test("may be known before the image: a proposal that builds on it stays", () => {
    const [leader, proposal] = asked();
    leader.answer(proposal, { errorCode: 0, leaderEpoch: 5, partitionEpoch: 8, isr: [1, 2] });
    leader.fetched(3, 10);
    expect(leader.asks()?.[1]).toEqual([1, 2, 3]);
    leader.image(5, 8, [1, 2]);
    expect(leader.replica.leader?.maximalIsr).toEqual([1, 2, 3]);
  });
});

test("the low watermark is the least start of the replicas that are alive", () => {
  const leader = new Leader([1, 2, 3]);
  expect(leader.replica.leader?.lowWatermark(8), "no follower has told its start").toBe(-1);
  leader.fetched(2, 10, 20, 6);
  leader.fetched(3, 10, 30, 4);
  expect(leader.replica.leader?.lowWatermark(8)).toBe(4);
  leader.alive.delete(3);
  expect(leader.replica.leader?.lowWatermark(8)).toBe(6);
  expect(leader.replica.leader?.lowWatermark(5)).toBe(5);
});

test("a broker that is no replica may know a later assignment", () => {
  const { replica } = new Leader([1, 2]);
  expect(replica.leader?.followerFault(3, 5)).toBe(0);
  expect(replica.leader?.followerFault(4, 5)).toBe(Errors.UNKNOWN_LEADER_EPOCH.code);
  expect(replica.leader?.followerFault(4, -1)).toBe(Errors.NOT_LEADER_OR_FOLLOWER.code);
});
