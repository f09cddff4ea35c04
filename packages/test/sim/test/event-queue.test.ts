import fc from "fast-check";
import { expect, test } from "vitest";
import { type Event, EventQueue } from "../src/world/event-queue.ts";

test("gives the events by their times, those of the same time in the order of scheduling", () => {
  const delay = fc.constantFrom(0, 0, 1, 2, 3.5, 1e-20);
  fc.assert(
    fc.property(fc.array(fc.oneof(delay, fc.constant("take" as const)), { maxLength: 80 }), steps => {
      const queue = new EventQueue<undefined>();
      const model: Event<undefined>[] = [];
      let now = 0;
      steps.forEach((step, order) => {
        if (step === "take") {
          const [first] = model.sort((a, b) => a.at - b.at || a.order - b.order).splice(0, 1);
          expect(queue.next()).toBe(first);
          expect(queue.pop()).toBe(first);
          now = first?.at ?? now;
          return;
        }
        const event = { at: now + step, order, label: "", work: undefined };
        queue.push(event, event.at === now);
        model.push(event);
      });
      for (const event of model.sort((a, b) => a.at - b.at || a.order - b.order)) expect(queue.pop()).toBe(event);
      expect(queue.pop()).toBeUndefined();
    }),
  );
});
