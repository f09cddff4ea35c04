import { addI64, compareI64, DeadlineHeap, type WireOffset } from "@samsa/base";

/** Run of offsets of a share partition with one state (`PersisterStateBatch`); both ends are inclusive. */
export interface StateBatch {
  readonly firstOffset: WireOffset;
  readonly lastOffset: WireOffset;
  readonly deliveryState: number;
  readonly deliveryCount: number;
}

/** Exclusive upper bound of delivery states, for `rank`. */
const STATES = 256;

/** Order by age: the higher delivery count is newer; at equal counts, the higher state is. */
function rank({ deliveryCount, deliveryState }: StateBatch): number {
  return deliveryCount * STATES + deliveryState;
}

function extend(merged: StateBatch[], next: StateBatch): void {
  const last = merged.at(-1);
  if (last !== undefined && addI64(last.lastOffset, 1) === next.firstOffset && rank(last) === rank(next)) {
    merged[merged.length - 1] = { ...last, lastOffset: next.lastOffset };
  } else merged.push(next);
}

/**
 * Merges overlapping batches into disjoint ones: each offset gets its newest state. Drops offsets before `startOffset`,
 * unless it is -1 (`PersisterStateBatchCombiner`).
 */
export function combineBatches(batches: readonly StateBatch[], startOffset: WireOffset): readonly StateBatch[] {
  const kept = batches
    .filter(({ lastOffset }) => lastOffset >= startOffset)
    .map(batch => (batch.firstOffset < startOffset ? { ...batch, firstOffset: startOffset } : batch))
    .sort((a, b) => compareI64(a.firstOffset, b.firstOffset));
  const cuts = kept.flatMap(({ firstOffset, lastOffset }) => [firstOffset, addI64(lastOffset, 1)]).sort(compareI64);
  const merged: StateBatch[] = [];
  // Batches that cover the cut, the newest on top; batches that have ended are dropped when they come up.
  const open = new DeadlineHeap<StateBatch>();
  let next = 0;
  for (const [i, from] of cuts.entries()) {
    const after = cuts[i + 1];
    if (after === undefined) break;
    const to = addI64(after, -1);
    for (let batch = kept[next]; batch?.firstOffset === from; batch = kept[++next]) open.push(-rank(batch), batch);
    if (to < from) continue;
    let newest = open.pop(Infinity);
    while (newest !== undefined && newest.lastOffset < from) newest = open.pop(Infinity);
    if (newest === undefined) continue;
    open.push(-rank(newest), newest);
    extend(merged, { ...newest, firstOffset: from, lastOffset: to });
  }
  return merged;
}
