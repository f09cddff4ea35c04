import { clusterFixture } from "@samsa/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
  type ConsumerInterceptor,
  json,
  KafkaClient,
  KafkaError,
  string,
  type TypedShareConsumer,
  type TypedShareRecord,
} from "../src/index.ts";

const cluster = clusterFixture({ beforeAll, afterAll }, { topics: { jobs: 1, broken: 1 } });
let client: KafkaClient;

beforeEach(async () => {
  client = new KafkaClient(cluster().bootstrapServers);
  for (const group of ["typed", "broken"] as const) {
    const changes = {
      [`group:${group}` as const]: { "share.auto.offset.reset": { op: "set", value: "earliest" } },
    } as const;
    (await client.admin().configs.alter(changes)).orThrow();
  }
});

afterEach(() => client.close());

async function take<K, V>(consumer: TypedShareConsumer<K, V>, count: number): Promise<TypedShareRecord<K, V>[]> {
  const records: TypedShareRecord<K, V>[] = [];
  for await (const record of consumer.records()) {
    records.push(record);
    if (records.length === count) break;
  }
  return records;
}

interface Job {
  readonly task: string;
}

test("jobs have types, headers and delivery counts, and those that are released come again", async () => {
  const producer = client.producer({ key: string, value: json<Job>() });
  await producer.send({ topic: "jobs", key: "a", value: { task: "brew" }, headers: { trace: "t1" } });
  await producer.send({ topic: "jobs", key: "b", value: null });
  await using consumer = client.shareConsumer({ groupId: "typed", key: string, value: json<Job>() });
  await consumer.subscribe(["jobs"]);
  const [first, second] = await take(consumer, 2);
  expect([first.key, first.value, first.header("trace"), first.deliveryCount]).toEqual([
    "a",
    { task: "brew" },
    "t1",
    1,
  ]);
  expect([second.key, second.value, second.deliveryCount]).toEqual(["b", null, 1]);
  // The loop was left with the second record, so that one was released.
  expect(() => consumer.acknowledge(second)).toThrow("the record is acknowledged already");
  const [again] = await take(consumer, 1);
  expect([again.key, again.deliveryCount]).toEqual(["b", 2]);
  expect((await consumer.commit()).errors.size).toBe(0);
  expect(consumer.lockMs).toBe(30_000);
  expect(consumer.assignment()).toEqual([{ topic: "jobs", partition: 0 }]);
  const [member] = (await client.admin().groups.describe(["typed"])).value("typed").members;
  expect(member?.memberId).toBe(consumer.memberId);
});

test("records that a serde cannot read are for the rule to decide", async () => {
  await client.producer().send({ topic: "broken", value: "{" });
  await client.producer().send({ topic: "broken", value: '{"task":"brew"}' });
  const seen: string[] = [];
  const interceptor: ConsumerInterceptor<Uint8Array, Job> = {
    consume: ({ offset }) => void seen.push(`consume ${offset}`),
    handle: async ({ offset }, handle) => {
      seen.push(`handle ${offset}`);
      await handle();
    },
  };
  const options = { groupId: "broken", value: json<Job>(), interceptors: [interceptor] };
  await using consumer = client.shareConsumer(options);
  await consumer.subscribe(["broken"]);
  const stop = new AbortController();
  const told: string[] = [];
  await consumer.run(
    ({ value }) => {
      told.push(value?.task ?? "");
      stop.abort();
    },
    {
      failed: (record, error) => {
        told.push(`${record.offset} ${error instanceof KafkaError ? error.name : String(error)}`);
        return "reject";
      },
      signal: stop.signal,
    },
  );
  expect(told).toEqual(["0 SERIALIZATION_FAILED", "brew"]);
  expect(seen).toEqual(["consume 0", "handle 0", "consume 1", "handle 1"]);
});
