import { type Int64, viewOf } from "@samsa/base";
import {
  assignOffsets,
  BatchCursor,
  BatchJudge,
  type Codec,
  CODEC_NAMES,
  defaultCompression,
  FIELD,
  RecordCursor,
  type TimestampType,
} from "@samsa/records";
import fc from "fast-check";
import { expect, test } from "vitest";
import { run } from "../src/processes/child.ts";
import { findOurJava } from "../src/processes/runtimes.ts";
import { type BatchCase, batchCase, frame, NOW, tools } from "./batch-streams.ts";
import { interopSeed } from "./seed.ts";
import { need } from "./scenarios.ts";

const CASES = 6000;

const hex = (bytes: Uint8Array | null): string => (bytes === null ? "-" : Buffer.from(bytes).toString("hex"));

/** Formats the records of all batches as `Batches.java` does; throws the errors of the reader. */
function textOf(bytes: Uint8Array): string {
  const batch = new BatchCursor(bytes);
  const record = new RecordCursor();
  let text = "";
  while (batch.next()) {
    if (batch.count < 0) throw new Error("a negative count");
    record.open(batch, tools.codecs);
    while (record.next()) {
      const parts = [`${record.offset}`, `${record.timestamp}`, hex(record.key()), hex(record.value())];
      for (const { key, value } of record.headers()) parts.push(`${hex(Buffer.from(key))}=${hex(value)}`);
      text += `${parts.join(",")};`;
    }
    if (record.trailing() !== 0) throw new Error("bytes follow the last record");
  }
  return text;
}

/** Accepted differences between the verdicts, with reasons. */
const EXPLAINED: readonly (readonly [
  why: string,
  (found: { shape: string; ours: string; theirs: string }) => boolean,
])[] = [
  [
    "Java's zstd stream forgets that a frame has begun if another one ended in the same buffer, and takes a torn one",
    ({ ours }) => / zstd frame (?:ends|reaches)/.test(ours),
  ],
  [
    "what follows a header that is not quite xerial's is read or not, as Java's buffer happens to end",
    ({ shape, ours }) => shape === "snappy, then a magic that is none" && ours.includes("snappy"),
  ],
  [
    "Kafka's writer ends with an unknown error at odd header fields and times of a batch that it compresses anew",
    ({ theirs }) => /Exception: (?:Invalid negative|Cannot write transactional)/.test(theirs),
  ],
];

const isExplained = (shape: string, ours: string, theirs: string): boolean =>
  EXPLAINED.some(([, holds]) => holds({ shape, ours, theirs }));

/** Replaces runs of U+FFFD, whose number differs for header keys with invalid UTF-8. */
const comparable = (text: string): string => text.replaceAll(/(?:efbfbd)+/g, "?");

function seeded(): number {
  return interopSeed();
}

async function askJava(lines: readonly string[], context: Parameters<typeof need>[1]): Promise<readonly string[]> {
  const program = need(await findOurJava(), context)("Batches");
  const answers = await run(program.command, program.args, { input: lines.map(line => `${line}\n`).join("") });
  expect(answers.length).toBe(lines.length);
  return answers;
}

test("what Java's consumers read we read, to the same records, and what they cannot we refuse", async context => {
  const seed = seeded();
  // Our reader ignores the body of a batch with count 0; Java's stream may read it.
  const cases = fc
    .sample(batchCase, { numRuns: CASES, seed })
    .filter(({ bytes }) => viewOf(bytes).getInt32(FIELD.count) !== 0);
  const answers = await askJava(
    cases.map(({ bytes }) => `read ${hex(bytes)}`),
    context,
  );
  console.log(`batches read: ${cases.length}, INTEROP_SEED=${seed}`);
  const faults = cases.flatMap(({ shape, bytes }, i) => {
    let ours: string;
    try {
      ours = `ok ${textOf(bytes)}`;
    } catch (error) {
      ours = `error ${error instanceof Error ? error.message : String(error)}`;
    }
    const theirs = answers[i];
    if (isExplained(shape, ours, theirs)) return [];
    const same = theirs.startsWith("ok") ? comparable(ours) === comparable(theirs) : ours.startsWith("error");
    return same ? [] : [`${shape}: ${ours.slice(0, 300)}, by Java ${theirs.slice(0, 300)} [${hex(bytes)}]`];
  });
  expect(faults.slice(0, 10), `${faults.length} faults, INTEROP_SEED=${seed}`).toEqual([]);
  const taken = answers.filter(answer => answer.startsWith("ok")).length;
  expect(taken).toBeGreaterThan(CASES / 3);
  expect(taken).toBeLessThan((CASES * 9) / 10);
});

interface JudgeCase {
  readonly batch: BatchCase;
  readonly frame: (bytes: Uint8Array) => Uint8Array;
  readonly codec: Codec | "producer";
  readonly timestampType: TimestampType;
  readonly compacted: boolean;
  readonly beforeMaxMs: bigint;
  readonly afterMaxMs: bigint;
}

const FOR_EVER = 2n ** 63n - 1n;
const judgeCase: fc.Arbitrary<JudgeCase> = fc.record({
  batch: batchCase,
  frame,
  codec: fc.constantFrom<Codec | "producer">("producer", "producer", "producer", 0, 1, 2, 3, 4),
  timestampType: fc.constantFrom("CreateTime", "CreateTime", "LogAppendTime"),
  compacted: fc.constantFrom(false, false, true),
  beforeMaxMs: fc.constantFrom(FOR_EVER, FOR_EVER, 3_600_000n, 0n),
  afterMaxMs: fc.constantFrom(FOR_EVER, FOR_EVER, 3_600_000n, 0n),
});

/** Our verdict in the format of Java's: the error code and the records at fault, or the batch as stored. */
function judged(one: JudgeCase, bytes: Uint8Array): { readonly text: string; readonly stored: Uint8Array } {
  const { codec, timestampType, compacted } = one;
  const validation = {
    origin: "client" as const,
    maxMessageBytes: 1 << 24,
    segmentBytes: 1 << 30,
    timestampType,
    beforeMaxMs: Number(one.beforeMaxMs),
    afterMaxMs: Number(one.afterMaxMs),
    compacted,
    allowZstd: true,
    codec,
  };
  const compression = codec === "producer" ? codec : defaultCompression(codec);
  const { validation: found, bytes: own } = new BatchJudge(tools).judge(
    bytes.slice(),
    { validation, compression },
    NOW,
  );
  if (found.error !== 0) {
    return {
      text: `error ${found.error} ${found.faults.map(({ index }) => index).join(",")} ${found.message}`,
      stored: own,
    };
  }
  const stored = own.slice();
  const batch = new BatchCursor(stored);
  batch.next();
  const { maxTimestamp } = found;
  assignOffsets(batch, { baseOffset: 1000, leaderEpoch: 7, maxTimestamp, timestampType }, tools.crc32c);
  return { text: `ok ${maxTimestamp} ${hex(stored)} ${textOf(stored)}`, stored };
}

/** Header fields that do not depend on the compressed size. */
function fields(bytes: Uint8Array): readonly (Int64 | string)[] {
  const batch = new BatchCursor(bytes);
  batch.next();
  const view = viewOf(bytes);
  const { baseOffset, leaderEpoch, attributes, lastOffsetDelta, maxTimestamp, count, producerEpoch, baseSequence } =
    batch;
  const id = view.getBigInt64(FIELD.producerId);
  return [baseOffset, leaderEpoch, attributes, lastOffsetDelta, maxTimestamp, count, producerEpoch, baseSequence, id];
}

/** UNKNOWN_SERVER_ERROR, Kafka's answer to an unknown codec or an exception in a codec. */
const UNKNOWN = "-1";
const INVALID_RECORD = "87";

function difference(one: JudgeCase, bytes: Uint8Array, theirs: string): string | undefined {
  const { text, stored } = judged(one, bytes);
  if (isExplained(one.batch.shape, text, theirs)) return undefined;
  const [verdict, second, third, ...rest] = theirs.split(" ");
  const [ourVerdict, ourSecond, ourThird] = text.split(" ");
  if (verdict === "error") {
    const code = second === UNKNOWN ? INVALID_RECORD : second;
    return ourVerdict === "error" && ourSecond === code && ourThird === third ? undefined : text;
  }
  if (ourVerdict !== "ok") return text;
  const theirBytes = Uint8Array.from(Buffer.from(third, "hex"));
  const alike =
    ourSecond === second &&
    JSON.stringify(fields(stored), String) === JSON.stringify(fields(theirBytes), String) &&
    comparable(textOf(stored)) === comparable(rest.join(" "));
  return alike ? undefined : text;
}

test("a leader judges and stores batches as Kafka's does", async context => {
  const seed = seeded();
  const cases = fc.sample(judgeCase, { numRuns: CASES, seed });
  const sent = cases.map(one => one.frame(one.batch.bytes));
  const lines = cases.map(({ codec, timestampType, compacted, beforeMaxMs, afterMaxMs }, i) =>
    ["judge", codec, timestampType, compacted, beforeMaxMs, afterMaxMs, NOW, hex(sent[i])].join(" "),
  );
  const answers = await askJava(lines, context);
  console.log(`batches judged: ${cases.length}, INTEROP_SEED=${seed}`);
  const faults = cases.flatMap((one, i) => {
    const ours = difference(one, sent[i], answers[i]);
    const how = `${one.batch.shape} to ${one.codec === "producer" ? "producer" : CODEC_NAMES[one.codec]}, ${one.timestampType}`;
    return ours === undefined
      ? []
      : [`${how}: ${ours.slice(0, 300)}, by Java ${answers[i].slice(0, 300)} [${lines[i]}]`];
  });
  expect(faults.slice(0, 10), `${faults.length} faults, INTEROP_SEED=${seed}`).toEqual([]);
  for (const code of ["ok", "error 2", "error 32", "error 87"]) {
    expect(answers.filter(answer => answer.startsWith(code)).length, code).toBeGreaterThan(50);
  }
});
