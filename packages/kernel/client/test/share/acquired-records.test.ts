import { fromUtf8, utf8, uuidFromBytes } from "@samsa/base";
import { buildBatch, endTxnBatch } from "@samsa/records";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AcknowledgementSet } from "../../src/share/acknowledgement-set.ts";
import { AcquiredRecords, type AcquiredRun } from "../../src/share/acquired-records.ts";
import { tools } from "../fetch/model-log.ts";

const place = { topic: "t", topicId: uuidFromBytes(new Uint8Array(16).fill(3)), partition: 0 };

function batch(base: number, count: number): Uint8Array {
  const news = Array.from({ length: count }, (_, i) => ({ timestamp: 1, key: null, value: utf8(String(base + i)) }));
  return buildBatch(news, { baseOffset: base }, tools);
}

function marker(base: number): Uint8Array {
  const who = { producerId: 1n, producerEpoch: 0, commit: true, coordinatorEpoch: 0, timestamp: 1 };
  const bytes = endTxnBatch(who, tools);
  new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(0, BigInt(base));
  return bytes;
}

function run(firstOffset: number, lastOffset: number, deliveryCount = 1): AcquiredRun {
  return { firstOffset, lastOffset, deliveryCount };
}

/** Acquired records that are read to their end, with what was given out and acknowledged on the way. */
function read(batches: readonly Uint8Array[], runs: readonly AcquiredRun[]) {
  const errors: string[] = [];
  const bytes = Uint8Array.from(Buffer.concat(batches));
  const unreadable = (error: Error): void => void errors.push(error.message);
  const parts = { place, brokerId: 1, runs, bytes, checkCrcs: true, tools, unreadable };
  const acquired = new AcquiredRecords(parts, 0, 1000);
  const given: string[] = [];
  while (acquired.next(1)) {
    given.push(`${fromUtf8(acquired.record.value() ?? new Uint8Array(0))}x${acquired.deliveryCount}`);
  }
  return { acquired, given, errors, pending: acquired.pending.batches() };
}

describe("acquired records", () => {
  test("are given out without those of others, with their delivery counts", () => {
    const { given, pending, acquired } = read([batch(0, 5), batch(5, 5)], [run(1, 2), run(4, 6, 3)]);
    expect([given, pending, acquired.isOver]).toEqual([["1x1", "2x1", "4x3", "5x3", "6x3"], [], true]);
  });

  test("acknowledge offsets without a record as gaps", () => {
    const { given, pending } = read([batch(0, 2), marker(2), batch(5, 2)], [run(0, 9)]);
    expect(given).toEqual(["0x1", "1x1", "5x1", "6x1"]);
    expect(pending).toEqual([
      { firstOffset: 2, lastOffset: 4, acknowledgeTypes: [0] },
      { firstOffset: 7, lastOffset: 9, acknowledgeTypes: [0] },
    ]);
  });

  test("reject a batch that is corrupt, and go on after it", () => {
    const bad = batch(2, 3);
    bad[bad.length - 1] ^= 1;
    const { given, pending, errors } = read([batch(0, 2), bad, batch(5, 2)], [run(0, 3), run(5, 6)]);
    expect(given).toEqual(["0x1", "1x1", "5x1", "6x1"]);
    expect(pending).toEqual([{ firstOffset: 2, lastOffset: 3, acknowledgeTypes: [3] }]);
    expect(errors).toEqual([
      "records of t-0 from offset 2 on cannot be read, and are rejected: the checksum does not match",
    ]);
  });

  test("reject what follows if the last batch is corrupt, whatever it says of its end", () => {
    const bad = batch(2, 3);
    new DataView(bad.buffer, bad.byteOffset).setInt32(23, -7);
    const { given, pending } = read([batch(0, 2), bad], [run(0, 4)]);
    expect([given, pending]).toEqual([["0x1", "1x1"], [{ firstOffset: 2, lastOffset: 4, acknowledgeTypes: [3] }]]);
  });

  test("are not given out any more when their lock is over", () => {
    const parts = { place, brokerId: 1, runs: [run(0, 4)], bytes: batch(0, 5), checkCrcs: true, tools };
    const acquired = new AcquiredRecords({ ...parts, unreadable: () => undefined }, 0, 1000);
    expect([acquired.next(999), acquired.next(1000), acquired.isOver]).toEqual([true, false, true]);
    expect(acquired.isLost(0, 999)).toBe(false);
    expect(acquired.isLost(0, 1000)).toBe(true);
    expect(acquired.acknowledge(0, "accept", 1000)?.name).toBe("INVALID_RECORD_STATE");
    expect([acquired.isHeld(0), acquired.pending.isEmpty, acquired.isDone]).toEqual([false, true, true]);
  });

  test("renew those that are held and those that wait, but not those that are acknowledged", () => {
    const parts = { place, brokerId: 1, runs: [run(0, 4)], bytes: batch(0, 5), checkCrcs: true, tools };
    const acquired = new AcquiredRecords({ ...parts, unreadable: () => undefined }, 0, 1000);
    for (let i = 0; i < 3; i++) acquired.next(1);
    acquired.acknowledge(1, "accept", 2);
    for (const slot of [0, 2]) acquired.renew(slot);
    acquired.renewRest();
    acquired.acknowledge(2, "release", 3);
    expect(acquired.beginRenewal(4)).toBe(true);
    expect(acquired.renewal?.set.batches()).toEqual([
      { firstOffset: 0, lastOffset: 0, acknowledgeTypes: [4] },
      { firstOffset: 3, lastOffset: 4, acknowledgeTypes: [4] },
    ]);
    acquired.renewed(500, 1500);
    expect([acquired.lockOf(0), acquired.restUntil, acquired.lockedUntil]).toEqual([1500, 1500, 1500]);
    expect(acquired.beginRenewal(501)).toBe(false);
  });
});

test("batches carry each offset once with its type, in order", () => {
  const entries = fc.uniqueArray(fc.record({ offset: fc.nat({ max: 60 }), type: fc.integer({ min: 0, max: 3 }) }), {
    selector: ({ offset }) => offset,
  });
  fc.assert(
    fc.property(entries, entries, (first, second) => {
      const known = new Set(first.map(({ offset }) => offset));
      const others = second.filter(({ offset }) => !known.has(offset));
      const [set, other] = [new AcknowledgementSet(), new AcknowledgementSet()];
      for (const { offset, type } of first) set.add(offset, offset, type);
      for (const { offset, type } of others) other.add(offset, offset, type);
      set.absorb(other);
      const told: (readonly [number, number])[] = [];
      let end = -1;
      for (const { firstOffset, lastOffset, acknowledgeTypes: types } of set.batches()) {
        expect(firstOffset).toBeGreaterThan(end);
        expect([1, lastOffset - firstOffset + 1]).toContain(types.length);
        end = lastOffset;
        for (let offset = firstOffset; offset <= lastOffset; offset++) {
          told.push([offset, types.length === 1 ? types[0] : types[offset - firstOffset]]);
        }
      }
      const wanted = [...first, ...others].map(({ offset, type }) => [offset, type] as const);
      expect(told).toEqual(wanted.toSorted(([a], [b]) => a - b));
      expect(set.size).toBe(wanted.length);
    }),
  );
});
