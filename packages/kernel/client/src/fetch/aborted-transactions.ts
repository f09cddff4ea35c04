import { type Offset, nearestNumber, type ProducerId, type WireOffset } from "@samsa/base";
import { type BatchCursor, CONTROL_TYPE, controlTypeOf, type RecordCursor } from "@samsa/records";

/** Aborted transaction, as a Fetch response names it. */
export interface AbortedTransaction {
  readonly producerId: ProducerId;
  /** Offset of its first record, which may lie before the fetched records. */
  readonly firstOffset: WireOffset;
}

/**
 * Finds the batches of aborted transactions among the batches of one Fetch response, which are passed in order. A
 * transaction's batches are aborted from its first offset up to the marker that ends it.
 */
export class AbortedTransactions {
  /** Transactions whose first offset is ahead, the highest first. */
  readonly #ahead: { readonly producerId: ProducerId; readonly firstOffset: Offset }[];
  readonly #producers = new Set<ProducerId>();

  constructor(transactions: readonly AbortedTransaction[]) {
    this.#ahead = transactions
      .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: nearestNumber(firstOffset) }))
      .toSorted((a, b) => b.firstOffset - a.firstOffset);
  }

  /** True if the application may not have the records of the batch. A marker is passed in too, to be counted. */
  covers(batch: BatchCursor): boolean {
    if (!batch.hasProducer) return false;
    const { lastOffset, producerId } = batch;
    for (
      let next = this.#ahead.at(-1);
      next !== undefined && next.firstOffset <= lastOffset;
      next = this.#ahead.at(-1)
    ) {
      this.#producers.add(next.producerId);
      this.#ahead.length--;
    }
    return batch.isTransactional && this.#producers.has(producerId);
  }

  /** Takes note of a control batch. `record` is moved to its first record. */
  passMarker(batch: BatchCursor, record: RecordCursor): void {
    if (!this.covers(batch) || !record.next()) return;
    const key = record.key();
    if (key !== null && key.length >= 4 && controlTypeOf(key) === CONTROL_TYPE.abort) {
      this.#producers.delete(batch.producerId);
    }
  }
}
