import { describe, expect, test } from "vitest";
import { type Replica, TestQuorum } from "./cluster.ts";

/** A quorum with a leader. */
async function elected(seed: number, options: Partial<ConstructorParameters<typeof TestQuorum>[1]> = {}) {
  const quorum = new TestQuorum(seed, { voters: 3, ...options });
  const leader = await quorum.elected();
  const followers = quorum.replicas.filter(replica => replica !== leader);
  return { quorum, leader, followers };
}

test("three voters and an observer elect a leader, and replay what it appends", async () => {
  const { quorum, leader } = await elected(1, { observers: 1 });
  quorum.propose(3);
  await quorum.caughtUp(3);
  expect(quorum.replicas.map(({ numbers }) => numbers)).toEqual(Array(4).fill([0, 1, 2]));
  const { client } = quorum.replicas[3] as Replica;
  expect(client?.leaderEndpoint()).toEqual({ id: leader.id, host: leader.name, port: 9093 });
});

test("the others go on without a leader that is gone, and it follows when it is back", async () => {
  const { quorum, leader } = await elected(2);
  quorum.propose();
  await quorum.caughtUp(1);
  quorum.crash(leader);
  const next = await quorum.elected();
  expect(next).not.toBe(leader);
  quorum.propose();
  await quorum.caughtUp(2);
  quorum.start(leader);
  await quorum.caughtUp(2);
  expect(leader.client?.isLeader).toBe(false);
  await quorum.recover();
});

test("a leader that is cut off takes back what it could not commit", async () => {
  const { quorum, leader } = await elected(3);
  quorum.isolate(leader);
  quorum.propose(2);
  await quorum.world.runFor(10_000);
  expect([leader.numbers, leader.leads]).toEqual([[], undefined]);
  await quorum.recover();
  expect(quorum.committed).toEqual([2]);
});

test("a leader that stops hands over at once", async () => {
  const { quorum, leader } = await elected(4);
  const began = quorum.world.now();
  let isClosed = false;
  const end = (): void => void (isClosed = true);
  leader.client?.close().then(end, end);
  await quorum.world.runUntil(() => isClosed && quorum.leader !== undefined && quorum.leader !== leader);
  expect(quorum.world.now() - began).toBeLessThan(1500);
});

const SEEDS = Number(process.env["RAFT_CLUSTER_SEEDS"] ?? 12);

/** Disturbs a quorum at random. */
function disturb(quorum: TestQuorum, draw: () => number): void {
  const pick = (): Replica => quorum.replicas[Math.floor(draw() * quorum.replicas.length)] as Replica;
  const replica = pick();
  const chance = draw();
  if (chance < 0.45) quorum.propose(1 + Math.floor(draw() * 3));
  else if (chance < 0.55) quorum.crash(replica, { unsynced: draw() < 0.5 ? "lost" : "random" });
  else if (chance < 0.75) quorum.start(replica);
  else if (chance < 0.83) quorum.world.network.cut(replica.name, pick().name);
  else if (chance < 0.86) quorum.isolate(replica);
  else if (chance < 0.9) quorum.world.network.sever(replica.name, pick().name);
  else if (chance < 0.93) replica.client?.resign(replica.client.epoch);
  else quorum.heal();
}

describe("any history of faults", () => {
  test("keeps what is committed, the same everywhere, and ends with a leader", async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const quorum = new TestQuorum(seed, { voters: seed % 3 === 0 ? 5 : 3, observers: seed % 2 });
      const rng = quorum.world.fork("faults");
      try {
        for (let step = 0; step < 60; step++) {
          disturb(quorum, () => rng.next());
          await quorum.world.runFor(rng.next() * 700);
        }
        await quorum.recover();
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
});
