import type { Offset } from "@samsa/base";
import { InFlightBatch, loadedSlot } from "./in-flight.ts";
import type { LoadedSharePartition } from "./requests.ts";

/** Window of the loaded offsets that may have gaps between batches, that is, offsets not in flight (`GapWindow`). */
export interface GapWindow {
  start: Offset;
  readonly end: Offset;
}

/** Records in flight of a share partition, as its state has them. */
interface LoadedBatches {
  readonly batches: readonly InFlightBatch[];
  /** Last offset in flight. */
  readonly endOffset: Offset;
  /** Undefined: there are no gaps. */
  readonly gaps: GapWindow | undefined;
}

/** Reads the state of a share partition; throws `RangeError` if it is inconsistent. */
export function loadedBatches({ startOffset, batches: states }: LoadedSharePartition): LoadedBatches {
  const batches: InFlightBatch[] = [];
  let next = startOffset;
  let gap: Offset | undefined;
  for (const state of states) {
    const { firstOffset, lastOffset } = state;
    if (firstOffset < next || lastOffset < firstOffset) {
      throw new RangeError(`the state batch ${firstOffset}-${lastOffset} cannot follow ${next - 1}`);
    }
    if (firstOffset > next) gap ??= next;
    next = lastOffset + 1;
    batches.push(new InFlightBatch(loadedSlot(state)));
  }
  const endOffset = next - 1;
  return { batches, endOffset, gaps: gap === undefined ? undefined : { start: gap, end: endOffset } };
}
