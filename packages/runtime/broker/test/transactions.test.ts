import type { Int64 } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { ApiKey, Errors } from "@samsa/protocol";
import { buildBatch, readRecords } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { leading } from "./alone.ts";
import { connectTo, TestBroker } from "./wire.ts";

const { crypto, codecs } = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } });
const tools = { crc32c: crypto.crc32c, codecs };
const NIL = "AAAAAAAAAAAAAAAAAAAAAA";

interface Producer {
  readonly id: string;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  sequence: number;
}

/** A client that encodes requests, without the logic of a producer. */
class Client {
  readonly wire: RawConnection;

  constructor(wire: RawConnection) {
    this.wire = wire;
  }

  async coordinator(type: 0 | 1, key: string): Promise<number> {
    const body = { keyType: type, coordinatorKeys: [key] };
    const { coordinators } = await this.wire.ask("FindCoordinator", 6, body);
    return coordinators[0].errorCode;
  }

  async topic(name: string, partitions = 1, configs: Record<string, string> = {}): Promise<void> {
    const settings = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
    const topics = [{ name, numPartitions: partitions, replicationFactor: 1, assignments: [], configs: settings }];
    await this.wire.ask("CreateTopics", 7, { topics, timeoutMs: 1000 });
  }

  /**
   * Retries InitProducerId as clients do: while the previous transaction is not complete, and if the write takes longer
   * than the time-out of transactions.
   */
  async init(id: string, version = 5, timeoutMs = 60_000): Promise<Producer> {
    await this.coordinator(1, id);
    for (;;) {
      const body = { transactionalId: id, transactionTimeoutMs: timeoutMs };
      const reply = await this.wire.ask("InitProducerId", version, body);
      const { CONCURRENT_TRANSACTIONS, COORDINATOR_NOT_AVAILABLE } = Errors;
      if ([CONCURRENT_TRANSACTIONS.code, COORDINATOR_NOT_AVAILABLE.code].includes(reply.errorCode)) continue;
      expect(reply.errorCode).toBe(0);
      return { id, producerId: reply.producerId, producerEpoch: reply.producerEpoch, sequence: 0 };
    }
  }

  async add({ id, producerId, producerEpoch }: Producer, topic: string, partitions: number[]): Promise<number> {
    const body = {
      v3AndBelowTransactionalId: id,
      v3AndBelowProducerId: producerId,
      v3AndBelowProducerEpoch: producerEpoch,
      v3AndBelowTopics: [{ name: topic, partitions }],
    };
    const reply = await this.wire.ask("AddPartitionsToTxn", 3, body);
    return reply.resultsByTopicV3AndBelow[0].resultsByPartition[0].partitionErrorCode;
  }

  batch(producer: Producer, value: string, transactional = true): Uint8Array {
    const { producerId, producerEpoch, sequence: baseSequence } = producer;
    const records = [{ timestamp: 1000, key: null, value: Buffer.from(value) }];
    return buildBatch(records, { producerId, producerEpoch, baseSequence, transactional }, tools);
  }

  /** Sends one batch; `produced` reads the response. */
  sendBatch(producer: Producer, topic: string, value: string, { version = 12, partition = 0 } = {}): void {
    const partitionData = [{ index: partition, records: [this.batch(producer, value)] }];
    producer.sequence++;
    const topicData = [{ name: topic, partitionData }];
    this.wire.send("Produce", version, { transactionalId: producer.id, acks: -1, timeoutMs: 1000, topicData });
  }

  async produced(version = 12): Promise<{ errorCode: number; errorMessage: string | null; baseOffset: Int64 }> {
    const reply = await this.wire.receive("Produce", version);
    return reply.responses[0].partitionResponses[0];
  }

  async produce(producer: Producer, topic: string, value: string, options: { version?: number } = {}): Promise<number> {
    this.sendBatch(producer, topic, value, options);
    return (await this.produced(options.version)).errorCode;
  }

  async end({ id: transactionalId, producerId, producerEpoch }: Producer, committed: boolean, version = 5) {
    const body = { transactionalId, producerId, producerEpoch, committed };
    return this.wire.ask("EndTxn", version, body);
  }

  /** Values that a consumer reads from partition 0. */
  async read(topic: string, isolationLevel: 0 | 1): Promise<string[]> {
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }];
    const topics = [{ topic, partitions }];
    const body = { replicaId: -1, maxWaitMs: 0, minBytes: 0, maxBytes: 1 << 20, isolationLevel, topics };
    const reply = await this.wire.ask("Fetch", 12, body);
    const { records, abortedTransactions } = reply.responses[0].partitions[0];
    const values: string[] = [];
    for (const chunk of records ?? []) values.push(...valuesOf(chunk, abortedTransactions ?? []));
    return values;
  }

  /** Polls until a read_committed consumer reads exactly these values. */
  async reads(topic: string, values: string[]): Promise<void> {
    await expect.poll(() => this.read(topic, 1), { interval: 5 }).toEqual(values);
  }

  async describe(id: string) {
    const { transactionStates } = await this.wire.ask("DescribeTransactions", 0, {
      transactionalIds: [id],
    });
    return transactionStates[0];
  }

  async becomes(id: string, state: string): Promise<void> {
    await expect.poll(async () => (await this.describe(id)).transactionState, { interval: 5 }).toBe(state);
  }

  async commitOffset(producer: Producer, group: string, offset: number, version = 5): Promise<number> {
    const { id: transactionalId, producerId, producerEpoch } = producer;
    const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: null }];
    const topics = [{ name: "in", topicId: NIL, partitions }];
    const body = { transactionalId, groupId: group, producerId, producerEpoch, topics };
    const reply = await this.wire.ask("TxnOffsetCommit", version, body);
    return reply.topics[0].partitions[0].errorCode;
  }

  async offset(groupId: string, requireStable: boolean): Promise<Int64 | string> {
    const groups = [{ groupId, topics: [{ name: "in", partitionIndexes: [0] }] }];
    const reply = await this.wire.ask("OffsetFetch", 9, { groups, requireStable });
    const [{ committedOffset, errorCode }] = reply.groups[0].topics[0].partitions;
    return errorCode === 0 ? committedOffset : `error ${errorCode}`;
  }
}

/** Values of data batches in `bytes` without those of aborted transactions, as a consumer filters them. */
function valuesOf(bytes: Uint8Array, aborted: readonly { producerId: bigint; firstOffset: Int64 }[]): string[] {
  const waiting = [...aborted].sort((a, b) => Number(a.firstOffset) - Number(b.firstOffset));
  const open = new Set<bigint>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const values: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = view.getInt32(at + 8) + 12;
    const isControl = (view.getInt16(at + 21) & 0x20) !== 0;
    const producerId = view.getBigInt64(at + 43);
    const baseOffset = Number(view.getBigInt64(at));
    while (waiting.length > 0 && waiting[0].firstOffset <= baseOffset) open.add(waiting.shift()?.producerId ?? -1n);
    const records = readRecords(bytes.subarray(at, at + size), tools);
    if (isControl) open.delete(producerId);
    else if (!open.has(producerId)) values.push(...records.map(({ value }) => Buffer.from(value ?? []).toString()));
    at += size;
  }
  return values;
}

let broker: TestBroker;
let client: Client;

beforeAll(async () => {
  broker = await TestBroker.start({ "transaction.state.log.num.partitions": "3" });
  client = new Client(await broker.connect());
  await client.topic("in");
  await client.coordinator(0, "g");
});
afterAll(async () => {
  client.wire.close();
  await broker.stop();
});

let names = 0;
async function fresh(partitions = 1): Promise<string> {
  const name = `t${names++}`;
  await client.topic(name, partitions);
  return name;
}

describe("a producer whose broker adds partitions (transaction.version 2)", () => {
  test("commits, aborts, and gets a new epoch each time", async () => {
    const topic = await fresh();
    let producer = await client.init("v2");
    expect(await client.produce(producer, topic, "a")).toBe(0);
    expect(await client.describe("v2")).toMatchObject({
      transactionState: "Ongoing",
      topics: [{ topic, partitions: [0] }],
    });
    expect([await client.read(topic, 0), await client.read(topic, 1)]).toEqual([["a"], []]);
    const committed = await client.end(producer, true);
    expect(committed).toMatchObject({ errorCode: 0, producerEpoch: producer.producerEpoch + 1 });
    await client.reads(topic, ["a"]);
    producer = { ...producer, producerEpoch: committed.producerEpoch, sequence: 0 };
    // A batch that arrives before the previous transaction is complete waits in the broker.
    expect(await client.produce(producer, topic, "b")).toBe(0);
    await client.end(producer, false);
    await client.becomes("v2", "CompleteAbort");
    expect([await client.read(topic, 0), await client.read(topic, 1)]).toEqual([["a", "b"], ["a"]]);
  });

  test("wakes who waits for what is committed when it is, and not before", async () => {
    const topic = await fresh();
    const producer = await client.init("waking");
    const waiting = await broker.connect();
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }];
    const limits = { replicaId: -1, maxWaitMs: 60_000, minBytes: 100, maxBytes: 1 << 20 };
    waiting.send("Fetch", 12, { ...limits, isolationLevel: 1, topics: [{ topic, partitions }] });
    await expect.poll(() => broker.broker.pendingFetches.size, { interval: 2 }).toBe(1);
    await client.produce(producer, topic, "a".repeat(200));
    expect(broker.broker.pendingFetches.size).toBe(1);
    await client.end(producer, true);
    const { responses } = await waiting.receive("Fetch", 12);
    expect(responses[0].partitions[0].records?.[0].length).toBeGreaterThan(200);
    waiting.close();
  });

  test("sends many batches before the first is answered", async () => {
    const topic = await fresh();
    const producer = await client.init("pipelined");
    const values = ["a", "b", "c", "d", "e"];
    for (const value of values) client.sendBatch(producer, topic, value);
    for (const offset of values.keys())
      expect(await client.produced()).toMatchObject({ errorCode: 0, baseOffset: offset });
    await client.end(producer, true);
    await client.reads(topic, values);
  });

  test("that is fenced does not disturb the transaction of its successor", async () => {
    await client.topic("undisturbed");
    const old = await client.init("undisturbed");
    expect(await client.produce(old, "undisturbed", "a")).toBe(0);
    const young = await client.init("undisturbed");
    expect(await client.produce(young, "undisturbed", "b")).toBe(0);
    for (const version of [11, 12]) {
      const zombie = { ...old, sequence: 0 };
      const stale = Errors.INVALID_PRODUCER_EPOCH.code;
      expect(await client.produce(zombie, "undisturbed", "c", { version })).toBe(stale);
      expect(await client.produce(young, "undisturbed", "d", { version })).toBe(0);
    }
    expect((await client.end(young, true)).errorCode).toBe(0);
    expect(await client.read("undisturbed", 1)).toEqual(["b", "d", "d"]);
  });

  test("that is fenced writes no more", async () => {
    const topic = await fresh();
    const old = await client.init("fenced");
    await client.produce(old, topic, "a");
    const young = await client.init("fenced");
    expect(await client.produce(old, topic, "b")).toBe(Errors.INVALID_PRODUCER_EPOCH.code);
    expect((await client.end(old, true)).errorCode).toBe(Errors.PRODUCER_FENCED.code);
    expect((await client.end(old, true, 1)).errorCode).toBe(Errors.INVALID_PRODUCER_EPOCH.code);
    expect(await client.produce(young, topic, "c")).toBe(0);
    await client.end(young, true);
    await client.reads(topic, ["c"]);
  });

  test("may not leave out its first sequence number", async () => {
    const topic = await fresh();
    const producer = await client.init("gap");
    producer.sequence = 1;
    expect(await client.produce(producer, topic, "a")).toBe(Errors.OUT_OF_ORDER_SEQUENCE_NUMBER.code);
  });
});

describe("a producer that adds partitions itself", () => {
  test("commits and aborts with the epoch that it has", async () => {
    const topic = await fresh();
    const producer = await client.init("v1", 4);
    for (const commit of [true, false, true]) {
      for (let code = -1; code !== 0; ) {
        code = await client.add(producer, topic, [0]);
        expect([0, Errors.CONCURRENT_TRANSACTIONS.code]).toContain(code);
      }
      expect(await client.produce(producer, topic, String(producer.sequence), { version: 11 })).toBe(0);
      expect(await client.end(producer, commit, 4)).toMatchObject({ errorCode: 0 });
    }
    await client.reads(topic, ["0", "2"]);
  });

  test.each([
    [10, Errors.INVALID_TXN_STATE.code, "Partition was not added to the transaction"],
    [11, Errors.TRANSACTION_ABORTABLE.code, null],
  ])("without it is told so, in version %d by %d", async (version, errorCode, errorMessage) => {
    const topic = await fresh();
    const producer = await client.init("forgetful", 4);
    client.sendBatch(producer, topic, "a", { version });
    expect(await client.produced(version)).toMatchObject({ errorCode, errorMessage });
    expect(await client.read(topic, 0)).toEqual([]);
  });

  test("while its transaction is being completed is told to try again", async () => {
    const topic = await fresh(2);
    const producer = await client.init("hasty", 4);
    await client.add(producer, topic, [0]);
    // The response to the first request comes before the markers are written.
    client.wire.send("EndTxn", 4, { ...producer, transactionalId: "hasty", committed: true });
    client.sendBatch(producer, topic, "a", { version: 11, partition: 1 });
    await client.wire.receive("EndTxn", 4);
    const { errorCode, errorMessage } = await client.produced(11);
    const why =
      "Unable to verify the partition has been added to the transaction. Underlying error: CONCURRENT_TRANSACTIONS";
    expect([
      [Errors.NOT_ENOUGH_REPLICAS.code, why],
      [Errors.TRANSACTION_ABORTABLE.code, null],
    ]).toContainEqual([errorCode, errorMessage]);
  });

  test("partitions that are not there or not for clients: none is added", async () => {
    const topic = await fresh();
    const producer = await client.init("partitions", 4);
    expect(await client.add(producer, topic, [0, 1])).toBe(Errors.OPERATION_NOT_ATTEMPTED.code);
    expect(await client.add(producer, topic, [1, 0])).toBe(Errors.UNKNOWN_TOPIC_OR_PARTITION.code);
    expect(await client.add(producer, "__consumer_offsets", [0])).toBe(Errors.TOPIC_AUTHORIZATION_FAILED.code);
    expect(await client.describe("partitions")).toMatchObject({ transactionState: "Empty", topics: [] });
  });
});

test("AddPartitionsToTxn of brokers: many transactions, to add or to verify", async () => {
  const topic = await fresh(2);
  const [a, b] = [await client.init("many-a"), await client.init("many-b")];
  const entry = ({ id: transactionalId, producerId, producerEpoch }: Producer, index: number, verifyOnly: boolean) => ({
    transactionalId,
    producerId,
    producerEpoch,
    verifyOnly,
    topics: [{ name: topic, partitions: [index] }],
  });
  const ask = async (transactions: object[]) => {
    const body = { transactions };
    const reply = await client.wire.ask("AddPartitionsToTxn", 5, body);
    return new Map(
      reply.resultsByTransaction.map(r => [
        r.transactionalId,
        r.topicResults[0].resultsByPartition[0].partitionErrorCode,
      ]),
    );
  };
  expect(await ask([entry(a, 0, false), entry(b, 1, true)])).toEqual(
    new Map([
      ["many-a", 0],
      ["many-b", Errors.TRANSACTION_ABORTABLE.code],
    ]),
  );
  expect(await ask([entry(a, 0, true), entry({ ...b, producerEpoch: 7 }, 1, false)])).toEqual(
    new Map([
      ["many-a", 0],
      ["many-b", Errors.PRODUCER_FENCED.code],
    ]),
  );
  expect(await ask([])).toEqual(new Map());
});

describe("what is refused of Produce", () => {
  const ask = async (transactionalId: string | null, batches: Uint8Array[], topic: string) => {
    const partitionData = batches.map((batch, index) => ({ index, records: [batch] }));
    const body = { transactionalId, acks: -1, timeoutMs: 1000, topicData: [{ name: topic, partitionData }] };
    const reply = await client.wire.ask("Produce", 12, body);
    return reply.responses[0].partitionResponses.map(({ errorCode }) => errorCode);
  };

  test("batches of two producers", async () => {
    const topic = await fresh(2);
    const [a, b] = [await client.init("two-a"), await client.init("two-b")];
    const { code } = Errors.INVALID_PRODUCER_ID_MAPPING;
    expect(await ask("two-a", [client.batch(a, "a"), client.batch(b, "b")], topic)).toEqual([code, code]);
  });

  test("a transactional batch without a transactional id", async () => {
    const topic = await fresh();
    const { code } = Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    expect(await ask(null, [client.batch(await client.init("nameless"), "a")], topic)).toEqual([code]);
  });

  test("a batch that is in no transaction while one is open", async () => {
    const topic = await fresh();
    const producer = await client.init("mixed");
    await client.produce(producer, topic, "a");
    expect(await ask("mixed", [client.batch(producer, "b", false)], topic)).toEqual([Errors.INVALID_TXN_STATE.code]);
  });
});

describe("offsets", () => {
  test.each([
    [5, true],
    [6, false],
  ])("are committed with what was written (TxnOffsetCommit %d, committed: %s)", async (version, commit) => {
    const group = `g${version}`;
    const producer = await client.init(`offsets${version}`);
    const topicId = broker.broker.topics.idOf("in");
    const partitions = [{ partitionIndex: 0, committedOffset: 7, committedMetadata: null }];
    const { id: transactionalId, producerId, producerEpoch } = producer;
    const body = { transactionalId, groupId: group, producerId, producerEpoch };
    const reply = await client.wire.ask("TxnOffsetCommit", version, {
      ...body,
      topics: [
        { name: "in", topicId, partitions },
        { name: "missing", topicId: "BBBBBBBBBBBBBBBBBBBBBA", partitions },
      ],
    });
    const missing = version === 6 ? Errors.UNKNOWN_TOPIC_ID.code : Errors.UNKNOWN_TOPIC_OR_PARTITION.code;
    expect(reply.topics).toMatchObject([
      { partitions: [{ partitionIndex: 0, errorCode: missing }] },
      { partitions: [{ partitionIndex: 0, errorCode: 0 }] },
    ]);
    expect(await client.offset(group, true)).toBe(`error ${Errors.UNSTABLE_OFFSET_COMMIT.code}`);
    expect(await client.offset(group, false)).toBe(-1);
    await client.end(producer, commit);
    await expect.poll(() => client.offset(group, true), { interval: 5 }).toBe(commit ? 7 : -1);
  });

  test("of a producer that adds its group itself", async () => {
    const producer = await client.init("adds", 4);
    expect(await client.commitOffset(producer, "old", 3, 3)).toBe(Errors.INVALID_TXN_STATE.code);
    expect(await client.commitOffset(producer, "old", 3, 4)).toBe(Errors.TRANSACTION_ABORTABLE.code);
    const { id: transactionalId, producerId, producerEpoch } = producer;
    const body = { transactionalId, producerId, producerEpoch, groupId: "old" };
    expect(await client.wire.ask("AddOffsetsToTxn", 4, body)).toMatchObject({ errorCode: 0 });
    expect(await client.commitOffset(producer, "old", 3, 3)).toBe(0);
    await client.end(producer, true, 4);
    await expect.poll(() => client.offset("old", true), { interval: 5 }).toBe(3);
  });

  test("of a fenced producer", async () => {
    const old = await client.init("stale");
    await client.init("stale");
    expect(await client.commitOffset(old, "stale", 3)).toBe(Errors.INVALID_PRODUCER_EPOCH.code);
    expect(await client.commitOffset(old, "", 3)).toBe(Errors.INVALID_GROUP_ID.code);
  });
});

describe("WriteTxnMarkers", () => {
  test("ends what hangs, once, and for no coordinator that is over", async () => {
    const topic = await fresh();
    const producer = await client.init("hanging");
    await client.produce(producer, topic, "a");
    const marker = { producerId: producer.producerId, transactionResult: false, transactionVersion: 0 };
    const ask = async (producerEpoch: number, coordinatorEpoch: number, names = [topic]) => {
      const topics = names.map(name => ({ name, partitionIndexes: [0] }));
      const markers = [{ ...marker, producerEpoch, coordinatorEpoch, topics }];
      const reply = await client.wire.ask("WriteTxnMarkers", 2, { markers });
      return reply.markers[0].topics.map(({ partitions }) => partitions[0].errorCode);
    };
    const outcomes = await ask(producer.producerEpoch, 5, [topic, "missing"]);
    expect(outcomes.sort((a, b) => a - b)).toEqual([0, Errors.UNKNOWN_TOPIC_OR_PARTITION.code]);
    expect(await client.read(topic, 1)).toEqual([]);
    expect(await ask(producer.producerEpoch, 4)).toEqual([Errors.TRANSACTION_COORDINATOR_FENCED.code]);
    expect(await ask(producer.producerEpoch - 1, 5)).toEqual([Errors.INVALID_PRODUCER_EPOCH.code]);
    expect(await client.wire.ask("WriteTxnMarkers", 1, { markers: [] })).toEqual({ markers: [] });
  });

  test("to the offsets of groups", async () => {
    const producer = await client.init("hanging-group");
    await client.commitOffset(producer, "hung", 4);
    const index = broker.broker.groups.indexOf("hung");
    const topics = [{ name: "__consumer_offsets", partitionIndexes: [index] }];
    const marker = { producerId: producer.producerId, producerEpoch: producer.producerEpoch, topics };
    const markers = [{ ...marker, transactionResult: true, coordinatorEpoch: 0 }];
    await client.wire.ask("WriteTxnMarkers", 1, { markers });
    expect(await client.offset("hung", true)).toBe(4);
  });
});

describe("ListTransactions and DescribeTransactions", () => {
  test("show what there is, by state, producer, duration and pattern", async () => {
    const topic = await fresh();
    const producer = await client.init("list-open");
    await client.produce(producer, topic, "a");
    const idle = await client.init("list-idle");
    const list = async (filter: object) => {
      const body = { stateFilters: [], producerIdFilters: [], ...filter };
      const reply = await client.wire.ask("ListTransactions", 2, body);
      const ids = reply.transactionStates.map(({ transactionalId }) => transactionalId);
      return { ...reply, ids: ids.filter(id => id.startsWith("list-")).sort() };
    };
    expect((await list({})).ids).toEqual(["list-idle", "list-open"]);
    expect(await list({ stateFilters: ["Ongoing", "Sleeping"] })).toMatchObject({
      ids: ["list-open"],
      unknownStateFilters: ["Sleeping"],
    });
    expect((await list({ stateFilters: ["Sleeping"] })).ids).toEqual([]);
    expect((await list({ producerIdFilters: [idle.producerId] })).ids).toEqual(["list-idle"]);
    expect((await list({ durationFilter: 3_600_000 })).ids).toEqual(["list-idle"]);
    expect((await list({ transactionalIdPattern: "list-o.*" })).ids).toEqual(["list-open"]);
    expect((await list({ transactionalIdPattern: "list-o" })).ids).toEqual([]);
    expect((await list({ transactionalIdPattern: "" })).ids).toHaveLength(2);
    expect((await list({ transactionalIdPattern: "(" })).errorCode).toBe(Errors.INVALID_REGULAR_EXPRESSION.code);
    expect((await client.describe("")).errorCode).toBe(Errors.INVALID_REQUEST.code);
    expect((await client.describe("nobody")).errorCode).toBe(Errors.TRANSACTIONAL_ID_NOT_FOUND.code);
  });
});

test("requests that make no sense", async () => {
  const ask = async (key: number, version: number, body: object) =>
    ((await client.wire.ask(key, version, body)) as { errorCode: number }).errorCode;
  const { code } = Errors.INVALID_REQUEST;
  const init = { transactionalId: "odd", transactionTimeoutMs: 1000 };
  expect(await ask(ApiKey.InitProducerId, 5, { ...init, transactionalId: "" })).toBe(code);
  expect(await ask(ApiKey.InitProducerId, 5, { ...init, producerId: 5n })).toBe(code);
  expect(await ask(ApiKey.InitProducerId, 5, { ...init, producerEpoch: 5 })).toBe(code);
  const claim = { transactionalId: "", producerId: 1n, producerEpoch: 0 };
  expect(await ask(ApiKey.EndTxn, 5, { ...claim, committed: true })).toBe(code);
  expect(await ask(ApiKey.AddOffsetsToTxn, 4, { ...claim, groupId: "g" })).toBe(code);
  expect(await ask(ApiKey.EndTxn, 5, { ...claim, transactionalId: "nobody", committed: true })).toBe(
    Errors.INVALID_PRODUCER_ID_MAPPING.code,
  );
  expect(await client.coordinator(1, "x")).toBe(0);
});

describe("a broker that comes back", () => {
  test("knows what was open and what was decided", async () => {
    const first = await TestBroker.start();
    const before = new Client(await first.connect());
    await before.topic("t");
    await before.topic("in");
    await before.coordinator(0, "g");
    const open = await before.init("open");
    await before.produce(open, "t", "a");
    await before.commitOffset(open, "g", 5);
    const done = await before.init("done");
    await before.produce(done, "t", "b");
    await before.end(done, true);
    before.wire.close();
    await first.node.close();
    const second = await TestBroker.start({}, first.directory);
    const after = new Client(await second.connect());
    expect(await after.describe("open")).toMatchObject({ transactionState: "Ongoing" });
    expect(await after.read("t", 1)).toEqual([]);
    expect(await after.offset("g", true)).toBe(`error ${Errors.UNSTABLE_OFFSET_COMMIT.code}`);
    expect((await after.end(open, true)).errorCode).toBe(0);
    await after.reads("t", ["a", "b"]);
    await expect.poll(() => after.offset("g", true), { interval: 5 }).toBe(5);
    after.wire.close();
    await second.stop();
  });
});

describe("settings", () => {
  async function withBroker(
    settings: Record<string, string>,
    work: (client: Client, broker: TestBroker) => Promise<void>,
  ) {
    const own = await TestBroker.start({ "transaction.state.log.num.partitions": "1", ...settings });
    const wire = await own.connect();
    const mine = new Client(wire);
    await mine.topic("t");
    await work(mine, own);
    wire.close();
    await own.stop();
  }

  test("the topic of transactions is as they say", () =>
    withBroker({ "transaction.state.log.segment.bytes": "2000000" }, async (mine, { broker: own }) => {
      await mine.init("x");
      expect(own.topics.partitionsOf("__transaction_state")).toHaveLength(1);
      const value = (name: string) => own.settings.topicValue(own.topics.image, "__transaction_state", name).value;
      expect(["cleanup.policy", "compression.type", "min.insync.replicas", "segment.bytes"].map(value)).toEqual([
        "compact",
        "uncompressed",
        "1",
        "2000000",
      ]);
      expect(value("unclean.leader.election.enable")).toBe("false");
    }));

  test("transaction.state.log.min.isr: too few replicas in sync take no step", () =>
    withBroker({ "transaction.state.log.min.isr": "2" }, async (mine, { broker: own }) => {
      await mine.init("x");
      const partition = own.topics.partition("__transaction_state", 0);
      partition?.becomeLeader(leading(partition.leaderEpoch, [1, 2]));
      const body = { transactionalId: "x", transactionTimeoutMs: 1000 };
      const reply = await mine.wire.ask("InitProducerId", 5, body);
      expect(reply.errorCode).toBe(Errors.COORDINATOR_NOT_AVAILABLE.code);
    }));

  test("transaction.state.log.replication.factor: nor can there be a topic with more than there are brokers", () =>
    withBroker({ "transaction.state.log.replication.factor": "3" }, async mine => {
      expect(await mine.coordinator(1, "x")).toBe(Errors.COORDINATOR_NOT_AVAILABLE.code);
    }));

  test("transaction.max.timeout.ms", () =>
    withBroker({ "transaction.max.timeout.ms": "5000" }, async mine => {
      await mine.init("x", 5, 5000);
      const body = { transactionalId: "x", transactionTimeoutMs: 5001 };
      const reply = await mine.wire.ask("InitProducerId", 5, body);
      expect(reply.errorCode).toBe(Errors.INVALID_TRANSACTION_TIMEOUT.code);
    }));

  test("transactions that last too long are aborted, and ids that are not used forgotten", () =>
    withBroker(
      {
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "5",
        "transaction.remove.expired.transaction.cleanup.interval.ms": "5",
        "transactional.id.expiration.ms": "50",
      },
      async mine => {
        const producer = await mine.init("x", 5, 20);
        await mine.produce(producer, "t", "a");
        await expect
          .poll(async () => (await mine.describe("x")).errorCode, { interval: 5 })
          .toBe(Errors.TRANSACTIONAL_ID_NOT_FOUND.code);
        expect([await mine.read("t", 0), await mine.read("t", 1)]).toEqual([["a"], []]);
        // The marker of the abort has ended the epoch, and the log is checked before the coordinator.
        expect(await mine.produce(producer, "t", "b")).toBe(Errors.INVALID_PRODUCER_EPOCH.code);
      },
    ));

  test("transaction.partition.verification.enable: without it nobody asks the coordinator", () =>
    withBroker({ "transaction.partition.verification.enable": "false" }, async mine => {
      const producer = await mine.init("x");
      expect(await mine.produce(producer, "t", "a", { version: 11 })).toBe(0);
      expect(await mine.describe("x")).toMatchObject({ transactionState: "Empty" });
    }));

  test.each([
    ["1", Errors.CONCURRENT_TRANSACTIONS.code],
    ["5000", 0],
  ])("add.partitions.to.txn.retry.backoff.max.ms %s: a write before the markers are in gets %d", (max, errorCode) =>
    withBroker(
      { "add.partitions.to.txn.retry.backoff.max.ms": max, "add.partitions.to.txn.retry.backoff.ms": "2" },
      async (mine, { broker: own }) => {
        await mine.topic("slow");
        const producer = await mine.init("x");
        await mine.produce(producer, "slow", "a");
        const partition = own.topics.partition("slow", 0);
        // The marker is not acknowledged for a while.
        partition?.hold();
        const { producerEpoch } = await mine.end(producer, true);
        const writing = new Client(await connectTo(own.advertised.get("PLAINTEXT")?.port ?? -1));
        writing.sendBatch({ ...producer, producerEpoch, sequence: 0 }, "t", "b");
        const produced = writing.produced();
        // A patient request is answered after the markers, the other before.
        if (errorCode === 0) await mine.describe("x");
        else await produced;
        partition?.release();
        expect((await produced).errorCode).toBe(errorCode);
        writing.wire.close();
      },
    ),
  );
});

describe("transaction.version", () => {
  test("is finalised at 2, and may be changed", async () => {
    const own = await TestBroker.start({ "transaction.state.log.num.partitions": "1" });
    const mine = new Client(await own.connect());
    await mine.topic("t");
    const levels = async () => {
      const reply = await mine.wire.ask("ApiVersions", 4, {
        clientSoftwareName: "t",
        clientSoftwareVersion: "1",
      });
      const named = <F extends { readonly name: string }>(features: readonly F[]) =>
        features.find(({ name }) => name === "transaction.version");
      const { minVersion, maxVersion } = named(reply.supportedFeatures) ?? {};
      return [minVersion, maxVersion, named(reply.finalizedFeatures)?.maxVersionLevel];
    };
    expect(await levels()).toEqual([0, 2, 2]);
    const update = { feature: "transaction.version", maxVersionLevel: 1, upgradeType: 2 };
    await mine.wire.ask("UpdateFeatures", 1, { timeoutMs: 1000, featureUpdates: [update] });
    expect(await levels()).toEqual([0, 2, 1]);
    // The coordinator fences a producer with the epochs of older versions.
    const producer = await mine.init("x");
    await mine.produce(producer, "t", "a");
    const next = await mine.init("x");
    expect(next.producerEpoch).toBe(producer.producerEpoch + 2);
    mine.wire.close();
    await own.stop();
  });
});
