/** Goes elsewhere in a topic, and commits by hand. */
import { Kafka, logLevel } from "@samsa/kafkajs";

const kafka = new Kafka({ brokers: (process.env["KAFKA_BROKERS"] ?? "").split(","), logLevel: logLevel.NOTHING });
const producer = kafka.producer();
await producer.connect();
const topics = ["example-eu", "example-US", "other"];
for (const topic of topics) {
  await producer.send({ topic, messages: [1, 2, 3, 4].map(i => ({ value: `${topic} ${i}` })) });
}
await producer.disconnect();

// `run` need not be awaited before `seek`.
const consumer = kafka.consumer({ groupId: "seeking", maxWaitTimeInMs: 100 });
await consumer.connect();
await consumer.subscribe({ topics: ["other"] });
const seen: string[] = [];
await new Promise<void>(resolve => {
  void consumer.run({
    autoCommit: false,
    eachMessage: async ({ message }) => {
      seen.push(String(message.value));
      if (seen.length === 2) resolve();
    },
  });
  consumer.seek({ topic: "other", partition: 0, offset: "2" });
});
console.log(seen.join(", "));
await consumer.commitOffsets([{ topic: "other", partition: 0, offset: "3", metadata: "by hand" }]);
await consumer.disconnect();

const admin = kafka.admin();
await admin.connect();
const [{ partitions }] = await admin.fetchOffsets({ groupId: "seeking", topics: ["other"] });
console.log(partitions.map(({ offset, metadata }) => `${offset} ${metadata}`).join());
await admin.disconnect();

// Patterns are JavaScript's.
const matching = kafka.consumer({ groupId: "matching", maxWaitTimeInMs: 100 });
await matching.connect();
await matching.subscribe({ topics: [/^example-(eu|us)$/i], fromBeginning: true });
const found: string[] = [];
await new Promise<void>(resolve => {
  void matching.run({
    partitionsConsumedConcurrently: 3,
    eachMessage: async ({ message }) => {
      found.push(String(message.value));
      if (found.length === 8) resolve();
    },
  });
});
await matching.disconnect();
console.log(found.sort().join(", "));
