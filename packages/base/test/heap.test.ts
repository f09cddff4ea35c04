import * as fc from "fast-check";
import { expect, test } from "vitest";
import { DeadlineHeap } from "../src/index.ts";

test("items come out by time, and none before its time", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50)), fc.nat(50), (times, now) => {
      const heap = new DeadlineHeap<number>();
      for (const time of times) heap.push(time, time);
      const due = times.filter(time => time <= now).sort((a, b) => a - b);
      const popped: number[] = [];
      for (let item = heap.pop(now); item !== undefined; item = heap.pop(now)) popped.push(item);
      expect(popped).toEqual(due);
      expect(heap.size).toBe(times.length - due.length);
      expect(heap.next()).toBe(Math.min(Infinity, ...times.filter(time => time > now)));
    }),
  );
});

test("a filter keeps the order of the rest", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50)), fc.nat(5), (times, by) => {
      const heap = new DeadlineHeap<number>();
      for (const time of times) heap.push(time, time);
      const isKept = (time: number): boolean => time % (by + 1) === 0;
      heap.filter(isKept);
      const popped: number[] = [];
      for (let item = heap.pop(50); item !== undefined; item = heap.pop(50)) popped.push(item);
      expect(popped).toEqual(times.filter(isKept).sort((a, b) => a - b));
    }),
  );
});
