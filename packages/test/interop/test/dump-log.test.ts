import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SamsaProcess } from "../src/processes/broker-process.ts";
import { run } from "../src/processes/child.ts";
import { CODECS } from "../src/judges/codecs.ts";
import { KafkajsJudge } from "../src/judges/kafkajs-judge.ts";
import { findJava, type Java } from "../src/processes/runtimes.ts";
import { need, surviveCrashes, topicName } from "./scenarios.ts";

/** Complaints of DumpLogSegments about a file. The tool exits with 0 nevertheless. */
const COMPLAINTS =
  /found \d+ invalid|mismatch|Non-consecutive|Non-monotonic|out of order|not found in|corrupt|unexpected|Exception|isvalid: false|(is|was|are) invalid/i;

class Directory {
  readonly #java: Java;
  readonly #root: string;

  constructor(java: Java, root: string) {
    this.#java = java;
    this.#root = root;
  }

  /** Files with one of the `endings` in partition directories that begin with `prefix`, including empty logs. */
  files(prefix: string, endings: readonly string[]): string[] {
    return readdirSync(this.#root, { withFileTypes: true })
      .filter(entry => entry.isDirectory() && entry.name.startsWith(prefix))
      .flatMap(({ name }) => readdirSync(join(this.#root, name)).map(file => join(this.#root, name, file)))
      .filter(file => endings.some(ending => file.endsWith(ending)))
      .sort();
  }

  /** Reads the files with DumpLogSegments; fails on every complaint. */
  async dump(files: readonly string[], ...flags: readonly string[]): Promise<string[]> {
    expect(files, flags.join(" ")).not.toEqual([]);
    const { command, args } = this.#java(
      "org.apache.kafka.tools.DumpLogSegments",
      "--files",
      files.join(","),
      ...flags,
    );
    const lines = await run(command, args);
    expect(
      lines
        .filter(line => COMPLAINTS.test(line))
        .slice(0, 5)
        .map(line => line.slice(0, 300)),
      flags.join(" "),
    ).toEqual([]);
    return lines;
  }
}

/** Writes a topic of several segments, with all codecs. */
async function writeSegments(judge: KafkajsJudge): Promise<{ topic: string; count: number }> {
  const topic = topicName();
  await judge.createTopic(topic, 1, { "segment.bytes": String(1024 * 1024) });
  let count = 0;
  for (let round = 0; round < 8; round++) {
    for (const codec of CODECS) {
      const noise = Array.from({ length: 4 }, (_, index) => ({
        partition: 0,
        key: `${round}-${index}`,
        value: crypto.getRandomValues(Buffer.alloc(24 * 1024)).toString("hex"),
        headers: { codec },
      }));
      await judge.produce(topic, codec, noise);
      count += noise.length;
    }
  }
  return { topic, count };
}

function payloads(lines: readonly string[]): number {
  return lines.filter(line => line.startsWith("| offset:")).length;
}

test("Kafka's DumpLogSegments reads every file of ours", async context => {
  const java = need(await findJava(), context);
  const broker = await SamsaProcess.start(undefined, ["offsets.topic.compression.codec=4"]);
  try {
    const judge = new KafkajsJudge(broker.server);
    const { topic, count } = await writeSegments(judge);
    const crashed = await surviveCrashes(broker, judge);
    const total = await judge.total(crashed);
    await broker.stop();
    const directory = new Directory(java, broker.directory);

    const segments = directory.files(`${topic}-0`, [".log"]);
    expect(segments.length).toBeGreaterThan(2);
    expect(payloads(await directory.dump(segments, "--deep-iteration", "--print-data-log"))).toBe(count);
    const logs = directory.files(crashed, [".log"]);
    expect(payloads(await directory.dump(logs, "--deep-iteration", "--print-data-log"))).toBe(total);

    const indexes = directory.files("interop-", [".index", ".timeindex"]);
    await directory.dump(indexes, "--index-sanity-check");
    await directory.dump(indexes);

    const snapshots = directory.files(crashed, [".snapshot"]);
    const producers = await directory.dump(snapshots);
    expect(producers.some(line => /producerId: \d+ producerEpoch: \d+/.test(line))).toBe(true);

    const offsets = directory.files("__consumer_offsets-", [".log"]);
    const committed = (await directory.dump(offsets, "--offsets-decoder")).join("\n");
    expect(committed).toMatch(/ compresscodec: zstd /i);
    expect(committed).toContain(`"group":"${crashed}-group"`);
    expect(committed).toContain(`"topic":"${crashed}"`);

    const metadata = directory.files("__cluster_metadata-0", [".log", ".checkpoint"]);
    const records = (await directory.dump(metadata, "--cluster-metadata-decoder")).join("\n");
    expect(records).toContain(`"name":"${crashed}"`);
    expect(records).not.toContain("Error parsing");
  } catch (error) {
    console.error(`the broker said:\n${broker.log()}`);
    throw error;
  } finally {
    await broker.dispose();
  }
});
