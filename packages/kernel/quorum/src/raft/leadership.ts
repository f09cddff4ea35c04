import { type BrokerId, invariant, type LeaderEpoch, type Offset } from "@samsa/base";
import type { FetchCall, ReplicaKey } from "./messages.ts";
import { isVoter, majorityOf, sameReplica } from "./voters.ts";

/** Time without a majority of voters fetching after which a leader resigns, in fetch time-outs. */
const CHECK_QUORUM_FACTOR = 1.5;
/** Time after which an observer that has not fetched is forgotten. */
const OBSERVER_SESSION_MS = 300_000;

interface Follower {
  readonly key: ReplicaKey;
  /** Records before it are on the follower's device; −1: unknown. */
  endOffset: Offset;
  lastFetch: number;
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

/** State of a leader: how far its followers are (`LeaderState`). */
export class Leadership {
  readonly #start: Start;
  #voters: readonly ReplicaKey[];
  readonly #followers = new Map<string, Follower>();
  /** Voters that have fetched since the majority was last seen. */
  readonly #fetched = new Set<BrokerId>();
  #checkAt: number;
  /** Time of the next BeginQuorumEpoch requests. */
  beginAt: number;
  /** End of the own log that survives a power cut. */
  #ownEnd: Offset = -1;
  #highWatermark: Offset = -1;
  waiting: WaitingFetch[] = [];

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

  /** −1 until a record of this epoch is on a majority of the voters. */
  get highWatermark(): Offset {
    return this.#highWatermark;
  }

  /** Takes the voters of the log, whose last change counts as soon as it is appended. */
  setVoters(voters: readonly ReplicaKey[]): void {
    this.#voters = voters;
    for (const id of this.#fetched) if (!voters.some(voter => voter.id === id)) this.#fetched.delete(id);
  }

  #followerOf(replica: ReplicaKey): Follower {
    const key = `${replica.id}/${replica.directoryId}`;
    let follower = this.#followers.get(key);
    if (follower === undefined) {
      follower = { key: replica, endOffset: -1, lastFetch: -Infinity };
      this.#followers.set(key, follower);
    }
    return follower;
  }

  #voterState(voter: ReplicaKey): Follower | undefined {
    return [...this.#followers.values()].find(({ key }) => sameReplica(voter, key));
  }

  /** Takes the end of the own log that is durable. True if the high watermark has risen. */
  flushed(offset: Offset): boolean {
    invariant(offset >= this.#ownEnd, "a leader does not truncate its log");
    this.#ownEnd = offset;
    return this.#advance();
  }

  /** Takes a valid fetch of a replica: it has all records before `offset`. True if the high watermark has risen. */
  fetched(replica: ReplicaKey, offset: Offset, now: number): boolean {
    if (replica.id < 0 || replica.id === this.#start.self.id) return false;
    const follower = this.#followerOf(replica);
    follower.endOffset = offset;
    follower.lastFetch = now;
    this.#forget(now);
    if (!isVoter(this.#voters, replica)) return false;
    this.#fetched.add(replica.id);
    const others = isVoter(this.#voters, this.#start.self) ? 1 : 0;
    if (this.#fetched.size >= majorityOf(this.#voters) - others) {
      this.#fetched.clear();
      this.#checkAt = now + this.#checkMs;
    }
    return this.#advance();
  }

  #forget(now: number): void {
    for (const [key, { key: replica, lastFetch }] of this.#followers) {
      if (now - lastFetch >= OBSERVER_SESSION_MS && !isVoter(this.#voters, replica)) this.#followers.delete(key);
    }
  }

  /** Raises the high watermark to the largest offset that is on a majority, if a record of this epoch is before it. */
  #advance(): boolean {
    const ends = this.#voters.map(voter =>
      sameReplica(voter, this.#start.self) ? this.#ownEnd : (this.#voterState(voter)?.endOffset ?? -1),
    );
    const offset = ends.toSorted((a, b) => b - a)[majorityOf(this.#voters) - 1] ?? -1;
    // An earlier epoch's record on a majority may still be lost (section 5.4.2 of the Raft paper).
    if (offset <= this.#start.startOffset || offset <= this.#highWatermark) return false;
    this.#highWatermark = offset;
    return true;
  }

  /** Time at which to resign, because no majority fetches; Infinity for a sole voter. */
  get resignAt(): number {
    return this.#voters.length === 1 ? Infinity : this.#checkAt;
  }

  /** Voters that have not fetched for a while: they may not know this leader. */
  unheard(now: number): readonly ReplicaKey[] {
    return this.#voters.filter(voter => {
      if (sameReplica(voter, this.#start.self)) return false;
      return now - (this.#voterState(voter)?.lastFetch ?? -Infinity) >= this.beginMs;
    });
  }

  /** Voters besides the leader, most up to date first. */
  get successors(): readonly ReplicaKey[] {
    const endOf = (voter: ReplicaKey): Offset => this.#voterState(voter)?.endOffset ?? -1;
    return this.#voters
      .filter(voter => !sameReplica(voter, this.#start.self))
      .toSorted((a, b) => endOf(b) - endOf(a) || a.id - b.id);
  }
}
