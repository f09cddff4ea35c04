import { RecordState, type Slot } from "./in-flight.ts";
import type { Burial } from "./requests.ts";

/** Records that become dead letters together, with their slots. */
interface SlotsToBury {
  readonly records: Burial;
  readonly slots: readonly Slot[];
}

/** Slots that are ARCHIVING, adjacent ones with the same delivery count and cause together. */
export function burials(slots: readonly Slot[]): readonly SlotsToBury[] {
  const runs: { records: Burial; slots: Slot[] }[] = [];
  for (const slot of slots) {
    if (slot.state !== RecordState.ARCHIVING || slot.before !== undefined) continue;
    const { first: firstOffset, last: lastOffset, deliveryCount } = slot;
    const cause = slot.isRejected ? "REJECTED" : "DELIVERIES_EXCEEDED";
    const run = runs.at(-1);
    const isNext =
      run !== undefined &&
      run.records.lastOffset + 1 === firstOffset &&
      run.records.deliveryCount === deliveryCount &&
      run.records.cause === cause;
    if (isNext) {
      run.records = { ...run.records, lastOffset };
      run.slots.push(slot);
    } else runs.push({ records: { firstOffset, lastOffset, deliveryCount, cause }, slots: [slot] });
  }
  return runs;
}
