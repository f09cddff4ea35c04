import { javaStringHash } from "@samsa/base";
import { expect, test } from "vitest";
import type { BrokerProcess } from "../src/processes/broker.ts";
import { SamsaProcess } from "../src/processes/broker-process.ts";
import { CODECS } from "../src/judges/codecs.ts";
import type { Read } from "../src/judges/judge.ts";
import { KafkajsJudge } from "../src/judges/kafkajs-judge.ts";
import { KafkaProcess } from "../src/processes/kafka-process.ts";
import { findJava } from "../src/processes/runtimes.ts";
import { expectResumed, need, topicName } from "./scenarios.ts";

const TOPIC = topicName();
/** Group with a negative hash, of which Kafka drops the sign. */
const GROUP =
  Array.from({ length: 100 }, (_, i) => `group-${i}-of-${TOPIC}`).find(name => javaStringHash(name) < 0) ?? "";
const EACH = 30;

async function write(server: string, round: string): Promise<void> {
  const judge = new KafkajsJudge(server);
  for (const codec of CODECS) {
    const records = Array.from({ length: EACH }, (_, index) => ({
      partition: index % 3,
      key: `${codec}-${index}`,
      value: index % 10 === 9 ? null : `${round} ${codec} ${index}`,
      headers: { round },
    }));
    await judge.produce(TOPIC, codec, records);
  }
}

let readers = 0;

/** All records of the topic, ordered by partition and offset. */
async function readAll(server: string): Promise<Read[]> {
  const judge = new KafkajsJudge(server);
  const reads = await judge.consume(TOPIC, `${TOPIC}-reader-${readers++}`, await judge.total(TOPIC));
  return reads.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset);
}

async function shown(broker: BrokerProcess, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    console.error(`the broker said:\n${broker.log()}`);
    throw error;
  } finally {
    await broker.stop();
  }
}

test.for(["fixed", "changing"] as const)(
  "a directory of Apache Kafka with %s voters is opened by our broker, and by Kafka again",
  async (voters, context) => {
    need(await findJava(), context);
    // Both must find a group in the same one of several partitions.
    const kafka = await KafkaProcess.start(voters, ["offsets.topic.num.partitions=3"]);
    try {
      let first: Read[] = [];
      let before: Read[] = [];
      await shown(kafka, async () => {
        const judge = new KafkajsJudge(kafka.server);
        await judge.createTopic(TOPIC, 3, { "retention.ms": "-1" });
        await write(kafka.server, "kafka");
        first = await judge.consume(TOPIC, GROUP, EACH);
        before = await readAll(kafka.server);
      });
      expect(before.length).toBe(EACH * CODECS.length);

      const samsa = await SamsaProcess.start(kafka.directory, voters === "fixed" ? [kafka.quorum] : []);
      let after: Read[] = [];
      let second: Read[] = [];
      try {
        await shown(samsa, async () => {
          expect(await readAll(samsa.server)).toEqual(before);
          second = await new KafkajsJudge(samsa.server).consume(TOPIC, GROUP, EACH);
          expectResumed(first, second);
          await write(samsa.server, "samsa");
          after = await readAll(samsa.server);
          expect(after.length).toBe(2 * before.length);
        });
      } finally {
        await samsa.dispose();
      }

      await kafka.start();
      await shown(kafka, async () => {
        expect(await readAll(kafka.server)).toEqual(after);
        const third = await new KafkajsJudge(kafka.server).consume(TOPIC, GROUP, EACH);
        expectResumed([...first, ...second], third);
      });
    } finally {
      await kafka.dispose();
    }
  },
);
