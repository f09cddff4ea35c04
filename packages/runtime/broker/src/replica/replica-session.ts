import type { BrokerEpoch, BrokerId, Clock } from "@samsa/base";
import type { Pulse } from "@samsa/replica";
import type { Partition } from "./partition.ts";
import type { ReplicaWatcher } from "./readers.ts";
import type { SessionPartition } from "./session-partition.ts";

/** Time after an election in which followers ask often, and the wait of their fetches then, in ms. */
const ELECTION_MS = 1000;
const SHORT_WAIT_MS = 20;

/** Fetch of a follower that waits for records. */
export interface ReplicaWaiter {
  /** Called when `bytes` more are in a log of the session. */
  appended(bytes: number): void;
  /** Called when a partition must be looked at again at once. */
  changed(): void;
}

/** A partition of a follower's session. */
export class ReplicaEntry implements ReplicaWatcher {
  readonly state: SessionPartition;
  readonly #session: ReplicaSession;
  /** True if the last read was held back by the quota of throttled leaders: more records wake no fetch. */
  isHeldBack = false;
  #partition: Partition | undefined;

  constructor(session: ReplicaSession, state: SessionPartition) {
    this.#session = session;
    this.state = state;
  }

  get replicaId(): BrokerId {
    return this.#session.replicaId;
  }

  /** Partition that tells this entry of its records. */
  get partition(): Partition | undefined {
    return this.#partition;
  }
  set partition(partition: Partition | undefined) {
    if (this.#partition === partition) return;
    this.#partition?.unfollow(this, this.#session.pulse);
    this.#partition = partition;
    partition?.follow(this);
  }

  appended(bytes: number): void {
    this.#session.ready.add(this);
    if (!this.isHeldBack) this.#session.waiter?.appended(bytes);
  }

  moved(): void {
    // The follower hears of it with the next records, or when its fetch has waited long enough.
    this.#session.ready.add(this);
  }

  changed(): void {
    this.#session.ready.add(this);
    this.#session.waiter?.changed();
  }
}

/**
 * Fetch session of a follower. Its partitions say themselves that they have something new, so a fetch costs as much as
 * what has changed, not as much as there are partitions.
 */
export class ReplicaSession {
  readonly replicaId: BrokerId;
  /** Life of the broker; −1: its version of Fetch does not tell. */
  readonly brokerEpoch: BrokerEpoch;
  readonly entries = new Map<string, ReplicaEntry>();
  /** Partitions with something new for the follower, in the order in which they are served. */
  readonly ready = new Set<ReplicaEntry>();
  readonly pulse: Pulse = { at: -Infinity };
  /** The fetch that waits, if there is one. */
  waiter: ReplicaWaiter | undefined;

  constructor({ id, brokerEpoch }: { readonly id: BrokerId; readonly brokerEpoch: BrokerEpoch }) {
    this.replicaId = id;
    this.brokerEpoch = brokerEpoch;
  }

  /** Adds a partition that a fetch names, or takes its new position. */
  put(key: string, asked: SessionPartition): void {
    const known = this.entries.get(key);
    const entry = known ?? new ReplicaEntry(this, asked);
    if (known === undefined) this.entries.set(key, entry);
    else {
      const { fetchOffset, maxBytes, currentLeaderEpoch, lastFetchedEpoch, logStartOffset } = asked;
      Object.assign(known.state, { fetchOffset, maxBytes, currentLeaderEpoch, lastFetchedEpoch, logStartOffset });
      // The follower may have dropped the last answer: it was one to another position or epoch.
      known.state.sentHighWatermark = -1;
    }
    this.ready.add(entry);
  }

  remove(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    this.ready.delete(entry);
    entry.partition = undefined;
  }

  /** True if the broker of the other session has ended: this one is of its next life. */
  succeeds({ replicaId, brokerEpoch }: ReplicaSession): boolean {
    return this.replicaId === replicaId && brokerEpoch !== -1 && this.brokerEpoch > brokerEpoch;
  }

  /** Moves a partition that was served behind the others. */
  rotate(entry: ReplicaEntry): void {
    this.ready.delete(entry);
    this.ready.add(entry);
  }

  close(): void {
    for (const key of [...this.entries.keys()]) this.remove(key);
  }
}

/**
 * Fetches of followers that wait for records. A follower has one fetch under way, so it names the partitions of a new
 * leader only after an answer; and it may hear of the election later than the leader. Until it names them, nothing is
 * acknowledged. So the fetches that wait are answered when this broker is elected, and wait for a short time only soon
 * after that.
 */
export class FollowerWaits {
  readonly #clock: Clock;
  readonly #waiting = new Set<ReplicaWaiter>();
  #electedAt = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(fetch: ReplicaWaiter): void {
    this.#waiting.add(fetch);
  }

  remove(fetch: ReplicaWaiter): void {
    this.#waiting.delete(fetch);
  }

  /** Time that a fetch may wait now, of the `maxWaitMs` that it asks for. */
  limit(maxWaitMs: number): number {
    const isSoon = this.#clock.monotonic() - this.#electedAt < ELECTION_MS;
    return isSoon ? Math.min(maxWaitMs, SHORT_WAIT_MS) : maxWaitMs;
  }

  /** Takes note that this broker leads a partition in a new epoch. */
  elected(): void {
    this.#electedAt = this.#clock.monotonic();
    for (const fetch of this.#waiting) fetch.changed();
  }
}
