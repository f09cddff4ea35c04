import { fromUtf8, ignored, utf8 } from "@samsa/base";
import type { TopicPartition } from "@samsa/client-kernel";
import { buildBatch } from "@samsa/records";
import { SimCluster } from "@samsa/sim";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  Admin,
  type ClusterClient,
  Consumer,
  type GroupSettings,
  type JoinedGeneration,
  type RebalanceListener,
} from "../src/index.ts";

let cluster: SimCluster;
let client: ClusterClient;
const members: Member[] = [];

const run = <T>(promise: Promise<T>): Promise<T> => cluster.settle(promise);
const PARTITIONS = 4;

function newClient(): ClusterClient {
  return cluster.client({ requestTimeoutMs: 3000 });
}

/** A consumer in a group, and all that it has read. */
class Member {
  readonly events: string[] = [];
  readonly values: string[] = [];
  readonly client = newClient();
  readonly consumer: Consumer;
  /** Time that the application works on a batch. */
  workMs = 0;
  #ended: Promise<unknown> = Promise.resolve();

  readonly generations: JoinedGeneration[] = [];
  /** Heartbeats that the coordinator has answered. */
  heartbeats = 0;

  constructor(group: Partial<GroupSettings> = {}, listener: RebalanceListener = {}) {
    const tell = (what: string) => (partitions: readonly TopicPartition[]) => {
      this.events.push(`${what} ${partitions.map(({ topic, partition }) => `${topic}-${partition}`).join(" ")}`);
    };
    const told = { assigned: tell("assigned"), revoked: tell("revoked"), lost: tell("lost"), ...listener };
    const ignore = ignored("a test of heartbeats");
    const observer = {
      ...{ isListening: true, fetchStarted: ignore, fetchEnded: ignore, heartbeat: () => this.heartbeats++ },
      joined: (generation: JoinedGeneration) => void this.generations.push(generation),
    };
    const parts = { group: { groupId: "g", ...group }, listener: told, observer };
    this.consumer = new Consumer(this.client, { reset: "earliest" }, parts);
    members.push(this);
  }

  /** Joins, and reads until it is closed. */
  async read(topics: Parameters<Consumer["subscribe"]>[0] = ["orders"]): Promise<this> {
    await run(this.consumer.subscribe(topics));
    this.#ended = this.#loop().catch((error: unknown) => error);
    return this;
  }

  async #loop(): Promise<void> {
    for await (const batch of this.consumer.batches()) {
      const values = batch.toArray().map(({ value }) => fromUtf8(value ?? new Uint8Array(0)));
      if (this.workMs > 0) {
        await new Promise<void>(resolve => cluster.clientEnv.timers.after(this.workMs, resolve));
      }
      this.values.push(...values);
    }
  }

  get owned(): string[] {
    return this.consumer
      .assignment()
      .map(({ topic, partition }) => `${topic}-${partition}`)
      .toSorted();
  }

  async close(): Promise<unknown> {
    await run(this.consumer.close());
    this.client.close();
    return run(this.#ended);
  }
}

async function produce(partition: number, values: readonly string[], topic = "orders"): Promise<void> {
  const { crypto, codecs, clock } = cluster.clientEnv;
  // Retention deletes older records.
  const news = values.map(value => ({ timestamp: clock.now(), key: null, value: utf8(value) }));
  const records = [buildBatch(news, {}, { crc32c: crypto.crc32c, codecs })];
  const body = {
    ...{ transactionalId: null, acks: -1, timeoutMs: 3000 },
    topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
  };
  await run(
    client.retrying(client.patience(), async () => {
      const { partitions } = await client.topic(topic, client.patience());
      const answer = await client.call(partitions[partition].leaderId, "Produce", body, { maxVersion: 12 });
      expect(answer.responses[0].partitionResponses[0].errorCode).toBe(0);
    }),
  );
}

const until = (holds: () => boolean, what?: () => string) => cluster.until(holds, what);

const all = (): string[] => members.flatMap(({ values }) => values);
const owned = (): string[][] => members.map(member => member.owned);
const shared = (sizes: readonly number[]): boolean =>
  new Set(owned().flat()).size === PARTITIONS && owned().every((list, i) => list.length === sizes[i]);

beforeEach(async () => {
  members.length = 0;
  cluster = new SimCluster({
    settings: { "offsets.topic.num.partitions": "3", "group.initial.rebalance.delay.ms": "0" },
  });
  await cluster.startAll();
  client = newClient();
  const made = await run(
    new Admin(client).topics.create([{ name: "orders", partitions: PARTITIONS, replicationFactor: 3 }]),
  );
  made.orThrow();
});

afterEach(async () => {
  for (const member of members) await member.close();
  client.close();
  await cluster.close();
});

describe.each(["consumer", "classic"] as const)("members with the %s protocol", protocol => {
  const cooperative = { protocol, assignors: ["cooperative-sticky"] } as const;

  test("share the partitions, and read each record once while members come and go", async () => {
    const first = await new Member(cooperative).read();
    await until(() => shared([4]));
    const sent: string[] = [];
    const more = async (tag: string): Promise<void> => {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const values = Array.from({ length: 5 }, (_, i) => `${tag}${partition}.${i}`);
        sent.push(...values);
        await produce(partition, values);
      }
    };
    await more("a");
    await until(() => all().length === sent.length);
    const second = await new Member(cooperative).read();
    await until(
      () => shared([2, 2]),
      () => JSON.stringify(owned()),
    );
    await more("b");
    await until(() => all().length >= sent.length);
    await first.close();
    await until(() => second.owned.length === PARTITIONS);
    await more("c");
    await until(() => all().length >= sent.length);
    expect(all().toSorted()).toEqual(sent.toSorted());
    expect(first.events.some(event => event.startsWith("lost"))).toBe(false);
  });

  test("go on where the group has committed, after all of them were gone", async () => {
    const first = await new Member({ protocol }).read();
    await produce(0, ["a", "b"]);
    await until(() => all().length === 2);
    await first.close();
    await produce(0, ["c"]);
    const second = await new Member({ protocol }).read();
    await until(() => second.values.length > 0);
    expect(second.values).toEqual(["c"]);
    const committed = await run(second.consumer.committed([{ topic: "orders", partition: 0 }]));
    expect(committed.map(({ offset }) => offset)).toEqual([2]);
    await run(second.consumer.commit([{ topic: "orders", partition: 1, offset: 0, metadata: "m" }]));
    const [other] = await run(second.consumer.committed([{ topic: "orders", partition: 1 }]));
    expect([other.offset, other.metadata]).toEqual([0, "m"]);
  });

  test("keep their partitions while a handler works far longer than the session, and repeat nothing", async () => {
    const slow = await new Member({ protocol, sessionTimeoutMs: 6000, heartbeatIntervalMs: 1000 }).read();
    await until(() => shared([4]));
    slow.workMs = 70_000;
    await produce(0, ["slow"]);
    await cluster.world.runFor(69_000);
    expect([slow.owned.length, slow.values]).toEqual([4, []]);
    expect(slow.heartbeats).toBeGreaterThan(10);
    const leaderId = slow.consumer.memberId;
    expect(slow.generations).toEqual(protocol === "classic" ? [{ leaderId, protocol: "range" }] : []);
    slow.workMs = 0;
    await until(() => slow.values.length === 1);
    await produce(0, ["fast"]);
    await until(() => slow.values.length === 2);
    expect([slow.values, slow.events.length]).toEqual([["slow", "fast"], 1]);
  });

  test("give a partition away only when the handler is done with it", async () => {
    const first = await new Member(cooperative).read();
    await until(() => shared([4]));
    first.workMs = 5000;
    for (let partition = 0; partition < PARTITIONS; partition++) await produce(partition, [`v${partition}`]);
    await cluster.world.runFor(1000);
    const second = await new Member(cooperative).read();
    await cluster.world.runFor(2000);
    expect(first.values.length).toBe(0);
    first.workMs = 0;
    await until(
      () => shared([2, 2]),
      () => JSON.stringify(owned()),
    );
    await until(() => all().length >= PARTITIONS);
    await cluster.world.runFor(3000);
    expect(all().toSorted()).toEqual(["v0", "v1", "v2", "v3"]);
    expect(second.events.length).toBeGreaterThan(0);
  });

  test("hear at once that partitions are taken back, and of all that they have, also if that is nothing", async () => {
    const told: string[] = [];
    const listener = {
      revoking: (partitions: readonly TopicPartition[]) => told.push(`revoking ${partitions.length}`),
      revoked: (partitions: readonly TopicPartition[]) => void told.push(`revoked ${partitions.length}`),
      settled: (partitions: readonly TopicPartition[]) => told.push(`settled ${partitions.length}`),
    };
    const first = await new Member(cooperative, listener).read();
    await until(() => told.includes("settled 4"));
    first.workMs = 60_000;
    await produce(0, ["long"]);
    await cluster.world.runFor(1000);
    const later = { settled: (partitions: readonly TopicPartition[]) => told.push(`later ${partitions.length}`) };
    for (let i = 0; i < 4; i++) await new Member(cooperative, later).read();
    await until(
      () => told.some(line => line.startsWith("revoking")),
      () => told.join(),
    );
    await until(() => told.includes("later 0"));
    first.workMs = 0;
  });

  test("survive the loss of their coordinator", async () => {
    const member = await new Member({ protocol }).read();
    await until(() => shared([4]));
    await produce(0, ["a"]);
    await until(() => member.values.length === 1);
    for (const id of [1, 2, 3]) {
      cluster.end(id, "kill");
      await cluster.world.runFor(2000);
      await produce(0, [`b${id}`]);
      await until(
        () => member.values.includes(`b${id}`),
        () => `${id} is missing: ${member.values.join()}`,
      );
      await cluster.start(id);
      await cluster.world.runFor(2000);
    }
    expect(member.values.toSorted()).toEqual(["a", "b1", "b2", "b3"]);
  });

  test("subscribe to a pattern, and get topics that come later", async () => {
    const member = await new Member({ protocol }).read({ pattern: "ord.*|more" });
    await until(() => member.owned.length === PARTITIONS);
    const made = await run(new Admin(client).topics.create([{ name: "more" }, { name: "other" }]));
    made.orThrow();
    member.client.refresh();
    await cluster.world.runFor(60_000);
    member.client.refresh();
    await until(
      () => member.owned.length === PARTITIONS + 1,
      () => member.owned.join(),
    );
    await produce(0, ["late"], "more");
    await until(() => member.values.length === 1);
  });

  test("commit in their listeners, also while they are closed", async () => {
    const listener = { revoked: () => first.consumer.commit() };
    const first: Member = await new Member({ protocol, autoCommit: false }, listener).read();
    await produce(0, ["a", "b"]);
    await until(() => first.values.length === 2);
    await first.close();
    await produce(0, ["c"]);
    const second = await new Member({ protocol }).read();
    await until(() => second.values.length > 0);
    expect(second.values).toEqual(["c"]);
  });

  test("whose partitions go while a transaction is about them say so, once", async () => {
    const first = await new Member({ ...cooperative, autoCommit: false }).read();
    for (let partition = 0; partition < PARTITIONS; partition++) await produce(partition, [`v${partition}`]);
    await until(() => first.values.length === PARTITIONS);
    const { generationId, memberId } = first.consumer.groupMembership;
    expect([generationId > 0, memberId]).toEqual([true, first.consumer.memberId]);
    for (let partition = 0; partition < PARTITIONS; partition++) await produce(partition, [`w${partition}`]);
    await until(() => first.values.length === 2 * PARTITIONS);
    await new Member({ ...cooperative, autoCommit: false }).read();
    await until(() => shared([2, 2]));
    expect(() => first.consumer.groupMembership).toThrow(expect.objectContaining({ name: "COMMIT_FAILED" }));
    expect(first.consumer.groupMembership.memberId).toBe(first.consumer.memberId);
    await first.close();
    expect(first.consumer.generation).toBe(-1);
    // The coordinator knows by the last generation that the member is no longer in its group.
    expect(first.consumer.groupMembership.generationId).toBeGreaterThan(0);
  });

  test("take the place of the same static member without a rebalance", async () => {
    const fixed = { protocol, instanceId: "one" } as const;
    const first = await new Member(fixed).read();
    await until(() => shared([4]));
    await first.close();
    members.length = 0;
    const again = await new Member(fixed).read();
    await until(() => again.owned.length === PARTITIONS);
  });
});

test("a member of a group that is not there yet says what is wrong with a call", async () => {
  const member = new Member();
  await expect(run(member.consumer.commit([]).catch((error: unknown) => error))).resolves.toMatchObject({
    name: "ILLEGAL_STATE",
  });
  await expect(run(member.consumer.subscribe([]).catch((error: unknown) => error))).resolves.toMatchObject({
    name: "INVALID_ARGUMENT",
  });
  expect(() => member.consumer.assign([])).toThrow("the group assigns the partitions");
  const alone = new Consumer(client);
  await expect(async () => alone.subscribe(["orders"])).rejects.toThrow("the consumer is in no group");
  await run(alone.close());
});

test("a caller that gives up gets its commit and its look at committed offsets back at once", async () => {
  const { consumer } = await new Member().read();
  await until(() => shared([4]));
  const stop = new AbortController();
  const { signal } = stop;
  const calls = [
    consumer.commit([{ topic: "orders", partition: 0, offset: 0 }], { signal }),
    consumer.committed([{ topic: "orders", partition: 0 }], { signal }),
  ];
  stop.abort();
  const names = calls.map(call => call.then(String, (error: { readonly name: string }) => error.name));
  expect(await Promise.all(names)).toEqual(["ABORTED", "ABORTED"]);
});

test("where the cluster has the consumer protocol, it is chosen", async () => {
  const member = await new Member().read();
  await until(() => shared([4]));
  const told = (await run(new Admin(client).groups.describe(["g"]))).value("g");
  expect([told.type, told.members.map(({ memberId }) => memberId)]).toEqual(["Consumer", [member.consumer.memberId]]);
});
