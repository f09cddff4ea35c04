import { KafkaError } from "@samsa/client-kernel";
import { BatchCursor, defaultCompression, RecordCursor } from "@samsa/records";
import { SimCluster } from "@samsa/sim";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ClusterClient, Producer, type ProducerOptions } from "../src/index.ts";

let cluster: SimCluster;
let client: ClusterClient;
let producers: Producer[] = [];

beforeEach(async () => {
  cluster = new SimCluster({
    settings: {
      "offsets.topic.num.partitions": "3",
      "transaction.state.log.num.partitions": "3",
      "transaction.state.log.replication.factor": "3",
      "offsets.topic.replication.factor": "3",
    },
  });
  await cluster.startAll();
  client = clientOf("producer");
  producers = [];
});

afterEach(async () => {
  await run(Promise.all(producers.map(producer => producer.close({ timeoutMs: 2000 }))));
  client.close();
  await cluster.close();
});

function clientOf(clientId: string): ClusterClient {
  return cluster.client({ clientId, requestTimeoutMs: 2000, allowAutoTopicCreation: false });
}

function start(options: ProducerOptions = {}, over = client): Producer {
  const producer = new Producer(over, options);
  producers.push(producer);
  return producer;
}

const run = <T>(promise: Promise<T>): Promise<T> => cluster.settle(promise);
const errorOf = (promise: Promise<unknown>): Promise<KafkaError> =>
  run(
    promise.then(
      () => {
        throw new Error("it succeeded");
      },
      (error: unknown) => {
        if (!(error instanceof KafkaError)) throw error;
        return error;
      },
    ),
  );

/** Epochs of the producers of the batches in partition 0 that `committed` has read last. */
let epochs: number[] = [];

/** Values in partition 0, those of committed transactions only. */
async function committed(topic: string): Promise<string[]> {
  const { crypto, codecs } = cluster.clientEnv;
  const view = await run(client.topic(topic, client.patience()));
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
  const limits = { maxWaitMs: 0, minBytes: 0, maxBytes: 1_000_000, isolationLevel: 1 };
  const { leaderId } = view.partitions[0] ?? { leaderId: -1 };
  const topics = [{ topic, topicId: view.id, partitions }];
  const { responses } = await run(
    client.call(leaderId, "Fetch", { ...limits, sessionId: 0, sessionEpoch: -1, topics, forgottenTopicsData: [] }),
  );
  const answer = responses[0]?.partitions[0];
  const aborted = [...(answer?.abortedTransactions ?? [])].sort(
    (a, b) => Number(a.firstOffset) - Number(b.firstOffset),
  );
  const open = new Set<bigint>();
  const values: string[] = [];
  epochs = [];
  for (const chunk of answer?.records ?? []) {
    for (const batch = new BatchCursor(chunk); batch.next(); ) {
      expect(batch.intact(crypto.crc32c)).toBe(true);
      while (Number(aborted[0]?.firstOffset ?? Infinity) <= batch.lastOffset)
        open.add(aborted.shift()?.producerId ?? -1n);
      if (batch.isControl) open.delete(batch.producerId);
      if (batch.isControl || open.has(batch.producerId)) continue;
      epochs.push(batch.producerEpoch);
      const records = new RecordCursor().open(batch, codecs);
      while (records.next()) values.push(new TextDecoder().decode(records.value() ?? new Uint8Array(0)));
    }
  }
  return values;
}

/** Markers of a transaction are written after its end. */
async function untilCommitted(topic: string, values: readonly string[]): Promise<void> {
  for (let i = 0; i < 20 && (await committed(topic)).length < values.length; i++) await cluster.world.runFor(50);
  expect(await committed(topic)).toEqual(values);
}

describe("records", () => {
  test("have an offset when they are acknowledged, alone and in a call of many", async () => {
    await cluster.createTopic("orders", [2, 3, 1], []);
    const producer = start();
    const sent = Date.UTC(2026, 0, 1);
    const first = await run(producer.send({ topic: "orders", key: "k", value: "one", timestamp: sent }));
    expect(first).toEqual({ topic: "orders", partition: 0, offset: 0, timestamp: sent });
    const records = Array.from({ length: 50 }, (_, i) => ({ topic: "orders", value: `v${i}` }));
    const result = await run(producer.sendBatch(records));
    expect([...result.offsets]).toEqual(records.map((_, i) => i + 1));
    expect([result.failures.size, new Set(result.partitions)]).toEqual([0, new Set([0])]);
    expect(await cluster.consume("orders")).toEqual(["one", ...records.map(({ value }) => value)]);
  });

  test("sent without waiting keep their order while the topic is looked up and memory is short", async () => {
    await cluster.createTopic("orders", [2, 3, 1], []);
    const producer = start({ batchBytes: 200, bufferBytes: 1024, compression: defaultCompression(3) });
    const values = Array.from({ length: 200 }, (_, i) => `value-${i}`);
    const ends = values.map(value => producer.send({ topic: "orders", value }));
    const offsets = (await run(Promise.all(ends))).map(({ offset }) => offset);
    expect(offsets).toEqual(values.map((_, i) => i));
    expect(await cluster.consume("orders")).toEqual(values);
  });

  test("are neither lost nor doubled when leaders die", async () => {
    await cluster.createTopic("orders", [2, 3, 1], [{ name: "min.insync.replicas", value: "2" }]);
    const producer = start({ batchBytes: 100, deliveryTimeoutMs: 60_000 });
    await run(producer.send({ topic: "orders", value: "first" }));
    const values = Array.from({ length: 60 }, (_, i) => `value-${i}`);
    const ends: Promise<unknown>[] = [];
    for (const [i, value] of values.entries()) {
      ends.push(producer.send({ topic: "orders", value }));
      if (i % 4 === 0) await cluster.world.runFor(3);
      if (i === 20) cluster.end((await cluster.partition("orders")).leader, "kill");
    }
    await run(Promise.all(ends));
    expect(await cluster.consume("orders")).toEqual(["first", ...values]);
  });

  test("without a promise are refused when there is no room, and taken again later", async () => {
    await cluster.createTopic("orders", [2, 3, 1], []);
    const producer = start({ batchBytes: 200, bufferBytes: 1024 });
    const values = Array.from({ length: 300 }, (_, i) => `value-${i}`);
    const acknowledged: number[] = [];
    let refusals = 0;
    for (const value of values) {
      const acknowledge = (error: KafkaError | undefined, metadata?: { readonly offset: number }) => {
        if (error === undefined) acknowledged.push(metadata?.offset ?? -1);
      };
      while (!producer.offer({ topic: "orders", value }, acknowledge)) {
        refusals++;
        await run(producer.drained());
      }
    }
    await run(producer.flush());
    expect(refusals).toBeGreaterThan(5);
    expect(acknowledged).toEqual(values.map((_, i) => i));
    expect(await cluster.consume("orders")).toEqual(values);
  });

  test("that nobody waits for are reported when they fail, and a flush waits for all", async () => {
    await cluster.createTopic("orders", [2, 3, 1], [{ name: "max.message.bytes", value: "300" }]);
    const lost: unknown[] = [];
    const producer = start({ batchBytes: 200, bufferBytes: 2048, onLost: record => lost.push(record) });
    while (!producer.offer({ topic: "orders", value: "x".repeat(500) })) await run(producer.drained());
    let ended = 0;
    const sends = Array.from({ length: 100 }, (_, i) =>
      producer.send({ topic: "orders", value: `value-${i}` }).then(() => ended++),
    );
    await run(producer.flush());
    expect(ended).toBe(100);
    await run(Promise.all(sends));
    expect(lost).toEqual([
      { topic: "orders", partition: 0, count: 1, error: expect.objectContaining({ name: "MESSAGE_TOO_LARGE" }) },
    ]);
  });

  test("that wait hold up a flush no longer than it may take", async () => {
    const producer = start({ maxBlockMs: 60_000 });
    const sent = errorOf(producer.send({ topic: "missing", value: "waits" }));
    const began = cluster.world.now();
    expect((await errorOf(producer.flush({ timeoutMs: 100 }))).name).toBe("TIMED_OUT");
    expect(cluster.world.now() - began).toBeLessThan(200);
    await run(producer.close({ timeoutMs: 0 }));
    await sent;
  });

  test("that cannot be sent are refused with a name", async () => {
    await cluster.createTopic("orders", [2, 3, 1], []);
    const producer = start({ maxBlockMs: 500, maxRequestBytes: 1000 });
    const missing = await errorOf(producer.send({ topic: "missing", value: "v" }));
    expect(missing.name).toBe("UNKNOWN_TOPIC_OR_PARTITION");
    const large = await errorOf(producer.send({ topic: "orders", value: "x".repeat(2000) }));
    expect(large.name).toBe("RECORD_TOO_LARGE");
    const partition = await errorOf(producer.send({ topic: "orders", partition: 7, value: "v" }));
    expect([partition.name, partition.message]).toEqual(["TIMED_OUT", expect.stringContaining("1 partitions only")]);
    const result = await run(
      producer.sendBatch([
        { topic: "orders", value: "good" },
        { topic: "orders", value: "x".repeat(2000) },
        { topic: "missing", value: "v" },
      ]),
    );
    expect([...result.failures].map(([index, { name }]) => [index, name])).toEqual([
      [1, "RECORD_TOO_LARGE"],
      [2, "UNKNOWN_TOPIC_OR_PARTITION"],
    ]);
    expect(result.offsets[0]).toBe(0);
    const offer = async () => {
      while (!producer.offer({ topic: "nowhere", value: "v" })) await producer.drained();
    };
    expect((await errorOf(offer())).name).toBe("UNKNOWN_TOPIC_OR_PARTITION");
  });

  test("wait no longer than their sender does, and none is taken after the close", async () => {
    const producer = start();
    const abort = new AbortController();
    const waits = producer.send({ topic: "missing", value: "v" }, { signal: abort.signal });
    const ends = errorOf(waits);
    abort.abort();
    expect((await ends).name).toBe("ABORTED");
    const left = errorOf(producer.send({ topic: "missing", value: "v" }));
    await run(producer.close());
    expect((await left).name).toBe("CLOSED");
    expect((await errorOf(producer.send({ topic: "missing", value: "v" }))).name).toBe("CLOSED");
  });

  test("with acks of 0 or 1 are written as well", async () => {
    await cluster.createTopic("orders", [2, 3, 1], []);
    const careless = start({ acks: 0 });
    const sent = await run(careless.send({ topic: "orders", value: "zero" }));
    expect(sent.offset).toBe(-1);
    const leaderOnly = start({ acks: 1 });
    expect((await run(leaderOnly.send({ topic: "orders", value: "one" }))).offset).toBe(1);
    await cluster.world.runFor(500);
    expect(await cluster.consume("orders")).toEqual(["zero", "one"]);
  });
});

describe.each(["1", "2"])("transactions of version %s", version => {
  beforeEach(async () => {
    await cluster.createTopic("orders", [2, 3, 1], []);
    if (version === "2") return;
    const featureUpdates = [{ feature: "transaction.version", maxVersionLevel: 1, upgradeType: 2 }];
    await run(client.ready(client.patience()));
    const answer = await run(
      client.retrying(client.patience(), () =>
        client.callAny("UpdateFeatures", { timeoutMs: 5000, featureUpdates, validateOnly: false }),
      ),
    );
    expect(answer.errorCode).toBe(0);
    // Brokers, and connections to them, tell of the features when they are asked.
    await cluster.world.runFor(2000);
    client.close();
    client = clientOf("producer");
  });

  test("are visible when they are committed, and not when they are aborted", async () => {
    const producer = start({ transactionalId: "t" });
    await run(producer.initTransactions());
    for (const [i, isCommitted] of [true, false, true].entries()) {
      producer.beginTransaction();
      const sent = producer.send({ topic: "orders", value: `t${i}` });
      await run(sent);
      await run(isCommitted ? producer.commitTransaction() : producer.abortTransaction());
    }
    await run(producer.transaction(async () => undefined));
    const failed = producer.transaction(async open => {
      await open.send({ topic: "orders", value: "failed" });
      throw new KafkaError("ILLEGAL_STATE", "the work has failed");
    });
    expect((await errorOf(failed)).message).toContain("the work has failed");
    await run(producer.transaction(open => open.send({ topic: "orders", value: "last" })));
    await untilCommitted("orders", ["t0", "t2", "last"]);
    // Each end of a transaction raises the epoch in version 2, and in version 1 none does.
    expect(epochs).toEqual(version === "2" ? [0, 2, 4] : [0, 0, 0]);
  });

  test("have all records that were sent before their end, or none", async () => {
    const producer = start({ transactionalId: "t", batchBytes: 100, bufferBytes: 1024, maxBlockMs: 2000 });
    await run(producer.initTransactions());
    const values = Array.from({ length: 60 }, (_, i) => `value-${i}`);
    const ends: Promise<unknown>[] = [];
    // Most of them wait for memory when the transaction ends.
    await run(
      producer.transaction(async open => {
        ends.push(...values.map(value => open.send({ topic: "orders", value })));
      }),
    );
    await run(Promise.all(ends));
    let late: Promise<KafkaError> | undefined;
    const failed = producer.transaction(async open => {
      ends.push(open.send({ topic: "orders", value: "half" }));
      late = errorOf(open.send({ topic: "missing", value: "other half" }));
    });
    expect((await errorOf(failed)).name).toBe("UNKNOWN_TOPIC_OR_PARTITION");
    expect((await late)?.name).toBe("UNKNOWN_TOPIC_OR_PARTITION");
    producer.beginTransaction();
    const dropped = values.map(value => errorOf(producer.send({ topic: "orders", value: `dropped ${value}` })));
    await run(producer.abortTransaction());
    expect((await Promise.all(dropped)).at(-1)?.name).toBe("TRANSACTION_ABORTED");
    await untilCommitted("orders", values);
  });

  test("wait for the end of an earlier one that has not come in its time", async () => {
    const producer = start({ transactionalId: "t" });
    await run(producer.initTransactions());
    for (const end of ["abortTransaction", "commitTransaction"] as const) {
      producer.beginTransaction();
      await run(producer.send({ topic: "orders", value: end }));
      expect((await errorOf(producer[end]({ timeoutMs: 0 }))).name).toBe("TIMED_OUT");
      await run(producer.transaction(open => open.send({ topic: "orders", value: `after ${end}` })));
    }
    await untilCommitted("orders", ["after abortTransaction", "commitTransaction", "after commitTransaction"]);
  });

  test("commit the offsets of a consumer", async () => {
    const producer = start({ transactionalId: "t" });
    await run(producer.initTransactions());
    const group = { groupId: "g", generationId: -1, memberId: "", groupInstanceId: null };
    const offset = (value: number) => [
      { topic: "orders", partition: 0, offset: value, leaderEpoch: -1, metadata: null },
    ];
    await run(
      producer.transaction(async () => {
        await producer.send({ topic: "orders", value: "v" });
        await producer.sendOffsets(offset(5), group);
      }),
    );
    producer.beginTransaction();
    await run(producer.sendOffsets(offset(9), group));
    await run(producer.abortTransaction());
    const view = client.metadata.topic("orders");
    const topics = [{ name: "orders", topicId: view?.id, partitionIndexes: [0] }];
    const groups = [{ groupId: "g", memberId: null, memberEpoch: -1, topics }];
    const answer = await run(
      client.callCoordinator({ kind: "group", key: "g" }, "OffsetFetch", { groups, requireStable: true }),
    );
    expect(answer.groups[0]?.topics[0]?.partitions[0]?.committedOffset).toBe(5);
  });

  test("end when another producer takes the transactional id", async () => {
    const first = start({ transactionalId: "t" });
    await run(first.initTransactions());
    first.beginTransaction();
    await run(first.send({ topic: "orders", value: "fenced" }));
    const otherClient = clientOf("other");
    const second = start({ transactionalId: "t" }, otherClient);
    await run(second.initTransactions());
    const error = await errorOf(first.commitTransaction());
    expect([error.name, error.fatal]).toEqual(["PRODUCER_FENCED", true]);
    await run(second.transaction(open => open.send({ topic: "orders", value: "second" })));
    await untilCommitted("orders", ["second"]);
    await run(second.close());
    otherClient.close();
  });

  test("of a producer that is fenced reject with an error that says so", async () => {
    const first = start({ transactionalId: "t" });
    await run(first.initTransactions());
    const otherClient = clientOf("other");
    const second = start({ transactionalId: "t" }, otherClient);
    await run(second.initTransactions());
    const error = await errorOf(first.transaction(open => open.send({ topic: "orders", value: "fenced" })));
    expect(error.fatal).toBe(true);
    await run(second.close());
    otherClient.close();
  });

  test("stay whole when brokers die", async () => {
    const producer = start({ transactionalId: "t", batchBytes: 60, deliveryTimeoutMs: 20_000 });
    await run(producer.initTransactions());
    const values: string[] = [];
    for (let i = 0; i < 12; i++) {
      if (i === 4) cluster.end((await cluster.partition("orders")).leader, "kill");
      if (i === 9) await Promise.all([1, 2, 3].filter(id => !cluster.nodes.has(id)).map(id => cluster.start(id)));
      const own = [0, 1, 2].map(part => `t${i}-${part}`);
      // An aborted transaction is begun again, as an application does.
      for (let attempt = 0; ; attempt++) {
        try {
          await run(
            producer.transaction(async open => {
              await Promise.all(own.map(value => open.send({ topic: "orders", value })));
            }),
          );
          break;
        } catch (error) {
          expect(error).toMatchObject({ fatal: false });
          expect(attempt).toBeLessThan(5);
        }
      }
      values.push(...own);
    }
    await untilCommitted("orders", values);
  });
});
