/** Errors of handlers, of topics that there are not, and of brokers that cannot be reached. */
import {
  Kafka,
  KafkaJSConnectionError,
  KafkaJSNonRetriableError,
  KafkaJSNumberOfRetriesExceeded,
  KafkaJSProtocolError,
  logLevel,
} from "@samsa/kafkajs";

const brokers = (process.env["KAFKA_BROKERS"] ?? "").split(",");
const retry = { initialRetryTime: 20, retries: 2, factor: 0 };
const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING, retry });

/** Error, and what is behind it. */
async function told(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
    console.log("no error");
  } catch (error) {
    if (error instanceof KafkaJSNumberOfRetriesExceeded) {
      const { cause, retryCount } = error;
      const isConnection = cause instanceof KafkaJSConnectionError;
      console.log(error.name, retryCount, isConnection, cause instanceof KafkaJSProtocolError ? cause.type : "");
    } else if (error instanceof KafkaJSProtocolError) console.log(error.name, error.type, error.code, error.retriable);
    else if (error instanceof KafkaJSNonRetriableError) console.log(error.name, error.message);
    else throw error;
  }
}

const producer = kafka.producer({ allowAutoTopicCreation: false });
await producer.connect();
await told(() => producer.send({ topic: "nowhere", messages: [{ value: "lost" }] }));
await told(() => producer.send({ topic: "", messages: [{ value: "lost" }] }));
await told(() => producer.transaction());
await told(() => new Kafka({ brokers: ["127.0.0.1:1"], logLevel: logLevel.NOTHING, retry }).producer().connect());
await producer.disconnect();

// A handler that fails too often crashes the consumer, which starts again.
const filler = kafka.producer();
await filler.connect();
await filler.send({ topic: "jobs", messages: [{ value: "job" }] });
await filler.disconnect();
const asked: string[] = [];
const consumer = kafka.consumer({
  groupId: "crashing",
  maxWaitTimeInMs: 100,
  retry: {
    ...retry,
    restartOnFailure: async error => {
      asked.push(error.message);
      return true;
    },
  },
});
consumer.on(consumer.events.CRASH, ({ payload: { error, groupId, restart } }) => {
  console.log("crash", error.name, error.message, groupId, restart);
});
await consumer.connect();
await consumer.subscribe({ topics: ["jobs"], fromBeginning: true });
let calls = 0;
await new Promise<void>(resolve => {
  void consumer.run({
    eachMessage: async ({ message }) => {
      if (++calls <= 3) throw new Error(`attempt ${calls}`);
      console.log(String(message.value), "after", calls, "calls");
      resolve();
    },
  });
});
console.log("asked", asked.join());
await consumer.disconnect();
