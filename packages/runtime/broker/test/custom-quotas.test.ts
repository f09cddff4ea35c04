import type { Env } from "@samsa/base";
import { quotaKey } from "@samsa/metadata";
import { buildBatch } from "@samsa/records";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CustomQuotas } from "../src/quotas/custom-quotas.ts";
import type { LoadedQuotaCallback, QuotaAnswer, QuotaCall } from "../src/quotas/quota-callback.ts";
import { Quotas } from "../src/quotas/quotas.ts";
import { TestBroker } from "./wire.ts";

const WINDOWS = { count: 11, ms: 1000 };
const RATE = "producer_byte_rate";

const image = (entity: Record<string, string | null>, values: Record<string, number>) => {
  const parts = Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName }));
  return [quotaKey(parts), { entity: parts, quotas: new Map(Object.entries(values)) }] as const;
};

let now: number;
let lines: string[];
let rounds: (readonly QuotaCall[])[];
let answer: (call: QuotaCall) => QuotaAnswer | Promise<QuotaAnswer>;
let closed: number;
let custom: CustomQuotas;
let quotas: Quotas;

const limited = (limit: unknown, tags: unknown = { team: "t" }): QuotaAnswer => ({ value: { tags, limit } });

beforeEach(() => {
  now = 0;
  lines = [];
  rounds = [];
  closed = 0;
  answer = call => (call.call === "limit" ? limited(100) : { value: call.call === "reset" ? [] : undefined });
  const callback: LoadedQuotaCallback = {
    wantsCluster: true,
    call: calls => {
      rounds.push(calls);
      return Promise.all(calls.map(async call => answer(call)));
    },
    close: () => {
      closed++;
      return Promise.reject(new Error("it does not close"));
    },
  };
  const tell = (message: string, fields?: object): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const env = {
    clock: { now: () => now, monotonic: () => now },
    logger: { debug: tell, info: tell, warn: tell, error: tell },
    random: { next: () => 0.5, bytes: (length: number) => new Uint8Array(length) },
    timers: { soon: (run: () => void) => queueMicrotask(run) },
  } as unknown as Env;
  custom = new CustomQuotas(env, callback);
  quotas = new Quotas(WINDOWS, WINDOWS, host => Promise.resolve(host), custom);
});

/** Lets all rounds end that have begun. */
const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve));
/** Rate of a client in bytes per second; Infinity: there is no limit. */
const rateOf = (user: string, clientId = "c"): number => quotas.mostAtOnce(RATE, { user, clientId }) / 10;
async function answeredRate(user: string): Promise<number> {
  rateOf(user);
  await settled();
  return rateOf(user);
}
const questions = (): number => rounds.flat().filter(({ call }) => call === "limit").length;

test("a client has the quotas of the metadata until there is an answer, which is kept", async () => {
  void quotas.update(new Map([image({ user: "u" }, { [RATE]: 7 })]));
  expect(rateOf("u")).toBe(7);
  await settled();
  expect([rateOf("u"), rateOf("u"), rateOf("u")]).toEqual([100, 100, 100]);
  expect(questions()).toBe(1);
});

test("clients with the same tags share a rate, others do not", async () => {
  answer = call => limited(100, call.call === "limit" ? { team: call.user.slice(0, 1) } : undefined);
  await Promise.all(["a1", "a2", "b1"].map(answeredRate));
  const waits = (user: string): boolean => quotas.record(RATE, { user, clientId: "c" }, 600, 1000) > 0;
  expect(["a1", "a2", "b1", "a1"].map(waits)).toEqual([false, true, false, true]);
});

test("no limit is none, whatever the metadata say", async () => {
  void quotas.update(new Map([image({ user: "u" }, { [RATE]: 7 })]));
  answer = () => limited(null);
  expect(await answeredRate("u")).toBe(Infinity);
});

test("the callback hears of quotas once, before it is asked again", async () => {
  const first = image({ "client-id": null, user: "u" }, { [RATE]: 1, request_percentage: 2, other: 3 });
  void quotas.update(new Map([first, image({ ip: "1.2.3.4" }, { connection_creation_rate: 5 })]));
  await settled();
  const entity = [
    { type: "USER", name: "u" },
    { type: "DEFAULT_CLIENT_ID", name: "" },
  ];
  expect(rounds).toEqual([
    [
      { call: "quota", type: "PRODUCE", entity, value: 1 },
      { call: "quota", type: "REQUEST", entity, value: 2 },
    ],
  ]);
  expect(await answeredRate("u")).toBe(100);
  rounds = [];
  answer = () => limited(50);
  void quotas.update(new Map([image({ "client-id": null, user: "u" }, { request_percentage: 4 })]));
  await settled();
  expect(rounds).toEqual([
    [
      { call: "quota", type: "PRODUCE", entity, value: null },
      { call: "quota", type: "REQUEST", entity, value: 4 },
    ],
  ]);
  expect(await answeredRate("u")).toBe(50);
});

test("limits are asked for again when the callback says so, and the cluster is told once a second", async () => {
  expect(await answeredRate("u")).toBe(100);
  const cluster = { clusterId: "x", nodes: [], topics: {} };
  custom.followCluster(() => cluster);
  custom.followCluster(() => cluster);
  answer = call => (call.call === "reset" ? { value: ["FETCH"] } : limited(60));
  rounds = [];
  custom.poll();
  await settled();
  const types = ["PRODUCE", "FETCH", "REQUEST", "CONTROLLER_MUTATION"];
  expect(rounds).toEqual([
    [
      { call: "cluster", cluster },
      { call: "reset", types },
    ],
  ]);
  expect(await answeredRate("u"), "of another type").toBe(100);
  answer = call => (call.call === "reset" ? { value: ["PRODUCE"] } : limited(60));
  custom.poll();
  await settled();
  expect(await answeredRate("u")).toBe(60);
  custom.followCluster(() => cluster);
  answer = call => (call.call === "cluster" ? { value: true } : call.call === "reset" ? { value: [] } : limited(70));
  custom.poll();
  await settled();
  expect(await answeredRate("u")).toBe(70);
});

test.each<[string, unknown, unknown]>([
  ["a limit of 0", 0, {}],
  ["a limit that is no number", "many", {}],
  ["NaN", Number.NaN, {}],
  ["no tags", 5, null],
  ["a list of tags", 5, ["a"]],
  ["a tag that is no text", 5, { a: 1 }],
  ["tags that are too long", 5, { a: "x".repeat(2000) }],
])("%s leaves a client its quota of the metadata, is told once, and is asked for again", async (_what, limit, tags) => {
  void quotas.update(new Map([image({ user: "u" }, { [RATE]: 7 })]));
  answer = () => limited(limit, tags);
  expect(await answeredRate("u")).toBe(7);
  expect(await answeredRate("u")).toBe(7);
  expect([lines.length, questions()]).toEqual([1, 1]);
  now += 1000;
  answer = () => limited(9);
  expect(await answeredRate("u")).toBe(9);
});

test("a callback that fails for one client fails for no other", async () => {
  answer = call => (call.call === "limit" && call.user === "u" ? { fault: "not so" } : limited(8));
  expect(await Promise.all([answeredRate("u"), answeredRate("v")])).toEqual([Infinity, 8]);
  expect(lines.join()).toContain('"reason":"not so"');
});

test("a thread that is lost is left alone for a while, and its successor hears of all quotas", async () => {
  void quotas.update(new Map([image({ user: "u" }, { [RATE]: 7 })]));
  expect(await answeredRate("u")).toBe(100);
  answer = () => Promise.reject(new Error("it has not answered"));
  custom.poll();
  await settled();
  expect(await answeredRate("u")).toBe(7);
  for (let i = 0; i < 20; i++) expect(await answeredRate("u")).toBe(7);
  expect(rounds.length, "the first, and the one that failed").toBe(2);
  expect(lines.length).toBe(1);
  rounds = [];
  now += 1300;
  answer = call => (call.call === "limit" ? limited(100) : { value: [] });
  expect(await answeredRate("u")).toBe(100);
  expect(rounds.flat().map(({ call }) => call)).toEqual(["quota", "limit"]);
});

test("a callback that never answers holds up nothing, and few questions wait for it", async () => {
  answer = () => new Promise(() => undefined);
  for (let i = 0; i < 5000; i++) rateOf(`user ${i}`);
  await settled();
  for (let i = 0; i < 5000; i++) rateOf(`user ${i}`);
  await settled();
  expect(rounds.length).toBe(1);
  expect(rateOf("user 1")).toBe(Infinity);
});

test("the limits of 10,000 clients are kept", async () => {
  for (let i = 0; i < 12_000; i += 500) {
    for (let j = i; j < i + 500; j++) rateOf(`user ${j}`);
    await settled();
    await settled();
    await settled();
  }
  expect(questions()).toBe(12_000);
  rateOf("user 11999");
  rateOf("user 2000");
  await settled();
  expect(questions(), "of clients that are kept").toBe(12_000);
  rateOf("user 1999");
  await settled();
  expect(questions()).toBe(12_001);
});

test("no more than 4 MiB of names are kept", async () => {
  const name = (i: number): string => `${i} ${"x".repeat(100_000)}`;
  for (let i = 0; i < 60; i++) await answeredRate(name(i));
  expect(questions()).toBe(60);
  rateOf(name(59));
  rateOf(name(0));
  await settled();
  expect(questions()).toBe(61);
});

test("a callback that does not close does not fail a stop, and is asked nothing more", async () => {
  await custom.close();
  expect(closed).toBe(1);
  expect(await answeredRate("u")).toBe(Infinity);
  expect(rounds).toEqual([]);
});

describe("of a broker", () => {
  let broker: TestBroker | undefined;
  afterEach(() => broker?.stop());

  const started = (callback: Partial<LoadedQuotaCallback>) =>
    TestBroker.start({ "client.quota.callback.class": "./x.mjs#X", "some.setting": "y" }, undefined, undefined, {
      quotaCallback: async (name, configs) => {
        expect([name, configs["some.setting"]]).toEqual(["./x.mjs#X", "y"]);
        return {
          wantsCluster: true,
          call: calls => Promise.all(calls.map(async call => answer(call))),
          close: () => Promise.resolve(),
          ...callback,
        };
      },
    });

  test("hold a producer back, and hear of the cluster", async () => {
    const heard: QuotaCall[] = [];
    answer = call => {
      heard.push(call);
      return call.call === "limit" && call.type === "PRODUCE" ? limited(10) : limited(null);
    };
    broker = await started({});
    const wire = await broker.connect();
    await wire.ask("CreateTopics", 7, {
      topics: [{ name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 1000,
      validateOnly: false,
    });
    const one = [{ timestamp: Date.now(), key: null, value: new Uint8Array(1000) }];
    const records = [buildBatch(one, {}, broker.broker.tools)];
    const produce = async (): Promise<number> => {
      const answered = await wire.ask("Produce", 9, {
        transactionalId: null,
        acks: 1,
        timeoutMs: 1000,
        topicData: [{ name: "t", partitionData: [{ index: 0, records }] }],
      });
      return answered.throttleTimeMs;
    };
    await expect.poll(produce, { timeout: 10_000 }).toBeGreaterThan(0);
    await expect
      .poll(() => heard.some(call => call.call === "cluster" && call.cluster.topics.t?.length === 1), {
        timeout: 10_000,
      })
      .toBe(true);
    wire.close();
  });

  test("do not start without their callback", async () => {
    const refused = TestBroker.start({ "client.quota.callback.class": "./x.mjs" }, undefined, undefined, {
      quotaCallback: () => Promise.reject(new Error("it cannot be loaded")),
    });
    await expect(refused).rejects.toThrow("client.quota.callback.class: it cannot be loaded");
    const unable = TestBroker.start({ "client.quota.callback.class": "./x.mjs" });
    await expect(unable).rejects.toThrow("this program cannot load a quota callback");
  });
});
