import { Alarm, type Env } from "@samsa/base";
import { type AcknowledgeType, KafkaError } from "@samsa/client-kernel";
import { checkWhole } from "../cluster/checks.ts";
import type { CancelSignal } from "../cluster/deadline.ts";
import { Demand } from "./demand.ts";
import type { ShareRecord } from "./share-record.ts";
import type { ShareRuntime } from "./share-runtime.ts";

/** Handler of a record: it is accepted when the handler is done. */
export type ShareHandler = (record: ShareRecord, context: ShareHandlerContext) => void | Promise<void>;

/** Circumstances of a handler. */
export interface ShareHandlerContext {
  /** True once the lock of the record is over: another member may have it. */
  readonly isLost: boolean;
}

/** Fate of a record whose handler has failed. */
export type FailureVerdict = Exclude<AcknowledgeType, "renew">;

/** Options of `ShareConsumer.run`. */
export interface ShareRunOptions {
  /** Handlers at a time; 1 by default. */
  readonly concurrency?: number;
  /**
   * Decides on a record whose handler has failed; by default it is released, and comes again until the group's
   * `share.delivery.count.limit`. If this fails too, the record is released and `run` rejects with the error.
   */
  readonly failed?: (record: ShareRecord, error: unknown) => FailureVerdict | Promise<FailureVerdict>;
  /** Longest time in ms for which the lock of a record is renewed while its handler works; 1 h by default. */
  readonly renewForMs?: number;
  /** Ends `run` once the handlers at work are done. */
  readonly signal?: CancelSignal;
}

/** A record that a handler works on. */
interface Work {
  readonly record: ShareRecord;
  readonly since: number;
  /** Time before which its lock is not renewed again. */
  renewAt: number;
}

const RENEW_FOR_MS = 3_600_000;

/** Hands records to handlers, several at a time, acknowledges them, and renews the locks of those that take long. */
export class ShareRunner {
  readonly #runtime: ShareRuntime;
  readonly #handler: ShareHandler;
  readonly #concurrency: number;
  readonly #renewForMs: number;
  readonly #failed: ShareRunOptions["failed"];
  readonly #signal: CancelSignal | undefined;
  readonly #demand: Demand;
  readonly #busy = new Set<Work>();
  #failure: { readonly error: unknown } | undefined;
  readonly #alarm: Alarm;
  #isEnded = false;
  #wake: (() => void) | undefined;

  /** Throws a `KafkaError` for an option that cannot be. */
  constructor(
    env: Env,
    runtime: ShareRuntime,
    handler: ShareHandler,
    options: ShareRunOptions & { readonly most: number },
  ) {
    const { concurrency = 1, renewForMs = RENEW_FOR_MS, failed, signal, most } = options;
    checkWhole("concurrency", concurrency, 1);
    if (!(renewForMs >= 0)) {
      throw new KafkaError("INVALID_ARGUMENT", `renewForMs is ${renewForMs}, but it is a number from 0 on`);
    }
    this.#alarm = new Alarm(env, () => this.#renew());
    this.#runtime = runtime;
    this.#handler = handler;
    this.#concurrency = concurrency;
    this.#renewForMs = renewForMs;
    this.#failed = failed;
    this.#signal = signal;
    this.#demand = new Demand(concurrency, most);
  }

  /** Handles records until `end`, until the signal aborts, or until something fails for good. */
  async run(): Promise<void> {
    const signal = this.#signal;
    const stop = (): void => this.#wake?.();
    signal?.addEventListener("abort", stop);
    try {
      while (!this.#isStopping) {
        this.#fill();
        if (!this.#isStopping) await this.#changed();
      }
    } finally {
      while (this.#busy.size > 0) await this.#changed();
      this.#alarm.cancel();
      signal?.removeEventListener("abort", stop);
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Ends `run` once the handlers at work are done. */
  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  get #isStopping(): boolean {
    return this.#isEnded || this.#failure !== undefined || this.#signal?.aborted === true || this.#runtime.isClosing;
  }

  /** Begins with records as long as handlers are free. */
  #fill(): void {
    try {
      while (this.#busy.size < this.#concurrency && !this.#isStopping) {
        const record = this.#runtime.take();
        const now = this.#runtime.now();
        if (record === undefined) {
          this.#runtime.want(this.#demand.next(now));
          break;
        }
        this.#demand.came(now);
        this.#begin({ record, since: now, renewAt: -Infinity });
      }
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#setTimer();
  }

  #begin(work: Work): void {
    this.#busy.add(work);
    const handled = this.#handle(work).then(verdict => this.#end(work, verdict));
    handled.catch((error: unknown) => {
      this.#failure ??= { error };
      this.#end(work, "release");
    });
  }

  async #handle({ record }: Work): Promise<FailureVerdict> {
    const runtime = this.#runtime;
    const context = {
      get isLost() {
        return record.isLost(runtime.now());
      },
    };
    try {
      await this.#handler(record, context);
      return "accept";
    } catch (error) {
      return (await this.#failed?.(record, error)) ?? "release";
    }
  }

  #end(work: Work, verdict: FailureVerdict): void {
    this.#busy.delete(work);
    // A handler may have acknowledged its record itself.
    if (work.record.isHeld) this.#runtime.acknowledge(work.record, verdict);
    this.#wake?.();
  }

  // Locks

  #setTimer(): void {
    const now = this.#runtime.now();
    let dueAt = Infinity;
    for (const work of this.#busy) dueAt = Math.min(dueAt, this.#dueAt(work, now));
    this.#alarm.set(dueAt);
  }

  /** Time at which the lock of a record is to be renewed: half-way. Infinity: never. */
  #dueAt({ record, since, renewAt }: Work, now: number): number {
    const { lockMs, canRenew } = this.#runtime.fetcher;
    if (lockMs === undefined || !canRenew) return Infinity;
    const isOver = !record.isHeld || record.isLost(now) || now - since >= this.#renewForMs;
    return isOver ? Infinity : Math.max(renewAt, record.lockedUntil - lockMs / 2);
  }

  #renew(): void {
    const now = this.#runtime.now();
    const { lockMs = 0 } = this.#runtime.fetcher;
    for (const work of this.#busy) {
      if (this.#dueAt(work, now) > now) continue;
      work.renewAt = now + lockMs / 4;
      this.#runtime.acknowledge(work.record, "renew");
    }
    this.#setTimer();
  }

  /** Resolves when a handler ends, or records may have come. */
  #changed(): Promise<void> {
    return new Promise(resolve => {
      let unwatch: (() => void) | undefined;
      const wake = (): void => {
        this.#wake = undefined;
        unwatch?.();
        resolve();
      };
      this.#wake = wake;
      unwatch = this.#runtime.loop.watch(wake);
    });
  }
}
