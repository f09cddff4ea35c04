import { DiskError, type Env, guard, MalformedError } from "@samsa/base";
import { type Cleanable, OffsetMap } from "@samsa/log";
import { compact } from "./compact.ts";
import type { LogDir } from "./directory.ts";
import type { PartitionLog } from "./log.ts";

/** `log.cleaner.*` */
export interface CleanerSettings {
  readonly enabled: boolean;
  /** Logs that are compacted at the same time. */
  readonly threads: number;
  /** For the keys of all of them. */
  readonly dedupeBytes: number;
  /** The share of that which is filled. */
  readonly loadFactor: number;
  /** For what all of them read and write at a time. */
  readonly bufferBytes: number;
  /** Bytes a second, read and written, of all of them together. */
  readonly bytesPerSecond: number;
  /** How long to wait when there is nothing to compact. */
  readonly backoffMs: number;
}

export interface CleanerOptions {
  readonly env: Env;
  readonly dirs: () => Iterable<LogDir>;
  /** As they are now: they change at run time. */
  readonly settings: () => CleanerSettings;
}

/** A log and what can be compacted of it. */
interface Dirty {
  readonly dir: LogDir;
  readonly log: PartitionLog;
  readonly range: Cleanable;
}

/** What the cleaner has to tell of itself. */
export interface CleanerReport {
  /** Of the log that needs it most, the share of bytes that were never compacted; 0 to 1. */
  readonly mostDirty: number;
  readonly uncleanable: number;
  /** On the clock that nobody sets. */
  readonly lastRun: number;
}

/** Compacts logs in the background, always the one that needs it most (`LogCleaner`). */
export class LogCleaner {
  readonly #options: CleanerOptions;
  readonly #busy = new Set<PartitionLog>();
  /** Logs that cannot be compacted, since something in them cannot be read. */
  readonly #uncleanable = new WeakSet<PartitionLog>();
  #uncleanableCount = 0;
  #mostDirty = 0;
  #lastRun = 0;
  #running: Promise<void> | undefined;
  readonly #compactions = new Set<Promise<void>>();
  #stopping = false;
  #wake: (() => void) | undefined;
  /** When the bytes that were let through are paid for, on the clock that nobody sets. */
  #paidUntil = 0;

  constructor(options: CleanerOptions) {
    this.#options = options;
  }

  get report(): CleanerReport {
    return { mostDirty: this.#mostDirty, uncleanable: this.#uncleanableCount, lastRun: this.#lastRun };
  }

  start(): void {
    if (!this.#options.settings().enabled) return;
    this.#running = this.#run();
  }

  /** Resolves when nothing is compacted any more. */
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

  /** Waits, until there may be something to do again. */
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

  /** The log that needs it most, of those that need it at all. */
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

  /** Undefined when the disk has failed, with its directory offline, or when the log cannot be compacted. */
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
    const work = this.#compact(dirty, threads).finally(() => {
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

  /** Resolves when more bytes may be read or written. */
  #pay(bytes: number): Promise<void> {
    const { env, settings } = this.#options;
    const now = env.clock.monotonic();
    this.#paidUntil = Math.max(this.#paidUntil, now) + (bytes * 1000) / settings().bytesPerSecond;
    const wait = this.#paidUntil - now;
    return new Promise(resolve => {
      // Others have their turn in any case.
      if (wait < 1) env.timers.soon(resolve);
      else env.timers.after(wait, resolve);
    });
  }
}
