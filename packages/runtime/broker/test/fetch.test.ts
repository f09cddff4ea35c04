import { Errors } from "@samsa/protocol";
import { BatchCursor, buildBatch } from "@samsa/records";
import type { RawConnection, ResponseOf } from "@samsa/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FetchSessions, nextEpoch } from "../src/replica/fetch-sessions.ts";
import { TestBroker } from "./wire.ts";

let broker: TestBroker;

beforeAll(async () => {
  broker = await TestBroker.start({ "num.partitions": "3" });
});

afterAll(() => broker.stop());

async function topic(wire: RawConnection, name: string): Promise<void> {
  await wire.ask("Metadata", 9, { topics: [{ name }], includeTopicAuthorizedOperations: false });
}

function produce(wire: RawConnection, name: string, index: number, size: number): Promise<unknown> {
  const bytes = buildBatch(
    [{ timestamp: Date.now(), key: null, value: new Uint8Array(size) }],
    {},
    broker.broker.tools,
  );
  const topicData = [{ name, partitionData: [{ index, records: [bytes] }] }];
  return wire.ask("Produce", 9, { transactionalId: null, acks: -1, timeoutMs: 1000, topicData });
}

interface Ask {
  readonly offsets: Readonly<Record<number, number | bigint>>;
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly session?: readonly [id: number, epoch: number];
}

function fetchBody(name: string, { offsets, maxWaitMs = 0, minBytes = 1, maxBytes = 1 << 20, session = [0, -1] }: Ask) {
  const partitions = Object.entries(offsets).map(([partition, fetchOffset]) => ({
    partition: Number(partition),
    fetchOffset,
    partitionMaxBytes: 1 << 20,
  }));
  return {
    maxWaitMs,
    minBytes,
    maxBytes,
    sessionId: session[0],
    sessionEpoch: session[1],
    topics: partitions.length === 0 ? [] : [{ topic: name, partitions }],
    forgottenTopicsData: [],
  };
}

const fetched = (answer: ResponseOf<"Fetch">): number[] =>
  answer.responses.flatMap(t => t.partitions.filter(p => (p.records ?? []).length > 0).map(p => p.partitionIndex));

describe("a fetch", () => {
  test("waits for enough bytes, and is woken by them", async () => {
    const [reader, writer] = await Promise.all([broker.connect(), broker.connect()]);
    await topic(reader, "wait");
    reader.send("Fetch", 11, fetchBody("wait", { offsets: { 0: 0 }, maxWaitMs: 20_000, minBytes: 200 }));
    await produce(writer, "wait", 0, 10);
    expect(broker.broker.pendingFetches.size).toBe(1);
    await produce(writer, "wait", 0, 200);
    const answer = await reader.receive("Fetch", 11);
    expect(answer.responses[0].partitions[0].highWatermark).toBe(2);
    expect(broker.broker.pendingFetches.size).toBe(0);
    reader.close();
    writer.close();
  });

  test("ends empty when its time is up, and with an error when its topic goes", async () => {
    const [reader, writer] = await Promise.all([broker.connect(), broker.connect()]);
    await topic(reader, "gone");
    const empty = await reader.ask("Fetch", 11, fetchBody("gone", { offsets: { 0: 0 }, maxWaitMs: 5 }));
    expect(fetched(empty)).toEqual([]);
    reader.send("Fetch", 11, fetchBody("gone", { offsets: { 0: 0 }, maxWaitMs: 20_000 }));
    await writer.ask("DeleteTopics", 4, { topicNames: ["gone"], timeoutMs: 1000 });
    const answer = await reader.receive("Fetch", 11);
    expect(answer.responses[0].partitions[0].errorCode).toBe(3);
    reader.close();
    writer.close();
  });

  test("an offset that is not there, a partition that is not there", async () => {
    const wire = await broker.connect();
    await topic(wire, "range");
    const answer = await wire.ask(
      "Fetch",
      11,
      fetchBody("range", { offsets: { 0: 5, 1: 0, 9: 0 }, maxWaitMs: 20_000 }),
    );
    expect(answer.responses[0].partitions.map(p => p.errorCode)).toEqual([1, 0, 3]);
    wire.close();
  });

  test("one batch is given though it is larger than the limit, and the partitions take turns", async () => {
    const wire = await broker.connect();
    await topic(wire, "fair");
    for (const index of [0, 1, 2]) await produce(wire, "fair", index, 1000);
    const first = await wire.ask(
      "Fetch",
      11,
      fetchBody("fair", { offsets: { 0: 0, 1: 0, 2: 0 }, maxBytes: 10, session: [0, 0] }),
    );
    expect(fetched(first)).toEqual([0]);
    expect(first.sessionId).toBeGreaterThan(0);
    const order: number[] = [];
    for (let epoch = 1; epoch <= 3; epoch++) {
      const next = await wire.ask(
        "Fetch",
        11,
        fetchBody("fair", { offsets: {}, maxBytes: 10, session: [first.sessionId, epoch] }),
      );
      order.push(...fetched(next));
    }
    expect(order).toEqual([0, 1, 2]);
    wire.close();
  });
});

describe("limits", () => {
  test("of 0 bytes still give the first batch, and only that", async () => {
    const limit = 0;
    const wire = await broker.connect();
    await topic(wire, `none${limit}`);
    for (const index of [0, 0, 1]) await produce(wire, `none${limit}`, index, 10);
    for (const [maxBytes, partitionMaxBytes] of [
      [limit, 1000],
      [1000, limit],
    ]) {
      const body = fetchBody(`none${limit}`, { offsets: { 0: 0, 1: 0 }, maxBytes });
      for (const { partitions } of body.topics) for (const one of partitions) Object.assign(one, { partitionMaxBytes });
      const answer = await wire.ask("Fetch", 11, body);
      expect(fetched(answer)).toEqual([0]);
      const [bytes] = answer.responses[0].partitions[0].records ?? [];
      const batch = new BatchCursor(bytes);
      expect([batch.next(), batch.size]).toEqual([true, bytes.length]);
    }
    wire.close();
  });

  test("an offset beyond 2^53 is out of range", async () => {
    const wire = await broker.connect();
    await topic(wire, "far");
    const body = fetchBody("far", { offsets: { 0: 2n ** 62n, 1: -(2n ** 63n) } });
    const answer = await wire.ask("Fetch", 11, body);
    expect(answer.responses[0].partitions.map(p => p.errorCode)).toEqual([1, 1]);
    wire.close();
  });
});

describe("a session", () => {
  test("tells only what has changed, and insists on its epoch", async () => {
    const wire = await broker.connect();
    await topic(wire, "session");
    const ask = (offsets: Record<number, number>, session: [number, number]) =>
      wire.ask("Fetch", 11, fetchBody("session", { offsets, session }));
    const { sessionId } = await ask({ 0: 0, 1: 0 }, [0, 0]);
    expect((await ask({}, [sessionId, 1])).responses).toEqual([]);
    await produce(wire, "session", 1, 10);
    expect(fetched(await ask({}, [sessionId, 2]))).toEqual([1]);
    expect((await ask({}, [sessionId, 2])).errorCode).toBe(71);
    expect((await ask({}, [sessionId + 1, 1])).errorCode).toBe(70);
    expect((await ask({ 0: 0 }, [sessionId, -1])).errorCode).toBe(0);
    expect((await ask({}, [sessionId, 3])).errorCode).toBe(70);
    wire.close();
  });

  test.each([
    ["a consumer", {}],
    ["a replica", { replicaState: { replicaId: 2, replicaEpoch: -1 } }],
  ])("of %s that names topics by ids tells of one deleted and made again, until it is forgotten", async (_, reader) => {
    const wire = await broker.connect();
    await topic(wire, "forgotten");
    const topicId = broker.broker.topics.idOf("forgotten");
    const ask = (session: [number, number], more: object) => {
      const [sessionId, sessionEpoch] = session;
      const limits = { maxWaitMs: 0, minBytes: 0, maxBytes: 1000, sessionId, sessionEpoch };
      return wire.ask("Fetch", 16, { ...reader, ...limits, topics: [], forgottenTopicsData: [], ...more });
    };
    const topics = [{ topicId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }];
    const { sessionId } = await ask([0, 0], { topics });
    await wire.ask("DeleteTopics", 4, { topicNames: ["forgotten"], timeoutMs: 1000 });
    const error = async (epoch: number): Promise<number> =>
      (await ask([sessionId, epoch], {})).responses[0].partitions[0].errorCode;
    expect(await error(1)).toBe(Errors.UNKNOWN_TOPIC_OR_PARTITION.code);
    await topic(wire, "forgotten");
    expect(await error(2)).toBe(Errors.INCONSISTENT_TOPIC_ID.code);
    const forgottenTopicsData = [{ topicId, partitions: [0] }];
    expect((await ask([sessionId, 3], { forgottenTopicsData })).responses).toEqual([]);
    await wire.ask("DeleteTopics", 4, { topicNames: ["forgotten"], timeoutMs: 1000 });
    wire.close();
  });

  test("epochs wrap to 1, and the oldest session goes first when there is no room", () => {
    expect([nextEpoch(1), nextEpoch(2147483647), nextEpoch(-1)]).toEqual([2, 1, -1]);
    let draws = 0;
    const sessions = new FetchSessions(2, () => draws++ / 100);
    const [a, b] = [sessions.create(0, false, new Map()), sessions.create(1, false, new Map())];
    expect(sessions.create(2, false, new Map())).toBeUndefined();
    if (a === undefined || b === undefined) throw new Error("there was room");
    sessions.touch(a, 100_000);
    expect(sessions.create(130_000, false, new Map())).toBeDefined();
    expect(sessions.find(b.id)).toBeUndefined();
    expect(sessions.find(a.id)).toBe(a);
  });
});
