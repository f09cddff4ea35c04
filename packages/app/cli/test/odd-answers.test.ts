import { BufferPool, ByteReader, ignored, ZERO_UUID } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { APIS, apiOf, FrameSplitter, requestHeader, requestHeaderVersion, responseFrame } from "@samsa/protocol";
import { expect, test, vi } from "vitest";
import { program } from "../src/program.ts";

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Output of a command whose requests get these answers, by the name of their API; an array has one for each request.
 * The APIs with an answer are announced. Rejects with its failure.
 */
async function said(answers: Readonly<Record<string, object | object[]>>, ...args: string[]): Promise<string> {
  const apiKeys = APIS.filter(({ name }) => name in answers).map(({ key, first, lastStable }) => ({
    ...{ apiKey: key, minVersion: first, maxVersion: lastStable },
  }));
  const listener = await nodeEnv({ logger: SILENT }).network.listen("127.0.0.1", 0, connection => {
    const frames = new FrameSplitter(1 << 20, new BufferPool());
    const answer = (frame: Uint8Array): void => {
      const reader = new ByteReader(frame);
      const [key, version] = [reader.view.getInt16(0), reader.view.getInt16(2)];
      const { correlationId } = requestHeader.decode(reader, requestHeaderVersion(key, version));
      const api = apiOf(key);
      if (api === undefined) throw new Error(`no API ${key}`);
      const told = answers[api.name];
      const next = Array.isArray(told) ? (told.shift() as object | undefined) : told;
      const body = api.name === "ApiVersions" ? { errorCode: 0, apiKeys } : (next ?? {});
      connection.write(responseFrame({ key, version, correlationId }, api.response, body));
    };
    return {
      onData: chunk => frames.push(chunk).forEach(answer),
      onDrain: ignored("answers are short"),
      onClose: ignored("the command ends the connection"),
    };
  });
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  try {
    await program().parseAsync([...args, "-b", `127.0.0.1:${listener.port}`], { from: "user" });
    return lines.join("\n");
  } finally {
    log.mockRestore();
    await listener.close();
  }
}

const topics = ["a", "b"].map(name => ({ errorCode: 0, name, topicId: ZERO_UUID, partitions: [] }));
const settings = (name: string, value: string) => ({
  errorCode: 0,
  errorMessage: null,
  resourceType: 2,
  resourceName: name,
  configs: [{ name: "retention.ms", value, readOnly: false, configSource: 1, isSensitive: false, synonyms: [] }],
});
const refusal = { ...settings("a", ""), errorCode: 29, errorMessage: "no", configs: [] };

test("the settings of topics are told apart by name, as the broker may answer in another order", async () => {
  const answers = { Metadata: { topics }, DescribeConfigs: { results: [settings("b", "2"), settings("a", "1")] } };
  const shown = JSON.parse(await said(answers, "topic", "describe", "--json")) as { name: string; configs: object }[];
  expect(shown.map(({ name, configs }) => [name, configs])).toEqual([
    ["a", { "retention.ms": "1" }],
    ["b", { "retention.ms": "2" }],
  ]);
});

test("replicas that may lead are shown with each partition, from one page after the other", async () => {
  const inSync = {
    errorCode: 0,
    leaderId: 1,
    leaderEpoch: 0,
    replicaNodes: [1, 2, 3],
    isrNodes: [1],
    offlineReplicas: [],
  };
  const partitions = [0, 1].map(partitionIndex => ({ ...inSync, partitionIndex }));
  const topic = { errorCode: 0, name: "a", topicId: ZERO_UUID };
  const answers = {
    Metadata: { topics: [{ ...topic, partitions }] },
    DescribeConfigs: { results: [settings("a", "1")] },
  };
  const page = (partitionIndex: number, lists: object, nextCursor: object | null) => ({
    topics: [{ ...topic, partitions: [{ ...inSync, partitionIndex, ...lists }] }],
    nextCursor,
  });
  const pages = [
    page(0, { eligibleLeaderReplicas: [3, 2], lastKnownElr: null }, { topicName: "a", partitionIndex: 1 }),
    page(1, { eligibleLeaderReplicas: [], lastKnownElr: [1] }, null),
  ];
  const [, first, second] = (await said({ ...answers, DescribeTopicPartitions: pages }, "topic", "describe")).split(
    "\n",
  );
  expect(first).toMatch(/Partition: 0\t.*\tIsr: 1\tElr: 3,2\tLastKnownElr: $/);
  expect(second).toMatch(/Partition: 1\t.*\tIsr: 1\tElr: \tLastKnownElr: 1$/);
  expect(await said(answers, "topic", "describe"), "an older broker").toContain("\tElr: N/A\tLastKnownElr: N/A");
});

test("refused settings of a topic are a failure, not a topic without settings", async () => {
  const answers = { Metadata: { topics }, DescribeConfigs: { results: [settings("b", "2"), refusal] } };
  await expect(said(answers, "topic", "describe")).rejects.toThrow("a: no (TOPIC_AUTHORIZATION_FAILED)");
});

test("an answer that leaves out what was asked is a failure", async () => {
  const results = { Metadata: { topics }, DescribeConfigs: { results: [settings("b", "2")] } };
  for (const [answers, about, ...args] of [
    [results, "the settings of topic a", "topic", "describe"],
    [{ DescribeConfigs: { results: [] } }, "topic a", "config", "describe", "--topic", "a"],
    [{ CreateTopics: { topics: [] } }, "topic a", "topic", "create", "a"],
  ] as const) {
    await expect(said(answers, ...args)).rejects.toMatchObject({
      name: "Failure",
      message: `the broker's answer leaves out ${about}`,
    });
  }
});
