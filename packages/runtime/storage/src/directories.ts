import { BufferPool, DiskError, type Env, guardEach, randomUuid, type Uuid } from "@samsa/base";
import type { LogConfig } from "@samsa/log";
import { adviceOf, type LogDir, LogDirError, META, openLogDir } from "./directory.ts";
import { readWhole } from "./files.ts";
import type { PartitionLog } from "./log.ts";
import { type MetaProperties, readMetaProperties } from "./properties.ts";

export interface LogDirsOptions {
  /** `log.dirs`: where partitions are. */
  readonly paths: readonly string[];
  /** `metadata.log.dir`: one of them, or another. */
  readonly metadataPath: string;
  /** Topic of the metadata log, which is nowhere but in `metadataPath`. */
  readonly metadataTopic: string;
  readonly nodeId: number;
  /** What the directories must belong to; drawn when they are all new and this is missing. */
  readonly clusterId?: string;
  readonly configOf: (topic: string, partition: number) => LogConfig;
  /** Bytes of recent batches kept in memory for all logs: 16 MiB. */
  readonly tailBytes?: number;
  readonly buffers?: BufferPool;
  readonly checkpointIntervalMs?: number;
  /** Called once for each directory whose disk fails. */
  readonly onOffline?: (path: string, error: DiskError) => void;
}

const TAIL_BYTES = 16 << 20;

/** All log directories of a node (`LogManager`), those that have failed included. */
export class LogDirs {
  readonly env: Env;
  readonly metadata: LogDir;
  /** `log.dirs` as they were named. */
  readonly paths: readonly string[];
  /** Those of them that could be opened. */
  readonly opened: readonly LogDir[];
  readonly clusterId: string;
  /** Why directories are offline, by their paths. */
  readonly failures = new Map<string, DiskError>();
  /** Paths of directories that get no new partitions (`cordoned.log.dirs`). */
  cordoned: ReadonlySet<string> = new Set();
  private readonly options: LogDirsOptions;

  /** Throws `LogDirError`, or `DiskError` when the metadata or all else cannot be read. */
  constructor(env: Env, options: LogDirsOptions) {
    this.env = env;
    this.options = options;
    this.paths = options.paths;
    const opened: LogDir[] = [];
    try {
      const known = this.survey();
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

  /** Looks whether the directories belong together before anything is made or changed in them; their cluster. */
  private survey(): string | undefined {
    const { metadataPath, metadataTopic } = this.options;
    const ids = new Map<Uuid, string>();
    let formatted: { readonly path: string; readonly clusterId: string } | undefined;
    let isNew = false;
    for (const path of this.allPaths()) {
      const { meta, hasMetadata } = this.look(path);
      if (path === metadataPath) isNew = meta === undefined && !this.failures.has(path);
      else if (hasMetadata) {
        throw new LogDirError(
          `${path} holds ${metadataTopic}-0, but metadata.log.dir is ${metadataPath}: name the one that holds it.`,
        );
      }
      if (meta?.clusterId === undefined) continue;
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
        `${metadataPath} is where the metadata belongs and is empty, though ${formatted.path} is in use: is its disk ` +
          "mounted, and is metadata.log.dir (or the first of log.dirs) what it was?",
      );
    }
    return formatted?.clusterId;
  }

  private look(path: string): { meta?: Partial<MetaProperties> | undefined; hasMetadata: boolean } {
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
    const { nodeId, configOf, checkpointIntervalMs, tailBytes } = this.options;
    try {
      return openLogDir(this.env, path, {
        nodeId,
        clusterId: this.clusterId,
        configOf,
        buffers,
        tailBytes: Math.floor((tailBytes ?? TAIL_BYTES) / this.allPaths().size),
        ...(checkpointIntervalMs === undefined ? {} : { checkpointIntervalMs }),
        onOffline: (_dir, error) => this.failed(path, error),
      });
    } catch (error) {
      this.offline(path, error);
      return undefined;
    }
  }

  /** A directory that cannot be used from the start; what is not the disk's fault is thrown on. */
  private offline(path: string, error: unknown): void {
    if (!(error instanceof DiskError)) throw error;
    this.env.logger.error(`a log directory is offline: ${adviceOf(error)}`, { path, error: error.message });
    this.failures.set(path, error);
  }

  private failed(path: string, error: DiskError): void {
    this.failures.set(path, error);
    this.options.onOffline?.(path, error);
  }

  get live(): LogDir[] {
    return this.opened.filter(dir => !dir.offline);
  }

  /** Whether one of `log.dirs` is offline: what seems to be missing may be in it. */
  get anyOffline(): boolean {
    return this.live.length < this.paths.length;
  }

  /** Ids of those that were opened and have failed since. */
  get offlineIds(): Uuid[] {
    return this.opened.filter(dir => dir.offline).map(({ directoryId }) => directoryId);
  }

  get cordonedIds(): Uuid[] {
    return this.opened.filter(({ path }) => this.cordoned.has(path)).map(({ directoryId }) => directoryId);
  }

  /** A directory that is served, by its id. */
  withId(id: Uuid): LogDir | undefined {
    return this.live.find(({ directoryId }) => directoryId === id);
  }

  /** A directory that is served, by its path. */
  at(path: string): LogDir | undefined {
    return this.live.find(dir => dir.path === path);
  }

  /** The log of a partition, in whichever directory that is served it is. */
  get(topic: string, partition: number): PartitionLog | undefined {
    for (const dir of this.opened) {
      if (dir.offline) continue;
      const found = dir.get(topic, partition);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The logs of partitions; the metadata's is none of them. */
  *logs(): IterableIterator<PartitionLog> {
    for (const dir of this.live) {
      for (const log of dir.logs.values()) if (log.topic !== this.options.metadataTopic) yield log;
    }
  }

  /** The copies that are being made. */
  *futures(): IterableIterator<PartitionLog> {
    for (const dir of this.live) yield* dir.futures.values();
  }

  /** The copy of a partition's log that is to replace it. */
  future(topic: string, partition: number): PartitionLog | undefined {
    for (const log of this.futures()) if (log.topic === topic && log.partition === partition) return log;
    return undefined;
  }

  /**
   * Creates the log of a partition in the directory with the id `wanted`, else in the one with the fewest logs that is
   * not cordoned, else in any (`LogManager.nextLogDirs`). Undefined when no disk takes it, or one fails half-way: what is
   * begun there must not be begun elsewhere too.
   */
  create(topic: string, partition: number, topicId: Uuid, wanted?: Uuid): PartitionLog | undefined {
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

  /** The broker epoch of the last stop, when it was clean in every directory; else -1. */
  get previousBrokerEpoch(): number {
    const [first, ...rest] = this.opened.map(dir => dir.previousBrokerEpoch);
    return this.anyOffline || rest.some(epoch => epoch !== first) ? -1 : first;
  }

  private everyDir(): Set<LogDir> {
    return new Set([...this.opened, this.metadata]);
  }

  /** Lets go of directories that are not going to be used after all. */
  abandon(): void {
    for (const dir of this.everyDir()) dir.abandon();
  }

  /** What is due. To be called about once a second. */
  tick(now: number): void {
    const report = (error: unknown): void => this.env.logger.error("work on a log directory failed", { error });
    guardEach(this.everyDir(), dir => dir.tick(now), report);
  }

  /** Closes all directories; rejects with the first failure once all are closed. */
  async close(brokerEpoch = -1): Promise<void> {
    const ends = await Promise.allSettled([...this.everyDir()].map(dir => dir.close(brokerEpoch)));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }
}

/** What `work` gives; undefined, with the directory offline, when its disk fails. */
function guarded<T>(dir: LogDir, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    dir.fail(error);
    return undefined;
  }
}
