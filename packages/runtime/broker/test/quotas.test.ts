import { ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Quotas } from "../src/quotas/quotas.ts";
import { TestBroker } from "./wire.ts";

const WINDOWS = { count: 11, ms: 1000 };
const who = { user: "u", clientId: "c" };

function quotas(
  ...rows: readonly (readonly [entity: Record<string, string | null>, quotas: Record<string, number>])[]
) {
  const all = new Quotas(WINDOWS, WINDOWS, host => Promise.resolve(host));
  const images = rows.map(([parts, values]) => {
    const entity = Object.entries(parts).map(([entityType, entityName]) => ({ entityType, entityName }));
    const key = JSON.stringify(Object.entries(parts).sort(([a], [b]) => (a < b ? -1 : 1)));
    return [key, { entity, quotas: new Map(Object.entries(values)) }] as const;
  });
  void all.update(new Map(images));
  return all;
}

describe("quotas", () => {
  const connectionRate = (host: string, rate: number) => {
    const entity = [{ entityType: "ip", entityName: host }];
    return [JSON.stringify(entity), { entity, quotas: new Map([["connection_creation_rate", rate]]) }] as const;
  };

  test("of addresses hold at once, those of names once they are looked up, and until they are taken away", async () => {
    const waiting = new Map<string, (address: string | undefined) => void>();
    const all = new Quotas(WINDOWS, WINDOWS, host => {
      return new Promise((resolve, reject) => {
        waiting.set(host, address => (address === undefined ? reject(new Error(host)) : resolve(address)));
      });
    });
    let now = 0;
    /** Twenty connections at once exceed a rate of one. */
    const holds = (address: string): boolean => {
      now += 60_000;
      return Array.from({ length: 20 }, () => all.connected(address, now)).some(wait => wait > 0);
    };
    const first = all.update(
      new Map([connectionRate("slow", 1), connectionRate("10.0.0.1", 1), connectionRate("::1", 1)]),
    );
    expect(["10.0.0.1", "::1", "10.0.0.2"].map(holds)).toEqual([true, true, false]);
    waiting.get("slow")?.("10.0.0.2");
    expect(await first).toEqual([]);
    expect(["10.0.0.1", "10.0.0.2"].map(holds)).toEqual([true, true]);
    // A change of another entity keeps the rates of host names in force while they are resolved again.
    const second = all.update(new Map([connectionRate("slow", 1), connectionRate("other", 1)]));
    expect(["10.0.0.1", "10.0.0.2"].map(holds)).toEqual([false, true]);
    waiting.get("slow")?.("10.0.0.3");
    await expect.poll(() => waiting.has("other")).toBe(true);
    expect(["10.0.0.2", "10.0.0.3"].map(holds)).toEqual([false, true]);
    const third = all.update(new Map([connectionRate("10.0.0.9", 1)]));
    waiting.get("other")?.("10.0.0.4");
    await Promise.all([second, third]);
    expect(["10.0.0.3", "10.0.0.4", "10.0.0.9"].map(holds)).toEqual([false, false, true]);
    const last = all.update(new Map([connectionRate("gone", 1)]));
    waiting.get("gone")?.(undefined);
    expect(await last).toEqual(["gone"]);
  });

  test("of the most specific entity count", () => {
    const rate = (limit: number) => ({ producer_byte_rate: limit });
    const rows = [
      [{ user: "u", "client-id": "c" }, rate(1)],
      [{ user: "u", "client-id": null }, rate(2)],
      [{ user: "u" }, rate(3)],
      [{ user: null, "client-id": "c" }, rate(4)],
      [{ user: null, "client-id": null }, rate(5)],
      [{ user: null }, rate(6)],
      [{ "client-id": "c" }, rate(7)],
      [{ "client-id": null }, rate(8)],
    ] as const;
    for (let i = 0; i < rows.length; i++) {
      expect(quotas(...rows.slice(i)).mostAtOnce("producer_byte_rate", who)).toBe((i + 1) * 10);
    }
    expect(quotas(...rows).mostAtOnce("consumer_byte_rate", who)).toBe(Infinity);
  });

  test("hold back for as long as brings the rate down", () => {
    const limited = quotas([{ user: "u" }, { producer_byte_rate: 1000 }]);
    expect(limited.record("producer_byte_rate", who, 10_000, 0)).toBe(0);
    // 12,000 bytes in a span of 10.1 s: 1,188 per second, 18.8 percent above the limit.
    expect(limited.record("producer_byte_rate", who, 2000, 100)).toBe(1900);
    expect(limited.record("producer_byte_rate", who, 0, 12_000)).toBe(0);
  });

  test("of a default are each client's own, those of a user all of his clients' together", () => {
    const other = { user: "u", clientId: "d" };
    const each = quotas([{ "client-id": null }, { producer_byte_rate: 100 }]);
    const shared = quotas([{ user: "u" }, { producer_byte_rate: 100 }]);
    for (const [limited, waits] of [
      [each, false],
      [shared, true],
    ] as const) {
      limited.record("producer_byte_rate", who, 1000, 0);
      expect(limited.record("producer_byte_rate", other, 1000, 0) > 0).toBe(waits);
    }
  });

  test("let through, in the long run, what they say", () => {
    const property = fc.property(
      fc.integer({ min: 100, max: 100_000 }),
      fc.integer({ min: 1, max: 100 }),
      (limit, percent) => {
        const size = (limit * percent) / 100;
        const limited = quotas([{ "client-id": "c" }, { consumer_byte_rate: limit }]);
        let now = 0;
        let sent = 0;
        while (now < 120_000 && sent < limit * 1000) {
          now += 1 + limited.record("consumer_byte_rate", who, size, now);
          sent += size;
        }
        // The burst, plus the limit over time: up to a tenth more, because the span is one window shorter than the
        // samples.
        expect(sent).toBeLessThanOrEqual(limit * 12 + (1.2 * limit * now) / 1000);
      },
    );
    fc.assert(property, { numRuns: 200 });
  });

  test("of time hold back for one window at most", () => {
    const limited = quotas([{ "client-id": "c" }, { request_percentage: 1 }]);
    expect(limited.record("request_percentage", who, 5000, 0)).toBe(1000);
  });

  test("of changes allow what all windows allow together at once, and then what comes back", () => {
    let now = 5000;
    const limited = quotas([{ user: "u" }, { controller_mutation_rate: 2 }]);
    const change = (partitions: number, strict: boolean): readonly [boolean, number] => {
      const quota = limited.mutations(who, strict, () => now);
      const taken = quota.take(partitions);
      return [taken, quota.throttleMs()];
    };
    // A bucket of 22 tokens, which a change may overdraw.
    expect(change(20, true)).toEqual([true, 0]);
    expect(change(6, true)).toEqual([true, 0]);
    expect(change(1, true)).toEqual([false, 2000]);
    now += 1500;
    expect(change(1, true)).toEqual([false, 500]);
    now += 500;
    expect(change(1, true)).toEqual([true, 0]);
    // A request that cannot be refused is throttled.
    expect(change(3, false)).toEqual([true, 2000]);
    now += 3_600_000;
    expect(change(22, false)).toEqual([true, 0]);
  });

  test("of changes hold for those whom they name", () => {
    const limited = quotas([{ user: "u" }, { controller_mutation_rate: 0.001 }]);
    const take = (user: string): boolean => limited.mutations({ user, clientId: "c" }, true, () => 0).take(1);
    expect(["u", "u", "v", "v"].map(take)).toEqual([true, false, true, true]);
  });

  test("let a client change, in the long run, what they say", () => {
    const steps = fc.array(fc.record({ wait: fc.nat(3000), partitions: fc.integer({ min: 1, max: 30 }) }));
    const property = fc.property(fc.integer({ min: 1, max: 20 }), fc.boolean(), steps, (limit, strict, wanted) => {
      const limited = quotas([{ "client-id": "c" }, { controller_mutation_rate: limit }]);
      let now = 0;
      let changed = 0;
      for (const { wait, partitions } of wanted) {
        now += wait;
        const quota = limited.mutations(who, strict, () => now);
        if (quota.take(partitions)) changed += partitions;
        now += quota.throttleMs();
        expect(changed).toBeLessThanOrEqual(limit * 11 + (limit * now) / 1000 + partitions + 1);
      }
    });
    fc.assert(property, { numRuns: 200 });
  });
});

describe("over the wire", () => {
  let broker: TestBroker;
  let wire: RawConnection;

  beforeEach(async () => {
    broker = await TestBroker.start({
      ...{ "quota.window.num": "2", "quota.window.size.seconds": "1" },
      ...{ "controller.quota.window.num": "2", "controller.quota.window.size.seconds": "1" },
    });
    wire = await broker.connect();
  });
  afterEach(() => broker.stop());

  type Op = readonly [key: string, value: number | null];
  const alter = async (entity: Record<string, string | null>, ...ops: readonly Op[]) => {
    const entries = [
      {
        entity: Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName })),
        ops: ops.map(([key, value]) => ({ key, value: value ?? 0, remove: value === null })),
      },
    ];
    const answer = await wire.ask("AlterClientQuotas", 1, { entries, validateOnly: false });
    return answer.entries[0].errorCode;
  };

  const describeQuotas = async (
    strict: boolean,
    ...components: readonly (readonly [string, number, string | null])[]
  ) =>
    (await wire.ask("DescribeClientQuotas", 1, {
      components: components.map(([entityType, matchType, match]) => ({ entityType, matchType, match })),
      strict,
    })) as { errorCode: number; entries: { entity: object[]; values: { key: string; value: number }[] }[] | null };

  const produce = async (size: number): Promise<number> => {
    const bytes = buildBatch(
      [{ timestamp: Date.now(), key: null, value: new Uint8Array(size) }],
      {},
      broker.broker.tools,
    );
    const topicData = [{ name: "t", partitionData: [{ index: 0, records: [bytes] }] }];
    const body = { transactionalId: null, acks: -1, timeoutMs: 1000, topicData };
    return ((await wire.ask("Produce", 9, body)) as { throttleTimeMs: number }).throttleTimeMs;
  };

  test("quotas are set, described, changed and removed", async () => {
    expect(await alter({ user: "u", "client-id": "c" }, ["producer_byte_rate", 1000])).toBe(0);
    expect(await alter({ user: null }, ["consumer_byte_rate", 5], ["request_percentage", 12.5])).toBe(0);
    expect((await describeQuotas(false)).entries).toHaveLength(2);
    expect((await describeQuotas(true, ["user", 0, "u"])).entries).toEqual([]);
    expect((await describeQuotas(false, ["user", 0, "u"])).entries).toMatchObject([
      { values: [{ key: "producer_byte_rate", value: 1000 }] },
    ]);
    expect((await describeQuotas(true, ["user", 1, null])).entries?.[0].values).toHaveLength(2);
    expect((await describeQuotas(true, ["user", 2, null], ["client-id", 2, null])).entries).toHaveLength(1);
    expect(await alter({ user: "u", "client-id": "c" }, ["producer_byte_rate", null])).toBe(0);
    expect((await describeQuotas(false)).entries).toHaveLength(1);
    await broker.node.close();
    broker = await TestBroker.start({}, broker.directory);
    wire = await broker.connect();
    expect((await describeQuotas(false)).entries).toMatchObject([
      { entity: [{ entityType: "user", entityName: null }] },
    ]);
  });

  test("the time of requests counts, except that of brokers for their transactions", async () => {
    const recorded = vi.spyOn(broker.broker.quotas, "record");
    const kinds = () => recorded.mock.calls.splice(0).map(([kind]) => kind);
    await wire.ask("WriteTxnMarkers", 1, { markers: [] });
    expect(kinds()).toEqual([]);
    await wire.ask("ListGroups", 4, {});
    expect(kinds()).toEqual(["request_percentage"]);
    recorded.mockRestore();
  });

  test("what makes no sense is refused", async () => {
    const invalid = Errors.INVALID_REQUEST.code;
    expect(await alter({ user: "u" }, ["speed", 1])).toBe(invalid);
    expect(await alter({ user: "u" }, ["producer_byte_rate", 0])).toBe(invalid);
    expect(await alter({ user: "u" }, ["producer_byte_rate", 1.5])).toBe(invalid);
    expect(await alter({ user: "u" }, ["producer_byte_rate", Number.NaN])).toBe(invalid);
    expect(await alter({ planet: "u" }, ["producer_byte_rate", 1])).toBe(invalid);
    expect(await alter({ ip: "::1", user: "u" }, ["connection_creation_rate", 1])).toBe(invalid);
    expect(await alter({}, ["producer_byte_rate", 1])).toBe(invalid);
    expect((await describeQuotas(false, ["planet", 0, "x"])).errorCode).toBe(Errors.UNSUPPORTED_VERSION.code);
    expect((await describeQuotas(false, ["user", 0, null])).errorCode).toBe(invalid);
    expect((await describeQuotas(false, ["user", 7, null])).errorCode).toBe(invalid);
  });

  test("a producer above its rate is told for how long, and not heard that long", async () => {
    await wire.ask("Metadata", 9, { topics: [{ name: "t" }], includeTopicAuthorizedOperations: false });
    expect(await produce(20_000)).toBe(0);
    await alter({ "client-id": "test" }, ["producer_byte_rate", 50_000]);
    const wait = await produce(60_000);
    expect(wait).toBeGreaterThan(100);
    const began = performance.now();
    await wire.ask("ApiVersions", 0, {});
    expect(performance.now() - began).toBeGreaterThan(wait / 2);
    // Other clients are served meanwhile.
    await alter({ "client-id": "test" }, ["producer_byte_rate", null]);
    expect(await produce(60_000)).toBe(0);
  });

  test("a consumer above its rate gets nothing until it has waited", async () => {
    await wire.ask("Metadata", 9, { topics: [{ name: "t" }], includeTopicAuthorizedOperations: false });
    for (let i = 0; i < 3; i++) await produce(20_000);
    await alter({ "client-id": "test" }, ["consumer_byte_rate", 25_000]);
    const fetch = async (): Promise<{ throttleTimeMs: number; size: number }> => {
      const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }];
      const answer = await wire.ask("Fetch", 12, {
        ...{ maxWaitMs: 0, minBytes: 1, maxBytes: 1 << 20, sessionId: 0, sessionEpoch: -1, rackId: "" },
        ...{ topics: [{ topic: "t", partitions }], forgottenTopicsData: [] },
      });
      const records = answer.responses.flatMap(({ partitions: all }) => all.flatMap(p => p.records ?? []));
      return { throttleTimeMs: answer.throttleTimeMs, size: records.reduce((sum, chunk) => sum + chunk.length, 0) };
    };
    const first = await fetch();
    expect([first.throttleTimeMs, first.size > 20_000 && first.size < 25_000]).toEqual([0, true]);
    const second = await fetch();
    expect([second.throttleTimeMs > 0, second.size]).toEqual([true, 0]);
    for (let tries = 0; ; tries++) {
      const later = await fetch();
      if (later.size > 0) break;
      expect(tries).toBeLessThan(20);
    }
  });

  test("topics and partitions above the rate are refused, or waited for", async () => {
    const refused = Errors.THROTTLING_QUOTA_EXCEEDED.code;
    const configs = { assignments: [], configs: [] };
    const create = async (version: number, name: string, numPartitions: number, validateOnly = false) => {
      const topics = [{ name, numPartitions, replicationFactor: 1, ...configs }];
      const body = { topics, timeoutMs: 5000, validateOnly };
      const { throttleTimeMs, topics: made } = await wire.ask("CreateTopics", version, body);
      return [made[0].errorCode, throttleTimeMs > 0] as const;
    };
    // A timer may fire a moment too early, before a token is available.
    const moment = () => new Promise(resolve => setTimeout(resolve, 20));
    // Twenty at once, and ten per second.
    await alter({ "client-id": "test" }, ["controller_mutation_rate", 10]);
    expect(await create(7, "a", 1)).toEqual([0, false]);
    // More than a slow machine refills before the next request.
    expect(await create(7, "b", 40)).toEqual([0, false]);
    expect(await create(7, "c", 1)).toEqual([refused, true]);
    // The connection waits for the throttle time.
    await wire.ask("ApiVersions", 0, {});
    await moment();
    expect(await create(7, "c", 30, true)).toEqual([0, false]);
    const topics = [{ name: "a", count: 2, assignments: null }];
    const body = { topics, timeoutMs: 5000, validateOnly: false };
    expect(await wire.ask("CreatePartitions", 3, body)).toMatchObject({ results: [{ errorCode: refused }] });
    expect(await create(5, "d", 15)).toEqual([0, true]);
    await wire.ask("ApiVersions", 0, {});
    await moment();
    expect(await create(7, "e", 15)).toEqual([0, false]);
    const gone = { topics: [{ name: "d", topicId: ZERO_UUID }], timeoutMs: 5000 };
    expect(await wire.ask("DeleteTopics", 6, gone)).toMatchObject({ responses: [{ errorCode: refused }] });
    await wire.ask("ApiVersions", 0, {});
    await moment();
    expect(await wire.ask("DeleteTopics", 6, gone)).toMatchObject({ responses: [{ errorCode: 0 }] });
    const asked = { topics: [{ name: "auto" }], allowAutoTopicCreation: true };
    const unknown = Errors.UNKNOWN_TOPIC_OR_PARTITION.code;
    expect(await wire.ask("Metadata", 9, asked)).toMatchObject({ topics: [{ errorCode: unknown }] });
  });

  test("are refused for names that are empty, or of no host", async () => {
    const rate = ["connection_creation_rate", 1] as const;
    const invalid = Errors.INVALID_REQUEST.code;
    for (const ip of ["", "999.1.1.1", "no..host"]) expect(await alter({ ip }, rate)).toBe(invalid);
    expect(await alter({ user: "" }, ["producer_byte_rate", 1])).toBe(invalid);
    expect(await alter({ "client-id": "" }, ["producer_byte_rate", 1])).toBe(invalid);
  });

  test.each(["127.0.0.1", "localhost"])("connections above the rate of %s are not heard at once", async ip => {
    await alter({ ip }, ["connection_creation_rate", 1]);
    // A host name is resolved after the response, and its rate is in force from then on.
    for (let tries = 0, wait = 0; wait < 300; tries++) {
      expect(tries).toBeLessThan(ip === "localhost" ? 1000 : 3);
      const began = performance.now();
      const other = await broker.connect();
      await other.ask("ApiVersions", 0, {});
      wait = performance.now() - began;
      other.close();
    }
  });
});
