import { checkTransition, invariant, type LeaderEpoch, type Offset, type PreviousStates } from "@samsa/base";
import { Errors } from "@samsa/protocol";
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

/**
 * Replica of a partition on one broker (the decisions of `Partition`). `W` is what the caller keeps for each append
 * that waits for its acknowledgement.
 */
export class Replica<W> {
  #role: Role = "FOLLOWER";
  #epoch: LeaderEpoch = NO_EPOCH;
  #fault: number = Errors.NOT_LEADER_OR_FOLLOWER.code;
  #highWatermark: Offset;
  /** Number of replicas in sync: this one alone, so far. */
  readonly #inSync = 1;
  /** Number of replicas that the partition has. */
  replicas = 1;
  /** Value of `min.insync.replicas`; above the number of replicas, that number counts (`Partition.effectiveMinIsr`). */
  minInSync = 1;
  readonly #waits: Readonly<Record<Acks, Waits<W>>> = {
    LEADER: new Waits(),
    COMMITTED: new Waits(),
    IN_SYNC: new Waits(),
  };

  constructor(highWatermark: Offset) {
    this.#highWatermark = highWatermark;
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

  /** Records below this offset are on all replicas in sync, and readable. */
  get highWatermark(): Offset {
    return this.#highWatermark;
  }

  /** Number of appends that are kept: those that wait, and some that were cancelled. */
  get waiting(): number {
    return Object.values(this.#waits).reduce((sum, { size }) => sum + size, 0);
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
    return acks === "IN_SYNC" && this.#isBelowMinimum ? Errors.NOT_ENOUGH_REPLICAS.code : 0;
  }

  get #isBelowMinimum(): boolean {
    return this.#inSync < Math.min(this.minInSync, this.replicas);
  }

  /** Adds an append whose last record is before `end`. `written` or a change of role ends the wait; it may be cancelled. */
  appended(end: Offset, acks: Acks, item: W): Wait<W> {
    invariant(this.#role === "LEADER", "only a leader appends for clients");
    return this.#waits[acks].add(end, item);
  }

  /**
   * Takes the end of the records that are safe on this replica. Returns the waits that end
   * (`DelayedProduce`, `Partition.checkEnoughReplicasReachOffset`).
   */
  written(end: Offset): readonly Settled<W>[] {
    if (this.#fault !== 0) return [];
    this.#highWatermark = Math.max(this.#highWatermark, end);
    const { LEADER, COMMITTED, IN_SYNC } = this.#waits;
    // The records are in the log, even if the replicas in sync have become too few since.
    const inSyncError = this.#isBelowMinimum ? Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND.code : 0;
    return [
      { items: LEADER.upTo(end), errorCode: 0 },
      { items: COMMITTED.upTo(this.#highWatermark), errorCode: 0 },
      { items: IN_SYNC.upTo(this.#highWatermark), errorCode: inSyncError },
    ];
  }

  /** Leads in an epoch. Appends of an earlier epoch go on waiting. */
  becomeLeader(epoch: LeaderEpoch): void {
    this.#enter("LEADER", epoch);
    this.#fault = 0;
  }

  /** Returns the waits that end, with NOT_LEADER_OR_FOLLOWER. */
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
    this.#fault = errorCode;
    return { items: Object.values(this.#waits).flatMap(waits => waits.all()), errorCode };
  }
}
