import { KafkaError, string, type TypedConsumer } from "@samsa/client";
import { until } from "../processes/until.ts";
import { Missing } from "../processes/runtimes.ts";
import { equal } from "../walks/walk.ts";
import { type ClientCheck, createTopic, fromBeginning, runTool, type Stage, take } from "./stage.ts";

/** Runs a transaction that fails with an error of its own. */
async function aborted(run: () => Promise<unknown>): Promise<void> {
  const failure = await run().then(
    () => undefined,
    (error: unknown) => error,
  );
  equal("error", failure instanceof Error ? failure.message : failure, "on purpose");
}

async function committedAndAborted(stage: Stage, topic: string): Promise<void> {
  const { client } = stage;
  await createTopic(stage, topic, 2);
  await using producer = client.producer({ value: string, transactionalId: topic });
  for (let round = 0; round < 3; round++) {
    await aborted(() =>
      producer.transaction(async () => {
        await producer.send({ topic, partition: round % 2, value: `aborted ${round}` });
        throw new Error("on purpose");
      }),
    );
    await producer.transaction(async () => {
      await Promise.all([0, 1].map(partition => producer.send({ topic, partition, value: `committed ${round}` })));
    });
    await producer.transaction(() => Promise.resolve());
  }
  const read = async (isolation: "read_committed" | "read_uncommitted", count: number): Promise<(string | null)[]> => {
    await using consumer = client.consumer({ value: string, isolation });
    consumer.assign(fromBeginning(topic, 2));
    return (await take(consumer, count)).map(({ value }) => value);
  };
  equal(
    "read uncommitted",
    (await read("read_uncommitted", 9)).filter(value => value?.startsWith("aborted")).length,
    3,
  );
  const committed = ["committed 0", "committed 1", "committed 2"];
  equal("read committed", new Set(await read("read_committed", 6)), new Set(committed));
}

async function consoleReads({ java, broker }: Stage, topic: string): Promise<Missing | undefined> {
  if (java instanceof Missing) return java;
  const bounds = ["--from-beginning", "--isolation-level", "read_committed", "--max-messages", "6"];
  const args = ["--bootstrap-server", broker.server, "--topic", topic, ...bounds, "--timeout-ms", "20000"];
  const lines = (await runTool(java, "consumer.ConsoleConsumer", args)).filter(line => line !== "");
  equal("records", lines.length, 6);
  equal(
    "aborted ones",
    lines.filter(line => !line.startsWith("committed")),
    [],
  );
  return undefined;
}

async function fenced(stage: Stage, topic: string): Promise<void> {
  const { client } = stage;
  await createTopic(stage, topic);
  await using first = client.producer({ value: string, transactionalId: topic });
  await using second = client.producer({ value: string, transactionalId: topic });
  await first.transaction(() => first.send({ topic, value: "first" }));
  let refused: unknown;
  await first
    .transaction(async () => {
      await first.send({ topic, value: "zombie" });
      await second.transaction(() => second.send({ topic, value: "second" }));
      await first.send({ topic, value: "zombie again" });
    })
    .catch((error: unknown) => {
      refused = error;
    });
  equal("error", refused instanceof KafkaError && /FENCED|INVALID_PRODUCER_EPOCH/.test(refused.name), true);
  const later = await first.transaction(() => first.send({ topic, value: "zombie" })).catch((error: unknown) => error);
  if (!(later instanceof KafkaError && later.fatal)) throw new Error(`the first producer goes on: ${String(later)}`);
  await second.transaction(() => second.send({ topic, value: "third" }));
  await using consumer = client.consumer({ value: string, isolation: "read_committed" });
  consumer.assign(fromBeginning(topic, 1));
  equal(
    "values",
    (await take(consumer, 3)).map(({ value }) => value),
    ["first", "second", "third"],
  );
}

async function copied(stage: Stage, from: string): Promise<void> {
  const { client } = stage;
  const to = `${from}-copy`;
  await createTopic(stage, from, 2);
  await createTopic(stage, to);
  await using source = client.producer({ value: string });
  await source.sendBatch(Array.from({ length: 60 }, (_, i) => ({ topic: from, partition: i % 2, value: String(i) })));
  await using consumer: TypedConsumer<Uint8Array, string> = client.consumer({
    ...{ value: string, reset: "earliest", isolation: "read_committed" },
    group: { groupId: from, autoCommit: false },
  });
  await consumer.subscribe([from]);
  await using producer = client.producer({ value: string, transactionalId: from });
  let copies = 0;
  for await (const { records } of consumer.batches({ max: 10, signal: AbortSignal.timeout(20_000) })) {
    const last = records.at(-1);
    if (last === undefined) continue;
    const offsets = [{ topic: from, partition: last.partition, offset: last.offset + 1, leaderEpoch: -1 }];
    const work = async (): Promise<void> => {
      await Promise.all(records.map(({ value }) => producer.send({ topic: to, value })));
      await producer.sendOffsets(offsets, consumer.groupMembership);
    };
    await aborted(() => producer.transaction(() => work().then(() => Promise.reject(new Error("on purpose")))));
    await producer.transaction(work);
    copies += records.length;
    if (copies >= 60) break;
  }
  await using reader = client.consumer({ value: string, isolation: "read_committed" });
  reader.assign(fromBeginning(to, 1));
  const found = (await take(reader, 60)).map(({ value }) => Number(value));
  equal(
    "copies",
    found.toSorted((a, b) => a - b),
    Array.from({ length: 60 }, (_, i) => i),
  );
  const offsets = (await client.admin().groups.offsets([from])).value(from);
  equal(
    "committed",
    offsets.map(({ offset }) => offset),
    [30, 30],
  );
}

async function setVersion({ client }: Stage, level: 1 | 2): Promise<void> {
  const { cluster } = client.admin();
  await cluster.updateFeatures({
    "transaction.version": { level, type: level === 1 ? "safe-downgrade" : "upgrade" },
  });
  await until(
    `transaction.version ${level}`,
    async () => (await cluster.describeFeatures()).get("transaction.version")?.finalized === level,
    10_000,
  );
}

function ofVersion(version: 1 | 2): ClientCheck[] {
  const topic = (what: string): string => `${what}-v${version}`;
  const name = (what: string): string => `${what}, transaction.version ${version}`;
  return [
    { name: name("transactions are committed and aborted"), run: stage => committedAndAborted(stage, topic("tx")) },
    { name: name("Kafka's console consumer reads what is committed"), run: stage => consoleReads(stage, topic("tx")) },
    { name: name("a zombie is fenced"), run: stage => fenced(stage, topic("fenced")) },
    { name: name("records are copied with the group's offsets"), run: stage => copied(stage, topic("copy")) },
  ];
}

/** Checks of transactions, with both versions of their protocol (KIP-890). */
export const TRANSACTION_CHECKS: readonly ClientCheck[] = [
  ...ofVersion(2),
  { name: "transaction.version 1 is set", run: stage => setVersion(stage, 1) },
  ...ofVersion(1),
  { name: "transaction.version 2 is set", run: stage => setVersion(stage, 2) },
];
