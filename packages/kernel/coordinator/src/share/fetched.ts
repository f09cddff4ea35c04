/** A run of records that a member has acquired, and which delivery of them that is. */
export interface AcquiredRecords {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly deliveryCount: number;
}

/** What is to be known of a batch that was read from the log. */
export interface FetchedBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly producerId: bigint;
  readonly isTransactional: boolean;
  /** It is the marker with which a producer has aborted. */
  readonly isAbortMarker: boolean;
}

/** A transaction that was aborted: whose, and its first offset. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

const NO_PRODUCER = -1n;

/** The batches that belong to transactions that were aborted. */
export function abortedBatches(
  batches: readonly FetchedBatch[],
  transactions: readonly AbortedTransaction[],
): readonly FetchedBatch[] {
  const ahead = [...transactions].sort((a, b) => a.firstOffset - b.firstOffset);
  const aborting = new Set<bigint>();
  let next = 0;
  return batches.filter(batch => {
    if (batch.producerId === NO_PRODUCER) return false;
    for (; next < ahead.length && ahead[next].firstOffset <= batch.lastOffset; next++) {
      aborting.add(ahead[next].producerId);
    }
    if (batch.isAbortMarker) aborting.delete(batch.producerId);
    else return batch.isTransactional && aborting.has(batch.producerId);
    return false;
  });
}

/** What is left of `acquired` without the offsets of `batches`; both are in order. */
export function without(
  acquired: readonly AcquiredRecords[],
  batches: readonly FetchedBatch[],
): readonly AcquiredRecords[] {
  const left: AcquiredRecords[] = [];
  for (const run of acquired) {
    let { firstOffset } = run;
    for (const { baseOffset, lastOffset } of batches) {
      if (lastOffset < firstOffset || baseOffset > run.lastOffset) continue;
      if (firstOffset < baseOffset) left.push({ ...run, firstOffset, lastOffset: baseOffset - 1 });
      firstOffset = lastOffset + 1;
    }
    if (firstOffset <= run.lastOffset) left.push({ ...run, firstOffset });
  }
  return left;
}

/** The last offset of the batch that has `offset`. */
export function lastOfBatch(batches: readonly FetchedBatch[], offset: number): number {
  const batch = batches.findLast(({ baseOffset }) => baseOffset <= offset);
  return batch === undefined ? offset : Math.max(offset, batch.lastOffset);
}

/** Offsets as runs of about the size that was asked for; they end where batches do. */
export function runsOfSize(
  { batches, batchSize }: { readonly batches: readonly FetchedBatch[]; readonly batchSize: number },
  from: number,
  to: number,
) {
  const runs: { first: number; last: number }[] = [];
  let first = from;
  if (to - from + 1 > batchSize) {
    for (const { baseOffset } of batches) {
      if (baseOffset > to) break;
      if (baseOffset - first < Math.max(1, batchSize)) continue;
      runs.push({ first, last: baseOffset - 1 });
      first = baseOffset;
    }
  }
  runs.push({ first, last: to });
  return runs;
}
