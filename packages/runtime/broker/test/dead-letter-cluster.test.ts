import { fromUtf8 } from "@samsa/base";
import { Admin, type ClusterClient, ShareConsumer } from "@samsa/client-runtime";
import { Prng, SimCluster } from "@samsa/sim";
import { afterEach, beforeEach, expect, test } from "vitest";

/** Longest time for a condition, in ms. */
const LIMIT_MS = 180_000;
const QUEUE = "dlq.orders";
const ENABLED = [{ name: "errors.deadletterqueue.group.enable", value: "true" }];

let cluster: SimCluster;
let client: ClusterClient;
let consumer: ShareConsumer;
let stream: ReturnType<ShareConsumer["records"]>;

const run = <T>(promise: Promise<T>): Promise<T> => cluster.settle(promise);

beforeEach(async () => {
  const replicas = Object.fromEntries(
    ["offsets.topic", "share.coordinator.state.topic"].flatMap(topic => [
      [`${topic}.num.partitions`, "1"],
      [`${topic}.replication.factor`, "3"],
    ]),
  );
  // Two of three brokers are away at times.
  const settings = { ...replicas, "share.coordinator.state.topic.min.isr": "1" };
  cluster = new SimCluster({ settings });
  await cluster.startAll();
  client = cluster.client({ requestTimeoutMs: 3000 });
  consumer = new ShareConsumer(client, { groupId: "g" }, {});
  expect(await cluster.createTopic("orders", [1, 2], [])).toBe(0);
  await cluster.untilPartition("orders", { leader: 1, isr: [1, 2] });
  const set = (value: string) => ({ op: "set", value }) as const;
  const configs = {
    "share.auto.offset.reset": set("earliest"),
    "errors.deadletterqueue.topic.name": set(QUEUE),
    "errors.deadletterqueue.copy.record.enable": set("true"),
  };
  (await run(new Admin(client).configs.alter({ "group:g": configs }))).orThrow();
  await run(consumer.subscribe(["orders"]));
  stream = consumer.records();
});

afterEach(async () => {
  await run(consumer.close());
  client.close();
  await cluster.close();
});

/** Produces values and rejects all of them. */
async function reject(values: readonly string[]): Promise<void> {
  for (const value of values) expect(await cluster.produce("orders", value)).toBe(0);
  for (const wanted of values) {
    const { value: record } = await run(stream.next());
    expect(fromUtf8(record?.value ?? new Uint8Array(0))).toBe(wanted);
    consumer.acknowledge(record!, "reject");
  }
  const outcome = await run(consumer.commit());
  expect([...outcome]).toEqual([["orders/0", true]]);
}

/** Runs of letters that broker `id` has not written yet. */
const waiting = (id: number): number => cluster.nodes.get(id)?.broker.shares.deadLetters.size ?? 0;

const until = (holds: () => boolean | Promise<boolean>) => cluster.until(holds, undefined, LIMIT_MS);

/** Lag of the group, once its states are written. */
async function lag(): Promise<number> {
  await cluster.world.runFor(1000);
  const offsets = (await run(new Admin(client).shareGroups.offsets(["g"]))).value("g");
  return offsets.reduce((sum, one) => sum + Number(one.lag), 0);
}

test("dead letters go to a leader on another broker, and to the next one if it is gone", async () => {
  expect(await cluster.createTopic(QUEUE, [2, 3], ENABLED)).toBe(0);
  await cluster.untilPartition(QUEUE, { leader: 2, isr: [2, 3] });
  await reject(["a", "b"]);
  await until(() => waiting(1) === 0);
  expect(await cluster.consume(QUEUE)).toEqual(["a", "b"]);
  cluster.end(2, "kill");
  await reject(["c"]);
  await until(() => waiting(1) === 0);
  await cluster.untilPartition(QUEUE, { leader: 3 });
  expect(await cluster.consume(QUEUE)).toEqual(["a", "b", "c"]);
  expect(await lag()).toBe(0);
});

test("a broker that becomes leader of a share partition writes what the last one has left", async () => {
  expect(await cluster.createTopic(QUEUE, [3], ENABLED)).toBe(0);
  await cluster.untilPartition(QUEUE, { leader: 3 });
  expect(await cluster.produce("orders", "first")).toBe(0);
  const { value: first } = await run(stream.next());
  cluster.end(3, "kill");
  await cluster.untilPartition("orders", { leader: 1, isr: [1, 2] });
  consumer.acknowledge(first!, "reject");
  expect([...(await run(consumer.commit()))]).toEqual([["orders/0", true]]);
  await until(() => waiting(1) === 1);
  cluster.end(1, "power");
  await cluster.untilPartition("orders", { leader: 2 });
  // The member asks the new leader for records, which loads the share partition.
  const next = run(stream.next());
  await until(() => waiting(2) === 1);
  await cluster.start(3);
  await cluster.untilPartition(QUEUE, { leader: 3 });
  await until(() => waiting(2) === 0);
  expect(await cluster.consume(QUEUE)).toEqual(["first"]);
  expect(await cluster.produce("orders", "second")).toBe(0);
  expect(fromUtf8((await next).value?.value ?? new Uint8Array(0))).toBe("second");
  consumer.acknowledge((await next).value!, "accept");
  await run(consumer.commit());
  expect(await lag()).toBe(0);
});

test("records are finished without dead letters if no leader comes", async () => {
  expect(await cluster.createTopic(QUEUE, [3], ENABLED)).toBe(0);
  await cluster.untilPartition(QUEUE, { leader: 3 });
  cluster.end(3, "kill");
  await cluster.untilPartition(QUEUE, { leader: -1 });
  await reject(["a", "b"]);
  expect(waiting(1)).toBe(1);
  const begun = cluster.world.now();
  await until(() => waiting(1) === 0);
  // Four waits of 2, 4, 8 and 16 s, give or take a fifth.
  expect(cluster.world.now() - begun).toBeGreaterThan(24_000 - 1000);
  expect(cluster.world.now() - begun).toBeLessThan(36_000 + 1000);
  expect(await lag()).toBe(0);
  await cluster.start(3);
  await cluster.untilPartition(QUEUE, { leader: 3 });
  await cluster.world.runFor(60_000);
  expect(await cluster.consume(QUEUE)).toEqual([]);
});

/** Brokers that are killed one after the other, each for a few seconds, once the last one has caught up. */
class Storm {
  readonly #chance: Prng;
  readonly #victims: readonly number[];
  #victim: number | undefined;
  #next = cluster.world.now() + 1000;
  kills = 0;

  constructor(chance: Prng, victims: readonly number[]) {
    this.#chance = chance;
    this.#victims = victims;
  }

  async step(): Promise<void> {
    if (cluster.world.now() < this.#next) return;
    this.#next = cluster.world.now() + this.#chance.int(500, 4000);
    const victim = this.#victim;
    if (victim === undefined) {
      this.#victim = this.#victims[this.#chance.int(0, this.#victims.length - 1)];
      cluster.end(this.#victim, "kill");
      this.kills++;
    } else if (!cluster.nodes.has(victim)) await cluster.start(victim);
    else if (await this.#isWell(victim)) this.#victim = undefined;
  }

  /** True if the broker is in sync where it has replicas. */
  async #isWell(victim: number): Promise<boolean> {
    const own = victim === 3 ? QUEUE : "orders";
    for (const topic of [own, "__share_group_state", "__consumer_offsets"]) {
      const { isr } = await cluster.partition(topic);
      if (!isr.some(id => id === victim)) return false;
    }
    return true;
  }

  async end(): Promise<void> {
    const victim = this.#victim;
    if (victim === undefined) return;
    if (!cluster.nodes.has(victim)) await cluster.start(victim);
    await until(() => this.#isWell(victim));
  }
}

test.each([1, 2, 3, 4])("no dead letter is lost in a storm (%i)", async seed => {
  // The only replica of the topic for dead letters is on broker 3; the records and the states are on the others, too.
  const chance = new Prng(seed);
  const storms = [new Storm(chance, [3]), new Storm(chance, [1, 2])];
  const set = (value: string) => ({ op: "set", value }) as const;
  const limit = { "share.delivery.count.limit": set("2") };
  (await run(new Admin(client).configs.alter({ "group:g": limit }))).orThrow();
  expect(await cluster.createTopic(QUEUE, [3], ENABLED)).toBe(0);
  // Every third record is accepted; the others are rejected, or released until they are spent.
  const verdicts = ["accept", "reject", "release"] as const;
  const judging = (async () => {
    for await (const record of stream) {
      consumer.acknowledge(record, verdicts[Number(fromUtf8(record.value ?? new Uint8Array(0))) % 3]);
    }
  })();
  const values: string[] = [];
  for (let value = 0; value < 150; value++) {
    for (const storm of storms) await storm.step();
    const sent = await cluster.produce("orders", String(value)).catch(() => -1);
    if (sent === 0) values.push(String(value));
    await cluster.world.runFor(chance.int(50, 800));
  }
  for (const storm of storms) await storm.end();
  for (const { kills } of storms) expect(kills).toBeGreaterThan(3);
  await until(async () => (await lag()) === 0 && [1, 2, 3].every(id => waiting(id) === 0));
  const dead = new Set(await cluster.consume(QUEUE));
  const lost = values.filter(value => Number(value) % 3 !== 0 && !dead.has(value));
  expect(values.length).toBeGreaterThan(50);
  expect(lost).toEqual([]);
  expect(values.filter(value => Number(value) % 3 === 0 && dead.has(value))).toEqual([]);
  await run(consumer.close());
  await judging;
});
