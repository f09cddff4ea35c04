/** Ways of connecting with @platformatic/kafka; its argument is a file of cases (`./secured-case.ts`). */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  Admin,
  Consumer,
  Producer,
  type SASLOptions,
  stringDeserializers,
  stringSerializers,
} from "@platformatic/kafka";
import type { SecuredCase } from "./secured-case.ts";
import { check, refused, tellVersion } from "./walk.ts";

const [, , file = ""] = process.argv;

function textOf(path: string): string {
  return readFileSync(path, "utf8");
}

function saslOf({ mechanism, username, password, token }: SecuredCase): SASLOptions | undefined {
  if (mechanism === undefined) return undefined;
  const own = token === undefined ? { username: username ?? "", password: password ?? "" } : { token };
  return { mechanism: mechanism as SASLOptions["mechanism"], ...own };
}

function optionsOf(way: SecuredCase) {
  const sasl = saslOf(way);
  const tls = {
    ...(way.ca === undefined ? {} : { ca: textOf(way.ca) }),
    ...(way.cert === undefined ? {} : { cert: textOf(way.cert) }),
    ...(way.key === undefined ? {} : { key: textOf(way.key) }),
  };
  return {
    ...{ clientId: "walk", bootstrapBrokers: [way.server], retries: 2, retryDelay: 100 },
    ...(way.tls ? { tls } : {}),
    ...(sasl === undefined ? {} : { sasl }),
  };
}

/** Sends a record and reads it. */
async function exchange(way: SecuredCase): Promise<void> {
  const options = optionsOf(way);
  const value = randomUUID();
  const producer = new Producer({ ...options, serializers: stringSerializers, autocreateTopics: false });
  try {
    await producer.send({ messages: [{ topic: way.topic, value }], acks: -1 });
  } finally {
    await producer.close();
  }
  const consumer = new Consumer({ ...options, groupId: `platformatic-${value}`, deserializers: stringDeserializers });
  try {
    const stream = await consumer.consume({ topics: [way.topic], mode: "earliest", maxWaitTime: 200 });
    for await (const message of stream) if (message.value === value) break;
  } finally {
    await consumer.close(true);
  }
}

async function asks(way: SecuredCase): Promise<void> {
  const admin = new Admin(optionsOf(way));
  try {
    await admin.listTopics();
  } finally {
    await admin.close();
  }
}

const CLOSED = /connection closed/i;
/** After the refusal, the client sends another request, which brokers answer or not before they close the connection. */
const WRONG_TOKEN = /connection closed|not valid given the current SASL state/i;
const WRONG_PASSWORD = /authentication failed/i;
const TLS = /unable to (?:verify|get)|self.signed|certificate|ssl\/tls alert/i;

/** Words of a refusal. The client tells of a certificate that it lacks as of a connection that is closed. */
function wordsOf({ refused: part, token, ca }: SecuredCase): RegExp {
  if (part === "credentials") return token === undefined ? WRONG_PASSWORD : WRONG_TOKEN;
  return ca === undefined ? TLS : CLOSED;
}

const entry = dirname(fileURLToPath(import.meta.resolve("@platformatic/kafka")));
tellVersion((JSON.parse(textOf(join(entry, "../package.json"))) as { version: string }).version);
for (const way of JSON.parse(textOf(file)) as readonly SecuredCase[]) {
  await check(way.name, () => (way.refused === undefined ? exchange(way) : refused(wordsOf(way), () => asks(way))));
}
process.exit();
