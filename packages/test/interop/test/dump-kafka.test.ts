import { expect, test } from "vitest";
import { run } from "../src/processes/child.ts";
import { CODECS } from "../src/judges/codecs.ts";
import { KafkaProcess } from "../src/processes/kafka-process.ts";
import { KafkajsJudge } from "../src/judges/kafkajs-judge.ts";
import { findJava, findSamsa } from "../src/processes/runtimes.ts";
import { need, topicName } from "./scenarios.ts";

interface Line {
  readonly kind: string;
  readonly file: string;
  readonly codec?: string;
  readonly damage?: boolean;
  readonly data?: { readonly type: string; readonly key?: { readonly group: string } };
}

test("samsa reads every file of an Apache Kafka that runs, and of one that has stopped", async context => {
  need(await findJava(), context);
  const samsa = await findSamsa();
  const say = (...args: readonly string[]): Promise<string[]> => run(samsa.command, [...samsa.args, ...args]);
  const kafka = await KafkaProcess.start("changing");
  try {
    const judge = new KafkajsJudge(kafka.server);
    const topic = topicName();
    await judge.createTopic(topic, 1);
    for (const codec of CODECS) {
      const records = Array.from({ length: 20 }, (_, i) => ({
        partition: 0,
        key: `${i}`,
        value: "v".repeat(1000),
        headers: {},
      }));
      await judge.produce(topic, codec, records);
    }
    await judge.consume(topic, "dumped", CODECS.length * 20);

    const check = async (): Promise<void> => {
      const all = await say("log", "dump", kafka.directory, "--records", "--check", "--json");
      const lines = all.filter(line => line !== "").map(line => JSON.parse(line) as Line);
      expect(lines.filter(({ damage }) => damage === true)).toEqual([]);
      const own = lines.filter(({ file }) => file.includes(`/${topic}-0/`));
      expect(new Set(own.flatMap(({ codec }) => codec ?? []))).toEqual(new Set(CODECS));
      expect(own.filter(({ kind }) => kind === "record")).toHaveLength(CODECS.length * 20);
      const types = lines.flatMap(({ data }) => data?.type ?? []);
      expect(types).toEqual(
        expect.arrayContaining(["TopicRecord", "RegisterBrokerRecord", "GroupMetadata", "OffsetCommit"]),
      );
      expect(lines.some(line => "undecoded" in line)).toBe(false);
      expect(await say("metadata", kafka.directory, "ls", "/image/topics/byName")).toContain(topic);
      expect((await say("metadata", kafka.directory, "cat", "/image/features/metadataVersion")).join("")).toMatch(
        /^4\.\d-IV\d$/,
      );
    };
    await check();
    await kafka.stop();
    await check();
  } catch (error) {
    console.error(`the broker said:\n${kafka.log()}`);
    throw error;
  } finally {
    await kafka.dispose();
  }
});
