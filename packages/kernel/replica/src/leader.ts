import type { BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionEpoch } from "@samsa/base";
import { Errors } from "@samsa/protocol";

/** Leadership and replicas of a partition, as the metadata has them (`PartitionRegistration`). */
export interface PartitionState {
  readonly leaderEpoch: LeaderEpoch;
  readonly partitionEpoch: PartitionEpoch;
  readonly replicas: readonly BrokerId[];
  readonly isr: readonly BrokerId[];
}

/** Brokers of the cluster, as the metadata has them now. */
export interface BrokerView {
  /** This broker. */
  readonly self: BrokerId;
  /** Epoch of this broker's registration. */
  readonly ownEpoch: () => BrokerEpoch;
  /** Epoch of a broker that is registered and not fenced; else undefined (`MetadataCache.getAliveBrokerEpoch`). */
  readonly aliveEpoch: (id: BrokerId) => BrokerEpoch | undefined;
  /** True if a broker is in controlled shutdown. */
  readonly isLeaving: (id: BrokerId) => boolean;
}

/**
 * Time of the last fetch of a follower, in ms of the monotonic clock. All partitions of one fetch session share it, so
 * that a fetch does not touch the partitions that it says nothing new about.
 */
export interface Pulse {
  at: number;
}

/** Position of a follower in its log, as its fetch says. */
export interface FollowerFetch {
  readonly id: BrokerId;
  /** −1: the version of the request has none. */
  readonly brokerEpoch: BrokerEpoch;
  readonly offset: Offset;
  readonly logStart: Offset;
  /** End of the leader's log. */
  readonly logEnd: Offset;
  readonly now: number;
  readonly pulse: Pulse;
}

/** Change of the ISR that the leader asks the controller for. Compared by identity. */
export interface IsrProposal {
  readonly leaderEpoch: LeaderEpoch;
  readonly partitionEpoch: PartitionEpoch;
  readonly isr: readonly { readonly brokerId: BrokerId; readonly brokerEpoch: BrokerEpoch }[];
  /** Replica that joins; undefined if replicas leave. */
  readonly joining: BrokerId | undefined;
}

/** Answer to a proposal: the state of the partition, or an error code. */
export type IsrAnswer =
  | ({ readonly errorCode: 0 } & Pick<PartitionState, "leaderEpoch" | "partitionEpoch" | "isr">)
  | { readonly errorCode: number };

/** State of another replica (`ReplicaState`). */
interface Follower {
  readonly id: BrokerId;
  /** End of its log; −1 before its first fetch from this leader. */
  end: Offset;
  start: Offset;
  /** End of the leader's log at its last fetch, and the time of that fetch. */
  leaderEnd: Offset;
  fetchedAt: number;
  /** Largest time at which its log had the end of the leader's. */
  caughtUpAt: number;
  /** undefined before its first fetch. */
  brokerEpoch: BrokerEpoch | undefined;
  pulse: Pulse;
  /** True if it is in the maximal ISR: the committed one, or the pending one that adds it. */
  isMaximal: boolean;
}

/** Time of something that has not happened. */
const NEVER = -Infinity;

const NO_FOLLOWERS: ReadonlyMap<BrokerId, Follower> = new Map();

/** The proposal was not applied, and will not be: the committed ISR is known to hold. */
const REVERTED: ReadonlySet<number> = new Set([Errors.OPERATION_NOT_ATTEMPTED.code, Errors.INELIGIBLE_REPLICA.code]);
/** The proposal is out of date, or may have been applied: the metadata will tell. */
const LEFT_TO_METADATA: ReadonlySet<number> = new Set([
  Errors.UNKNOWN_TOPIC_OR_PARTITION.code,
  Errors.UNKNOWN_TOPIC_ID.code,
  Errors.FENCED_LEADER_EPOCH.code,
  Errors.INVALID_UPDATE_VERSION.code,
  Errors.INVALID_REQUEST.code,
  Errors.NEW_LEADER_ELECTED.code,
]);

/** Settings of a leader. */
export interface LeaderOptions {
  readonly brokers: BrokerView;
  /** `replica.lag.time.max.ms`. */
  readonly lagMs: number;
}

/**
 * State of a partition in its leader: the other replicas, the ISR, and the high watermark (`Partition` as a leader).
 *
 * Until the controller has answered a proposal, the maximal ISR counts for the high watermark: a replica that joins
 * counts already, one that leaves still does (KIP-497).
 */
export class LeaderReplica {
  readonly #brokers: BrokerView;
  readonly #lagMs: number;
  #state: PartitionState;
  /** Committed ISR. */
  #isr: readonly BrokerId[] = [];
  /** By id; one empty map for all partitions without other replicas. */
  #followers: ReadonlyMap<BrokerId, Follower> = NO_FOLLOWERS;
  #epochStart: Offset = 0;
  /** End of the leader's own records that count: they are written, and flushed if the settings ask for it. */
  #ownEnd: Offset = 0;
  /** End of the leader's log, as far as `extended` and `fetched` have told. */
  #logEnd: Offset = 0;
  #pending: IsrProposal | undefined;
  #unsent: IsrProposal | undefined;
  highWatermark: Offset;
  /** Value of `min.insync.replicas`. */
  minInSync = 1;

  constructor({ brokers, lagMs }: LeaderOptions, highWatermark: Offset) {
    this.#brokers = brokers;
    this.#lagMs = lagMs;
    this.highWatermark = highWatermark;
    this.#state = { leaderEpoch: -1, partitionEpoch: -1, replicas: [], isr: [] };
  }

  get leaderEpoch(): LeaderEpoch {
    return this.#state.leaderEpoch;
  }

  get partitionEpoch(): PartitionEpoch {
    return this.#state.partitionEpoch;
  }

  /** Start of this leader's epoch in its log. */
  get epochStart(): Offset {
    return this.#epochStart;
  }

  /** End of the leader's own records that count. */
  get ownEnd(): Offset {
    return this.#ownEnd;
  }

  /** ISR of the last answer of the controller, or of the metadata. */
  get isr(): readonly BrokerId[] {
    return this.#isr;
  }

  /** Committed ISR, and the replica that a pending proposal adds. */
  get maximalIsr(): readonly BrokerId[] {
    const joining = this.#pending?.joining;
    return joining === undefined ? this.#isr : [...this.#isr, joining];
  }

  /** Number of other replicas. */
  get followers(): number {
    return this.#followers.size;
  }

  /** End of a follower's log; undefined if it is no replica, −1 before its first fetch. */
  endOf(id: BrokerId): Offset | undefined {
    return this.#followers.get(id)?.end;
  }

  /**
   * Replicas in sync that have the record at `offset`, with their ends and the times at which they were last caught up
   * (`ReplicaManager.findPreferredReadReplica`).
   */
  inSyncAt(offset: Offset): { readonly id: BrokerId; readonly end: Offset; readonly caughtUpAt: number }[] {
    return [...this.#followers.values()].filter(
      ({ id, end, start }) => this.#isr.includes(id) && end >= offset && start <= offset,
    );
  }

  /** Number of replicas that must be in sync (`Partition.effectiveMinIsr`). */
  get #leastInSync(): number {
    return Math.min(this.minInSync, this.#followers.size + 1);
  }

  /** True if the committed ISR is too small for appends with acks −1, and for the high watermark. */
  get isBelowMinimum(): boolean {
    return this.#isr.length < this.#leastInSync;
  }

  /** True if the committed ISR is only just large enough. */
  get isAtMinimum(): boolean {
    return this.#isr.length === this.#leastInSync;
  }

  /** True if even the maximal ISR is too small: an append with acks −1 is told so. */
  get isMaximalBelowMinimum(): boolean {
    return this.#isr.length + (this.#pending?.joining === undefined ? 0 : 1) < this.#leastInSync;
  }

  /**
   * Takes the state of the metadata; false if this leader has a newer one. `logEnd` is the end of the log, `ownEnd` the
   * end of its records that count (`Partition.makeLeader`). A leader object leads once: after it was a follower, the
   * replica gets another, which knows no follower.
   */
  lead(state: PartitionState, { logEnd, ownEnd, now }: { logEnd: Offset; ownEnd: Offset; now: number }): boolean {
    if (state.partitionEpoch < this.partitionEpoch || state.leaderEpoch < this.leaderEpoch) return false;
    const isNewEpoch = state.leaderEpoch > this.leaderEpoch;
    // An answer of the controller may have told this state already, without the replicas. A proposal that was based on it
    // stays: if the controller has accepted it, the replica that joins must go on to count.
    const isKnown = !isNewEpoch && state.partitionEpoch === this.partitionEpoch;
    this.#state = state;
    if (!isKnown) {
      this.#isr = state.isr;
      this.#pending = undefined;
      this.#unsent = undefined;
    }
    this.#assign(state.replicas);
    this.#logEnd = Math.max(this.#logEnd, logEnd);
    this.#ownEnd = Math.max(this.#ownEnd, ownEnd);
    if (isNewEpoch) this.#begin(logEnd, now);
    this.#countMaximal();
    this.#expandAny(now);
    this.#advance(now);
    return true;
  }

  #assign(replicas: readonly BrokerId[]): void {
    const { self } = this.#brokers;
    if (this.#followers.size === 0 && replicas.every(id => id === self)) return;
    const followers = new Map<BrokerId, Follower>();
    for (const [id, known] of this.#followers) if (replicas.includes(id)) followers.set(id, known);
    for (const id of replicas) {
      if (id === self || followers.has(id)) continue;
      followers.set(id, {
        id,
        end: -1,
        start: -1,
        leaderEnd: -1,
        fetchedAt: NEVER,
        caughtUpAt: NEVER,
        brokerEpoch: undefined,
        pulse: { at: NEVER },
        isMaximal: false,
      });
    }
    this.#followers = followers;
  }

  /** Begins an epoch: followers in the ISR get the whole time to catch up (`Replica.resetReplicaState`). */
  #begin(logEnd: Offset, now: number): void {
    this.#epochStart = logEnd;
    for (const follower of this.#followers.values()) {
      const since = this.#isr.includes(follower.id) ? now : NEVER;
      follower.leaderEnd = logEnd;
      follower.fetchedAt = since;
      follower.caughtUpAt = since;
      follower.pulse = { at: NEVER };
    }
  }

  #countMaximal(): void {
    const joining = this.#pending?.joining;
    for (const follower of this.#followers.values()) {
      follower.isMaximal = follower.id === joining || this.#isr.includes(follower.id);
    }
  }

  /** Error code for the fetch of a broker that is no replica (`Partition.followerReplicaOrThrow`); 0 if it is one. */
  followerFault(id: BrokerId, sentEpoch: LeaderEpoch): number {
    if (this.#followers.has(id)) return 0;
    // The follower may know an assignment that this leader does not know yet.
    return (sentEpoch >= 0 ? Errors.UNKNOWN_LEADER_EPOCH : Errors.NOT_LEADER_OR_FOLLOWER).code;
  }

  /**
   * Takes the position of a follower, which then may join the ISR and raise the high watermark. Returns 0, or the error
   * code for a broker that has registered again since (`Partition.updateFollowerFetchState`).
   */
  fetched({ id, brokerEpoch, offset, logStart, logEnd, now, pulse }: FollowerFetch): number {
    const follower = this.#followers.get(id);
    if (follower === undefined) return Errors.NOT_LEADER_OR_FOLLOWER.code;
    const known = this.#brokers.aliveEpoch(id);
    if (brokerEpoch !== -1 && known !== undefined && known > brokerEpoch) return Errors.NOT_LEADER_OR_FOLLOWER.code;
    this.extended(logEnd);
    if (offset >= logEnd) follower.caughtUpAt = Math.max(follower.caughtUpAt, now);
    else if (offset >= follower.leaderEnd) follower.caughtUpAt = Math.max(follower.caughtUpAt, follower.fetchedAt);
    follower.leaderEnd = Math.max(follower.leaderEnd, logEnd);
    follower.fetchedAt = now;
    follower.pulse = pulse;
    follower.brokerEpoch = brokerEpoch;
    follower.start = logStart;
    const hasMoved = follower.end !== offset;
    follower.end = offset;
    this.#expand(follower);
    if (hasMoved) this.#advance(now);
    return 0;
  }

  /** Stops to take later fetches of a session for fetches of this partition. */
  forgotten(id: BrokerId, pulse: Pulse): void {
    const follower = this.#followers.get(id);
    if (follower?.pulse === pulse) follower.pulse = { at: pulse.at };
  }

  /** Takes the end of the log, of records that may not count yet. */
  extended(logEnd: Offset): void {
    if (logEnd <= this.#logEnd) return;
    for (const follower of this.#followers.values()) {
      // Until now it had the end of the log: its last fetch counts, although it said nothing about this partition.
      if (follower.end < this.#logEnd) continue;
      const { at } = follower.pulse;
      follower.caughtUpAt = Math.max(follower.caughtUpAt, at);
      follower.leaderEnd = Math.max(follower.leaderEnd, this.#logEnd);
      follower.fetchedAt = Math.max(follower.fetchedAt, at);
    }
    this.#logEnd = logEnd;
  }

  /** Takes the end of the leader's own records that count. */
  written(ownEnd: Offset, now: number): void {
    if (ownEnd > this.#ownEnd) this.#ownEnd = ownEnd;
    if (this.#followers.size > 0) this.extended(ownEnd);
    this.#advance(now);
  }

  /**
   * Removes followers from the ISR that have not caught up for `replica.lag.time.max.ms` (`Partition.maybeShrinkIsr`), and
   * stops waiting for such followers outside of it. To be called when brokers have changed, too: one may be able to join
   * now, and does not fetch the partition again before it has something new. False if there is no other replica, and
   * nothing has changed.
   */
  tick(now: number): boolean {
    const { self } = this.#brokers;
    if (this.#followers.size === 0 && this.#isr.length === 1 && this.#isr[0] === self) return false;
    if (this.#pending === undefined) {
      const stays = (id: BrokerId): boolean => {
        const follower = this.#followers.get(id);
        return id === self || (follower !== undefined && this.#isCaughtUp(follower, now));
      };
      const rest = this.#isr.filter(stays);
      if (rest.length < this.#isr.length) this.#propose(rest, undefined);
    }
    this.#expandAny(now);
    this.#advance(now);
    return true;
  }

  #isCaughtUp({ end, caughtUpAt }: Follower, now: number): boolean {
    return end === this.#logEnd || now - caughtUpAt <= this.#lagMs;
  }

  /** True if the controller would let the replica join (`Partition.isReplicaIsrEligible`). */
  #isEligible({ id, brokerEpoch }: Follower): boolean {
    if (brokerEpoch === undefined || this.#brokers.isLeaving(id)) return false;
    const known = this.#brokers.aliveEpoch(id);
    return known !== undefined && (brokerEpoch === -1 || brokerEpoch === known);
  }

  /**
   * Proposes a replica that has all that is committed. It needs the start of this epoch, too: records between the high
   * watermark and that offset may be committed already.
   */
  #expand(follower: Follower): void {
    const { id, end, isMaximal } = follower;
    if (isMaximal || this.#pending !== undefined || end < this.highWatermark || end < this.#epochStart) return;
    if (this.#isEligible(follower)) this.#propose([...this.#isr, id], id);
  }

  /** Proposes a replica that is caught up, and could not join when it fetched. */
  #expandAny(now: number): void {
    for (const follower of this.#followers.values()) {
      if (this.#pending !== undefined) return;
      if (follower.brokerEpoch !== undefined && this.#isCaughtUp(follower, now)) this.#expand(follower);
    }
  }

  #propose(isr: readonly BrokerId[], joining: BrokerId | undefined): void {
    const { leaderEpoch, partitionEpoch } = this.#state;
    const epochOf = (id: BrokerId): BrokerEpoch =>
      id === this.#brokers.self ? this.#brokers.ownEpoch() : (this.#followers.get(id)?.brokerEpoch ?? -1);
    const states = isr.map(brokerId => ({ brokerId, brokerEpoch: epochOf(brokerId) }));
    this.#pending = { leaderEpoch, partitionEpoch, isr: states, joining };
    this.#unsent = this.#pending;
    this.#countMaximal();
  }

  /** Returns the proposal that is to be sent to the controller, once. */
  takeProposal(): IsrProposal | undefined {
    const proposal = this.#unsent;
    this.#unsent = undefined;
    return proposal;
  }

  /** True if the controller's answer to `proposal` is still wanted. */
  isPending(proposal: IsrProposal): boolean {
    return this.#pending === proposal;
  }

  /** Takes the answer to a proposal. True if it must be sent again (`Partition.submitAlterPartition`). */
  isrAnswered(proposal: IsrProposal, answer: IsrAnswer, now: number): boolean {
    // The metadata has decided in the meantime.
    if (!this.isPending(proposal)) return false;
    if ("isr" in answer) {
      const { leaderEpoch, partitionEpoch, isr } = answer;
      if (leaderEpoch !== this.leaderEpoch || partitionEpoch < this.partitionEpoch) return false;
      this.#state = { ...this.#state, partitionEpoch, isr };
      this.#isr = isr;
    } else if (!REVERTED.has(answer.errorCode)) return !LEFT_TO_METADATA.has(answer.errorCode);
    this.#pending = undefined;
    this.#countMaximal();
    // The controller does not take it now: another fetch, or a change of the brokers, tries again.
    if ("isr" in answer) this.#expandAny(now);
    this.#advance(now);
    return false;
  }

  /** Least log start offset of the replicas that are alive (`Partition.lowWatermarkIfLeader`). */
  lowWatermark(ownStart: Offset): Offset {
    let low = ownStart;
    for (const { id, start } of this.#followers.values()) {
      if (start < low && this.#brokers.aliveEpoch(id) !== undefined) low = start;
    }
    return low;
  }

  /**
   * Raises the high watermark to the least end of the maximal ISR, and of the replicas that are about to join it: they
   * would otherwise never reach it (`Partition.maybeIncrementLeaderHW`). An ISR below the minimum commits nothing
   * (KIP-966).
   */
  #advance(now: number): void {
    if (this.isBelowMinimum) return;
    let next = this.#ownEnd;
    for (const follower of this.#followers.values()) {
      const { end, isMaximal } = follower;
      if (end >= next) continue;
      if (isMaximal || (this.#isCaughtUp(follower, now) && this.#isEligible(follower))) next = end;
    }
    if (next > this.highWatermark) this.highWatermark = next;
  }
}
