import { describe, expect, test } from "vitest";
import { type Anomaly, anomaliesOf, type Operation } from "../src/ledgers/history.ts";

const log = "log";
const send = (process: string, offset: number | undefined, ...values: string[]): Operation => ({
  type: "send",
  process,
  log,
  values,
  offset,
});
const poll = (process: string, from: number, ...records: (readonly [number, string])[]): Operation => ({
  type: "poll",
  process,
  log,
  from,
  records,
});
const seek = (process: string): Operation => ({ type: "seek", process, log });
const readThrough: Operation = { type: "read through", log };

const BAD: readonly (readonly [type: Anomaly["type"], history: readonly Operation[]])[] = [
  ["inconsistent-offsets", [send("p", 0, "a"), poll("c", 0, [0, "b"])]],
  ["inconsistent-offsets", [poll("c", 0, [0, "a"]), poll("d", 0, [0, "b"])]],
  ["duplicate", [send("p", 0, "a"), poll("c", 1, [1, "a"])]],
  ["duplicate", [poll("c", 0, [0, "a"], [1, "a"])]],
  ["lost-write", [send("p", 0, "a"), send("q", 1, "b"), seek("c"), poll("c", 1, [1, "b"]), readThrough]],
  ["unseen", [poll("c", 0, [0, "a"]), send("p", 1, "b"), readThrough]],
  ["poll-skip", [send("p", 0, "a", "b", "c"), poll("c", 0, [0, "a"]), poll("c", 2, [2, "c"])]],
  ["nonmonotonic-poll", [poll("c", 0, [0, "a"], [1, "b"]), poll("c", 1, [1, "b"])]],
  ["int-poll-skip", [send("p", 0, "a", "b", "c"), poll("c", 0, [0, "a"], [2, "c"])]],
  ["int-nonmonotonic-poll", [poll("c", 0, [1, "b"], [0, "a"])]],
  ["nonmonotonic-send", [send("p", 5, "a"), send("p", 4, "b")]],
];

const GOOD: readonly (readonly [what: string, history: readonly Operation[]])[] = [
  ["sends of several, polled in parts", [send("p", 0, "a", "b"), poll("c", 0, [0, "a"]), poll("c", 1, [1, "b"])]],
  ["what another process sends in between", [send("p", 0, "a"), send("q", 1, "b"), send("p", 2, "c")]],
  ["a send of which nobody knows, and nobody sees", [send("p", undefined, "a"), readThrough]],
  ["a send of which nobody knows, and somebody sees", [send("p", undefined, "a"), poll("c", 0, [0, "a"]), readThrough]],
  ["a process that looks anew", [poll("c", 0, [0, "a"], [1, "b"]), seek("c"), poll("c", 0, [0, "a"])]],
  [
    "offsets that are used again after a cut",
    [
      send("p", 0, "a", "b"),
      { type: "cut", log, at: 1 },
      send("p", 1, "c"),
      poll("c", 0, [0, "a"], [1, "c"]),
      readThrough,
    ],
  ],
  [
    "records that are deleted unseen",
    [send("p", 0, "a", "b"), { type: "trim", log, to: 1 }, poll("c", 1, [1, "b"]), readThrough],
  ],
  ["a deletion that is told before the send", [{ type: "trim", log, to: 1 }, send("p", 0, "a"), readThrough]],
  ["the same offsets of another log", [send("p", 0, "a"), { ...send("p", 0, "b"), log: "other" }]],
  ["a gap that nobody knows anything in", [poll("c", 0, [0, "a"], [3, "b"])]],
];

describe("a history", () => {
  test.each(BAD)("with %s is found out", (type, history) => {
    expect(anomaliesOf(history).map(anomaly => anomaly.type)).toEqual([type]);
  });

  test.each(GOOD)("of %s is possible", (_what, history) => {
    expect(anomaliesOf(history)).toEqual([]);
  });

  test("forgets nothing below a cut", () => {
    const cut: Operation = { type: "cut", log, at: 1 };
    const types = anomaliesOf([send("p", 0, "a", "b"), cut, poll("c", 0, [0, "x"])]).map(({ type }) => type);
    expect(types).toEqual(["inconsistent-offsets"]);
  });
});
