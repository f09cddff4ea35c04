import { DeadlineHeap, invariant } from "@samsa/base";
import { Errors, type KafkaError } from "@samsa/protocol";
import type { Ticket } from "../effects.ts";
import { abortedBatches, lastOfBatch, runsOfSize, without } from "./fetched.ts";
import { InFlightBatch, InFlightBatches, loadedSlot, NOBODY, RecordState, runsOf, Slot, stateOf } from "./in-flight.ts";
import type {
  AcknowledgementBatch,
  Acquired,
  AcquireRequest,
  Acquisition,
  LoadedSharePartition,
  OffsetState,
  SharePartitionEffect,
  SharePartitionSettings,
} from "./requests.ts";

/** A write of states that is on its way. */
interface Write {
  /** What it is that counts once it is durable. */
  readonly changes: readonly Slot[];
  readonly ticket: Ticket | undefined;
}

/** What an acknowledgement does: states that change, and locks that begin anew. */
interface Turns {
  readonly changes: Slot[];
  readonly renewed: (readonly [InFlightBatch, Slot])[];
}

/** Offsets that were not in flight when the partition was loaded, from `start` on; there are none after `end`. */
interface GapWindow {
  start: number;
  readonly end: number;
}

type Fault = readonly [error: KafkaError, message: string];

/** Entries of batches that are gone which are put up with. */
const STALE_DEADLINES = 1000;
const GAP = 0;
const RENEW = 4;
/** What acknowledgements turn records into: gap, accept, release, reject. */
const TURNS_INTO: readonly RecordState[] = [
  RecordState.ARCHIVED,
  RecordState.ACKNOWLEDGED,
  RecordState.AVAILABLE,
  RecordState.ARCHIVED,
];
const NOTHING: Acquired = { records: [], count: 0 };

function invalidState(message: string): Fault {
  return [Errors.INVALID_RECORD_STATE, message];
}

/**
 * One partition as one share group consumes it (KIP-932, `SharePartition`): which records are in flight, who holds them
 * and until when, and where the group's start offset is. Changes that members ask for count once they are durable.
 */
export class SharePartition {
  readonly #settings: () => SharePartitionSettings;
  readonly #batches = new InFlightBatches();
  #deadlines = new DeadlineHeap<InFlightBatch>();
  readonly #persisting = new Map<number, { readonly changes: readonly Slot[]; readonly ticket: Ticket | undefined }>();
  #tokens = 0;
  #startOffset: number;
  /** The last offset in flight; the next one to fetch when nothing is. */
  #endOffset: number;
  /** Whether records that were in flight may be free: when not, none needs to be looked for. */
  #mayBeFree = false;
  #gaps: GapWindow | undefined;

  /** `loaded` is what the share coordinator knows; throws `RangeError` when that cannot be. */
  constructor(settings: () => SharePartitionSettings, loaded: LoadedSharePartition) {
    this.#settings = settings;
    this.#startOffset = loaded.startOffset;
    this.#endOffset = loaded.startOffset;
    let next = loaded.startOffset;
    let gap: number | undefined;
    for (const batch of loaded.batches) {
      if (batch.firstOffset < next || batch.lastOffset < batch.firstOffset) {
        throw new RangeError(`the state batch ${batch.firstOffset}-${batch.lastOffset} cannot follow ${next - 1}`);
      }
      if (batch.firstOffset > next) gap ??= next;
      next = batch.lastOffset + 1;
      this.#batches.add(new InFlightBatch(loadedSlot(batch)));
    }
    if (loaded.batches.length === 0) return;
    this.#mayBeFree = true;
    this.#endOffset = next - 1;
    if (gap !== undefined) this.#gaps = { start: gap, end: this.#endOffset };
    this.#moveStart();
  }

  get startOffset(): number {
    return this.#startOffset;
  }

  /** What is in flight, run by run. */
  get inFlight(): readonly OffsetState[] {
    return this.#batches.all.flatMap(({ slots }) => slots.map(stateOf));
  }

  /** Records that are done with, of those that are in flight. */
  get deliveryCompleteCount(): number {
    let count = 0;
    for (const batch of this.#batches.all) {
      for (const slot of batch.slots) count += slot.completeFrom(this.#startOffset);
    }
    return count;
  }

  get #inFlight(): number {
    return this.#batches.isEmpty ? 0 : this.#endOffset - this.#startOffset + 1;
  }

  /** Once more has been fetched than was in flight at load, what is missing between batches is missing in the log. */
  get #gapStart(): number | undefined {
    return this.#gaps?.end === this.#endOffset ? this.#gaps.start : undefined;
  }

  /** Where to read the log next: a record that is free again, or one that was never fetched. */
  nextFetchOffset(): number {
    const { last } = this.#batches;
    if (last === undefined || this.#startOffset > last.last) {
      this.#mayBeFree = false;
      return this.#endOffset;
    }
    if (!this.#mayBeFree) return this.#endOffset + 1;
    let gap = this.#gapStart;
    for (const batch of this.#batches.all) {
      if (gap !== undefined) {
        if (batch.first > gap) return gap;
        gap = Math.max(batch.last + 1, gap);
      }
      const free = batch.slots.find(slot => slot.free);
      if (free !== undefined) return free.first;
    }
    this.#mayBeFree = false;
    return this.#endOffset + 1;
  }

  /** Whether there is room for a fetch. */
  canAcquire(): boolean {
    const isOpen = (): boolean =>
      this.nextFetchOffset() !== this.#endOffset + 1 || this.#inFlight < this.#settings().maxRecordLocks;
    if (isOpen()) return true;
    // All that is in flight may be of aborted transactions, which nobody will acknowledge; Kafka's consumers stop here.
    this.#moveStart();
    return isOpen();
  }

  /** Acquires what was read from the log for a member. */
  acquire(now: number, request: AcquireRequest): Acquired {
    const { batches, fetchOffset, maxRecords } = request;
    const read = batches.at(-1)?.lastOffset;
    if (read === undefined || read < this.#startOffset || maxRecords <= 0) return NOTHING;
    let left = Math.min(maxRecords, this.#settings().maxRecordLocks - this.#inFlight);
    let lastOffset = read;
    if (left <= 0) {
      // Beyond the limit only what is in flight already may be delivered again.
      if (fetchOffset > this.#endOffset) return NOTHING;
      left = Math.min(maxRecords, this.#endOffset - fetchOffset + 1);
      lastOffset = Math.min(read, this.#endOffset);
    }
    const { baseOffset } = batches[0];
    // Nothing is left there to be acquired, should it be a gap.
    if (this.#gapStart === fetchOffset && fetchOffset < baseOffset) this.#gapsFilledTo(baseOffset);
    // Compaction has removed what was in flight between the offset that was asked for and the one that was found.
    if (fetchOffset < baseOffset) this.#archive(fetchOffset, baseOffset - 1, RecordState.AVAILABLE);
    const acquisition: Acquisition = { now, request, lastOffset, limit: left, records: [], left };
    this.#acquireFrom(acquisition, baseOffset);
    return this.#withoutAborted(acquisition);
  }

  #acquireFrom(acquisition: Acquisition, baseOffset: number): void {
    const { lastOffset } = acquisition;
    const floor = this.#batches.floor(baseOffset);
    // Batches in flight keep their bounds.
    const first = floor !== undefined && floor.last >= baseOffset ? floor.first : baseOffset;
    const known = this.#batches.beginning(first, lastOffset);
    const last = known.at(-1);
    if (last === undefined) return this.#acquireNew(acquisition, first, lastOffset);
    const isCutShort = this.#acquireKnown(acquisition, known, { baseOffset, first });
    if (!isCutShort && acquisition.left > 0 && last.last < lastOffset) {
      this.#acquireNew(acquisition, last.last + 1, lastOffset);
    }
    const run = acquisition.records.at(-1);
    if (run !== undefined) this.#gapsFilledTo(run.lastOffset + 1);
  }

  /** Acquires what is free of batches that are in flight; true when records had to be isolated, and no more may come. */
  #acquireKnown(
    acquisition: Acquisition,
    known: readonly InFlightBatch[],
    { baseOffset, first }: { readonly baseOffset: number; readonly first: number },
  ): boolean {
    const { lastOffset, request, limit } = acquisition;
    let gap = first;
    for (const batch of known) {
      if (acquisition.left <= 0) return false;
      if (this.#gapStart !== undefined) {
        if (gap < batch.first) this.#acquireNew(acquisition, gap, batch.first - 1);
        gap = batch.last + 1;
        if (acquisition.left <= 0) return false;
      }
      const throttled = this.#isThrottled(batch, baseOffset, lastOffset);
      if (throttled && acquisition.left < limit) return true;
      const tooLarge = request.recordLimit && batch.size > acquisition.left;
      if (batch.isWithin(baseOffset, lastOffset) && !batch.isSplit && !tooLarge && !throttled) {
        const [slot] = batch.slots;
        if (slot.free) this.#deliver(acquisition, batch, [slot]);
        continue;
      }
      if (!batch.isSplit) {
        if (!batch.slots[0].free) continue;
        batch.split();
      }
      const delivered = this.#acquireSome(acquisition, batch, baseOffset);
      if (throttled && delivered > 0) return true;
    }
    return false;
  }

  /** Hands slots of a batch to the member. */
  #deliver(acquisition: Acquisition, batch: InFlightBatch, slots: readonly Slot[]): void {
    const expiresAt = acquisition.now + this.#settings().lockDurationMs;
    for (const slot of slots) {
      slot.state = RecordState.ACQUIRED;
      slot.deliveryCount++;
      slot.memberId = acquisition.request.memberId;
      this.#hold(batch, slot, expiresAt);
      acquisition.left -= slot.size;
    }
    acquisition.records.push(...runsOf(slots));
  }

  #hold(batch: InFlightBatch, slot: Slot, expiresAt: number): void {
    slot.expiresAt = expiresAt;
    this.#wake(batch, expiresAt);
  }

  /** One entry a batch is enough: when it comes up, the batch says when it wants the next. */
  #wake(batch: InFlightBatch, at: number): void {
    if (at >= batch.wakeAt) return;
    batch.wakeAt = at;
    this.#deadlines.push(at, batch);
    if (this.#deadlines.size <= 2 * this.#batches.all.length + STALE_DEADLINES) return;
    // Most of them are of batches that are done with.
    this.#deadlines = new DeadlineHeap();
    for (const live of this.#batches.all) if (live.wakeAt !== Infinity) this.#deadlines.push(live.wakeAt, live);
  }

  /** From this delivery on records are isolated, lest one bad record take the others with it. */
  get #throttleAt(): number {
    return Math.max(2, Math.ceil(this.#settings().deliveryCountLimit / 2));
  }

  #isThrottled(batch: InFlightBatch, first: number, last: number): boolean {
    const throttleAt = this.#throttleAt;
    for (const slot of batch.slotsIn(first, last)) if (slot.free && slot.deliveryCount >= throttleAt) return true;
    return false;
  }

  /** Acquires records of a batch one by one; of those that have failed often, ever fewer at a time. */
  #acquireSome(acquisition: Acquisition, batch: InFlightBatch, baseOffset: number): number {
    const { deliveryCountLimit } = this.#settings();
    const throttleAt = this.#throttleAt;
    const isolates = deliveryCountLimit > 2;
    const slots: Slot[] = [];
    let most = acquisition.request.recordLimit ? acquisition.left : Infinity;
    let throttled = false;
    for (const slot of batch.slotsIn(baseOffset, acquisition.lastOffset)) {
      if (!slot.free) continue;
      const isLast = isolates && slot.deliveryCount === deliveryCountLimit - 1;
      if (isLast && slots.length > 0) break;
      if (slot.deliveryCount >= throttleAt && !throttled) {
        throttled = true;
        const few = Math.max(1, Math.floor(batch.size / 2 ** (slot.deliveryCount - throttleAt + 1)));
        most = Math.min(most, Math.max(few, slots.length + 1));
      }
      slots.push(slot);
      if (isLast || slots.length >= most) break;
    }
    this.#deliver(acquisition, batch, slots);
    return slots.length;
  }

  /** Acquires records that were not in flight, whole batches of the log but for the last one's end. */
  #acquireNew(acquisition: Acquisition, first: number, last: number): void {
    const { request, left } = acquisition;
    // A batch of the log may begin before the start offset.
    const from = Math.max(first, this.#startOffset, this.#batches.isEmpty ? this.#endOffset : 0);
    let to = last;
    if (left < to - from + 1) {
      to = lastOfBatch(request.batches, from + left - 1);
      if (this.#gapStart !== undefined) to = Math.min(to, last);
    }
    if (to < from) return;
    const runs = request.recordLimit ? [{ first: from, last: to }] : runsOfSize(request, from, to);
    for (const run of runs) this.#add(acquisition, run);
    if (this.#batches.all[0].first === from) this.#startOffset = from;
    this.#endOffset = Math.max(this.#endOffset, to);
    this.#gapsFilledTo((acquisition.records.at(-1)?.lastOffset ?? to) + 1);
  }

  #add(acquisition: Acquisition, range: { readonly first: number; readonly last: number }): void {
    const batch = new InFlightBatch(new Slot(range, RecordState.AVAILABLE, 0));
    this.#batches.add(batch);
    if (!acquisition.request.recordLimit || batch.size <= acquisition.left) {
      return this.#deliver(acquisition, batch, batch.slots);
    }
    batch.split();
    this.#mayBeFree = true;
    this.#deliver(acquisition, batch, batch.slots.slice(0, acquisition.left));
  }

  #gapsFilledTo(offset: number): void {
    if (this.#gaps === undefined) return;
    let start = offset;
    // What is in flight there is none.
    for (const batch of this.#batches.overlapping(start, this.#gaps.end)) {
      if (batch.first > start) break;
      start = batch.last + 1;
    }
    if (this.#gapStart === undefined || start > this.#gaps.end) this.#gaps = undefined;
    else this.#gaps.start = start;
  }

  #withoutAborted({ request, records, limit, left }: Acquisition): Acquired {
    const aborted = records.length === 0 ? [] : abortedBatches(request.batches, request.aborted);
    if (aborted.length === 0) return { records, count: limit - left };
    // The start offset moves past them with the next change that is made durable.
    for (const { baseOffset, lastOffset } of aborted) this.#archive(baseOffset, lastOffset, RecordState.ACQUIRED);
    const kept = without(records, aborted);
    return { records: kept, count: kept.reduce((sum, run) => sum + run.lastOffset - run.firstOffset + 1, 0) };
  }

  /** Records from `first` to `last` that are in `state` are delivered no more. */
  #archive(first: number, last: number, state: RecordState): void {
    for (const batch of this.#batches.overlapping(first, last)) {
      if (!batch.isSplit && !batch.isWithin(first, last) && batch.slots[0].state === state) batch.split();
      for (const slot of batch.slotsIn(first, last)) if (slot.state === state) slot.archive();
    }
    this.#mayBeFree = true;
  }

  /** The log begins at `offset` now: what was before it is not delivered any more. */
  logStartMoved(offset: number): void {
    if (offset <= this.#startOffset) return;
    if (!this.#batches.isEmpty) this.#archive(this.#startOffset, offset - 1, RecordState.AVAILABLE);
    this.#startOffset = offset;
    this.#endOffset = this.#batches.isEmpty ? offset : Math.max(this.#endOffset, offset);
    this.#moveStart();
  }

  /** Takes a member's word on records that it holds: all of it, or nothing. */
  acknowledge(
    now: number,
    ticket: Ticket,
    { memberId, batches }: { readonly memberId: string; readonly batches: readonly AcknowledgementBatch[] },
    out: SharePartitionEffect[],
  ): void {
    const changes: Slot[] = [];
    const renewed: (readonly [InFlightBatch, Slot])[] = [];
    for (const batch of batches) {
      const fault = this.#acknowledgeBatch(memberId, batch, { changes, renewed });
      if (fault === undefined) continue;
      for (const slot of changes) this.#rollBack(now, slot);
      const [{ code }, errorMessage] = fault;
      out.push({ type: "done", ticket, errorCode: code, errorMessage });
      return;
    }
    for (const [batch, slot] of renewed) this.#hold(batch, slot, now + this.#settings().lockDurationMs);
    this.#persist(changes.map(stateOf), { changes, ticket }, out);
  }

  #acknowledgeBatch(memberId: string, said: AcknowledgementBatch, turns: Turns): Fault | undefined {
    const { firstOffset, lastOffset, acknowledgeTypes } = said;
    const isOf = (type: number): boolean => type >= GAP && type <= RENEW;
    const fits = acknowledgeTypes.length === 1 || acknowledgeTypes.length === lastOffset - firstOffset + 1;
    if (!fits || !acknowledgeTypes.every(isOf)) {
      return [Errors.INVALID_REQUEST, `Invalid acknowledge type: [${acknowledgeTypes.join(", ")}]`];
    }
    if (lastOffset < this.#startOffset) return undefined;
    const movedInto = firstOffset < this.#startOffset;
    const floor = this.#batches.floor(firstOffset) ?? (movedInto ? this.#batches.floor(this.#startOffset) : undefined);
    if (floor === undefined) {
      return invalidState("Batch record not found. The request batch offsets are not found in the cache.");
    }
    const known = this.#batches.beginning(floor.first, lastOffset);
    const end = known.at(-1)?.last ?? -1;
    const past = (which: string) => `Batch record not found. The ${which} offset in request is past acquired records.`;
    if (end < firstOffset) return [Errors.INVALID_REQUEST, past("first")];
    if (lastOffset > end) return [Errors.INVALID_REQUEST, past("last")];
    for (const batch of known) {
      if (batch.last < this.#startOffset) continue;
      const fault = this.#acknowledgeIn(memberId, batch, said, turns);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #acknowledgeIn(
    memberId: string,
    batch: InFlightBatch,
    { firstOffset, lastOffset, acknowledgeTypes }: AcknowledgementBatch,
    turns: Turns,
  ): Fault | undefined {
    const isWhole =
      batch.isWithin(firstOffset, lastOffset) && acknowledgeTypes.length === 1 && batch.first >= this.#startOffset;
    if (!batch.isSplit) {
      const fault = ownershipFault(batch.slots[0], memberId, "batch");
      if (fault !== undefined) return fault;
      if (!isWhole) batch.split();
    }
    for (const slot of batch.slotsIn(Math.max(firstOffset, this.#startOffset), lastOffset)) {
      const fault = ownershipFault(slot, memberId, batch.isSplit ? "offset" : "batch");
      if (fault !== undefined) return fault;
      const type = acknowledgeTypes.length === 1 ? acknowledgeTypes[0] : acknowledgeTypes[slot.first - firstOffset];
      if (type !== RENEW) turns.changes.push(this.#change(slot, TURNS_INTO[type]));
      else if (!this.#settings().renewEnabled) {
        return invalidState("Renewing acquisition locks is not enabled for the group.");
      } else turns.renewed.push([batch, slot]);
    }
    return undefined;
  }

  /** The member is gone, or has never seen what it was sent: its records are free again. */
  release(ticket: Ticket, memberId: string, out: SharePartitionEffect[]): void {
    const changes: Slot[] = [];
    for (const batch of this.#batches.all) {
      const [{ state, memberId: owner }] = batch.slots;
      if (!batch.isSplit && state === RecordState.ACQUIRED && owner === memberId) this.#splitAtStart(batch);
      for (const slot of batch.slots) {
        if (slot.state !== RecordState.ACQUIRED || slot.memberId !== memberId) continue;
        changes.push(this.#change(slot, this.#releasedState(slot)));
      }
    }
    this.#persist(changes.map(stateOf), { changes, ticket }, out);
  }

  /** A batch of which the log has lost the first records has two fates. */
  #splitAtStart(batch: InFlightBatch): void {
    if (batch.first < this.#startOffset && batch.last >= this.#startOffset) batch.split();
  }

  #releasedState(slot: Slot): RecordState {
    return slot.last < this.#startOffset ? RecordState.ARCHIVED : RecordState.AVAILABLE;
  }

  /** A record that has been delivered as often as is allowed is not free again. */
  #allowed(slot: Slot, state: RecordState): RecordState {
    const spent = slot.deliveryCount >= this.#settings().deliveryCountLimit;
    return state === RecordState.AVAILABLE && spent ? RecordState.ARCHIVED : state;
  }

  /** Begins to change a slot that a member holds; it keeps its deadline until the change is durable. */
  #change(slot: Slot, wanted: RecordState): Slot {
    slot.before = { state: slot.state, memberId: slot.memberId };
    slot.state = this.#allowed(slot, wanted);
    slot.memberId = NOBODY;
    return slot;
  }

  #rollBack(now: number, slot: Slot): void {
    const { before } = slot;
    slot.before = undefined;
    if (slot.lost || before === undefined) return;
    if (slot.expiresAt <= now) {
      slot.state = this.#allowed(slot, this.#releasedState(slot));
      slot.expiresAt = Infinity;
      this.#mayBeFree = true;
    } else {
      slot.state = before.state;
      slot.memberId = before.memberId;
    }
  }

  #persist(batches: readonly OffsetState[], write: Write, out: SharePartitionEffect[]): void {
    const { ticket } = write;
    if (batches.length === 0) {
      if (ticket !== undefined) out.push({ type: "done", ticket, errorCode: 0, errorMessage: null });
      return;
    }
    const token = ++this.#tokens;
    this.#persisting.set(token, write);
    const { startOffset, deliveryCompleteCount } = this;
    out.push({ type: "persist", token, startOffset, deliveryCompleteCount, batches });
  }

  /** The outcome of a persist effect: 0, or the error that its request is answered with. */
  persisted(
    now: number,
    token: number,
    { errorCode, errorMessage }: { readonly errorCode: number; readonly errorMessage: string | null },
    out: SharePartitionEffect[],
  ): void {
    const write = this.#persisting.get(token);
    invariant(write !== undefined, "a write ends once");
    this.#persisting.delete(token);
    const { changes, ticket } = write;
    for (const slot of changes.flatMap(whole => whole.parts ?? [whole])) {
      if (errorCode !== 0) this.#rollBack(now, slot);
      else {
        slot.before = undefined;
        slot.expiresAt = Infinity;
        this.#mayBeFree ||= slot.state === RecordState.AVAILABLE;
      }
    }
    this.#moveStart();
    if (ticket !== undefined) out.push({ type: "done", ticket, errorCode, errorMessage });
    out.push({ type: "changed" });
  }

  nextDeadline(): number {
    return this.#deadlines.next();
  }

  /** Frees the records that were held for too long. */
  tick(now: number, out: SharePartitionEffect[]): void {
    const freed: OffsetState[] = [];
    for (let at = this.#deadlines.next(); at <= now; at = this.#deadlines.next()) {
      const batch = this.#deadlines.pop(now);
      if (batch === undefined || batch.wakeAt !== at) continue;
      batch.wakeAt = Infinity;
      this.#expire(now, batch, freed);
    }
    if (freed.length === 0) return;
    this.#mayBeFree = true;
    // Nobody waits for this to be durable: should it not be, the records are delivered once more after a failure.
    this.#persist(freed, { changes: [], ticket: undefined }, out);
    out.push({ type: "changed" });
  }

  #expire(now: number, batch: InFlightBatch, freed: OffsetState[]): void {
    if (batch.slots[0].expiresAt <= now) this.#splitAtStart(batch);
    let next = Infinity;
    for (const slot of batch.slots) {
      if (slot.expiresAt > now) {
        next = Math.min(next, slot.expiresAt);
        continue;
      }
      // One that is about to change goes by its deadline only when the change fails.
      if (slot.state !== RecordState.ACQUIRED) continue;
      slot.state = this.#allowed(slot, this.#releasedState(slot));
      slot.memberId = NOBODY;
      slot.expiresAt = Infinity;
      freed.push(stateOf(slot));
    }
    if (next !== Infinity) this.#wake(batch, next);
  }

  /** Moves the start offset past the records that are done with, and forgets those. */
  #moveStart(): void {
    const done = this.#lastDone();
    const last = this.#batches.last?.last;
    if (done === -1 || last === undefined) return;
    if (done === last) {
      this.#startOffset = Math.max(this.#startOffset, last + 1);
      this.#endOffset = this.#startOffset;
    } else {
      const next = this.#batches.beginning(done + 1, last).at(0)?.first ?? last;
      const inside = (this.#batches.floor(done)?.last ?? done) > done;
      let start = inside ? done + 1 : next;
      // Between batches that were loaded there may be records that were never in flight.
      if (!inside && this.#gapStart !== undefined) start = Math.min(start, this.#gapStart);
      this.#startOffset = Math.max(this.#startOffset, start);
    }
    this.#batches.dropThrough(done);
  }

  /** The last offset of those that are done with, as are all before it; -1: not even the first is. */
  #lastDone(): number {
    let done = -1;
    const gap = this.#gapStart;
    for (const batch of this.#batches.all) {
      if (gap !== undefined && batch.last >= gap) return done;
      for (const slot of batch.slots) {
        if (!slot.done) return done;
        done = slot.last;
      }
    }
    return done;
  }
}

/** Why a member may not say anything of a slot. */
function ownershipFault(slot: Slot, memberId: string, what: "batch" | "offset"): Fault | undefined {
  if (slot.state !== RecordState.ACQUIRED) {
    const why = what === "batch" ? "The batch is not in the acquired state." : "The offset is not acquired.";
    return invalidState(`The ${what} cannot be acknowledged. ${why}`);
  }
  if (slot.memberId === memberId) return undefined;
  return invalidState(`Member is not the owner of ${what === "batch" ? "batch record" : "offset"}`);
}
