import { Errors } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { FollowerReplica, type FollowerStep } from "../src/index.ts";
import { ModelLog } from "./model-cluster.ts";

const NO_DIVERGENCE = { epoch: -1, endOffset: -1 };

/** Log whose records have these epochs. */
function log(...epochs: number[]): ModelLog {
  const made = new ModelLog();
  for (const [value, epoch] of epochs.entries()) made.append({ epoch, value });
  return made;
}

function answered(own: ModelLog, epoch: number, endOffset: number): FollowerStep {
  const follower = new FollowerReplica(9);
  return follower.answered(follower.position(own), { errorCode: 0, divergingEpoch: { epoch, endOffset } }, own);
}

function failed(name: keyof typeof Errors, follower = new FollowerReplica(9)): FollowerStep {
  const own = log(1, 1);
  const { code: errorCode } = Errors[name];
  return follower.answered(follower.position(own), { errorCode, divergingEpoch: NO_DIVERGENCE }, own);
}

describe("a follower truncates", () => {
  test.each([
    ["the leader's end of an epoch that both have", log(1, 1, 1, 1), 1, 2, 2],
    ["its own end of that epoch", log(1, 1, 2, 2), 1, 5, 2],
    ["the end of its largest earlier epoch, and asks again (KIP-279)", log(1, 1, 3, 3), 2, 3, 2],
    ["the leader's end if it has no earlier epoch", log(3, 3, 3), 2, 0, 0],
  ])("to %s", (_name, own, epoch, end, offset) => {
    expect(answered(own, epoch, end)).toEqual({ type: "TRUNCATE", offset });
  });

  test("at its end, if only an epoch without records differs", () => {
    const own = log(1, 1);
    own.begin(5);
    expect(answered(own, 1, 2)).toEqual({ type: "TRUNCATE", offset: 2 });
  });

  test("not twice at the same position: an answer that changes nothing must not be asked for at once", () => {
    const own = log(1, 1, 3);
    const follower = new FollowerReplica(9);
    const answer = { errorCode: 0, divergingEpoch: { epoch: 3, endOffset: 9 } };
    expect(follower.answered(follower.position(own), answer, own)).toEqual({ type: "TRUNCATE", offset: 3 });
    expect(follower.answered(follower.position(own), answer, own)).toEqual({ type: "BACK_OFF" });
  });
});

test("an answer to another position or epoch is dropped", () => {
  const own = log(1, 1);
  const follower = new FollowerReplica(9);
  const answer = { errorCode: 0, divergingEpoch: NO_DIVERGENCE };
  const asked = follower.position(own);
  expect(asked).toEqual({ leaderEpoch: 9, offset: 2, lastEpoch: 1, logStart: 0 });
  expect(follower.answered(asked, answer, own)).toEqual({ type: "APPEND" });
  expect(new FollowerReplica(10).answered(asked, answer, own)).toEqual({ type: "IGNORE" });
  own.append({ epoch: 1, value: 2 });
  expect(follower.answered(asked, answer, own)).toEqual({ type: "IGNORE" });
});

test("errors of the leader are waited out, except that of a later epoch", () => {
  for (const name of [
    "UNKNOWN_LEADER_EPOCH",
    "NOT_LEADER_OR_FOLLOWER",
    "UNKNOWN_TOPIC_ID",
    "CORRUPT_MESSAGE",
  ] as const) {
    expect(failed(name)).toEqual({ type: "BACK_OFF" });
  }
  const follower = new FollowerReplica(9);
  expect(failed("FENCED_LEADER_EPOCH", follower)).toEqual({ type: "STOP" });
  expect([follower.isReady(Infinity), follower.state]).toEqual([false, "FAILED"]);
  follower.delay(0);
  expect(follower.isReady(1)).toBe(false);
});

test("an offset out of range is compared with the leader's range", () => {
  const ranged = (start: number, end: number): FollowerStep => {
    const follower = new FollowerReplica(9);
    expect(failed("OFFSET_OUT_OF_RANGE", follower)).toEqual({ type: "ASK_RANGE" });
    expect(follower.isReady(Infinity), "it waits for the range").toBe(false);
    return follower.ranged({ start, end }, log(1, 1, 1));
  };
  expect(ranged(0, 2)).toEqual({ type: "TRUNCATE", offset: 2 });
  expect(ranged(5, 9)).toEqual({ type: "RESTART", offset: 5 });
  expect(ranged(1, 9)).toEqual({ type: "BACK_OFF" });
  const follower = new FollowerReplica(9);
  failed("OFFSET_OUT_OF_RANGE", follower);
  expect(follower.ranged({ errorCode: Errors.FENCED_LEADER_EPOCH.code }, log(1))).toEqual({ type: "STOP" });
  expect(follower.ranged({ start: 0, end: 0 }, log(1)), "it has stopped").toEqual({ type: "IGNORE" });
});

test("a delayed partition is due at its time", () => {
  const follower = new FollowerReplica(9);
  expect(follower.dueAt).toBe(Infinity);
  follower.delay(5);
  expect([follower.dueAt, follower.isReady(4), follower.isReady(5), follower.dueAt]).toEqual([
    5,
    false,
    true,
    Infinity,
  ]);
});
