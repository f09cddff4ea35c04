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
