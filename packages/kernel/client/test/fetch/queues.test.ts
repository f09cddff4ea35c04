import { setI64 } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { KafkaError, RecordReader } from "../../src/index.ts";
import { batch, named, partition, Stage } from "./fetch-stage.ts";

const big = "x".repeat(1000);

function reader(stage: Stage): RecordReader {
  const taken = stage.fetcher.take();
  if (!(taken instanceof RecordReader)) throw new Error(`not a reader: ${String(taken)}`);
  return taken;
}

describe("queues", () => {
  test("of a partition are filled ahead, up to their mark, while others go on", () => {
    const stage = new Stage({ queueBytes: 1500 }, 2);
    stage.begin();
    stage.answer(stage.one("fetch"), [partition(0, { records: [batch(0, [big])] }), partition(1)]);
    expect(named(stage.take("fetch")[0].request)).toEqual(["0@1"]);
    const full = new Stage({ queueBytes: 1500 }, 2);
    full.begin();
    full.answer(full.one("fetch"), [partition(0, { records: [batch(0, [big, big])] }), partition(1)]);
    const { request } = full.one("fetch");
    expect(request.forgottenTopicsData).toMatchObject([{ partitions: [0] }]);
    expect(full.fetcher.status("t", 0).queuedBytes).toBeGreaterThan(2000);
  });

  test("let a fetch wait briefly while one of them is full, and longer the longer it stays so", () => {
    const stage = new Stage({ queueBytes: 500 }, 2);
    stage.begin();
    stage.answer(stage.one("fetch"), [partition(0, { records: [batch(0, [big])] }), partition(1)], { sessionId: 3 });
    const waits: (number | undefined)[] = [];
    for (let i = 0; i < 7; i++) {
      const fetch = stage.one("fetch");
      waits.push(fetch.request.maxWaitMs);
      stage.answer(fetch, [], { sessionId: 3 });
    }
    expect(waits).toEqual([20, 40, 80, 160, 320, 500, 500]);
    expect(stage.read()).toEqual([big]);
    stage.answer(stage.one("fetch"), [], { sessionId: 3 });
    expect(stage.one("fetch").request.maxWaitMs).toBe(500);
  });

  test("hold so much in all, but leave no partition without records", () => {
    const stage = new Stage({ totalQueueBytes: 1500, queueBytes: 10_000 }, 3);
    stage.begin();
    const both = [0, 1].map(index => partition(index, { records: [batch(0, [big])] }));
    stage.answer(stage.one("fetch"), [...both, partition(2)]);
    expect(stage.one("fetch").request.forgottenTopicsData).toMatchObject([{ partitions: [0, 1] }]);
  });

  test("keep the records of a partition that is paused", () => {
    const stage = new Stage({}, 2);
    stage.begin();
    stage.answer(
      stage.one("fetch"),
      [0, 1].map(index => partition(index, { records: [batch(0, [`a${index}`, `b${index}`])] })),
    );
    stage.fetcher.pause("t", 0);
    expect(stage.read()).toEqual(["a1", "b1"]);
    expect(named(stage.take("fetch")[0].request)).toEqual(["1@2"]);
    stage.fetcher.resume("t", 0);
    expect(stage.read()).toEqual(["a0", "b0"]);
  });

  test("of a paused partition do not keep the memory of a whole answer", () => {
    const stage = new Stage({}, 2);
    stage.begin();
    const parts = [batch(0, ["a", "b"]), batch(2, ["c"]), batch(0, [big])];
    const answer = Uint8Array.from(parts.flatMap(part => [...part]));
    const split = parts[0].length + parts[1].length;
    const records = [answer.subarray(0, split), answer.subarray(split)];
    stage.answer(
      stage.one("fetch"),
      records.map((one, index) => partition(index, { records: [one] })),
    );
    const first = reader(stage);
    expect(first.next()).toBe(true);
    expect(first.record.bytes.buffer.byteLength).toBe(answer.length);
    stage.fetcher.pause("t", 0);
    stage.fetcher.resume("t", 0);
    expect(first.record.bytes.buffer.byteLength).toBe(split);
    expect(stage.read().toSorted()).toEqual(["b", "c", big].toSorted());
    stage.answer(stage.one("fetch"), [partition(1, { records: [batch(1, ["d"])] })], { sessionId: 1 });
  });

  test("are read by turns, one answer at a time", () => {
    const stage = new Stage({ queueBytes: 10_000 }, 2);
    stage.begin();
    const answers = (from: number) =>
      [0, 1].map(index => partition(index, { records: [batch(from, [`${index}@${from}`])] }));
    stage.answer(stage.one("fetch"), answers(0));
    stage.answer(stage.one("fetch"), answers(1));
    expect(stage.read()).toEqual(["0@0", "1@0", "0@1", "1@1"]);
  });

  test("of one partition can be read alone", () => {
    const stage = new Stage({}, 2);
    stage.begin();
    stage.answer(
      stage.one("fetch"),
      [0, 1].map(index => partition(index, { records: [batch(0, [`a${index}`])] })),
    );
    const taken = stage.fetcher.takeFrom("t", 1);
    expect(taken).toBeInstanceOf(RecordReader);
    expect(taken).toMatchObject({ topic: "t", partition: 1 });
  });

  test("are dropped with their partition; those of the others stay", () => {
    const stage = new Stage({}, 2);
    stage.begin();
    stage.answer(
      stage.one("fetch"),
      [0, 1].map(index => partition(index, { records: [batch(0, [`a${index}`])] })),
    );
    const lost = reader(stage);
    stage.fetcher.assign([{ topic: "t", partition: 1 }]);
    expect(lost.next()).toBe(false);
    expect(stage.read()).toEqual(["a1"]);
    expect(stage.fetcher.assigned()).toEqual([{ topic: "t", partition: 1 }]);
  });

  test("are held back while a listener is awaited, or the partition is about to go", () => {
    const stage = new Stage();
    stage.fetcher.assign([]);
    stage.fetcher.assign([{ topic: "t", partition: 0 }], true);
    expect(stage.take("listOffsets")).toEqual([]);
    stage.fetcher.seek("t", 0, 4);
    expect(stage.take("fetch")).toEqual([]);
    stage.fetcher.enable([
      { topic: "t", partition: 0 },
      { topic: "other", partition: 0 },
    ]);
    stage.answer(stage.one("fetch"), [partition(0, { records: [batch(4, ["a", "b"])] })]);
    const first = reader(stage);
    expect(first.next()).toBe(true);
    stage.fetcher.beginRevocation([{ topic: "t", partition: 0 }]);
    expect(first.next()).toBe(false);
    expect(stage.fetcher.take()).toBeUndefined();
    expect(stage.fetcher.status("t", 0).position).toBe(5);
  });
});

describe("a reader", () => {
  function fetched(records: Uint8Array, options = {}): Stage {
    const stage = new Stage(options);
    stage.begin();
    stage.answer(stage.one("fetch"), [partition(0, { records: [records] })]);
    return stage;
  }

  test("goes on after a pause where it was", () => {
    const stage = fetched(batch(0, ["a", "b"]));
    const first = reader(stage);
    expect(first.next()).toBe(true);
    stage.fetcher.pause("t", 0);
    expect(first.next()).toBe(false);
    stage.fetcher.resume("t", 0);
    expect(reader(stage)).toBe(first);
    expect(first.next()).toBe(true);
    expect(first.record.offset).toBe(1);
    expect(first).toMatchObject({ leaderEpoch: 5, timestampType: "CreateTime", topic: "t", partition: 0 });
  });

  test("can look at a record before it gives it out", () => {
    const stage = fetched(batch(0, ["a", "b"]));
    const first = reader(stage);
    expect([first.peek(), first.peek(), first.record.offset]).toEqual([true, true, 0]);
    expect(stage.fetcher.status("t", 0).position).toBe(0);
    expect([first.next(), first.record.offset]).toEqual([true, 0]);
    expect(stage.fetcher.status("t", 0).position).toBe(1);
    expect([first.peek(), first.next(), first.peek(), first.next()]).toEqual([true, true, false, false]);
  });

  test("stops before damage, which is told, and fetched again after a back-off", () => {
    const good = batch(0, ["a"]);
    const bad = batch(1, ["b"]);
    bad[bad.length - 2] ^= 1;
    const stage = fetched(Uint8Array.from([...good, ...bad]));
    const first = reader(stage);
    expect(first.next()).toBe(true);
    expect(first.next()).toBe(false);
    const error = stage.fetcher.take();
    expect(error).toMatchObject({
      name: "CORRUPT_MESSAGE",
      retriable: true,
      message: "the records of t-0 from offset 1 cannot be read: the checksum does not match",
    });
    expect(stage.take("fetch")).toEqual([]);
    stage.now += 100;
    expect(named(stage.one("fetch").request)).toEqual(["0@1"]);
    expect(fetched(bad, { checkCrcs: false }).read()).toHaveLength(1);
  });

  test("refuses old formats", () => {
    const old = batch(0, ["a"]);
    old[16] = 1;
    const stage = fetched(old);
    expect(reader(stage).next()).toBe(false);
    expect(stage.fetcher.take()).toMatchObject({ message: expect.stringMatching(/format 1 is not supported/) });
  });

  test.each([
    ["have no whole batch", batch(0, ["a"]).subarray(0, 30)],
    ["end at offset 1", batch(0, ["a"])],
  ])("is not made of records that %s", (reason, records) => {
    const stage = new Stage();
    stage.begin(3);
    stage.answer(stage.one("fetch"), [partition(0, { records: [records] })]);
    expect(stage.fetcher.take()).toMatchObject({
      name: "PROTOCOL_VIOLATION",
      message: `the records of t-0 from offset 3 ${reason}`,
    });
    expect(stage.take("fetch")).toEqual([]);
  });

  test("is not made of offsets that cannot be", () => {
    const records = batch(0, ["a"]);
    setI64(new DataView(records.buffer), 0, 2n ** 60n);
    const stage = fetched(records);
    expect(stage.fetcher.take()).toMatchObject({
      message: expect.stringMatching(/cannot be read: an offset out of range/),
    });
  });

  test("gives out all that a broker sends in one answer, with or without a mark of the total", () => {
    const stage = fetched(Uint8Array.from([...batch(0, ["a"]), ...batch(5, ["b"])]), { totalQueueBytes: 0 });
    expect(stage.read()).toEqual(["a", "b"]);
    expect(stage.fetcher.status("t", 0)).toMatchObject({ position: 6, queuedBytes: 0 });
    expect(stage.fetcher.take()).not.toBeInstanceOf(KafkaError);
    expect(Errors.NONE.code).toBe(0);
  });
});
