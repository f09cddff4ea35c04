import type { Offset, ProducerId } from "@samsa/base";
/** Run of acquired records; `deliveryCount` includes this delivery. */
export interface AcquiredRecords {
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  readonly deliveryCount: number;
}

/** Fields of a batch that was read from the log. */
export interface FetchedBatch {
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
  readonly producerId: ProducerId;
  readonly isTransactional: boolean;
  /** True if the batch is an ABORT marker. */
  readonly isAbortMarker: boolean;
}

/** Aborted transaction: its producer id and its first offset. */
export interface AbortedTransaction {
  readonly producerId: ProducerId;
  readonly firstOffset: Offset;
}

const NO_PRODUCER: ProducerId = -1n;

/** Batches of aborted transactions. */
export function abortedBatches(
  batches: readonly FetchedBatch[],
  transactions: readonly AbortedTransaction[],
): readonly FetchedBatch[] {
  const ahead = [...transactions].sort((a, b) => a.firstOffset - b.firstOffset);
  const aborting = new Set<ProducerId>();
  let next = 0;
  return batches.filter(batch => {
    if (batch.producerId === NO_PRODUCER) return false;
    for (let txn = ahead[next]; txn !== undefined && txn.firstOffset <= batch.lastOffset; txn = ahead[++next]) {
      aborting.add(txn.producerId);
    }
    if (batch.isAbortMarker) aborting.delete(batch.producerId);
    else return batch.isTransactional && aborting.has(batch.producerId);
    return false;
  });
}

/** Removes the offsets of `batches` from `acquired`; both are in order. */
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

/** Last offset of the batch that contains `offset`. */
export function lastOfBatch(batches: readonly FetchedBatch[], offset: Offset): Offset {
  const batch = batches.findLast(({ baseOffset }) => baseOffset <= offset);
  return batch === undefined ? offset : Math.max(offset, batch.lastOffset);
}

/** Divides offsets into runs of about `batchSize` records, which end where batches end. */
export function runsOfSize(
  { batches, batchSize }: { readonly batches: readonly FetchedBatch[]; readonly batchSize: number },
  from: Offset,
  to: Offset,
) {
  const runs: { first: Offset; last: Offset }[] = [];
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
