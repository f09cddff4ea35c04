import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Env, Network } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { ApiKey, errorOf } from "@samsa/protocol";
import { BatchCursor } from "@samsa/records";
import { SimCluster } from "@samsa/sim";
import { describe, expect, test } from "vitest";
import { DecisionTimes } from "../src/controller/decision-times.ts";
import { ConnectionLimits } from "../src/limits/connection-limits.ts";
import { formatStorage } from "../src/index.ts";
import { alterConfigs, connectTo, TestBroker } from "./wire.ts";

/** Node of a `SimCluster` that is the controller only. */
const CONTROLLER = 9;
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

async function withBroker(
  settings: Record<string, string>,
  body: (broker: TestBroker) => Promise<void>,
  world: Partial<Env> = {},
): Promise<void> {
  const broker = await TestBroker.start(settings, undefined, world);
  try {
    await body(broker);
  } finally {
    await broker.stop();
  }
}

/** Codecs of the batches in the logs of a topic. */
function codecsOf({ broker }: TestBroker, topic: string): number[] {
  const codecs: number[] = [];
  for (const partition of broker.topics.all()) {
    if (partition.topic !== topic) continue;
    const read = partition.read({ offset: 0, maxBytes: 1 << 20, minOneMessage: true, isolation: "LOG_END" });
    const batch = new BatchCursor();
    for (const chunk of read.chunks) {
      batch.reset(chunk);
      while (batch.next()) codecs.push(batch.codec);
    }
  }
  return codecs;
}

describe("two-phase commit (KIP-939)", () => {
  const UNSTABLE = { "unstable.api.versions.enable": "true" };
  const TWO_PHASE = { ...UNSTABLE, "transaction.two.phase.commit.enable": "true" };

  async function init({ connect }: Pick<TestBroker, "connect">, draft: object): Promise<string> {
    const wire = await connect();
    await wire.ask("FindCoordinator", 6, { keyType: 1, coordinatorKeys: ["x"] });
    const request = { transactionalId: "x", transactionTimeoutMs: 1000, ...draft };
    for (;;) {
      const { errorCode } = await wire.ask("InitProducerId", 6, request);
      const error = errorOf(errorCode).name;
      if (error !== "NOT_COORDINATOR" && error !== "COORDINATOR_LOAD_IN_PROGRESS") {
        wire.close();
        return error;
      }
    }
  }
  const connecting = (broker: TestBroker) => ({ connect: () => broker.connect() });

  test("its version is not served unless that is asked for", async () => {
    const newest = async (broker: TestBroker): Promise<number | undefined> => {
      const wire = await broker.connect();
      const { apiKeys } = await wire.ask("ApiVersions", 3, { clientSoftwareName: "t", clientSoftwareVersion: "1" });
      wire.close();
      return apiKeys.find(({ apiKey }) => apiKey === ApiKey.InitProducerId)?.maxVersion;
    };
    await withBroker({}, async broker => {
      expect(await newest(broker)).toBe(5);
      await expect(init(connecting(broker), {})).rejects.toThrow();
    });
    await withBroker(UNSTABLE, async broker => expect(await newest(broker)).toBe(6));
  });

  test("without the setting no producer may have it, and none keeps a transaction", async () => {
    await withBroker(UNSTABLE, async broker => {
      const at = connecting(broker);
      expect(await init(at, { enable2Pc: true })).toBe("TRANSACTIONAL_ID_AUTHORIZATION_FAILED");
      expect(await init(at, { enable2Pc: true, transactionalId: "" })).toBe("INVALID_REQUEST");
      expect(await init(at, { keepPreparedTxn: true })).toBe("UNSUPPORTED_VERSION");
      expect(await init(at, {})).toBe("NONE");
    });
  });

  test("with it transactions have no timeout, whatever the producer asks for", async () => {
    await withBroker(TWO_PHASE, async broker => {
      const at = connecting(broker);
      expect(await init(at, { enable2Pc: true, transactionTimeoutMs: 0 })).toBe("NONE");
      expect(await init(at, { enable2Pc: true, keepPreparedTxn: true })).toBe("UNSUPPORTED_VERSION");
      expect(await init(at, { transactionTimeoutMs: 0 })).toBe("INVALID_TRANSACTION_TIMEOUT");
      const wire = await broker.connect();
      const { transactionStates } = await wire.ask("DescribeTransactions", 0, { transactionalIds: ["x"] });
      expect(transactionStates[0].transactionTimeoutMs).toBe(2_147_483_647);
      wire.close();
    });
  });
});

test("the codecs of the coordinators' topics", async () => {
  const settings = {
    "offsets.topic.compression.codec": "1",
    "share.coordinator.state.topic.compression.codec": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    "offsets.topic.num.partitions": "1",
  };
  await withBroker(settings, async broker => {
    const wire = await broker.connect();
    const topics = [{ name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }];
    await wire.ask("CreateTopics", 7, { topics, timeoutMs: 1000 });
    await wire.ask("FindCoordinator", 6, { keyType: 0, coordinatorKeys: ["g"] });
    const commit = {
      ...{ groupId: "g", generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null },
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: 7, committedMetadata: "m" }] }],
    };
    const codeOf = async () => (await wire.ask("OffsetCommit", 9, commit)).topics[0].partitions[0].errorCode;
    await expect.poll(codeOf).toBe(0);
    const beat = { groupId: "s", memberId: "m", memberEpoch: 0, rackId: null, subscribedTopicNames: ["t"] };
    await expect.poll(async () => (await wire.ask("ShareGroupHeartbeat", 1, beat)).errorCode).toBe(0);
    await expect.poll(() => codecsOf(broker, "__share_group_state")).toEqual([4]);
    const written = codecsOf(broker, "__consumer_offsets");
    expect(written.length).toBeGreaterThan(1);
    expect(new Set(written)).toEqual(new Set([1]));
    wire.close();
  });
  await expect(TestBroker.start({ "offsets.topic.compression.codec": "5" })).rejects.toThrow(
    "offsets.topic.compression.codec must be the id of a codec, from 0 to 4",
  );
});

test("socket.listen.backlog.size goes to the host if the user has set it", async () => {
  const backlogs: (number | undefined)[] = [];
  const { network: real } = nodeEnv({ logger: SILENT });
  const network: Network = {
    listen: (host, port, accept, options) => {
      backlogs.push(options?.backlog);
      return real.listen(host, port, accept, options);
    },
    connect: (...given) => real.connect(...given),
    resolve: host => real.resolve(host),
    hostName: real.hostName,
  };
  await withBroker({}, async () => expect(backlogs.splice(0)).toEqual([undefined]), { network });
  const set = { "socket.listen.backlog.size": "7" };
  await withBroker(set, async () => expect(backlogs).toEqual([7]), { network });
});

describe("max.connection.creation.rate", () => {
  const NONE = 2_147_483_647;
  const limitsOf = (all: number, own: Readonly<Record<string, number>> = {}) =>
    new ConnectionLimits({
      limits: () => ({
        ...{ "max.connections": NONE, "max.connections.per.ip": NONE, "max.connections.per.ip.overrides": "" },
        "max.connection.creation.rate": all,
      }),
      limitOf: listener => own[listener] ?? all,
      windows: { count: 2, ms: 1000 },
    });
  const open = { name: "OPEN", isProtected: false };
  const inner = { name: "INNER", isProtected: true };
  const delays = (limits: ConnectionLimits, listener: typeof open, count: number, now: number): number[] =>
    Array.from({ length: count }, () => limits.delay(listener, now));

  test("connections above the rate are served one after the other", () => {
    expect(
      delays(limitsOf(NONE), open, 1000, 0).every(delay => delay === 0),
      "without a limit",
    ).toBe(true);
    const limits = limitsOf(10);
    const served = delays(limits, open, 40, 1000);
    expect(served.slice(0, 10)).toEqual(Array(10).fill(0));
    expect(served.slice(10).every((delay, i, all) => delay >= (all[i - 1] ?? 1))).toBe(true);
    expect(served.at(-1), "30 too many, at ten in a second").toBeGreaterThan(2000);
    expect(limits.delay(open, 60_000)).toBe(0);
  });

  test("the listener between brokers counts for itself, and each may have a rate of its own", () => {
    const limits = limitsOf(10);
    expect(delays(limits, open, 11, 0).at(-1)).toBeGreaterThan(0);
    expect(delays(limits, inner, 10, 0).at(-1), "not held up by clients").toBe(0);
    expect(limits.delay(inner, 0), "but limited as well").toBeGreaterThan(0);
    const own = limitsOf(10, { OPEN: 2, INNER: NONE });
    expect(delays(own, open, 3, 0)[2]).toBeGreaterThan(0);
    expect(delays(own, inner, 1000, 0).at(-1)).toBe(0);
  });

  test("connections beyond ten windows of the quota are refused, and hold up nobody", () => {
    const limits = limitsOf(10);
    const served = delays(limits, open, 1000, 0);
    const queued = served.filter(delay => delay !== Infinity);
    expect(Math.max(...queued)).toBeLessThanOrEqual(11_000);
    expect(queued.length).toBeGreaterThan(20);
    expect(queued.length).toBeLessThan(200);
    expect(limits.delay(open, 12_000), "the flood is over").toBeLessThanOrEqual(1000);
  });

  test("a connection that is refused is closed", async () => {
    const settings = { "max.connection.creation.rate": "1", "quota.window.num": "2", "quota.window.size.seconds": "1" };
    await withBroker(settings, async broker => {
      const wires = await Promise.all(Array.from({ length: 20 }, () => broker.connect()));
      const asked = wires.map(wire =>
        wire.ask("ApiVersions", 0, {}).then(
          () => "served",
          () => "closed",
        ),
      );
      const first = await Promise.race(asked.slice(15));
      expect(first).toBe("closed");
      for (const wire of wires) wire.close();
      await Promise.all(asked);
    });
  });

  test("a client above the rate waits, and is served in the end", async () => {
    const settings = { "max.connection.creation.rate": "1", "quota.window.num": "2", "quota.window.size.seconds": "1" };
    await withBroker(settings, async broker => {
      const began = performance.now();
      const answered = await Promise.all(
        [1, 2, 3].map(async () => {
          const wire = await broker.connect();
          await wire.ask("ApiVersions", 0, {});
          wire.close();
          return performance.now() - began;
        }),
      );
      expect(Math.max(...answered)).toBeGreaterThan(900);
    });
  });
});

test("listener.name.NAME.max.connections limits one listener, in the file and at run time", async () => {
  const settings = {
    listeners: "PLAINTEXT://127.0.0.1:0,OTHER://127.0.0.1:0",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT",
    "listener.name.other.max.connections": "1",
  };
  await withBroker(settings, async broker => {
    const port = broker.node.advertised.get("OTHER")?.port ?? 0;
    const isServed = async (): Promise<boolean> => {
      const wire = await connectTo(port);
      try {
        return (await wire.ask("ApiVersions", 0, {})).errorCode === 0;
      } catch {
        return false;
      } finally {
        wire.close();
      }
    };
    const held = await connectTo(port);
    await held.ask("ApiVersions", 0, {});
    expect(await isServed()).toBe(false);
    const wire = await broker.connect();
    await alterConfigs(wire, 4, "", { "listener.name.other.max.connections": "5" });
    expect(await isServed()).toBe(true);
    expect(broker.lines.some(({ message }) => message.includes("has no effect"))).toBe(false);
    held.close();
    wire.close();
  });
  await expect(TestBroker.start({ ...settings, "listener.name.other.max.connections": "many" })).rejects.toThrow(
    "many",
  );
});

test("server.max.startup.time.ms ends a start that does not get on", async () => {
  const settings = {
    ...{ "process.roles": "broker", "node.id": "1", "controller.listener.names": "CONTROLLER" },
    ...{ "controller.quorum.bootstrap.servers": "127.0.0.1:1", "server.max.startup.time.ms": "300" },
  };
  const directory = mkdtempSync(join(tmpdir(), "samsa-late-"));
  const all = new Map(Object.entries({ ...settings, "log.dirs": join(directory, "data") }));
  formatStorage(nodeEnv({ logger: SILENT }), {
    settings: all,
    clusterId: "AAAAAAAAAAAAAAAAAAAAAA",
    ignoreFormatted: true,
    features: [],
  });
  await expect(TestBroker.start(settings, directory)).rejects.toThrow(
    "the start has taken longer than 300 ms (server.max.startup.time.ms)",
  );
  rmSync(directory, { recursive: true });
});

test("log.initial.task.delay.ms holds back the first checkpoint", async () => {
  const cluster = new SimCluster({ settings: { "log.initial.task.delay.ms": "20000" } });
  const began = cluster.world.now();
  await cluster.startAll();
  const names = () =>
    cluster.nodes
      .get(1)
      ?.env.disk.list("/data")
      .map(({ name }) => name);
  const checkpoint = "recovery-point-offset-checkpoint";
  await cluster.world.runFor(19_000 - (cluster.world.now() - began));
  expect(names()).not.toContain(checkpoint);
  await cluster.world.runFor(5000);
  expect(names()).toContain(checkpoint);
  await cluster.close();
});

describe("times of the controller's decisions", () => {
  test("are reported with the slowest, and slow ones at once", () => {
    const lines: [string, string, object | undefined][] = [];
    const logger = {
      ...SILENT,
      debug: (message: string, fields?: object) => void lines.push(["debug", message, fields]),
      error: (message: string, fields?: object) => void lines.push(["error", message, fields]),
    };
    const times = new DecisionTimes(logger, 100);
    times.add("CreateTopics", 30);
    times.add("AlterConfigs", 100);
    times.add("CreateTopics", 20);
    times.report();
    times.report();
    expect(lines).toEqual([
      ["error", "a decision of the controller was exceptionally slow", { request: "AlterConfigs", ms: 100 }],
      [
        "debug",
        "decisions of the controller",
        { decisions: 3, averageMs: 50, slowest: "AlterConfigs", slowestMs: 100 },
      ],
      ["debug", "decisions of the controller", { decisions: 0, averageMs: 0, slowest: "", slowestMs: 0 }],
    ]);
  });

  test("are those of the settings", async () => {
    const settings = {
      "controller.performance.always.log.threshold.ms": "0",
      "controller.performance.sample.period.ms": "100",
    };
    await withBroker(settings, async broker => {
      const said = (level: string, message: string): boolean =>
        broker.lines.some(line => line.level === level && line.message === message);
      await expect.poll(() => said("debug", "decisions of the controller")).toBe(true);
      expect(said("error", "a decision of the controller was exceptionally slow")).toBe(true);
    });
  });
});

test("a controller that is no broker deletes what it has trimmed, after internal.metadata.delete.delay.millis", async () => {
  const cluster = new SimCluster({
    settings: {
      "internal.metadata.log.segment.bytes": "2000",
      "internal.metadata.delete.delay.millis": "3000",
      "metadata.log.max.record.bytes.between.snapshots": "1000",
      "metadata.max.retention.bytes": "1",
      "metadata.max.idle.interval.ms": "100",
    },
  });
  await cluster.startAll();
  const files = (): string[] => {
    const disk = cluster.nodes.get(CONTROLLER)?.env.disk;
    return disk?.list("/data/__cluster_metadata-0").map(({ name }) => name) ?? [];
  };
  expect(files().filter(name => name.endsWith(".log")).length).toBeGreaterThan(0);
  const marked = new Set<string>();
  let left: string[] = [];
  for (let i = 0; i < 70; i++) {
    await cluster.world.runFor(1000);
    left = files().filter(name => name.endsWith(".deleted"));
    for (const name of left) marked.add(name);
  }
  expect([...marked].filter(name => !left.includes(name)).length).toBeGreaterThan(0);
  await cluster.close();
});
