/** Sends compressed batches, with a logger of its own, until a signal ends it. */
import { CompressionTypes, Kafka, type LogEntry, logLevel } from "@samsa/kafkajs";

const colors = { [logLevel.INFO]: "green", [logLevel.WARN]: "yellow", [logLevel.ERROR]: "red" };
/** Prints the lines of this program; what clients have to say has a namespace. */
const colored =
  (limit: logLevel) =>
  ({ namespace, level, label, log: { message, ...extra } }: LogEntry): void => {
    if (level > limit || namespace) return;
    const facts = Object.entries(extra).filter(([name]) => name !== "timestamp" && name !== "logger");
    console.log(colors[level as keyof typeof colors], label.toLowerCase(), message, ...facts.flat());
  };

const kafka = new Kafka({
  clientId: "example-producer",
  brokers: (process.env["KAFKA_BROKERS"] ?? "").split(","),
  logLevel: logLevel.INFO,
  logCreator: colored,
});
const producer = kafka.producer();
let timer: NodeJS.Timeout | undefined;
let requests = 0;

async function send(): Promise<void> {
  const request = requests++;
  const messages = Array.from({ length: 10 * (request + 1) }, (_, i) => ({
    key: `key ${i}`,
    value: `value ${i} of ${request}`.repeat(10),
    headers: { "correlation-id": `${request}-${i}` },
  }));
  await producer
    .send({ topic: "topic-test", compression: CompressionTypes.GZIP, messages })
    .then(response => {
      const [{ topicName, errorCode, baseOffset }] = response;
      kafka.logger().info(`sent #${request}`, { count: messages.length, topicName, errorCode, baseOffset });
    })
    .catch((error: Error) => kafka.logger().error(`[example/producer] ${error.message}`, { stack: error.stack }));
  if (request < 2) timer = setTimeout(() => void send(), 50);
  else process.kill(process.pid, "SIGTERM");
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    clearTimeout(timer);
    kafka.logger().warn("[example/producer] disconnecting", { signal });
    kafka.logger().setLogLevel(logLevel.ERROR);
    kafka.logger().warn("too quiet to be heard");
    void producer.disconnect().then(() => console.log("bye"));
  });
}
await producer.connect();
await send();
