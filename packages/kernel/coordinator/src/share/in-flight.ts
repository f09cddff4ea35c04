import { checkTransition, invariant, type Offset, type PreviousStates } from "@samsa/base";
import type { OffsetState } from "./requests.ts";
import type { AcquiredRecords } from "./fetched.ts";

/** State of a record that was fetched for a share group (`RecordState`). */
export const RecordState = { AVAILABLE: 0, ACQUIRED: 1, ACKNOWLEDGED: 2, ARCHIVING: 3, ARCHIVED: 4 } as const;
export type RecordState = (typeof RecordState)[keyof typeof RecordState];

/**
 * Valid previous states of a record (`RecordState.validateTransition`). Records that the log loses are archived even if
 * they are available (`InFlightState.archive`). Records are ARCHIVING while their dead letters are written (KIP-1191).
 */
export const PREVIOUS_RECORD_STATES: PreviousStates<RecordState> = {
  [RecordState.AVAILABLE]: [RecordState.ACQUIRED],
  [RecordState.ACQUIRED]: [RecordState.AVAILABLE],
  [RecordState.ACKNOWLEDGED]: [RecordState.ACQUIRED],
  [RecordState.ARCHIVING]: [RecordState.ACQUIRED],
  [RecordState.ARCHIVED]: [RecordState.ACQUIRED, RecordState.AVAILABLE, RecordState.ARCHIVING],
};

/** Acknowledgement of a record (`AcknowledgeType`); GAP: there is no record at the offset. */
export const AcknowledgeType = { GAP: 0, ACCEPT: 1, RELEASE: 2, REJECT: 3, RENEW: 4 } as const;

/** New state of a record by acknowledge type; a renewal changes none. */
export const TURNS_INTO: Readonly<Record<number, RecordState>> = {
  [AcknowledgeType.GAP]: RecordState.ARCHIVED,
  [AcknowledgeType.ACCEPT]: RecordState.ACKNOWLEDGED,
  [AcknowledgeType.RELEASE]: RecordState.AVAILABLE,
  [AcknowledgeType.REJECT]: RecordState.ARCHIVED,
};

/** Member id of records that no member has acquired. */
export const NOBODY = "";

/** True if records in this state are never delivered again. */
function isFinal(state: RecordState): boolean {
  return state === RecordState.ACKNOWLEDGED || state === RecordState.ARCHIVED;
}

/** Run of records with one state: a whole batch, or one record of a split batch (`InFlightState`). */
export class Slot {
  readonly first: Offset;
  readonly last: Offset;
  #state: RecordState;
  deliveryCount: number;
  memberId: string;
  /** End of the acquisition lock; Infinity: no lock. */
  expiresAt = Infinity;
  /** State to restore if the new state cannot be persisted; undefined: no write is pending. */
  before: { readonly state: RecordState; readonly memberId: string } | undefined;
  /** Slots of the single records after a split; the outcome of a write that began before applies to them. */
  parts: readonly Slot[] | undefined;
  /** True if the log has lost the records: they stay archived whatever the outcome of a pending write. */
  lost = false;
  /** True if a member has rejected the records that are ARCHIVING; else they have used up their deliveries. */
  isRejected = false;

  constructor(range: { readonly first: Offset; readonly last: Offset }, state: RecordState, deliveryCount: number) {
    this.first = range.first;
    this.last = range.last;
    this.#state = state;
    this.deliveryCount = deliveryCount;
    this.memberId = NOBODY;
  }

  get state(): RecordState {
    return this.#state;
  }

  get size(): number {
    return this.last - this.first + 1;
  }

  become(state: RecordState): void {
    checkTransition(PREVIOUS_RECORD_STATES, this.#state, state);
    this.#state = state;
  }

  /** Undoes a change that could not be persisted (`InFlightState.completeStateTransition`). */
  restore({ state, memberId }: NonNullable<Slot["before"]>): void {
    this.#state = state;
    this.memberId = memberId;
  }

  /** True if the records can be acquired. */
  get free(): boolean {
    return this.state === RecordState.AVAILABLE && this.before === undefined;
  }

  /** True if the records are in a final state that is durable. */
  get done(): boolean {
    return this.before === undefined && isFinal(this.state);
  }

  /** Number of records from `start` on in a final state. */
  completeFrom(start: Offset): number {
    return isFinal(this.state) ? Math.max(0, this.last - Math.max(start, this.first) + 1) : 0;
  }

  archive(): void {
    this.lost = true;
    this.become(RecordState.ARCHIVED);
    this.memberId = NOBODY;
    this.expiresAt = Infinity;
  }
}

/** Records that were acquired together; they are one run until their states differ (`InFlightBatch`). */
export class InFlightBatch {
  readonly first: Offset;
  readonly last: Offset;
  slots: readonly Slot[];
  /** True if each record has its own slot. */
  isSplit = false;
  /** Time of the next check for expired acquisition locks; Infinity: none. */
  wakeAt = Infinity;

  constructor(slot: Slot) {
    this.first = slot.first;
    this.last = slot.last;
    this.slots = [slot];
  }

  get size(): number {
    return this.last - this.first + 1;
  }

  /** Slot of the first record; of every record, until the batch is split. */
  get firstSlot(): Slot {
    const [slot] = this.slots;
    invariant(slot !== undefined, "a batch has records");
    return slot;
  }

  isWithin(first: Offset, last: Offset): boolean {
    return this.first >= first && this.last <= last;
  }

  /** Gives each record a slot. */
  split(): void {
    if (this.isSplit) return;
    const whole = this.firstSlot;
    const slots: Slot[] = [];
    for (let offset = this.first; offset <= this.last; offset++) {
      const slot = new Slot({ first: offset, last: offset }, whole.state, whole.deliveryCount);
      slot.memberId = whole.memberId;
      slot.expiresAt = whole.expiresAt;
      slot.before = whole.before;
      slot.lost = whole.lost;
      slot.isRejected = whole.isRejected;
      slots.push(slot);
    }
    whole.parts = slots;
    this.slots = slots;
    this.isSplit = true;
  }

  /** Slots with a record from `first` to `last`. */
  *slotsIn(first: Offset, last: Offset): IterableIterator<Slot> {
    if (!this.isSplit) {
      yield this.firstSlot;
      return;
    }
    yield* this.slots.slice(Math.max(0, first - this.first), Math.max(0, last - this.first + 1));
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

  /** Index of the first batch that begins after `offset`. */
  #after(offset: Offset): number {
    let [low, high] = [0, this.#batches.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#batches[middle] as InFlightBatch).first <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The last batch that begins at `offset` or before it. */
  floor(offset: Offset): InFlightBatch | undefined {
    return this.#batches[this.#after(offset) - 1];
  }

  /** Batches that begin from `first` to `last`. */
  beginning(first: Offset, last: Offset): readonly InFlightBatch[] {
    return this.#batches.slice(this.#after(first - 1), this.#after(last));
  }

  /** Batches with a record from `first` to `last`. */
  overlapping(first: Offset, last: Offset): readonly InFlightBatch[] {
    const floor = this.floor(first);
    return this.beginning(floor !== undefined && floor.last >= first ? floor.first : first, last);
  }

  add(batch: InFlightBatch): void {
    this.#batches.splice(this.#after(batch.first), 0, batch);
  }

  /** Drops the batches that end at `offset` or before it. */
  dropThrough(offset: Offset): void {
    const kept = this.#batches.findIndex(({ last }) => last > offset);
    this.#batches.splice(0, kept === -1 ? this.#batches.length : kept);
  }
}

/** Slot of a persisted state batch; throws `RangeError` if the delivery state is unknown. */
export function loadedSlot({ firstOffset: first, lastOffset: last, deliveryState, deliveryCount }: OffsetState): Slot {
  const { AVAILABLE, ACQUIRED, ACKNOWLEDGED, ARCHIVING, ARCHIVED } = RecordState;
  const states: readonly RecordState[] = [AVAILABLE, ACQUIRED, ACKNOWLEDGED, ARCHIVING, ARCHIVED];
  let state = states.find(known => known === deliveryState);
  if (state === undefined) throw new RangeError(`unknown delivery state ${deliveryState}`);
  // No acquisition lock outlives the leader that granted it.
  if (state === ACQUIRED) state = AVAILABLE;
  return new Slot({ first, last }, state, deliveryCount);
}

export function stateOf({ first, last, state, deliveryCount }: Slot): OffsetState {
  return { firstOffset: first, lastOffset: last, deliveryState: state, deliveryCount };
}

/** Slots in force: those that a split has put in the place of the given ones, or these themselves. */
export function partsOf(slots: readonly Slot[]): readonly Slot[] {
  return slots.flatMap(whole => whole.parts ?? [whole]);
}

/** Joins adjacent slots with the same delivery count into runs. */
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
