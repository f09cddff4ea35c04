import { expect, test } from "vitest";
import { Fixture, NOW } from "./fixture.ts";

const options = { origin: "client", leaderEpoch: 0, now: NOW } as const;

/** Appends a batch of one record with a sequence. */
function append(fixture: Fixture, baseSequence: number, transactional = false) {
  const of = { producerId: 7n, producerEpoch: 0, baseSequence, transactional };
  return fixture.log.append(fixture.batch(1, baseSequence, NOW, of), options);
}

test("sequences of removed records are expected again", () => {
  const fixture = new Fixture(41);
  for (const sequence of [0, 1, 2]) expect(append(fixture, sequence)).toMatchObject({ error: 0, duplicate: false });
  fixture.log.truncateTo(1);
  expect(append(fixture, 2).error).not.toBe(0);
  for (const sequence of [1, 2]) {
    expect(append(fixture, sequence)).toMatchObject({ error: 0, duplicate: false, lastOffset: sequence });
  }
});

test("a transaction whose records are removed is not open any more", () => {
  const fixture = new Fixture(42);
  fixture.log.append(fixture.batch(2), options);
  append(fixture, 0, true);
  fixture.log.writePending();
  fixture.log.highWatermark = fixture.log.endOffset;
  expect(fixture.log.stableOffset).toBe(2);
  fixture.log.truncateTo(2);
  fixture.log.append(fixture.batch(3, 2), options);
  fixture.log.writePending();
  fixture.log.highWatermark = fixture.log.endOffset;
  expect([fixture.log.stableOffset, fixture.log.endOffset]).toEqual([5, 5]);
});
