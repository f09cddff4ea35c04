import type { Offset } from "@samsa/base";
import type { InFlightBatch, Slot } from "./in-flight.ts";

/** Range of offsets, both ends included. */
interface Range {
  readonly first: Offset;
  readonly last: Offset;
}

/** Delivery count from which records are isolated, so that one bad record does not use up the others' deliveries. */
function isolatedFrom(deliveryCountLimit: number): number {
  return Math.max(2, Math.ceil(deliveryCountLimit / 2));
}

/** True if available records in a range have failed so often that they are isolated. */
export function isIsolated(batch: InFlightBatch, { first, last }: Range, deliveryCountLimit: number): boolean {
  const from = isolatedFrom(deliveryCountLimit);
  for (const slot of batch.slotsIn(first, last)) if (slot.free && slot.deliveryCount >= from) return true;
  return false;
}

/**
 * Available records of a batch in a range to deliver together, `limit` at most: the more often they have failed, the
 * fewer.
 */
export function deliverable(
  batch: InFlightBatch,
  { first, last }: Range,
  deliveryCountLimit: number,
  limit: number,
): Slot[] {
  const from = isolatedFrom(deliveryCountLimit);
  const isolates = deliveryCountLimit > 2;
  const slots: Slot[] = [];
  let most = limit;
  let isFewer = false;
  for (const slot of batch.slotsIn(first, last)) {
    if (!slot.free) continue;
    const isLast = isolates && slot.deliveryCount === deliveryCountLimit - 1;
    if (isLast && slots.length > 0) break;
    if (slot.deliveryCount >= from && !isFewer) {
      isFewer = true;
      const few = Math.max(1, Math.floor(batch.size / 2 ** (slot.deliveryCount - from + 1)));
      most = Math.min(most, Math.max(few, slots.length + 1));
    }
    slots.push(slot);
    if (isLast || slots.length >= most) break;
  }
  return slots;
}
