/** Checks of metrics that the client pushes to a broker that wants them (KIP-714), of either vendor. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KafkaClient, string } from "@samsa/client";
import type { BrokerProcess } from "../processes/broker.ts";
import { SamsaProcess } from "../processes/broker-process.ts";
import { KafkaProcess } from "../processes/kafka-process.ts";
import { findOurJava, Missing } from "../processes/runtimes.ts";
import { until } from "../processes/until.ts";
import { equal } from "../walks/walk.ts";
import { fromBeginning, take } from "./stage.ts";

/** Broker that shows what clients have pushed to it. */
export interface TelemetryBroker {
  readonly broker: BrokerProcess;
  /** Latest values of a client's metrics by their names, with the dots of names as "_"; undefined: it has ended. */
  pushed(clientId: string): Promise<ReadonlyMap<string, number> | undefined>;
  dispose(): Promise<void>;
}

const TOPIC = "told";
const COUNT = 10;
const PUSH_MS = 200;
/** Time in which all metrics have been pushed at least once. */
const TELL_MS = 20_000;

const COMMON = [
  "connection_creation_rate",
  "connection_creation_total",
  "node_request_latency_avg",
  "node_request_latency_max",
];
const METRICS = {
  producer: [...COMMON, ...["produce_throttle_time", "record_queue_time"].flatMap(averaged)],
  consumer: [
    ...COMMON,
    ...["fetch_manager_fetch_latency", "fetch_manager_fetch_throttle_time"].flatMap(averaged),
    ...["coordinator_commit_latency", "coordinator_rebalance_latency"].flatMap(averaged),
    ...["coordinator_rebalance_latency_total", "coordinator_assigned_partitions", "poll_idle_ratio_avg"],
  ],
};

function averaged(name: string): string[] {
  return [`${name}_avg`, `${name}_max`];
}

/** A broker of Samsa, whose HTTP endpoint shows the metrics. */
export async function samsaWithTelemetry(): Promise<TelemetryBroker> {
  const broker = await SamsaProcess.start(undefined, [], true);
  return {
    broker,
    pushed: async clientId => {
      const page = await (await fetch(`${broker.http}/metrics`)).text();
      const lines = page.split("\n").filter(line => line.includes(`client_id="${clientId}"`));
      if (lines.length === 0) return undefined;
      return new Map(lines.map(line => [line.replace(/\{.*/, ""), Number(line.slice(line.lastIndexOf(" ")))]));
    },
    dispose: () => broker.dispose(),
  };
}

/** A broker of Apache Kafka with a plugin that writes the metrics to a file. */
export async function kafkaWithTelemetry(): Promise<TelemetryBroker> {
  const java = await findOurJava();
  if (java instanceof Missing) throw new Error(java.reason);
  const home = mkdtempSync(join(tmpdir(), "telemetry-interop-"));
  const file = join(home, "pushed");
  const dispose = (): Promise<void> => Promise.resolve(rmSync(home, { recursive: true, force: true }));
  try {
    const settings = ["metric.reporters=TelemetryToFile"];
    const broker = await KafkaProcess.start("fixed", settings, { jvm: [`-Dtelemetry.file=${file}`], java });
    return {
      broker,
      pushed: async clientId => {
        const lines = readFileSync(file, "utf8")
          .split("\n")
          .map(line => line.split(" "));
        const own = lines.filter(([id]) => id === clientId);
        if (own.some(([, , isTerminating]) => isTerminating === "true")) return Promise.resolve(undefined);
        return new Map(
          own.flatMap(([, , , , name, value]) =>
            name === undefined ? [] : [[name.replaceAll(".", "_"), Number(value)]],
          ),
        );
      },
      dispose: async () => {
        await broker.dispose();
        await dispose();
      },
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function tells(where: TelemetryBroker, kind: keyof typeof METRICS): Promise<ReadonlyMap<string, number>> {
  let last: ReadonlyMap<string, number> | undefined;
  const names = METRICS[kind].map(name => `org_apache_kafka_${kind}_${name}`);
  await until(
    `the ${kind}'s metrics`,
    async () => {
      last = await where.pushed(kind);
      const missing = names.filter(name => last?.has(name) !== true);
      if (missing.length > 0) throw new Error(`without ${missing.join(", ")}`);
      return true;
    },
    TELL_MS,
  );
  equal(
    `other metrics of the ${kind}`,
    [...(last?.keys() ?? [])].filter(name => !names.includes(name)),
    [],
  );
  return last ?? new Map<string, number>();
}

async function ends(where: TelemetryBroker, clientId: string): Promise<void> {
  await until(`the last push of the ${clientId}`, async () => (await where.pushed(clientId)) === undefined, TELL_MS);
}

async function pushes(where: TelemetryBroker): Promise<void> {
  const { server } = where.broker;
  const open = (clientId: string): KafkaClient => new KafkaClient({ bootstrapServers: server, clientId });
  await using admin = open("admin");
  const { topics, configs } = admin.admin();
  (await topics.create([{ name: TOPIC, partitions: 1, replicationFactor: 1 }])).orThrow();
  const set = (value: string) => ({ op: "set", value }) as const;
  const wanted = { metrics: set("*"), "interval.ms": set(String(PUSH_MS)) };
  (await configs.alter({ "client-metrics:all": wanted })).orThrow();
  // A client that asks before would ask again after five minutes only.
  await until("the subscription", async () => {
    const found = (await configs.describe(["client-metrics:all"])).value("client-metrics:all");
    return found.get("interval.ms")?.value === String(PUSH_MS);
  });
  await using first = open("producer");
  await using producer = first.producer({ value: string });
  const id = await producer.clientInstanceId();
  equal("the id again", await producer.clientInstanceId(), id);
  await using second = open("consumer");
  await using consumer = second.consumer({ value: string, group: "told", reset: "earliest" });
  await consumer.subscribe([TOPIC]);
  for (let index = 0; index < COUNT; index++) await producer.send({ topic: TOPIC, value: String(index) });
  equal("records", (await take(consumer, COUNT)).length, COUNT);
  await consumer.commit();
  const told = await tells(where, "producer");
  equal("a time in the queue", Number.isFinite(told.get("org_apache_kafka_producer_record_queue_time_max")), true);
  equal(
    "partitions",
    (await tells(where, "consumer")).get("org_apache_kafka_consumer_coordinator_assigned_partitions"),
    1,
  );
  await producer.close();
  await ends(where, "producer");
  await consumer.close();
  await ends(where, "consumer");
}

async function refused({ broker }: TelemetryBroker): Promise<void> {
  await using client = new KafkaClient({ bootstrapServers: broker.server, pushMetrics: false });
  await using consumer = client.consumer({ value: string });
  consumer.assign(fromBeginning(TOPIC, 1));
  const error: unknown = await consumer.clientInstanceId().catch((reason: unknown) => reason);
  equal("the error", (error as { name?: string }).name, "ILLEGAL_STATE");
}

/** Checks of client telemetry. */
export const TELEMETRY_CHECKS: readonly {
  readonly name: string;
  readonly run: (where: TelemetryBroker) => Promise<void>;
}[] = [
  { name: "metrics are pushed, and for the last time at the end", run: pushes },
  { name: "no metrics without enable.metrics.push", run: refused },
];
