import { KafkaClient } from "@samsa/client";
import { expect, test } from "vitest";
import { Child, run } from "../src/processes/child.ts";
import { VerifiableJudge } from "../src/judges/java-judges.ts";
import { findJava, type Java, type Program } from "../src/processes/runtimes.ts";
import { SILENT } from "../src/samsa-client/stage.ts";
import { need, topicName, withBroker } from "./scenarios.ts";

const DEADLINE = { timeout: 120_000, interval: 100 };
const EACH = 20;
const TOOLS = "org.apache.kafka.tools";

/** Event of Kafka's verifiable share consumer, a JSON object per line. */
interface Told {
  readonly name: string;
  readonly offset?: number;
  readonly errorMessage?: string;
}

function told(child: Child): Told[] {
  return child.lines.filter(line => line.startsWith("{")).map(line => JSON.parse(line) as Told);
}

/** Number of deliveries by offset. */
function deliveries(children: readonly Child[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { name, offset } of children.flatMap(told)) {
    if (name === "record_data" && offset !== undefined) counts.set(offset, (counts.get(offset) ?? 0) + 1);
  }
  return counts;
}

async function withChildren(programs: readonly Program[], body: (children: Child[]) => Promise<void>): Promise<void> {
  const children = programs.map(({ command, args }) => new Child(command, args));
  try {
    await body(children);
  } catch (error) {
    for (const { stderr } of children) console.error(stderr);
    throw error;
  } finally {
    for (const child of children) await child.end();
  }
}

/** Sorted output of a console share consumer that ends by itself. */
async function printed(program: Program): Promise<string[]> {
  const { command, args } = program;
  let lines: string[] = [];
  await withChildren([{ command, args }], async ([child]) => {
    expect(await child.exited).toBe(0);
    lines = child.lines.filter(line => line !== "").sort();
  });
  return lines;
}

test("Kafka's share consumers share out a topic, and get again what they release", async context => {
  const java = need(await findJava(), context);
  await withBroker(async broker => {
    const judge = new VerifiableJudge(java, broker.server);
    const topic = topicName();
    await judge.createTopic(topic, 1);
    const where = ["--bootstrap-server", broker.server, "--topic", topic];
    const group = `${topic}-group`;
    const verifiable = java(
      `${TOOLS}.VerifiableShareConsumer`,
      ...where,
      ...["--group-id", group, "--verbose", "--offset-reset-strategy", "earliest"],
    );
    const console = (...more: string[]): Program =>
      java(`${TOOLS}.consumer.ConsoleShareConsumer`, ...where, "--group", group, "--max-messages", `${EACH}`, ...more);
    const once = (from: number) => new Map(Array.from({ length: EACH }, (_, i): [number, number] => [from + i, 1]));

    await judge.produce(topic, "none", EACH);
    await withChildren([verifiable, verifiable], async children => {
      await expect.poll(() => deliveries(children), DEADLINE).toEqual(once(0));
      const faults = children.flatMap(told).filter(({ errorMessage }) => errorMessage !== undefined);
      expect(faults).toEqual([]);
    });
    const values = (await judge.produce(topic, "none", EACH)).map(({ value }) => value ?? "").sort();
    expect(await printed(console("--release"))).toEqual(values);
    expect(await printed(console())).toEqual(values);
    // A new consumer continues after the acknowledged records.
    await judge.produce(topic, "none", EACH);
    await withChildren([verifiable], async children => {
      await expect.poll(() => deliveries(children), DEADLINE).toEqual(once(2 * EACH));
    });
    await administrated(java, broker.server, { topic, group });
  });
});

/** Describes, resets and deletes a share group with `kafka-share-groups`. */
async function administrated(java: Java, server: string, names: { topic: string; group: string }): Promise<void> {
  const { topic, group } = names;
  const tool = async (...args: string[]): Promise<string> => {
    const where = ["--bootstrap-server", server, ...(args[0] === "--list" ? [] : ["--group", group])];
    const program = java(`${TOOLS}.consumer.group.ShareGroupCommand`, ...where, ...args);
    return (await run(program.command, program.args)).join("\n");
  };
  const place = (start: number, lag: number): RegExp => new RegExp(`^${group} +${topic} +0 +${start} +${lag}$`, "m");
  await expect.poll(() => tool("--describe", "--state"), DEADLINE).toMatch(/ Empty /);
  // The start offset is persisted with the next state change. Acknowledged records beyond it do not count as lag.
  expect(await tool("--describe", "--offsets")).toMatch(place(2 * EACH, 0));
  expect(await tool("--reset-offsets", "--topic", topic, "--to-earliest", "--execute")).toMatch(/ 0\b/);
  expect(await tool("--describe", "--offsets")).toMatch(place(0, 3 * EACH));
  await tool("--delete-offsets", "--topic", topic);
  expect(await tool("--describe", "--offsets")).not.toMatch(place(0, 3 * EACH));
  await tool("--delete");
  expect(await tool("--list")).not.toContain(group);
}

test("what Kafka's share consumer rejects becomes dead letters, which Kafka's consumer reads", async context => {
  const java = need(await findJava(), context);
  await withBroker(async broker => {
    const judge = new VerifiableJudge(java, broker.server);
    const topic = topicName();
    const [group, queue] = [`${topic}-group`, `dlq.${topic}`];
    await judge.createTopic(topic, 1);
    await using client = new KafkaClient({ bootstrapServers: broker.server, logger: SILENT });
    const admin = client.admin();
    const enabled = { "errors.deadletterqueue.group.enable": "true" };
    (await admin.topics.create([{ name: queue, partitions: 1, replicationFactor: 1, configs: enabled }])).orThrow();
    const set = (value: string) => ({ op: "set", value }) as const;
    const configs = {
      "share.auto.offset.reset": set("earliest"),
      "errors.deadletterqueue.topic.name": set(queue),
      "errors.deadletterqueue.copy.record.enable": set("true"),
    };
    (await admin.configs.alter({ [`group:${group}`]: configs })).orThrow();
    const values = (await judge.produce(topic, "none", EACH)).map(({ value }) => value ?? "");
    const where = ["--bootstrap-server", broker.server];
    const most = ["--max-messages", `${EACH}`];
    const rejects = ["--topic", topic, "--group", group, "--reject", ...most];
    expect(await printed(java(`${TOOLS}.consumer.ConsoleShareConsumer`, ...where, ...rejects))).toEqual(
      values.toSorted(),
    );
    const headers = ["--topic", queue, "--from-beginning", "--formatter-property", "print.headers=true", ...most];
    const letters = await printed(java(`${TOOLS}.consumer.ConsoleConsumer`, ...where, ...headers));
    const told = values.map((value, offset) => {
      const place = `topic:${topic},__dlq.errors.partition:0,__dlq.errors.offset:${offset},__dlq.errors.group:${group}`;
      const why = "delivery.count:1,__dlq.errors.message:Offset rejected by client.";
      return `__dlq.errors.${place},__dlq.errors.${why}\t${value}`;
    });
    expect(letters).toEqual(told.toSorted());
  });
});
