/** Handlers that pause what they read when the service behind them has enough, in all three ways. */
import { Kafka, logLevel } from "@samsa/kafkajs";

class TooManyRequests extends Error {
  readonly retryAfterMs = 50;
}

const kafka = new Kafka({
  brokers: (process.env["KAFKA_BROKERS"] ?? "").split(","),
  logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 20 },
});
const admin = kafka.admin();
await admin.connect();
await admin.createTopics({ topics: [{ topic: "jobs", numPartitions: 2 }] });
await admin.disconnect();
const producer = kafka.producer();
await producer.connect();
const messages = [0, 1].flatMap(partition => [1, 2, 3].map(job => ({ partition, value: `job ${partition}.${job}` })));
await producer.send({ topic: "jobs", messages });
await producer.disconnect();

/** Work of a service that refuses the second job of partition 0 at first. */
function service(): (job: string) => Promise<void> {
  let refusals = 0;
  return async job => {
    if (job === "job 0.2" && refusals++ === 0) throw new TooManyRequests("slow down");
  };
}

for (const way of ["topic", "partitions", "function"] as const) {
  const consumer = kafka.consumer({ groupId: way, maxWaitTimeInMs: 100 });
  const work = service();
  const done: string[] = [];
  const pauses: string[] = [];
  await consumer.connect();
  await consumer.subscribe({ topics: ["jobs"], fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    void consumer.run({
      partitionsConsumedConcurrently: 2,
      eachMessage: async ({ topic, partition, message, pause }) => {
        try {
          await work(String(message.value));
          done.push(String(message.value));
          if (done.length === 6) resolve();
        } catch (error) {
          if (!(error instanceof TooManyRequests)) throw error;
          const selection = [way === "topic" ? { topic } : { topic, partitions: [partition] }];
          let resume = (): void => consumer.resume(selection);
          if (way === "function") resume = pause();
          else consumer.pause(selection);
          pauses.push(...consumer.paused().map(paused => `${paused.topic} ${paused.partitions.join()}`));
          setTimeout(resume, error.retryAfterMs);
          throw error;
        }
      },
    });
  });
  await consumer.disconnect();
  const inOrder = [0, 1].map(partition => done.filter(job => job.startsWith(`job ${partition}`)).join(", "));
  console.log(way, "|", pauses.join(), "|", inOrder.join("; "));
}
