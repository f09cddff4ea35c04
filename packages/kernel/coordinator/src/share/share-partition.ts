import { DeadlineHeap, invariant, type Offset } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { Ticket } from "../shard/effects.ts";
import { burials } from "./burials.ts";
import { type Fault, invalidState, ownershipFault, typesFault } from "./faults.ts";
import { abortedBatches, lastOfBatch, runsOfSize, without } from "./fetched.ts";
import {
  AcknowledgeType,
  InFlightBatch,
  InFlightBatches,
  NOBODY,
  partsOf,
  RecordState,
  runsOf,
  Slot,
  stateOf,
  TURNS_INTO,
} from "./in-flight.ts";
import { deliverable, isIsolated } from "./isolation.ts";
import { type GapWindow, loadedBatches } from "./loaded-batches.ts";
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

/** Write of states that has not ended. */
interface Write {
  /** Slots whose change takes effect once the write is durable. */
  readonly changes: readonly Slot[];
  /** Slots that are ARCHIVING already: their dead letters follow, whatever the outcome. */
  readonly archiving: readonly Slot[];
  readonly ticket: Ticket | undefined;
}

/** Effects of an acknowledgement: slots that change state, and locks that are renewed. */
interface Turns {
  readonly changes: Slot[];
  readonly renewed: (readonly [InFlightBatch, Slot])[];
}

/** Number of deadlines of dropped batches that are tolerated before the heap is rebuilt. */
const STALE_DEADLINES = 1000;
const NOTHING: Acquired = { records: [], count: 0 };

/**
 * Topic partition as consumed by one share group (KIP-932, `SharePartition`): records in flight, their acquisition
 * locks, and the start offset. Acknowledgements and releases take effect once they are durable.
 */
export class SharePartition {
  readonly #settings: () => SharePartitionSettings;
  readonly #batches = new InFlightBatches();
  #deadlines = new DeadlineHeap<InFlightBatch>();
  readonly #persisting = new Map<number, Write>();
  /** Slots whose dead letters are being written, by the token of the effect. */
  readonly #burials = new Map<number, readonly Slot[]>();
  #tokens = 0;
  #startOffset: Offset;
  /** Last offset in flight; the next offset to fetch if none is in flight. */
  #endOffset: Offset;
  /** False if no record in flight is available, so that a search for one is needless. */
  #mayBeFree = false;
  #gaps: GapWindow | undefined;

  /** Starts from the state of the share coordinator; throws `RangeError` if that is inconsistent. */
  constructor(settings: () => SharePartitionSettings, loaded: LoadedSharePartition) {
    this.#settings = settings;
    this.#startOffset = loaded.startOffset;
    this.#endOffset = loaded.startOffset;
    const { batches, gaps, endOffset } = loadedBatches(loaded);
    if (batches.length === 0) return;
    for (const batch of batches) this.#batches.add(batch);
    this.#mayBeFree = true;
    this.#endOffset = endOffset;
    this.#gaps = gaps;
    this.#moveStart();
  }

  get startOffset(): Offset {
    return this.#startOffset;
  }

  /** States of the records in flight, run by run. */
  get inFlight(): readonly OffsetState[] {
    return this.#batches.all.flatMap(({ slots }) => slots.map(stateOf));
  }

  /** Number of records in flight, from the start offset on, in a final state. */
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

  /** Undefined once later records have been fetched than were loaded: gaps between batches are then gaps in the log. */
  get #gapStart(): Offset | undefined {
    return this.#gaps?.end === this.#endOffset ? this.#gaps.start : undefined;
  }

  /** Offset of the next fetch: the first available record, or the first that was never fetched. */
  nextFetchOffset(): Offset {
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

  /** True if a fetch may acquire records: some are available, or the limit of records in flight is not reached. */
  canAcquire(): boolean {
    const isOpen = (): boolean =>
      this.nextFetchOffset() !== this.#endOffset + 1 || this.#inFlight < this.#settings().maxRecordLocks;
    if (isOpen()) return true;
    // All records in flight may be of aborted transactions, which no member acknowledges; Kafka's consumers stall here.
    this.#moveStart();
    return isOpen();
  }

  /** Offset before which an acquisition of `maxRecords` records ends, but for the rest of its last batch. */
  reach(maxRecords: number): Offset {
    return Math.max(this.#endOffset + 1, this.nextFetchOffset()) + maxRecords;
  }

  /** Number of records up to `nextOffset` that were never fetched, and that a member may acquire now. */
  fresh(nextOffset: Offset): number {
    const room = this.#settings().maxRecordLocks - this.#inFlight;
    return Math.max(0, Math.min(room, nextOffset - this.#endOffset - 1));
  }

  /** Acquires records that were read from the log for a member. */
  acquire(now: number, request: AcquireRequest): Acquired {
    const { batches, fetchOffset, maxRecords } = request;
    const [first] = batches;
    const read = batches.at(-1)?.lastOffset;
    if (first === undefined || read === undefined || read < this.#startOffset || maxRecords <= 0) return NOTHING;
    let left = Math.min(maxRecords, this.#settings().maxRecordLocks - this.#inFlight);
    let lastOffset = read;
    if (left <= 0) {
      // At the limit, only records in flight may be delivered again.
      if (fetchOffset > this.#endOffset) return NOTHING;
      left = Math.min(maxRecords, this.#endOffset - fetchOffset + 1);
      lastOffset = Math.min(read, this.#endOffset);
    }
    const { baseOffset } = first;
    // If a gap begins at the fetch offset, the log has no records in it.
    if (this.#gapStart === fetchOffset && fetchOffset < baseOffset) this.#gapsFilledTo(baseOffset);
    // Compaction has removed the records in flight between the fetch offset and the first offset read.
    if (fetchOffset < baseOffset) this.#archive(fetchOffset, baseOffset - 1, RecordState.AVAILABLE);
    const acquisition: Acquisition = { now, request, lastOffset, limit: left, records: [], left };
    this.#acquireFrom(acquisition, baseOffset);
    return this.#withoutAborted(acquisition);
  }

  #acquireFrom(acquisition: Acquisition, baseOffset: Offset): void {
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

  /** Acquires available records of batches in flight; true if records were isolated, and no more may be acquired. */
  #acquireKnown(
    acquisition: Acquisition,
    known: readonly InFlightBatch[],
    { baseOffset, first }: { readonly baseOffset: Offset; readonly first: Offset },
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
      const range = { first: baseOffset, last: lastOffset };
      const throttled = isIsolated(batch, range, this.#settings().deliveryCountLimit);
      if (throttled && acquisition.left < limit) return true;
      const tooLarge = request.recordLimit && batch.size > acquisition.left;
      if (batch.isWithin(baseOffset, lastOffset) && !batch.isSplit && !tooLarge && !throttled) {
        const slot = batch.firstSlot;
        if (slot.free) this.#deliver(acquisition, batch, [slot]);
        continue;
      }
      if (!batch.isSplit) {
        if (!batch.firstSlot.free) continue;
        batch.split();
      }
      const delivered = this.#acquireSome(acquisition, batch, baseOffset);
      if (throttled && delivered > 0) return true;
    }
    return false;
  }

  /** Acquires slots of a batch for the member. */
  #deliver(acquisition: Acquisition, batch: InFlightBatch, slots: readonly Slot[]): void {
    const expiresAt = acquisition.now + this.#settings().lockDurationMs;
    for (const slot of slots) {
      slot.become(RecordState.ACQUIRED);
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

  /** Schedules a check of the batch. Keeps a single entry per batch: each check schedules the next one. */
  #wake(batch: InFlightBatch, at: number): void {
    if (at >= batch.wakeAt) return;
    batch.wakeAt = at;
    this.#deadlines.push(at, batch);
    if (this.#deadlines.size <= 2 * this.#batches.all.length + STALE_DEADLINES) return;
    // Most entries are of dropped batches.
    this.#deadlines = new DeadlineHeap();
    for (const live of this.#batches.all) if (live.wakeAt !== Infinity) this.#deadlines.push(live.wakeAt, live);
  }

  /** Acquires single records of a batch; the more often they have failed, the fewer at a time. */
  #acquireSome(acquisition: Acquisition, batch: InFlightBatch, baseOffset: Offset): number {
    const { request, left, lastOffset } = acquisition;
    const [range, most] = [{ first: baseOffset, last: lastOffset }, request.recordLimit ? left : Infinity];
    const slots = deliverable(batch, range, this.#settings().deliveryCountLimit, most);
    this.#deliver(acquisition, batch, slots);
    return slots.length;
  }

  /** Acquires records that are not in flight, in whole batches of the log; `last` may cut the last batch. */
  #acquireNew(acquisition: Acquisition, first: Offset, last: Offset): void {
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
    if (this.#batches.all[0]?.first === from) this.#startOffset = from;
    this.#endOffset = Math.max(this.#endOffset, to);
    this.#gapsFilledTo((acquisition.records.at(-1)?.lastOffset ?? to) + 1);
  }

  #add(acquisition: Acquisition, range: { readonly first: Offset; readonly last: Offset }): void {
    const batch = new InFlightBatch(new Slot(range, RecordState.AVAILABLE, 0));
    this.#batches.add(batch);
    if (!acquisition.request.recordLimit || batch.size <= acquisition.left) {
      return this.#deliver(acquisition, batch, batch.slots);
    }
    batch.split();
    this.#mayBeFree = true;
    this.#deliver(acquisition, batch, batch.slots.slice(0, acquisition.left));
  }

  #gapsFilledTo(offset: Offset): void {
    if (this.#gaps === undefined) return;
    let start = offset;
    // Records in flight are not gaps.
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
    // The start offset moves past aborted records with the next durable change.
    for (const { baseOffset, lastOffset } of aborted) this.#archive(baseOffset, lastOffset, RecordState.ACQUIRED);
    const kept = without(records, aborted);
    return { records: kept, count: kept.reduce((sum, run) => sum + run.lastOffset - run.firstOffset + 1, 0) };
  }

  /** Archives the records from `first` to `last` that are in `state`. */
  #archive(first: Offset, last: Offset, state: RecordState): void {
    for (const batch of this.#batches.overlapping(first, last)) {
      if (!batch.isSplit && !batch.isWithin(first, last) && batch.firstSlot.state === state) batch.split();
      for (const slot of batch.slotsIn(first, last)) if (slot.state === state) slot.archive();
    }
    this.#mayBeFree = true;
  }

  /** Moves the start offset to a new log start offset; archives the available records before it. */
  logStartMoved(offset: Offset): void {
    if (offset <= this.#startOffset) return;
    if (!this.#batches.isEmpty) this.#archive(this.#startOffset, offset - 1, RecordState.AVAILABLE);
    // Records of a batch across the new start have different fates, whatever becomes of their pending changes.
    const across = this.#batches.floor(offset);
    if (across !== undefined && across.first < offset && across.last >= offset) across.split();
    this.#startOffset = offset;
    this.#endOffset = this.#batches.isEmpty ? offset : Math.max(this.#endOffset, offset);
    this.#moveStart();
  }

  /** Applies a member's acknowledgements; none of them if one is invalid. */
  acknowledge(
    now: number,
    ticket: Ticket,
    { memberId, batches }: { readonly memberId: string; readonly batches: readonly AcknowledgementBatch[] },
    out: SharePartitionEffect[],
  ): void {
    const { changes, renewed }: Turns = { changes: [], renewed: [] };
    for (const batch of batches) {
      const fault = this.#acknowledgeBatch(memberId, batch, { changes, renewed });
      if (fault === undefined) continue;
      for (const slot of changes) this.#rollBack(now, slot);
      const [{ code }, errorMessage] = fault;
      out.push({ type: "done", ticket, errorCode: code, errorMessage });
      this.#bury(changes, out);
      return;
    }
    for (const [batch, slot] of renewed) this.#hold(batch, slot, now + this.#settings().lockDurationMs);
    this.#persist(changes, { changes, archiving: [], ticket }, out);
  }

  #acknowledgeBatch(memberId: string, said: AcknowledgementBatch, turns: Turns): Fault | undefined {
    const invalid = typesFault(said);
    if (invalid !== undefined) return invalid;
    const { firstOffset, lastOffset } = said;
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
      const fault = ownershipFault(batch.firstSlot, memberId, "batch");
      if (fault !== undefined) return fault;
      if (!isWhole) batch.split();
    }
    for (const slot of batch.slotsIn(Math.max(firstOffset, this.#startOffset), lastOffset)) {
      const fault = ownershipFault(slot, memberId, batch.isSplit ? "offset" : "batch");
      if (fault !== undefined) return fault;
      const type = acknowledgeTypes.length === 1 ? acknowledgeTypes[0] : acknowledgeTypes[slot.first - firstOffset];
      invariant(type !== undefined, "every record has an acknowledge type");
      const next = TURNS_INTO[type];
      const isRejected = type === AcknowledgeType.REJECT;
      if (next !== undefined) turns.changes.push(this.#change(slot, next, isRejected));
      else if (!this.#settings().renewEnabled) {
        return invalidState("Renewing acquisition locks is not enabled for the group.");
      } else turns.renewed.push([batch, slot]);
    }
    return undefined;
  }

  /** Releases the records of a member that is gone, or has not received them. */
  release(ticket: Ticket, memberId: string, out: SharePartitionEffect[]): void {
    const changes: Slot[] = [];
    for (const batch of this.#batches.all) {
      for (const slot of batch.slots) {
        if (slot.state !== RecordState.ACQUIRED || slot.memberId !== memberId) continue;
        changes.push(this.#change(slot, this.#releasedState(slot)));
      }
    }
    this.#persist(changes, { changes, archiving: [], ticket }, out);
  }

  #releasedState(slot: Slot): RecordState {
    return slot.last < this.#startOffset ? RecordState.ARCHIVED : RecordState.AVAILABLE;
  }

  /** Sets the state of an acquired slot that is given up. It is not available if it has used up its deliveries. */
  #giveUp(slot: Slot, wanted: RecordState, isRejected: boolean): void {
    const { deliveryCountLimit, deadLetters } = this.#settings();
    const isSpent = wanted === RecordState.AVAILABLE && slot.deliveryCount >= deliveryCountLimit;
    const last = deadLetters ? RecordState.ARCHIVING : RecordState.ARCHIVED;
    slot.become(isSpent || isRejected ? last : wanted);
    slot.isRejected = isRejected;
    slot.memberId = NOBODY;
  }

  /** Begins the change of an acquired slot; its lock keeps its deadline until the change is durable. */
  #change(slot: Slot, wanted: RecordState, isRejected = false): Slot {
    slot.before = { state: slot.state, memberId: slot.memberId };
    this.#giveUp(slot, wanted, isRejected);
    return slot;
  }

  #rollBack(now: number, slot: Slot): void {
    const { before } = slot;
    slot.before = undefined;
    if (slot.lost || before === undefined) return;
    slot.restore(before);
    if (slot.expiresAt > now) return;
    this.#release(slot);
    this.#mayBeFree = true;
  }

  /** Ends the acquisition of a slot whose lock has expired. */
  #release(slot: Slot): void {
    this.#giveUp(slot, this.#releasedState(slot), false);
    slot.expiresAt = Infinity;
  }

  #persist(slots: readonly Slot[], write: Write, out: SharePartitionEffect[]): void {
    const { ticket } = write;
    if (slots.length === 0) {
      if (ticket !== undefined) out.push({ type: "done", ticket, errorCode: 0, errorMessage: null });
      return;
    }
    const token = ++this.#tokens;
    this.#persisting.set(token, write);
    const { startOffset, deliveryCompleteCount } = this;
    out.push({ type: "persist", token, startOffset, deliveryCompleteCount, batches: slots.map(stateOf) });
  }

  /** Takes the outcome of a persist effect: 0, or the error for its request. */
  persisted(
    now: number,
    token: number,
    { errorCode, errorMessage }: { readonly errorCode: number; readonly errorMessage: string | null },
    out: SharePartitionEffect[],
  ): void {
    const write = this.#persisting.get(token);
    invariant(write !== undefined, "a write ends once");
    this.#persisting.delete(token);
    const { ticket } = write;
    const changes = partsOf(write.changes);
    for (const slot of changes) {
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
    this.#bury([...changes, ...partsOf(write.archiving)], out);
  }

  /** Has dead letters written of those slots that are ARCHIVING (phase 2 of `SharePartition.initiateDLQAndArchive`). */
  #bury(slots: readonly Slot[], out: SharePartitionEffect[]): void {
    for (const { records, slots: buried } of burials(slots)) {
      const token = ++this.#tokens;
      this.#burials.set(token, buried);
      out.push({ type: "bury", token, records });
    }
  }

  /** Continues with the dead letters that an earlier leader has left. Call it once, before anything else. */
  begin(out: SharePartitionEffect[]): void {
    const { deliveryCountLimit } = this.#settings();
    const slots = this.#batches.all.map(({ firstSlot }) => firstSlot);
    for (const slot of slots) slot.isRejected = slot.deliveryCount < deliveryCountLimit;
    this.#bury(slots, out);
  }

  /** Ends bury effects: the records are archived, whether they have dead letters or not. */
  buried(tokens: readonly number[], out: SharePartitionEffect[]): void {
    const archived: Slot[] = [];
    for (const token of tokens) {
      const slots = this.#burials.get(token);
      invariant(slots !== undefined, "dead letters end once");
      this.#burials.delete(token);
      archived.push(...partsOf(slots));
    }
    for (const slot of archived) slot.become(RecordState.ARCHIVED);
    // The start offset moves with the end of this write, whatever its outcome.
    this.#persist(archived, { changes: [], archiving: [], ticket: undefined }, out);
  }

  nextDeadline(): number {
    return this.#deadlines.next();
  }

  /** Releases records whose acquisition locks have expired. */
  tick(now: number, out: SharePartitionEffect[]): void {
    const freed: Slot[] = [];
    for (let at = this.#deadlines.next(); at <= now; at = this.#deadlines.next()) {
      const batch = this.#deadlines.pop(now);
      if (batch === undefined || batch.wakeAt !== at) continue;
      batch.wakeAt = Infinity;
      this.#expire(now, batch, freed);
    }
    if (freed.length === 0) return;
    this.#mayBeFree = true;
    // No request waits for this write: if it is lost, the records are delivered once more after a failure.
    const archiving = freed.filter(({ state }) => state === RecordState.ARCHIVING);
    this.#persist(freed, { changes: [], archiving, ticket: undefined }, out);
    out.push({ type: "changed" });
  }

  #expire(now: number, batch: InFlightBatch, freed: Slot[]): void {
    let next = Infinity;
    for (const slot of batch.slots) {
      if (slot.expiresAt > now) {
        next = Math.min(next, slot.expiresAt);
        continue;
      }
      // The deadline of a slot with a pending change matters only if the change fails.
      if (slot.state !== RecordState.ACQUIRED) continue;
      this.#release(slot);
      freed.push(slot);
    }
    if (next !== Infinity) this.#wake(batch, next);
  }

  /** Moves the start offset past records in a durable final state, and drops their batches. */
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
      // Between loaded batches, there may be records that were never in flight.
      if (!inside && this.#gapStart !== undefined) start = Math.min(start, this.#gapStart);
      this.#startOffset = Math.max(this.#startOffset, start);
    }
    this.#batches.dropThrough(done);
  }

  /** Last offset of the records at the start that are all in a durable final state; -1: none. */
  #lastDone(): Offset {
    let done: Offset = -1;
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
