import { expect, test } from "vitest";
import { brokenBy, checkHistory, fallenOffsets, type History, type Logged } from "../src/check/history.ts";

/** Records of two partitions, whose values ascend. */
const LOG: readonly Logged[] = Array.from({ length: 20 }, (_, i) => ({
  partition: i % 2,
  offset: Math.floor(i / 2),
  value: `${i}:x`,
}));

function faultsOf(change: Partial<History>, idempotent = true): string[] {
  const history = { acknowledged: LOG, log: LOG, reads: LOG, isSent: (value: string) => /^\d+:x$/.test(value) };
  return brokenBy(checkHistory({ ...history, ...change }), { idempotent });
}

const swapped = (first: number, second: number): Logged[] => {
  const values = LOG.map(({ value }) => value);
  [values[first], values[second]] = [values[second], values[first]];
  return LOG.map((record, i) => ({ ...record, value: values[i] }));
};

test("a history without anomalies breaks no rule", () => {
  expect(faultsOf({})).toEqual([]);
  expect(faultsOf({ acknowledged: LOG.slice(0, 3), reads: [] })).toEqual([]);
});

test("a record that is lost is found", () => {
  const log = LOG.filter(({ value }) => value !== "7:x");
  expect(faultsOf({ log, reads: [] })).toEqual(["1 records are lost: 1/3 7:x"]);
});

test("a record that is written twice is found, and allowed without idempotence", () => {
  const log = [...LOG, { partition: 0, offset: 10, value: "8:x" }];
  expect(faultsOf({ log })).toEqual(["1 records are duplicated: 8:x 2 times"]);
  expect(faultsOf({ log }, false)).toEqual([]);
});

test("records out of order are found", () => {
  const log = swapped(4, 8);
  const faults = faultsOf({ log, acknowledged: log, reads: log });
  expect(faults).toEqual(["2 records are reordered: 0/3 6, 0/4 4"]);
});

test("a record that nobody has sent is found", () => {
  const log = [...LOG, { partition: 1, offset: 10, value: "99:y" }];
  expect(faultsOf({ log })).toEqual(["1 records are invented: 99:y"]);
});

test("a record at another offset than told is found", () => {
  const acknowledged = LOG.map((record, i) => (i === 5 ? { ...record, offset: 3 } : record));
  expect(faultsOf({ acknowledged })).toEqual(["1 records are misplaced: 1/3 5:x"]);
});

test("a record that a consumer got and that is gone is found", () => {
  const log = LOG.slice(0, -1);
  expect(faultsOf({ log, acknowledged: log })).toEqual(["1 records are vanished: 1/9 19:x"]);
});

test("a committed offset that goes back is found", () => {
  const acknowledged = new Map([
    [0, 5],
    [1, 7],
  ]);
  expect(fallenOffsets(acknowledged, acknowledged)).toEqual([]);
  expect(fallenOffsets(acknowledged, new Map([[0, 5]]))).toEqual([
    "partition 1 is committed up to -1 after 7 was acknowledged",
  ]);
});
