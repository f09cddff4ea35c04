import { ignored } from "@samsa/base";
import { string, type TypedShareConsumer, type TypedShareRecord } from "@samsa/client";
import { Child } from "../processes/child.ts";
import { Missing } from "../processes/runtimes.ts";
import { until } from "../processes/until.ts";
import { equal } from "../walks/walk.ts";
import { type ClientCheck, createTopic, type Stage } from "./stage.ts";

const RECORDS = 60;
const WAIT_MS = 25_000;
/** Lock of records in checks that wait for its end. */
const LOCK_MS = 2000;

type Consumer = TypedShareConsumer<Uint8Array, string>;
type Record = TypedShareRecord<Uint8Array, string>;

/** Settings of brokers that make the checks of share groups short. */
export const SHARE_SETTINGS: readonly string[] = [
  "group.share.min.heartbeat.interval.ms=500",
  "group.share.heartbeat.interval.ms=500",
  "group.share.min.record.lock.duration.ms=1000",
];

/** Creates a topic, and a share group of the same name that begins with the first record. */
async function prepare(stage: Stage, name: string, settings: Readonly<{ [name: string]: string }> = {}): Promise<void> {
  await createTopic(stage, name);
  const all = Object.entries({ "share.auto.offset.reset": "earliest", ...settings });
  const changes = Object.fromEntries(all.map(([key, value]) => [key, { op: "set" as const, value }]));
  (await stage.client.admin().configs.alter({ [`group:${name}`]: changes })).orThrow();
}

/** Sends records one by one, so that each is a batch. */
async function fill({ client }: Stage, topic: string, count: number): Promise<void> {
  await using producer = client.producer({ value: string });
  for (let i = 0; i < count; i++) await producer.send({ topic, partition: 0, value: String(i) });
}

async function join(
  { client }: Stage,
  groupId: string,
  options: { acquireMode?: "record_limit"; maxPollRecords?: number } = {},
): Promise<Consumer> {
  const consumer = client.shareConsumer({ groupId, value: string, acknowledgement: "explicit", ...options });
  await consumer.subscribe([groupId]);
  return consumer;
}

/** Next `count` records. Rejects if they do not come in time. */
async function take(consumer: Consumer, count: number): Promise<Record[]> {
  const found: Record[] = [];
  try {
    for await (const record of consumer.records({ signal: AbortSignal.timeout(WAIT_MS) })) {
      found.push(record);
      if (found.length === count) break;
    }
  } catch (error) {
    throw new Error(`${found.length} of ${count} records came: ${String(error)}`, { cause: error });
  }
  return found;
}

/** Waits until the group is done with all records of its topic. */
async function done({ client }: Stage, groupId: string): Promise<void> {
  const { shareGroups } = client.admin();
  await until(
    "the group is done with all records",
    async () => {
      const offsets = (await shareGroups.offsets([groupId])).value(groupId);
      return offsets.length === 1 && Number(offsets[0]?.lag) === 0;
    },
    WAIT_MS,
  );
}

const shown = (records: readonly Record[]): string[] =>
  records.map(({ value, deliveryCount }) => `${value} (${deliveryCount})`);

async function twoOfOurs(stage: Stage): Promise<void> {
  const name = "share-ours";
  await prepare(stage, name);
  const consumers = [await join(stage, name), await join(stage, name)];
  const seen: string[][] = [[], []];
  const runs = consumers.map((consumer, i) =>
    consumer.run(async ({ value }) => {
      seen[i]?.push(value ?? "");
      await new Promise(resolve => setTimeout(resolve, 5));
    }),
  );
  await until("both have the partition", () => consumers.every(one => one.assignment().length === 1), WAIT_MS);
  await fill(stage, name, RECORDS);
  await until("all records are read", () => seen.flat().length >= RECORDS, WAIT_MS);
  for (const consumer of consumers) (await consumer.commit()).orThrow();
  await done(stage, name);
  for (const consumer of consumers) await consumer.close();
  await Promise.all(runs);
  equal("records, each once", [seen.flat().length, new Set(seen.flat()).size], [RECORDS, RECORDS]);
  equal(
    "both have read",
    seen.every(list => list.length > 0),
    true,
  );
}

async function withJava(stage: Stage): Promise<Missing | undefined> {
  const { java, broker, client } = stage;
  if (java instanceof Missing) return java;
  const name = "share-java";
  await prepare(stage, name);
  await using consumer = await join(stage, name);
  let ours = 0;
  const running = consumer.run(async () => {
    ours++;
    await new Promise(resolve => setTimeout(resolve, 5));
  });
  running.catch(ignored("it is awaited below"));
  const args = ["--bootstrap-server", broker.server, "--topic", name, "--group-id", name];
  const { command, args: all } = java("org.apache.kafka.tools.VerifiableShareConsumer", ...args);
  const child = new Child(command, all);
  const theirs = (): number =>
    child.lines
      .filter(line => line.includes("records_consumed"))
      .reduce((sum, line) => sum + Number((JSON.parse(line) as { count: number }).count), 0);
  try {
    const { groups } = client.admin();
    const members = async () => (await groups.describe([name])).value(name).members;
    await until(
      "both are members with the partition",
      async () => {
        const found = await members();
        return found.length === 2 && found.every(({ assignment }) => assignment.length === 1);
      },
      WAIT_MS,
    );
    await fill(stage, name, RECORDS);
    await until("all records are read", () => ours + theirs() >= RECORDS, WAIT_MS);
    (await consumer.commit()).orThrow();
    await done(stage, name);
    equal("records", ours + theirs(), RECORDS);
    equal("both have read", [ours > 0, theirs() > 0], [true, true]);
  } finally {
    child.kill();
  }
  await consumer.close();
  await running;
  return undefined;
}

async function verdicts(stage: Stage): Promise<void> {
  const name = "share-verdicts";
  await prepare(stage, name, { "share.delivery.count.limit": "3" });
  await fill(stage, name, 3);
  await using consumer = await join(stage, name);
  const first = await take(consumer, 3);
  equal("first deliveries", shown(first), ["0 (1)", "1 (1)", "2 (1)"]);
  for (const [i, type] of (["accept", "release", "reject"] as const).entries()) {
    const record = first[i];
    if (record !== undefined) consumer.acknowledge(record, type);
  }
  const outcome = await consumer.commit();
  equal("outcome", [...outcome], [[`${name}/0`, true]]);
  for (const count of [2, 3]) {
    const [again] = await take(consumer, 1);
    equal("released record", again === undefined ? [] : shown([again]), [`1 (${count})`]);
    if (again !== undefined) consumer.acknowledge(again, "release");
  }
  (await consumer.commit()).orThrow();
  await done(stage, name);
}

async function locks(stage: Stage): Promise<void> {
  const name = "share-locks";
  await prepare(stage, name, { "share.record.lock.duration.ms": String(LOCK_MS) });
  await fill(stage, name, 1);
  await using consumer = await join(stage, name);
  const [first] = await take(consumer, 1);
  if (first === undefined) throw new Error("no record came");
  equal("lock", consumer.lockMs, LOCK_MS);
  for (let i = 0; i < 3; i++) {
    await new Promise(resolve => setTimeout(resolve, LOCK_MS / 2));
    consumer.acknowledge(first, "renew");
  }
  (await consumer.commit()).orThrow();
  // Without a renewal, the record comes again, and the old acknowledgement is told to be late.
  const [second] = await take(consumer, 1);
  equal("after the lock", second === undefined ? [] : shown([second]), ["0 (2)"]);
  consumer.acknowledge(first);
  const late = await consumer.commit();
  equal("late acknowledgement", late.errors.get(`${name}/0`)?.name, "INVALID_RECORD_STATE");
  if (second !== undefined) consumer.acknowledge(second);
  (await consumer.commit()).orThrow();
  await done(stage, name);
}

async function slowHandler(stage: Stage): Promise<void> {
  const name = "share-slow";
  await prepare(stage, name, { "share.record.lock.duration.ms": String(LOCK_MS) });
  await fill(stage, name, 2);
  await using consumer = await join(stage, name);
  await using other = await join(stage, name);
  const stop = new AbortController();
  const seen: string[] = [];
  const running = consumer.run(
    async (record, context) => {
      await new Promise(resolve => setTimeout(resolve, 2 * LOCK_MS));
      seen.push(...shown([record]), String(context.isLost));
      if (seen.length === 4) stop.abort();
    },
    { signal: stop.signal },
  );
  await until("the first is at work", () => consumer.lockMs !== undefined, WAIT_MS);
  const stolen: string[] = [];
  const thief = other.run(record => void stolen.push(...shown([record])), { signal: stop.signal });
  await Promise.all([running, thief]);
  equal("records of the slow handler", seen, ["0 (1)", "false", "1 (1)", "false"]);
  equal("records of the other", stolen, []);
  (await consumer.commit()).orThrow();
  await done(stage, name);
}

async function recordLimit(stage: Stage): Promise<void> {
  const name = "share-limit";
  await prepare(stage, name);
  await using producer = stage.client.producer({ value: string });
  const records = Array.from({ length: 20 }, (_, i) => ({ topic: name, partition: 0, value: String(i) }));
  equal("failures", (await producer.sendBatch(records)).failures.size, 0);
  await using exact = await join(stage, name, { acquireMode: "record_limit", maxPollRecords: 4 });
  await using other = await join(stage, name);
  const mine = await take(exact, 4);
  const rest = await take(other, 16);
  equal("records of the first", shown(mine), ["0 (1)", "1 (1)", "2 (1)", "3 (1)"]);
  for (const record of mine) exact.acknowledge(record);
  for (const record of rest) other.acknowledge(record);
  for (const consumer of [exact, other]) (await consumer.commit()).orThrow();
  await done(stage, name);
}

async function closed(stage: Stage): Promise<void> {
  const name = "share-close";
  await prepare(stage, name);
  await fill(stage, name, 3);
  const first = await join(stage, name);
  const [record] = await take(first, 2);
  if (record !== undefined) first.acknowledge(record);
  await first.close();
  await using second = await join(stage, name);
  const rest = await take(second, 2);
  equal(
    "records after the close",
    rest.map(({ value }) => value),
    ["1", "2"],
  );
  for (const one of rest) second.acknowledge(one);
  (await second.commit()).orThrow();
  await done(stage, name);
}

/** Checks of share groups (KIP-932). */
export const SHARE_CHECKS: readonly ClientCheck[] = [
  { name: "share group: two members share a partition", run: twoOfOurs },
  { name: "share group: shares with Java's share consumer", run: withJava },
  { name: "share group: accepted, released, rejected and archived records", run: verdicts },
  { name: "share group: locks are renewed, and end", run: locks },
  { name: "share group: a slow handler keeps its records", run: slowHandler },
  { name: "share group: a fetch has no more records than its limit", run: recordLimit },
  { name: "share group: a close releases what is not acknowledged", run: closed },
];
