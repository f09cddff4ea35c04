import { ConfigError, type Env, type Logger, type Uuid, ZERO_UUID } from "@samsa/base";
import { type ConfigImage, configKey, RESOURCE_TYPE } from "@samsa/metadata";
import { nodeEnv } from "@samsa/node";
import { Errors, type PushTelemetryRequest } from "@samsa/protocol";
import { compress } from "@samsa/records";
import { beforeEach, describe, expect, test } from "vitest";
import { ClientTelemetry, type TelemetryClient, type TelemetryPush } from "../src/limits/telemetry.ts";
import { parseSubscription, subscribed } from "../src/limits/telemetry-subscriptions.ts";
import { alterConfigs, TestBroker } from "./wire.ts";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const { random, crypto, codecs, clock } = nodeEnv({ logger: SILENT });
const METRICS = Uint8Array.of(1, 2, 3);
const ID = "b4IRTl3CRLGAvMxIj1kL8A" as Uuid;

function configsOf(subscriptions: Record<string, Record<string, string>>): Map<string, ConfigImage> {
  return new Map(
    Object.entries(subscriptions).map(([name, values]) => {
      const type = RESOURCE_TYPE.clientMetrics;
      return [configKey(type, name), { type, name, values: new Map(Object.entries(values)) }];
    }),
  );
}

function client(clientId = "c", port = 4000): TelemetryClient {
  return { clientId, peer: { host: "10.0.0.7", port, software: { name: "apache-kafka-java", version: "4.4.0" } } };
}

let now: number;
let pushed: TelemetryPush[];
let telemetry: ClientTelemetry;

beforeEach(() => {
  now = 12_345;
  pushed = [];
  const env: Pick<Env, "clock" | "random" | "crypto" | "codecs" | "logger"> = {
    clock: { now: () => 0, monotonic: () => now },
    random,
    crypto,
    codecs,
    logger: SILENT,
  };
  const sink = {
    push: (push: TelemetryPush) => {
      if (push.metrics[0] === 99) throw new Error("not metrics");
      pushed.push(push);
    },
  };
  telemetry = new ClientTelemetry({ env, sink, maxBytes: 1000 });
  telemetry.update(configsOf({ all: { metrics: "*", "interval.ms": "1000" } }));
});

function push(draft: Partial<PushTelemetryRequest>, from = client()): number {
  const request: PushTelemetryRequest = {
    clientInstanceId: ID,
    subscriptionId: 0,
    terminating: false,
    compressionType: 0,
    metrics: METRICS,
    ...draft,
  };
  return telemetry.push(request, from).errorCode;
}

describe("subscriptions", () => {
  test("their ids are those that Kafka's code makes", () => {
    const of = (id: string, values: Record<string, string>) => {
      const found = [...configsOf({ s: values }).values()].flatMap(config => parseSubscription(config) ?? []);
      return subscribed(id as Uuid, {}, found, crypto.crc32c);
    };
    expect(of("nhKsFfMJQ9q0KXbC5kDoWw", {})).toEqual({ id: -340448632, metrics: [], pushIntervalMs: 300_000 });
    expect(of("nhKsFfMJQ9q0KXbC5kDoWw", { metrics: "a,*", "interval.ms": "100" }).id).toBe(183274999);
    const metrics = "org.apache.kafka.producer.,org.apache.kafka.consumer.,org.apache.kafka.admin,custom";
    expect(of(ID, { metrics, "interval.ms": "1000" })).toEqual({
      id: 2068516411,
      metrics: ["org.apache.kafka.producer.", "org.apache.kafka.admin", "org.apache.kafka.consumer.", "custom"],
      pushIntervalMs: 1000,
    });
    const many = Array.from({ length: 40 }, (_, i) => `org.apache.kafka.metric.${i}`);
    expect(of(ID, { metrics: many.join(","), "interval.ms": "60000" }).id).toBe(364419213);
  });

  test("a client gets what all that fit it ask for, and the shortest interval", () => {
    telemetry.update(
      configsOf({
        one: { metrics: "a,b", "interval.ms": "5000" },
        two: {
          metrics: "b,c",
          "interval.ms": "2000",
          match: "client_id=good.*,client_software_name=apache-kafka-java",
        },
        three: { metrics: "d", "interval.ms": "100", match: "client_id=goo" },
        four: { metrics: "e", match: "client_source_address=10\\.0\\.0\\.[0-9],client_source_port=4000" },
      }),
    );
    const good = telemetry.subscription(ZERO_UUID, client("good one"));
    expect(good).toMatchObject({ errorCode: 0, pushIntervalMs: 2000, telemetryMaxBytes: 1000, deltaTemporality: true });
    expect(good.requestedMetrics.toSorted()).toEqual(["a", "b", "c", "e"]);
    expect(good.acceptedCompressionTypes).toEqual([4, 3, 1, 2]);
    expect(good.clientInstanceId).not.toBe(ZERO_UUID);
    const other = telemetry.subscription(ZERO_UUID, client("bad", 4001));
    expect(other).toMatchObject({ pushIntervalMs: 5000 });
    expect(other.requestedMetrics).toEqual(["a", "b"]);
    expect(other.clientInstanceId).not.toBe(good.clientInstanceId);
  });

  test("without any a client is asked for nothing", () => {
    telemetry.update(new Map());
    const answer = telemetry.subscription(ID, client());
    expect(answer).toMatchObject({ clientInstanceId: ID, pushIntervalMs: 300_000, requestedMetrics: [] });
  });

  test("one that Java's patterns allow and ours do not fits nobody; one that cannot be read is left out", () => {
    telemetry.update(
      configsOf({ java: { metrics: "*", match: "client_id=\\Qc\\E(?<!x" }, worse: { "interval.ms": "often" } }),
    );
    expect(telemetry.subscription(ID, client()).requestedMetrics).toEqual([]);
    const [config] = configsOf({ worse: { "interval.ms": "often" } }).values();
    expect(() => parseSubscription(config)).toThrow(ConfigError);
  });

  test("a change is told at once, and what was pushed by the old one is refused", () => {
    const before = telemetry.subscription(ID, client()).subscriptionId;
    telemetry.update(configsOf({ all: { metrics: "a", "interval.ms": "1000" } }));
    expect(push({ subscriptionId: before })).toBe(Errors.UNKNOWN_SUBSCRIPTION_ID.code);
    const after = telemetry.subscription(ID, client());
    expect(after).toMatchObject({ errorCode: 0, requestedMetrics: ["a"] });
    now += 1000;
    expect(push({ subscriptionId: after.subscriptionId })).toBe(0);
  });
});

describe("when a client may ask and push", () => {
  test("it gets its subscription once an interval", () => {
    expect(telemetry.subscription(ID, client()).errorCode).toBe(0);
    now += 999;
    expect(telemetry.subscription(ID, client())).toEqual({
      throttleTimeMs: 0,
      errorCode: Errors.THROTTLING_QUOTA_EXCEEDED.code,
      clientInstanceId: ZERO_UUID,
      subscriptionId: 0,
      acceptedCompressionTypes: [],
      pushIntervalMs: 0,
      telemetryMaxBytes: 0,
      deltaTemporality: false,
      requestedMetrics: [],
    });
    now += 1;
    expect(telemetry.subscription(ID, client()).errorCode).toBe(0);
  });

  test("it pushes once an interval, and at once after it got the subscription, and when it ends", () => {
    const { subscriptionId } = telemetry.subscription(ID, client());
    now += 1;
    expect(push({ subscriptionId })).toBe(0);
    now += 999;
    expect(push({ subscriptionId })).toBe(Errors.THROTTLING_QUOTA_EXCEEDED.code);
    now += 1;
    expect(push({ subscriptionId })).toBe(0);
    expect(push({ subscriptionId, terminating: true, metrics: new Uint8Array() })).toBe(0);
    expect(pushed.map(({ terminating, metrics }) => [terminating, metrics.length])).toEqual([
      [false, 3],
      [false, 3],
      [true, 0],
    ]);
    expect(pushed[0]).toMatchObject({ clientInstanceId: ID, clientId: "c", pushIntervalMs: 1000 });
    expect(push({ subscriptionId, terminating: true })).toBe(Errors.INVALID_REQUEST.code);
  });

  test("nothing pushed is nothing told", () => {
    const { subscriptionId } = telemetry.subscription(ID, client());
    expect(push({ subscriptionId, metrics: new Uint8Array() })).toBe(0);
    expect(pushed).toEqual([]);
  });

  test("after the two errors that it can mend it gets its subscription at once", () => {
    const { subscriptionId } = telemetry.subscription(ID, client());
    expect(push({ subscriptionId: subscriptionId + 1 })).toBe(Errors.UNKNOWN_SUBSCRIPTION_ID.code);
    expect(telemetry.subscription(ID, client()).errorCode).toBe(0);
    now += 1000;
    for (const compressionType of [5, -1]) {
      now += 1000;
      expect(push({ subscriptionId, compressionType })).toBe(Errors.UNSUPPORTED_COMPRESSION_TYPE.code);
    }
    expect(telemetry.subscription(ID, client()).errorCode).toBe(0);
    expect(telemetry.subscription(ID, client()).errorCode).toBe(Errors.THROTTLING_QUOTA_EXCEEDED.code);
  });

  test("ids that nobody has are refused", () => {
    for (const clientInstanceId of [ZERO_UUID, "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid]) {
      expect(push({ clientInstanceId })).toBe(Errors.INVALID_REQUEST.code);
    }
    expect(telemetry.size).toBe(0);
  });
});

describe("what is pushed", () => {
  let subscriptionId: number;
  beforeEach(() => {
    subscriptionId = telemetry.subscription(ID, client()).subscriptionId;
  });

  test.each([0, 1, 2, 3, 4] as const)("codec %i is undone", codec => {
    const plain = new Uint8Array(900).fill(7);
    const metrics = compress(plain, { codec, level: codec === 4 ? 3 : -1 }, codecs);
    expect(push({ subscriptionId, compressionType: codec, metrics })).toBe(0);
    expect([...pushed[0].metrics]).toEqual([...plain]);
  });

  test.each([1, 2, 3, 4] as const)("codec %i: a bomb, and nonsense", codec => {
    const metrics = compress(new Uint8Array(5000), { codec, level: codec === 4 ? 3 : -1 }, codecs);
    expect(metrics.length).toBeLessThan(1000);
    expect(push({ subscriptionId, compressionType: codec, metrics })).toBe(Errors.INVALID_RECORD.code);
    now += 1000;
    expect(push({ subscriptionId, compressionType: codec, metrics: METRICS })).toBe(Errors.INVALID_RECORD.code);
    expect(pushed).toEqual([]);
  });

  test("too much, and what the sink cannot read", () => {
    expect(push({ subscriptionId, metrics: new Uint8Array(1001) })).toBe(Errors.TELEMETRY_TOO_LARGE.code);
    now += 1000;
    expect(push({ subscriptionId, metrics: Uint8Array.of(99) })).toBe(Errors.INVALID_RECORD.code);
  });
});

describe("instances are forgotten", () => {
  test("with the connection that made them known", () => {
    const [first, second] = [client(), client()];
    telemetry.subscription(ID, first);
    telemetry.subscription(ID, second);
    telemetry.disconnected(second.peer);
    expect(telemetry.size).toBe(1);
    telemetry.disconnected(first.peer);
    expect(telemetry.size).toBe(0);
  });

  test("three intervals after they were last heard of, and after a minute at the least", () => {
    telemetry.subscription(ID, client());
    now += 59_999;
    telemetry.expire();
    expect(telemetry.size).toBe(1);
    now += 1;
    telemetry.expire();
    expect(telemetry.size).toBe(0);
    telemetry.update(configsOf({ slow: { metrics: "*", "interval.ms": "3600000" } }));
    telemetry.subscription(ID, client());
    // No interval is longer than that of a client without a subscription.
    now += 3 * 300_000 - 1;
    telemetry.expire();
    expect(telemetry.size).toBe(1);
  });

  test("the least recently used when there are 16,384", () => {
    const { clientInstanceId: kept } = telemetry.subscription(ZERO_UUID, client());
    const { clientInstanceId: lost } = telemetry.subscription(ZERO_UUID, client());
    for (let i = 2; i < 16_384; i++) telemetry.subscription(ZERO_UUID, client());
    telemetry.subscription(kept, client());
    telemetry.subscription(ZERO_UUID, client());
    expect(telemetry.size).toBe(16_384);
    // A known instance must wait for its interval; an unknown one gets a response.
    expect(telemetry.subscription(kept, client()).errorCode).toBe(Errors.THROTTLING_QUOTA_EXCEEDED.code);
    expect(telemetry.subscription(lost, client()).errorCode).toBe(0);
  });
});

describe("on the wire", () => {
  const announced = async (broker: TestBroker): Promise<number[]> => {
    const wire = await broker.connect();
    const body = { clientSoftwareName: "soft", clientSoftwareVersion: "1.0" };
    const { apiKeys } = await wire.ask("ApiVersions", 3, body);
    wire.close();
    return apiKeys.map(({ apiKey }) => apiKey).filter(key => key === 71 || key === 72);
  };

  test("without a sink it is not announced, and the connection of one who asks closes", async () => {
    const broker = await TestBroker.start();
    try {
      expect(await announced(broker)).toEqual([]);
      const wire = await broker.connect();
      wire.send("GetTelemetrySubscriptions", 0, { clientInstanceId: ZERO_UUID });
      expect(await wire.frame()).toBeUndefined();
    } finally {
      await broker.stop();
    }
  });

  test("a subscription is set, got, pushed for and changed; an instance goes with its connection", async () => {
    const taken: TelemetryPush[] = [];
    const sink = { push: (one: TelemetryPush) => void taken.push({ ...one, metrics: one.metrics.slice() }) };
    const world = { clock: { now: () => clock.now(), monotonic: () => now } };
    const broker = await TestBroker.start({ "telemetry.max.bytes": "2000" }, undefined, world, { telemetry: sink });
    try {
      expect(await announced(broker)).toEqual([71, 72]);
      const wire = await broker.connect();
      const software = { clientSoftwareName: "soft", clientSoftwareVersion: "1.0" };
      await wire.ask("ApiVersions", 3, software);
      const alter = (values: Record<string, string>) => alterConfigs(wire, RESOURCE_TYPE.clientMetrics, "s", values);
      const match = "client_software_name=so+ft,client_software_version=1\\.0,client_source_address=127.*";
      expect((await alter({ metrics: "m.", "interval.ms": "100", match })).errorCode).toBe(0);
      const ask = (clientInstanceId: Uuid) =>
        wire.ask("GetTelemetrySubscriptions", 0, {
          clientInstanceId,
        });
      const got = await ask(ZERO_UUID);
      expect(got).toMatchObject({
        errorCode: 0,
        requestedMetrics: ["m."],
        pushIntervalMs: 100,
        telemetryMaxBytes: 2000,
      });
      const { clientInstanceId, subscriptionId } = got;
      const body = { clientInstanceId, subscriptionId, terminating: false, compressionType: 4 };
      const metrics = codecs.zstd(METRICS, 3);
      expect(await wire.ask("PushTelemetry", 0, { ...body, metrics })).toMatchObject({ errorCode: 0 });
      expect(taken).toEqual([
        { clientInstanceId, clientId: "test", terminating: false, pushIntervalMs: 100, metrics: METRICS },
      ]);
      expect((await ask(clientInstanceId)).errorCode).toBe(Errors.THROTTLING_QUOTA_EXCEEDED.code);
      await alter({ metrics: "n." });
      expect((await ask(clientInstanceId)).requestedMetrics).toEqual(["n."]);
      const known = () =>
        broker.broker.metrics
          .families(() => 0)
          .find(({ name }) => name === "kafka_server_client_metrics_instance_count")?.samples[0].value;
      expect(known()).toBe(1);
      wire.close();
      await expect.poll(known).toBe(0);
    } finally {
      await broker.stop();
    }
  });
});
