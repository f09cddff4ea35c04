import type { Timers } from "@samsa/base";

/** Items that a worker takes before it yields to other tasks of the event loop. */
const STRETCH = 8;

/**
 * Does `work` for every item, `width` at a time, and yields to the event loop in between. A failure does not stop the
 * others; the first one is thrown when all are done.
 */
export async function paced<T>(
  timers: Timers,
  items: Iterable<T>,
  options: { readonly width: number; readonly work: (item: T) => Promise<void> },
): Promise<void> {
  const failures: unknown[] = [];
  const waiting = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    let done = 0;
    for (let next = waiting.next(); next.done !== true; next = waiting.next()) {
      try {
        await options.work(next.value);
      } catch (error) {
        failures.push(error);
      }
      if (++done % STRETCH === 0) await new Promise<void>(resolve => timers.soon(resolve));
    }
  };
  await Promise.all(Array.from({ length: options.width }, worker));
  if (failures.length > 0) throw failures[0];
}
