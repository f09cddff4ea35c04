import fc from "fast-check";
import { utf8 } from "@samsa/base";
import { BatchCursor, buildBatch, endTxnBatch, RecordCursor } from "@samsa/records";
import { describe, expect, test } from "vitest";
import { AbortedTransactions } from "../../src/fetch/aborted-transactions.ts";
import { Assignment } from "../../src/fetch/assignment.ts";
import { Outbox } from "../../src/fetch/outbox.ts";
import { KafkaError } from "../../src/index.ts";
import { tools } from "./model-log.ts";

/** Log as a list: records of producers, in a transaction or not, and markers. */
type Entry =
  | { readonly kind: "data"; readonly producer: number; readonly isTransactional: boolean; readonly count: number }
  | { readonly kind: "commit" | "abort"; readonly producer: number };
const entries = fc.array(
  fc.oneof<fc.Arbitrary<Entry>[]>(
    fc.record({
      kind: fc.constant("data" as const),
      producer: fc.constantFrom(-1, 1, 2, 3),
      isTransactional: fc.constantFrom(true, true, false),
      count: fc.integer({ min: 1, max: 3 }),
    }),
    fc.record({ kind: fc.constantFrom("commit", "abort"), producer: fc.constantFrom(1, 2, 3) }),
  ),
  { maxLength: 20, size: "max" },
);

interface Placed {
  readonly base: number;
  readonly last: number;
  readonly entry: Entry;
}

function bytesOf({ base, entry }: Placed): Uint8Array {
  if (entry.kind !== "data") {
    const who = { producerId: BigInt(entry.producer), producerEpoch: 0, commit: entry.kind === "commit" };
    const bytes = endTxnBatch({ ...who, coordinatorEpoch: 0, timestamp: 1 }, tools);
    new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(0, BigInt(base));
    return bytes;
  }
  const { producer, isTransactional, count } = entry;
  const records = Array.from({ length: count }, () => ({ timestamp: 1, key: null, value: utf8("x") }));
  const from = producer < 0 ? {} : { producerId: BigInt(producer), producerEpoch: 0, baseSequence: 0 };
  const batch = { baseOffset: base, ...from, transactional: isTransactional && producer >= 0 };
  return buildBatch(records, batch as never, tools);
}

describe("batches of aborted transactions", () => {
  test("are those whose producer's next marker is an abort, wherever the fetch begins", () => {
    fc.assert(
      fc.property(entries, fc.double({ min: 0, max: 1, noNaN: true }), (all, share) => {
        let next = 0;
        const log: Placed[] = all.map(entry => {
          const base = next;
          next += entry.kind === "data" ? entry.count : 1;
          return { base, last: next - 1, entry };
        });
        const isOf =
          (producer: number) =>
          ({ entry }: Placed) =>
            entry.producer === producer && (entry.kind !== "data" || entry.isTransactional);
        /** Marker that ends the transaction of a batch; undefined: it is open. */
        const endOf = (at: number): Placed | undefined =>
          log.slice(at + 1).find(placed => isOf(log[at].entry.producer)(placed) && placed.entry.kind !== "data");
        const isAborted = (at: number): boolean => {
          const { entry } = log[at];
          return (
            entry.kind === "data" && entry.isTransactional && entry.producer >= 0 && endOf(at)?.entry.kind === "abort"
          );
        };
        const from = Math.round(log.length * share);
        // A broker names the aborted transactions that end in the fetched part, by their first offsets.
        const aborted = new Map<string, { producerId: bigint; firstOffset: number }>();
        log.forEach(({ base, entry }, at) => {
          const end = endOf(at);
          if (!isAborted(at) || end === undefined || log.indexOf(end) < from) return;
          const key = `${entry.producer}/${end.base}`;
          if (!aborted.has(key)) aborted.set(key, { producerId: BigInt(entry.producer), firstOffset: base });
        });
        const transactions = new AbortedTransactions([...aborted.values()]);
        const record = new RecordCursor();
        log.slice(from).forEach((placed, i) => {
          const batch = new BatchCursor(bytesOf(placed));
          expect(batch.next()).toBe(true);
          if (placed.entry.kind === "data")
            expect([placed, transactions.covers(batch)]).toEqual([placed, isAborted(from + i)]);
          else transactions.passMarker(batch, record.open(batch, tools.codecs));
        });
      }),
      { numRuns: 300 },
    );
  });
});

describe("effects", () => {
  test("of metadata are asked for once for each version, and again after a while", () => {
    const cluster = { version: 1, topic: () => undefined, topicOf: () => undefined, broker: () => undefined };
    const outbox = new Outbox(cluster, 100);
    const asked = (now: number): number => {
      outbox.askMetadata({ now, wall: 0, chance: 0 } as never);
      return outbox.take().length;
    };
    expect([asked(0), asked(50), asked(99), asked(100), asked(150)]).toEqual([1, 0, 0, 1, 0]);
    expect(outbox.askAgainAt).toBe(200);
    cluster.version = 2;
    expect([asked(160), asked(170)]).toEqual([1, 0]);
    expect([outbox.ticket(), outbox.ticket()]).toEqual([1, 2]);
    outbox.send({ type: "refreshMetadata" } as never);
    expect([outbox.take().length, outbox.take().length]).toEqual([1, 0]);
  });
});

describe("an assignment", () => {
  type Step =
    | { readonly do: "replace"; readonly partitions: readonly number[] }
    | { readonly do: "end" | "fail"; readonly partition: number }
    | { readonly do: "failAll" }
    | { readonly do: "take"; readonly held: readonly number[] };
  const partition = fc.nat(3);
  const steps = fc.array(
    fc.oneof<fc.Arbitrary<Step>[]>(
      fc.record({ do: fc.constant("replace" as const), partitions: fc.uniqueArray(partition, { maxLength: 4 }) }),
      fc.record({ do: fc.constantFrom("end", "fail", "fail"), partition }),
      fc.constant({ do: "failAll" as const }),
      fc.record({ do: fc.constant("take" as const), held: fc.subarray([0, 1, 2, 3], { maxLength: 2 }) }),
    ),
    { maxLength: 40, size: "max" },
  );

  test("lets each partition tell its error in turn, however often another fails", () => {
    const assignment = new Assignment();
    const [first, second] = assignment.replace([0, 1].map(index => ({ topic: "t", partition: index })));
    const errors = [0, 1, 2].map(number => new KafkaError("ABORTED", `error ${number}`));
    assignment.raise(errors[0], first);
    assignment.raise(errors[1], second);
    expect(assignment.take()).toBe(errors[0]);
    assignment.raise(errors[2], first);
    expect([assignment.take(), assignment.take(), assignment.take()]).toEqual([errors[1], errors[2], undefined]);
  });

  test("has the partitions that it was given, in turn, and tells each error once", () => {
    fc.assert(
      fc.property(steps, all => {
        const assignment = new Assignment();
        /** Order of the fetches, and errors that nobody knows, by partition; the oldest first. */
        let order: number[] = [];
        let failures: { readonly partition: number; readonly error: KafkaError }[] = [];
        let general: KafkaError | undefined;
        let errors = 0;
        for (const step of all) {
          if (step.do === "replace") {
            const added = assignment.replace(step.partitions.map(index => ({ topic: "t", partition: index })));
            expect(added.map(one => one.partition)).toEqual(step.partitions.filter(index => !order.includes(index)));
            order = [...order.filter(index => step.partitions.includes(index)), ...added.map(one => one.partition)];
            failures = failures.filter(one => order.includes(one.partition));
            for (const index of [0, 1, 2, 3]) {
              if (order.includes(index)) expect(assignment.get("t", index).partition).toBe(index);
              else expect(() => assignment.get("t", index)).toThrow(`t-${index} is not assigned to this consumer`);
            }
          } else if (step.do === "take") {
            const taken = assignment.take(({ partition: index }) => step.held.includes(index));
            const found = failures.find(one => !step.held.includes(one.partition));
            expect(taken).toBe(general ?? found?.error);
            if (general !== undefined) general = undefined;
            else failures = failures.filter(one => one !== found);
          } else if (step.do === "failAll") {
            const error = new KafkaError("ABORTED", `error ${++errors}`);
            assignment.raise(error);
            general ??= error;
          } else {
            if (!order.includes(step.partition)) continue;
            const one = assignment.get("t", step.partition);
            if (step.do === "end") {
              assignment.moveToEnd(one);
              order = [...order.filter(index => index !== step.partition), step.partition];
            } else {
              const error = new KafkaError("ABORTED", `error ${++errors}`);
              assignment.raise(error, one);
              // The first error counts.
              if (!failures.some(({ partition: index }) => index === step.partition))
                failures.push({ partition: step.partition, error });
            }
          }
          expect([...assignment.partitions()].map(one => one.partition)).toEqual(order);
        }
      }),
      { numRuns: 300 },
    );
  });
});
