/** Takes what a callback has thrown, which is a bug of ours. Must not throw. */
export type Report = (error: unknown) => void;

/** Calls `work`; a throw goes to `report`. For callbacks that stand between a queue or loop and its next entry. */
export function guard(work: () => void, report: Report): void {
  try {
    work();
  } catch (error) {
    report(error);
  }
}

/** Calls `work` with each item: a throw goes to `report` and keeps none of the others from its turn. */
export function guardEach<T>(items: Iterable<T>, work: (item: T) => void, report: Report): void {
  for (const item of items) {
    try {
      work(item);
    } catch (error) {
      report(error);
    }
  }
}
