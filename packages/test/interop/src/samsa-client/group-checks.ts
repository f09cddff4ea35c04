import { ignored } from "@samsa/base";
import { string, type TypedConsumer } from "@samsa/client";
import { Child } from "../processes/child.ts";
import { type Java, Missing } from "../processes/runtimes.ts";
import { until } from "../processes/until.ts";
import { equal } from "../walks/walk.ts";
import { type ClientCheck, createTopic, runTool, type Stage, take } from "./stage.ts";

const PARTITIONS = 4;
const RECORDS = 40;
const JOIN_MS = 25_000;

type Protocol = "classic" | "consumer";

function javaMember(java: Java, server: string, args: readonly string[]): Child {
  const common = ["--bootstrap-server", server, "--reset-policy", "earliest"];
  const { command, args: all } = java("org.apache.kafka.tools.VerifiableConsumer", ...common, ...args);
  return new Child(command, all);
}

async function fill(stage: Stage, topic: string): Promise<void> {
  await using producer = stage.client.producer({ value: string });
  const records = Array.from({ length: RECORDS }, (_, i) => ({ topic, partition: i % PARTITIONS, value: String(i) }));
  equal("failures", (await producer.sendBatch(records)).failures.size, 0);
}

/** Reads a consumer to its end in the background. */
function drain(consumer: TypedConsumer<Uint8Array, string>, onValue: (value: string) => void): Promise<void> {
  const reading = (async () => {
    for await (const { value } of consumer.records()) onValue(value ?? "");
  })();
  reading.catch(ignored("the caller awaits it, too"));
  return reading;
}

async function describedBy(java: Java, server: string, group: string): Promise<string[]> {
  const args = ["--bootstrap-server", server, "--describe", "--group", group, "--offsets"];
  return (await runTool(java, "consumer.group.ConsumerGroupCommand", args)).filter(line => line.startsWith(group));
}

async function withJava(stage: Stage, protocol: Protocol): Promise<Missing | undefined> {
  const { java, broker, client } = stage;
  if (java instanceof Missing) return java;
  const topic = `group-${protocol}`;
  await createTopic(stage, topic, PARTITIONS);
  await fill(stage, topic);
  const events: string[] = [];
  const consumer = client.consumer({
    ...{ value: string, reset: "earliest", group: { groupId: topic, protocol } },
    listener: {
      assigned: partitions => void events.push(`assigned ${partitions.length}`),
      revoked: partitions => void events.push(`revoked ${partitions.length}`),
    },
  });
  await consumer.subscribe([topic]);
  const seen = new Map<string, number>();
  const reading = drain(consumer, value => void seen.set(value, (seen.get(value) ?? 0) + 1));
  await until("our member reads all", () => seen.size === RECORDS, JOIN_MS);
  const child = javaMember(java, broker.server, ["--topic", topic, "--group-id", topic, "--group-protocol", protocol]);
  try {
    await until("the partitions are shared", () => consumer.assignment().length === PARTITIONS / 2, JOIN_MS);
    await child.line(line => line.includes("partitions_assigned") && /"partition":\d.*"partition":\d/.test(line));
    const described = (await client.admin().groups.describe([topic])).value(topic);
    equal("group", [described.type.toLowerCase(), described.state, described.members.length], [protocol, "Stable", 2]);
    await fill(stage, topic);
    await child.line(line => line.includes("offsets_committed") && line.includes('"success":true'));
    const ours = (): number => [...seen.values()].reduce((sum, count) => sum + count, 0);
    await until("our half of the records", () => ours() >= RECORDS + RECORDS / 2, JOIN_MS);
    equal("end of Java's member", [0, 143].includes(Number(await child.end("SIGTERM"))), true);
    await until("the partitions are back", () => consumer.assignment().length === PARTITIONS, JOIN_MS);
    equal(
      "revoked",
      events.some(event => event.startsWith("revoked")),
      true,
    );
    equal("records read twice", ours(), RECORDS + RECORDS / 2);
  } finally {
    child.kill();
    await consumer.close();
    await reading.catch(ignored("the checks above tell why"));
  }
  const lines = await describedBy(java, broker.server, topic);
  equal(
    "committed, log end, lag",
    lines.map(line => line.split(/\s+/).slice(3, 6)),
    Array.from({ length: PARTITIONS }, () => ["20", "20", "0"]),
  );
  return undefined;
}

async function twoOfOurs(stage: Stage, protocol: Protocol): Promise<void> {
  const { client } = stage;
  const topic = `ours-${protocol}`;
  await createTopic(stage, topic, PARTITIONS);
  const join = async (): Promise<TypedConsumer<Uint8Array, string>> => {
    const consumer = client.consumer({ value: string, reset: "earliest", group: { groupId: topic, protocol } });
    await consumer.subscribe([topic]);
    return consumer;
  };
  await using first = await join();
  await using second = await join();
  const seen: string[] = [];
  const reads = [first, second].map(consumer => drain(consumer, value => void seen.push(value)));
  const counts = (): string => [first, second].map(consumer => consumer.assignment().length).join();
  await until("two partitions each", () => counts() === "2,2", JOIN_MS);
  await fill(stage, topic);
  await until("all records are read", () => seen.length >= RECORDS, JOIN_MS);
  await second.close();
  await until("the first has all partitions", () => first.assignment().length === PARTITIONS, JOIN_MS);
  await fill(stage, topic);
  await until("all records are read again", () => seen.length >= 2 * RECORDS, JOIN_MS);
  await first.close();
  await Promise.all(reads);
  equal("records read", seen.length, 2 * RECORDS);
  const offsets = (await client.admin().groups.offsets([topic])).value(topic);
  equal(
    "committed",
    offsets.map(({ offset }) => offset),
    Array.from({ length: PARTITIONS }, () => 20),
  );
}

async function staticMember(stage: Stage, protocol: Protocol): Promise<void> {
  const { client } = stage;
  const topic = `static-${protocol}`;
  await createTopic(stage, topic, PARTITIONS);
  await fill(stage, topic);
  const admin = client.admin();
  const join = async (): Promise<TypedConsumer<Uint8Array, string>> => {
    const group = { groupId: topic, protocol, instanceId: "one", autoCommit: false };
    const consumer = client.consumer({ value: string, reset: "earliest", group });
    await consumer.subscribe([topic]);
    return consumer;
  };
  const members = async () => (await admin.groups.describe([topic])).value(topic).members;
  const first = await join();
  await take(first, 1);
  await first.commit([{ topic, partition: 0, offset: 3 }]);
  equal("instance", (await members())[0]?.instanceId, "one");
  await first.close();
  equal("members after it has closed", (await members()).length, 1);
  await using second = await join();
  const found = await take(second, RECORDS - 3);
  equal("first offset", found.find(({ partition }) => partition === 0)?.offset, 3);
  equal("members", (await members()).length, 1);
  await second.close({ leave: "leave" });
  equal("members after it has left", (await members()).length, 0);
}

async function pattern(stage: Stage, protocol: Protocol): Promise<void> {
  const { client } = stage;
  const prefix = `pattern-${protocol}`;
  await createTopic(stage, `${prefix}-a`);
  await using consumer = client.consumer({ value: string, reset: "earliest", group: { groupId: prefix, protocol } });
  await consumer.subscribe({ pattern: `${prefix}-[a-c]` });
  await createTopic(stage, `${prefix}-d`);
  await using producer = client.producer({ value: string });
  for (const name of ["a", "d"]) await producer.send({ topic: `${prefix}-${name}`, value: name });
  equal("value", (await take(consumer, 1))[0]?.value, "a");
  equal(
    "assigned",
    consumer.assignment().map(({ topic }) => topic),
    [`${prefix}-a`],
  );
}

const PROTOCOLS: readonly Protocol[] = ["consumer", "classic"];

/** Checks of groups, with both protocols. */
export const GROUP_CHECKS: readonly ClientCheck[] = PROTOCOLS.flatMap(protocol => [
  { name: `two members share and take over, ${protocol}`, run: (stage: Stage) => twoOfOurs(stage, protocol) },
  { name: `shares with Java's consumer, ${protocol}`, run: (stage: Stage) => withJava(stage, protocol) },
  { name: `topics are found by a pattern, ${protocol}`, run: (stage: Stage) => pattern(stage, protocol) },
  { name: `a static member comes back, ${protocol}`, run: (stage: Stage) => staticMember(stage, protocol) },
]);
