import type { KafkaError } from "../error/kafka-error.ts";
import type { PartitionOffset } from "./offset-effects.ts";
import type { TrackedOffsets } from "./tracked-offsets.ts";

/** Settings of `AutoCommit`, in ms. */
export interface AutoCommitSettings {
  /** `auto.commit.interval.ms`. */
  readonly intervalMs: number;
  /** `retry.backoff.ms`: time to the next commit after a retriable failure. */
  readonly retryMs: number;
}

/** Schedule of the automatic commits of a consumer, one at a time (`AutoCommitState`). */
export class AutoCommit {
  readonly #settings: AutoCommitSettings;
  readonly #tracked: TrackedOffsets;
  #dueAt: number;
  /** Offsets that are being committed; undefined: none. */
  #sent: readonly PartitionOffset[] | undefined;

  constructor(settings: AutoCommitSettings, tracked: TrackedOffsets, now: number) {
    this.#settings = settings;
    this.#tracked = tracked;
    this.#dueAt = now + settings.intervalMs;
  }

  /** Time of the next `take`; Infinity: `ended` comes first. */
  nextDeadline(): number {
    return this.#sent === undefined ? this.#dueAt : Infinity;
  }

  /** Offsets to commit now, after which `ended` is to be called; none: nothing is due. */
  take(now: number): readonly PartitionOffset[] {
    if (this.nextDeadline() > now) return [];
    this.#dueAt = now + this.#settings.intervalMs;
    const offsets = this.#tracked.dirty();
    if (offsets.length > 0) this.#sent = offsets;
    return offsets;
  }

  /** The commit has ended. What has failed goes with the next one. */
  ended(now: number, error: KafkaError | undefined): void {
    if (error === undefined) for (const offset of this.#sent ?? []) this.#tracked.committed(offset);
    else if (error.retriable) this.#dueAt = Math.min(this.#dueAt, now + this.#settings.retryMs);
    this.#sent = undefined;
  }

  /** A rebalance is over, before which offsets were committed: the interval begins again. */
  restart(now: number): void {
    this.#dueAt = now + this.#settings.intervalMs;
  }
}
