/** Bytes that wait for the application, over all partitions of a consumer. */
export class QueueBudget {
  bytes = 0;
  /** Something has changed since `Fetcher.poll`, so that it may have more to do. */
  isDirty = true;

  /** Adds `change`, which is negative for bytes that wait no longer. */
  add(change: number): void {
    this.bytes += change;
    this.isDirty = true;
  }
}
