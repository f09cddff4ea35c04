/** Producers and consumers behind classes of the program, as services have them. */
import {
  type Consumer,
  type ConsumerSubscribeTopics,
  type EachBatchPayload,
  type EachMessagePayload,
  Kafka,
  logLevel,
  type Message,
  type Producer,
  type ProducerBatch,
  type TopicMessages,
} from "@samsa/kafkajs";

interface Order {
  readonly id: number;
  readonly goods: string;
}

const kafka = new Kafka({
  clientId: "client-id",
  brokers: (process.env["KAFKA_BROKERS"] ?? "").split(","),
  logLevel: logLevel.NOTHING,
});

class OrderSender {
  readonly #producer: Producer = kafka.producer({ allowAutoTopicCreation: true, transactionTimeout: 30_000 });

  async start(): Promise<void> {
    try {
      await this.#producer.connect();
    } catch (error) {
      console.log("Error connecting the producer:", error);
    }
  }

  async send(orders: readonly Order[]): Promise<void> {
    const messages: Message[] = orders.map(order => ({ key: `${order.id}`, value: JSON.stringify(order) }));
    const topicMessages: TopicMessages = { topic: "orders", messages };
    const batch: ProducerBatch = { topicMessages: [topicMessages] };
    const results = await this.#producer.sendBatch(batch);
    console.log(results.map(({ topicName, partition, baseOffset }) => `${topicName}-${partition}@${baseOffset}`));
  }

  shutdown(): Promise<void> {
    return this.#producer.disconnect();
  }
}

class OrderReader {
  readonly #consumer: Consumer;

  constructor(groupId: string) {
    this.#consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100, sessionTimeout: 10_000 });
  }

  async #start(): Promise<void> {
    const topics: ConsumerSubscribeTopics = { topics: ["orders"], fromBeginning: true };
    await this.#consumer.connect();
    await this.#consumer.subscribe(topics);
  }

  async messages(count: number): Promise<void> {
    await this.#start();
    let seen = 0;
    await new Promise<void>(resolve => {
      const eachMessage = async ({ topic, partition, message }: EachMessagePayload): Promise<void> => {
        const order = JSON.parse(String(message.value)) as Order;
        console.log(`${topic}[${partition} | ${message.offset}] ${order.id} ${order.goods}`);
        if (++seen === count) resolve();
      };
      void this.#consumer.run({ eachMessage });
    });
  }

  async batches(count: number): Promise<void> {
    await this.#start();
    let seen = 0;
    await new Promise<void>(resolve => {
      const eachBatch = async ({ batch }: EachBatchPayload): Promise<void> => {
        console.log(batch.topic, batch.partition, batch.firstOffset(), batch.lastOffset(), batch.highWatermark);
        seen += batch.messages.length;
        if (seen >= count) resolve();
      };
      void this.#consumer.run({ eachBatch });
    });
  }

  shutdown(): Promise<void> {
    return this.#consumer.disconnect();
  }
}

const sender = new OrderSender();
await sender.start();
await sender.send([
  { id: 1, goods: "tea" },
  { id: 2, goods: "milk" },
]);
await sender.shutdown();
const [one, other] = [new OrderReader("one"), new OrderReader("other")];
await one.messages(2);
await one.shutdown();
await other.batches(2);
await other.shutdown();
