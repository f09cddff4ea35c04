import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type OpenTxn, ProducerStates, UndecidedTxns } from "../src/index.ts";

type Step =
  | { readonly kind: "begin" }
  | { readonly kind: "end"; readonly which: number }
  | { readonly kind: "look"; readonly back: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.constant({ kind: "begin" as const }),
  fc.record({ kind: fc.constant("end" as const), which: fc.nat(9) }),
  fc.record({ kind: fc.constant("look" as const), back: fc.nat(6) }),
);

describe("undecided transactions", () => {
  test("are those that a list of all transactions says", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: "max" }), steps => {
        const txns = new UndecidedTxns();
        const all: { readonly txn: OpenTxn; lastOffset: number }[] = [];
        let offset = 0;
        let highWatermark = 0;
        for (const next of steps) {
          const open = all.filter(({ lastOffset }) => lastOffset < 0);
          if (next.kind === "begin") all.push({ txn: txns.begin(offset++), lastOffset: -1 });
          else if (next.kind === "end" && open.length > 0) {
            const ended = open[next.which % open.length];
            ended.lastOffset = offset++;
            txns.end(ended.txn, ended.lastOffset);
          } else if (next.kind === "look") highWatermark = Math.max(highWatermark, offset - next.back);
          const undecided = all.filter(({ lastOffset }) => lastOffset < 0 || lastOffset >= highWatermark);
          const stillOpen = all.find(({ lastOffset }) => lastOffset < 0);
          expect(txns.first(highWatermark)).toBe(undecided[0]?.txn.firstOffset ?? -1);
          expect(txns.firstOpen).toBe(stillOpen?.txn.firstOffset ?? -1);
          expect(txns.kept).toBeLessThanOrEqual(2 * (undecided.length + 40) + 40);
        }
      }),
    );
  });

  test("cost no more for how many there were, whether anybody has looked or not", () => {
    const producers = new ProducerStates();
    const count = 300_000;
    const rest = { producerEpoch: 0, lastOffsetDelta: 0, maxTimestamp: 1, isTransactional: true };
    let offset = 0;
    const write = (producerId: bigint, lastSequence: number): void => {
      const at = offset++;
      producers.applyData({ ...rest, producerId, lastSequence, baseOffset: at, lastOffset: at } as never);
    };
    const mark = (producerId: bigint): void => {
      const at = offset++;
      const facts = { coordinatorEpoch: 0, commit: true, timestamp: 1 };
      producers.applyMarker({ ...rest, producerId, baseOffset: at, lastOffset: at } as never, facts);
    };
    for (let i = 0; i < count; i++) {
      write(1n, i);
      mark(1n);
    }
    expect(producers.firstUndecided(offset)).toBe(-1);
    expect(producers.undecided.kept).toBeLessThan(100);
    // An open transaction does not keep the ended ones after it in memory, and each lookup costs the same.
    write(2n, 0);
    const first = offset - 1;
    for (let i = 0; i < count; i++) {
      write(1n, i);
      mark(1n);
      expect(producers.firstUndecided(offset)).toBe(first);
    }
    expect(producers.undecided.kept).toBeLessThan(200);
  });
});

describe("what producers leave behind", () => {
  const producer = (id: number) => ({ producerId: BigInt(id), producerEpoch: 0, baseSequence: 0 });

  test("verifications that nothing came of are forgotten as producers are", () => {
    const producers = new ProducerStates();
    for (let i = 0; i < 1000; i++) producers.startVerification(producer(i), true, i);
    const guard = producers.startVerification(producer(999), true, 5000);
    producers.expire(1500, 1000);
    expect(producers.verifying).toBe(499);
    // A repeated request does not prolong a verification, and returns the same guard.
    expect(producers.startVerification(producer(999), true, 6000)).toBe(guard);
    producers.expire(2000, 1000);
    expect(producers.verifying).toBe(0);
  });

  test("a producer with an open transaction is kept, however long it writes nothing", () => {
    const producers = new ProducerStates();
    const batch = {
      ...producer(1),
      lastSequence: 0,
      lastOffset: 0,
      baseOffset: 0,
      lastOffsetDelta: 0,
      maxTimestamp: 1,
    };
    producers.applyData({ ...batch, isTransactional: true } as never);
    producers.applyData({ ...batch, producerId: 2n, baseOffset: 1, lastOffset: 1 } as never);
    expect([producers.expire(1e12, 1000), [...producers.entries.keys()]]).toEqual([1, [1n]]);
    expect(producers.firstUndecided(2)).toBe(0);
    producers.applyMarker({ ...batch, baseOffset: 2, lastOffset: 2 } as never, {
      coordinatorEpoch: 0,
      commit: false,
      timestamp: 1,
    });
    expect([producers.expire(1e12, 1000), producers.firstUndecided(3)]).toEqual([1, -1]);
  });
});
