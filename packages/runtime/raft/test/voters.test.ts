import { ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { type Replica, TestQuorum } from "./cluster.ts";

type Three = [Replica, Replica, Replica];

/** A quorum that has grown from one node to three voters. */
async function grown(seed: number, options: Partial<ConstructorParameters<typeof TestQuorum>[1]> = {}) {
  const quorum = new TestQuorum(seed, { voters: 3, isDynamic: true, settings: { autoJoin: true }, ...options });
  const [first, second, third] = quorum.replicas as Three;
  quorum.start(first);
  await quorum.elected();
  quorum.propose();
  quorum.start(second);
  quorum.start(third);
  for (const replica of options.settings?.autoJoin === false ? [second, third] : []) {
    await quorum.world.runFor(2000);
    expect(await quorum.change("AddRaftVoter", replica)).toBe(0);
  }
  const three = [first, second, third];
  await quorum.world.runUntil(() => three.every(replica => quorum.votersOf(replica).length === 3));
  return { quorum, first, second, third };
}

describe("a quorum with dynamic voters", () => {
  test("grows from one node without endpoints to three, of which any may go", async () => {
    const quorum = new TestQuorum(41, { voters: 3, isDynamic: true, settings: { autoJoin: true } });
    const [first, second, third] = quorum.replicas as Three;
    const { endpoints } = first;
    first.endpoints = [];
    quorum.start(first);
    await quorum.elected();
    quorum.propose();
    await quorum.caughtUp(1);
    quorum.crash(first);
    first.endpoints = endpoints;
    quorum.start(first);
    await quorum.elected();
    expect(first.client?.voters.map(voter => voter.endpoints)).toEqual([endpoints]);
    quorum.start(second);
    quorum.start(third);
    await quorum.world.runUntil(() => quorum.replicas.every(replica => quorum.votersOf(replica).length === 3));
    quorum.crash(first);
    await quorum.elected();
    quorum.propose();
    await quorum.caughtUp(2);
    await quorum.recover();
    expect(quorum.votersOf(first)).toEqual([1, 2, 3]);
  });

  test("goes on without a leader that is removed, which observes from then on", async () => {
    const { quorum, first } = await grown(42, { settings: { autoJoin: false } });
    expect(await quorum.change("RemoveRaftVoter", first)).toBe(0);
    await quorum.world.runUntil(() => quorum.leader !== undefined && quorum.leader !== first);
    const before = quorum.next;
    quorum.propose();
    await quorum.caughtUp(before + 1);
    expect(quorum.votersOf(first)).toEqual([2, 3]);
    expect(first.client?.isLeader).toBe(false);
    await quorum.recover();
  });

  test("takes back a voter with a new disk", async () => {
    const { quorum, third } = await grown(43);
    const before = third.dir?.directoryId;
    quorum.crash(third);
    quorum.wipe(third);
    quorum.start(third);
    const known = () => quorum.replicas[0]?.client?.voters.find(({ id }) => id === 3)?.directoryId;
    expect(known()).toBe(before);
    await quorum.world.runUntil(() => known() === third.dir?.directoryId);
    expect(known()).not.toBe(before);
    await quorum.recover();
  });

  test("learns of other endpoints of a voter", async () => {
    const { quorum, first, second } = await grown(44);
    quorum.crash(second);
    second.endpoints = [...second.endpoints, { name: "EXTRA", host: "n2", port: 1234 }];
    quorum.start(second);
    const known = () => first.client?.voters.find(({ id }) => id === 2)?.endpoints;
    await quorum.world.runUntil(() => known()?.length === 2);
    expect(known()).toEqual(second.endpoints);
  });

  test("changes one voter at a time, and none that is behind, known, or unknown", async () => {
    const quorum = new TestQuorum(45, { voters: 3, isDynamic: true });
    const [first, second, third] = quorum.replicas as Three;
    quorum.start(first);
    await quorum.elected();
    const { REQUEST_TIMED_OUT, DUPLICATE_VOTER, VOTER_NOT_FOUND, INVALID_REQUEST } = Errors;
    expect(await quorum.change("AddRaftVoter", first)).toBe(DUPLICATE_VOTER.code);
    expect(await quorum.change("RemoveRaftVoter", first)).toBe(INVALID_REQUEST.code);
    expect(await quorum.change("AddRaftVoter", second)).toBe(REQUEST_TIMED_OUT.code);
    const nowhere = { voterDirectoryId: ZERO_UUID };
    expect(await quorum.change("AddRaftVoter", second, nowhere)).toBe(INVALID_REQUEST.code);
    quorum.tamper = (api, response) => (api === "Fetch" ? undefined : response);
    quorum.start(second);
    quorum.start(third);
    await quorum.world.runFor(2000);
    expect(await quorum.change("AddRaftVoter", second), "it is behind").toBe(REQUEST_TIMED_OUT.code);
    quorum.tamper = (_, response) => response;
    await quorum.world.runFor(5000);
    expect(await quorum.change("AddRaftVoter", second, { listeners: [] })).toBe(INVALID_REQUEST.code);
    expect(await quorum.change("AddRaftVoter", second, { clusterId: "other" })).toBe(
      Errors.INCONSISTENT_CLUSTER_ID.code,
    );
    const both = [quorum.change("AddRaftVoter", second), quorum.change("AddRaftVoter", third)];
    expect((await Promise.all(both)).toSorted((a, b) => a - b)).toEqual([0, REQUEST_TIMED_OUT.code]);
    expect(await quorum.change("RemoveRaftVoter", third)).toBe(VOTER_NOT_FOUND.code);
    expect(await quorum.change("AddRaftVoter", third)).toBe(0);
    await quorum.recover();
    expect(quorum.replicas.map(replica => quorum.votersOf(replica))).toEqual(Array(3).fill([1, 2, 3]));
  });

  test("keeps its voters in snapshots", async () => {
    const { quorum, first, second } = await grown(46, { retention: { maxBytes: 1000, maxMs: -1 } });
    quorum.crash(second);
    for (let i = 0; i < 30; i++) {
      quorum.propose();
      await quorum.world.runFor(20);
      if (i % 10 === 9) quorum.snapshot(quorum.leader ?? first);
    }
    quorum.wipe(second);
    quorum.start(second);
    await quorum.recover();
    expect(quorum.votersOf(second)).toEqual([1, 2, 3]);
  });
});

test("static voters become dynamic ones once all have told their directories", async () => {
  const quorum = new TestQuorum(51, { voters: 3 });
  const leader = await quorum.elected();
  const upgrade = (validateOnly: boolean, level = 1): number => {
    let code = -2;
    const epoch = leader.client?.epoch ?? 0;
    leader.client?.upgradeKraftVersion({ epoch, level, validateOnly }, errorCode => void (code = errorCode));
    return code;
  };
  expect(upgrade(true)).toBe(Errors.INVALID_UPDATE_VERSION.code);
  await quorum.world.runFor(5000);
  expect([upgrade(true), leader.client?.kraftVersion]).toEqual([0, 0]);
  expect([upgrade(false), leader.client?.kraftVersion]).toEqual([0, 1]);
  await quorum.recover();
  expect([upgrade(false), upgrade(false, 0)]).toEqual([0, Errors.INVALID_UPDATE_VERSION.code]);
  for (const { client } of quorum.replicas) {
    expect(client?.kraftVersion).toBe(1);
    expect(client?.voters.map(({ directoryId }) => directoryId)).toEqual(
      quorum.replicas.map(({ dir }) => dir?.directoryId),
    );
  }
  const { endOffset = 0 } = leader.client ?? {};
  for (const replica of quorum.replicas) quorum.crash(replica);
  await quorum.recover();
  expect(leader.client?.endOffset).toBeGreaterThan(endOffset);
});

const SEEDS = Number(process.env["RAFT_VOTER_SEEDS"] ?? 8);

/** Disturbs a quorum at random, its voters included. */
function disturb(quorum: TestQuorum, draw: () => number): void {
  const replica = quorum.replicas[Math.floor(draw() * quorum.replicas.length)] as Replica;
  const other = quorum.replicas[Math.floor(draw() * quorum.replicas.length)] as Replica;
  const chance = draw();
  if (chance < 0.35) quorum.propose();
  else if (chance < 0.42) quorum.crash(replica, { unsynced: draw() < 0.5 ? "lost" : "random" });
  else if (chance < 0.65) quorum.start(replica);
  else if (chance < 0.7) quorum.world.network.cut(replica.name, other.name);
  else if (chance < 0.72) quorum.isolate(replica);
  else if (chance < 0.78) quorum.ask("AddRaftVoter", replica, () => {});
  else if (chance < 0.86) quorum.ask("RemoveRaftVoter", replica, () => {});
  else if (chance < 0.9) quorum.snapshot(replica);
  else quorum.heal();
}

test("any history of faults and changes of voters keeps what is committed, and ends with a leader", async () => {
  let changes = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      const { quorum } = await grown(seed, {
        voters: 4,
        settings: { autoJoin: seed % 2 === 0 },
        retention: { maxBytes: 2500, maxMs: -1 },
      });
      const rng = quorum.world.fork("faults");
      for (let step = 0; step < 60; step++) {
        disturb(quorum, () => rng.next());
        await quorum.world.runFor(rng.next() * 700);
      }
      await quorum.recover();
      changes += quorum.changes;
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  expect(changes).toBeGreaterThan(SEEDS);
});
