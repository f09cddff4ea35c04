import { fromUtf8, utf8 } from "@samsa/base";
import { addSequence, BatchCursor, defaultCompression, RecordCursor } from "@samsa/records";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PartitionQueue, ProducerBatch } from "../../src/produce/partition-queue.ts";
import { ProduceMemory } from "../../src/produce/produce-memory.ts";
import { tools } from "./producer-world.ts";

type Step =
  | { readonly do: "append"; readonly count: number }
  | { readonly do: "drain" | "acknowledge" }
  | { readonly do: "retry" | "split" | "giveUp"; readonly at: number }
  | { readonly do: "restart"; readonly isOther: boolean };
const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ do: fc.constant("append" as const), count: fc.integer({ min: 1, max: 6 }) }),
    fc.constantFrom<Step>({ do: "drain" }, { do: "drain" }, { do: "acknowledge" }),
    fc.record({ do: fc.constantFrom("retry", "retry", "split"), at: fc.nat(4) }),
    fc.record({ do: fc.constant("restart" as const), isOther: fc.boolean() }),
  ),
  { maxLength: 50, size: "max" },
);

/** A queue as its sender uses it; each record is a number, in the order of the appends. */
class Sender {
  readonly pool = new ProduceMemory(1e9, 1000);
  readonly queue = new PartitionQueue<number>("t", 0);
  readonly #isIdempotent: boolean;
  readonly onWire = new Set<ProducerBatch<number>>();
  /** Numbers of records that were acknowledged, with the sequence of each if there is one. */
  readonly written: (readonly [number, number])[] = [];
  /** First record since the sequences began anew. */
  base = 0;
  #producer = { producerId: 1n, producerEpoch: 0 };
  appended = 0;

  constructor(isIdempotent: boolean) {
    this.#isIdempotent = isIdempotent;
    this.queue.restart(this.#producer, tools.crc32c);
  }

  play(step: Step): void {
    const { queue, pool } = this;
    const flying = [...this.onWire];
    switch (step.do) {
      case "append": {
        const batch = new ProducerBatch(queue, new Uint8Array(2000), {
          createdMs: 0,
          compression: defaultCompression(0),
        });
        for (let i = 0; i < step.count; i++) {
          batch.append(1, null, utf8(String(this.appended)), undefined);
          // Calls of two records each.
          batch.assign(this.appended >> 1, this.appended & 1);
          this.appended++;
        }
        batch.isClosed = true;
        queue.waiting.push(batch);
        return;
      }
      case "drain": {
        const [batch] = queue.waiting;
        if (batch === undefined || (batch.hasSequence && queue.inFlight[0] !== batch)) return;
        queue.waiting.shift();
        if (this.#isIdempotent && !batch.hasSequence) queue.number(batch, tools.crc32c);
        batch.seal(tools, pool);
        if (!queue.inFlight.includes(batch)) queue.inFlight.push(batch);
        this.onWire.add(batch);
        return;
      }
      case "acknowledge": {
        const [batch] = queue.inFlight;
        if (batch === undefined || !this.onWire.delete(batch)) return;
        for (const [at, number] of numbersOf(batch).entries()) {
          this.written.push([number, this.#isIdempotent ? addSequence(batch.baseSequence, at) : -1]);
        }
        queue.acknowledged(batch, this.written.length - batch.count);
        queue.remove(batch);
        return;
      }
      case "retry": {
        const batch = flying[step.at];
        if (batch === undefined) return;
        this.onWire.delete(batch);
        if (!this.#isIdempotent) queue.inFlight.splice(queue.inFlight.indexOf(batch), 1);
        return queue.putBack(batch);
      }
      case "split": {
        const batch = flying[step.at];
        if (batch === undefined || batch.count < 2) return;
        this.onWire.delete(batch);
        return queue.replace(batch, batch.split(100, tools, pool));
      }
      case "restart":
        if (this.onWire.size > 0) return;
        this.#producer = step.isOther
          ? { producerId: this.#producer.producerId + 1n, producerEpoch: 0 }
          : { ...this.#producer, producerEpoch: this.#producer.producerEpoch + 1 };
        queue.restart(this.#producer, tools.crc32c);
        this.base = this.written.length;
        return;
      default:
    }
  }

  check(): void {
    const { queue } = this;
    const rest = [...queue.inFlight, ...queue.waiting.filter(batch => !queue.inFlight.includes(batch))];
    const pending = rest.flatMap(numbersOf);
    if (!this.#isIdempotent) {
      expect([...this.written.map(([number]) => number), ...pending].toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: this.appended }, (_, i) => i),
      );
      return;
    }
    // Records are not lost, doubled or out of order, and sequences count the records since they began.
    expect([...this.written.map(([number]) => number), ...pending]).toEqual(
      Array.from({ length: this.appended }, (_, i) => i),
    );
    let next = this.written.length - this.base;
    expect(queue.ackedSequence).toBe(next);
    for (const batch of queue.inFlight) {
      expect([batch.baseSequence, batch.producer]).toEqual([next, this.#producer]);
      next += batch.count;
      expect(batch.nextSequence).toBe(next);
    }
    expect(queue.nextSequence).toBe(next);
    expect(queue.isSettled).toBe(queue.inFlight.length === 0);
    // Batches that wait again are in front, in order.
    const again = queue.waiting.filter(batch => batch.hasSequence);
    expect(queue.waiting.slice(0, again.length)).toEqual(again);
    expect(again).toEqual(queue.inFlight.filter(batch => queue.waiting.includes(batch)));
    for (const batch of queue.inFlight) {
      const { bytes } = batch;
      if (bytes === undefined) continue;
      const sent = new BatchCursor(bytes);
      expect(sent.next()).toBe(true);
      expect([sent.producerId, sent.producerEpoch, sent.baseSequence]).toEqual([
        ...[this.#producer.producerId, this.#producer.producerEpoch, batch.baseSequence],
      ]);
      expect(sent.intact(tools.crc32c), "the checksum is that of the new sequence").toBe(true);
    }
  }
}

/** Records of a batch by what its runs say: a record belongs to half of a call. */
function numbersOf(batch: ProducerBatch<number>): number[] {
  const numbers = batch.runs.flatMap(({ ticket, first, index, count }) =>
    Array.from({ length: count }, (_, i) => [first + i, ticket * 2 + index + i]),
  );
  expect(numbers.map(([at]) => at)).toEqual(Array.from({ length: batch.count }, (_, i) => i));
  const { bytes } = batch;
  if (bytes !== undefined) {
    const sent = new BatchCursor(bytes);
    sent.next();
    const cursor = new RecordCursor().open(sent, tools.codecs);
    const values: number[] = [];
    while (cursor.next()) values.push(Number(fromUtf8(cursor.value() as Uint8Array)));
    expect(values, "the bytes are those of its records").toEqual(numbers.map(([, number]) => number));
  }
  return numbers.map(([, number]) => number);
}

describe("batches of a partition", () => {
  test.each([true, false])(
    "are neither lost nor doubled, whatever is tried again or split; in order if idempotent: %s",
    isIdempotent => {
      fc.assert(
        fc.property(steps, all => {
          const sender = new Sender(isIdempotent);
          for (const step of all) {
            sender.play(step);
            sender.check();
          }
        }),
        { numRuns: 60 },
      );
    },
  );

  test("give back the memory that they took, in whatever way they end", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 1, 4),
        fc.boolean(),
        fc.boolean(),
        fc.integer({ min: 2, max: 20 }),
        (codec, isTainted, isSplit, count) => {
          const pool = new ProduceMemory(10_000, 500);
          const queue = new PartitionQueue<number>("t", 0);
          const memory = pool.take(500) as Uint8Array;
          const batch = new ProducerBatch(queue, memory, { createdMs: 0, compression: defaultCompression(codec as 0) });
          for (let i = 0; i < count; i++) batch.append(1, null, utf8("value"), undefined);
          batch.seal(tools, pool);
          if (codec === 0) expect(pool.used).toBe(500);
          else expect(pool.used, "a compressed batch counts with its own size").toBe(batch.size);
          batch.isTainted = isTainted;
          const parts = isSplit ? batch.split(120, tools, pool) : [];
          expect(parts.reduce((sum, part) => sum + part.count, 0)).toBe(isSplit ? count : 0);
          batch.release(pool);
          for (const part of parts) {
            part.seal(tools, pool);
            part.release(pool);
          }
          expect(pool.used).toBe(0);
          batch.release(pool);
          expect(pool.used, "once").toBe(0);
          // A socket may still refer to the memory of a tainted batch.
          if (codec === 0) expect(pool.take(500) === memory).toBe(!isTainted);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("that a socket may have are changed in other memory", () => {
    const queue = new PartitionQueue<number>("t", 0);
    queue.restart({ producerId: 1n, producerEpoch: 0 }, tools.crc32c);
    const batch = new ProducerBatch(queue, new Uint8Array(500), { createdMs: 0, compression: defaultCompression(0) });
    batch.append(1, null, "a", undefined);
    queue.number(batch, tools.crc32c);
    const sent = batch.seal(tools, new ProduceMemory(1000, 500));
    const before = sent.slice();
    batch.stamp({ producerId: 1n, producerEpoch: 1 }, 0, tools.crc32c);
    expect([batch.bytes === sent, sent]).not.toEqual([true, before]);
    const copy = sent.slice();
    batch.isTainted = true;
    batch.stamp({ producerId: 1n, producerEpoch: 2 }, 0, tools.crc32c);
    expect(sent).toEqual(copy);
    expect(batch.bytes).not.toBe(sent);
  });

  test("know the span that a broker has to remember", () => {
    const queue = new PartitionQueue<number>("t", 0);
    queue.restart({ producerId: 1n, producerEpoch: 0 }, tools.crc32c);
    const batches = [1, 2, 3].map(() => {
      const batch = new ProducerBatch(queue, new Uint8Array(500), { createdMs: 0, compression: defaultCompression(0) });
      batch.append(1, null, "a", undefined);
      queue.number(batch, tools.crc32c);
      queue.inFlight.push(batch);
      return batch;
    });
    expect(queue.span).toBe(3);
    queue.remove(batches[1]);
    expect(queue.span, "the first one is still asked for").toBe(3);
    queue.remove(batches[0]);
    expect(queue.span).toBe(1);
    queue.remove(batches[2]);
    expect([queue.span, queue.isKnown]).toEqual([0, false]);
    queue.acknowledged(batches[0], 7);
    expect([queue.isKnown, queue.ackedOffset]).toEqual([true, 7]);
    // An acknowledgement of an earlier producer says nothing of the sequences of this one.
    queue.restart({ producerId: 2n, producerEpoch: 0 }, tools.crc32c);
    queue.acknowledged(batches[1], -1);
    expect([queue.isKnown, queue.ackedSequence, queue.ackedOffset]).toEqual([false, 0, 7]);
  });
});
