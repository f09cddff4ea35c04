/** Handles an error thrown by a callback, which is a bug in the program. Must not throw. */
export type Report = (error: unknown) => void;

/**
 * Calls `work` and passes an error to `report`. For callbacks from a queue or loop, which must go on with the next
 * entry.
 */
export function guard(work: () => void, report: Report): void {
  try {
    work();
  } catch (error) {
    report(error);
  }
}

/** Calls `work` for each item and passes errors to `report`, so that the other items still get their turn. */
export function guardEach<T>(items: Iterable<T>, work: (item: T) => void, report: Report): void {
  for (const item of items) {
    try {
      work(item);
    } catch (error) {
      report(error);
    }
  }
}
