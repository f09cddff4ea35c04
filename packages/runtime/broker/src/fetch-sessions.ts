import type { Uuid } from "@samsa/base";

/** One partition a session remembers, and what the client was last told of it. */
export interface SessionPartition {
  /** Empty while a topic of this id is not known. */
  topic: string;
  /** Nil where clients name topics (versions below 13). */
  readonly topicId: Uuid;
  readonly partition: number;
  fetchOffset: number;
  maxBytes: number;
  currentLeaderEpoch: number;
  lastFetchedEpoch: number;
  logStartOffset: number;
  /** As of the last response that carried this partition; -1 before the first. */
  sentHighWatermark: number;
  sentLogStartOffset: number;
  sentError: boolean;
}

export interface FetchSession {
  readonly id: number;
  /** Epoch that the next request must carry. */
  epoch: number;
  readonly usesTopicIds: boolean;
  /** In the order in which they are served; a partition that got bytes moves to the end. */
  readonly partitions: Map<string, SessionPartition>;
  lastUsed: number;
  readonly created: number;
}

const EVICTION_MS = 120_000;

/** Epoch of a request that wants no session any more (`FetchMetadata.FINAL_EPOCH`). */
export const FINAL_EPOCH = -1;
/** Epoch of a request that asks for a new session (`FetchMetadata.INITIAL_EPOCH`). */
export const INITIAL_EPOCH = 0;

/** Epochs go 1, 2, … and wrap to 1. */
export function nextEpoch(epoch: number): number {
  return epoch < 0 ? FINAL_EPOCH : epoch === 2147483647 ? 1 : epoch + 1;
}

/** The incremental fetch sessions of a broker (KIP-227), at most `slots` of them. */
export class FetchSessions {
  readonly #sessions = new Map<number, FetchSession>();
  readonly #slots: number;
  readonly #random: () => number;

  constructor(slots: number, random: () => number) {
    this.#slots = slots;
    this.#random = random;
  }

  get size(): number {
    return this.#sessions.size;
  }

  partitionCount(): number {
    let count = 0;
    for (const session of this.#sessions.values()) count += session.partitions.size;
    return count;
  }

  find(id: number): FetchSession | undefined {
    return this.#sessions.get(id);
  }

  remove(id: number): void {
    this.#sessions.delete(id);
  }

  /** Marks a session as used: the least recently used one is the first to be evicted. */
  touch(session: FetchSession, now: number): void {
    session.lastUsed = now;
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
  }

  /**
   * A new session over `partitions`, or undefined when all slots are taken by sessions that are in use or larger ones
   * that are not old enough to evict (`FetchSessionCache.tryEvict`).
   */
  create(now: number, usesTopicIds: boolean, partitions: Map<string, SessionPartition>): FetchSession | undefined {
    if (this.#sessions.size >= this.#slots && !this.#evict(now, partitions.size)) return undefined;
    let id = 0;
    do {
      id = 1 + Math.floor(this.#random() * 2147483646);
    } while (this.#sessions.has(id));
    const session = { id, epoch: 1, usesTopicIds, partitions, lastUsed: now, created: now };
    this.#sessions.set(id, session);
    return session;
  }

  #evict(now: number, size: number): boolean {
    // The map is in order of use, so its first entry has been idle longest.
    for (const session of this.#sessions.values()) {
      if (now - session.lastUsed > EVICTION_MS) {
        this.#sessions.delete(session.id);
        return true;
      }
      break;
    }
    for (const session of this.#sessions.values()) {
      if (now - session.created > EVICTION_MS && session.partitions.size < size) {
        this.#sessions.delete(session.id);
        return true;
      }
    }
    return false;
  }
}
