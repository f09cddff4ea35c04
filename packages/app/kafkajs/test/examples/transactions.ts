/** Reads orders, writes bills and commits what was read in one transaction; and what happens to aborted ones. */
import { Kafka, logLevel } from "@samsa/kafkajs";

const kafka = new Kafka({
  clientId: "transactional-client",
  brokers: (process.env["KAFKA_BROKERS"] ?? "").split(","),
  logLevel: logLevel.NOTHING,
});
const settings = { maxInFlightRequests: 1, idempotent: true };
const producer = kafka.producer({ transactionalId: "my-transactional-producer", ...settings });
await producer.connect();
console.log("idempotent", producer.isIdempotent());

const aborted = await producer.transaction();
await aborted.send({ topic: "orders", messages: [{ value: "never" }] });
await aborted.abort();
const orders = await producer.transaction();
try {
  await orders.send({ topic: "orders", messages: [{ value: "tea" }, { value: "milk" }] });
  await orders.sendBatch({ topicMessages: [{ topic: "orders", messages: [{ value: "bread" }] }] });
  await orders.commit();
} catch (error) {
  await orders.abort();
  throw error;
}
console.log("active", aborted.isActive(), orders.isActive());
await orders.commit().catch((error: Error) => console.log(error.name));

const consumer = kafka.consumer({ groupId: "billing", maxWaitTimeInMs: 100 });
await consumer.connect();
await consumer.subscribe({ topics: ["orders"], fromBeginning: true });
let billed = 0;
await new Promise<void>((resolve, reject) => {
  consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
  void consumer.run({
    autoCommit: false,
    eachMessage: async ({ topic, partition, message }) => {
      const transaction = await producer.transaction();
      await transaction.send({ topic: "bills", messages: [{ value: `bill for ${String(message.value)}` }] });
      const offset = `${BigInt(message.offset) + 1n}`;
      await transaction.sendOffsets({
        consumerGroupId: "billing",
        topics: [{ topic, partitions: [{ partition, offset }] }],
      });
      await transaction.commit();
      if (++billed === 3) resolve();
    },
  });
});
await consumer.disconnect();
await producer.disconnect();

const reader = kafka.consumer({ groupId: "readers", maxWaitTimeInMs: 100 });
await reader.connect();
await reader.subscribe({ topics: ["bills"], fromBeginning: true });
let read = 0;
await new Promise<void>(resolve => {
  void reader.run({
    eachMessage: async ({ message }) => {
      console.log(String(message.value));
      if (++read === 3) resolve();
    },
  });
});
await reader.disconnect();
const admin = kafka.admin();
await admin.connect();
const [{ partitions }] = await admin.fetchOffsets({ groupId: "billing", topics: ["orders"] });
const [end] = await admin.fetchTopicOffsets("orders");
// Behind the last order is the marker of its transaction.
console.log("billed up to", partitions[0]?.offset, "of", end?.offset);
await admin.disconnect();
