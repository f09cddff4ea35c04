import { expect, test } from "vitest";
import { nodeTimers } from "../src/time.ts";

test("what a timer's callback throws is reported, and ends neither the process nor other timers", async () => {
  const reported: unknown[] = [];
  const timers = nodeTimers(error => void reported.push(error));
  const [first, second] = [new Error("first"), new Error("second")];
  await new Promise<void>(resolve => {
    timers.soon(() => {
      throw first;
    });
    timers.soon(() =>
      timers.after(1, () => {
        timers.after(1, resolve);
        throw second;
      }),
    );
    // Like the timers under test, this one does not keep the process alive.
    setTimeout(() => {}, 1000).unref();
  });
  expect(reported).toEqual([first, second]);
});
