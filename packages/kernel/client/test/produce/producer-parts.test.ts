import { murmur2, utf8 } from "@samsa/base";
import { defaultCompression } from "@samsa/records";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KafkaError, type ProducerOptions, producerSettings } from "../../src/index.ts";
import { CompressionRatio } from "../../src/produce/compression-ratio.ts";
import { KeyBytes } from "../../src/produce/key-bytes.ts";
import { Outbox } from "../../src/produce/effects.ts";
import { NO_PRODUCER } from "../../src/produce/producer-id.ts";
import { PartitionQueue, ProducerBatch } from "../../src/produce/partition-queue.ts";
import { Chance, partitionForKey, StickyPartitioner } from "../../src/produce/partitioner.ts";
import { ProduceMemory } from "../../src/produce/produce-memory.ts";
import { PREVIOUS_PRODUCER_STATES } from "../../src/produce/producer-state.ts";
import { TOPIC_ID } from "./model-cluster.ts";
import { tools } from "./producer-world.ts";

function topicOf(leaders: readonly number[]) {
  const partitions = leaders.map((leaderId, index) => {
    return { index, leaderId, leaderEpoch: 0, replicas: [], inSync: [], offline: [] };
  });
  return { name: "t", id: TOPIC_ID, isInternal: false, partitions };
}

function refusalOf(options: ProducerOptions): string {
  try {
    producerSettings(options);
    return "none";
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    expect(error.name).toBe("INVALID_ARGUMENT");
    return error.message;
  }
}

describe("settings", () => {
  test("have Kafka's defaults", () => {
    expect(producerSettings({})).toMatchObject({
      ...{
        acks: -1,
        idempotent: true,
        lingerMs: 5,
        batchBytes: 16384,
        bufferBytes: 33554432,
        maxRequestBytes: 1048576,
      },
      ...{ maxInFlight: 5, retries: 2147483647, deliveryTimeoutMs: 120000, transactionTimeoutMs: 60000 },
    });
  });

  test.each<[ProducerOptions, string]>([
    [{ acks: 2 as 1 }, "acks"],
    [{ lingerMs: -1 }, "lingerMs"],
    [{ bufferBytes: 10 }, "bufferBytes"],
    [{ batchBytes: 1.5 }, "batchBytes"],
    [{ idempotent: true, acks: 1 }, "acks of all"],
    [{ idempotent: true, retries: 0 }, "needs retries"],
    [{ idempotent: true, maxInFlight: 6 }, "at most 5"],
    [{ transactionalId: "t", acks: 0 }, "acks of all"],
    [{ transactionalId: "t", idempotent: false }, "is idempotent"],
    [{ transactionalId: "" }, "is empty"],
    [{ deliveryTimeoutMs: 1000, requestTimeoutMs: 2000 }, "is less than"],
    [{ compression: { codec: 1, level: 10 } }, "no level 10"],
    [{ compression: { codec: 1, level: 0 } }, "no level 0"],
    [{ compression: { codec: 9 as 1, level: 1 } }, "no compression codec 9"],
    [{ keyHash: "md5" as "crc32" }, "no hash md5"],
    [{ batchBytes: 5000, bufferBytes: 4000 }, "a batch of 5000 bytes does not fit into the memory"],
    [{ bogus: 1 } as ProducerOptions, "no setting bogus"],
  ])("%o is refused", (options, message) => {
    expect(refusalOf(options)).toContain(message);
  });

  test("idempotence that nobody asked for gives way, and a delivery timeout of the defaults grows", () => {
    expect(producerSettings({ acks: 1 }).idempotent).toBe(false);
    expect(producerSettings({ retries: 0 }).idempotent).toBe(false);
    expect(producerSettings({ maxInFlight: 20 }).idempotent).toBe(false);
    expect(producerSettings({ lingerMs: 200_000 }).deliveryTimeoutMs).toBe(230_000);
    expect(producerSettings({ bufferBytes: 4000 }).batchBytes).toBe(4000);
    expect(producerSettings({ compression: defaultCompression(4) }).compression.level).toBe(3);
  });
});

describe("partitions", () => {
  test("of keys are those of Java's producer", () => {
    // Hashes from `UtilsTest.testMurmur2` of Kafka.
    const hashes = { "21": -973932308, foobar: -790332482, "a-little-bit-longer-string": -1486304829 };
    for (const [key, hash] of Object.entries(hashes)) {
      expect(murmur2(utf8(key))).toBe(hash);
      expect(partitionForKey(utf8(key), 7, "murmur2")).toBe((hash & 0x7fffffff) % 7);
    }
  });

  test("of keys are those of librdkafka, with its hash", () => {
    // The check value of CRC-32.
    expect(partitionForKey(utf8("123456789"), 1000, "crc32")).toBe(0xcbf43926 % 1000);
    expect(partitionForKey(new Uint8Array(0), 7, "crc32")).toBe(0);
  });

  test("of keys of text are those of their bytes", () => {
    const keys = new KeyBytes();
    const text = fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), fc.string({ minLength: 60, maxLength: 70 }));
    fc.assert(
      fc.property(text, key => {
        expect([...keys.of(key)]).toEqual([...utf8(key)]);
      }),
    );
  });

  test("stay until a batch is full, and move at twice its size in any case", () => {
    const sticky = new StickyPartitioner(100, new Chance(7));
    expect(sticky.partition).toBe(-1);
    sticky.move(topicOf([0, 0, 0, 0]));
    expect([sticky.appended(90, true), sticky.appended(20, false), sticky.appended(0, true)]).toEqual([
      false,
      false,
      true,
    ]);
    expect(sticky.appended(90, false)).toBe(true);
    sticky.move(topicOf([0]));
    expect([sticky.partition, sticky.appended(99, true)]).toEqual([0, false]);
  });

  test("without a leader are left out, and those with short queues come more often", () => {
    const sticky = new StickyPartitioner(100, new Chance(11));
    const count = (topic: ReturnType<typeof topicOf>): number[] => {
      const counts = topic.partitions.map(() => 0);
      for (let i = 0; i < 10_000; i++) {
        sticky.move(topic);
        counts[sticky.partition] = (counts[sticky.partition] ?? 0) + 1;
      }
      return counts;
    };
    const even = count(topicOf([0, -1, 1]));
    expect(even[1]).toBe(0);
    expect(Math.abs((even[0] ?? 0) - (even[2] ?? 0))).toBeLessThan(500);
    // Weights 1, 4 and 3 of 8.
    sticky.weigh([3, 0, 1], [0, 1, 2], 3);
    const weighed = count(topicOf([0, 0, 0])).map(times => times / 1250);
    for (const [i, weight] of [1, 4, 3].entries()) expect(Math.abs((weighed[i] ?? 0) - weight)).toBeLessThan(0.3);
    // A partition that cannot be used gets nothing; with even queues all are equal.
    sticky.weigh([2, 2], [0, 2], 3);
    expect(count(topicOf([0, 0, 0]))[1]).toBe(0);
    sticky.weigh([2, 2, 2], [0, 1, 2], 3);
    for (const times of count(topicOf([0, 0, 0]))) expect(Math.abs(times - 3333)).toBeLessThan(400);
    expect(count(topicOf([-1, -1])).every(times => times > 4000)).toBe(true);
  });
});

describe("memory", () => {
  test("is bounded, and buffers of the usual size are used again", () => {
    const memory = new ProduceMemory(1000, 300);
    const first = memory.take(300);
    const large = memory.take(600);
    expect([memory.used, memory.take(300), memory.take(101)]).toEqual([900, undefined, undefined]);
    memory.give(first ?? new Uint8Array(0));
    memory.give(large ?? new Uint8Array(0));
    expect(memory.used).toBe(0);
    expect(memory.take(300)).toBe(first);
    memory.release(300);
    expect([memory.used, memory.take(300) === first]).toEqual([0, false]);
  });
});

test("the compression ratio follows batches, quickly up and slowly down", () => {
  const ratio = new CompressionRatio();
  ratio.observe(0.2);
  expect(ratio.estimate).toBeCloseTo(0.995);
  ratio.observe(1.2);
  expect(ratio.estimate).toBeCloseTo(1.2);
  ratio.observe(1.21);
  expect(ratio.estimate).toBeCloseTo(1.25);
  ratio.reset(0.3);
  expect([ratio.estimate, ratio.expand(1050)]).toEqual([1, 1000]);
});

test("sequences wrap around from 2^31 − 1 to 0", () => {
  const queue = new PartitionQueue<number>("t", 0);
  queue.restart({ producerId: 5n, producerEpoch: 0 }, tools.crc32c);
  queue.nextSequence = 0x7fffffff;
  queue.ackedSequence = 0x7fffffff;
  const batches = [0, 1].map(() => {
    const batch = new ProducerBatch(queue, new Uint8Array(200), { createdMs: 0, compression: defaultCompression(0) });
    batch.append(1, null, "a", undefined);
    batch.append(1, null, "b", undefined);
    queue.number(batch, tools.crc32c);
    return batch;
  });
  expect(batches.map(({ baseSequence, nextSequence }) => [baseSequence, nextSequence])).toEqual([
    [0x7fffffff, 1],
    [1, 3],
  ]);
  for (const batch of batches) queue.acknowledged(batch, 10);
  expect([queue.ackedSequence, queue.isSettled, queue.ackedOffset]).toEqual([3, true, 11]);
  expect(queue.isStale(NO_PRODUCER)).toBe(true);
});

test("states follow each other as in TransactionManager.State, without those of two-phase commits", () => {
  const next = new Map<string, string[]>();
  for (const [to, sources] of Object.entries(PREVIOUS_PRODUCER_STATES)) {
    if (to !== "FATAL_ERROR") for (const from of sources) next.set(from, [...(next.get(from) ?? []), to].sort());
  }
  expect(Object.fromEntries(next)).toEqual({
    UNINITIALIZED: ["INITIALIZING"],
    INITIALIZING: ["ABORTABLE_ERROR", "READY"],
    READY: ["IN_TRANSACTION", "UNINITIALIZED"],
    IN_TRANSACTION: ["ABORTABLE_ERROR", "ABORTING_TRANSACTION", "COMMITTING_TRANSACTION"],
    COMMITTING_TRANSACTION: ["ABORTABLE_ERROR", "INITIALIZING", "READY"],
    ABORTING_TRANSACTION: ["INITIALIZING", "READY"],
    ABORTABLE_ERROR: ["ABORTABLE_ERROR", "ABORTING_TRANSACTION", "UNINITIALIZED"],
  });
  expect(PREVIOUS_PRODUCER_STATES.FATAL_ERROR).toHaveLength(8);
});

test("an outbox asks for the metadata of a topic once", () => {
  const out = new Outbox();
  out.refresh("a");
  out.refresh("a");
  expect([out.take(), out.take()]).toEqual([[{ type: "refreshMetadata", topics: ["a"] }], []]);
});
