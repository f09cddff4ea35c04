import { apiOf, errorOf } from "@samsa/protocol";
import { expect, test } from "vitest";
import { SamsaProcess } from "../src/processes/broker-process.ts";
import { KafkaProcess } from "../src/processes/kafka-process.ts";
import { newTopic, QUESTIONS, type Question, STANDING } from "../src/differential/questions.ts";
import { connect } from "../src/differential/connection.ts";
import { findJava } from "../src/processes/runtimes.ts";
import { need } from "./scenarios.ts";

/** Fields that depend on the machine and the time. */
const OWN = new Set([
  "topicId",
  "clusterId",
  "port",
  "highWatermark",
  "leaderEpoch",
  "logEndOffset",
  "lastFetchTimestamp",
  "lastCaughtUpTimestamp",
  "replicaDirectoryId",
  // A single Samsa node opens no controller listener.
  "listeners",
]);
/** Fields with unordered lists. */
const UNORDERED = new Set(["configs", "configResources"]);

const text = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? String(part) : part));

/** Removes the fields of `OWN` and settings that are not in `known`, and sorts unordered lists. */
function essence(value: unknown, known: ReadonlySet<string>): unknown {
  if (Array.isArray(value)) return value.map(part => essence(part, known));
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
  const found: Record<string, unknown> = {};
  for (const [name, part] of Object.entries(value)) {
    if (OWN.has(name)) continue;
    const inner = essence(part, known);
    if (!Array.isArray(inner) || !UNORDERED.has(name)) found[name] = inner;
    else {
      const named = (entry: unknown): string => (entry as { name?: string }).name ?? "";
      const entries = name === "configs" ? inner.filter(entry => known.has(named(entry))) : inner;
      found[name] = entries.map(text).sort();
    }
  }
  return found;
}

const DEFAULT_SENTENCES: Readonly<Record<number, string>> = {
  3: "This server does not host this topic-partition.",
  42:
    "This most likely occurs because of a request being malformed by the client library or the message was sent to an " +
    "incompatible broker. See the broker logs for more details.",
  84: "Leader election not needed for topic partition.",
  100: "This server does not host this topic ID.",
};

/** Replaces Kafka's default messages of error codes by ours. */
function inOurWords(answer: string): string {
  let words = answer;
  for (const [code, sentence] of Object.entries(DEFAULT_SENTENCES)) {
    words = words.replaceAll(text(sentence), text(errorOf(Number(code)).message));
  }
  return words;
}

/** Names of the settings in our answer. Only these are compared. */
function settingsIn(answer: object): Set<string> {
  return new Set([...text(answer).matchAll(/"name":"([a-z.]+)"/g)].map(([, name]) => name));
}

const told = ({ key, version, body }: Question): string => `${apiOf(key)?.name} ${version} ${text(body)}`;

test("an administrator hears from us what Kafka would say", async context => {
  need(await findJava(), context);
  const [kafka, samsa] = await Promise.all([KafkaProcess.start("changing"), SamsaProcess.start()]);
  try {
    const clients = await Promise.all([kafka, samsa].map(({ server }) => connect(server)));
    for (const client of clients) {
      const topics = STANDING.map(name => newTopic(name));
      await client.ask("CreateTopics", 7, { topics, timeoutMs: 5000 });
      const known = { topics: STANDING.map(name => ({ name })), allowAutoTopicCreation: false };
      // Kafka's metadata lists a topic a moment after its creation.
      await expect.poll(async () => text(await client.ask("Metadata", 9, known))).not.toMatch(/"errorCode":[^0]/);
    }
    const different: string[] = [];
    for (const question of QUESTIONS) {
      const { key, version, body } = question;
      const [theirs, ours] = await Promise.all(clients.map(client => client.ask(key, version, body)));
      const known = settingsIn(ours);
      const [theirEssence, ourEssence] = [theirs, ours].map(answer => text(essence(answer, known)));
      const expected = inOurWords(theirEssence);
      if (ourEssence !== expected) different.push(`${told(question)}\n  theirs ${expected}\n  ours   ${ourEssence}`);
    }
    expect(QUESTIONS.length).toBeGreaterThan(300);
    expect(different).toEqual([]);
    for (const client of clients) client.close();
  } finally {
    await Promise.all([kafka.dispose(), samsa.dispose()]);
  }
});
