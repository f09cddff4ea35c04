/**
 * Programs as KafkaJS's documentation has them, which print what they see: first with this package, then with KafkaJS
 * itself, with only the import changed.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCluster } from "@samsa/testkit";
import { afterAll, expect, test } from "vitest";

const EXAMPLES = join(import.meta.dirname, "examples");
const ROOT = join(import.meta.dirname, "../../../..");
const folder = mkdtempSync(join(tmpdir(), "samsa-kafkajs-examples-"));
symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Lines that each program prints. */
const PRINTED: Readonly<Record<string, readonly string[]>> = {
  "admin.ts": [
    "created true again false",
    "topics true",
    "[ 'custom-topic 0,1,2' ]",
    "[ '0: 3 3 0', '1: 0 0 0', '2: 0 0 0' ]",
    "at 1500 1",
    "set [ '2', '-1', '-1' ]",
    "reset to the beginning [ '-2', '-2', '-2' ]",
    "groups 1",
    "0 Empty 0",
    "[ { groupId: 'my-consumer-group', errorCode: 0 } ]",
    "KafkaJSDeleteGroupsError b,my-consumer-group",
    "[ 'cleanup.policy=delete false' ]",
    "validated [ 'cleanup.policy=delete false' ]",
    "altered [ 'cleanup.policy=compact false' ]",
    "low 2",
    "Error while deleting records true",
    "[ 1 ] 1 string",
    "under way []",
    "topics false",
  ],
  "batches.ts": [
    "processed 0 a",
    "processed 1 b",
    "uncommitted 2",
    "processed 2 c",
    "processed 3 d",
    "uncommitted 4",
    "processed 4 e",
    "uncommitted 5",
    "committed 0: 5",
    "batch 5 0 4",
    "commits 2,4,5",
    "committed 0: 5",
  ],
  "classes.ts": ["[ 'orders-0@0' ]", "orders[0 | 0] 1 tea", "orders[0 | 1] 2 milk", "orders 0 0 1 2"],
  "consumer.ts": [
    "- topic-test[0 | 0] key1#hello world correlation-id=1 system=mine",
    "- topic-test[0 | 1] key2#hey hey!",
    "1700000000000 0",
    "- topic-test[0 | 2] null#null",
    "disconnected",
  ],
  "failures.ts": [
    "KafkaJSNumberOfRetriesExceeded 2 false UNKNOWN_TOPIC_OR_PARTITION",
    "KafkaJSNonRetriableError Invalid topic",
    "KafkaJSNonRetriableError Must provide transactional id for transactional producer",
    "KafkaJSNumberOfRetriesExceeded 2 true",
    "crash KafkaJSNumberOfRetriesExceeded attempt 3 crashing true",
    "job after 4 calls",
    "asked attempt 3",
  ],
  "observing.ts": [
    "Produce 0 observer true true",
    "joined events true true { events: [ 0 ] }",
    "message a",
    "heartbeats 2",
    "requests of the admin true true",
    [
      ...["commit_offsets", "connect", "end_batch_process", "fetch", "fetch_start", "group_join"],
      ...["start_batch_process", "stop"],
    ]
      .map(event => `consumer.${event}`)
      .concat("producer.connect", "producer.disconnect")
      .join(" "),
  ],
  "partitioner.ts": [
    "byRank a0 a1 a2 b2 c1 ends 1,2,1",
    "DefaultPartitioner a0 a1 a2 b2 c1 ends 3,3,2",
    "LegacyPartitioner a0 a1 b2 c2 ends 5,5,2",
    "JavaCompatiblePartitioner a0 a1 a2 b2 c1 ends 7,6,3",
  ],
  "producer.ts": [
    "green info sent #0 count 10 topicName topic-test errorCode 0 baseOffset 0",
    "green info sent #1 count 20 topicName topic-test errorCode 0 baseOffset 10",
    "green info sent #2 count 30 topicName topic-test errorCode 0 baseOffset 30",
    "yellow warn [example/producer] disconnecting signal SIGTERM",
    "bye",
  ],
  "seeking.ts": [
    "other 3, other 4",
    "3 by hand",
    [1, 2, 3, 4]
      .map(i => `example-US ${i}`)
      .join(", ")
      .concat(", ", [1, 2, 3, 4].map(i => `example-eu ${i}`).join(", ")),
  ],
  "throttled.ts": [
    "topic | jobs 0,1 | job 0.1, job 0.2, job 0.3; job 1.1, job 1.2, job 1.3",
    "partitions | jobs 0 | job 0.1, job 0.2, job 0.3; job 1.1, job 1.2, job 1.3",
    "function | jobs 0 | job 0.1, job 0.2, job 0.3; job 1.1, job 1.2, job 1.3",
  ],
  "transactions.ts": [
    "idempotent true",
    "active false false",
    "KafkaJSNonRetriableError",
    "bill for tea",
    "bill for milk",
    "bill for bread",
    "billed up to 5 of 6",
  ],
};

/** The program with an import of KafkaJS, which is a CommonJS module. */
function original(code: string): string {
  return code.replace(
    /import \{(.*?)\} from "@samsa\/kafkajs";/s,
    (_, names: string) => `import kafkajs from "kafkajs";\nconst {${names.replaceAll(/type \w+,?/g, "")}} = kafkajs;`,
  );
}

/** Runs a program with a cluster of its own. Returns the lines that it prints. */
async function run(file: string, code: string): Promise<string[]> {
  await using cluster = await startCluster();
  const path = join(folder, file);
  writeFileSync(path, code);
  const env = { ...process.env, KAFKA_BROKERS: cluster.bootstrapServers, KAFKAJS_NO_PARTITIONER_WARNING: "1" };
  const printed = await new Promise<string>(resolve => {
    execFile(process.execPath, [path], { env, timeout: 60_000 }, (error, stdout, stderr) =>
      resolve(`${stdout}${error === null ? "" : `${stderr}${error.message}`}`),
    );
  });
  return printed
    .trimEnd()
    .split("\n")
    .map(line => line.trimEnd());
}

test("all programs are run", () => {
  expect(readdirSync(EXAMPLES).sort()).toEqual(Object.keys(PRINTED));
});

test.each(Object.entries(PRINTED))("%s prints the same here and with KafkaJS", async (file, lines) => {
  const code = readFileSync(join(EXAMPLES, file), "utf8");
  expect(await run(`samsa-${file}`, code)).toEqual(lines);
  expect(await run(`original-${file}`, original(code))).toEqual(lines);
});
