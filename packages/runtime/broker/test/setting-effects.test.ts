import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Disk, Int64, Logger, Network } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { BatchCursor, buildBatch, type Compression } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { leading } from "./alone.ts";
import { alterConfigs, connectTo, TestBroker } from "./wire.ts";
import { logOf } from "./logs.ts";

const MIB = 1 << 20;
const HOUR = 3_600_000;
const TOPIC = 2;
const BROKER = 4;
/** Current time of tests that do not set another. */
const NOW = 1_700_000_000_000;

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

let now = NOW;
/** Offset of the monotonic clock, in ms. */
let ahead = 0;
let draw = 0;
/** Paths of the segments that were synced. */
const synced: string[] = [];
let broker: TestBroker;
let wire: RawConnection;

/** Returns `real` with the methods of `instead` in place of its own. */
function withMethods<T extends object>(real: T, instead: Partial<T>): T {
  return new Proxy(real, {
    get(target, key) {
      const found: unknown = Reflect.get(Object.hasOwn(instead, key) ? instead : target, key);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}

/** The real disk; it records syncs of segments of topics. */
function countingDisk(real: Disk): Disk {
  return withMethods(real, {
    open(path, mode) {
      const file = real.open(path, mode);
      if (!path.endsWith(".log") || path.includes("__")) return file;
      return withMethods(file, {
        sync() {
          synced.push(path);
          return file.sync();
        },
      });
    },
  });
}

beforeAll(async () => {
  const { clock, random, disk } = nodeEnv({ logger: SILENT });
  broker = await TestBroker.start(
    {
      "log.retention.check.interval.ms": "10",
      "log.initial.task.delay.ms": "10",
      "producer.id.expiration.check.interval.ms": "10",
    },
    undefined,
    {
      clock: { now: () => now, monotonic: () => clock.monotonic() + ahead },
      random: { bytes: length => random.bytes(length), next: () => draw },
      disk: countingDisk(disk),
    },
  );
  wire = await broker.connect();
});
afterAll(async () => {
  wire.close();
  await broker.stop();
});

let topics = 0;
async function topicWith(configs: Record<string, string>): Promise<string> {
  const name = `t${topics++}`;
  const topic = {
    name,
    numPartitions: 1,
    replicationFactor: 1,
    assignments: [],
    configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
  };
  const { topics: made } = await wire.ask("CreateTopics", 7, {
    topics: [topic],
    timeoutMs: 1000,
  });
  expect(made[0].errorMessage).toBeNull();
  return name;
}

async function alter(type: number, resourceName: string, values: Record<string, string | null>): Promise<void> {
  expect((await alterConfigs(wire, type, resourceName, values)).errorMessage).toBeNull();
}

interface Draft {
  readonly size?: number;
  readonly timestamp?: number;
  readonly compression?: Compression;
  readonly acks?: number;
  readonly fill?: (i: number) => number;
}

interface Produced {
  readonly errorCode: number;
  readonly baseOffset: Int64;
  readonly logAppendTimeMs: Int64;
}

async function produce(name: string, draft: Draft = {}): Promise<Produced> {
  const { size = 10, timestamp = now, compression, acks = -1, fill = () => 0 } = draft;
  const value = Uint8Array.from({ length: size }, (_, i) => fill(i));
  const options = compression === undefined ? {} : { compression };
  const batch = buildBatch([{ timestamp, key: null, value }], options, broker.broker.tools);
  const topicData = [{ name, partitionData: [{ index: 0, records: [batch] }] }];
  const request = { transactionalId: null, acks, timeoutMs: 1000, topicData };
  const { responses } = await wire.ask("Produce", 9, request);
  return responses[0].partitionResponses[0];
}

async function earliest(name: string): Promise<Int64> {
  const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -2n }];
  const answer = await wire.ask("ListOffsets", 5, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name, partitions }],
  });
  return answer.topics[0].partitions[0].offset;
}

function files(name: string, suffix: string): string[] {
  const folder = join(broker.directory, "data", `${name}-0`);
  return readdirSync(folder)
    .filter(file => file.endsWith(suffix))
    .sort();
}

/** First batch of a topic's log. */
async function stored(name: string): Promise<BatchCursor> {
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10 * MIB }];
  const answer = await wire.ask("Fetch", 11, {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 10 * MIB,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [{ topic: name, partitions }],
    forgottenTopicsData: [],
  });
  const cursor = new BatchCursor(Buffer.concat(answer.responses[0].partitions[0].records ?? []));
  expect(cursor.next()).toBe(true);
  return cursor;
}

describe("settings of a topic", () => {
  test("retention.ms", async () => {
    const name = await topicWith({ "retention.ms": String(2 * HOUR) });
    await produce(name, { timestamp: now - HOUR });
    const older = await topicWith({ "retention.ms": String(2 * HOUR) });
    await produce(older, { timestamp: now - 3 * HOUR });
    await expect.poll(() => earliest(older)).toBe(1);
    expect(await earliest(name)).toBe(0);
    await alter(TOPIC, name, { "retention.ms": String(HOUR / 2) });
    await expect.poll(() => earliest(name)).toBe(1);
  });

  test("retention.bytes and segment.bytes", async () => {
    const name = await topicWith({ "segment.bytes": String(MIB) });
    for (let i = 0; i < 4; i++) await produce(name, { size: 600_000 });
    expect(files(name, ".log")).toHaveLength(4);
    await alter(TOPIC, name, { "segment.bytes": String(2 * MIB), "retention.bytes": String(3 * 600_000) });
    await expect.poll(() => earliest(name)).toBe(1);
    await produce(name, { size: 600_000 });
    expect(files(name, ".log").at(-1)).toBe("00000000000000000003.log");
  });

  test.each([
    [{ "segment.ms": "5000" }, 0, 2],
    [{ "segment.ms": "50000" }, 0, 1],
    [{ "segment.ms": "50000", "segment.jitter.ms": "49000" }, 0.99, 2],
    [{ "segment.ms": "50000", "segment.jitter.ms": "49000" }, 0, 1],
  ])("%j with the draw %d: %i segments", async (configs: Record<string, string>, drawn, segments) => {
    draw = drawn;
    const name = await topicWith(configs);
    for (const later of [0, 10_000]) await produce(name, { timestamp: now + later });
    draw = 0;
    expect(files(name, ".log")).toHaveLength(segments);
  });

  test("preallocate", async () => {
    const sizes = (name: string) =>
      files(name, ".log").map(file => statSync(join(broker.directory, "data", `${name}-0`, file)).size);
    const name = await topicWith({ "segment.bytes": String(MIB), preallocate: "true" });
    await produce(name, { size: 600_000 });
    expect(sizes(name)).toEqual([MIB]);
    // The size limit counts records, not preallocated bytes, and a roll trims the file to its records.
    await produce(name, { size: 600_000 });
    const [first, second] = sizes(name);
    expect(first).toBeGreaterThan(600_000);
    expect(first).toBeLessThan(601_000);
    expect(second).toBe(MIB);
    expect(await earliest(name)).toBe(0);
    const plain = await topicWith({ "segment.bytes": String(MIB) });
    await produce(plain, { size: 600_000 });
    expect(sizes(plain)).toEqual([first]);
    await alter(BROKER, "", { "log.preallocate": "true" });
    await produce(plain, { size: 600_000 });
    expect(sizes(plain)).toEqual([first, MIB]);
    await alter(BROKER, "", { "log.preallocate": null });
  });

  test("segment.index.bytes and index.interval.bytes", async () => {
    const segments = async (interval: number) => {
      const name = await topicWith({ "segment.index.bytes": "36", "index.interval.bytes": String(interval) });
      for (let i = 0; i < 8; i++) await produce(name, { timestamp: now + i });
      return files(name, ".log").length;
    };
    // Indexes of this size are full after two entries; batches that are close together add no entries.
    expect(await segments(0)).toBeGreaterThan(2);
    expect(await segments(100_000)).toBe(1);
  });

  test("flush.messages and flush.ms", async () => {
    const syncsOf = (topic: string): number => synced.filter(path => path.includes(`/${topic}-0/`)).length;
    const lazy = await topicWith({});
    await produce(lazy);
    expect(syncsOf(lazy)).toBe(0);
    const every = await topicWith({ "flush.messages": "2" });
    await produce(every);
    expect(syncsOf(every)).toBe(0);
    await produce(every);
    expect(syncsOf(every)).toBe(1);
    await alter(TOPIC, lazy, { "flush.ms": "0" });
    await produce(lazy);
    expect(syncsOf(lazy)).toBe(1);
  });

  test("max.message.bytes", async () => {
    const name = await topicWith({ "max.message.bytes": "500" });
    expect((await produce(name, { size: 600 })).errorCode).toBe(10);
    await alter(TOPIC, name, { "max.message.bytes": "700" });
    expect((await produce(name, { size: 600 })).errorCode).toBe(0);
  });

  test("max.decompressed.message.bytes", async () => {
    const name = await topicWith({ "max.decompressed.message.bytes": "100" });
    const gzip: Compression = { codec: 1, level: 6 };
    expect((await produce(name, { size: 93, compression: gzip })).errorCode).toBe(0);
    expect((await produce(name, { size: 94, compression: gzip })).errorCode).toBe(87);
    expect((await produce(name, { size: 94 })).errorCode).toBe(0);
  });

  test("message.timestamp.type", async () => {
    const name = await topicWith({});
    expect((await produce(name, { timestamp: now - 5 })).logAppendTimeMs).toBe(-1);
    await alter(TOPIC, name, { "message.timestamp.type": "LogAppendTime" });
    expect((await produce(name, { timestamp: now - 5 })).logAppendTimeMs).toBe(now);
  });

  test("message.timestamp.before.max.ms and after.max.ms", async () => {
    const name = await topicWith({
      "message.timestamp.before.max.ms": "1000",
      "message.timestamp.after.max.ms": "2000",
    });
    const codes: number[] = [];
    for (const by of [-1001, -1000, 2000, 2001]) {
      codes.push((await produce(name, { timestamp: now + by })).errorCode);
    }
    expect(codes).toEqual([32, 0, 0, 32]);
  });

  test("compression.type and its levels", async () => {
    const fill = (i: number) => ((i * i * 7) % 61) ^ (i >> 5);
    const sizeOf = async (configs: Record<string, string>) => {
      const name = await topicWith(configs);
      await produce(name, { size: 50_000, fill });
      const batch = await stored(name);
      return [batch.codec, batch.size] as const;
    };
    const codecs = ["uncompressed", "gzip", "snappy", "lz4", "zstd", "producer"];
    const found: number[] = [];
    for (const type of codecs) found.push((await sizeOf({ "compression.type": type }))[0]);
    expect(found).toEqual([0, 1, 2, 3, 4, 0]);
    for (const [codec, fast, small] of [
      ["gzip", "1", "9"],
      ["zstd", "-100", "19"],
    ] as const) {
      const at = (level: string) =>
        sizeOf({ "compression.type": codec, [`compression.${codec}.level`]: level }).then(([, size]) => size);
      expect(await at(small)).toBeLessThan(await at(fast));
    }
    expect((await sizeOf({ "compression.type": "lz4", "compression.lz4.level": "9" }))[0]).toBe(3);
  });

  test("min.insync.replicas", async () => {
    const name = await topicWith({ "min.insync.replicas": "2" });
    expect((await produce(name)).errorCode, "no more than there are replicas").toBe(0);
    const partition = broker.broker.topics.partition(name, 0);
    partition?.becomeLeader(leading(partition.leaderEpoch, [1, 2]));
    expect((await produce(name)).errorCode).toBe(19);
    expect((await produce(name, { acks: 1 })).errorCode).toBe(0);
    await alter(TOPIC, name, { "min.insync.replicas": null });
    expect((await produce(name)).errorCode).toBe(0);
  });

  test("cleanup.policy", async () => {
    const name = await topicWith({ "cleanup.policy": "", "retention.ms": "1" });
    const other = await topicWith({ "retention.ms": "1" });
    for (const topic of [name, other]) await produce(topic, { timestamp: now - HOUR });
    await expect.poll(() => earliest(other)).toBe(1);
    expect(await earliest(name)).toBe(0);
    await alter(TOPIC, name, { "cleanup.policy": "compact" });
    expect((await produce(name)).errorCode).toBe(87);
    await alter(TOPIC, name, { "cleanup.policy": "delete" });
    await expect.poll(() => earliest(name)).toBe(1);
  });

  test("file.delete.delay.ms", async () => {
    const [slow, quick] = [await topicWith({ "retention.ms": "1" }), await topicWith({ "retention.ms": "1" })];
    await alter(TOPIC, quick, { "file.delete.delay.ms": "0" });
    for (const topic of [slow, quick]) await produce(topic, { timestamp: now - HOUR });
    for (const topic of [slow, quick]) await expect.poll(() => earliest(topic)).toBe(1);
    await expect.poll(() => files(quick, ".deleted")).toEqual([]);
    expect(files(slow, ".deleted")).toContain("00000000000000000000.log.deleted");
    ahead += HOUR;
    await expect.poll(() => files(slow, ".deleted")).toEqual([]);
  });
});

describe("settings of the broker, changed while it runs", () => {
  test("defaults of topics: the cluster's, then the broker's own", async () => {
    const name = await topicWith({});
    await alter(BROKER, "", { "message.max.bytes": "500" });
    expect((await produce(name, { size: 600 })).errorCode).toBe(10);
    await alter(BROKER, "1", { "message.max.bytes": "700" });
    expect((await produce(name, { size: 600 })).errorCode).toBe(0);
    await alter(BROKER, "1", { "message.max.bytes": null });
    expect((await produce(name, { size: 600 })).errorCode).toBe(10);
    await alter(BROKER, "", { "message.max.bytes": null });
    expect((await produce(name, { size: 600 })).errorCode).toBe(0);
    await alter(BROKER, "", { "log.retention.ms": String(HOUR) });
    await produce(name, { timestamp: now - 5 * HOUR });
    now += 2 * HOUR;
    await expect.poll(() => earliest(name)).toBe(3);
    now = NOW;
    await alter(BROKER, "", { "log.retention.ms": null });
  });

  test("max.connections, and per address", async () => {
    const refused = async () => {
      const one = await broker.connect();
      one.send("ApiVersions", 0, {});
      const answer = await one.frame();
      one.close();
      return answer === undefined;
    };
    expect(await refused()).toBe(false);
    await alter(BROKER, "", { "max.connections": "1" });
    expect(await refused()).toBe(true);
    await alter(BROKER, "", { "max.connections": null, "max.connections.per.ip": "1" });
    expect(await refused()).toBe(true);
    await alter(BROKER, "1", { "max.connections.per.ip.overrides": "127.0.0.1:5,127.0.0.2:1" });
    expect(await refused()).toBe(false);
    await alter(BROKER, "1", { "max.connections.per.ip.overrides": null });
    await alter(BROKER, "", { "max.connections.per.ip": null });
    expect(await refused()).toBe(false);
  });

  test("listeners: another is opened, and closed again", async () => {
    const ports: number[] = [];
    const closed: number[] = [];
    const { network: real } = nodeEnv({ logger: SILENT });
    const network = withMethods<Network>(real, {
      async listen(host, port, accept) {
        const listener = await real.listen(host, port, accept);
        ports.push(listener.port);
        const close = (): Promise<void> => {
          closed.push(listener.port);
          return listener.close();
        };
        return withMethods(listener, { close });
      },
    });
    // Advertised listeners must stay; others may be removed.
    const told = { "advertised.listeners": "PLAINTEXT://127.0.0.1:9" };
    const two = await TestBroker.start(told, undefined, { network });
    const client = await connectTo(ports[0]);
    const change = async (name: string, values: Readonly<Record<string, string | null>>) => {
      const { errorCode, errorMessage } = await alterConfigs(client, BROKER, name, values);
      return [errorCode, errorMessage];
    };
    const both = "PLAINTEXT://127.0.0.1:0,EXTRA://127.0.0.1:0";
    expect(await change("", { listeners: both })).toEqual([
      42,
      "Cannot update these configs at default cluster level, broker id must be specified: [listeners]",
    ]);
    expect((await change("1", { listeners: both }))[0]).toBe(42);
    expect((await change("1", { listeners: "EXTRA://127.0.0.1:0" }))[0]).toBe(42);
    const protocols = { "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,EXTRA:PLAINTEXT" };
    expect(await change("1", { listeners: both, ...protocols })).toEqual([0, null]);
    await expect.poll(() => two.broker.advertised.get("EXTRA")?.port).toBeGreaterThan(0);
    expect(two.broker.advertised.get("EXTRA")?.port).toBe(ports[1]);
    const extra = await connectTo(ports[1]);
    expect(await extra.ask("ApiVersions", 0, {})).toMatchObject({ errorCode: 0 });
    expect(await change("1", { listeners: null })).toEqual([0, null]);
    await extra.whenClosed();
    expect(two.broker.advertised.has("EXTRA")).toBe(false);
    expect(closed).toEqual([ports[1]]);
    client.close();
    await two.stop();
  });

  test("producer.id.expiration.ms", async () => {
    const name = await topicWith({});
    const producer = { producerId: 77n, producerEpoch: 0, baseSequence: 0 };
    const batch = buildBatch([{ timestamp: now, key: null, value: null }], producer, broker.broker.tools);
    const topicData = [{ name, partitionData: [{ index: 0, records: [batch] }] }];
    await wire.ask("Produce", 9, { transactionalId: null, acks: -1, timeoutMs: 1000, topicData });
    const known = () => logOf(broker.broker.topics.partition(name, 0)).state.producers.entries.has(77n);
    expect(known()).toBe(true);
    await alter(BROKER, "", { "producer.id.expiration.ms": "1000" });
    now += 5000;
    await expect.poll(known).toBe(false);
    now = NOW;
    await alter(BROKER, "", { "producer.id.expiration.ms": null });
  });
});
