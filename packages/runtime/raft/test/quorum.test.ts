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

test("replicas hear at once of what is committed, and do not wait for their next fetch", async () => {
  const { quorum } = await elected(9, { observers: 1 });
  await quorum.world.runFor(2000);
  const began = quorum.world.now();
  quorum.propose();
  await quorum.world.runUntil(() => quorum.replicas.every(({ numbers }) => numbers.length === 1));
  expect(quorum.world.now() - began).toBeLessThan(100);
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

test.each(["leader", "follower"])("a %s whose disk fails takes no more, and the others go on", async role => {
  const { quorum, leader, followers } = await elected(5);
  const failing = role === "leader" ? leader : (followers[0] as Replica);
  const { disk } = quorum.world.node(failing.name);
  disk.fault = operation => (operation === "sync" || operation === "write" ? "EIO" : undefined);
  quorum.propose();
  await quorum.world.runUntil(() => failing.failure !== undefined);
  expect(failing.failure?.message).toContain("EIO");
  expect(() => failing.client?.append([], 0)).toThrow();
  quorum.crash(failing);
  const before = quorum.next;
  await quorum.elected();
  quorum.propose();
  await quorum.caughtUp(before + 1 - (role === "leader" ? 1 : 0));
  disk.fault = undefined;
  failing.failure = undefined;
  await quorum.recover();
});

test("a snapshot of records that are not committed is refused", async () => {
  const { quorum, leader } = await elected(6);
  quorum.isolate(leader);
  quorum.propose();
  const { client } = leader;
  const { endOffset = 0, epoch = 0 } = client ?? {};
  await expect(client?.snapshot([], { offset: endOffset - 1, epoch, timestamp: 0 })).rejects.toThrow(
    "committed records",
  );
  expect(client?.isSnapshotting).toBe(false);
});

describe("snapshots", () => {
  const options = {
    observers: 1,
    settings: { fetchSnapshotMaxBytes: 700 },
    retention: { maxBytes: 3000, maxMs: -1 },
  };

  /** A quorum whose leader has deleted the begin of its log, while two others were down. */
  async function ahead(seed: number) {
    const { quorum, leader, followers } = await elected(seed, options);
    const [late, , observer] = followers as [Replica, Replica, Replica];
    quorum.crash(late);
    quorum.crash(observer);
    for (let i = 0; i < 60; i++) {
      quorum.propose();
      await quorum.world.runFor(20);
      if (i % 10 === 9) quorum.snapshot(leader);
    }
    await quorum.caughtUp(60);
    return { quorum, leader, late, observer };
  }

  test("go to replicas whose records the leader has deleted, in parts", async () => {
    const { quorum, late, observer } = await ahead(21);
    const asked = new Map<string, number>();
    quorum.tamper = (api, response) => {
      asked.set(api, (asked.get(api) ?? 0) + 1);
      return response;
    };
    quorum.start(late);
    quorum.start(observer);
    await quorum.caughtUp(60);
    expect(asked.get("FetchSnapshot")).toBeGreaterThan(10);
    for (const { dir } of [late, observer]) {
      const names = dir?.env.disk.list("/data/__cluster_metadata-0").map(({ name }) => name) ?? [];
      expect(names.filter(name => name.endsWith(".part"))).toEqual([]);
      expect(names.filter(name => name.endsWith(".checkpoint"))).not.toContain(
        "00000000000000000000-0000000000.checkpoint",
      );
    }
    await quorum.recover();
    // Received snapshots survive a power cut.
    quorum.crash(late);
    quorum.start(late);
    expect(late.numbers.length).toBeGreaterThan(40);
    await quorum.recover();
  });

  test("that are damaged on the way are thrown away and read again", async () => {
    const { quorum, late } = await ahead(22);
    let damaged = 0;
    quorum.tamper = (api, response) => {
      if (api !== "FetchSnapshot" || damaged > 0) return response;
      const [topic] = (response as { topics: { partitions: { unalignedRecords: Uint8Array[] }[] }[] }).topics;
      const bytes = topic?.partitions[0]?.unalignedRecords[0];
      if (bytes !== undefined && bytes.length > 100) bytes[90]! ^= ++damaged;
      return response;
    };
    quorum.start(late);
    await quorum.caughtUp(60);
    expect(damaged).toBe(1);
    await quorum.recover();
  });

  test("are read from the begin after a crash or a change of the leader", async () => {
    const { quorum, leader, late } = await ahead(23);
    const parts = () =>
      late.dir?.env.disk.list("/data/__cluster_metadata-0").filter(({ name }) => name.endsWith(".part"));
    const isReading = () => (parts()?.length ?? 0) > 0;
    quorum.start(late);
    await quorum.world.runUntil(isReading);
    quorum.crash(late);
    quorum.start(late);
    expect(parts()).toEqual([]);
    await quorum.world.runUntil(isReading);
    quorum.start(quorum.replicas[3] as Replica);
    leader.client?.resign(leader.client.epoch);
    await quorum.world.runUntil(() => !isReading());
    await quorum.recover();
    expect(late.numbers).toEqual(quorum.committed);
  });
});

describe("a node that answers without sense", () => {
  /** Part of a response to Fetch for the metadata partition. */
  const partitionOf = (response: object) =>
    (response as { responses: { partitions: Record<string, unknown>[] }[] }).responses[0]?.partitions[0];

  const withPartition = (response: object, change: object): object => {
    const { responses, ...rest } = response as { responses: { partitions: object[] }[] };
    return {
      ...rest,
      responses: responses.map(topic => ({
        ...topic,
        partitions: topic.partitions.map(partition => ({ ...partition, ...change })),
      })),
    };
  };

  test.each([
    ["damaged records", (bytes: Uint8Array) => ({ records: [bytes.map((byte, at) => (at === 70 ? byte ^ 1 : byte))] })],
    [
      "records that begin elsewhere",
      (bytes: Uint8Array) => ({ records: [bytes.map((byte, at) => (at === 7 ? byte ^ 64 : byte))] }),
    ],
    [
      "records of a later epoch",
      (bytes: Uint8Array) => ({ records: [bytes.map((byte, at) => (at === 14 ? 9 : byte))] }),
    ],
    ["half a batch", (bytes: Uint8Array) => ({ records: [bytes.subarray(0, 50)] })],
    ["a truncation below the high watermark", () => ({ records: [], divergingEpoch: { epoch: 0, endOffset: 0 } })],
    ["half a place", () => ({ records: [], divergingEpoch: { epoch: -1, endOffset: 5 } })],
    ["an old snapshot", () => ({ records: [], snapshotId: { epoch: 0, endOffset: 0 } })],
    ["a snapshot of a later epoch", () => ({ records: [], snapshotId: { epoch: 99, endOffset: 1000 } })],
  ])("loses its connection, no more: %s", async (_, change) => {
    const { quorum, leader } = await elected(31);
    quorum.propose();
    await quorum.caughtUp(1);
    let odd = 0;
    quorum.tamper = (api, response, from) => {
      const partition = api === "Fetch" ? partitionOf(response) : undefined;
      const [bytes] = (partition?.["records"] ?? []) as Uint8Array[];
      if (from !== leader || bytes === undefined || odd >= 3) return response;
      odd++;
      return withPartition(response, change(bytes.slice()));
    };
    quorum.propose();
    await quorum.caughtUp(2);
    expect(odd).toBe(3);
    expect(quorum.replicas.map(({ failure }) => failure)).toEqual([undefined, undefined, undefined]);
    await quorum.recover();
  });

  test("in another shape is asked again, and nothing is left waiting", async () => {
    const { quorum, leader } = await elected(32);
    let odd = 0;
    quorum.tamper = (api, response, from) => {
      if (from !== leader || api !== "Fetch" || odd >= 3) return response;
      return [
        { throttleTimeMs: 0, errorCode: 104, responses: [] },
        { throttleTimeMs: 0, errorCode: 0, responses: [] },
        withPartition(response, { partitionIndex: 1 }),
      ][odd++];
    };
    quorum.propose();
    await quorum.caughtUp(1);
    expect(odd).toBe(3);
    await quorum.recover();
  });
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
  else if (chance < 0.92) replica.client?.resign(replica.client.epoch);
  else if (chance < 0.96) quorum.snapshot(replica);
  else quorum.heal();
}

describe("any history of faults", () => {
  test("keeps what is committed, the same everywhere, and ends with a leader", async () => {
    let parts = 0;
    let committed = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const quorum = new TestQuorum(seed, {
        voters: seed % 3 === 0 ? 5 : 3,
        observers: seed % 2,
        settings: { fetchSnapshotMaxBytes: 1500 },
        retention: { maxBytes: seed % 4 === 0 ? -1 : 2500, maxMs: -1 },
      });
      quorum.tamper = (api, response) => {
        if (api === "FetchSnapshot") parts++;
        return response;
      };
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
      committed += quorum.committed.length;
    }
    expect(parts).toBeGreaterThan(SEEDS / 2);
    expect(committed).toBeGreaterThan(SEEDS * 10);
  });
});
