import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { string } from "@samsa/client";
import { nodeEnv } from "@samsa/node";
import { BrokerConnection, parseEndpoints, WireError } from "@samsa/wire";
import { CODECS } from "../judges/codecs.ts";
import { Missing } from "../processes/runtimes.ts";
import { equal } from "../walks/walk.ts";
import { type ClientCheck, createTopic, fromBeginning, runTool, SILENT, type Stage, take } from "./stage.ts";

const CODES = [0, 1, 2, 3, 4] as const;
const EACH = 40;
const KEYS = 200;
const PARTITIONS = 7;
const LOAD = 3000;
/** Time of the first records: recent, so that retention keeps them. */
const BEGIN = Date.now() - 60_000;

function textOf(codec: string, index: number): string {
  return `${codec} ${index} ${"žluť again ".repeat(20)}`;
}

const EXPECTED = CODECS.flatMap(codec => Array.from({ length: EACH }, (_, index) => textOf(codec, index)));

async function everyCodec(stage: Stage): Promise<void> {
  await createTopic(stage, "codecs");
  for (const code of CODES) {
    await using producer = stage.client.producer({ key: string, value: string, compression: CODECS[code] });
    const records = Array.from({ length: EACH }, (_, index) => ({
      ...{
        topic: "codecs",
        key: `k${index}`,
        value: textOf(CODECS[code], index),
        timestamp: BEGIN + 1000 * code + index,
      },
      headers: { codec: CODECS[code] },
    }));
    equal("failures", (await producer.sendBatch(records)).failures.size, 0);
  }
  await using consumer = stage.client.consumer({ key: string, value: string });
  consumer.assign(fromBeginning("codecs", 1));
  const found = await take(consumer, EXPECTED.length);
  equal(
    "values",
    found.map(({ value }) => value),
    EXPECTED,
  );
  equal("header", found.at(-1)?.header("codec"), "zstd");
  equal("timestamp", found.at(-1)?.timestamp, BEGIN + 4000 + EACH - 1);
}

async function consoleReads({ java, broker }: Stage): Promise<Missing | undefined> {
  if (java instanceof Missing) return java;
  const bounds = ["--from-beginning", "--max-messages", String(EXPECTED.length), "--timeout-ms", "20000"];
  const args = ["--bootstrap-server", broker.server, "--topic", "codecs", ...bounds];
  const lines = await runTool(java, "consumer.ConsoleConsumer", args);
  equal(
    "lines",
    lines.filter(line => line !== ""),
    EXPECTED,
  );
  return undefined;
}

async function dumpReads({ java, broker }: Stage): Promise<Missing | undefined> {
  if (java instanceof Missing) return java;
  const folder = join(broker.directory, "codecs-0");
  const files = readdirSync(folder).filter(name => name.endsWith(".log"));
  const args = ["--print-data-log", "--files", files.map(name => join(folder, name)).join(",")];
  const lines = await runTool(java, "DumpLogSegments", args);
  const codecs = new Set(lines.flatMap(line => /compresscodec: (\w+)/.exec(line)?.[1] ?? []));
  equal("codecs", [...codecs], [...CODECS]);
  equal("values", lines.filter(line => line.includes("payload: ")).length, EXPECTED.length);
  equal(
    "batches that are not valid",
    lines.filter(line => line.includes("isvalid: false")),
    [],
  );
  return undefined;
}

/** Keys of both kinds: short and long, in several scripts. */
const ALL_KEYS = Array.from(
  { length: KEYS },
  (_, index) => ["k", "klíč", "ключ-", "鍵"][index % 4] + "x".repeat(index % 9) + index,
);

async function sameOfKeys(stage: Stage): Promise<Missing | undefined> {
  const { java, broker, client } = stage;
  if (java instanceof Missing) return java;
  await createTopic(stage, "keys", PARTITIONS);
  const input = ALL_KEYS.map(key => `${key}\tjava\n`).join("");
  const args = ["--bootstrap-server", broker.server, "--topic", "keys", "--reader-property", "parse.key=true"];
  await runTool(java, "ConsoleProducer", args, input);
  await using producer = client.producer({ key: string, value: string });
  const { partitions } = await producer.sendBatch(ALL_KEYS.map(key => ({ topic: "keys", key, value: "samsa" })));
  await using consumer = client.consumer({ key: string, value: string });
  consumer.assign(fromBeginning("keys", PARTITIONS));
  const javas = new Map<string | null, number>();
  for (const { key, value, partition } of await take(consumer, 2 * KEYS))
    if (value === "java") javas.set(key, partition);
  equal(
    "partitions",
    [...partitions],
    ALL_KEYS.map(key => javas.get(key)),
  );
  equal("partitions in use", new Set(partitions).size, PARTITIONS);
  return undefined;
}

async function restart(stage: Stage, how: "stop" | "kill"): Promise<void> {
  const topic = `restart-${how}`;
  await createTopic(stage, topic, 2);
  await using producer = stage.client.producer({ value: string });
  const acknowledged: string[] = [];
  const failures: unknown[] = [];
  const sends: Promise<void>[] = [];
  let next = 0;
  const load = async (): Promise<void> => {
    while (next < LOAD) {
      for (let i = 0; i < 50; i++) {
        const value = String(next++);
        const sent = producer.send({ topic, value, partition: next % 2 });
        sends.push(
          sent.then(
            () => void acknowledged.push(value),
            (error: unknown) => void failures.push(error),
          ),
        );
      }
      await setTimeout(30);
    }
  };
  const loading = load();
  await setTimeout(300);
  await stage.broker[how]();
  await setTimeout(200);
  await stage.broker.start();
  await loading;
  await Promise.all(sends);
  if (failures.length > 0) throw new Error(`${failures.length} records failed: ${String(failures[0])}`);
  await using consumer = stage.client.consumer({ value: string });
  consumer.assign(fromBeginning(topic, 2));
  const found = await take(consumer, LOAD);
  equal("different records", new Set(found.map(({ value }) => value)).size, LOAD);
  for (const partition of [0, 1]) {
    const order = found.filter(record => record.partition === partition).map(({ value }) => Number(value));
    equal(
      "order",
      order,
      order.toSorted((a, b) => a - b),
    );
  }
  const ends = await stage.client
    .admin()
    .offsets([0, 1].map(partition => ({ topic, partition, at: "latest" as const })));
  const total = [...ends.orThrow().values()].reduce((sum, { offset }) => sum + offset, 0);
  equal("records in the log", total, LOAD);
}

async function byTime(stage: Stage): Promise<void> {
  const { client } = stage;
  await createTopic(stage, "times");
  await using producer = client.producer({ value: string, acks: 1 });
  for (const after of [1000, 2000, 5000, 3000]) {
    await producer.send({ topic: "times", value: String(after), timestamp: BEGIN + after });
  }
  const admin = client.admin();
  const at = { topic: "times", partition: 0 };
  const offset = async (spec: "earliest" | "latest" | "max-timestamp" | { timestamp: number }): Promise<number[]> => {
    const found = (await admin.offsets([{ ...at, at: spec }])).value("times/0");
    return [found.offset, Number(found.timestamp)];
  };
  equal("between", await offset({ timestamp: BEGIN + 1500 }), [1, BEGIN + 2000]);
  equal("late", await offset({ timestamp: BEGIN + 9000 }), [-1, -1]);
  equal("max-timestamp", await offset("max-timestamp"), [2, BEGIN + 5000]);
  equal(
    "ends",
    [await offset("earliest"), await offset("latest")],
    [
      [0, -1],
      [4, -1],
    ],
  );
  await using consumer = client.consumer({ value: string });
  consumer.assign([{ ...at, offset: "beginning" }]);
  await consumer.seekToTime("times", 0, BEGIN + 2500);
  equal("first", (await take(consumer, 1))[0]?.value, "5000");
}

/** Connects as to a broker, and returns the code of the failure; undefined: there is none. */
async function connectAs(server: string, expected: { clusterId: string; nodeId: number }): Promise<string | undefined> {
  const software = { name: "samsa-client", version: "0" };
  const [endpoint] = parseEndpoints(server) ?? [];
  if (endpoint === undefined) throw new Error(`${server} is an address`);
  try {
    const options = { clientId: "misrouted", software, expected: () => expected };
    (await BrokerConnection.connect(nodeEnv({ logger: SILENT }), endpoint, options)).close();
    return undefined;
  } catch (error) {
    return error instanceof WireError ? error.code : String(error);
  }
}

async function misrouted({ client, broker }: Stage): Promise<void> {
  const { clusterId, nodes } = await client.admin().cluster.describe();
  const nodeId = nodes[0]?.id ?? -1;
  const { server } = broker;
  equal("the right broker", await connectAs(server, { clusterId, nodeId }), undefined);
  equal("another broker", await connectAs(server, { clusterId, nodeId: nodeId + 1 }), "MISROUTED");
  equal("another cluster", await connectAs(server, { clusterId: "another", nodeId }), "MISROUTED");
}

/** Checks of records that are written and read. */
export const RECORD_CHECKS: readonly ClientCheck[] = [
  { name: "every codec is written and read back", run: everyCodec },
  { name: "Kafka's console consumer reads every codec", run: consoleReads },
  { name: "Kafka's reader of log segments reads every codec", run: dumpReads },
  { name: "keys have the partitions of Java's producer", run: sameOfKeys },
  { name: "offsets are found by time", run: byTime },
  { name: "a broker notices connections that are for another one", run: misrouted },
  { name: "each record once, in order, across a broker's restart", run: stage => restart(stage, "stop") },
  { name: "each record once, in order, across a broker's crash", run: stage => restart(stage, "kill") },
];
