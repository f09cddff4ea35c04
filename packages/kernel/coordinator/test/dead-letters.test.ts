import type { Uuid } from "@samsa/base";
import { nodeCodecs, nodeCrc32c } from "@samsa/node";
import { BatchCursor, buildBatch, type Codec, defaultCompression, readRecords, type Tools } from "@samsa/records";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DeadLetterBatch, type DeadLetters, type DeadLetterView, OriginalRecords } from "../src/index.ts";
import { deadLetterTopicFault } from "../src/dead-letters/dead-letter-topic.ts";

const tools: Tools = { crc32c: nodeCrc32c(), codecs: nodeCodecs() };
const text = (bytes: Uint8Array | null | undefined): string | null =>
  bytes === null || bytes === undefined ? null : new TextDecoder().decode(bytes);
const bytes = (of: string): Uint8Array => new TextEncoder().encode(of);

const letters: DeadLetters = {
  groupId: "gruppe-ä",
  topicId: "AAAAAAAAAAAAAAAAAAAAZQ" as Uuid,
  topic: "orders",
  partition: 3,
  firstOffset: 40,
  lastOffset: 49,
  deliveryCount: 2,
  cause: "REJECTED",
};

/** Records of a batch: key, value, and headers as an object. */
function rows(batch: Uint8Array) {
  return readRecords(batch, tools).map(({ timestamp, key, value, headers = [] }) => ({
    timestamp,
    key: text(key),
    value: text(value),
    headers: headers.map(header => [header.key, text(header.value)]),
  }));
}

describe("a batch of dead letters", () => {
  test("has Kafka's headers in Kafka's order, and the data if there are any", () => {
    const batch = new DeadLetterBatch(10_000);
    expect(batch.add(letters, 41, { key: bytes("k"), value: null }, 7000)).toBe(true);
    expect(batch.add({ ...letters, cause: "DELIVERIES_EXCEEDED" }, 42, undefined, 7001)).toBe(true);
    const headers = (offset: string, message: string) => [
      ["__dlq.errors.topic", "orders"],
      ["__dlq.errors.partition", "3"],
      ["__dlq.errors.offset", offset],
      ["__dlq.errors.group", "gruppe-ä"],
      ["__dlq.errors.delivery.count", "2"],
      ["__dlq.errors.message", message],
    ];
    const { size } = batch;
    const finished = batch.finish(tools);
    expect(finished).toHaveLength(size);
    expect(new BatchCursor(finished).next()).toBe(true);
    const exceeded = "Offset delivery count exceeded the threshold.";
    expect(rows(finished)).toEqual([
      { timestamp: 7000, key: "k", value: null, headers: headers("41", "Offset rejected by client.") },
      { timestamp: 7001, key: null, value: null, headers: headers("42", exceeded) },
    ]);
  });

  test("is not larger than is allowed", () => {
    const data = { key: null, value: new Uint8Array(3000) };
    const batch = new DeadLetterBatch(10_000);
    let count = 0;
    while (batch.add(letters, 40 + count, data, 0)) count++;
    expect(count).toBe(3);
    expect(batch.size).toBeLessThanOrEqual(10_000);
    expect(rows(batch.finish(tools)).map(({ value }) => value?.length)).toEqual([3000, 3000, 3000]);
  });

  test("has a letter without its data if that is too large on its own, and a letter in any case", () => {
    const large = { key: null, value: new Uint8Array(990) };
    const batch = new DeadLetterBatch(1000);
    expect(batch.add(letters, 40, large, 0)).toBe(true);
    expect(batch.add(letters, 41, large, 0), "in the next batch").toBe(false);
    expect(batch.add(letters, 41, undefined, 0)).toBe(true);
    expect(batch.size).toBeLessThanOrEqual(1000);
    const tiny = new DeadLetterBatch(10);
    expect(tiny.add(letters, 40, large, 0)).toBe(true);
    expect(tiny.add(letters, 41, undefined, 0)).toBe(false);
    expect(rows(tiny.finish(tools)).map(({ value }) => value)).toEqual([null]);
  });
});

interface LoggedBatch {
  readonly base: number;
  readonly codec: Codec;
  /** Sizes of the values of the records; undefined: compaction has removed the record. */
  readonly sizes: readonly (number | undefined)[];
}

/** Log of batches, and its records by offset. */
function logOf(batches: readonly LoggedBatch[]) {
  const records = new Map<number, { size: number; codec: Codec; batchSize: number }>();
  const built = batches.map(({ base, codec, sizes }) => {
    const deltas = sizes.flatMap((size, delta) => (size === undefined ? [] : [{ size, delta }]));
    const all = deltas.map(({ size, delta }) => ({
      offset: base + delta,
      timestamp: 1,
      key: bytes(`k${base + delta}`),
      value: new Uint8Array(size),
    }));
    const plain = buildBatch(all, { baseOffset: base }, tools);
    for (const { size, delta } of deltas) {
      records.set(base + delta, { size, codec, batchSize: plain.length - 61 });
    }
    const batch = buildBatch(all, { baseOffset: base, compression: defaultCompression(codec) }, tools);
    return { base, last: base + sizes.length - 1, batch };
  });
  return { records, built };
}

describe("the records of dead letters", () => {
  const batch = fc.record({
    gap: fc.nat(3),
    codec: fc.constantFrom<Codec[]>(0, 1, 2, 3, 4),
    sizes: fc.array(fc.constantFrom(1, 30, 400, 1500), { minLength: 1, maxLength: 5 }),
  });

  test("are found by offset, in any order, if they are not too large", () => {
    fc.assert(
      fc.property(
        fc.array(batch, { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(40), { maxLength: 30 }),
        fc.boolean(),
        (drafts, asked, inOrder) => {
          let end = 0;
          const log = logOf(
            drafts.map(({ gap, codec, sizes }) => {
              const base = end + gap;
              end = base + sizes.length;
              return { base, codec, sizes };
            }),
          );
          let open = 0;
          const read = (offset: number) => {
            open++;
            const from = log.built.findIndex(({ last }) => last >= offset);
            // A read gives at most two batches, each in a chunk of its own.
            const chunks = from < 0 ? [] : log.built.slice(from, from + 2).map(one => one.batch);
            return { chunks, release: () => void open-- };
          };
          const limit = 1200;
          const originals = new OriginalRecords(read, tools, limit);
          for (const offset of inOrder ? asked.toSorted((a, b) => a - b) : asked) {
            const found = originals.at(offset);
            const known = log.records.get(offset);
            const fits =
              known !== undefined && (known.codec === 0 ? known.size < limit - 50 : known.batchSize <= limit);
            expect(text(found?.key)).toBe(fits ? `k${offset}` : null);
            expect(found?.value?.length).toBe(fits ? known.size : undefined);
            expect(open).toBeLessThanOrEqual(1);
          }
          originals.close();
          expect(open).toBe(0);
        },
      ),
    );
  });

  test("are left out if their batch is damaged, the others not", () => {
    const { built } = logOf([
      { base: 0, codec: 1, sizes: [10, 10] },
      { base: 2, codec: 1, sizes: [10] },
    ]);
    const [damaged, whole] = built.map(one => one.batch);
    damaged.fill(0xff, 61, 70);
    const originals = new OriginalRecords(() => ({ chunks: [damaged, whole] }), tools, 1000);
    expect([0, 1, 2].map(offset => text(originals.at(offset)?.key))).toEqual([null, null, "k2"]);
  });

  test("are read no more often than is needed", () => {
    const { built } = logOf([
      { base: 0, codec: 4, sizes: [10, 10, 10, 10] },
      { base: 4, codec: 4, sizes: [10, 10] },
    ]);
    const reads: number[] = [];
    const chunks = built.map(one => one.batch);
    const read = (offset: number) => {
      reads.push(offset);
      return { chunks };
    };
    const originals = new OriginalRecords(read, tools, 1000);
    for (const offset of [1, 3, 4, 5, 1, 1]) expect(text(originals.at(offset)?.key)).toBe(`k${offset}`);
    expect(reads).toEqual([1]);
    expect(originals.at(6)).toBeUndefined();
    expect(reads).toEqual([1, 6]);
  });
});

describe("the topic of a group's dead letters", () => {
  const topic = {
    id: "AAAAAAAAAAAAAAAAAAAAZg" as Uuid,
    partitionCount: 1,
    maxMessageBytes: 1000,
    leaderOf: () => 1,
  };
  const view: DeadLetterView = {
    prefix: "dlq.",
    createsTopics: false,
    topicNameOf: group => group,
    topic: name => (name.includes("absent") ? undefined : { ...topic, isEnabled: !name.includes("off") }),
  };

  test.each<[name: string, more: Partial<DeadLetterView>, fault: RegExp | undefined]>([
    ["dlq.there", {}, undefined],
    ["", {}, /has no topic/],
    ["__x", { prefix: "" }, /must not begin with __/],
    ["dlq.off", {}, /not enabled/],
    ["dlq.absent", {}, /does not exist/],
    ["dlq.absent", { createsTopics: true }, undefined],
    ["there", {}, /must begin with dlq\./],
    ["there", { prefix: "" }, undefined],
  ])("%s with %j is judged", (name, more, fault) => {
    const found = deadLetterTopicFault({ ...view, ...more }, name);
    if (fault === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(fault);
  });
});
