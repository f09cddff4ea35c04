import type { Offset } from "@samsa/base";
import { BatchCursor } from "@samsa/records";
import type { ReadOptions } from "./reads.ts";

const cursor = new BatchCursor();

/** Batches in `bytes` that a read may return: from its offset on, below its limit, at most `room` bytes. */
export function cutBatches(
  bytes: Uint8Array,
  { offset, limitOffset }: ReadOptions,
  room: number,
  minOne: boolean,
): { bytes: Uint8Array; nextOffset: Offset } {
  let from = -1;
  let end = 0;
  let nextOffset = offset;
  cursor.reset(bytes);
  while (cursor.next()) {
    const next = cursor.lastOffset + 1;
    if (next <= offset) continue;
    if (cursor.baseOffset >= limitOffset) break;
    if (from < 0) from = end = cursor.at;
    if (cursor.end - from > room && !(minOne && end === from)) break;
    end = cursor.end;
    nextOffset = next;
  }
  return { bytes: from < 0 ? bytes.subarray(0, 0) : bytes.subarray(from, end), nextOffset };
}
