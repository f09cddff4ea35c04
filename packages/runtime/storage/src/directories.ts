import {
  type BrokerEpoch,
  type BrokerId,
  BufferPool,
  DiskError,
  type Env,
  guardEach,
  type PartitionIndex,
  randomUuid,
  type Uuid,
} from "@samsa/base";
import type { LogConfig } from "@samsa/log";
import { type LogDir, LogDirError, META, openLogDir } from "./directory.ts";
import type { CheckpointTimes } from "./shared-run.ts";
import { adviceOf, readWhole } from "./files.ts";
import type { PartitionLog } from "./log.ts";
import { META_VERSIONS, readMetaProperties } from "./properties.ts";

/** Directories of a node and the settings of the logs in them. */
export interface LogDirsOptions {
  /** `log.dirs`: the directories of partitions. */
  readonly paths: readonly string[];
  /** `metadata.log.dir`: one of `paths`, or another directory. */
  readonly metadataPath: string;
  /** Topic of the metadata log, which must be in `metadataPath`. */
  readonly metadataTopic: string;
  readonly nodeId: BrokerId;
  /**
   * Cluster that the directories must belong to. If missing, it is read from them; if all are new, a random id is
   * drawn.
   */
  readonly clusterId?: string;
  /** Refuses to start a new cluster: one of the directories must have been formatted. Default: false. */
  readonly mustBeFormatted?: boolean;
  /** Settings of each log, by topic name and partition number. */
  readonly configOf: (topic: string, partition: PartitionIndex) => LogConfig;
  /** Memory for recent batches of all logs, in bytes; 16 MiB by default. */
  readonly tailBytes?: number;
  /** Pool of read buffers; a new one by default. */
  readonly buffers?: BufferPool;
  /** Times of checkpoints; those of `LogDirOptions` by default. */
  readonly checkpoints?: CheckpointTimes;
  /** Called after each flush of the files of a log, with its time in ms. */
  readonly flushed?: (ms: number) => void;
  /** Called once for each directory whose disk fails. */
  readonly onOffline?: (path: string, error: DiskError) => void;
}

const TAIL_BYTES = 16 << 20;

/** All log directories of a node, including those that have failed (`LogManager`). */
export class LogDirs {
  readonly env: Env;
  readonly metadata: LogDir;
  /** `log.dirs`, as configured. */
  readonly paths: readonly string[];
  /** Directories of `log.dirs` that could be opened. */
  readonly opened: readonly LogDir[];
  readonly clusterId: string;
  /** Errors of offline directories, by path. */
  readonly failures = new Map<string, DiskError>();
  /** Paths of directories that get no new partitions (`cordoned.log.dirs`). */
  cordoned: ReadonlySet<string> = new Set();
  private readonly options: LogDirsOptions;

  /**
   * Throws `LogDirError`; throws `DiskError` if the metadata directory or every directory of `log.dirs` is unreadable.
   */
  constructor(env: Env, options: LogDirsOptions) {
    this.env = env;
    this.options = options;
    this.paths = options.paths;
    const opened: LogDir[] = [];
    try {
      const known = this.survey();
      if (options.mustBeFormatted === true && known === undefined && this.failures.size === 0) {
        throw new LogDirError(
          `${options.metadataPath} is not formatted, and this node belongs to a cluster of several nodes: check that ` +
            "its disk is mounted, or format it with the id of the cluster.",
        );
      }
      const draw = () => randomUuid(length => env.random.bytes(length));
      this.clusterId = options.clusterId ?? known ?? draw();
      const buffers = options.buffers ?? new BufferPool();
      for (const path of this.allPaths()) {
        const dir = this.open(path, buffers);
        if (dir !== undefined) opened.push(dir);
      }
      const metadata = opened.find(({ path }) => path === options.metadataPath);
      if (metadata === undefined) throw this.failures.get(options.metadataPath) as DiskError;
      this.metadata = metadata;
      this.opened = opened.filter(({ path }) => options.paths.includes(path));
      const last = [...this.failures.values()].at(-1);
      if (this.opened.length === 0 && last !== undefined) throw last;
    } catch (error) {
      for (const dir of opened) dir.abandon();
      throw error;
    }
  }

  private allPaths(): Set<string> {
    return new Set([...this.options.paths, this.options.metadataPath]);
  }

  /** Checks that the directories belong together before anything in them is changed. Returns their cluster id. */
  private survey(): string | undefined {
    const { metadataPath, metadataTopic } = this.options;
    const ids = new Map<Uuid, string>();
    let formatted: { readonly path: string; readonly clusterId: string } | undefined;
    let isNew = false;
    for (const path of this.allPaths()) {
      const { meta, hasMetadata } = this.look(path);
      if (hasMetadata && meta?.clusterId === undefined && !this.failures.has(path)) {
        throw new LogDirError(
          `${path} holds ${metadataTopic}-0, but its meta.properties names no cluster.id: restore the file from a copy.`,
        );
      }
      if (path === metadataPath) isNew = meta === undefined && !this.failures.has(path);
      else if (hasMetadata) {
        throw new LogDirError(
          `${path} holds ${metadataTopic}-0, but metadata.log.dir is ${metadataPath}: set it to ${path}.`,
        );
      }
      if (meta?.clusterId === undefined) continue;
      checkOwner(path, meta);
      formatted ??= { path, clusterId: meta.clusterId };
      if (meta.clusterId !== formatted.clusterId) {
        throw new LogDirError(
          `${formatted.path} belongs to cluster ${formatted.clusterId}, but ${path} to cluster ${meta.clusterId}.`,
        );
      }
      const twin = meta.directoryId === undefined ? undefined : ids.get(meta.directoryId);
      if (twin !== undefined) {
        throw new LogDirError(
          `${twin} and ${path} are the same directory or copies of it: both have the id ${meta.directoryId}.`,
        );
      }
      if (meta.directoryId !== undefined) ids.set(meta.directoryId, path);
    }
    if (isNew && formatted !== undefined) {
      throw new LogDirError(
        `The metadata directory ${metadataPath} is empty, but ${formatted.path} is in use: check that its disk is ` +
          "mounted and that metadata.log.dir (or the first entry of log.dirs) has not changed.",
      );
    }
    return formatted?.clusterId;
  }

  private look(path: string): {
    meta?: ReturnType<typeof readMetaProperties> | undefined;
    hasMetadata: boolean;
  } {
    try {
      const bytes = readWhole(this.env.disk, `${path}/${META}`);
      const hasMetadata = this.env.disk.stat(`${path}/${this.options.metadataTopic}-0`) !== undefined;
      return { meta: bytes === undefined ? undefined : readMetaProperties(bytes), hasMetadata };
    } catch (error) {
      this.offline(path, error);
      return { hasMetadata: false };
    }
  }

  private open(path: string, buffers: BufferPool): LogDir | undefined {
    if (this.failures.has(path)) return undefined;
    const { nodeId, configOf, checkpoints, tailBytes } = this.options;
    try {
      return openLogDir(this.env, path, {
        nodeId,
        clusterId: this.clusterId,
        configOf,
        buffers,
        tailBytes: Math.floor((tailBytes ?? TAIL_BYTES) / this.allPaths().size),
        ...checkpoints,
        flushed: ms => this.options.flushed?.(ms),
        onOffline: (_dir, error) => this.failed(path, error),
      });
    } catch (error) {
      this.offline(path, error);
      return undefined;
    }
  }

  /** Notes a directory that cannot be opened. Rethrows errors that are not of the disk. */
  private offline(path: string, error: unknown): void {
    if (!(error instanceof DiskError)) throw error;
    this.env.logger.error(`a log directory is offline: ${adviceOf(error)}`, { path, error: error.message });
    this.failures.set(path, error);
  }

  private failed(path: string, error: DiskError): void {
    this.failures.set(path, error);
    this.options.onOffline?.(path, error);
  }

  /** Opened directories of `log.dirs` that are online. */
  get live(): LogDir[] {
    return this.opened.filter(dir => !dir.offline);
  }

  /** True if a directory of `log.dirs` is offline: logs that seem to be missing may be in it. */
  get anyOffline(): boolean {
    return this.live.length < this.paths.length;
  }

  /** Ids of directories that were opened and have failed since. */
  get offlineIds(): Uuid[] {
    return this.opened.filter(dir => dir.offline).map(({ directoryId }) => directoryId);
  }

  get cordonedIds(): Uuid[] {
    return this.opened.filter(({ path }) => this.cordoned.has(path)).map(({ directoryId }) => directoryId);
  }

  /** The online directory with this id. */
  withId(id: Uuid): LogDir | undefined {
    return this.live.find(({ directoryId }) => directoryId === id);
  }

  /** The online directory at this path. */
  at(path: string): LogDir | undefined {
    return this.live.find(dir => dir.path === path);
  }

  /** The log of a partition, from any online directory. */
  get(topic: string, partition: PartitionIndex): PartitionLog | undefined {
    for (const dir of this.opened) {
      if (dir.offline) continue;
      const found = dir.get(topic, partition);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Logs of all partitions, without the metadata log. */
  *logs(): IterableIterator<PartitionLog> {
    for (const dir of this.live) {
      for (const log of dir.logs.values()) if (log.topic !== this.options.metadataTopic) yield log;
    }
  }

  /** Copies of logs that are being moved to another directory (future logs). */
  *futures(): IterableIterator<PartitionLog> {
    for (const dir of this.live) yield* dir.futures.values();
  }

  /** The copy of a partition's log that is to replace it (future log). */
  future(topic: string, partition: PartitionIndex): PartitionLog | undefined {
    for (const log of this.futures()) if (log.topic === topic && log.partition === partition) return log;
    return undefined;
  }

  /**
   * Creates the log of a partition: in the directory with the id `wanted`, else in the directory with the fewest logs
   * that is not cordoned, else in any (`LogManager.nextLogDirs`). Undefined if every disk refuses, or if a disk fails
   * half-way: a log that has been started in one directory must not be started in another.
   */
  create(topic: string, partition: PartitionIndex, topicId: Uuid, wanted?: Uuid): PartitionLog | undefined {
    const preferred = wanted === undefined ? undefined : this.withId(wanted);
    for (const dir of preferred === undefined ? this.nextDirs() : [preferred]) {
      if (guarded(dir, () => dir.makeRoom(topic, partition)) === undefined) continue;
      return guarded(dir, () => dir.create(topic, partition, topicId));
    }
    return undefined;
  }

  private nextDirs(): LogDir[] {
    const { live } = this;
    const open = live.filter(({ path }) => !this.cordoned.has(path));
    if (open.length === 0) return live.slice(0, 1);
    const counts = new Map(open.map(({ path }) => [path, 0]));
    for (const { home } of [...this.logs(), ...this.futures()]) counts.set(home.path, (counts.get(home.path) ?? 0) + 1);
    return open.sort((a, b) => (counts.get(a.path) ?? 0) - (counts.get(b.path) ?? 0));
  }

  /** Broker epoch of the last shutdown, if it was clean in every directory; else -1. */
  get previousBrokerEpoch(): BrokerEpoch {
    const [first, ...rest] = this.opened.map(dir => dir.previousBrokerEpoch);
    return first === undefined || this.anyOffline || rest.some(epoch => epoch !== first) ? -1 : first;
  }

  private everyDir(): Set<LogDir> {
    return new Set([...this.opened, this.metadata]);
  }

  /** Releases the locks of directories that will not be used after all. */
  abandon(): void {
    for (const dir of this.everyDir()) dir.abandon();
  }

  /**
   * Flushes, removes files and writes checkpoints as they fall due. `now` is of the monotonic clock. Call it about once
   * a second.
   */
  tick(now: number): void {
    const report = (error: unknown): void => this.env.logger.error("work on a log directory failed", { error });
    guardEach(this.everyDir(), dir => dir.tick(now), report);
  }

  /** Closes all directories. Rejects with the first failure once all are closed. */
  async close(brokerEpoch: BrokerEpoch = -1): Promise<void> {
    const ends = await Promise.allSettled([...this.everyDir()].map(dir => dir.close(brokerEpoch)));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }
}

/** Throws unless the file of a directory is of a version that this release knows, and names the directory's node. */
function checkOwner(path: string, { version, nodeId }: ReturnType<typeof readMetaProperties>): void {
  if (!META_VERSIONS.includes(version)) {
    const known = META_VERSIONS.join(" and ");
    throw new LogDirError(`${path}/${META} has version ${version}, but this release knows versions ${known} only.`);
  }
  if (nodeId !== undefined) return;
  const name = version === "0" ? "broker.id" : "node.id";
  throw new LogDirError(`${path}/${META} has version ${version} and no ${name}: restore the file from a copy.`);
}

/** Result of `work`; undefined if the disk fails, which takes the directory offline. */
function guarded<T>(dir: LogDir, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    dir.fail(error);
    return undefined;
  }
}
