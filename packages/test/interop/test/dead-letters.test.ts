import { KafkaClient, string, type TypedRecord } from "@samsa/client";
import { expect, test } from "vitest";
import type { BrokerProcess } from "../src/processes/broker.ts";
import { SamsaProcess } from "../src/processes/broker-process.ts";
import { KafkaProcess } from "../src/processes/kafka-process.ts";
import { findJava } from "../src/processes/runtimes.ts";
import { fromBeginning, SILENT } from "../src/samsa-client/stage.ts";
import { need } from "./scenarios.ts";

const ENABLE = "errors.deadletterqueue.group.enable";
const TOPIC_NAME = "errors.deadletterqueue.topic.name";
const COPY = "errors.deadletterqueue.copy.record.enable";
const SETTINGS = [
  "errors.deadletterqueue.auto.create.topics.enable=true",
  "group.share.min.record.lock.duration.ms=1000",
  "group.share.min.heartbeat.interval.ms=500",
  "group.share.heartbeat.interval.ms=500",
  "num.partitions=2",
];
const DEADLINE = { timeout: 60_000, interval: 200 };

type Verdict = "accept" | "release" | "reject" | "expire";

/** Records of a partition, all of one batch. */
interface Batch {
  readonly partition: number;
  readonly compression?: "gzip" | "zstd";
  readonly records: readonly {
    readonly key?: string | null;
    readonly value: string | null;
    readonly verdict: Verdict;
  }[];
}

/** Verdicts of a group on records, and the topic of their dead letters. */
interface Story {
  readonly name: string;
  readonly partitions: number;
  readonly batches: readonly Batch[];
  /** Partitions and settings of the topic for dead letters; undefined: it is not created. */
  readonly queue?: { readonly partitions: number; readonly configs: Readonly<Record<string, string>> };
  readonly group: Readonly<Record<string, string>>;
  /** Number of dead letters. */
  readonly dead: number;
  /** Kafka creates the topic, so that its settings are compared too. */
  readonly isCreated?: true;
}

const enabled = (partitions: number, more = {}) => ({ partitions, configs: { [ENABLE]: "true", ...more } });
const all = (verdict: Verdict, values: readonly string[]) => values.map(value => ({ key: null, value, verdict }));
const BIG = "a record that is large ".repeat(2000);

const STORIES: readonly Story[] = [
  {
    name: "rejected",
    partitions: 3,
    batches: [
      { partition: 0, records: all("reject", ["a", "b", "c"]) },
      { partition: 1, records: all("accept", ["a", "b"]) },
      { partition: 2, records: [...all("accept", ["a"]), ...all("reject", ["b"])] },
      { partition: 2, records: all("reject", ["d"]) },
    ],
    queue: enabled(2),
    group: {},
    dead: 5,
  },
  {
    name: "delivered-too-often",
    partitions: 1,
    batches: [
      {
        partition: 0,
        records: [
          ...all("release", ["a", "b"]),
          ...all("reject", ["c"]),
          ...all("accept", ["d"]),
          ...all("expire", ["e"]),
        ],
      },
    ],
    queue: enabled(1),
    group: { "share.delivery.count.limit": "2", "share.record.lock.duration.ms": "2000" },
    dead: 4,
  },
  {
    name: "copied",
    partitions: 2,
    batches: [
      {
        partition: 0,
        records: [
          { key: "k", value: "žluťoučký", verdict: "reject" },
          { key: null, value: null, verdict: "reject" },
          { key: "", value: "", verdict: "reject" },
        ],
      },
      { partition: 1, compression: "gzip", records: all("reject", ["g1", "g2", "g3"]) },
      { partition: 1, compression: "zstd", records: [...all("accept", ["z1"]), ...all("reject", ["z2"])] },
    ],
    queue: enabled(3),
    group: { [COPY]: "true" },
    dead: 7,
  },
  {
    name: "too-large",
    partitions: 1,
    batches: [
      { partition: 0, records: all("reject", ["small"]) },
      { partition: 0, records: all("reject", [BIG]) },
      { partition: 0, compression: "gzip", records: all("reject", [BIG, BIG]) },
      { partition: 0, records: all("reject", [BIG.slice(0, 12_000), BIG.slice(0, 12_001), "last"]) },
    ],
    queue: enabled(1, { "max.message.bytes": "20000" }),
    group: { [COPY]: "true" },
    dead: 7,
  },
  {
    name: "created",
    partitions: 1,
    batches: [{ partition: 0, records: all("reject", ["a"]) }],
    group: {},
    dead: 1,
    isCreated: true,
  },
  {
    name: "not-enabled",
    partitions: 1,
    batches: [{ partition: 0, records: all("reject", ["a", "b"]) }],
    queue: { partitions: 1, configs: {} },
    group: {},
    dead: 0,
  },
  {
    name: "no-topic",
    partitions: 1,
    batches: [{ partition: 0, records: all("reject", ["a", "b"]) }],
    queue: enabled(1),
    group: { [TOPIC_NAME]: "" },
    dead: 0,
  },
];

const queueOf = ({ name }: Story): string => `dlq.${name}`;

async function prepare(client: KafkaClient, story: Story): Promise<void> {
  const { topics, configs } = client.admin();
  const { name, partitions, queue, group, batches } = story;
  const made = queue === undefined ? [] : [{ name: queueOf(story), replicationFactor: 1, ...queue }];
  (await topics.create([{ name, partitions, replicationFactor: 1 }, ...made])).orThrow();
  const wanted = { "share.auto.offset.reset": "earliest", [TOPIC_NAME]: queueOf(story), ...group };
  const changes = Object.entries(wanted).map(([key, value]) => [key, { op: "set", value }] as const);
  (await configs.alter({ [`group:${name}`]: Object.fromEntries(changes) })).orThrow();
  for (const { partition, compression = "none", records } of batches) {
    await using producer = client.producer({ key: string, value: string, compression, lingerMs: 20 });
    await Promise.all(records.map(({ key = null, value }) => producer.send({ topic: name, partition, key, value })));
  }
}

/** Gives every record its verdict, until the group is done with all of them. */
async function judge(client: KafkaClient, story: Story): Promise<void> {
  const { name, batches } = story;
  const verdicts = new Map<string, Verdict>();
  const next = new Map<number, number>();
  for (const { partition, records } of batches) {
    for (const { verdict } of records) {
      const offset = next.get(partition) ?? 0;
      verdicts.set(`${partition}/${offset}`, verdict);
      next.set(partition, offset + 1);
    }
  }
  const consumer = client.shareConsumer({ groupId: name, value: string, acknowledgement: "explicit" });
  await consumer.subscribe([name]);
  const stop = new AbortController();
  const judging = async (): Promise<void> => {
    for await (const record of consumer.records({ signal: stop.signal })) {
      const verdict = verdicts.get(`${record.partition}/${record.offset}`);
      // A record that is left alone comes again when its lock is over.
      if (verdict !== undefined && verdict !== "expire") consumer.acknowledge(record, verdict);
    }
  };
  const running = judging().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  const lag = async (): Promise<number> => {
    const offsets = (await client.admin().shareGroups.offsets([name])).value(name);
    return offsets.length < next.size ? Number.NaN : offsets.reduce((sum, one) => sum + Number(one.lag), 0);
  };
  await expect.poll(lag, DEADLINE).toBe(0);
  stop.abort();
  await running;
  await consumer.close();
}

/** A dead letter without its place in its topic: the order of letters of one request is not Kafka's promise. */
function shown({ partition, key, value, headers }: TypedRecord<string, string>): string {
  const told = headers.map(header => [header.key, new TextDecoder().decode(header.value ?? undefined)]);
  return JSON.stringify({ partition, key, value: value !== null && value.length > 100 ? value.length : value, told });
}

/** Dead letters of a story: as many as there should be, and those that come in the second after. */
async function lettersOf(client: KafkaClient, story: Story): Promise<string[]> {
  const name = queueOf(story);
  const partitions = story.queue?.partitions ?? 2;
  await using consumer = client.consumer({ key: string, value: string });
  const found: string[] = [];
  const read = async (count: number, ms: number): Promise<void> => {
    const signal = AbortSignal.timeout(ms);
    try {
      for await (const record of consumer.records({ signal })) {
        found.push(shown(record));
        if (found.length === count) return;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  };
  consumer.assign(fromBeginning(name, partitions));
  if (story.dead > 0) await read(story.dead, 30_000);
  await read(Infinity, 1000);
  return found.toSorted((a, b) => a.localeCompare(b));
}

/** Settings of its own and number of partitions of a topic. */
async function topicOf(client: KafkaClient, story: Story) {
  const { configs, topics } = client.admin();
  const name = queueOf(story);
  const { partitions } = await topics.describeOne(name);
  const described = (await configs.describe([`topic:${name}`])).value(`topic:${name}`);
  const own = Object.entries(described).filter(([, { source }]) => source === "topic");
  return { partitions: partitions.length, own: own.map(([key, { value }]) => `${key}=${value}`).sort() };
}

async function told(broker: BrokerProcess): Promise<Map<string, unknown>> {
  await using client = new KafkaClient({ bootstrapServers: broker.server, logger: SILENT });
  const ends = new Map<string, unknown>();
  for (const story of STORIES) {
    await prepare(client, story);
    await judge(client, story);
    const letters = await lettersOf(client, story);
    ends.set(story.name, story.isCreated ? { letters, topic: await topicOf(client, story) } : letters);
    expect(letters, story.name).toHaveLength(story.dead);
  }
  return ends;
}

test("the same records become the same dead letters as with Apache Kafka", async context => {
  need(await findJava(), context);
  const single = ["share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1"];
  const [kafka, samsa] = await Promise.all([
    KafkaProcess.start("changing", SETTINGS),
    SamsaProcess.start(undefined, [...single, ...SETTINGS]),
  ]);
  try {
    const [theirs, ours] = await Promise.all([kafka, samsa].map(told));
    for (const [name, letters] of theirs) expect(ours.get(name), name).toEqual(letters);
  } catch (error) {
    console.error(samsa.log());
    throw error;
  } finally {
    await Promise.all([kafka.dispose(), samsa.dispose()]);
  }
});
