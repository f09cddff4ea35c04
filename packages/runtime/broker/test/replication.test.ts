import { Errors } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { ReplicaBrokers } from "./replica-brokers.ts";

/** Checks that all replicas are equal, and have all that was acknowledged. */
function compare(cluster: ReplicaBrokers): void {
  for (const [index] of cluster.states.entries()) {
    const end = cluster.broker(1)?.partition(index)?.highWatermark ?? -1;
    const [first, ...others] = [1, 2, 3].map(id => Buffer.from(cluster.bytes(id, index, end)));
    for (const other of others) expect(other.equals(first as Buffer), `partition ${index}`).toBe(true);
    for (const [place, value] of cluster.acknowledged) {
      const [of, offset] = place.split("/").map(Number);
      const start = cluster.broker(1)?.partition(index)?.startOffset ?? 0;
      if (of === index && (offset ?? 0) >= start)
        expect(first?.includes(value), `record ${offset} of partition ${index}`).toBe(true);
    }
  }
  for (const { errors } of cluster.running) expect(errors).toEqual([]);
}

describe("three brokers", () => {
  test("replicate what is produced, and acknowledge it once all of them have it", async () => {
    const cluster = new ReplicaBrokers(1, { partitions: 2 });
    await cluster.world.runFor(100);
    for (let i = 0; i < 20; i++) {
      cluster.produce(1, 0);
      cluster.produce(2, 1, 1000);
    }
    expect(cluster.acknowledged.size).toBe(0);
    await cluster.world.runFor(1500);
    expect(cluster.acknowledged.size).toBe(40);
    await cluster.heal();
    expect(cluster.describe().map(({ ends }) => ends)).toEqual([
      [20, 20, 20],
      [20, 20, 20],
    ]);
    compare(cluster);
  });

  test("a follower gives the memory of its leader's answers back once its log has a copy", async () => {
    const cluster = new ReplicaBrokers(4);
    await cluster.world.runFor(100);
    for (let i = 0; i < 50; i++) cluster.produce(1, 0, 20_000);
    await cluster.heal();
    expect(cluster.acknowledged.size).toBe(50);
    for (const id of [2, 3]) expect(cluster.broker(id)?.received.wiped).toBeGreaterThan(500_000);
    compare(cluster);
  });

  test("a follower is told of records at once", async () => {
    const cluster = new ReplicaBrokers(2, { world: { network: { latencyMs: [1, 1], splitChance: 0 } } });
    await cluster.world.runFor(100);
    cluster.produce(1, 0);
    await cluster.world.runFor(2000);
    // All have made the names of their files durable.
    cluster.acknowledged.clear();
    cluster.produce(1, 0);
    await cluster.world.runFor(5);
    expect(cluster.acknowledged.size, "a message there and one back").toBe(1);
  });

  test("a leader that is cut off acknowledges nothing, and takes the log of the next one", async () => {
    const cluster = new ReplicaBrokers(3);
    await cluster.world.runFor(100);
    for (const other of [2, 3]) cluster.world.network.cut("broker-1", `broker-${other}`);
    for (let i = 0; i < 5; i++) cluster.produce(1, 0);
    cluster.fence(1);
    await cluster.world.runFor(4);
    for (let i = 0; i < 3; i++) cluster.produce(1, 0);
    await cluster.world.runFor(1000);
    const { leader } = cluster.states[0] ?? { leader: -1 };
    expect(leader).not.toBe(1);
    for (let i = 0; i < 4; i++) cluster.produce(leader, 0);
    await cluster.world.runFor(1000);
    expect(cluster.acknowledged.size).toBe(4);
    await cluster.heal();
    expect(cluster.describe()[0]?.ends).toEqual([4, 4, 4]);
    compare(cluster);
  });

  describe.each(["leader", "follower"])("with a throttled %s", role => {
    const settings = { [`${role}.replication.throttled.rate`]: "100000", "replica.fetch.max.bytes": "50000" };

    /** Bytes that a replica has after 5 s of catching up with 1.8 MB. */
    async function caughtUp(throttled: string): Promise<number> {
      const topicSettings = { [`${role}.replication.throttled.replicas`]: throttled };
      const cluster = new ReplicaBrokers(7, { settings, topicSettings });
      await cluster.world.runFor(100);
      cluster.crash(3);
      await cluster.world.runFor(50);
      for (let i = 0; i < 600; i++) cluster.produce(1, 0, 3000);
      await cluster.world.runFor(2000);
      expect(cluster.acknowledged.size, "replicas in sync are not throttled").toBe(600);
      // Records of replicas in sync count, as in Kafka, until their windows end.
      await cluster.world.runFor(12_000);
      cluster.start(3);
      await cluster.world.runFor(5000);
      const copied = cluster.bytes(3, 0, cluster.broker(3)?.partition(0)?.endOffset ?? 0).length;
      await cluster.heal();
      compare(cluster);
      return copied;
    }

    test("a replica catches up at the rate of the settings", async () => {
      const copied = await caughtUp(role === "leader" ? "0:1" : "0:3");
      expect(copied).toBeGreaterThan(250_000);
      expect(copied).toBeLessThan(600_000);
    });

    test("other replicas catch up at once", async () => {
      expect(await caughtUp(role === "leader" ? "0:3,1:1" : "0:1,1:3")).toBeGreaterThan(1_800_000);
    });
  });

  test("a follower that comes back catches up, and joins the ISR", async () => {
    const cluster = new ReplicaBrokers(4);
    await cluster.world.runFor(100);
    cluster.crash(3);
    await cluster.world.runFor(50);
    for (let i = 0; i < 200; i++) {
      cluster.produce(1, 0, 3000);
      if (i % 10 === 0) await cluster.world.runFor(5);
    }
    await cluster.world.runFor(2000);
    expect(cluster.acknowledged.size).toBe(200);
    expect(cluster.states[0]?.isr).toEqual([1, 2]);
    await cluster.heal();
    expect(cluster.states[0]?.isr).toEqual([1, 2, 3]);
    compare(cluster);
  });

  test("a follower that lags leaves the ISR", async () => {
    const cluster = new ReplicaBrokers(5);
    await cluster.world.runFor(100);
    cluster.world.network.cut("broker-1", "broker-3");
    cluster.produce(1, 0);
    await cluster.world.runFor(1000);
    expect(cluster.acknowledged.size).toBe(0);
    await cluster.world.runFor(2000);
    cluster.sweep();
    await cluster.world.runFor(500);
    expect(cluster.states[0]?.isr).toEqual([1, 2]);
    expect(cluster.acknowledged.size).toBe(1);
    await cluster.heal();
    compare(cluster);
  });

  test("a broker that is unfenced joins the ISR again, although nothing is produced", async () => {
    const cluster = new ReplicaBrokers(8);
    await cluster.world.runFor(100);
    cluster.produce(1, 0);
    await cluster.world.runFor(1000);
    cluster.fence(3);
    await cluster.world.runFor(2000);
    expect(cluster.states[0]?.isr).toEqual([1, 2]);
    cluster.unfence(3);
    await cluster.world.runFor(1000);
    expect(cluster.states[0]?.isr).toEqual([1, 2, 3]);
  });

  test("a broker that leads fetches no more, and the others fetch from it", async () => {
    const cluster = new ReplicaBrokers(9);
    await cluster.world.runFor(100);
    cluster.move(0);
    await cluster.world.runFor(1000);
    cluster.sweep();
    const { leader } = cluster.states[0] ?? { leader: -1 };
    expect(cluster.running.map(({ id, replication }) => [id, replication.fetchers.size])).toEqual(
      [1, 2, 3].map(id => [id, id === leader ? 0 : 1]),
    );
  });

  test.each([
    { late: "nobody", id: -1 },
    { late: "the new leader", id: 2 },
    { late: "a follower", id: 3 },
  ])("a new leader acknowledges at once, although fetches wait there and $late hears of it late", async ({ id }) => {
    const settings = { "replica.fetch.wait.max.ms": "10000", "replica.fetch.backoff.ms": "10000" };
    // Followers of the second partition wait at broker 2, which will lead the first one.
    const cluster = new ReplicaBrokers(13, { settings, partitions: 2, world: { diskMs: [0, 0] } });
    await cluster.world.runFor(5000);
    cluster.move(0, id, 60);
    await cluster.world.runFor(70);
    expect(cluster.states[0]?.leader).toBe(2);
    cluster.produce(2, 0);
    await cluster.world.runFor(150);
    expect(cluster.acknowledged.size).toBe(1);
    await cluster.heal();
    compare(cluster);
  });

  test("followers ask a leader that does not know of its election again soon", async () => {
    const settings = { "replica.fetch.backoff.ms": "10000" };
    const cluster = new ReplicaBrokers(14, { settings, world: { diskMs: [0, 0] } });
    await cluster.world.runFor(5000);
    cluster.move(0, 2, 100);
    await cluster.world.runFor(110);
    expect(cluster.states[0]?.leader).toBe(2);
    cluster.produce(2, 0);
    await cluster.world.runFor(250);
    expect(cluster.acknowledged.size).toBe(1);
  });

  test("a follower that must flush tells its position after the flush, and asks for nothing twice", async () => {
    const settings = { "log.flush.interval.messages": "1" };
    let received = 0;
    const onTrace = (line: string): void => {
      if (/ data broker-1 broker-2 [0-9]{3,} /.test(line)) received++;
    };
    const cluster = new ReplicaBrokers(10, { settings, world: { diskMs: [200, 200], onTrace } });
    await cluster.world.runFor(5000);
    cluster.produce(1, 0, 500);
    await cluster.world.runFor(5000);
    received = 0;
    cluster.produce(1, 0, 500);
    await cluster.world.runFor(150);
    const { leader } = cluster.broker(1)?.partition(0) ?? {};
    expect([cluster.broker(2)?.partition(0)?.endOffset, leader?.endOf(2)]).toEqual([2, 1]);
    await cluster.world.runFor(1000);
    expect(leader?.endOf(2)).toBe(2);
    expect(received, "in one piece or a few").toBeLessThan(5);
  });

  test("a broker that comes back leaves no session behind", async () => {
    const cluster = new ReplicaBrokers(11);
    await cluster.world.runFor(1000);
    for (let i = 0; i < 3; i++) {
      cluster.crash(3);
      await cluster.world.runFor(500);
      await cluster.heal();
    }
    expect(cluster.broker(1)?.sessions.size, "one for each follower").toBe(2);
  });

  test("fetches have the limits of the settings, and failed ones are repeated after a while", async () => {
    const settings = {
      "replica.fetch.max.bytes": "1001",
      "replica.fetch.response.max.bytes": "2002",
      "replica.fetch.min.bytes": "3",
      "replica.fetch.wait.max.ms": "404",
      "replica.fetch.backoff.ms": "2500",
      "num.replica.fetchers": "2",
    };
    const cluster = new ReplicaBrokers(12, { settings, partitions: 6 });
    await cluster.world.runFor(1000);
    const request = cluster.broker(1)?.fetches[0];
    expect(request).toMatchObject({ maxBytes: 2002, minBytes: 3, maxWaitMs: 404 });
    expect(request?.topics[0]?.partitions[0]?.partitionMaxBytes).toBe(1001);
    expect(cluster.broker(1)?.sessions.size, "two for each follower").toBe(4);
    // The new leader of a partition hears of it last, and refuses its followers until then.
    cluster.move(0, 2, 20_000);
    await cluster.world.runFor(20_000);
    const asked = cluster
      .broker(2)
      ?.fetches.filter(
        ({ replicaState, topics }) =>
          replicaState.replicaId === 3 &&
          topics.some(({ partitions }) => partitions.some(({ partition }) => partition === 0)),
      );
    expect(asked?.length, "8 times within 2.5 s, then every 2.5 s").toBeGreaterThan(10);
    expect(asked?.length).toBeLessThan(18);
  });

  test("a follower whose connection is closed fetches again soon", async () => {
    const cluster = new ReplicaBrokers(15, {
      settings: { "replica.fetch.backoff.ms": "10000" },
      world: { diskMs: [0, 0] },
    });
    await cluster.world.runFor(5000);
    cluster.world.network.sever("broker-1", "broker-3");
    cluster.produce(1, 0);
    await cluster.world.runFor(300);
    expect(cluster.acknowledged.size).toBe(1);
  });

  test("a position after a flush does not wait for the leader to answer a fetch of other partitions", async () => {
    const settings = { "log.flush.interval.messages": "1", "replica.fetch.wait.max.ms": "5000" };
    const cluster = new ReplicaBrokers(11, { partitions: 4, settings, world: { diskMs: [5, 5] } });
    await cluster.world.runFor(12_000);
    cluster.produce(1, 0, 500);
    await cluster.world.runFor(100);
    expect(cluster.broker(1)?.partition(0)?.highWatermark).toBe(1);
  });

  test("a follower whose records the leader has deleted begins at the leader's start", async () => {
    const cluster = new ReplicaBrokers(6);
    await cluster.world.runFor(100);
    cluster.crash(3);
    await cluster.world.runFor(50);
    for (let i = 0; i < 10; i++) cluster.produce(1, 0);
    await cluster.world.runFor(1000);
    expect(cluster.broker(1)?.partition(0)?.deleteRecords(7)).toBe(7);
    await cluster.heal();
    // A fetch that waits brings the news of a start at its end.
    await cluster.world.runFor(1000);
    expect(cluster.broker(3)?.partition(0)?.startOffset).toBe(7);
    expect(cluster.broker(3)?.partition(0)?.highWatermark).toBe(10);
    expect(cluster.broker(2)?.partition(0)?.startOffset).toBe(7);
    compare(cluster);
  });

  test("a follower whose log diverges within a batch whose begin the leader has deleted begins with the batch", async () => {
    const cluster = new ReplicaBrokers(8);
    await cluster.world.runFor(100);
    for (const other of [2, 3]) cluster.world.network.cut("broker-1", `broker-${other}`);
    for (let i = 0; i < 6; i++) cluster.produce(1, 0);
    cluster.fence(1);
    await cluster.world.runFor(1000);
    const { leader } = cluster.states[0] ?? { leader: -1 };
    cluster.produce(leader, 0, 10, 4);
    await cluster.world.runFor(1000);
    expect(cluster.broker(leader)?.partition(0)?.deleteRecords(2)).toBe(2);
    await cluster.heal();
    expect(cluster.broker(1)?.partition(0)?.startOffset).toBe(2);
    compare(cluster);
  });

  test("a replica that is not assigned any more is deleted", async () => {
    const cluster = new ReplicaBrokers(7);
    await cluster.world.runFor(100);
    const [state] = cluster.states;
    if (state === undefined) throw new Error("there is a partition");
    cluster.states[0] = { ...state, replicas: [1, 2], isr: [1, 2], partitionEpoch: 50 };
    cluster.publish();
    await cluster.world.runFor(100);
    expect(cluster.broker(3)?.partition(0)).toBeUndefined();
    expect([...(cluster.broker(3)?.dirs.logs() ?? [])]).toEqual([]);
    cluster.produce(1, 0);
    await cluster.world.runFor(1000);
    expect(cluster.acknowledged.size).toBe(1);
  });

  test.each([
    ["", {}],
    ["with flush.messages=1, ", { "log.flush.interval.messages": "1" }],
  ])("%sstay equal through power cuts, cuts of the network and elections", async (_name, settings) => {
    for (let seed = 10; seed < 50; seed++) {
      const cluster = new ReplicaBrokers(seed, { partitions: 2, settings });
      const rng = cluster.world.fork("schedule");
      const one = () => rng.int(1, 3);
      for (let step = 0; step < 60; step++) {
        for (let i = rng.int(0, 6); i > 0; i--) cluster.produce(one(), rng.int(0, 1), rng.int(1, 300));
        const chance = rng.next();
        if (chance < 0.08) cluster.crash(one());
        else if (chance < 0.25) cluster.start(one());
        else if (chance < 0.35) cluster.move(rng.int(0, 1));
        else if (chance < 0.4) cluster.fence(one());
        else if (chance < 0.5) cluster.unfence(one());
        else if (chance < 0.55) cluster.world.network.cut(`broker-${one()}`, `broker-${one()}`);
        else if (chance < 0.65) cluster.world.network.heal(`broker-${one()}`, `broker-${one()}`);
        else if (chance < 0.7) cluster.world.network.sever(`broker-${one()}`, `broker-${one()}`);
        if (step % 10 === 0) cluster.sweep();
        await cluster.world.runFor(rng.int(1, 400));
      }
      await cluster.heal();
      compare(cluster);
    }
  });
});

describe("a producer that comes to the next leader", () => {
  /** Moves the partition from broker 1 to broker 2, which hears of it late. */
  async function moved(lateMs: number): Promise<ReplicaBrokers> {
    const cluster = new ReplicaBrokers(3, { world: { network: { latencyMs: [1, 1], splitChance: 0 } } });
    // The first acknowledgement waits until the names of the files are durable.
    await cluster.world.runFor(100);
    expect((await cluster.send(1, 0)).errorCode).toBe(0);
    await cluster.world.runFor(2000);
    cluster.move(0, 2, lateMs);
    await cluster.world.runFor(10);
    return cluster;
  }

  test("before the news of the election waits for them", async () => {
    const cluster = await moved(60);
    const { errorCode, ms } = await cluster.send(2, 0);
    expect(errorCode).toBe(0);
    expect(ms).toBeLessThan(90);
    await cluster.heal();
    expect(cluster.describe()[0]?.ends).toEqual([2, 2, 2]);
  });

  test("is refused if they do not come soon", async () => {
    const { errorCode, leaderId, ms } = await (await moved(5000)).send(2, 0);
    expect([errorCode, leaderId]).toEqual([Errors.NOT_LEADER_OR_FOLLOWER.code, 1]);
    expect(ms).toBeGreaterThanOrEqual(100);
    expect(ms).toBeLessThan(120);
  });

  test("is refused at once by the last leader, and by a replica that is not in sync", async () => {
    const cluster = await moved(0);
    const refused = { errorCode: Errors.NOT_LEADER_OR_FOLLOWER.code, leaderId: 2 };
    expect(await cluster.send(1, 0)).toMatchObject(refused);
    cluster.fence(3);
    await cluster.world.runFor(10);
    for (const id of [1, 3]) {
      const answer = await cluster.send(id, 0);
      expect(answer).toMatchObject(refused);
      expect(answer.ms).toBeLessThan(15);
    }
  });

  test("and is held twice keeps its order", async () => {
    const cluster = await moved(60);
    const answers = await Promise.all([cluster.send(2, 0), cluster.send(2, 0), cluster.send(2, 0)]);
    expect(answers.map(({ errorCode }) => errorCode)).toEqual([0, 0, 0]);
  });
});
