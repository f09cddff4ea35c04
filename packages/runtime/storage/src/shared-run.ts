import type { Offset } from "@samsa/base";

/** Runs work for many callers together: all calls during a run share the next run. */
export class SharedRun {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** Resolves when a run that began after this call has ended. */
  run(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    const start = () => this.#start();
    this.#next ??= this.#running.then(start, start);
    return this.#next;
  }

  #start(): Promise<void> {
    this.#next = undefined;
    const run = this.#work().finally(() => {
      this.#running = undefined;
    });
    this.#running = run;
    return run;
  }
}

/** Times of the checkpoints of a log directory. */
export interface CheckpointTimes {
  /** Milliseconds between writes of the checkpoints; one minute by default. */
  readonly checkpointIntervalMs?: number;
  /** Milliseconds from the start to the first write of the checkpoints; `checkpointIntervalMs` by default. */
  readonly firstCheckpointMs?: number;
  /** Longest time until a start offset that has moved is written, in milliseconds; one minute by default. */
  readonly startIntervalMs?: number;
  /** Milliseconds between writes of high watermarks that have moved; five seconds by default. */
  readonly watermarkIntervalMs?: number;
}

interface OffsetCheckpointOptions {
  /** Writes the file. */
  readonly write: () => Promise<void>;
  /** Offsets that the file keeps, one for each log. */
  readonly offsets: () => Offset[];
  readonly intervalMs: number;
  /** Monotonic time of the first look. */
  readonly first: number;
}

/** File with an offset of each log, which is written again at an interval if one of them has moved. */
export class OffsetCheckpoint {
  readonly #options: OffsetCheckpointOptions;
  readonly #writes: SharedRun;
  #written: readonly Offset[] = [];
  #next: number;

  constructor(options: OffsetCheckpointOptions) {
    this.#options = options;
    this.#next = options.first;
    this.#writes = new SharedRun(() => {
      this.#written = options.offsets();
      return options.write();
    });
  }

  /** Writes the file; resolves when it is durable. */
  run(): Promise<void> {
    return this.#writes.run();
  }

  /** Writes the file if that is due; undefined if it is not. */
  tick(now: number): Promise<void> | undefined {
    if (now < this.#next) return undefined;
    const { offsets, intervalMs } = this.#options;
    this.#next = now + intervalMs;
    const written = this.#written;
    const current = offsets();
    const isSame = current.length === written.length && current.every((offset, i) => offset === written[i]);
    return isSame ? undefined : this.run();
  }
}
