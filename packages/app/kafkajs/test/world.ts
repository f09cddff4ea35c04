import {
  type Admin,
  type Consumer,
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
  readonly #open: { disconnect(): Promise<void> }[] = [];

  constructor(servers: string, config: Partial<KafkaConfig> = {}) {
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

  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map(open => open.disconnect()));
  }
}

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
