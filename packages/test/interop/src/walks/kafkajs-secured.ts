/** Ways of connecting with KafkaJS; its argument is a file of cases (`./secured-case.ts`). */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { ConnectionOptions } from "node:tls";
import kafkajs, { type SASLOptions } from "kafkajs";
import type { SecuredCase } from "./secured-case.ts";
import { check, refused, tellVersion } from "./walk.ts";

const { Kafka, logLevel } = kafkajs;
const [, , file = ""] = process.argv;

function textOf(path: string): string {
  return readFileSync(path, "utf8");
}

function saslOf({ mechanism = "", username = "", password = "", token }: SecuredCase): SASLOptions | undefined {
  if (token !== undefined) return { mechanism: "oauthbearer", oauthBearerProvider: async () => ({ value: token }) };
  const name = mechanism.toLowerCase();
  const known = ["plain", "scram-sha-256", "scram-sha-512"] as const;
  const found = known.find(one => one === name);
  return found === undefined ? undefined : { mechanism: found as "plain", username, password };
}

function clientOf(way: SecuredCase) {
  const ssl: ConnectionOptions = {
    ...(way.ca === undefined ? {} : { ca: textOf(way.ca) }),
    ...(way.cert === undefined ? {} : { cert: textOf(way.cert) }),
    ...(way.key === undefined ? {} : { key: textOf(way.key) }),
  };
  const sasl = saslOf(way);
  // By default, KafkaJS renews a session of a few seconds before each request, which Kafka refuses, too.
  const reauthenticationThreshold = 500;
  return new Kafka({
    brokers: [way.server],
    logLevel: logLevel.NOTHING,
    reauthenticationThreshold,
    retry: { initialRetryTime: 50, retries: 2 },
    ...(way.tls ? { ssl } : {}),
    ...(sasl === undefined ? {} : { sasl }),
  });
}

/** Sends a record and reads it. */
async function exchange(way: SecuredCase): Promise<void> {
  const kafka = clientOf(way);
  const value = randomUUID();
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: way.topic, messages: [{ value }] });
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: `kafkajs ${value}`, maxWaitTimeInMs: 200 });
  await consumer.connect();
  await consumer.subscribe({ topic: way.topic, fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    const eachMessage = async ({ message }: { message: { value: Buffer | null } }): Promise<void> => {
      if (message.value?.toString() === value) resolve();
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();
}

async function asks(way: SecuredCase): Promise<void> {
  const admin = clientOf(way).admin();
  try {
    await admin.connect();
    await admin.listTopics();
  } finally {
    await admin.disconnect();
  }
}

/** The client does not end the exchange after a token is refused, and so the broker closes the connection. */
const WRONG_TOKEN = /closed connection|no brokers in the broker pool/i;
const WORDS = {
  credentials: /SASL .+ authentication failed/,
  tls: /unable to (?:verify|get)|self.signed|certificate|ssl\/tls alert/i,
} as const;

tellVersion((createRequire(import.meta.url)("kafkajs/package.json") as { version: string }).version);
for (const way of JSON.parse(textOf(file)) as readonly SecuredCase[]) {
  await check(way.name, () =>
    way.refused === undefined
      ? exchange(way)
      : refused(way.token !== undefined ? WRONG_TOKEN : WORDS[way.refused], () => asks(way)),
  );
}
process.exit();
