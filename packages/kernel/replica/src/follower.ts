import { checkTransition, type LeaderEpoch, type Offset, type PreviousStates } from "@samsa/base";
import { Errors } from "@samsa/protocol";

/** Largest epoch up to an epoch, and its end; both −1: unknown. */
export interface EpochEnd {
  readonly epoch: LeaderEpoch;
  readonly endOffset: Offset;
}

/** Log of a follower, as far as its decisions need it. */
export interface FollowerLog {
  readonly startOffset: Offset;
  readonly endOffset: Offset;
  /** Latest leader epoch; −1: unknown. */
  readonly latestEpoch: LeaderEpoch;
  endOffsetForEpoch(epoch: LeaderEpoch): EpochEnd;
}

/** Position of a fetch in the leader's log. */
export interface FetchPosition {
  readonly leaderEpoch: LeaderEpoch;
  readonly offset: Offset;
  /** Epoch of the last record before `offset`; −1: unknown. */
  readonly lastEpoch: LeaderEpoch;
  readonly logStart: Offset;
}

/** Answer of the leader for one partition, without its records. */
export interface FetchAnswer {
  readonly errorCode: number;
  /** Both fields are −1 unless the logs have diverged before the fetch offset. */
  readonly divergingEpoch: EpochEnd;
}

/** First and last offset of the leader's log, or the error code of ListOffsets. */
export type LeaderRange = { readonly start: Offset; readonly end: Offset } | { readonly errorCode: number };

/** Action that a follower takes after an answer. */
export type FollowerStep =
  /** Drop the answer: it is one to an earlier position. */
  | { readonly type: "IGNORE" }
  /** Append the records of epochs up to the fetch's, then take the high watermark and the start of the leader. */
  | { readonly type: "APPEND" }
  /** Remove the records from `offset` on. High watermark and start stay until the next answer. */
  | { readonly type: "TRUNCATE"; readonly offset: Offset }
  /** Empty the log, and begin at `offset`. */
  | { readonly type: "RESTART"; readonly offset: Offset }
  /** Ask the leader for its range, and call `ranged`. */
  | { readonly type: "ASK_RANGE" }
  /** Fetch again after a pause, of `replica.fetch.backoff.ms` at most. */
  | { readonly type: "BACK_OFF" }
  /** Do not fetch before the metadata names another leader epoch. */
  | { readonly type: "STOP" };

/** State of the fetches of a partition (`ReplicaState`, `PartitionFetchState`). */
type FollowerState = "FETCHING" | "ASKING" | "DELAYED" | "FAILED";

/** Valid previous states. A failed partition is followed again by another object, in the next leader epoch. */
const PREVIOUS_FOLLOWER_STATES: PreviousStates<FollowerState> = {
  FETCHING: ["FETCHING", "ASKING", "DELAYED"],
  // The fetch offset is out of the leader's range, which is not known.
  ASKING: ["FETCHING"],
  DELAYED: ["FETCHING", "ASKING", "DELAYED"],
  FAILED: ["FETCHING", "ASKING", "DELAYED"],
};

const IGNORE = { type: "IGNORE" } as const;
const BACK_OFF = { type: "BACK_OFF" } as const;

/** Fetches of one partition from the leader of one epoch (`AbstractFetcherThread`). */
export class FollowerReplica {
  readonly leaderEpoch: LeaderEpoch;
  #state: FollowerState = "FETCHING";
  /** Monotonic time before which a delayed partition is not fetched. */
  #until = -Infinity;
  /** Position of the last truncation: the same answer to it again is no progress. */
  #truncatedFrom: FetchPosition | undefined;

  constructor(leaderEpoch: LeaderEpoch) {
    this.leaderEpoch = leaderEpoch;
  }

  get state(): FollowerState {
    return this.#state;
  }

  /** Monotonic time at which a delayed partition is due; Infinity if it does not wait for a time. */
  get dueAt(): number {
    return this.#state === "DELAYED" ? this.#until : Infinity;
  }

  /** True if the partition may be fetched at `now`. */
  isReady(now: number): boolean {
    if (this.#state === "DELAYED" && now >= this.#until) this.#enter("FETCHING");
    return this.#state === "FETCHING";
  }

  /** Position of the next fetch. */
  position({ startOffset, endOffset, latestEpoch }: FollowerLog): FetchPosition {
    return { leaderEpoch: this.leaderEpoch, offset: endOffset, lastEpoch: latestEpoch, logStart: startOffset };
  }

  /** Decides on the answer to a fetch at `asked` (`AbstractFetcherThread.processFetchRequest`). */
  answered(asked: FetchPosition, answer: FetchAnswer, log: FollowerLog): FollowerStep {
    const isCurrent = asked.leaderEpoch === this.leaderEpoch && asked.offset === log.endOffset;
    if (!isCurrent || this.#state !== "FETCHING") return IGNORE;
    const { OFFSET_OUT_OF_RANGE, FENCED_LEADER_EPOCH } = Errors;
    switch (answer.errorCode) {
      case 0:
        return answer.divergingEpoch.endOffset < 0 ? { type: "APPEND" } : this.#truncate(asked, answer, log);
      case OFFSET_OUT_OF_RANGE.code:
        this.#enter("ASKING");
        return { type: "ASK_RANGE" };
      case FENCED_LEADER_EPOCH.code:
        // The metadata will name the leader of a later epoch.
        this.fail();
        return { type: "STOP" };
      default:
        return BACK_OFF;
    }
  }

  /**
   * Finds the end of the records that both logs have (KIP-101, KIP-279). If this log lacks the epoch of the answer, its
   * largest earlier epoch is compared with the leader's in the next fetch (`getOffsetTruncationState`).
   */
  #truncate(asked: FetchPosition, { divergingEpoch }: FetchAnswer, log: FollowerLog): FollowerStep {
    const before = this.#truncatedFrom;
    if (before?.offset === asked.offset && before.lastEpoch === asked.lastEpoch) return BACK_OFF;
    this.#truncatedFrom = asked;
    const own = log.endOffsetForEpoch(divergingEpoch.epoch);
    const isKnown = own.epoch === divergingEpoch.epoch;
    const end = own.epoch < 0 ? divergingEpoch.endOffset : own.endOffset;
    const common = isKnown ? Math.min(end, divergingEpoch.endOffset) : end;
    return { type: "TRUNCATE", offset: Math.min(common, log.endOffset) };
  }

  /** Decides on the leader's range, after an offset out of it (`fetchOffsetAndTruncate`). */
  ranged(range: LeaderRange, log: FollowerLog): FollowerStep {
    if (this.#state !== "ASKING") return IGNORE;
    if ("errorCode" in range) {
      if (range.errorCode !== Errors.FENCED_LEADER_EPOCH.code) return BACK_OFF;
      this.fail();
      return { type: "STOP" };
    }
    this.#enter("FETCHING");
    // The leader may have been elected although it lacked records (an unclean election).
    if (range.end < log.endOffset) return { type: "TRUNCATE", offset: range.end };
    if (range.start > log.endOffset) return { type: "RESTART", offset: range.start };
    // The leader has grown meanwhile. It must not be asked again and again without a pause.
    return BACK_OFF;
  }

  /** Waits until monotonic time `until`. */
  delay(until: number): void {
    if (this.#state === "FAILED") return;
    this.#enter("DELAYED");
    this.#until = until;
  }

  /** Fetches no more. */
  fail(): void {
    if (this.#state !== "FAILED") this.#enter("FAILED");
  }

  #enter(state: FollowerState): void {
    checkTransition(PREVIOUS_FOLLOWER_STATES, this.#state, state);
    this.#state = state;
  }
}
