import { randomBytes } from "node:crypto";
import { nodeCodecs, nodeCrc32c, nodeJudge } from "@samsa/node";
import { BatchJudge, buildBatch, type JudgeRules, readRecords } from "@samsa/records";
import { afterAll, expect, test } from "vitest";

const tools = { crc32c: nodeCrc32c(), codecs: nodeCodecs() };
const judge = nodeJudge(2);
const NOW = 1_700_000_000_000;
const rules: JudgeRules = {
  validation: {
    origin: "client",
    maxMessageBytes: 1 << 24,
    segmentBytes: 1 << 30,
    timestampType: "CreateTime",
    beforeMaxMs: Infinity,
    afterMaxMs: Infinity,
    compacted: false,
    allowZstd: true,
    codec: "producer",
  },
  compression: "producer",
};

afterAll(() => judge.close());

function batch(count: number, codec: 0 | 1 | 2 | 3 | 4): Uint8Array {
  const records = Array.from({ length: count }, (_, i) => ({
    timestamp: NOW + i,
    key: null,
    value: new TextEncoder().encode(`value number ${i}`),
  }));
  return buildBatch(
    records,
    { compression: { codec, level: -1 }, producerId: 7n, producerEpoch: 1, baseSequence: 0 },
    tools,
  ).slice();
}

test("another thread finds what this one finds", async () => {
  for (const codec of [0, 1, 2, 3, 4] as const) {
    const bytes = batch(1000, codec);
    const here = new BatchJudge(tools).judge(bytes, rules, NOW);
    expect(here.validation).toMatchObject({ error: 0, count: 1000, producerId: 7n });
    expect(await judge.judge(bytes.slice(), rules, NOW)).toEqual(here);
  }
});

test("a batch comes back in the codec that the log wants", async () => {
  const wanted: JudgeRules = {
    validation: { ...rules.validation, codec: 4 },
    compression: { codec: 4, level: 3 },
  };
  const { validation, bytes } = await judge.judge(batch(500, 1), wanted, NOW);
  expect(validation.error).toBe(0);
  expect(bytes[22] & 7).toBe(4);
  expect(readRecords(bytes, tools).map(({ timestamp }) => Number(timestamp) - NOW)).toEqual([...Array(500).keys()]);
});

test("many at once all get their own answer; a bad one gets the error", async () => {
  const sizes = [1, 300, 20, 5000, 7, 100];
  const answers = await Promise.all(sizes.map(size => judge.judge(batch(size, 4), rules, NOW)));
  expect(answers.map(({ validation }) => validation.count)).toEqual(sizes);
  const broken = batch(100, 1);
  broken[80] ^= 1;
  expect((await judge.judge(broken, rules, NOW)).validation.error).toBe(2);
});

test("what is under way when it closes is rejected, and it works again after", async () => {
  const other = nodeJudge(1);
  const asked = other.judge(batch(50_000, 1), rules, NOW);
  const outcome = asked.then(
    () => "answered",
    (error: Error) => error.message,
  );
  await other.close();
  expect(["answered", "the thread has ended"]).toContain(await outcome);
  expect((await other.judge(batch(3, 1), rules, NOW)).validation.count).toBe(3);
  await other.close();
});

test("small and plain batches are judged at once, large compressed ones and conversions elsewhere", () => {
  const plain = batch(10_000, 0);
  const random = new Uint8Array(randomBytes(100_000));
  const large = buildBatch(
    [{ timestamp: NOW, key: null, value: random }],
    { compression: { codec: 1, level: -1 } },
    tools,
  );
  expect(judge.wants(plain, rules)).toBe(false);
  expect(judge.wants(batch(10, 1), rules)).toBe(false);
  expect(large.length > 65_536 && judge.wants(large, rules)).toBe(true);
  expect(judge.wants(plain, { ...rules, compression: { codec: 3, level: -1 } })).toBe(true);
});
