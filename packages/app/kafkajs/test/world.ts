import { clusterFixture } from "@samsa/testkit";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import {
  type Admin,
  type Consumer,
  type ConsumerRunConfig,
  Kafka,
  type KafkaConfig,
  type KafkaMessage,
  logLevel,
  type Producer,
} from "../src/index.ts";

const RETRY = { initialRetryTime: 20, maxRetryTime: 100, retries: 3 };
let names = 0;

/** Name that no other test has. */
export const fresh = (what: string): string => `${what}-${++names}`;

/** Waits until a condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, what = "the condition"): Promise<void> {
  for (const end = Date.now() + 20_000; !(await condition()); ) {
    if (Date.now() > end) throw new Error(`${what} does not hold`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

/** Client, with what a test makes of it: `close` disconnects all. */
export class World {
  readonly kafka: Kafka;
  /** Addresses of the brokers. */
  readonly servers: string;
  readonly #open: { disconnect(): Promise<void> }[] = [];

  constructor(servers: string, config: Partial<KafkaConfig> = {}) {
    this.servers = servers;
    this.kafka = new Kafka({ brokers: servers.split(","), logLevel: logLevel.NOTHING, retry: RETRY, ...config });
  }

  async producer(...args: Parameters<Kafka["producer"]>): Promise<Producer> {
    const producer = this.kafka.producer(...args);
    this.#open.push(producer);
    await producer.connect();
    return producer;
  }

  async consumer(config: Partial<Parameters<Kafka["consumer"]>[0]> = {}): Promise<Consumer> {
    const consumer = this.kafka.consumer({ groupId: fresh("group"), maxWaitTimeInMs: 100, ...config });
    this.#open.push(consumer);
    await consumer.connect();
    return consumer;
  }

  async admin(): Promise<Admin> {
    const admin = this.kafka.admin();
    this.#open.push(admin);
    await admin.connect();
    return admin;
  }

  /** A new topic. */
  async topic(partitions = 1): Promise<string> {
    const topic = fresh("topic");
    const admin = this.kafka.admin();
    await admin.createTopics({ topics: [{ topic, numPartitions: partitions }] });
    await admin.disconnect();
    return topic;
  }

  /** Writes messages to a topic. */
  async fill(topic: string, values: readonly string[], partition = 0): Promise<void> {
    const producer = await this.producer();
    await producer.send({ topic, messages: values.map(value => ({ value, partition })) });
  }

  /** A new topic with one partition, which has these messages. */
  async filled(values: readonly string[]): Promise<string> {
    const topic = await this.topic();
    await this.fill(topic, values);
    return topic;
  }

  /** Consumer that reads a topic from its beginning once it runs. */
  async reader(topic: string, config: Partial<Parameters<Kafka["consumer"]>[0]> = {}): Promise<Consumer> {
    const consumer = await this.consumer(config);
    await consumer.subscribe({ topic, fromBeginning: true });
    return consumer;
  }

  /** Offset that a group has committed in partition 0; "-1": none. */
  async committed(groupId: string, topic: string): Promise<string | undefined> {
    const [found] = await (await this.admin()).fetchOffsets({ groupId, topics: [topic] });
    return found.partitions.find(({ partition }) => partition === 0)?.offset;
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map(open => open.disconnect()));
  }
}

/** Cluster for the tests of a file, with a client for each of them. */
export function worldFixture(): () => World {
  const cluster = clusterFixture({ beforeAll, afterAll });
  let world: World;
  beforeEach(() => {
    world = new World(cluster().bootstrapServers);
  });
  afterEach(() => world.close());
  return () => world;
}

/** Runs a consumer that keeps the values that it gets. */
export async function collect(consumer: Consumer, config: ConsumerRunConfig = {}): Promise<string[]> {
  const values: string[] = [];
  await consumer.run({
    ...config,
    eachMessage: async ({ message }) => {
      values.push(String(message.value));
    },
  });
  return values;
}

/** Texts of messages. */
export const texts = (messages: readonly Pick<KafkaMessage, "value">[]): (string | undefined)[] =>
  messages.map(({ value }) => value?.toString());

/** Reads `count` messages of topics from the beginning. */
export async function read(world: World, topics: string[], count: number): Promise<KafkaMessage[]> {
  const consumer = await world.consumer();
  await consumer.subscribe({ topics, fromBeginning: true });
  const found: KafkaMessage[] = [];
  await consumer.run({
    eachMessage: async ({ message }) => {
      found.push(message);
    },
  });
  await until(() => found.length >= count, `${count} messages have come`);
  await consumer.disconnect();
  return found;
}
