import type { OffsetState } from "./requests.ts";
import type { AcquiredRecords } from "./fetched.ts";

/** What has become of a record that was fetched for a share group (`RecordState`). */
export const RecordState = { AVAILABLE: 0, ACQUIRED: 1, ACKNOWLEDGED: 2, ARCHIVING: 3, ARCHIVED: 4 } as const;
export type RecordState = (typeof RecordState)[keyof typeof RecordState];

/** Whose a record is that nobody has acquired. */
export const NOBODY = "";

/** Whether a record in this state is never delivered again. */
function isFinal(state: RecordState): boolean {
  return state === RecordState.ACKNOWLEDGED || state === RecordState.ARCHIVED;
}

/** One run of records that are in one state: a whole batch, or one record of a batch that has been split. */
export class Slot {
  readonly first: number;
  readonly last: number;
  state: RecordState;
  deliveryCount: number;
  memberId: string;
  /** Until when its member may hold it; Infinity: it is not held. */
  expiresAt = Infinity;
  /** What it goes back to when its new state cannot be made durable. */
  before: { readonly state: RecordState; readonly memberId: string } | undefined;
  /** The slots of its records, since it was split: what becomes of a change that began before becomes of them. */
  parts: readonly Slot[] | undefined;
  /** It is out whatever becomes of the state it is changing to: the log has lost it. */
  lost = false;

  constructor(range: { readonly first: number; readonly last: number }, state: RecordState, deliveryCount: number) {
    this.first = range.first;
    this.last = range.last;
    this.state = state;
    this.deliveryCount = deliveryCount;
    this.memberId = NOBODY;
  }

  get size(): number {
    return this.last - this.first + 1;
  }

  /** Whether it can be delivered to somebody. */
  get free(): boolean {
    return this.state === RecordState.AVAILABLE && this.before === undefined;
  }

  /** Whether it is done with, and durably so. */
  get done(): boolean {
    return this.before === undefined && isFinal(this.state);
  }

  /** Records that count as done, of those from `start` on. */
  completeFrom(start: number): number {
    return isFinal(this.state) ? Math.max(0, this.last - Math.max(start, this.first) + 1) : 0;
  }

  archive(): void {
    this.lost = true;
    this.state = RecordState.ARCHIVED;
    this.memberId = NOBODY;
    this.expiresAt = Infinity;
  }
}

/** Records that were acquired together; they stay one run for as long as they are treated alike. */
export class InFlightBatch {
  readonly first: number;
  readonly last: number;
  slots: readonly Slot[];
  /** Each record has a slot of its own. */
  isSplit = false;
  /** When it is looked at for records that were held for too long. */
  wakeAt = Infinity;

  constructor(slot: Slot) {
    this.first = slot.first;
    this.last = slot.last;
    this.slots = [slot];
  }

  get size(): number {
    return this.last - this.first + 1;
  }

  isWithin(first: number, last: number): boolean {
    return this.first >= first && this.last <= last;
  }

  /** Gives each record a slot. */
  split(): void {
    if (this.isSplit) return;
    const [whole] = this.slots;
    const slots: Slot[] = [];
    for (let offset = this.first; offset <= this.last; offset++) {
      const slot = new Slot({ first: offset, last: offset }, whole.state, whole.deliveryCount);
      slot.memberId = whole.memberId;
      slot.expiresAt = whole.expiresAt;
      slot.before = whole.before;
      slot.lost = whole.lost;
      slots.push(slot);
    }
    whole.parts = slots;
    this.slots = slots;
    this.isSplit = true;
  }

  /** Slots with a record from `first` to `last`. */
  *slotsIn(first: number, last: number): IterableIterator<Slot> {
    if (!this.isSplit) {
      yield this.slots[0];
      return;
    }
    const to = Math.min(last, this.last) - this.first;
    for (let i = Math.max(0, first - this.first); i <= to; i++) yield this.slots[i];
  }
}

/** Batches by their first offset; they do not overlap, and there may be gaps between them. */
export class InFlightBatches {
  #batches: InFlightBatch[] = [];

  get all(): readonly InFlightBatch[] {
    return this.#batches;
  }

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  get last(): InFlightBatch | undefined {
    return this.#batches.at(-1);
  }

  /** Where the first batch is that begins after `offset`. */
  #after(offset: number): number {
    let [low, high] = [0, this.#batches.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#batches[middle].first <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The last batch that begins at `offset` or before it. */
  floor(offset: number): InFlightBatch | undefined {
    return this.#batches[this.#after(offset) - 1];
  }

  /** Batches that begin from `first` to `last`. */
  beginning(first: number, last: number): readonly InFlightBatch[] {
    return this.#batches.slice(this.#after(first - 1), this.#after(last));
  }

  /** Batches with a record from `first` to `last`. */
  overlapping(first: number, last: number): readonly InFlightBatch[] {
    const floor = this.floor(first);
    return this.beginning(floor !== undefined && floor.last >= first ? floor.first : first, last);
  }

  add(batch: InFlightBatch): void {
    this.#batches.splice(this.#after(batch.first), 0, batch);
  }

  /** Drops the batches that end at `offset` or before it. */
  dropThrough(offset: number): void {
    const kept = this.#batches.findIndex(({ last }) => last > offset);
    this.#batches.splice(0, kept === -1 ? this.#batches.length : kept);
  }
}

/** A slot as the share coordinator knows it; throws `RangeError` when that cannot be. */
export function loadedSlot({ firstOffset: first, lastOffset: last, deliveryState, deliveryCount }: OffsetState): Slot {
  const { AVAILABLE, ACQUIRED, ACKNOWLEDGED, ARCHIVING, ARCHIVED } = RecordState;
  const states: readonly RecordState[] = [AVAILABLE, ACQUIRED, ACKNOWLEDGED, ARCHIVING, ARCHIVED];
  let state = states.find(known => known === deliveryState);
  if (state === undefined) throw new RangeError(`no record is in the state ${deliveryState}`);
  // Nobody holds it any more.
  if (state === ACQUIRED) state = AVAILABLE;
  // On its way to a dead letter that is not written: Kafka archives a record whose dead letter fails (KIP-1191).
  if (state === ARCHIVING) state = ARCHIVED;
  return new Slot({ first, last }, state, deliveryCount);
}

export function stateOf({ first, last, state, deliveryCount }: Slot): OffsetState {
  return { firstOffset: first, lastOffset: last, deliveryState: state, deliveryCount };
}

/** Records of a run that have the same delivery count, one after the other. */
export function runsOf(slots: readonly Slot[]): AcquiredRecords[] {
  const runs: AcquiredRecords[] = [];
  for (const { first, last, deliveryCount } of slots) {
    const run = runs.at(-1);
    if (run !== undefined && run.lastOffset + 1 === first && run.deliveryCount === deliveryCount) {
      runs[runs.length - 1] = { ...run, lastOffset: last };
    } else runs.push({ firstOffset: first, lastOffset: last, deliveryCount });
  }
  return runs;
}
