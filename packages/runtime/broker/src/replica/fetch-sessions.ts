import type { BrokerId } from "@samsa/base";
import { Errors, type FetchRequest } from "@samsa/protocol";
import type { ReplicaSession } from "./replica-session.ts";
import type { SessionPartition } from "./session-partition.ts";

export interface FetchSession {
  readonly id: number;
  /** Epoch that the next request must carry. */
  epoch: number;
  readonly usesTopicIds: boolean;
  /** Partitions in the order in which they are served; one that returned records moves to the end. */
  readonly partitions: Map<string, SessionPartition>;
  /** State of a session of another broker, which has its partitions instead; undefined for a consumer. */
  readonly replica: ReplicaSession | undefined;
  lastUsed: number;
  readonly created: number;
}

const EVICTION_MS = 120_000;

/** Epoch of a request that closes its session (`FetchMetadata.FINAL_EPOCH`). */
export const FINAL_EPOCH = -1;
/** Epoch of a request for a new session (`FetchMetadata.INITIAL_EPOCH`). */
export const INITIAL_EPOCH = 0;

/** Returns the next epoch; 2147483647 wraps to 1. */
export function nextEpoch(epoch: number): number {
  return epoch < 0 ? FINAL_EPOCH : epoch === 2147483647 ? 1 : epoch + 1;
}

/** Incremental fetch sessions of a broker (KIP-227, `FetchSessionCache`), at most `slots`. */
export class FetchSessions {
  /** Sessions that had to make room for others. */
  evictions = 0;
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
    for (const session of this.#sessions.values()) count += sizeOf(session);
    return count;
  }

  find(id: number): FetchSession | undefined {
    return this.#sessions.get(id);
  }

  remove(id: number): void {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    session?.replica?.close();
  }

  /** Marks a session as used: the least recently used one is evicted first. */
  touch(session: FetchSession, now: number): void {
    session.lastUsed = now;
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
  }

  /**
   * Session that a request continues, in its next epoch; else an error code (`FetchManager.newContext`). `replicaId` is
   * the broker that asks; undefined for a consumer. The session of another broker, or of the other kind, is none of it.
   */
  continue(
    { sessionId, sessionEpoch }: Pick<FetchRequest, "sessionId" | "sessionEpoch">,
    { usesTopicIds, replicaId, now }: { usesTopicIds: boolean; replicaId: BrokerId | undefined; now: number },
  ): FetchSession | number {
    const session = this.find(sessionId);
    if (session === undefined || session.replica?.replicaId !== replicaId)
      return Errors.FETCH_SESSION_ID_NOT_FOUND.code;
    if (session.epoch !== sessionEpoch) return Errors.INVALID_FETCH_SESSION_EPOCH.code;
    if (session.usesTopicIds !== usesTopicIds) return Errors.FETCH_SESSION_TOPIC_ID_ERROR.code;
    session.epoch = nextEpoch(session.epoch);
    this.touch(session, now);
    return session;
  }

  /**
   * Creates a session over `partitions`; undefined if all slots are taken by sessions that are in use, or larger and
   * too young to evict (`FetchSessionCache.tryEvict`).
   */
  create(
    now: number,
    usesTopicIds: boolean,
    partitions: Map<string, SessionPartition>,
    replica?: ReplicaSession,
  ): FetchSession | undefined {
    // A broker that has started again does not know its sessions, which would go on to watch their partitions.
    for (const { id, replica: old } of replica === undefined ? [] : [...this.#sessions.values()]) {
      if (old !== undefined && replica?.succeeds(old) === true) this.remove(id);
    }
    const size = replica?.entries.size ?? partitions.size;
    if (this.#sessions.size >= this.#slots && !this.#evict(now, size, replica !== undefined)) return undefined;
    let id = 0;
    do {
      id = 1 + Math.floor(this.#random() * 2147483646);
    } while (this.#sessions.has(id));
    const session = { id, epoch: 1, usesTopicIds, partitions, replica, lastUsed: now, created: now };
    this.#sessions.set(id, session);
    return session;
  }

  /** Makes room for a session of `size` partitions. That of a broker takes the place of any client's. */
  #evict(now: number, size: number, isReplica: boolean): boolean {
    // The map is in order of use, so its first entry has been idle longest.
    for (const session of this.#sessions.values()) {
      if (now - session.lastUsed > EVICTION_MS) {
        this.remove(session.id);
        this.evictions++;
        return true;
      }
      break;
    }
    for (const session of this.#sessions.values()) {
      const isClient = session.replica === undefined;
      const isSmaller = now - session.created > EVICTION_MS && sizeOf(session) < size && (isClient || isReplica);
      if (isSmaller || (isReplica && isClient)) {
        this.remove(session.id);
        this.evictions++;
        return true;
      }
    }
    return false;
  }
}

function sizeOf({ partitions, replica }: FetchSession): number {
  return replica?.entries.size ?? partitions.size;
}
