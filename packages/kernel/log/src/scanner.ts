import { concat, getOffset, type LeaderEpoch, type Offset, viewOf } from "@samsa/base";
import {
  BatchCursor,
  batchSize,
  CONTROL_TYPE,
  controlTypeOf,
  FIELD,
  HEADER_SIZE,
  MAGIC,
  RecordCursor,
  type Tools,
} from "@samsa/records";
import type { EpochCache } from "./epochs.ts";
import { fitsIndex } from "./indexes.ts";
import type { MarkerFacts, ProducerStates } from "./producers.ts";
import type { Segment } from "./segment.ts";

/** Transaction marker of the control batch at the cursor; undefined if it is of another type or empty. */
export function markerOf(batch: BatchCursor, tools: Tools): MarkerFacts | undefined {
  const record = new RecordCursor().open(batch, tools.codecs);
  if (!record.next() || record.keyLength < 4 || record.valueLength < 6) return undefined;
  const type = controlTypeOf(record.key() as Uint8Array);
  if (type !== CONTROL_TYPE.commit && type !== CONTROL_TYPE.abort) return undefined;
  const coordinatorEpoch = viewOf(record.bytes).getInt32(record.valueAt + 2);
  return { coordinatorEpoch, commit: type === CONTROL_TYPE.commit, timestamp: record.timestamp };
}

/** Applies an appended batch to producer state and to the segment's index of aborted transactions. */
export function applyToProducers(batch: BatchCursor, producers: ProducerStates, tools: Tools, segment?: Segment): void {
  if (batch.hasProducer) {
    if (!batch.isControl) producers.applyData(batch);
    else {
      const marker = markerOf(batch, tools);
      const txn = marker === undefined ? undefined : producers.applyMarker(batch, marker);
      if (txn?.aborted === true && segment !== undefined) {
        const open = producers.firstOpenOffset;
        segment.addTxn({ ...txn, lastStableOffset: open < 0 ? txn.lastOffset + 1 : open });
      }
    }
  }
  producers.endOffset = batch.lastOffset + 1;
}

/** Input and targets of a `LogScanner`. */
export interface ScanTarget {
  readonly tools: Tools;
  readonly segment: Segment;
  readonly producers: ProducerStates;
  /** Takes the leader epochs of the batches; undefined if they are known. */
  readonly epochs: EpochCache | undefined;
  readonly indexIntervalBytes: number;
  /** Size of the file in bytes. */
  readonly fileSize: number;
  /** True: fill the segment (which begins empty) and its indexes. False: read producer state only. */
  readonly rebuild: boolean;
  /** Offset from which batches are applied to producer state; it has the earlier ones already. */
  readonly producersFrom: Offset;
  /** Lowest valid offset of the first batch. */
  readonly expected: Offset;
}

/** Batch that leaves out offsets or begins a leader epoch, and what came before it. */
interface Leap {
  readonly position: number;
  readonly offset: Offset;
  readonly epoch: LeaderEpoch;
}

/**
 * Reads a segment's bytes from its start, in pieces of any size, and rebuilds its state. Stops at the first batch that
 * is torn, out of order, or fails its checksum. A checksum does not cover a batch's offset and leader epoch: they are
 * compared with those of the batches around it.
 */
export class LogScanner {
  /** Position of the end of the last valid batch. */
  validBytes = 0;
  /** Offset after the last valid batch. */
  nextOffset: Offset;
  /** Reason why the scan has stopped; undefined: it has not. */
  fault: string | undefined;
  /** Position of a batch before `validBytes` that is taken, but that the batch after it shows to be wrong. */
  suspect: number | undefined;
  /** Last batch, if it leaps over offsets or epochs. */
  private leap: Leap | undefined;
  /** Leader epoch of the last valid batch. */
  private lastEpoch: LeaderEpoch = -1;
  private readonly target: ScanTarget;
  private readonly batch = new BatchCursor();
  private carry: Uint8Array[] = [];
  private carried = 0;
  /** Number of bytes needed before the next parse. */
  private wanted = HEADER_SIZE;

  constructor(target: ScanTarget) {
    this.target = target;
    this.nextOffset = target.expected;
    if (target.rebuild) {
      target.segment.size = 0;
      target.segment.firstTimestamp = -1;
      target.segment.reset();
    }
  }

  /** Takes the next bytes of the file; false if the rest need not be read. The caller may reuse the bytes. */
  feed(bytes: Uint8Array): boolean {
    let rest = bytes;
    // Copy only the batch that two pieces share; read the others in place.
    while (this.carried > 0 && this.fault === undefined) {
      const taken = rest.subarray(0, Math.max(0, this.wanted - this.carried));
      rest = rest.subarray(taken.length);
      this.carry.push(taken.slice());
      this.carried += taken.length;
      if (this.carried < this.wanted) return true;
      this.parse(concat(this.carry));
    }
    if (this.fault === undefined) this.parse(rest);
    return this.fault === undefined;
  }

  /** Takes the batches in `all`, and keeps a copy of an incomplete batch at its end. */
  private parse(all: Uint8Array): void {
    const view = viewOf(all);
    let at = 0;
    this.wanted = HEADER_SIZE;
    while (this.fault === undefined && all.length - at >= HEADER_SIZE) {
      const size = batchSize(view, at);
      this.fault = this.headerFault(view, at, size);
      if (this.fault !== undefined) break;
      if (all.length - at < size) {
        this.wanted = size;
        break;
      }
      this.batch.reset(all, at, at + size).next();
      this.take();
      if (this.fault !== undefined) break;
      at += size;
    }
    this.carry = at === all.length ? [] : [all.slice(at)];
    this.carried = all.length - at;
  }

  private headerFault(view: DataView, at: number, size: number): string | undefined {
    if (size < HEADER_SIZE) return "a batch is shorter than its header";
    if (this.validBytes + size > this.target.fileSize) return "a batch reaches past the end of its file";
    if (view.getInt8(at + FIELD.magic) !== MAGIC) return "a batch is of an unknown version";
    const high = view.getInt32(at);
    if (high < 0 || high >= 0x200000) return "a batch's offset is out of range";
    const offset = getOffset(view, at);
    const epoch = view.getInt32(at + FIELD.leaderEpoch);
    if (!fitsIndex(this.target.segment.base, Math.max(offset, this.nextOffset)))
      return "a batch's offset is out of the range of its segment";
    const isBack = offset < this.nextOffset;
    if (!isBack && epoch >= this.lastEpoch) return undefined;
    const { leap } = this;
    // Without the leap of the one before, this batch would be in order.
    if (leap !== undefined && offset >= leap.offset && epoch >= leap.epoch) this.suspect = leap.position;
    return isBack ? "a batch's offset is not after the one before" : "a batch's leader epoch is below the one before";
  }

  private take(): void {
    const { batch, target } = this;
    if (!batch.intact(target.tools.crc32c)) {
      this.fault = "a batch's checksum is wrong";
      return;
    }
    const { baseOffset, lastOffset, leaderEpoch, maxTimestamp, size } = batch;
    const before = { position: this.validBytes, offset: this.nextOffset, epoch: this.lastEpoch };
    this.leap = baseOffset > before.offset || leaderEpoch > before.epoch ? before : undefined;
    this.lastEpoch = leaderEpoch;
    if (target.rebuild) {
      target.segment.push({ size, lastOffset, maxTimestamp }, target.indexIntervalBytes);
    }
    target.epochs?.assign(leaderEpoch, baseOffset);
    if (lastOffset >= target.producersFrom) {
      applyToProducers(batch, target.producers, target.tools, target.rebuild ? target.segment : undefined);
    }
    this.validBytes += size;
    this.nextOffset = lastOffset + 1;
  }
}
