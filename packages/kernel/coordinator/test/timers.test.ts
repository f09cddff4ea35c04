import fc from "fast-check";
import { expect, test } from "vitest";
import { Timers, timerKey } from "../src/shard/timers.ts";

const never = (): boolean => false;

/** Key and time of each timer, in the order in which they run. */
class Model {
  timers: { key: string; at: number; order: number }[] = [];
  order = 0;

  schedule(key: string, at: number): void {
    this.cancel(key);
    this.timers.push({ key, at, order: ++this.order });
  }

  cancel(key: string): void {
    this.timers = this.timers.filter(timer => timer.key !== key);
  }

  due(now: number): string[] {
    const due = this.timers.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at || a.order - b.order);
    this.timers = this.timers.filter(({ at }) => at > now);
    return due.map(({ key }) => key);
  }
}

const step = fc.oneof(
  fc.record({
    do: fc.constant("schedule"),
    key: fc.integer({ min: 0, max: 12 }),
    delay: fc.integer({ min: -3, max: 9 }),
  }),
  fc.record({ do: fc.constant("cancel"), key: fc.integer({ min: 0, max: 12 }), delay: fc.constant(0) }),
  fc.record({ do: fc.constant("tick"), key: fc.constant(0), delay: fc.integer({ min: 0, max: 5 }) }),
);

test("against a model: what is due runs, by time and then by age, and a key has one timer", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), steps => {
      const timers = new Timers();
      const model = new Model();
      let ran: string[] = [];
      let now = 0;
      for (const { do: what, key, delay } of steps) {
        const name = String(key);
        if (what === "schedule") {
          model.schedule(name, now + delay);
          timers.schedule(name, now + delay, () => ran.push(name));
        } else if (what === "cancel") {
          model.cancel(name);
          timers.cancel(name);
        } else {
          now += delay;
          ran = [];
          timers.tick(now, never);
          expect(ran).toEqual(model.due(now));
        }
        expect(timers.size).toBe(model.timers.length);
        expect(timers.next()).toBe(Math.min(Infinity, ...model.timers.map(({ at }) => at)));
        for (const timer of model.timers) expect(timers.isScheduled(timer.key)).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test("timers of one time run in the order in which they were scheduled", () => {
  const timers = new Timers();
  const ran: number[] = [];
  for (let i = 0; i < 100; i++) timers.schedule(`${i}`, 5, () => ran.push(i));
  timers.tick(5, never);
  expect(ran).toEqual(Array.from({ length: 100 }, (_, i) => i));
});

test("a timer that schedules itself at once runs once a tick", () => {
  const timers = new Timers();
  let runs = 0;
  const again = (): void => {
    runs++;
    timers.schedule("a", 0, again);
  };
  again();
  timers.tick(0, never);
  timers.tick(0, never);
  expect(runs).toBe(3);
});

test("a timer that another of the same tick cancels or moves does not run", () => {
  const timers = new Timers();
  const ran: string[] = [];
  timers.schedule("a", 1, () => {
    timers.cancel("b");
    timers.schedule("c", 9, () => ran.push("moved"));
  });
  timers.schedule("b", 1, () => ran.push("b"));
  timers.schedule("c", 1, () => ran.push("c"));
  timers.tick(1, never);
  expect(ran).toEqual([]);
  timers.tick(9, never);
  expect(ran).toEqual(["moved"]);
});

test("a tick that is interrupted leaves the rest due", () => {
  const timers = new Timers();
  const ran: string[] = [];
  for (const key of ["a", "b", "c"]) timers.schedule(key, 1, () => ran.push(key));
  timers.tick(1, () => true);
  expect(ran).toEqual(["a"]);
  expect(timers.next()).toBe(-Infinity);
  timers.cancel("b");
  timers.tick(1, () => true);
  expect(ran).toEqual(["a", "c"]);
  expect(timers.next()).toBe(Infinity);
});

test("memory is that of the keys, however often they are scheduled", () => {
  const timers = new Timers();
  for (let i = 0; i < 10_000; i++) timers.schedule(`${i % 7}`, i, () => undefined);
  expect(timers.size).toBe(7);
});

test("ids of groups and members cannot be mistaken for each other", () => {
  expect(timerKey("session", "a", "bc")).not.toBe(timerKey("session", "ab", "c"));
  expect(timerKey("session", "1 a", "b")).not.toBe(timerKey("session", "1", "ab"));
});
