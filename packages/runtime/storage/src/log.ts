import type { DiskFile, Int64, LeaderEpoch, Offset, PartitionIndex, ProducerId, Uuid } from "@samsa/base";
import { DiskError, invariant, toHex } from "@samsa/base";
import {
  type AbortedTxn,
  type AppendRequest,
  type AppendResult,
  type Cleanable,
  cleanable,
  EPOCH_FILE,
  type EpochStart,
  type LogConfig,
  type LogEffect,
  type LogState,
  PARTITION_FILE,
  type ProducerEntry,
  type Segment,
} from "@samsa/log";
import { filesOf, LogFiles, type Place } from "./log-files.ts";
import { LogLife } from "./log-life.ts";
import { LogReader } from "./log-reader.ts";
import { latestTimestamp, locate, remeasure, type TimestampOffset, timestampLookup } from "./lookup.ts";
import { reloadProducers } from "./recovery.ts";
import { SharedRun } from "./shared-run.ts";
import { Tail } from "./tail.ts";
import type { LogHome } from "./log-home.ts";
import type { ReadOptions, ReadResult } from "./reads.ts";

/** A loaded log and the offsets that the checkpoints have for it. */
export interface PartitionLogOptions {
  readonly home: LogHome<PartitionLog>;
  readonly place: Place;
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly topicId: Uuid | undefined;
  readonly state: LogState;
  readonly recoveryPoint: Offset;
  /** Same as `PartitionLog.checkpointed`. */
  readonly checkpointed: Offset;
  readonly highWatermark: Offset;
  readonly cleanedTo: Offset;
}

/** Log of one partition on disk (`UnifiedLog`). */
export class PartitionLog {
  readonly topic: string;
  readonly partition: PartitionIndex;
  topicId: Uuid | undefined;
  private watermark: Offset = 0;
  /** Offsets below this are durable. */
  recoveryPoint: Offset;
  /** Recovery point that a restart would find now; -1 if it would find none. Set by the directory. */
  checkpointed: Offset;
  /** Segments that end at or below this are durable with their indexes. Never above `recoveryPoint`. */
  private sealedTo: Offset;
  /** True if a segment was closed and no flush has begun since. */
  private sealDue = false;
  /** True if the next flush includes the active segment. */
  private flushActive = false;
  readonly state: LogState;
  /** The log's directory. */
  readonly home: LogHome<PartitionLog>;
  private readonly tail: Tail;
  private readonly files: LogFiles;
  private effects: LogEffect[] = [];
  private readonly reader: LogReader;
  private readonly flushes = new SharedRun(() => this.flushOnce());
  private lastFlush: number;
  /** Lowest offset that the log was truncated to since the running flush began. */
  private cutTo = Infinity;
  /** True if nothing may be appended any more. */
  private readonly life = new LogLife();
  /** Counts truncations, moves and closes, so that long work on the log can notice them and start again. */
  changes = 0;
  /** Offsets below this have been compacted. */
  cleanedTo: Offset;
  /** True while the log is being copied: it must not be compacted then. */
  cleaningPaused = false;
  /** True if something was written since the log was opened. */
  private touched = false;
  /**
   * True if `partition.metadata` and the directory's name are durable. Nothing may be acknowledged before: a power
   * failure could otherwise leave records whose topic id is unknown (`UnifiedLog.maybeFlushMetadataFile`).
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
    this.sealedTo = (this.state.segmentOf(options.recoveryPoint) ?? this.state.oldest).base;
    this.highWatermark = options.highWatermark;
    this.cleanedTo = options.cleanedTo;
    this.tail = new Tail(options.home.tails);
    this.tail.written = this.state.endOffset;
    this.lastFlush = options.home.env.clock.monotonic();
    this.isNamed = options.home.cleanStart && options.checkpointed >= 0;
    // The first flush makes these durable before any record.
    this.files.owe(PARTITION_FILE);
    this.files.owe(EPOCH_FILE);
  }

  /** Set by the replica layer; never above `endOffset`. */
  get highWatermark(): Offset {
    return this.watermark;
  }
  set highWatermark(offset: Offset) {
    this.watermark = offset;
    // Drops transactions that are decided now, even if no consumer reads.
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
  get startOffset(): Offset {
    return this.state.startOffset;
  }
  get endOffset(): Offset {
    return this.state.endOffset;
  }
  get size(): number {
    return this.state.size;
  }
  /** Last stable offset: the limit of consumers with isolation level read_committed. */
  get stableOffset(): Offset {
    const undecided = this.state.producers.firstUndecided(this.highWatermark);
    return undecided < 0 ? this.highWatermark : Math.min(undecided, this.highWatermark);
  }
  /** Latest leader epoch; -1 if unknown. */
  get latestEpoch(): LeaderEpoch {
    return this.state.epochs.latest;
  }
  get epochs(): readonly EpochStart[] {
    return this.state.epochs.entries;
  }
  get producers(): ReadonlyMap<ProducerId, ProducerEntry> {
    return this.state.producers.entries;
  }

  /** Appends a copy of validated batches as leader; their headers get offsets, leader epoch and timestamp. */
  append(bytes: Uint8Array, request: AppendRequest): AppendResult {
    invariant(this.life.isOpen, "nothing is appended to a log that is being closed");
    const copy = this.home.tails.copy(bytes);
    return this.appended(
      copy,
      this.guarded(() => this.state.append(copy, request, this.effects)),
    );
  }

  /** Appends a copy of batches unchanged, as a follower or for the metadata log. */
  appendAsFollower(bytes: Uint8Array): AppendResult {
    invariant(this.life.isOpen, "nothing is appended to a log that is being closed");
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

  /** Starts a new leader epoch at the log end offset. */
  beginEpoch(epoch: LeaderEpoch): void {
    this.state.epochs.begin(epoch, this.endOffset);
  }

  /** Writes gathered effects to files. False if the disk refuses, which takes the directory offline. */
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
      if (!this.state.isMade) this.make();
      this.files.perform(effects);
      this.tail.written = this.endOffset;
      return true;
    } catch (error) {
      if (!(error instanceof DiskError)) this.home.failed(error);
      // The files no longer match the state in memory, whatever the error is.
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
    invariant(!this.life.isClosed, "a closed log is not used");
    // Batches after a gap left by a truncation may not have been written yet.
    this.writePending();
    return this.reader.read(options, none);
  }

  /**
   * Brings the data that `read` needs next at `offset` into the page cache, so that reading a whole log does not block
   * the event loop. Rejects with `DiskError`.
   */
  async warm(offset: Offset, maxBytes: number): Promise<void> {
    try {
      if (!this.tail.has(offset)) await this.reader.warm(offset, maxBytes);
    } catch (error) {
      this.home.failed(error);
      throw error;
    }
  }

  /** First record with this timestamp or a later one; undefined if there is none. */
  offsetForTimestamp(timestamp: Int64): TimestampOffset | undefined {
    return this.guarded(() => {
      this.writePending();
      return timestampLookup(this.state, name => this.file(name), timestamp, this.home.env);
    });
  }

  /** Record with the largest timestamp (ListOffsets -3); undefined if no record has a timestamp. */
  offsetOfMaxTimestamp(): TimestampOffset | undefined {
    return this.guarded(() => {
      this.writePending();
      return latestTimestamp(this.state, name => this.file(name), this.home.env);
    });
  }

  /** Largest epoch not above `epoch`, and its end offset; both -1 if unknown (`LeaderEpochFileCache.endOffsetFor`). */
  endOffsetForEpoch(epoch: LeaderEpoch): { epoch: LeaderEpoch; endOffset: Offset } {
    return this.state.epochs.endOffsetFor(epoch, this.endOffset);
  }

  /** Aborted transactions that a read_committed consumer of [fetchOffset, upperBound) must know. */
  abortedTransactions(fetchOffset: Offset, upperBound: Offset): AbortedTxn[] {
    return this.guarded(() => {
      this.writePending();
      return this.state.abortedIn(fetchOffset, upperBound);
    });
  }

  /** True if `flush.messages` or `flush.ms` asks for a flush. `now` is of the monotonic clock. */
  flushDue(now: number): boolean {
    const unflushed = this.endOffset - this.recoveryPoint;
    if (unflushed <= 0) return false;
    return unflushed >= this.config.flushMessages || now - this.lastFlush >= this.config.flushMs;
  }

  /** Resolves when everything appended before the call is durable. Calls during a flush share the next one. */
  flush(): Promise<void> {
    this.flushActive = true;
    return this.flushes.run();
  }

  /** Makes `partition.metadata` and the directory entries of files durable. */
  syncNames(): Promise<void> {
    return this.flushes.run();
  }

  /** Called after a segment was closed and before the next one is created. */
  beginSeal(): void {
    this.sealDue = true;
    this.home.sealing(this);
  }

  /** Seals the closed segments that recovery has read, so that the next start need not. */
  sealRecovered(): void {
    if (this.recoveryPoint >= this.state.active.base) return;
    this.beginSeal();
    this.seal();
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
    if (this.life.isClosed) return;
    if (all) {
      this.lastFlush = this.home.env.clock.monotonic();
      this.state.writeEpochs(this.effects);
      if (!this.write()) throw new DiskError("EIO", this.path, "the log directory is offline");
      this.sealDue = false;
    }
    const { isMade } = this.state;
    const { base } = this.state.active;
    const target = all ? this.endOffset : base;
    this.cutTo = Infinity;
    try {
      await this.files.sync(this.unflushed(all));
    } catch (error) {
      // Files that were deleted meanwhile cannot be synced.
      if (this.life.isClosed) return;
      this.home.failed(error);
      throw error;
    }
    // Files that were made meanwhile are named by the next flush.
    this.isNamed = isMade;
    this.recoveryPoint = Math.max(this.recoveryPoint, Math.min(target, this.cutTo, this.endOffset));
    if (this.cutTo < base || this.sealedTo >= base) return;
    this.sealedTo = base;
    this.home.checkpointSoon();
  }

  /**
   * Files with unflushed data. Recovery reads the segment with the recovery point again and rebuilds its indexes; it
   * trusts the indexes of the segments before.
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
   * Recovery point to write down. It may be the base offset of a segment only if all earlier segments are durable with
   * their indexes, since recovery reads nothing below it.
   */
  get durablePoint(): Offset {
    return this.recoveryPoint > this.sealedTo ? Math.max(this.sealedTo, this.recoveryPoint - 1) : this.recoveryPoint;
  }

  /** Removes a file that is not part of the log itself. The next flush makes the removal durable. */
  removeFile(name: string): void {
    this.guarded(() => this.files.remove(name));
  }

  /** Gives a log without a topic id its topic's id. */
  adopt(topicId: Uuid): void {
    this.topicId = topicId;
    if (this.state.isMade) this.guarded(() => this.files.name(topicId));
    else this.home.nameLater(this);
  }

  /**
   * Writes `partition.metadata` of a log without records, unless it is there: Apache Kafka puts a log without it aside as
   * stray, should it open the directory.
   */
  name(): void {
    if (!this.home.offline && this.life.isOpen) this.guarded(() => this.files.nameUnmade(this.topicId));
  }

  /** Makes the files of a log that has none. A log without records needs none: many never get one. */
  make(): void {
    this.isNamed = false;
    this.guarded(() => this.files.make(this.topicId));
  }

  /** Deletes segments that retention no longer keeps. Returns their number. */
  enforceRetention(now: number): number {
    return this.guarded(() => {
      const count = this.state.expired(now, this.highWatermark);
      // Not even the new empty segment is durable now: losing it would forget the end offset and assign offsets twice.
      this.state.dropOldest(count, now, this.effects);
      this.writePending();
      return count;
    });
  }

  /**
   * Moves the log start offset, never backwards and not past the high watermark. Returns the log start offset, or -1 if
   * refused.
   */
  deleteRecords(beforeOffset: Offset): Offset {
    const wanted = beforeOffset === -1 ? this.highWatermark : beforeOffset;
    if (wanted > this.highWatermark) return -1;
    this.raiseStart(wanted);
    this.home.checkpointSoon();
    return this.startOffset;
  }

  /** Moves the log start offset of a follower to the leader's. */
  raiseStart(offset: Offset): void {
    this.state.raiseStart(Math.min(offset, this.endOffset));
    this.state.writeEpochs(this.effects);
  }

  /** Removes all records and leader epochs at and after `offset`; an epoch without records may begin at the end. */
  truncateTo(offset: Offset): void {
    if (offset >= this.endOffset) return this.state.truncateEpochs(offset, this.effects);
    this.guarded(() => {
      this.writePending();
      this.tail.clear();
      this.reader.reset();
      if (offset < this.state.oldest.base) return this.restartAt(offset);
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
  restartAt(offset: Offset): void {
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
    // Make the `.cut` file durable before a byte changes: a power failure may bring back segments that the recovery
    // point covers.
    if (isVouchedFor) this.home.env.disk.syncDirectoryNow(this.path);
    this.cutTo = Math.min(this.cutTo, this.endOffset);
    this.home.checkpointSoon();
    this.highWatermark = Math.min(this.highWatermark, this.endOffset);
    this.writePending();
  }

  /** Aborts a running compaction and prevents new ones. */
  pauseCleaning(): void {
    this.cleaningPaused = true;
    this.changes++;
  }

  /** Allows compaction again. */
  resumeCleaning(): void {
    this.cleaningPaused = false;
  }

  /** Range of the log that can be compacted at `now`, in milliseconds since the epoch. */
  cleanable(now: number): Cleanable {
    const { cleanedTo, stableOffset } = this;
    return this.guarded(() => cleanable(this.state, { cleanedTo, stableOffset, now }));
  }

  /** Replaces closed segments by `fresh`, which holds the records that compaction kept of them. */
  replaceSegments(old: readonly Segment[], fresh: Segment): void {
    this.guarded(() => {
      this.writePending();
      this.reader.reset();
      // Memory may still hold removed records, even of aborted transactions that the index no longer names.
      this.tail.clear();
      this.state.replaceSegments(old, fresh, this.effects);
      this.writePending();
      fresh.release();
    });
  }

  /** Moves the log end offset forward to `offset`, without any records between. */
  extendTo(offset: Offset): void {
    invariant(offset > this.endOffset, "a log is extended beyond its end");
    this.guarded(() => {
      this.writePending();
      this.tail.clear();
      this.state.extendTo(offset, this.home.env.clock.now(), this.effects);
      this.writePending();
    });
  }

  /** Closes the active segment and starts a new one. */
  roll(): void {
    this.guarded(() => this.state.roll(this.home.env.clock.now(), this.effects));
  }

  /**
   * Flushes everything and closes the files. Nothing may be appended after the call begins; the log cannot be used
   * afterwards.
   */
  async close(): Promise<void> {
    if (this.life.isClosed) return;
    // A retired log stays if the move fails after its copy has taken its place.
    if (this.life.isOpen) this.retire();
    try {
      if (this.home.offline || (!this.state.isMade && this.effects.length === 0)) return;
      // A clean start relies on the last entry of the time index and on the producer snapshot.
      this.state.close(this.effects);
      if (!this.writePending() || !this.touched) return;
      for (const name of filesOf(this.state.active)) this.files.owe(name);
      await this.flush();
      this.sealedTo = this.recoveryPoint;
    } finally {
      this.release();
    }
  }

  /** Renames the directory, which is removed after `file.delete.delay.ms`. */
  delete(): void {
    const to = this.leave("delete");
    if (to !== undefined) this.home.removeLater(to, this.home.env.clock.monotonic() + this.config.fileDeleteDelayMs);
  }

  /** Renames the directory of a stray log for good, so that an operator can look at it. */
  putAside(): void {
    this.leave("stray");
  }

  /** Stops appends, since another log takes this one's place. */
  retire(): void {
    this.changes++;
    this.life.enter("CLOSING");
  }

  /** Turns a copy (`-future`) into the log: renames its directory to the log's name. Throws `DiskError`. */
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
    // An offline directory cannot be changed. When it is back online, the log counts as stray.
    if (this.home.offline) return undefined;
    const { env } = this.home;
    const unique = toHex(env.random.bytes(16));
    const at = this.path.lastIndexOf("/") + 1;
    // A file name has at most 255 bytes, and the suffix takes 40 of them.
    const to = `${this.path.slice(0, at)}${this.path.slice(at).slice(0, 215)}.${unique}-${suffix}`;
    try {
      env.disk.rename(this.path, to);
      // After a power failure the old name must not reappear in place of a new log.
      if (suffix === "stray") env.disk.syncDirectoryNow(this.home.path);
    } catch (error) {
      this.home.failed(error);
      return undefined;
    }
    this.files.moved(to);
    return to;
  }

  private release(): void {
    if (this.life.isClosed) return;
    this.life.enter("CLOSED");
    this.changes++;
    this.tail.clear();
    this.files.closeAll();
  }

  private file(name: string): DiskFile {
    invariant(!this.life.isClosed, "a closed log is not used");
    return this.files.open(name);
  }

  /** Runs `work`. A failing disk takes the directory offline before the error is rethrown. */
  private guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof DiskError) this.home.fail(error);
      throw error;
    }
  }
}
