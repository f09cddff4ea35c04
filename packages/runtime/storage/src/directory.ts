import { type DiskError, type DiskLock, type Env, fromUtf8, invariant, randomUuid, type Uuid, utf8 } from "@samsa/base";
import { type LogConfig, PARTITION_FILE, readOffsets, readTopicId, writeOffsets, writeTopicId } from "@samsa/log";
import { readWhole, removeIfThere, replaceFile } from "./files.ts";
import { PartitionLog } from "./log.ts";
import { type MetaProperties, readMetaProperties, writeMetaProperties } from "./properties.ts";
import { loadState } from "./recovery.ts";
import { TailPool } from "./tail.ts";
import type { LogHome } from "./types.ts";

export interface LogDirOptions {
  readonly nodeId: number;
  /** What the directory must belong to; an empty directory is formatted with it. */
  readonly clusterId?: string;
  /** For a directory that is formatted now; drawn when missing. */
  readonly directoryId?: Uuid;
  /** The settings of each log; by name and number, since topic ids are in the directories. */
  readonly configOf: (topic: string, partition: number) => LogConfig;
  /** Bytes of recent batches kept in memory for all logs: 64 MiB. */
  readonly tailBytes?: number;
  /** How often recovery points are written down, in milliseconds: one minute. */
  readonly checkpointIntervalMs?: number;
  /** Called once, when the disk fails. */
  readonly onOffline?: (dir: LogDir, error: DiskError) => void;
}

/** The directory cannot be used; the message says why in one sentence. */
export class LogDirError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "LogDirError";
  }
}

const META = "meta.properties";
const LOCK = ".lock";
const CLEAN = ".kafka_cleanshutdown";
const RECOVERY_POINTS = "recovery-point-offset-checkpoint";
const START_OFFSETS = "log-start-offset-checkpoint";
const HIGH_WATERMARKS = "replication-offset-checkpoint";

interface Removal {
  readonly path: string;
  readonly directory: boolean;
  readonly at: number;
}

function keyOf(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

/** One log directory and the logs in it. */
export class LogDir implements LogHome {
  readonly env: Env;
  readonly path: string;
  readonly meta: MetaProperties;
  readonly tails: TailPool;
  readonly logs = new Map<string, PartitionLog>();
  /** What the marker of the last clean stop said; -1 when it said nothing or there was none. */
  readonly previousBrokerEpoch: number;
  /** The last stop was clean. */
  readonly cleanStart: boolean;
  offline = false;
  private readonly options: LogDirOptions;
  private readonly lock: DiskLock;
  private removals: Removal[] = [];
  private nextCheckpoint: number;

  constructor(env: Env, path: string, options: LogDirOptions, lock: DiskLock) {
    this.env = env;
    this.path = path;
    this.options = options;
    this.lock = lock;
    this.tails = new TailPool(options.tailBytes ?? 67108864);
    this.meta = this.ownership();
    this.nextCheckpoint = env.clock.now() + this.interval;
    const marker = readWhole(env.disk, `${path}/${CLEAN}`);
    this.cleanStart = marker !== undefined;
    this.previousBrokerEpoch = marker === undefined ? -1 : brokerEpochIn(marker);
    this.load();
    removeIfThere(env.disk, `${path}/${CLEAN}`);
    if (this.cleanStart) env.disk.syncDirectory(path);
  }

  get directoryId(): Uuid {
    return this.meta.directoryId;
  }

  private get interval(): number {
    return this.options.checkpointIntervalMs ?? 60_000;
  }

  /** Reads or writes `meta.properties`. */
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
      replaceFile(env.disk, `${path}/${META}`, writeMetaProperties(meta), true);
    }
    return meta;
  }

  private offsets(file: string): Map<string, number> {
    const bytes = readWhole(this.env.disk, `${this.path}/${file}`);
    const entries = bytes === undefined ? [] : readOffsets(bytes);
    return new Map(entries.map(({ topic, partition, offset }) => [keyOf(topic, partition), offset]));
  }

  private load(): void {
    const recoveryPoints = this.offsets(RECOVERY_POINTS);
    const starts = this.offsets(START_OFFSETS);
    const watermarks = this.offsets(HIGH_WATERMARKS);
    for (const { name, directory } of this.env.disk.list(this.path)) {
      if (!directory) continue;
      if (name.endsWith("-delete")) {
        this.env.disk.removeDirectory(`${this.path}/${name}`);
        continue;
      }
      const match = /^(.+)-(\d+)$/.exec(name);
      if (match === null) continue;
      this.loadLog(match[1], Number(match[2]), {
        recoveryPoint: recoveryPoints.get(name) ?? 0,
        start: starts.get(name) ?? 0,
        watermark: watermarks.get(name) ?? 0,
      });
    }
  }

  private loadLog(
    topic: string,
    partition: number,
    known: { recoveryPoint: number; start: number; watermark: number },
  ): PartitionLog {
    const { env } = this;
    const path = `${this.path}/${keyOf(topic, partition)}`;
    const config = this.options.configOf(topic, partition);
    const { recoveryPoint, start, watermark } = known;
    const state = loadState({ env, path, config, clean: this.cleanStart, recoveryPoint, startOffset: start });
    const named = readWhole(env.disk, `${path}/${PARTITION_FILE}`);
    const log = new PartitionLog({
      home: this,
      path,
      topic,
      partition,
      topicId: named === undefined ? undefined : readTopicId(named),
      state,
      recoveryPoint: this.cleanStart ? state.endOffset : Math.min(recoveryPoint, state.endOffset),
      highWatermark: Math.min(Math.max(watermark, state.startOffset), state.endOffset),
    });
    this.logs.set(keyOf(topic, partition), log);
    return log;
  }

  get(topic: string, partition: number): PartitionLog | undefined {
    return this.logs.get(keyOf(topic, partition));
  }

  /** Creates the log of a partition that is not here yet. */
  create(topic: string, partition: number, topicId: Uuid): PartitionLog {
    const key = keyOf(topic, partition);
    invariant(!this.logs.has(key), "a log is created once");
    const path = `${this.path}/${key}`;
    this.env.disk.makeDirectory(path);
    // The first flush makes this durable, before any record is.
    replaceFile(this.env.disk, `${path}/${PARTITION_FILE}`, writeTopicId(topicId), false);
    return this.loadLog(topic, partition, { recoveryPoint: 0, start: 0, watermark: 0 });
  }

  /** Writes down what a restart needs: recovery points, log starts, high watermarks. */
  checkpoint(): void {
    this.writeOffsets(RECOVERY_POINTS, log => log.recoveryPoint);
    this.writeOffsets(START_OFFSETS, log => (log.startOffset > log.state.segments[0].base ? log.startOffset : -1));
    this.writeOffsets(HIGH_WATERMARKS, log => log.highWatermark);
    this.nextCheckpoint = this.env.clock.now() + this.interval;
  }

  private writeOffsets(file: string, offsetOf: (log: PartitionLog) => number): void {
    const entries = [...this.logs.values()]
      .map(log => ({ topic: log.topic, partition: log.partition, offset: offsetOf(log) }))
      .filter(entry => entry.offset >= 0);
    replaceFile(this.env.disk, `${this.path}/${file}`, writeOffsets(entries), true);
  }

  /** What is due: flushes, removals, checkpoints. To be called about once a second. */
  tick(now: number): void {
    if (this.offline) return;
    for (const log of this.logs.values()) {
      // A failed flush has taken the directory offline already.
      if (log.flushDue(now)) log.flush().catch(() => {});
    }
    try {
      this.remove(now);
      if (now >= this.nextCheckpoint) this.checkpoint();
    } catch (error) {
      this.fail(error as DiskError);
    }
  }

  private remove(now: number): void {
    const due = this.removals.filter(removal => removal.at <= now);
    if (due.length === 0) return;
    this.removals = this.removals.filter(removal => removal.at > now);
    for (const { path, directory } of due) {
      if (!directory) removeIfThere(this.env.disk, path);
      else if (this.env.disk.stat(path) !== undefined) this.env.disk.removeDirectory(path);
    }
  }

  /** Flushes and closes every log, writes the checkpoints and last of all the marker of a clean stop. */
  close(brokerEpoch = -1): void {
    if (!this.offline) {
      for (const log of this.logs.values()) log.close();
      this.checkpoint();
      const marker = utf8(JSON.stringify({ version: 0, brokerEpoch }));
      if (!this.offline) replaceFile(this.env.disk, `${this.path}/${CLEAN}`, marker, true);
    } else {
      for (const log of this.logs.values()) log.close();
    }
    this.lock.release();
  }

  fail(error: DiskError): void {
    if (this.offline) return;
    this.offline = true;
    this.env.logger.error("a log directory is offline", { path: this.path, error: error.message });
    this.options.onOffline?.(this, error);
  }

  removeLater(path: string, directory: boolean, at: number): void {
    this.removals.push({ path, directory, at });
  }

  forget(log: { readonly topic: string; readonly partition: number }): void {
    this.logs.delete(keyOf(log.topic, log.partition));
  }
}

/** The broker epoch in a marker; older releases wrote an empty file or a plain number. */
function brokerEpochIn(marker: Uint8Array): number {
  try {
    const parsed = JSON.parse(fromUtf8(marker)) as { brokerEpoch?: unknown } | number | null;
    const epoch = typeof parsed === "object" ? parsed?.brokerEpoch : undefined;
    return typeof epoch === "number" ? epoch : -1;
  } catch {
    return -1;
  }
}

/** Opens a log directory, creating it if it is missing. Throws `LogDirError` or `DiskError`. */
export function openLogDir(env: Env, path: string, options: LogDirOptions): LogDir {
  if (env.disk.stat(path) === undefined) {
    env.disk.makeDirectory(path);
    // A directory whose name is lost in a power cut takes all that is in it along.
    const parent = path.slice(0, path.lastIndexOf("/"));
    env.disk.syncDirectory(parent === "" ? "/" : parent);
  }
  const lock = env.disk.lock(`${path}/${LOCK}`);
  if (lock === undefined) throw new LogDirError(`${path} is in use by another process.`);
  try {
    return new LogDir(env, path, options, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}
