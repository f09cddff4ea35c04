import { Errors } from "@samsa/protocol";
import { BatchCursor, defaultCompression } from "@samsa/records";
import { describe, expect, test } from "vitest";
import { APPEND, KafkaError, type ProduceCall, type ProducerOptions } from "../../src/index.ts";
import { TOPIC } from "./model-cluster.ts";
import { type Sent, World } from "./producer-world.ts";

/** A world with a producer id, one partition at one broker, and batches of one record. */
function world(options: ProducerOptions = {}, sizes = { brokers: 1, partitions: 1, limit: 1 << 20 }): World {
  const small = {
    batchBytes: 1,
    retryBackoffMs: 10,
    retryBackoffMaxMs: 10,
    requestTimeoutMs: 300,
    deliveryTimeoutMs: 1000,
  };
  const made = new World({ ...small, ...options }, sizes);
  made.poll();
  made.initProducerId();
  return made;
}

function sent(made: World, value: string, partition = 0): Sent {
  const record = made.send(value, partition);
  if (record === undefined || record instanceof KafkaError) throw new Error("the record was not taken");
  return record;
}

/** Requests that a broker has not handled. */
function onWire(made: World, broker = 0): ProduceCall[] {
  return made.cluster.connection(broker).sent.map(({ call }) => call);
}

function sequences(calls: readonly ProduceCall[]): (readonly [number, number])[] {
  return calls.flatMap(({ request }) =>
    request.topicData.flatMap(({ partitionData }) =>
      partitionData.map(({ records }) => {
        const batch = new BatchCursor(records?.[0]);
        expect(batch.next()).toBe(true);
        return [batch.producerEpoch, batch.baseSequence] as const;
      }),
    ),
  );
}

/** Sends and writes a record, so that the broker knows the producer. */
function warm(made: World): void {
  sent(made, "warm");
  made.poll();
  made.handle(0);
  made.answer(0);
}

describe("sequences", () => {
  test("of batches that are tried again only the first is on the wire", () => {
    const made = world();
    warm(made);
    for (const value of ["a", "b", "c"]) sent(made, value);
    made.poll();
    expect(sequences(onWire(made))).toEqual([
      [0, 1],
      [0, 2],
      [0, 3],
    ]);
    made.disconnect(0, 0, false);
    made.now += 10;
    made.poll();
    expect(sequences(onWire(made))).toEqual([[0, 1]]);
    made.handle(0);
    made.answer(0);
    made.poll();
    expect(sequences(onWire(made))).toEqual([[0, 2]]);
  });

  test("a new batch waits while it is not known whether one that was given up is in the log", () => {
    const made = world();
    warm(made);
    const lost = sent(made, "lost");
    made.poll();
    made.now = 999;
    const later = sent(made, "later");
    made.now = 1000;
    made.poll();
    expect(lost.error?.name).toBe("DELIVERY_TIMED_OUT");
    sent(made, "new");
    made.poll();
    expect(sequences(onWire(made))).toEqual([[0, 1]]);
    // The batch was written after all: no new epoch.
    made.handle(0);
    made.answer(0);
    made.poll();
    expect(sequences(onWire(made))).toEqual([
      [0, 2],
      [0, 3],
    ]);
    made.finish();
    expect([later.error, lost.ends]).toEqual([undefined, 1]);
  });

  test("a new epoch begins if a batch that was given up is not in the log", () => {
    const made = world();
    warm(made);
    sent(made, "lost");
    made.poll();
    made.now = 1000;
    const later = sent(made, "later");
    made.poll();
    made.disconnect(0, 0, true);
    made.poll();
    expect(sequences(onWire(made))).toEqual([[1, 0]]);
    made.finish();
    expect(later.offset).toBe(1);
  });

  test("batches get new sequences once none is on the wire, in other memory than a socket has", () => {
    const made = world();
    warm(made);
    for (const value of ["a", "b"]) sent(made, value);
    made.poll();
    // The broker has lost what it knew.
    made.cluster.partitions[0]?.producers.set(7n, { epoch: 0, batches: [] });
    made.handle(0);
    made.answer(0);
    made.now += 10;
    made.poll();
    expect(sequences(onWire(made))).toEqual([[0, 2]]);
    const socket = onWire(made)[0]?.request.topicData[0]?.partitionData[0]?.records?.[0];
    const before = socket?.slice();
    made.disconnect(0, 0, false);
    made.now += 10;
    made.poll();
    expect(sequences(onWire(made))).toEqual([[1, 0]]);
    made.finish();
    expect(socket).toEqual(before);
    expect(made.cluster.partitions[0]?.log.map(({ value }) => value)).toEqual(["warm", "a", "b"]);
  });

  test("the broker remembers the first batch in flight: at most five are between it and the last", () => {
    const made = world();
    warm(made);
    for (const value of ["a", "b", "c", "d", "e", "f", "g"]) sent(made, value);
    made.poll();
    expect(onWire(made)).toHaveLength(5);
    made.handle(0, { after: Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND.code });
    for (let i = 0; i < 4; i++) made.handle(0);
    for (let i = 0; i < 5; i++) made.answer(0);
    made.now += 10;
    made.poll();
    // The retry of the first, but not the sixth.
    expect(sequences(onWire(made))).toEqual([[0, 1]]);
    made.finish();
    expect(made.cluster.partitions[0]?.log).toHaveLength(8);
  });

  test("until the broker knows the producer one batch is in flight", () => {
    const made = world();
    for (const value of ["a", "b"]) sent(made, value);
    made.poll();
    expect(onWire(made)).toHaveLength(1);
    made.handle(0);
    made.answer(0);
    made.poll();
    expect(onWire(made)).toHaveLength(1);
  });

  test("after the last epoch of a producer id comes another id", () => {
    const made = world({ deliveryTimeoutMs: 100_000 });
    made.core.poll(0);
    const calls = made.calls.length;
    const again = new World({ batchBytes: 1 }, { brokers: 1, partitions: 1, limit: 1 << 20 });
    again.poll();
    again.initProducerId(0, 9n, 0x7fff);
    warm(again);
    sent(again, "bad");
    again.poll();
    again.handle(0);
    again.answer(0);
    sent(again, "good");
    again.poll();
    expect([calls, again.calls.map(({ api }) => api)]).toEqual([0, ["InitProducerId"]]);
    expect(onWire(again)).toHaveLength(0);
    again.initProducerId(0, 10n, 0);
    again.finish();
    expect(
      again.cluster.partitions[0]?.log.map(({ producerId, producerEpoch }) => [producerId, producerEpoch]),
    ).toEqual([
      [9n, 0x7fff],
      [10n, 0],
    ]);
  });
});

describe("answers", () => {
  test("a record that the broker names has its own error, the others of the batch a general one", () => {
    const made = world({ batchBytes: 1000, adaptiveLinger: false });
    const records = ["a", "b", "c"].map(value => sent(made, value));
    made.core.flush(0);
    made.poll();
    const [call] = onWire(made);
    const recordErrors = [0, 2].map(batchIndex => ({ batchIndex, batchIndexErrorMessage: `record ${batchIndex}` }));
    const answer = { index: 0, errorCode: Errors.INVALID_RECORD.code, baseOffset: -1, recordErrors };
    made.core.answered(call?.id ?? -1, made.response([answer]), 0);
    made.poll();
    expect(records.map(({ error }) => error?.name)).toEqual(["INVALID_RECORD", "BATCH_REFUSED", "INVALID_RECORD"]);
    expect(records[2]?.error?.message).toContain("record 2");
    expect(made.settled.has(0)).toBe(true);
  });

  test.each([0, 4] as const)("a batch that is too large is split, in order, with codec %i", codec => {
    const limits = { brokers: 1, partitions: 1, limit: 400 };
    const made = world({ batchBytes: 1500, compression: defaultCompression(codec), adaptiveLinger: false }, limits);
    const bytes = new Uint8Array(80);
    // Random bytes, which no codec makes smaller.
    const noise = (seed: number) =>
      String.fromCharCode(...bytes.map((_, i) => 33 + ((seed * 7919 + i * i * 31 + i * seed) % 90)));
    const records = Array.from({ length: 12 }, (_, i) => sent(made, `${i}-${noise(i)}`));
    made.core.flush(0);
    made.finish();
    expect(records.map(({ offset }) => offset)).toEqual(records.map((_, i) => i));
    expect(made.settled.has(0)).toBe(true);
    expect(made.core.usedBytes).toBe(0);
  });

  test("records of different codecs have batches of their own, in order", () => {
    const made = world({ batchBytes: 10_000, adaptiveLinger: false, lingerMs: 0, ackTimeoutMs: 77 });
    const codecs = [0, 0, 1, 1, 4, 0] as const;
    const call: Sent[] = [];
    for (const [i, codec] of codecs.entries()) {
      // Other objects for the same codec do not part records.
      const record = { topic: TOPIC, key: null, value: `${i}`, timestamp: 1, compression: defaultCompression(codec) };
      expect(made.core.append(record, 0, call, i)).toBe(0);
      call.push({ value: `${i}`, partition: 0, ends: 0, offset: undefined, error: undefined });
    }
    made.poll();
    expect(onWire(made)[0].request.timeoutMs).toBe(77);
    made.finish();
    expect(call.map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4, 5]);
    const log = made.cluster.partitions[0].log.map(({ value, codec, place }) => [value, codec, place]);
    expect(log).toEqual([
      ["0", 0, 0],
      ["1", 0, 1],
      ["2", 1, 0],
      ["3", 1, 1],
      ["4", 4, 0],
      ["5", 0, 0],
    ]);
  });

  test("records of one call that is split get the offsets of their places", () => {
    const made = world({ batchBytes: 1000, adaptiveLinger: false }, { brokers: 1, partitions: 1, limit: 300 });
    const call: Sent[] = [];
    for (let i = 0; i < 20; i++) {
      const value = `${i}-${"x".repeat(30)}`;
      expect(made.core.append({ topic: TOPIC, key: null, value, timestamp: 1 }, 0, call, i)).toBe(0);
      call.push({ value, partition: 0, ends: 0, offset: undefined, error: undefined });
    }
    made.finish();
    expect(call.map(({ ends, offset }) => [ends, offset])).toEqual(call.map((_, i) => [1, i]));
  });

  test("a record that is too large for the broker fails alone", () => {
    const made = world({ batchBytes: 2000, adaptiveLinger: false }, { brokers: 1, partitions: 1, limit: 400 });
    const records = ["a", "x".repeat(800), "b"].map(value => sent(made, value));
    made.finish();
    expect(records.map(({ error }) => error?.name)).toEqual([undefined, "MESSAGE_TOO_LARGE", undefined]);
  });

  test("a partition that the answer lacks is sent again", () => {
    const made = world();
    const record = sent(made, "a");
    made.poll();
    made.core.answered(onWire(made)[0]?.id ?? -1, made.response([]), 0);
    made.cluster.connection(0).sent.length = 0;
    made.finish();
    expect(record.offset).toBe(0);
  });

  test("a leader that a broker names is news for the metadata, and a new epoch ends the back-off", () => {
    const made = world({ retryBackoffMs: 500, retryBackoffMaxMs: 500 }, { brokers: 2, partitions: 1, limit: 1 << 20 });
    const record = sent(made, "a");
    made.poll();
    made.cluster.move(0, 1);
    const currentLeader = { leaderId: 1, leaderEpoch: 1, tags: undefined };
    const answer = { index: 0, errorCode: Errors.NOT_LEADER_OR_FOLLOWER.code, baseOffset: -1, currentLeader };
    made.core.answered(onWire(made)[0]?.id ?? -1, made.response([answer]), 0);
    made.poll();
    expect([made.leaderHints, made.isStale, onWire(made, 1)]).toEqual([1, true, []]);
    made.refresh();
    made.poll();
    expect(onWire(made, 1)).toHaveLength(1);
    made.handle(1);
    made.answer(1);
    made.poll();
    expect(record.offset).toBe(0);
  });

  test("a broker that throttles gets nothing for that time", () => {
    const made = world();
    sent(made, "a");
    made.poll();
    made.core.answered(onWire(made)[0]?.id ?? -1, made.response([{ index: 0, errorCode: 0, baseOffset: 0 }], 200), 0);
    made.cluster.connection(0).sent.length = 0;
    sent(made, "b");
    made.poll();
    expect([onWire(made).length, made.core.nextDeadline()]).toEqual([0, 200]);
    made.now = 200;
    made.poll();
    expect(onWire(made)).toHaveLength(1);
  });

  test("with acks of 0 a record is done when it is sent, without an offset", () => {
    const made = world({ acks: 0 });
    const record = sent(made, "a");
    made.poll();
    made.core.answered(onWire(made)[0]?.id ?? -1, undefined, 0);
    made.poll();
    expect([record.ends, record.offset, record.error]).toEqual([1, -1, undefined]);
  });

  test("a producer that may not be idempotent fails its batches, and asks again for the next", () => {
    const made = new World({ batchBytes: 1 });
    made.poll();
    const record = sent(made, "a");
    made.poll();
    made.initProducerId(Errors.CLUSTER_AUTHORIZATION_FAILED.code);
    made.poll();
    expect([record.error?.name, made.calls.length]).toEqual(["CLUSTER_AUTHORIZATION_FAILED", 0]);
    const next = sent(made, "b");
    made.finish();
    expect(next.offset).toBe(0);
  });
});

describe("what leaves", () => {
  test("a lone record at once, those after it when the broker has answered, or after the linger time", () => {
    const made = world({ batchBytes: 1000, lingerMs: 20 });
    sent(made, "a");
    made.poll();
    expect(onWire(made)).toHaveLength(1);
    made.handle(0);
    made.answer(0);
    sent(made, "b");
    made.poll();
    sent(made, "c");
    sent(made, "d");
    made.poll();
    expect([onWire(made).length, made.core.nextDeadline()]).toEqual([1, 20]);
    made.now = 20;
    made.poll();
    expect(onWire(made)).toHaveLength(2);
  });

  test("without adaptive linger a lone record waits, unless there is a flush", () => {
    const made = world({ batchBytes: 1000, lingerMs: 20, adaptiveLinger: false });
    sent(made, "a");
    made.poll();
    expect(onWire(made)).toHaveLength(0);
    made.core.flush(0);
    made.poll();
    expect(onWire(made)).toHaveLength(1);
  });

  test("one batch of a partition in a request, up to the largest request, and each partition has its turn", () => {
    const made = world({ maxRequestBytes: 250, maxInFlight: 1 }, { brokers: 1, partitions: 4, limit: 1 << 20 });
    for (let i = 0; i < 3; i++)
      for (let partition = 0; partition < 4; partition++) sent(made, "x".repeat(20), partition);
    const turns: number[][] = [];
    for (let i = 0; i < 4; i++) {
      made.poll();
      turns.push(
        onWire(made).flatMap(({ request }) => request.topicData[0]?.partitionData.map(({ index }) => index) ?? []),
      );
      made.handle(0);
      made.answer(0);
    }
    expect(turns).toEqual([
      [0, 1],
      [2, 3],
      [0, 1],
      [2, 3],
    ]);
  });

  test("without idempotence records keep their order with one request in flight", () => {
    const made = world({ idempotent: false, maxInFlight: 1 }, { brokers: 2, partitions: 1, limit: 1 << 20 });
    for (const value of ["a", "b"]) sent(made, value);
    made.poll();
    made.cluster.move(0, 1);
    made.refresh();
    made.poll();
    // The first batch is still on its way to the old leader.
    expect(onWire(made, 1)).toHaveLength(0);
    made.finish();
    expect(made.cluster.partitions[0]?.log.map(({ value }) => value)).toEqual(["a", "b"]);
  });

  test("the delivery timeout wakes the producer, on the wire as well", () => {
    const made = world();
    const record = sent(made, "a");
    made.poll();
    expect(made.core.nextDeadline()).toBe(1000);
    made.now = 1000;
    made.poll();
    expect(record.error?.name).toBe("DELIVERY_TIMED_OUT");
    // The socket may still have the memory.
    expect(made.core.usedBytes).toBeGreaterThan(0);
    made.disconnect(0, 0, true);
    expect(made.core.usedBytes).toBe(0);
  });
});

describe("append", () => {
  test("finds no room when the memory is used up, and says when there is some again", () => {
    const made = world(
      { batchBytes: 500, bufferBytes: 1100, adaptiveLinger: false },
      { brokers: 1, partitions: 3, limit: 1 << 20 },
    );
    for (const partition of [0, 1]) sent(made, "x", partition);
    expect(made.send("y", 2)).toBeUndefined();
    made.poll();
    expect(made.rooms).toBe(0);
    made.handle(0);
    made.answer(0);
    made.poll();
    expect(made.rooms).toBe(1);
    expect(made.send("y", 2)).toBeDefined();
  });

  test("takes more records into a batch, the better the last ones were compressed", () => {
    const made = world({ batchBytes: 600, compression: defaultCompression(1), adaptiveLinger: false });
    const counts: number[] = [];
    for (let i = 0; i < 150; i++) {
      let count = 0;
      for (; made.core.incompleteBatches < 2; count++) sent(made, "the same again and again");
      counts.push(count);
      made.finish();
    }
    expect(counts.at(-1)).toBeGreaterThan(2 * (counts[0] ?? 0));
    expect(made.sent.every(({ offset }, i) => offset === i)).toBe(true);
    expect(made.core.usedBytes).toBe(0);
  });

  test("keeps records with the same key in one partition, as its hash says", () => {
    const made = world({ keyHash: "crc32" }, { brokers: 1, partitions: 7, limit: 1 << 20 });
    const partitions = Array.from({ length: 5 }, () => made.send("v", undefined, "123456789")).map(record => {
      return record === undefined || record instanceof KafkaError ? -1 : record.partition;
    });
    expect(partitions).toEqual(partitions.map(() => 0xcbf43926 % 7));
  });

  test.each([
    ["RECORD_TOO_LARGE", { value: "x".repeat(2000) }],
    ["RECORD_TOO_LARGE", { value: null, headers: [{ key: "k", value: "x".repeat(2000) }] }],
    ["INVALID_ARGUMENT", { timestamp: -5 }],
    ["INVALID_ARGUMENT", { timestamp: 1.5 }],
  ])("refuses with %s", (name, fields) => {
    const made = world({ maxRequestBytes: 1500 });
    const result = made.core.append({ topic: TOPIC, key: null, value: "v", timestamp: 1, ...fields }, 0);
    expect(result).toBeInstanceOf(KafkaError);
    expect((result as KafkaError).name).toBe(name);
  });

  test("does not know other topics, nor partitions that are not there", () => {
    const made = world();
    const record = { topic: TOPIC, key: null, value: "v", timestamp: 1 };
    expect(made.core.append({ ...record, topic: "other" }, 0)).toBe(APPEND.UNKNOWN);
    for (const partition of [-1, 1]) expect(made.core.append({ ...record, partition }, 0)).toBe(APPEND.UNKNOWN);
  });

  test("records of one call share a run", () => {
    const made = world({ batchBytes: 1000 });
    const call: Sent[] = [];
    for (let i = 0; i < 3; i++) {
      made.core.append({ topic: TOPIC, key: null, value: `${i}`, timestamp: 1 }, 0, call, i);
      call.push({ value: `${i}`, partition: 0, ends: 0, offset: undefined, error: undefined });
    }
    const [produce] = made.core.poll(0);
    if (produce?.type !== "produce") throw new Error("nothing was sent");
    made.core.answered(produce.id, made.response([{ index: 0, errorCode: 0, baseOffset: 40 }]), 0);
    const delivered = made.core.poll(0).find(({ type }) => type === "delivered");
    expect(delivered).toMatchObject({ baseOffset: 40, count: 3, runs: [{ first: 0, index: 0, count: 3 }] });
  });
});

describe("close", () => {
  test("sends what there is, takes nothing more, and then is settled", () => {
    const made = world({ adaptiveLinger: false, batchBytes: 1000, lingerMs: 1_000, deliveryTimeoutMs: 10_000 });
    const record = sent(made, "a");
    made.core.close(5);
    expect((made.send("b") as KafkaError).name).toBe("CLOSED");
    made.finish();
    expect([record.offset, made.settled.has(5)]).toEqual([0, true]);
  });

  test("gives up at once if it is forced to", () => {
    const made = world();
    const record = sent(made, "a");
    made.poll();
    made.core.close(5);
    made.core.forceClose();
    made.poll();
    expect([record.error?.name, made.settled.has(5)]).toEqual(["CLOSED", true]);
    made.handle(0);
    made.answer(0);
    expect([made.core.usedBytes, record.ends]).toEqual([0, 1]);
  });
});
