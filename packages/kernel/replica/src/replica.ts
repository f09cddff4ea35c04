import { checkTransition, invariant, type LeaderEpoch, type Offset, type PreviousStates } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import {
  type FollowerFetch,
  type IsrAnswer,
  type IsrProposal,
  type LeaderOptions,
  LeaderReplica,
  type PartitionState,
} from "./leader.ts";
import { type Wait, Waits } from "./waits.ts";

type Role = "LEADER" | "FOLLOWER" | "OFFLINE";

/** Offline is final: the directory has failed, the topic is deleted, or the broker stops. */
const PREVIOUS_ROLES: PreviousStates<Role> = {
  LEADER: ["FOLLOWER", "LEADER"],
  FOLLOWER: ["FOLLOWER", "LEADER"],
  OFFLINE: ["FOLLOWER", "LEADER"],
};

/**
 * Rule for the acknowledgement of an append. LEADER: the leader has written it (acks 1 and 0). COMMITTED: it is below
 * the high watermark (coordinators). IN_SYNC: the same, on no fewer than `min.insync.replicas` replicas (acks −1).
 */
export type Acks = "LEADER" | "COMMITTED" | "IN_SYNC";

/** Waits that have ended, all with the same outcome. */
export interface Settled<W> {
  readonly items: readonly W[];
  /** 0, or the error code for their clients. */
  readonly errorCode: number;
}

const NO_EPOCH = -1;
const NOTHING: readonly never[] = [];

/** Ends of the log of a replica that begins to lead. */
export interface LeaderStart {
  readonly logEnd: Offset;
  /** End of the records that are written, and flushed if the settings ask for it. */
  readonly ownEnd: Offset;
  /** Monotonic time in ms. */
  readonly now: number;
}

/**
 * Replica of a partition on one broker (the decisions of `Partition`). `W` is what the caller keeps for each append
 * that waits for its acknowledgement. Steps that may raise the high watermark are followed by `settled`.
 */
export class Replica<W> {
  readonly #options: LeaderOptions;
  #role: Role = "FOLLOWER";
  #epoch: LeaderEpoch = NO_EPOCH;
  #fault: number = Errors.NOT_LEADER_OR_FOLLOWER.code;
  #followed: Offset;
  #leader: LeaderReplica | undefined;
  #minInSync = 1;
  /** Undefined before the first append: most partitions of a large broker get none for a long time. */
  #waits: Readonly<Record<Acks, Waits<W>>> | undefined;

  constructor(highWatermark: Offset, options: LeaderOptions) {
    this.#followed = highWatermark;
    this.#options = options;
  }

  /** Value of `min.insync.replicas`; above the number of replicas, that number counts (`Partition.effectiveMinIsr`). */
  get minInSync(): number {
    return this.#minInSync;
  }
  set minInSync(replicas: number) {
    this.#minInSync = replicas;
    if (this.#leader !== undefined) this.#leader.minInSync = replicas;
  }

  /** Epoch of the partition's leader, this broker or another; −1 before the first. */
  get leaderEpoch(): LeaderEpoch {
    return this.#epoch;
  }

  /** 0 while this broker leads the partition, else the error code for requests to its leader. */
  get fault(): number {
    return this.#fault;
  }

  get isOffline(): boolean {
    return this.#role === "OFFLINE";
  }

  /** State as a leader; undefined while this broker does not lead the partition. */
  get leader(): LeaderReplica | undefined {
    return this.#leader;
  }

  /** Records below this offset are on all replicas in sync, and readable. */
  get highWatermark(): Offset {
    return this.#leader?.highWatermark ?? this.#followed;
  }

  /** Number of appends that are kept: those that wait, and some that were cancelled. */
  get waiting(): number {
    return Object.values(this.#waits ?? {}).reduce((sum, { size }) => sum + size, 0);
  }

  /** Error code for a client with another leader epoch than this broker's; epoch −1 is always accepted. */
  epochFault(currentLeaderEpoch: LeaderEpoch): number {
    if (currentLeaderEpoch === NO_EPOCH || currentLeaderEpoch === this.#epoch) return 0;
    const { FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH } = Errors;
    return currentLeaderEpoch < this.#epoch ? FENCED_LEADER_EPOCH.code : UNKNOWN_LEADER_EPOCH.code;
  }

  /** Error code for an append; 0 if the leader may take it (`Partition.appendRecordsToLeader`). */
  appendFault(acks: Acks): number {
    if (this.#fault !== 0) return this.#fault;
    return acks === "IN_SYNC" && this.#leader?.isBelowMinimum === true ? Errors.NOT_ENOUGH_REPLICAS.code : 0;
  }

  /** Adds an append whose last record is before `end`. `settled` or a change of role ends the wait; it may be cancelled. */
  appended(end: Offset, acks: Acks, item: W): Wait<W> {
    invariant(this.#role === "LEADER", "only a leader appends for clients");
    this.#waits ??= { LEADER: new Waits(), COMMITTED: new Waits(), IN_SYNC: new Waits() };
    return this.#waits[acks].add(end, item);
  }

  /** Takes the end of the leader's records that count: written, and flushed if the settings ask for it. */
  written(end: Offset, now: number): void {
    this.#leader?.written(end, now);
  }

  /** Takes the fetch of another replica. Returns 0, or the error code for it. */
  fetched(fetch: FollowerFetch): number {
    return this.#leader?.fetched(fetch) ?? this.#fault;
  }

  /** Takes the answer to a proposal. True if it must be sent again. */
  isrAnswered(proposal: IsrProposal, answer: IsrAnswer, now: number): boolean {
    return this.#leader?.isrAnswered(proposal, answer, now) ?? false;
  }

  /** Returns the appends whose waits end now (`DelayedProduce`, `Partition.checkEnoughReplicasReachOffset`). */
  settled(): readonly Settled<W>[] {
    const leader = this.#leader;
    if (leader === undefined || this.#waits === undefined) return NOTHING;
    const { highWatermark } = leader;
    const { LEADER, COMMITTED, IN_SYNC } = this.#waits;
    // The records are in the log, even if the replicas in sync have become too few since.
    const inSyncError = leader.isMaximalBelowMinimum ? Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND.code : 0;
    return [
      { items: LEADER.upTo(Math.max(leader.ownEnd, highWatermark)), errorCode: 0 },
      { items: COMMITTED.upTo(highWatermark), errorCode: 0 },
      { items: IN_SYNC.upTo(highWatermark), errorCode: inSyncError },
    ];
  }

  /** Takes the high watermark of the leader, at most `logEnd`; returns it (`UnifiedLog.maybeUpdateHighWatermark`). */
  follow(leaderHighWatermark: Offset, logEnd: Offset): Offset {
    invariant(this.#leader === undefined, "a leader sets its own high watermark");
    this.#followed = Math.min(leaderHighWatermark, logEnd);
    return this.#followed;
  }

  /**
   * Leads with the state of the metadata; false if a later state is known. Appends of an earlier epoch go on waiting
   * (`Partition.makeLeader`).
   */
  becomeLeader(state: PartitionState, start: LeaderStart): boolean {
    if (this.#leader === undefined) {
      const leader = new LeaderReplica(this.#options, this.#followed);
      leader.minInSync = this.#minInSync;
      if (!leader.lead(state, start)) return false;
      this.#leader = leader;
    } else if (!this.#leader.lead(state, start)) return false;
    this.#enter("LEADER", state.leaderEpoch);
    this.#fault = 0;
    return true;
  }

  /** Follows in an epoch. Returns the waits that end, with NOT_LEADER_OR_FOLLOWER (`Partition.makeFollower`). */
  becomeFollower(epoch: LeaderEpoch): Settled<W> {
    this.#enter("FOLLOWER", epoch);
    return this.#refuse(Errors.NOT_LEADER_OR_FOLLOWER.code);
  }

  /** Serves no request ever again. Returns the waits that end, with `errorCode`. */
  becomeOffline(errorCode: number): Settled<W> {
    this.#enter("OFFLINE", this.#epoch);
    return this.#refuse(errorCode);
  }

  #enter(role: Role, epoch: LeaderEpoch): void {
    checkTransition(PREVIOUS_ROLES, this.#role, role);
    invariant(epoch >= this.#epoch, "leader epochs do not decrease");
    this.#role = role;
    this.#epoch = epoch;
  }

  #refuse(errorCode: number): Settled<W> {
    this.#followed = this.highWatermark;
    this.#leader = undefined;
    this.#fault = errorCode;
    return { items: Object.values(this.#waits ?? {}).flatMap(waits => waits.all()), errorCode };
  }
}
