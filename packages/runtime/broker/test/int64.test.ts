import { type Int64, toInt64 } from "@samsa/base";
import { ApiKey, apiOf, Errors } from "@samsa/protocol";
import { BatchCursor, type BatchOptions, buildBatch } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Fields, Type } from "../../../format/protocol/src/codec/schema.ts";
import { servedApis } from "../src/apis.ts";
import { TestBroker } from "./wire.ts";

const LARGEST = 2n ** 63n - 1n;
const SMALLEST = -(2n ** 63n);
/** Values around the largest exact number. */
const EDGES: readonly Int64[] = [2 ** 53 - 1, 2n ** 53n, 2n ** 62n, LARGEST];
const NANOSECONDS = 1_700_000_000_000_000_001n;

let broker: TestBroker;
let wire: RawConnection;

beforeEach(async () => {
  broker = await TestBroker.start({ "group.initial.rebalance.delay.ms": "0" });
  wire = await broker.connect();
  await topic("t");
});

afterEach(() => broker.stop());

async function topic(name: string, configs: Record<string, string> = {}): Promise<void> {
  const rows = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  const topics = [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: rows }];
  await wire.ask("CreateTopics", 7, { topics, timeoutMs: 1000, validateOnly: false });
}

interface Produced {
  readonly errorCode: number;
  readonly baseOffset: Int64;
  readonly logAppendTimeMs: Int64;
  readonly logStartOffset: Int64;
  readonly recordErrors: readonly { readonly batchIndex: number }[];
}

async function produce(name: string, records: readonly Uint8Array[]): Promise<Produced> {
  const topicData = [{ name, partitionData: [{ index: 0, records }] }];
  const body = { transactionalId: null, acks: -1, timeoutMs: 1000, topicData };
  const { responses } = await wire.ask("Produce", 9, body);
  return responses[0].partitionResponses[0];
}

function batch(timestamp: Int64, options: BatchOptions = {}): Uint8Array {
  return buildBatch([{ timestamp, key: null, value: new Uint8Array(3) }], options, broker.broker.tools);
}

/** First partition of a response to a request that names topics. */
async function partition<T>(key: number, version: number, name: string, body: object, extra = {}): Promise<T> {
  const topics = [{ name, partitions: [{ partitionIndex: 0, ...body }] }];
  const answer = (await wire.ask(key, version, { ...extra, topics })) as { topics: { partitions: T[] }[] };
  return answer.topics[0].partitions[0];
}

const listed = (name: string, timestamp: Int64) =>
  partition<{ offset: Int64; timestamp: Int64 }>(
    ApiKey.ListOffsets,
    8,
    name,
    { timestamp },
    { replicaId: -1, isolationLevel: 0 },
  );

describe("offsets that clients name", () => {
  test("are committed and given back to the last bit, over a restart too", async () => {
    const coordinates = { groupId: "g", generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null };
    const commit = (committedOffset: Int64) =>
      partition<{ errorCode: number }>(
        ApiKey.OffsetCommit,
        8,
        "t",
        { committedOffset, committedLeaderEpoch: -1, committedMetadata: "" },
        coordinates,
      );
    const committed = async () => {
      const topics = [{ name: "t", partitionIndexes: [0] }];
      const body = { groupId: "g", topics, requireStable: false };
      const answer = await wire.ask("OffsetFetch", 7, body);
      return answer.topics[0].partitions[0].committedOffset;
    };
    await wire.ask("FindCoordinator", 4, { keyType: 0, coordinatorKeys: ["g"] });
    for (const offset of EDGES) {
      await expect.poll(async () => (await commit(offset)).errorCode).toBe(0);
      expect(await committed()).toBe(offset);
    }
    await broker.node.close();
    const again = await TestBroker.start({}, broker.directory);
    wire = await again.connect();
    await wire.ask("FindCoordinator", 4, { keyType: 0, coordinatorKeys: ["g"] });
    await expect.poll(committed).toBe(LARGEST);
    await again.node.close();
  });

  test("are out of range where records are deleted", async () => {
    for (const offset of [...EDGES, SMALLEST]) {
      const found = await partition<{ errorCode: number; lowWatermark: Int64 }>(
        ApiKey.DeleteRecords,
        2,
        "t",
        { offset },
        { timeoutMs: 1000 },
      );
      expect([found.errorCode, found.lowWatermark]).toEqual([Errors.OFFSET_OUT_OF_RANGE.code, -1]);
    }
  });

  test("and producer ids and durations are answered, whatever they are", async () => {
    for (const id of [2n ** 62n, LARGEST, SMALLEST]) {
      const ask = async (key: number, version: number, body: object) =>
        (await wire.ask(key, version, body)) as { errorCode: number };
      const filters = { stateFilters: [], producerIdFilters: [id], durationFilter: id };
      expect((await ask(ApiKey.ListTransactions, 1, filters)).errorCode).toBe(0);
      const end = { transactionalId: "x", producerId: id, producerEpoch: 0, committed: true };
      expect((await ask(ApiKey.EndTxn, 3, end)).errorCode).not.toBe(0);
      const markers = [{ producerId: id, producerEpoch: 0, transactionResult: false, topics: [], coordinatorEpoch: 0 }];
      expect(await ask(ApiKey.WriteTxnMarkers, 1, { markers })).toEqual({ markers: [] });
    }
  });
});

describe("times that records carry", () => {
  test("are refused out of bounds, each record by its index", async () => {
    const found = await produce("t", [batch(NANOSECONDS)]);
    expect([found.errorCode, found.recordErrors.map(({ batchIndex }) => batchIndex)]).toEqual([32, [0]]);
    expect(found.logStartOffset).toBe(0);
  });

  test("do not matter where the log sets the time", async () => {
    await topic("stamped", { "message.timestamp.type": "LogAppendTime" });
    const found = await produce("stamped", [batch(NANOSECONDS)]);
    expect([found.errorCode, found.logAppendTimeMs > 1_700_000_000_000]).toEqual([0, true]);
  });

  test("are kept and found where any time goes, over a restart too", async () => {
    await topic("any", { "message.timestamp.after.max.ms": "9223372036854775807", "retention.ms": "-1" });
    for (const time of [NANOSECONDS, NANOSECONDS + 2n, LARGEST]) {
      expect((await produce("any", [batch(time)])).errorCode).toBe(0);
    }
    const all = async () => {
      for (const [time, found] of [
        [NANOSECONDS, NANOSECONDS],
        [NANOSECONDS + 1n, NANOSECONDS + 2n],
        [NANOSECONDS + 3n, LARGEST],
        [-3, LARGEST],
      ] as const) {
        const { offset, timestamp } = await listed("any", time);
        expect([timestamp, offset]).toEqual([found, { [`${NANOSECONDS}`]: 0, [`${LARGEST}`]: 2 }[`${found}`] ?? 1]);
      }
    };
    await all();
    await broker.node.close();
    const again = await TestBroker.start({}, broker.directory);
    wire = await again.connect();
    await all();
    expect((await produce("any", [batch(NANOSECONDS)])).baseOffset).toBe(3);
    await again.node.close();
  });
});

describe("answers to Produce", () => {
  const producer = { producerId: 0n, producerEpoch: 0 };
  const now = Date.now();

  test("carry the time of the batch that a duplicate repeats, and where the log starts", async () => {
    const sent = batch(now, { ...producer, baseSequence: 0 });
    expect(await produce("t", [sent])).toMatchObject({ errorCode: 0, logAppendTimeMs: -1, logStartOffset: 0 });
    expect(await produce("t", [sent])).toMatchObject({ errorCode: 0, logAppendTimeMs: now, logStartOffset: 0 });
    const gap = batch(now, { ...producer, baseSequence: 9 });
    expect(await produce("t", [gap])).toMatchObject({ errorCode: 45, logAppendTimeMs: -1, logStartOffset: 0 });
    const broken = batch(now).map((byte, i) => (i === 62 ? byte ^ 1 : byte));
    expect(await produce("t", [broken])).toMatchObject({ errorCode: 2, logStartOffset: -1 });
    expect(await produce("t", [batch(now), batch(now)])).toMatchObject({ errorCode: 87, logStartOffset: -1 });
  });

  test("a client's LogAppendTime is taken for the records' time, and its bit and a torn second batch are left out", async () => {
    const claimed = batch(now, { timestampType: "LogAppendTime", logAppendTime: now });
    expect((await produce("t", [claimed, Uint8Array.of(0)])).errorCode).toBe(0);
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }];
    const limits = { maxWaitMs: 0, minBytes: 1, maxBytes: 1 << 20, sessionId: 0, sessionEpoch: -1 };
    const topics = [{ topic: "t", partitions }];
    const answer = await wire.ask("Fetch", 11, {
      ...limits,
      topics,
      forgottenTopicsData: [],
    });
    const [bytes] = answer.responses[0].partitions[0].records ?? [];
    const stored = new BatchCursor(bytes);
    expect([stored.next(), stored.size, stored.attributes, stored.maxTimestamp]).toEqual([true, bytes.length, 0, now]);
    expect(stored.intact(broker.broker.tools.crc32c)).toBe(true);
  });
});

describe("every request that has a 64-bit field", () => {
  const isWide = ({ kind }: Type): boolean => kind === "i64" || kind === "long";
  const hasWide = (type: Type): boolean => {
    if (type.kind === "array") return hasWide(type.element);
    return type.kind === "struct" ? Object.values(type.fields).some(field => hasWide(field.type)) : isWide(type);
  };

  /** Builds a value with `edge` in all 64-bit fields, one element in each array, and names that exist. */
  function valueOf(type: Type, version: number, edge: bigint): unknown {
    switch (type.kind) {
      case "array":
        return [valueOf(type.element, version, edge)];
      case "struct":
        return structOf(type.fields, version, edge);
      case "string":
        return "t";
      case "uuid":
        return broker.broker.topics.idOf("t");
      case "bytes":
        return new Uint8Array(0);
      case "bool":
        return false;
      case "long":
        return edge;
      case "i64":
        return toInt64(edge);
      default:
        return 0;
    }
  }

  function structOf(fields: Fields, version: number, edge: bigint): object {
    const present = Object.entries(fields).filter(([, field]) => version >= field.since && version <= field.until);
    return Object.fromEntries(
      present.map(([name, field]) => [
        name,
        hasWide(field.type) || field.initial === null || field.type.kind !== "i32"
          ? valueOf(field.type, version, edge)
          : field.initial,
      ]),
    );
  }

  const rows = [...servedApis({ telemetry: false }).values()].flatMap(({ key, name, first, last }) => {
    const fields = apiOf(key)?.request.fields ?? {};
    if (!Object.values(fields).some(field => hasWide(field.type))) return [];
    return Array.from({ length: last - first + 1 }, (_, i) => [name, first + i, key] as const);
  });

  test("is among those that are tried", () => {
    const names = new Set(rows.map(([name]) => name));
    for (const name of ["Fetch", "ListOffsets", "OffsetCommit", "ShareAcknowledge", "WriteShareGroupState"]) {
      expect(names).toContain(name);
    }
    expect(rows.length).toBeGreaterThan(60);
  });

  test.each(rows)("%s %i is answered, whatever stands in it", async (_name, version, key) => {
    const fields = apiOf(key)?.request.fields ?? {};
    for (const edge of [2n ** 53n - 1n, 2n ** 53n, LARGEST, SMALLEST]) {
      const own = await broker.connect();
      const body = structOf(fields, version, edge);
      // The request waits for neither bytes nor replicas.
      own.send(key, version, { ...body, ...("acks" in body ? { acks: -1 } : {}) });
      await expect(own.receive(key, version)).resolves.toBeDefined();
      own.close();
    }
    expect(broker.lines.filter(({ level }) => level === "error")).toEqual([]);
  });
});
