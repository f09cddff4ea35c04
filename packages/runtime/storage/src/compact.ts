import {
  type BufferPool,
  DiskError,
  type DiskFile,
  entryAt,
  ignored,
  lastEntry,
  MalformedError,
  type Offset,
  viewOf,
} from "@samsa/base";
import {
  type AbortedTxn,
  BatchFilter,
  CLEANED_SUFFIX,
  type Cleanable,
  groupSegments,
  fileName,
  LOG_SUFFIX,
  type LogEffect,
  mapKeys,
  OFFSET_INDEX_SUFFIX,
  type OffsetMap,
  PassingTxns,
  Segment,
  SWAP_SUFFIX,
  TIME_INDEX_SUFFIX,
  TXN_INDEX_SUFFIX,
} from "@samsa/log";
import { BatchCursor, batchSize, HEADER_SIZE, type Tools } from "@samsa/records";
import { removeIfThere } from "./files.ts";
import type { PartitionLog } from "./log.ts";

/** Memory and limits of one compaction. */
export interface CompactOptions {
  /** Empty or reused; cleared at the start of the compaction. */
  readonly map: OffsetMap;
  /** Bytes read at a time, and bytes written at a time. */
  readonly bufferBytes: number;
  /** Called with the number of bytes read or written; resolves when more may follow. */
  readonly pause: (bytes: number) => Promise<void>;
  /** True if the compaction should be given up. */
  readonly stopped: () => boolean;
}

/** Thrown if the log was truncated, moved, deleted or paused meanwhile, or if the cleaner stops. */
class Stopped extends Error {}

/** Time in ms after which other work comes first. */
const SLICE_MS = 1;

const SUFFIXES = [LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX];

/** Buffer that a read fills, and the number of bytes that it gets. */
interface Reading {
  readonly buffer: Uint8Array;
  readonly got: Promise<number>;
}

/**
 * Reads the batches of a file, one buffer at a time, and the next buffer meanwhile. The file must stay open until `next`
 * resolves.
 */
class BatchReader {
  readonly #file: DiskFile;
  readonly #end: number;
  readonly #bufferBytes: number;
  readonly #buffers: BufferPool;
  #at = 0;
  #buffer: Uint8Array | undefined;
  /** Read at `#at` that has begun. */
  #ahead: Reading | undefined;

  constructor(
    file: DiskFile,
    { end, bufferBytes, buffers }: { end: number; bufferBytes: number; buffers: BufferPool },
  ) {
    this.#file = file;
    this.#end = end;
    this.#bufferBytes = bufferBytes;
    this.#buffers = buffers;
  }

  /** Gives all buffers back to the pool: that of the last `next`, and the next one once its read has ended. */
  release(): void {
    this.#releaseLast();
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead === undefined) return;
    const give = (): void => this.#buffers.give(ahead.buffer);
    ahead.got.then(give, give);
  }

  #releaseLast(): void {
    if (this.#buffer !== undefined) this.#buffers.give(this.#buffer);
    this.#buffer = undefined;
  }

  /** Begins to read at `#at`. */
  #read(want: number): Reading {
    const buffer = this.#buffers.take(Math.min(want, this.#end - this.#at));
    // Closed segments have often left the page cache: read them off the event loop.
    return { buffer, got: this.#file.readLater(buffer, this.#at) };
  }

  /** Whole batches, at least one; undefined at the end of the file. They stay valid until the next call. */
  async next(): Promise<Uint8Array | undefined> {
    for (let want = this.#bufferBytes; this.#end - this.#at >= HEADER_SIZE; ) {
      this.#releaseLast();
      const { buffer, got: reading } = this.#ahead ?? this.#read(want);
      this.#ahead = undefined;
      this.#buffer = buffer;
      const got = await reading;
      const view = viewOf(buffer);
      let whole = 0;
      while (got - whole >= HEADER_SIZE && got - whole >= batchSize(view, whole)) whole += batchSize(view, whole);
      if (whole > 0) {
        this.#at += whole;
        this.#readAhead();
        return buffer.subarray(0, whole);
      }
      const needed = got < HEADER_SIZE ? Infinity : batchSize(view, 0);
      if (needed > this.#end - this.#at) return undefined;
      want = needed;
    }
    return undefined;
  }

  #readAhead(): void {
    if (this.#end - this.#at < HEADER_SIZE) return;
    this.#ahead = this.#read(this.#bufferBytes);
    // Whoever awaits the read hears of its failure.
    this.#ahead.got.catch(ignored("the next call of next rejects with it"));
  }
}

/** Files of the segment that replaces a group of segments. */
class CleanedFiles {
  readonly segment: Segment;
  readonly #log: PartitionLog;
  readonly #file: DiskFile;
  #chunks: Uint8Array[] = [];
  #waiting = 0;
  #written = 0;

  constructor(log: PartitionLog, old: readonly Segment[]) {
    const first = entryAt(old, 0);
    this.#log = log;
    this.segment = new Segment(first.base, 0, {
      created: first.created,
      modified: lastEntry(old).modified,
      jitter: first.jitter,
    });
    this.#file = log.home.env.disk.open(this.#path(LOG_SUFFIX, CLEANED_SUFFIX), "create");
    this.#file.truncate(0);
  }

  #path(suffix: string, beside: string): string {
    return `${this.#log.path}/${fileName(this.segment.base, suffix)}${beside}`;
  }

  get waiting(): number {
    return this.#waiting;
  }

  append(batch: Uint8Array): void {
    const cursor = new BatchCursor(batch);
    cursor.next();
    const { size, lastOffset, maxTimestamp } = cursor;
    this.segment.push({ size, lastOffset, maxTimestamp }, this.#log.config.indexIntervalBytes);
    this.#chunks.push(batch);
    this.#waiting += batch.length;
  }

  retain(txn: AbortedTxn): void {
    this.segment.addTxn(txn);
  }

  write(): void {
    if (this.#chunks.length > 0) this.#file.write(this.#chunks, this.#written);
    this.#written += this.#waiting;
    this.#chunks = [];
    this.#waiting = 0;
  }

  /** Makes all files durable, with the suffix `.cleaned`, which startup deletes. */
  async finish(): Promise<void> {
    const { disk } = this.#log.home.env;
    this.write();
    await this.#file.sync();
    const out: LogEffect[] = [];
    this.segment.writeIndexes(true, out);
    for (const suffix of SUFFIXES.slice(1)) {
      const file = disk.open(this.#path(suffix, CLEANED_SUFFIX), "create");
      try {
        file.truncate(0);
        const name = fileName(this.segment.base, suffix);
        for (const effect of out) {
          if (effect.kind === "write" && effect.file === name) file.write([effect.bytes], effect.position);
        }
        await file.sync();
      } finally {
        file.close();
      }
    }
    await disk.syncDirectory(this.#log.path);
  }

  /**
   * Renames the files from `.cleaned` to `.swap`: from now on startup finishes the exchange. Nothing may happen to the
   * log between this call and the exchange. A power failure undoes changes to a directory from the newest backwards, so
   * these renames have survived if any step of the exchange has.
   */
  promise(): void {
    const { disk } = this.#log.home.env;
    for (const suffix of SUFFIXES) disk.rename(this.#path(suffix, CLEANED_SUFFIX), this.#path(suffix, SWAP_SUFFIX));
  }

  close(): void {
    this.#file.close();
  }

  remove(): void {
    for (const suffix of SUFFIXES) removeIfThere(this.#log.home.env.disk, this.#path(suffix, CLEANED_SUFFIX));
  }
}

/** A single compaction of a log. */
class Compaction {
  readonly #log: PartitionLog;
  readonly #options: CompactOptions;
  readonly #tools: Tools;
  readonly #changes: number;
  readonly #batch = new BatchCursor();
  /** Monotonic time at which other work came last. */
  #pausedAt: number;

  constructor(log: PartitionLog, options: CompactOptions) {
    const { crypto, codecs } = log.home.env;
    this.#log = log;
    this.#options = options;
    this.#tools = { crc32c: crypto.crc32c, codecs };
    this.#changes = log.changes;
    this.#pausedAt = log.home.env.clock.monotonic();
  }

  get #isSliceOver(): boolean {
    return this.#log.home.env.clock.monotonic() - this.#pausedAt >= SLICE_MS;
  }

  /** Lets other work come first. Throws `Stopped` as `#check` does. */
  async #pause(bytes: number, segment: Segment): Promise<void> {
    await this.#options.pause(bytes);
    this.#pausedAt = this.#log.home.env.clock.monotonic();
    this.#check([segment]);
  }

  /** Throws `Stopped` if the log has changed since the compaction began. */
  #check(segments: readonly Segment[]): void {
    const { changes, state, home, cleaningPaused } = this.#log;
    const gone = segments.some(segment => state.segmentOf(segment.base) !== segment);
    if (changes !== this.#changes || gone || cleaningPaused) throw new Stopped();
    if (home.offline || this.#options.stopped()) throw new Stopped();
  }

  async run({ firstDirty, firstUncleanable }: Cleanable): Promise<Offset> {
    const { map } = this.#options;
    this.#check([]);
    const now = this.#log.home.env.clock.now();
    map.clear();
    await this.#map(firstDirty, firstUncleanable);
    const end = map.latestOffset + 1;
    if (end <= firstDirty) return firstDirty;
    const txns = new PassingTxns(this.#tools);
    for (const group of groupSegments(this.#log.state, end)) {
      this.#check(group);
      await this.#clean(group, txns, now);
    }
    return end;
  }

  /** Fills the map with the keys of the dirty part of the log, as far as there is room. */
  async #map(from: Offset, end: Offset): Promise<void> {
    const { map } = this.#options;
    const { state } = this.#log;
    const txns = new PassingTxns(this.#tools);
    txns.add(this.#log.abortedTransactions(from, end));
    const first = state.segmentOf(from) ?? state.oldest;
    for (let segment: Segment | undefined = first; segment !== undefined; segment = state.after(segment)) {
      if (segment === state.active || segment.base >= end) break;
      const next = Math.min(state.after(segment)?.base ?? end, end);
      if (!(await this.#mapSegment(segment, { from, end, txns }))) return;
      // Offsets at the end of a segment may have been compacted away before: count them as mapped.
      map.latestOffset = Math.max(map.latestOffset, next - 1);
    }
  }

  async #mapSegment(
    segment: Segment,
    { from, end, txns }: { from: Offset; end: Offset; txns: PassingTxns },
  ): Promise<boolean> {
    const { map } = this.#options;
    for await (const bytes of this.#batches(segment)) {
      this.#batch.reset(bytes);
      while (this.#batch.next()) {
        if (this.#batch.baseOffset >= end) return true;
        if (!mapKeys(this.#batch, from, map, txns, this.#tools)) return false;
        if (this.#isSliceOver) await this.#pause(0, segment);
      }
    }
    return true;
  }

  async *#batches(segment: Segment): AsyncIterable<Uint8Array> {
    const { bufferBytes } = this.#options;
    const { path, home } = this.#log;
    // Opens its own handle: the log may close the one that it reads with.
    const file = home.env.disk.open(`${path}/${segment.file}`, "read");
    const reader = new BatchReader(file, { end: segment.size, bufferBytes, buffers: home.buffers });
    try {
      for (let bytes = await reader.next(); bytes !== undefined; bytes = await reader.next()) {
        this.#check([segment]);
        this.#pausedAt = home.env.clock.monotonic();
        yield bytes;
        await this.#pause(bytes.length, segment);
      }
    } finally {
      reader.release();
      file.close();
    }
  }

  async #clean(group: readonly Segment[], txns: PassingTxns, now: number): Promise<void> {
    const log = this.#log;
    const { disk } = log.home.env;
    const files = new CleanedFiles(log, group);
    try {
      if (!(await this.#filter(group, files, { txns, now }))) {
        files.remove();
        return;
      }
      // Write down a recovery point above the group first: recovery takes a gap above it for records lost in a power
      // failure.
      await log.home.secure(log, log.state.after(lastEntry(group))?.base ?? log.endOffset);
      await files.finish();
      this.#check(group);
      files.promise();
      log.replaceSegments(group, files.segment);
      // Make this exchange durable first: the next group may drop markers that records of this one depend on.
      await disk.syncDirectory(log.path);
    } catch (error) {
      // A failed disk takes the directory offline; startup then removes these files.
      if (!(error instanceof DiskError) && !log.home.offline) files.remove();
      throw error;
    } finally {
      files.close();
    }
  }

  /** Copies the records that stay. False if nothing changed, so that the segments can stay as they are. */
  async #filter(
    group: readonly Segment[],
    files: CleanedFiles,
    { txns, now }: { txns: PassingTxns; now: number },
  ): Promise<boolean> {
    const log = this.#log;
    const { map, bufferBytes } = this.#options;
    const filter = new BatchFilter({
      map,
      txns,
      producers: log.producers,
      highWatermark: log.highWatermark,
      deleteRetentionMs: log.config.deleteRetentionMs,
      now,
      tools: this.#tools,
      retained: txn => files.retain(txn),
    });
    let changed = group.length > 1;
    for (const segment of group) {
      txns.add(log.abortedTransactions(segment.base, log.state.after(segment)?.base ?? log.endOffset));
      for await (const bytes of this.#batches(segment)) {
        this.#batch.reset(bytes);
        while (this.#batch.next()) {
          // A rewritten batch gets a new checksum, which would hide the damage.
          if (!this.#batch.intact(this.#tools.crc32c)) throw new MalformedError("a batch's checksum is wrong");
          const left = filter.filter(this.#batch);
          if (left !== undefined) files.append(left);
          if (left?.buffer !== bytes.buffer) changed = true;
          if (this.#isSliceOver) await this.#pause(0, segment);
        }
        const { waiting } = files;
        files.write();
        if (waiting >= bufferBytes) await this.#pause(waiting, segment);
      }
    }
    return changed;
  }
}

/**
 * Compacts the closed segments of a log: only the last record of each key stays. Returns the first offset that has not
 * been compacted; undefined if the log was truncated, moved, deleted or paused meanwhile. Rejects with `DiskError`.
 */
export async function compact(
  log: PartitionLog,
  range: Cleanable,
  options: CompactOptions,
): Promise<number | undefined> {
  try {
    return await new Compaction(log, options).run(range);
  } catch (error) {
    if (error instanceof Stopped) return undefined;
    throw error;
  }
}
