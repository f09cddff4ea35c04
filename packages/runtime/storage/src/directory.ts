import type { BrokerEpoch, BrokerId, DiskLock, Env, Offset, PartitionIndex, Uuid } from "@samsa/base";
import { BufferPool, DiskError, entryAt, invariant, MalformedError, randomUuid, toHex, utf8 } from "@samsa/base";
import {
  CUT_SUFFIX,
  fileName,
  IndexCache,
  type LogConfig,
  offsetOfFile,
  PARTITION_FILE,
  type PartitionOffset,
  readOffsets,
  readTopicId,
  writeOffsets,
} from "@samsa/log";
import { adviceOf, makeLogDir, readWhole, removeIfThere, replaceFile, replaceFileLater } from "./files.ts";
import { PartitionLog } from "./log.ts";
import { paced } from "./paced.ts";
import { brokerEpochIn, type MetaProperties, readMetaProperties, writeMetaProperties } from "./properties.ts";
import { LoadProgress, loadState } from "./recovery.ts";
import { type CheckpointTimes, OffsetCheckpoint, SharedRun } from "./shared-run.ts";
import { TailPool } from "./tail.ts";
import type { LogHome } from "./log-home.ts";

/** Ownership, settings and memory of one log directory. */
export interface LogDirOptions extends CheckpointTimes {
  readonly nodeId: BrokerId;
  /** Cluster that the directory must belong to. An unformatted directory is formatted with it. */
  readonly clusterId?: string;
  /** Id for a directory that is formatted now; random by default. */
  readonly directoryId?: Uuid;
  /** Settings of each log, by topic name and partition number: the topic ids are only known from the directory. */
  readonly configOf: (topic: string, partition: PartitionIndex) => LogConfig;
  /** Memory for recent batches of all logs, in bytes; 16 MiB by default. */
  readonly tailBytes?: number;
  /** Pool of buffers for reads and for recent batches; a new one by default. */
  readonly buffers?: BufferPool;
  /** Memory for indexes of closed segments, in bytes; 64 MiB by default. */
  readonly indexBytes?: number;
  /** Called once, when the disk fails. */
  readonly onOffline?: (dir: LogDir, error: DiskError) => void;
  readonly flushed?: LogHome["flushed"];
}

/** The directory cannot be used; the message says why in one sentence. */
export class LogDirError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "LogDirError";
  }
}

/** File that names the owner of a log directory (`MetaProperties`). */
export const META = "meta.properties";
const LOCK = ".lock";
const CLEAN = ".kafka_cleanshutdown";
const RECOVERY_POINTS = "recovery-point-offset-checkpoint";
const START_OFFSETS = "log-start-offset-checkpoint";
const CLEANED_TO = "cleaner-offset-checkpoint";
const HIGH_WATERMARKS = "replication-offset-checkpoint";

const INDEX_BYTES = 64 << 20;
/** Logs flushed at the same time. */
const FLUSH_WIDTH = 16;

interface Removal {
  path: string;
  readonly at: number;
}

/** Facts about a log from its directory's name and the checkpoints. */
interface Known {
  /** Name of the log's directory. */
  readonly name: string;
  /** Names of the files in it. */
  readonly names: readonly string[];
  /** Id of its topic; undefined: it is in `partition.metadata`. */
  readonly topicId?: Uuid;
  /** -1 if the checkpoints do not contain the log. */
  readonly recoveryPoint: Offset;
  readonly start: Offset;
  readonly watermark: Offset;
  readonly cleanedTo: Offset;
}

/** Lowest offset that a log was truncated to since the checkpoints were written, from the names of its files; Infinity: none. */
function cutOf(names: readonly string[]): Offset {
  return Math.min(...names.map(name => offsetOfFile(name, CUT_SUFFIX)).filter(offset => offset >= 0));
}

/** A truncation that the checkpoints do not cover yet. */
interface Cut {
  readonly offset: Offset;
  /** Value of `turn` at the truncation. Checkpoints whose write begins later cover it. */
  readonly since: number;
}

/** Logs without records whose `partition.metadata` one tick writes. */
const NAMED_AT_ONCE = 50;

/** Directory names of logs and of copies that are to become logs (future logs). */
const LOG_NAME = /^(.+)-(\d+)(\.[0-9a-f]{32}-future)?$/;

function keyOf(topic: string, partition: PartitionIndex): string {
  return `${topic}-${partition}`;
}

/** Directory name of a future log, made unique by 16 random bytes (`UnifiedLog.logFutureDirName`). */
export function futureName(topic: string, partition: PartitionIndex, unique: Uint8Array): string {
  return `${keyOf(topic, partition)}.${toHex(unique)}-future`;
}

function cutName(offset: Offset): string {
  return fileName(offset, CUT_SUFFIX);
}

/** A log directory and the logs in it. It has no timers: its owner calls `tick`. */
export class LogDir implements LogHome<PartitionLog> {
  readonly env: Env;
  readonly path: string;
  readonly meta: MetaProperties;
  readonly tails: TailPool;
  readonly buffers: BufferPool;
  private readonly indexes: IndexCache;
  /** By `<topic>-<partition>`. */
  readonly logs = new Map<string, PartitionLog>();
  /** Copies of logs from other directories that are being moved here, by `<topic>-<partition>`. */
  readonly futures = new Map<string, PartitionLog>();
  /** Broker epoch in the marker of the last clean shutdown; -1 if it has none or there is no marker. */
  readonly previousBrokerEpoch: BrokerEpoch;
  /** True if the last shutdown was clean. */
  readonly cleanStart: boolean;
  /** Error that took the directory offline. */
  failure: DiskError | undefined;
  private readonly options: LogDirOptions;
  private readonly lock: DiskLock;
  private readonly checkpoints = new SharedRun(() => this.writeCheckpoints());
  private readonly starts: OffsetCheckpoint;
  private readonly watermarks: OffsetCheckpoint;
  private readonly names = new SharedRun(() => this.syncRoot());
  private readonly removals = new Set<Removal>();
  private removing: Promise<void> | undefined;
  private flushing: Promise<void> | undefined;
  /** Logs without records whose `partition.metadata` is to be written. */
  private readonly unnamed = new Set<PartitionLog>();
  private closing: Promise<void> | undefined;
  private nextCheckpoint: number;
  /** Number of times the checkpoints have been written. */
  private turn = 0;
  /** Logs that are gone but may still be in the checkpoints, with the `turn` in which they went. */
  private readonly stale = new Map<string, number>();
  /** Logs with a `.cut` file, which names the offset of a truncation that the checkpoints do not cover yet. */
  private readonly cuts = new Map<PartitionLog, Cut>();
  /** Logs that had a single segment when they were opened. */
  private readonly gapless = new WeakSet<PartitionLog>();

  constructor(env: Env, path: string, options: LogDirOptions, lock: DiskLock) {
    this.env = env;
    this.path = path;
    this.options = options;
    this.lock = lock;
    this.buffers = options.buffers ?? new BufferPool();
    this.tails = new TailPool(options.tailBytes ?? 16 << 20, this.buffers);
    this.indexes = new IndexCache(options.indexBytes ?? INDEX_BYTES);
    this.meta = this.ownership();
    const now = env.clock.monotonic();
    const first = now + (options.firstCheckpointMs ?? this.interval);
    this.nextCheckpoint = first;
    this.starts = this.offsetCheckpoint(
      START_OFFSETS,
      { first, intervalMs: options.startIntervalMs ?? 60_000 },
      log => {
        return log.startOffset > log.state.oldest.base ? log.startOffset : -1;
      },
    );
    const intervalMs = options.watermarkIntervalMs ?? 5000;
    this.watermarks = this.offsetCheckpoint(HIGH_WATERMARKS, { first: now + intervalMs, intervalMs }, log => {
      return log.highWatermark;
    });
    const marker = readWhole(env.disk, `${path}/${CLEAN}`);
    this.cleanStart = marker !== undefined;
    this.previousBrokerEpoch = marker === undefined ? -1 : brokerEpochIn(marker);
    this.load();
    removeIfThere(env.disk, `${path}/${CLEAN}`);
    if (this.cleanStart) env.disk.syncDirectoryNow(path);
  }

  readonly flushed = (ms: number): void => this.options.flushed?.(ms);

  get directoryId(): Uuid {
    return this.meta.directoryId;
  }

  get offline(): boolean {
    return this.failure !== undefined;
  }

  private get interval(): number {
    return this.options.checkpointIntervalMs ?? 60_000;
  }

  /** Reads `meta.properties`, or writes it if the directory is not formatted. */
  private ownership(): MetaProperties {
    const { env, path, options } = this;
    const bytes = readWhole(env.disk, `${path}/${META}`);
    const known = bytes === undefined ? undefined : readMetaProperties(bytes);
    if (known?.nodeId !== undefined && known.nodeId !== options.nodeId) {
      throw new LogDirError(`${path} belongs to node ${known.nodeId}, not to node ${options.nodeId}.`);
    }
    const clusterId = known?.clusterId ?? options.clusterId;
    if (clusterId === undefined) throw new LogDirError(`${path} is not formatted: it has no ${META}.`);
    if (options.clusterId !== undefined && clusterId !== options.clusterId) {
      throw new LogDirError(`${path} belongs to cluster ${clusterId}, not to cluster ${options.clusterId}.`);
    }
    const directoryId = known?.directoryId ?? options.directoryId ?? randomUuid(length => env.random.bytes(length));
    const meta = { clusterId, nodeId: options.nodeId, directoryId };
    if (known?.directoryId === undefined || known.nodeId === undefined) {
      replaceFile(env.disk, `${path}/${META}`, writeMetaProperties(meta, known?.version), true);
    }
    return meta;
  }

  private offsets(file: string): Map<string, Offset> {
    const path = `${this.path}/${file}`;
    const bytes = readWhole(this.env.disk, path);
    const entries = bytes === undefined ? [] : this.entriesOf(bytes, path);
    return new Map(entries.map(({ topic, partition, offset }) => [keyOf(topic, partition), offset]));
  }

  /**
   * Entries of a checkpoint. A damaged one counts as empty: each of its offsets has a lower bound that is always right
   * (`LogManager`).
   */
  private entriesOf(bytes: Uint8Array, path: string): readonly PartitionOffset[] {
    try {
      return readOffsets(bytes);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.env.logger.warn("a checkpoint is damaged and counts as empty", { path, error: error.message });
      return [];
    }
  }

  private load(): void {
    const recoveryPoints = this.offsets(RECOVERY_POINTS);
    const starts = this.offsets(START_OFFSETS);
    const watermarks = this.offsets(HIGH_WATERMARKS);
    const cleaned = this.offsets(CLEANED_TO);
    for (const offsets of [recoveryPoints, starts, watermarks, cleaned]) {
      for (const key of offsets.keys()) this.stale.set(key, this.turn);
    }
    const names = this.env.disk.list(this.path).flatMap(({ name, directory }) => (directory ? [name] : []));
    for (const name of names) if (name.endsWith("-delete")) this.removeLater(`${this.path}/${name}`, 0);
    const found = names.map(name => LOG_NAME.exec(name)).filter(match => match !== null);
    const progress = new LoadProgress(this.env, this.path, found.length);
    progress.begins(this.cleanStart);
    for (const [done, match] of found.entries()) {
      progress.reached(done);
      const [name] = match;
      const topic = entryAt(match, 1);
      const partition = Number(match[2]);
      const key = keyOf(topic, partition);
      const names = this.namesIn(name);
      const marked = cutOf(names);
      // A clean shutdown writes the checkpoints after any truncation.
      const limit = this.cleanStart ? Infinity : marked;
      const saved = (offsets: ReadonlyMap<string, Offset>) => Math.min(offsets.get(key) ?? 0, limit);
      const log = this.loadLog(topic, partition, {
        name,
        names,
        recoveryPoint: recoveryPoints.has(key) || limit < Infinity ? saved(recoveryPoints) : -1,
        start: saved(starts),
        watermark: saved(watermarks),
        cleanedTo: saved(cleaned),
      });
      if (marked < Infinity) this.cuts.set(log, { offset: marked, since: this.turn });
      if (limit === Infinity) this.stale.delete(key);
      (match[3] === undefined ? this.logs : this.futures).set(key, log);
      if (match[3] === undefined) log.sealRecovered();
    }
    progress.ends();
  }

  /** Names of the files in the directory `name`. */
  private namesIn(name: string): string[] {
    return this.env.disk.list(`${this.path}/${name}`).flatMap(file => (file.directory ? [] : [file.name]));
  }

  private loadLog(topic: string, partition: PartitionIndex, known: Known): PartitionLog {
    const { env } = this;
    const path = `${this.path}/${known.name}`;
    const bytes = known.names.includes(PARTITION_FILE) ? readWhole(env.disk, `${path}/${PARTITION_FILE}`) : undefined;
    const topicId = bytes === undefined ? undefined : readTopicId(bytes);
    const place = { path, hasTopicId: topicId !== undefined };
    const config = this.options.configOf(topic, partition);
    const { recoveryPoint, start, watermark, cleanedTo } = known;
    const state = loadState({
      env,
      place,
      config,
      indexes: this.indexes,
      clean: this.cleanStart,
      recoveryPoint,
      cleanedTo,
      startOffset: start,
      names: known.names,
    });
    const log = new PartitionLog({
      home: this,
      place,
      topic,
      partition,
      topicId: topicId ?? known.topicId,
      state,
      recoveryPoint: this.cleanStart ? state.endOffset : Math.min(Math.max(0, recoveryPoint), state.endOffset),
      checkpointed: recoveryPoint,
      highWatermark: Math.min(Math.max(watermark, state.startOffset), state.endOffset),
      cleanedTo,
    });
    if (state.segments.length === 1) this.gapless.add(log);
    return log;
  }

  /** The log of a partition. */
  get(topic: string, partition: PartitionIndex): PartitionLog | undefined {
    return this.logs.get(keyOf(topic, partition));
  }

  /** Makes the directory of a log and returns its path. */
  makeRoom(topic: string, partition: PartitionIndex): string {
    const path = `${this.path}/${keyOf(topic, partition)}`;
    this.env.disk.makeDirectory(path);
    return path;
  }

  /** Creates the log of a partition that has none in this directory. */
  create(topic: string, partition: PartitionIndex, topicId: Uuid): PartitionLog {
    invariant(!this.logs.has(keyOf(topic, partition)), "a log is created once");
    this.makeRoom(topic, partition);
    const log = this.begin(topic, partition, topicId, keyOf(topic, partition));
    this.logs.set(keyOf(topic, partition), log);
    return log;
  }

  /** Creates an empty copy of a log that is in another directory (future log). */
  createFuture({ topic, partition }: PartitionLog, topicId: Uuid): PartitionLog {
    const key = keyOf(topic, partition);
    invariant(!this.futures.has(key) && !this.logs.has(key), "a log is not copied to where it is");
    const name = futureName(topic, partition, this.env.random.bytes(16));
    this.env.disk.makeDirectory(`${this.path}/${name}`);
    const log = this.begin(topic, partition, topicId, name);
    // The next start resumes the move of an empty log, too.
    log.make();
    this.futures.set(key, log);
    return log;
  }

  private begin(topic: string, partition: PartitionIndex, topicId: Uuid, name: string): PartitionLog {
    const known = { name, names: [], topicId, recoveryPoint: -1, start: 0, watermark: 0, cleanedTo: 0 };
    const log = this.loadLog(topic, partition, known);
    if (log.state.isMade) log.make();
    else this.nameLater(log);
    if (this.stale.has(keyOf(topic, partition))) this.markCut(log, 0);
    return log;
  }

  markCut(log: PartitionLog, offset: Offset): void {
    const before = this.cuts.get(log)?.offset ?? Infinity;
    const lowest = Math.min(before, offset);
    if (lowest < before) this.env.disk.open(`${log.path}/${cutName(lowest)}`, "create").close();
    this.cuts.set(log, { offset: lowest, since: this.turn });
    log.checkpointed = Math.min(Math.max(0, log.checkpointed), lowest);
    if (lowest < before && before < Infinity) log.removeFile(cutName(before));
  }

  sealing(log: PartitionLog): void {
    // Before the first checkpoint, recovery must learn that nothing was flushed, or it would keep segments after a lost
    // tail. Segments from an earlier run may have gaps between them; a log with a single segment has none.
    if (log.checkpointed < 0 && this.gapless.has(log)) this.markCut(log, 0);
  }

  async secure(log: PartitionLog, offset: Offset): Promise<void> {
    if (log.checkpointed >= offset) return;
    if (log.durablePoint < offset) await log.flush();
    await this.checkpoint();
  }

  private *allLogs(): IterableIterator<PartitionLog> {
    yield* this.logs.values();
    yield* this.futures.values();
  }

  /**
   * Writes recovery points, log start offsets and high watermarks for the next start. Resolves when they are durable.
   */
  checkpoint(): Promise<void> {
    return this.checkpoints.run();
  }

  private async writeCheckpoints(): Promise<void> {
    try {
      await this.writeEach();
    } catch (error) {
      this.failed(error);
      throw error;
    }
  }

  private async writeEach(): Promise<void> {
    this.nextCheckpoint = this.env.clock.monotonic() + this.interval;
    const turn = ++this.turn;
    const points = new Map([...this.allLogs()].map(log => [log, log.durablePoint]));
    await this.writeOffsets(RECOVERY_POINTS, log => points.get(log) ?? -1);
    await this.starts.run();
    await this.watermarks.run();
    await this.writeOffsets(CLEANED_TO, log => (log.cleanedTo > 0 ? log.cleanedTo : -1));
    const trusted = this.trustAgain(turn);
    await paced(this.env.timers, trusted, { width: FLUSH_WIDTH, work: log => log.syncNames() });
    for (const [log, point] of points) if (!this.cuts.has(log)) log.checkpointed = point;
  }

  /** Removes the marks made before `turn`: the checkpoints cover them now. Returns the logs that were marked. */
  private trustAgain(turn: number): PartitionLog[] {
    for (const [key, since] of this.stale) if (since < turn) this.stale.delete(key);
    const there = new Set(this.allLogs());
    const trusted: PartitionLog[] = [];
    for (const [log, { offset, since }] of this.cuts) {
      if (since >= turn) continue;
      this.cuts.delete(log);
      if (!there.has(log)) continue;
      log.removeFile(cutName(offset));
      trusted.push(log);
    }
    return trusted;
  }

  private offsetCheckpoint(
    file: string,
    times: { readonly first: number; readonly intervalMs: number },
    offsetOf: (log: PartitionLog) => Offset,
  ): OffsetCheckpoint {
    const write = (): Promise<void> => this.writeOffsets(file, offsetOf);
    return new OffsetCheckpoint({ ...times, write, offsets: () => Array.from(this.allLogs(), offsetOf) });
  }

  private writeOffsets(file: string, offsetOf: (log: PartitionLog) => number): Promise<void> {
    const entries = [...this.allLogs()]
      .map(log => ({ topic: log.topic, partition: log.partition, offset: offsetOf(log) }))
      .filter(entry => entry.offset >= 0);
    return replaceFileLater(this.env.disk, `${this.path}/${file}`, writeOffsets(entries));
  }

  checkpointSoon(): void {
    this.nextCheckpoint = 0;
  }

  syncNames(): Promise<void> {
    return this.names.run();
  }

  private async syncRoot(): Promise<void> {
    try {
      await this.env.disk.syncDirectory(this.path);
    } catch (error) {
      this.failed(error);
      throw error;
    }
  }

  /**
   * Flushes, removes files and writes checkpoints as they fall due. `now` is of the monotonic clock. Call it about once
   * a second.
   */
  tick(now: number): void {
    if (this.offline || this.closing !== undefined) return;
    if (this.flushing === undefined) {
      const due = [...this.logs.values()].filter(log => log.flushDue(now));
      if (due.length > 0) this.flushing = this.flushAll(due).finally(() => (this.flushing = undefined));
    }
    if (this.removing === undefined) {
      const due = [...this.removals].filter(removal => removal.at <= now);
      if (due.length > 0) this.removing = this.removeAll(due).finally(() => (this.removing = undefined));
    }
    this.nameSome();
    if (now >= this.nextCheckpoint) this.checkpoint().catch(this.failed);
    for (const offsets of [this.starts, this.watermarks]) offsets.tick(now)?.catch(this.failed);
  }

  nameLater(log: PartitionLog): void {
    this.unnamed.add(log);
  }

  private nameSome(): void {
    let left = NAMED_AT_ONCE;
    for (const log of this.unnamed) {
      if (left-- === 0 || this.offline) return;
      this.unnamed.delete(log);
      log.name();
    }
  }

  private flushAll(due: readonly PartitionLog[]): Promise<void> {
    // A failed flush has taken the directory offline already.
    const work = (log: PartitionLog) => log.flush();
    return paced(this.env.timers, due, { width: FLUSH_WIDTH, work }).catch(this.failed);
  }

  private async removeAll(due: readonly Removal[]): Promise<void> {
    try {
      for (const removal of due) {
        if (this.offline || this.closing !== undefined) return;
        await this.env.disk.removeTree(removal.path);
        this.removals.delete(removal);
      }
    } catch (error) {
      this.failed(error);
    }
  }

  /**
   * Flushes and closes every log, writes the checkpoints, then the marker of a clean shutdown, and releases the lock.
   * If anything fails there is no marker, so the next start recovers; rejects with that failure.
   */
  close(brokerEpoch: BrokerEpoch = -1): Promise<void> {
    this.closing ??= this.closeOnce(brokerEpoch);
    return this.closing;
  }

  private async closeOnce(brokerEpoch: BrokerEpoch): Promise<void> {
    const { env, path, offline } = this;
    try {
      await paced(env.timers, this.allLogs(), { width: FLUSH_WIDTH, work: log => log.close() });
      await Promise.all([this.flushing, this.removing]);
      if (offline) return;
      if (this.failure !== undefined) throw this.failure;
      await this.checkpoint();
      const marker = utf8(JSON.stringify({ version: 0, brokerEpoch }));
      await replaceFileLater(env.disk, `${path}/${CLEAN}`, marker);
    } catch (error) {
      this.failed(error);
      throw error;
    } finally {
      this.lock.release();
    }
  }

  /** Releases the lock of a directory that will not be used after all. */
  abandon(): void {
    this.closing ??= Promise.resolve();
    this.lock.release();
  }

  /** Handles errors of background work: a failed disk takes the directory offline, other errors are logged. */
  readonly failed = (error: unknown): void => {
    if (error instanceof DiskError) this.fail(error);
    else this.env.logger.error("work on a log directory failed", { path: this.path, error });
  };

  fail(error: DiskError): void {
    if (this.offline) return;
    this.failure = error;
    this.env.logger.error(`a log directory is offline: ${adviceOf(error)}`, { path: this.path, error: error.message });
    this.options.onOffline?.(this, error);
  }

  removeLater(path: string, at: number): void {
    this.removals.add({ path, at });
  }

  forget(log: PartitionLog): void {
    const key = keyOf(log.topic, log.partition);
    if (this.logs.get(key) === log) this.logs.delete(key);
    if (this.futures.get(key) === log) this.futures.delete(key);
    this.stale.set(key, this.turn);
  }

  promoted(log: PartitionLog, before: string): void {
    // Files that the copy has deleted moved with its directory.
    for (const removal of this.removals) {
      if (removal.path.startsWith(`${before}/`)) removal.path = log.path + removal.path.slice(before.length);
    }
    const key = keyOf(log.topic, log.partition);
    this.futures.delete(key);
    this.logs.set(key, log);
  }
}

/** Opens a log directory, creating it if it is missing. Throws `LogDirError` or `DiskError`. */
export function openLogDir(env: Env, path: string, options: LogDirOptions): LogDir {
  makeLogDir(env.disk, path);
  const lock = env.disk.lock(`${path}/${LOCK}`);
  if (lock === undefined) throw new LogDirError(`${path} is in use by another process.`);
  try {
    return new LogDir(env, path, options, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}
