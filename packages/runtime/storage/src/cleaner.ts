import { DiskError, type Env, guard, MalformedError } from "@samsa/base";
import { type Cleanable, OffsetMap } from "@samsa/log";
import { compact } from "./compact.ts";
import type { LogDir } from "./directory.ts";
import type { PartitionLog } from "./log.ts";

/** Settings under `log.cleaner.*`. */
export interface CleanerSettings {
  readonly enabled: boolean;
  /** Logs compacted at the same time. */
  readonly threads: number;
  /** Memory for the keys of all threads, in bytes (`log.cleaner.dedupe.buffer.size`). */
  readonly dedupeBytes: number;
  /** Share of `dedupeBytes` that may be filled, 0 to 1. */
  readonly loadFactor: number;
  /** Memory for reads and writes of all threads, in bytes (`log.cleaner.io.buffer.size`). */
  readonly bufferBytes: number;
  /** Limit on bytes read and written by all threads together, per second. */
  readonly bytesPerSecond: number;
  /** Milliseconds to wait when no log needs compaction. */
  readonly backoffMs: number;
}

/** Environment, log directories and settings of a `LogCleaner`. */
export interface CleanerOptions {
  readonly env: Env;
  readonly dirs: () => Iterable<LogDir>;
  /** Current settings; they may change at run time. */
  readonly settings: () => CleanerSettings;
}

/** A log and its range that can be compacted. */
interface Dirty {
  readonly dir: LogDir;
  readonly log: PartitionLog;
  readonly range: Cleanable;
}

/** State of the cleaner, for metrics. */
export interface CleanerReport {
  /** Highest share of never compacted bytes of any log; 0 to 1. */
  readonly mostDirty: number;
  /** Logs given up because of an error. */
  readonly uncleanable: number;
  /** When the cleaner last looked for work, in milliseconds of the monotonic clock. */
  readonly lastRun: number;
  /** Time of the longest of the last compactions of each thread, in ms. */
  readonly longestMs: number;
  /** Compactions that are running. */
  readonly running: number;
}

/** Compacts logs in the background, always the log with the highest dirty ratio first (`LogCleaner`). */
export class LogCleaner {
  readonly #options: CleanerOptions;
  readonly #busy = new Set<PartitionLog>();
  /** Logs given up because their compaction failed with an error that is not of the disk. */
  readonly #uncleanable = new WeakSet<PartitionLog>();
  #uncleanableCount = 0;
  #mostDirty = 0;
  #lastRun = 0;
  /** Times of the last compactions, as many as threads, in ms. */
  #lastTimes: number[] = [];
  #running: Promise<void> | undefined;
  readonly #compactions = new Set<Promise<void>>();
  #stopping = false;
  #wake: (() => void) | undefined;
  /** When the bytes let through so far fit into `bytesPerSecond`, in milliseconds of the monotonic clock. */
  #paidUntil = 0;

  constructor(options: CleanerOptions) {
    this.#options = options;
  }

  get report(): CleanerReport {
    return {
      mostDirty: this.#mostDirty,
      uncleanable: this.#uncleanableCount,
      lastRun: this.#lastRun,
      longestMs: Math.max(0, ...this.#lastTimes),
      running: this.#compactions.size,
    };
  }

  /** Starts compaction in the background; does nothing if `enabled` is false. */
  start(): void {
    if (!this.#options.settings().enabled) return;
    this.#running = this.#run();
  }

  /** Stops the cleaner. Resolves when no compaction is running any more. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake?.();
    await this.#running;
    await Promise.all(this.#compactions);
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const { threads, backoffMs } = this.#options.settings();
      guard(
        () => {
          for (let next = this.#next(threads); next !== undefined; next = this.#next(threads))
            this.#begin(next, threads);
        },
        error => this.#options.env.logger.error("the log cleaner failed", { error }),
      );
      await this.#rest(backoffMs);
    }
  }

  /** Waits `ms`, or less if a compaction ends or the cleaner stops. */
  #rest(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = this.#options.env.timers.after(ms, () => this.#wake?.());
      this.#wake = () => {
        timer.cancel();
        this.#wake = undefined;
        resolve();
      };
    });
  }

  /**
   * The log with the highest dirty ratio among those due for compaction; undefined if none is, or all threads are busy.
   */
  #next(threads: number): Dirty | undefined {
    const { env, dirs } = this.#options;
    this.#lastRun = env.clock.monotonic();
    const now = env.clock.now();
    let most: Dirty | undefined;
    this.#mostDirty = 0;
    if (this.#busy.size >= threads) return undefined;
    for (const dir of dirs()) {
      if (dir.offline) continue;
      for (const log of dir.logs.values()) {
        if (!log.config.cleanupPolicy.has("compact") || log.cleaningPaused) continue;
        if (this.#busy.has(log) || this.#uncleanable.has(log)) continue;
        const range = this.#rangeOf(log, now);
        if (range === undefined) continue;
        this.#mostDirty = Math.max(this.#mostDirty, range.ratio);
        const due = range.ratio > log.config.minCleanableRatio || (range.overdue && range.dirtyBytes > 0);
        if (due && (most === undefined || range.ratio > most.range.ratio)) most = { dir, log, range };
      }
    }
    return most;
  }

  /** Undefined if the log cannot be compacted, or if its disk has failed; the directory is then offline. */
  #rangeOf(log: PartitionLog, now: number): Cleanable | undefined {
    try {
      return log.cleanable(now);
    } catch (error) {
      if (!(error instanceof DiskError)) this.#leave(log, error);
      return undefined;
    }
  }

  #leave(log: PartitionLog, error: unknown): void {
    this.#uncleanable.add(log);
    this.#uncleanableCount++;
    this.#options.env.logger.error("a log cannot be compacted, and is left as it is", { path: log.path, error });
  }

  #begin(dirty: Dirty, threads: number): void {
    this.#busy.add(dirty.log);
    const { clock } = this.#options.env;
    const began = clock.monotonic();
    const work = this.#compact(dirty, threads).finally(() => {
      this.#lastTimes = [clock.monotonic() - began, ...this.#lastTimes].slice(0, threads);
      this.#busy.delete(dirty.log);
      this.#compactions.delete(work);
      this.#wake?.();
    });
    this.#compactions.add(work);
  }

  async #compact({ dir, log, range }: Dirty, threads: number): Promise<void> {
    const { env, settings } = this.#options;
    const { dedupeBytes, loadFactor, bufferBytes } = settings();
    try {
      const cleanedTo = await compact(log, range, {
        map: new OffsetMap(dedupeBytes / threads, loadFactor, env.crypto.digest),
        bufferBytes: Math.max(1, Math.floor(bufferBytes / threads / 2)),
        pause: bytes => this.#pay(bytes),
        stopped: () => this.#stopping,
      });
      if (cleanedTo === undefined) return;
      if (cleanedTo <= range.firstDirty)
        throw new MalformedError("a batch has more keys than log.cleaner.dedupe.buffer.size");
      log.cleanedTo = cleanedTo;
      dir.checkpointSoon();
    } catch (error) {
      if (error instanceof DiskError) return dir.failed(error);
      this.#leave(log, error);
    }
  }

  /** Resolves when `bytes` more may be read or written. */
  #pay(bytes: number): Promise<void> {
    const { env, settings } = this.#options;
    const now = env.clock.monotonic();
    this.#paidUntil = Math.max(this.#paidUntil, now) + (bytes * 1000) / settings().bytesPerSecond;
    const wait = this.#paidUntil - now;
    return new Promise(resolve => {
      // Yields to other tasks even if there is nothing to wait for.
      if (wait < 1) env.timers.soon(resolve);
      else env.timers.after(wait, resolve);
    });
  }
}
