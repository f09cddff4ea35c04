/** Judge of our scripts: each runs with the same arguments as Kafka's own, on the same broker, and must say the same. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ignored } from "@samsa/base";
import { KafkaClient, string, type TypedConsumer } from "@samsa/client";
import type { BrokerProcess } from "../processes/broker.ts";
import { startBroker } from "../processes/broker-process.ts";
import { findOurJava, findSamsa, Missing, needsOlder, type Program, TOOLS_VERSION } from "../processes/runtimes.ts";
import { until } from "../processes/until.ts";
import { type Check, oneLine, type Trial, type Verdict } from "./scoreboard.ts";
import { ACCESS_SCRIPTS } from "../scripts/access-scripts.ts";
import { CLUSTER_SCRIPTS } from "../scripts/cluster-scripts.ts";
import { LOAD_SCRIPTS } from "../scripts/load-scripts.ts";
import { GROUP_SCRIPTS } from "../scripts/group-scripts.ts";
import { RECORD_SCRIPTS } from "../scripts/record-scripts.ts";
import type { Script, ScriptCase } from "../scripts/script-case.ts";
import { difference, runOf, SIDES } from "../scripts/script-run.ts";
import { runProgram, ScriptRunner } from "../scripts/script-runner.ts";
import { TOPIC_SCRIPTS } from "../scripts/topic-scripts.ts";

const SCRIPTS = [
  ...[TOPIC_SCRIPTS, RECORD_SCRIPTS, GROUP_SCRIPTS, CLUSTER_SCRIPTS, ACCESS_SCRIPTS, LOAD_SCRIPTS].flat(),
];
/** Applies ACLs, but to none of the clients here. */
const SETTINGS = [
  "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "super.users=User:ANONYMOUS",
];
const NAME = "Kafka's scripts";
const BEGIN = 1_700_000_000_000;
const PARTITIONS = 3;
const JOIN_MS = 30_000;
const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** Broker and programs of all cases. */
interface Stage {
  /** Kafka's tools, and those that need the older jars first. */
  readonly kafka: { readonly newer: ScriptRunner; readonly older: ScriptRunner };
  readonly samsa: Program;
  readonly server: string;
  readonly node: string;
  readonly home: string;
}

async function runCase(stage: Stage, { name, main }: Script, one: ScriptCase): Promise<Check> {
  const { kafka, samsa, home } = stage;
  const argsOf = (who: string): string[] => {
    const file = join(home, `${who}.txt`);
    const placed = (text: string): string =>
      text
        .replaceAll("{who}", who)
        .replaceAll("{file}", file)
        .replaceAll("{server}", stage.server)
        .replaceAll("{node}", stage.node);
    if (one.file !== undefined) writeFileSync(file, placed(one.file));
    return one.args.map(placed);
  };
  const input = one.input ?? "";
  const runner = needsOlder(main) ? kafka.older : kafka.newer;
  const theirs = await runner.run(main, argsOf(SIDES.theirs), input);
  const program = { command: samsa.command, args: [...samsa.args, name, ...argsOf(SIDES.ours)] };
  const reason = difference(one, runOf(theirs), runOf(await runProgram(program, input)));
  const check = `${name}: ${one.name}`;
  return reason === ""
    ? { name: check, outcome: "passed" }
    : { name: check, outcome: "failed", reason: oneLine(reason) };
}

async function fill(client: KafkaClient): Promise<void> {
  const topics = [
    { name: "records", partitions: PARTITIONS },
    { name: "lines", partitions: 1 },
    { name: "deleted", partitions: 1 },
    { name: "pending", partitions: 1 },
    { name: "load", partitions: 1 },
  ];
  (await client.admin().topics.create(topics)).orThrow();
  await using producer = client.producer({ key: string, value: string });
  const records = Array.from({ length: 9 }, (_, i) => ({
    ...{ topic: "records", partition: i % PARTITIONS, timestamp: BEGIN + i },
    key: i === 4 ? null : `k${i}`,
    value: i === 5 ? null : `value ${i}`,
    headers: i % 2 === 0 ? { h: String(i) } : {},
  }));
  const deleted = Array.from({ length: 9 }, (_, i) => ({ topic: "deleted", key: null, value: String(i) }));
  const results = [await producer.sendBatch(records), await producer.sendBatch(deleted)];
  if (results.some(({ failures }) => failures.size > 0)) throw new Error("the records were not written");
}

/** Member of a group, with a fixed name, that reads until it is closed. */
async function member(
  client: KafkaClient,
  groupId: string,
  protocol: "classic" | "consumer",
): Promise<TypedConsumer<Uint8Array, string>> {
  const consumer = client.consumer({ value: string, reset: "earliest", group: { groupId, protocol } });
  await consumer.subscribe(["records"]);
  let count = 0;
  const reading = (async () => {
    for await (const batch of consumer.batches()) count += batch.records.length;
  })();
  reading.catch(ignored("a member that does not read is found by the wait"));
  await until(`${groupId} reads`, () => count >= 9, JOIN_MS);
  await consumer.commit();
  return consumer;
}

/** Opens a transaction with a record. Resolves to what ends it. */
async function openTransaction(client: KafkaClient): Promise<() => Promise<void>> {
  const id = { transactionalId: "open-transaction", transactionTimeoutMs: 900_000 };
  const producer = client.producer({ value: string, ...id });
  const [written, ending] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const transaction = producer.transaction(async () => {
    await producer.send({ topic: "pending", value: "of a transaction that stays open" });
    written.resolve();
    await ending.promise;
  });
  transaction.catch(written.reject);
  await written.promise;
  return async () => {
    ending.resolve();
    await transaction;
    await producer.close();
  };
}

async function judged(stage: Stage, client: KafkaClient): Promise<Check[]> {
  const wanted = process.env.INTEROP_SCRIPTS ?? "";
  const checks: Check[] = [];
  await fill(client);
  const closeTransaction = await openTransaction(client);
  const members = [await member(client, "busy", "consumer"), await member(client, "older", "classic")];
  try {
    for (const script of SCRIPTS) {
      if (!script.name.includes(wanted)) continue;
      for (const one of script.cases) checks.push(await runCase(stage, script, one));
    }
  } finally {
    for (const each of members) await each.close();
    await closeTransaction();
  }
  return checks;
}

async function trial(): Promise<Verdict> {
  const [newer, older] = [await findOurJava(), await findOurJava({ older: true })];
  const whole = (outcome: "failed" | "skipped", reason: unknown): Verdict => {
    return { judge: NAME, version: "", checks: [{ name: "(all checks)", outcome, reason: oneLine(reason) }] };
  };
  if (newer instanceof Missing) return whole("skipped", newer.reason);
  if (older instanceof Missing) return whole("skipped", older.reason);
  const kafka = { newer: new ScriptRunner(newer("ScriptRunner")), older: new ScriptRunner(older("ScriptRunner")) };
  const home = mkdtempSync(join(tmpdir(), "interop-scripts-"));
  let broker: BrokerProcess | undefined;
  try {
    broker = await startBroker(SETTINGS);
    const { server } = broker;
    await using client = new KafkaClient({ bootstrapServers: server, clientId: "member", logger: SILENT });
    const [node] = (await client.admin().cluster.describe()).nodes;
    const stage = { kafka, samsa: await findSamsa(), server, node: String(node?.id), home };
    return { judge: NAME, version: TOOLS_VERSION, checks: await judged(stage, client) };
  } catch (error) {
    return whole("failed", error);
  } finally {
    await kafka.newer.close();
    await kafka.older.close();
    await broker?.dispose();
    rmSync(home, { recursive: true, force: true });
  }
}

/** Runs every script of Kafka's beside ours. `INTEROP_SCRIPTS` selects scripts by a part of their names. */
export const SCRIPT_TRIAL: Trial = { name: NAME, run: trial };
