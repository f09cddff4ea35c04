import type { Timer } from "@samsa/base";
import type { AppendRequest, AppendResult, LogConfig } from "@samsa/log";
import { Errors } from "@samsa/protocol";
import type { JudgeRules } from "@samsa/records";
import type { Acks, Wait } from "@samsa/replica";
import type { PartitionLog, ReadOptions, ReadResult } from "@samsa/storage";
import type { Deadlines } from "./deadlines.ts";

/**
 * Least time that an append waits for the device, whatever its client allows, in ms. Kafka's own write counts in no
 * time-out; this one ends requests of clients that have given up (`request.timeout.ms`) while a device hangs.
 */
export const LEAST_WAIT_MS = 30_000;

/** Rule for the acknowledgement of an append, and its outcome. */
export interface Acknowledgement {
  readonly acks: Acks;
  /** Time to wait, in ms; then the append has the error REQUEST_TIMED_OUT, and its records stay. No limit by default. */
  readonly timeoutMs?: number;
  /** Called once: with 0, or the error code for the client. */
  readonly done: (errorCode: number) => void;
}

/** An append that waits for its acknowledgement. */
export interface PendingAppend {
  readonly timeoutMs: number | undefined;
  readonly done: (errorCode: number) => void;
  timer: Timer | undefined;
}

/** An append by the leader, which knows its epoch. */
export type LeaderAppend = Omit<AppendRequest, "leaderEpoch">;

export interface PartitionRead extends Omit<ReadOptions, "limitOffset"> {
  /** End of the readable records (`FetchIsolation`). */
  readonly isolation: "LOG_END" | "HIGH_WATERMARK" | "TXN_COMMITTED";
}

export interface PartitionReadResult extends ReadResult {
  /** Transactions that were aborted among the records read; null unless `isolation` is TXN_COMMITTED. */
  readonly aborted: ReturnType<PartitionLog["abortedTransactions"]> | null;
}

/** Result of an append that is refused. */
export function refused(error: number): AppendResult {
  return { error, firstOffset: -1, lastOffset: -1, logAppendTime: -1, duplicate: false };
}

/** Settings of a topic as its partitions use them. */
export interface PartitionSettings {
  readonly log: LogConfig;
  readonly rules: JudgeRules;
  readonly minInSync: number;
  /** Throttled leaders and followers, as `partition:broker`, or `*`. */
  readonly throttled: { readonly leaders: readonly string[]; readonly followers: readonly string[] };
}

/** Ends appends that wait longer than their time-outs, but no sooner than after `leastMs`, with REQUEST_TIMED_OUT. */
export function limitWaits(deadlines: Deadlines, waits: readonly Wait<PendingAppend>[], leastMs: number): void {
  for (const wait of waits) {
    const { item } = wait;
    if (item?.timeoutMs === undefined) continue;
    item.timer = deadlines.after(Math.max(leastMs, item.timeoutMs), () => {
      wait.cancel();
      item.done(Errors.REQUEST_TIMED_OUT.code);
    });
  }
}
