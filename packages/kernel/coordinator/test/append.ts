import type { LoggedRecord, Shard } from "../src/index.ts";

interface Append {
  readonly records: readonly LoggedRecord[];
  /** Log of the shard's partition. Entries count as one offset each. */
  readonly log: unknown[];
  /** False if the log does not take the records; else they are committed at once, unless `isCommitted` is false. */
  readonly isWritten: boolean;
  readonly isCommitted?: boolean;
}

/** Carries out an append as the runtime does: replays the records first, and takes them back if it fails. */
export function append<E>(shard: Shard<E>, now: number, { records, log, isWritten, isCommitted = true }: Append): void {
  const { timeline } = shard;
  timeline?.begin();
  if (timeline !== undefined) records.forEach((record, i) => shard.replay(now, record, log.length + i));
  if (!isWritten) return timeline?.revert();
  log.push(...records);
  timeline?.written(log.length);
  if (isCommitted) timeline?.committed(log.length);
}
