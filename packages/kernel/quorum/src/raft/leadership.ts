import { type BrokerId, invariant, type LeaderEpoch, type Offset } from "@samsa/base";
import type { FetchCall, ReplicaKey, VoterChange } from "./messages.ts";
import type { VoterDescription } from "@samsa/records";
import { isVoter, majorityOf, sameReplica } from "./voters.ts";

/** Time without a majority of voters fetching after which a leader resigns, in fetch time-outs. */
const CHECK_QUORUM_FACTOR = 1.5;
/** Time after which an observer that has not fetched is forgotten. */
const OBSERVER_SESSION_MS = 300_000;
/** Time since the last fetch up to which a replica that was caught up counts as such. */
const CAUGHT_UP_MS = 3_600_000;
/** Most observers that are remembered. */
const MOST_OBSERVERS = 10_000;
/** Most fetches that wait. */
const MOST_WAITING = 10_000;

/** Progress of a replica as its leader sees it (`ReplicaState`). Times are of the monotonic clock, −Infinity: never. */
export interface ReplicaProgress {
  readonly key: ReplicaKey;
  /** Records before it are on the replica's device; −1: unknown. */
  readonly endOffset: Offset;
  readonly lastFetch: number;
  readonly lastCaughtUp: number;
}

interface Follower extends ReplicaProgress {
  key: ReplicaKey;
  endOffset: Offset;
  lastFetch: number;
  lastCaughtUp: number;
  /** End of the leader's log at the last fetch. */
  leaderEnd: Offset;
}

/** A fetch that waits for records or for a higher high watermark. */
export interface WaitingFetch {
  readonly ticket: number;
  readonly call: FetchCall;
  readonly until: number;
}

interface Start {
  readonly self: ReplicaKey;
  readonly epoch: LeaderEpoch;
  /** End of the log at the election. */
  readonly startOffset: Offset;
  readonly voters: readonly ReplicaKey[];
  readonly fetchTimeoutMs: number;
  readonly now: number;
}

function keyOf({ id, directoryId }: ReplicaKey): string {
  return `${id}/${directoryId}`;
}

/** State of a leader: how far its followers are (`LeaderState`). */
export class Leadership {
  readonly #start: Start;
  #voters: readonly ReplicaKey[];
  /** Progress of the voters by id: a voter that lost its disk starts anew under the same id. */
  #voterProgress = new Map<BrokerId, Follower>();
  readonly #observers = new Map<string, Follower>();
  /** Voters that have fetched since the majority was last seen. */
  readonly #fetched = new Set<BrokerId>();
  #checkAt: number;
  /** Time of the next BeginQuorumEpoch requests; Infinity: nobody else votes. */
  beginAt: number;
  /** End of the own log that survives a power cut. */
  #ownEnd: Offset = -1;
  #highWatermark: Offset = -1;
  waiting: WaitingFetch[] = [];
  /** Change of the voters that is not committed. */
  change: VoterChange | undefined;
  /** Voters of a static quorum as they describe themselves, by id. */
  readonly updated = new Map<BrokerId, VoterDescription>();

  constructor(start: Start) {
    this.#start = start;
    this.#voters = start.voters;
    this.#checkAt = start.now + this.#checkMs;
    this.beginAt = start.now;
  }

  get #checkMs(): number {
    return this.#start.fetchTimeoutMs * CHECK_QUORUM_FACTOR;
  }

  get beginMs(): number {
    return Math.floor(this.#start.fetchTimeoutMs / 2);
  }

  get startOffset(): Offset {
    return this.#start.startOffset;
  }

  /** −1 until a record of this epoch is on a majority of the voters. */
  get highWatermark(): Offset {
    return this.#highWatermark;
  }

  get #isVoter(): boolean {
    return isVoter(this.#voters, this.#start.self);
  }

  /** Takes the voters of the log, whose last change counts as soon as it is appended. True if the high watermark rises. */
  setVoters(voters: readonly ReplicaKey[], now: number): boolean {
    const before = this.#voterProgress;
    this.#voters = voters;
    this.#voterProgress = new Map();
    for (const voter of voters) {
      const known = before.get(voter.id);
      const kept = known !== undefined && sameReplica(voter, known.key) ? known : this.#observers.get(keyOf(voter));
      this.#observers.delete(keyOf(voter));
      if (kept !== undefined) this.#voterProgress.set(voter.id, kept);
    }
    for (const [id, progress] of before) {
      if (this.#voterProgress.get(id) !== progress) this.#observers.set(keyOf(progress.key), progress);
    }
    for (const id of this.#fetched) if (!voters.some(voter => voter.id === id)) this.#fetched.delete(id);
    this.beginAt = now;
    // New voters get the time of a leader's first election.
    this.#checkAt = now + this.#checkMs;
    return this.#advance();
  }

  /** True if a replica had all records of the log lately (`LeaderState.isReplicaCaughtUp`). */
  isCaughtUp(replica: ReplicaKey, now: number): boolean {
    const progress = this.#observers.get(keyOf(replica)) ?? this.#voterProgress.get(replica.id);
    if (progress === undefined || !Number.isFinite(progress.lastCaughtUp)) return false;
    return progress.lastFetch > now - CAUGHT_UP_MS;
  }

  #followerOf(replica: ReplicaKey, isOfVoter: boolean): Follower | undefined {
    const key = keyOf(replica);
    const known = isOfVoter ? this.#voterProgress.get(replica.id) : this.#observers.get(key);
    if (known !== undefined) return known;
    if (!isOfVoter && this.#observers.size >= MOST_OBSERVERS) return undefined;
    const follower = { key: replica, endOffset: -1, lastFetch: -Infinity, lastCaughtUp: -Infinity, leaderEnd: -1 };
    if (isOfVoter) this.#voterProgress.set(replica.id, follower);
    else this.#observers.set(key, follower);
    return follower;
  }

  /** Takes the end of the own log that is durable. True if the high watermark has risen. */
  flushed(offset: Offset): boolean {
    invariant(offset >= this.#ownEnd, "a leader does not truncate its log");
    this.#ownEnd = offset;
    return this.#advance();
  }

  /**
   * Takes a valid fetch of a replica: it has all records before `offset`. `ownEnd` is the end of the own log. True if
   * the high watermark has risen.
   */
  fetched(replica: ReplicaKey, offset: Offset, { now, ownEnd }: { readonly now: number; readonly ownEnd: Offset }) {
    if (replica.id < 0 || replica.id === this.#start.self.id) return false;
    this.#forget(now);
    const isOfVoter = isVoter(this.#voters, replica);
    const follower = this.#followerOf(replica, isOfVoter);
    if (follower === undefined) return false;
    follower.key = replica;
    // Caught up now, or at the last fetch if this one has all that the log had then.
    if (offset >= ownEnd) follower.lastCaughtUp = now;
    else if (follower.leaderEnd > 0 && offset >= follower.leaderEnd) follower.lastCaughtUp = follower.lastFetch;
    follower.leaderEnd = ownEnd;
    follower.endOffset = offset;
    follower.lastFetch = now;
    if (!isOfVoter) return false;
    this.heard(replica, now);
    return this.#advance();
  }

  /** Takes a sign that a replica follows this leader. */
  heard(replica: ReplicaKey, now: number): void {
    if (replica.id === this.#start.self.id || !isVoter(this.#voters, replica)) return;
    this.#fetched.add(replica.id);
    const others = this.#isVoter ? 1 : 0;
    if (this.#fetched.size < majorityOf(this.#voters) - others) return;
    this.#fetched.clear();
    this.#checkAt = now + this.#checkMs;
  }

  #forget(now: number): void {
    for (const [key, { lastFetch }] of this.#observers) {
      if (now - lastFetch >= OBSERVER_SESSION_MS) this.#observers.delete(key);
    }
  }

  /** Raises the high watermark to the largest offset that is on a majority, if a record of this epoch is before it. */
  #advance(): boolean {
    const ends = this.#voters.map(voter =>
      sameReplica(voter, this.#start.self) ? this.#ownEnd : (this.#voterProgress.get(voter.id)?.endOffset ?? -1),
    );
    const offset = ends.toSorted((a, b) => b - a)[majorityOf(this.#voters) - 1] ?? -1;
    // An earlier epoch's record on a majority may still be lost (section 5.4.2 of the Raft paper).
    if (offset <= this.#start.startOffset || offset <= this.#highWatermark) return false;
    this.#highWatermark = offset;
    return true;
  }

  /** Lets a fetch wait; false if too many do. */
  wait(fetch: WaitingFetch): boolean {
    if (this.waiting.length >= MOST_WAITING) return false;
    this.waiting.push(fetch);
    return true;
  }

  /** Time at which to resign, because no majority fetches; Infinity for a sole voter. */
  get resignAt(): number {
    return this.#voters.length === 1 && this.#isVoter ? Infinity : this.#checkAt;
  }

  /** Voters that have not fetched for a while: they may not know this leader. */
  unheard(now: number): readonly ReplicaKey[] {
    return this.#voters.filter(voter => {
      if (sameReplica(voter, this.#start.self)) return false;
      return now - (this.#voterProgress.get(voter.id)?.lastFetch ?? -Infinity) >= this.beginMs;
    });
  }

  /** True if nobody else votes. */
  get isAlone(): boolean {
    return this.#voters.every(voter => sameReplica(voter, this.#start.self));
  }

  /** Voters besides the leader, most up to date first. */
  get successors(): readonly ReplicaKey[] {
    const endOf = (voter: ReplicaKey): Offset => this.#voterProgress.get(voter.id)?.endOffset ?? -1;
    return this.#voters
      .filter(voter => !sameReplica(voter, this.#start.self))
      .toSorted((a, b) => endOf(b) - endOf(a) || a.id - b.id);
  }

  /** Progress of a voter; undefined if it has not fetched. */
  progressOf(voter: ReplicaKey): ReplicaProgress | undefined {
    return this.#voterProgress.get(voter.id);
  }

  /** Observers that have fetched lately. */
  observers(now: number): readonly ReplicaProgress[] {
    this.#forget(now);
    return [...this.#observers.values()];
  }
}
