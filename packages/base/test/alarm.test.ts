import { beforeEach, expect, test } from "vitest";
import { Alarm } from "../src/index.ts";

/** A clock and timers that a test moves. */
class Time {
  now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();
  readonly clock = { now: () => this.now, monotonic: () => this.now };
  readonly timers = {
    after: (ms: number, run: () => void) => {
      const timer = { at: this.now + ms, run };
      this.#timers.add(timer);
      return { cancel: () => void this.#timers.delete(timer) };
    },
    soon: (run: () => void) => run(),
    hold: () => ({ cancel: () => undefined }),
  };

  get pending(): number {
    return this.#timers.size;
  }

  passTo(at: number): void {
    this.now = at;
    for (const timer of [...this.#timers]) {
      if (timer.at > at) continue;
      this.#timers.delete(timer);
      timer.run();
    }
  }
}

let time: Time;
let rung: number[];
let alarm: Alarm;

beforeEach(() => {
  time = new Time();
  rung = [];
  alarm = new Alarm(time, () => rung.push(time.now));
});

test("rings once, at the time that was set last", () => {
  alarm.set(10);
  alarm.set(30);
  alarm.set(20);
  expect(time.pending).toBe(1);
  time.passTo(10);
  expect(rung).toEqual([]);
  time.passTo(20);
  time.passTo(40);
  expect(rung).toEqual([20]);
});

test("rings at the earliest of the times that are bounds", () => {
  alarm.setAtLatest(20);
  alarm.setAtLatest(30);
  alarm.setAtLatest(10);
  time.passTo(10);
  alarm.setAtLatest(50);
  time.passTo(60);
  expect(rung).toEqual([10, 60]);
});

test("rings soon for a time that is over", () => {
  time.passTo(100);
  alarm.set(50);
  time.passTo(100);
  expect(rung).toEqual([100]);
});

test("does not ring after a cancel, until it is set again", () => {
  alarm.set(10);
  alarm.cancel();
  expect(time.pending).toBe(0);
  alarm.setAtLatest(20);
  time.passTo(20);
  expect(rung).toEqual([20]);
});

test("never rings after a stop", () => {
  alarm.set(10);
  alarm.stop();
  alarm.set(20);
  alarm.setAtLatest(5);
  alarm.cancel();
  alarm.set(30);
  expect(time.pending).toBe(0);
  time.passTo(40);
  expect(rung).toEqual([]);
});
