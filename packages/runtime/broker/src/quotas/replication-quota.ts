import type { BrokerId, Clock, PartitionIndex } from "@samsa/base";
import type { BrokerConfig } from "../config/configs.ts";
import type { QuotaWindows } from "./quotas.ts";

/**
 * Limit on the bytes per second of throttled replicas that are not in sync (KIP-73, `ReplicationQuotaManager`). The rate
 * is that since the oldest window began, but of one window at least.
 */
export class ReplicationQuota {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #windows: QuotaWindows;
  readonly #limit: () => number;
  /** Bytes of each window, oldest first. */
  #samples: { readonly start: number; bytes: number }[] = [];

  constructor(clock: Pick<Clock, "monotonic">, windows: QuotaWindows, limit: () => number) {
    this.#clock = clock;
    this.#windows = windows;
    this.#limit = limit;
  }

  /** True while throttled replicas must wait. */
  get isExceeded(): boolean {
    return this.bytesPerSecond > this.#limit();
  }

  /** Rate of all throttled replicas. */
  get bytesPerSecond(): number {
    const now = this.#clock.monotonic();
    this.#expire(now);
    const [oldest] = this.#samples;
    if (oldest === undefined) return 0;
    const bytes = this.#samples.reduce((sum, sample) => sum + sample.bytes, 0);
    return (bytes * 1000) / Math.max(now - oldest.start, this.#windows.ms);
  }

  /** Counts bytes of throttled replicas. */
  record(bytes: number): void {
    const now = this.#clock.monotonic();
    this.#expire(now);
    const last = this.#samples.at(-1);
    if (last === undefined || now - last.start >= this.#windows.ms) this.#samples.push({ start: now, bytes });
    else last.bytes += bytes;
  }

  #expire(now: number): void {
    const { count, ms } = this.#windows;
    while (this.#samples[0] !== undefined && now - this.#samples[0].start >= count * ms) this.#samples.shift();
  }
}

/** Limit on the copies of moves between the directories of a broker (KIP-113), which has no list of replicas. */
export function copyQuota(clock: Pick<Clock, "monotonic">, config: () => BrokerConfig): ReplicationQuota {
  const {
    "alter.log.dirs.replication.quota.window.num": count,
    "alter.log.dirs.replication.quota.window.size.seconds": seconds,
  } = config();
  const limit = (): number => config()["replica.alter.log.dirs.io.max.bytes.per.second"];
  return new ReplicationQuota(clock, { count, ms: seconds * 1000 }, limit);
}

/** True if a value of `leader.` or `follower.replication.throttled.replicas` names the replica of a broker. */
export function isThrottled(replicas: readonly string[], partition: PartitionIndex, broker: BrokerId): boolean {
  // Most topics have no throttles, and every fetch asks.
  return replicas.length > 0 && (replicas.includes("*") || replicas.includes(`${partition}:${broker}`));
}
