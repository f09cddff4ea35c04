import { DiskError, type DiskFile, type Int64, invariant, type Uuid } from "@samsa/base";
import {
  type AbortedTxn,
  type AppendRequest,
  type AppendResult,
  type Cleanable,
  cleanable,
  fileName,
  OFFSET_INDEX_SUFFIX,
  TIME_INDEX_SUFFIX,
  TXN_INDEX_SUFFIX,
  EPOCH_FILE,
  type EpochStart,
  type LogConfig,
  type LogEffect,
  type LogState,
  PARTITION_FILE,
  type ProducerEntry,
  type Segment,
  writeTopicId,
} from "@samsa/log";
import { replaceFile } from "./files.ts";
import { LogFiles } from "./log-files.ts";
import { LogReader } from "./log-reader.ts";
import { latestTimestamp, locate, remeasure, type TimestampOffset, timestampLookup } from "./lookup.ts";
import { reloadProducers } from "./recovery.ts";
import { SharedRun } from "./shared-run.ts";
import { Tail } from "./tail.ts";
import type { LogHome, ReadOptions, ReadResult } from "./types.ts";

export interface PartitionLogOptions {
  readonly home: LogHome;
  readonly place: { path: string };
  readonly topic: string;
  readonly partition: number;
  readonly topicId: Uuid | undefined;
  readonly state: LogState;
  readonly recoveryPoint: number;
  /** `PartitionLog.checkpointed` */
  readonly checkpointed: number;
  readonly highWatermark: number;
  readonly cleanedTo: number;
}

const INDEX_SUFFIXES = [OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX];

/** One partition's log on disk. */
export class PartitionLog {
  readonly topic: string;
  readonly partition: number;
  topicId: Uuid | undefined;
  private watermark = 0;
  /** Everything before this is on the device. */
  recoveryPoint: number;
  /** The recovery point that a start would find now; -1 when it would find none. Set by the directory. */
  checkpointed: number;
  /** Segments that end at or before this are on the device with their indexes. Never above `recoveryPoint`. */
  private sealedTo: number;
  /** A segment was closed, and no flush has begun since. */
  private sealDue = false;
  /** The next flush is also of the active segment. */
  private flushActive = false;
  readonly state: LogState;
  /** The directory that it is in. */
  readonly home: LogHome;
  private readonly tail: Tail;
  private readonly files: LogFiles;
  private effects: LogEffect[] = [];
  private readonly reader: LogReader;
  private readonly flushes = new SharedRun(() => this.flushOnce());
  private lastFlush: number;
  /** The lowest offset that the log was cut to since the flush under way began. */
  private cutTo = Infinity;
  /** Nothing is appended any more. */
  private closing = false;
  private closed = false;
  /** How often the log was cut, moved or closed: whoever works on it for longer begins anew then. */
  changes = 0;
  /** Everything before this has been compacted. */
  cleanedTo: number;
  /** The log is being copied: it must not be compacted. */
  cleaningPaused = false;
  /** Something was written since the log was opened. */
  private touched = false;
  /**
   * `partition.metadata` is on the device, and so is the directory's name: a power cut cannot leave records of which
   * nobody knows whose they are. Nothing may be acknowledged before (`UnifiedLog.maybeFlushMetadataFile`).
   */
  isNamed: boolean;

  constructor(options: PartitionLogOptions) {
    this.home = options.home;
    this.files = new LogFiles(options.home, options.place, options.state, this);
    this.reader = new LogReader(options.home, this.files, options.state);
    this.topic = options.topic;
    this.partition = options.partition;
    this.topicId = options.topicId;
    this.state = options.state;
    this.recoveryPoint = options.recoveryPoint;
    this.checkpointed = options.checkpointed;
    this.sealedTo = (this.state.segmentOf(options.recoveryPoint) ?? this.state.segments[0]).base;
    this.highWatermark = options.highWatermark;
    this.cleanedTo = options.cleanedTo;
    this.tail = new Tail(options.home.tails);
    this.tail.written = this.state.endOffset;
    this.lastFlush = options.home.env.clock.monotonic();
    this.isNamed = options.home.cleanStart && options.checkpointed >= 0;
    // The first flush makes these durable before it vouches for any record.
    this.files.owe(PARTITION_FILE);
    this.files.owe(EPOCH_FILE);
  }

  /** Set by the replica layer; never above `endOffset`. */
  get highWatermark(): number {
    return this.watermark;
  }
  set highWatermark(offset: number) {
    this.watermark = offset;
    // Forgets the transactions that this decides, whether or not anybody reads.
    this.state.producers.firstUndecided(offset);
  }

  get path(): string {
    return this.files.path;
  }

  get config(): LogConfig {
    return this.state.config;
  }
  set config(config: LogConfig) {
    this.state.config = config;
  }
  get startOffset(): number {
    return this.state.startOffset;
  }
  get endOffset(): number {
    return this.state.endOffset;
  }
  get size(): number {
    return this.state.size;
  }
  /** What a consumer of committed records may read up to. */
  get stableOffset(): number {
    const undecided = this.state.producers.firstUndecided(this.highWatermark);
    return undecided < 0 ? this.highWatermark : Math.min(undecided, this.highWatermark);
  }
  /** -1 when no epoch is known. */
  get latestEpoch(): number {
    return this.state.epochs.latest;
  }
  get epochs(): readonly EpochStart[] {
    return this.state.epochs.entries;
  }
  get producers(): ReadonlyMap<bigint, ProducerEntry> {
    return this.state.producers.entries;
  }
  /** Effects wait for `writePending`. */
  get isPending(): boolean {
    return this.effects.length > 0;
  }

  /** Appends a copy of validated batches as leader, with their offsets, epoch and time. */
  append(bytes: Uint8Array, request: AppendRequest): AppendResult {
    invariant(!this.closing, "nothing is appended to a log that is being closed");
    const copy = this.home.tails.copy(bytes);
    return this.appended(
      copy,
      this.guarded(() => this.state.append(copy, request, this.effects)),
    );
  }

  /** Appends a copy of batches as they are, as a follower or for the metadata log. */
  appendAsFollower(bytes: Uint8Array): AppendResult {
    invariant(!this.closing, "nothing is appended to a log that is being closed");
    const copy = this.home.tails.copy(bytes);
    const now = this.home.env.clock.now();
    return this.appended(
      copy,
      this.guarded(() => this.state.appendVerbatim(copy, now, this.effects)),
    );
  }

  private appended(bytes: Uint8Array, result: AppendResult): AppendResult {
    if (result.error === 0 && !result.duplicate) this.tail.push(result.firstOffset, result.lastOffset + 1, bytes);
    return result;
  }

  /** Notes a new leader's epoch as beginning at the end of the log. */
  beginEpoch(epoch: number): void {
    this.state.epochs.assign(epoch, this.endOffset);
    this.state.writeEpochs(this.effects);
  }

  /** Puts what has been gathered into files. False, with the directory offline, when the disk refuses. */
  writePending(): boolean {
    const written = this.write();
    if (this.sealDue) this.seal();
    return written;
  }

  private write(): boolean {
    if (this.home.offline) return false;
    if (this.effects.length === 0) return true;
    const effects = this.effects;
    this.effects = [];
    this.touched = true;
    try {
      this.files.perform(effects);
      this.tail.written = this.endOffset;
      return true;
    } catch (error) {
      if (!(error instanceof DiskError)) this.home.failed(error);
      // The files no longer hold what memory says, whatever the reason.
      this.home.fail(error instanceof DiskError ? error : new DiskError("EIO", this.path, String(error)));
      return false;
    }
  }

  /** Whole batches from the one that contains `offset`, from memory if they are there. */
  read(options: ReadOptions): ReadResult {
    const { offset } = options;
    const none = { error: 0, chunks: [], size: 0, nextOffset: offset };
    if (offset < this.startOffset || offset > this.endOffset) return { ...none, error: 1 };
    if (offset >= Math.min(this.endOffset, options.limitOffset)) return none;
    return this.tail.read(options) ?? this.guarded(() => this.readFiles(options, none));
  }

  private readFiles(options: ReadOptions, none: ReadResult): ReadResult {
    invariant(!this.closed, "a closed log is not used");
    // Where a truncation left a gap, what follows it may still wait to be written.
    this.writePending();
    return this.reader.read(options, none);
  }

  /**
   * Reads ahead what `read` goes on with at `offset`, so that it does not wait for the device: for those who read a whole
   * log. Rejects with `DiskError`.
   */
  async warm(offset: number, maxBytes: number): Promise<void> {
    try {
      if (!this.tail.has(offset)) await this.reader.warm(offset, maxBytes);
    } catch (error) {
      this.home.failed(error);
      throw error;
    }
  }

  /** The first record at or after `timestamp`; undefined when there is none. */
  offsetForTimestamp(timestamp: Int64): TimestampOffset | undefined {
    return this.guarded(() => {
      this.writePending();
      return timestampLookup(this.state, name => this.file(name), timestamp, this.home.env);
    });
  }

  /** The youngest record (ListOffsets -3); undefined when no record has a time. */
  offsetOfMaxTimestamp(): TimestampOffset | undefined {
    return this.guarded(() => {
      this.writePending();
      return latestTimestamp(this.state, name => this.file(name), this.home.env);
    });
  }

  endOffsetForEpoch(epoch: number): { epoch: number; endOffset: number } {
    return this.state.epochs.endOffsetFor(epoch, this.endOffset);
  }

  abortedTransactions(fetchOffset: number, upperBound: number): AbortedTxn[] {
    return this.guarded(() => {
      this.writePending();
      return this.state.abortedIn(fetchOffset, upperBound);
    });
  }

  /** Whether `flush.messages` or `flush.ms` ask for a flush; `now` is of the clock that nobody sets. */
  flushDue(now: number): boolean {
    const unflushed = this.endOffset - this.recoveryPoint;
    if (unflushed <= 0) return false;
    return unflushed >= this.config.flushMessages || now - this.lastFlush >= this.config.flushMs;
  }

  /** Resolves once everything appended before the call is on the device. Calls while one runs share the next one. */
  flush(): Promise<void> {
    this.flushActive = true;
    return this.flushes.run();
  }

  /** Makes `partition.metadata` and the names of files durable. */
  syncNames(): Promise<void> {
    return this.flushes.run();
  }

  /** Called between the end of a segment and the creation of the next one. */
  beginSeal(): void {
    this.sealDue = true;
    this.home.sealing(this);
  }

  /** Flushes closed segments in the background and moves the recovery point past them (`UnifiedLog.roll`). */
  private seal(): void {
    this.sealDue = false;
    this.flushes.run().catch(this.home.failed);
  }

  private async flushOnce(): Promise<void> {
    const all = this.flushActive;
    this.flushActive = false;
    // A log that was deleted meanwhile needs no flush.
    if (this.closed) return;
    if (all) {
      this.lastFlush = this.home.env.clock.monotonic();
      this.state.writeEpochs(this.effects);
      if (!this.write()) throw new DiskError("EIO", this.path, "the log directory is offline");
      this.sealDue = false;
    }
    const { base } = this.state.active;
    const target = all ? this.endOffset : base;
    this.cutTo = Infinity;
    try {
      await this.files.sync(this.unflushed(all));
    } catch (error) {
      // What was deleted meanwhile is found nowhere.
      if (this.closed) return;
      this.home.failed(error);
      throw error;
    }
    this.isNamed = true;
    this.recoveryPoint = Math.max(this.recoveryPoint, Math.min(target, this.cutTo, this.endOffset));
    if (this.cutTo < base || this.sealedTo >= base) return;
    this.sealedTo = base;
    this.home.checkpointSoon();
  }

  /**
   * The files that hold what has not been flushed. Recovery reads the segment with the recovery point again and makes its
   * indexes anew; it trusts those of the segments before.
   */
  private unflushed(all: boolean): string[] {
    const { segments, active } = this.state;
    const files = segments
      .slice(Math.max(0, this.state.indexOf(this.sealedTo)), -1)
      .filter(({ base }) => base >= this.sealedTo)
      .flatMap(filesOf);
    if (all && this.recoveryPoint < this.endOffset) files.push(active.file);
    return files;
  }

  /**
   * The recovery point to write down: where a segment begins only if all before it are on the device with their indexes,
   * since a start reads nothing below it.
   */
  get durablePoint(): number {
    return this.recoveryPoint > this.sealedTo ? Math.max(this.sealedTo, this.recoveryPoint - 1) : this.recoveryPoint;
  }

  /** Removes a file of the directory that is not of the log itself; the next flush makes that durable. */
  removeFile(name: string): void {
    this.guarded(() => this.files.remove(name));
  }

  /** Gives a log that has none its topic's id. */
  adopt(topicId: Uuid): void {
    this.topicId = topicId;
    this.guarded(() => replaceFile(this.home.env.disk, `${this.path}/${PARTITION_FILE}`, writeTopicId(topicId), false));
    this.files.owe(PARTITION_FILE);
  }

  /** Drops segments that retention lets go; how many. */
  enforceRetention(now: number): number {
    return this.guarded(() => {
      const count = this.state.expired(now, this.highWatermark);
      // Not even an empty log is on the device by this: its end would be forgotten, and offsets given twice.
      this.state.dropOldest(count, now, this.effects);
      this.writePending();
      return count;
    });
  }

  /** Moves the log's start, never back and not past the high watermark; the start it has then, or -1 when refused. */
  deleteRecords(beforeOffset: number): number {
    const wanted = beforeOffset === -1 ? this.highWatermark : beforeOffset;
    if (wanted > this.highWatermark) return -1;
    this.raiseStart(wanted);
    this.home.checkpointSoon();
    return this.startOffset;
  }

  /** As a follower: the leader's log now begins there. */
  raiseStart(offset: number): void {
    this.state.raiseStart(Math.min(offset, this.endOffset));
    this.state.writeEpochs(this.effects);
  }

  /** Removes everything at and after `offset`. */
  truncateTo(offset: number): void {
    if (offset >= this.endOffset) return;
    this.guarded(() => {
      this.writePending();
      this.tail.clear();
      this.reader.reset();
      if (offset < this.state.segments[0].base) return this.restartAt(offset);
      const segment = this.state.segmentOf(offset) as Segment;
      const start = this.state.loaded(segment).ready().offsets.lookup(offset);
      const at = locate(this.file(segment.file), segment, offset, start)?.position ?? segment.size;
      this.state.truncateTo(offset, at, this.effects);
      this.state.startOffset = Math.min(this.startOffset, offset);
      this.settleTruncation();
      remeasure(this.file(segment.file), segment);
      reloadProducers(this.state, this.highWatermark, { path: this.path, env: this.home.env });
    });
  }

  /** Empties the log; the next record gets `offset`. */
  restartAt(offset: number): void {
    this.guarded(() => {
      this.writePending();
      this.tail.clear();
      this.reader.reset();
      this.state.truncateFully(offset, this.home.env.clock.now(), this.effects);
      this.recoveryPoint = offset;
      this.cutTo = 0;
      this.settleTruncation();
    });
  }

  private settleTruncation(): void {
    this.changes++;
    this.cleanedTo = Math.min(this.cleanedTo, this.endOffset);
    this.recoveryPoint = Math.min(this.recoveryPoint, this.endOffset);
    this.sealedTo = Math.min(this.sealedTo, this.state.active.base);
    const isVouchedFor = this.checkpointed > this.endOffset;
    this.home.markCut(this, this.endOffset);
    // Make the mark last before a byte changes: a power cut may bring back segments that the recovery point covers.
    if (isVouchedFor) this.home.env.disk.syncDirectoryNow(this.path);
    this.cutTo = Math.min(this.cutTo, this.endOffset);
    this.home.checkpointSoon();
    this.highWatermark = Math.min(this.highWatermark, this.endOffset);
    this.writePending();
  }

  /** Ends a compaction under way and lets none begin. */
  pauseCleaning(): void {
    this.cleaningPaused = true;
    this.changes++;
  }

  resumeCleaning(): void {
    this.cleaningPaused = false;
  }

  /** What of the log can be compacted at `now`, in milliseconds since the epoch. */
  cleanable(now: number): Cleanable {
    const { cleanedTo, stableOffset } = this;
    return this.guarded(() => cleanable(this.state, { cleanedTo, stableOffset, now }));
  }

  /** Lets `fresh`, which is all that is left of them, take the place of closed segments. */
  replaceSegments(old: readonly Segment[], fresh: Segment): void {
    this.guarded(() => {
      this.writePending();
      this.reader.reset();
      // Memory may still hold what is gone, of transactions too that nobody can tell any more that they were aborted.
      this.tail.clear();
      this.state.replaceSegments(old, fresh, this.effects);
      this.writePending();
      fresh.release();
    });
  }

  /** Moves the end of the log to `offset`, which is beyond it, without any records between. */
  extendTo(offset: number): void {
    invariant(offset > this.endOffset, "a log is extended beyond its end");
    this.guarded(() => {
      this.writePending();
      this.tail.clear();
      this.state.extendTo(offset, this.home.env.clock.now(), this.effects);
      this.writePending();
    });
  }

  /** Closes the active segment and begins another. */
  roll(): void {
    this.guarded(() => this.state.roll(this.home.env.clock.now(), this.effects));
  }

  /** Flushes everything and lets go of files. Nobody may append once this is called; the log is not used after. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closing = true;
    this.changes++;
    try {
      if (this.home.offline) return;
      // The last time entry and the snapshot are what a clean start relies on.
      this.state.close(this.effects);
      if (!this.writePending() || !this.touched) return;
      for (const name of filesOf(this.state.active)) this.files.owe(name);
      await this.flush();
      this.sealedTo = this.recoveryPoint;
    } finally {
      this.release();
    }
  }

  /** Renames the directory away; it is removed after `file.delete.delay.ms`. */
  delete(): void {
    const to = this.leave("delete");
    if (to !== undefined) this.home.removeLater(to, this.home.env.clock.monotonic() + this.config.fileDeleteDelayMs);
  }

  /** Renames the directory aside for good: it is nobody's, and a person may want to look at it. */
  putAside(): void {
    this.leave("stray");
  }

  /** Another log takes this one's place: nothing is appended any more. */
  retire(): void {
    this.changes++;
    this.closing = true;
  }

  /** A copy (`-future`) becomes the log: its directory gets the log's name. Throws `DiskError`. */
  promote(): void {
    const to = `${this.home.path}/${this.topic}-${this.partition}`;
    const before = this.path;
    this.guarded(() => this.home.env.disk.rename(before, to));
    this.changes++;
    this.files.moved(to);
    this.home.promoted(this, before);
  }

  private leave(suffix: "delete" | "stray"): string | undefined {
    this.effects = [];
    this.release();
    this.home.forget(this);
    // What is in a directory that has failed is dealt with when it is back: it will be nobody's then.
    if (this.home.offline) return undefined;
    const { env } = this.home;
    const unique = Array.from(env.random.bytes(16), byte => byte.toString(16).padStart(2, "0")).join("");
    const at = this.path.lastIndexOf("/") + 1;
    // A file name has 255 bytes at most, and the suffix takes 40 of them.
    const to = `${this.path.slice(0, at)}${this.path.slice(at).slice(0, 215)}.${unique}-${suffix}`;
    try {
      env.disk.rename(this.path, to);
      // It must not come back after a power cut in the place of what takes its name.
      if (suffix === "stray") env.disk.syncDirectoryNow(this.home.path);
    } catch (error) {
      this.home.failed(error);
      return undefined;
    }
    this.files.moved(to);
    return to;
  }

  private release(): void {
    this.closed = true;
    this.changes++;
    this.tail.clear();
    this.files.closeAll();
  }

  private file(name: string): DiskFile {
    invariant(!this.closed, "a closed log is not used");
    return this.files.open(name);
  }

  /** Runs `work`; a failing disk takes the directory offline before the error goes on. */
  private guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof DiskError) this.home.fail(error);
      throw error;
    }
  }
}

function filesOf(segment: Segment): string[] {
  return [segment.file, ...INDEX_SUFFIXES.map(suffix => fileName(segment.base, suffix))];
}
