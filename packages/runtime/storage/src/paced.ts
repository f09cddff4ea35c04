import type { Timers } from "@samsa/base";

/** How many items a worker takes before it lets other turns of the event loop run, should none have made it wait. */
const STRETCH = 8;

/**
 * Does `work` for every item, `width` at a time, without keeping the event loop for itself. A failure does not keep the
 * others from being worked on; the first one is thrown when all are done.
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
