/** Prints messages as they come, until a signal ends it. */
import { Kafka, logLevel } from "@samsa/kafkajs";

const kafka = new Kafka({
  clientId: "example-consumer",
  brokers: async () => (process.env["KAFKA_BROKERS"] ?? "").split(","),
  logLevel: logLevel.ERROR,
});
const producer = kafka.producer();
const consumer = kafka.consumer({ groupId: "test-group", maxWaitTimeInMs: 100 });
let count = 0;

async function run(): Promise<void> {
  await producer.connect();
  await producer.send({
    topic: "topic-test",
    messages: [
      { key: "key1", value: "hello world", headers: { "correlation-id": "1", system: Buffer.from("mine") } },
      { key: "key2", value: "hey hey!", timestamp: "1700000000000" },
      { key: null, value: null },
    ],
  });
  await producer.disconnect();
  await consumer.connect();
  await consumer.subscribe({ topic: "topic-test", fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ topic, partition, message }) => {
      const headers = Object.entries(message.headers).map(([name, value]) => `${name}=${value?.toString()}`);
      console.log(
        `- ${topic}[${partition} | ${message.offset}] ${String(message.key)}#${String(message.value)} ${headers.join(" ")}`,
      );
      if (message.key?.toString() === "key2") console.log(message.timestamp, message.attributes);
      if (++count === 3) process.kill(process.pid, "SIGTERM");
    },
  });
}

run().catch((error: Error) => console.log(`[example/consumer] ${error.message}`));

for (const type of ["unhandledRejection", "uncaughtException"] as const) {
  process.on(type, (error: unknown) => {
    console.log(type, error);
    void consumer.disconnect().finally(() => process.exit(1));
  });
}
process.once("SIGTERM", () => {
  void consumer.disconnect().then(() => {
    console.log("disconnected");
    process.exit(0);
  });
});
