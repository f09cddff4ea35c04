import type { LeaderEpoch, Offset } from "@samsa/base";
import { BatchCursor } from "@samsa/records";

/** Batches of a Fetch response that a follower may append. */
export interface FetchedBatches {
  /** Runs of whole batches. */
  readonly chunks: readonly Uint8Array[];
  /** Base offset of the first batch; −1 if there is none. */
  readonly baseOffset: Offset;
  readonly size: number;
}

const cursor = new BatchCursor();

/**
 * Batches up to the first that is cut off, or of a later epoch than `leaderEpoch`: a response may have been overtaken by
 * a truncation (KAFKA-18723).
 */
export function fetchedBatches(records: readonly Uint8Array[] | null, leaderEpoch: LeaderEpoch): FetchedBatches {
  const chunks: Uint8Array[] = [];
  let baseOffset = -1;
  let size = 0;
  for (const bytes of records ?? []) {
    let end = 0;
    cursor.reset(bytes);
    while (cursor.next() && cursor.leaderEpoch <= leaderEpoch) {
      if (baseOffset < 0) baseOffset = cursor.baseOffset;
      end = cursor.end;
    }
    if (end > 0) chunks.push(end === bytes.length ? bytes : bytes.subarray(0, end));
    size += end;
    if (end < bytes.length) break;
  }
  // Do not keep the memory of the response.
  cursor.reset(NOTHING);
  return { chunks, baseOffset, size };
}

const NOTHING = new Uint8Array(0);
