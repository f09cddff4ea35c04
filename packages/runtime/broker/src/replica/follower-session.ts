import type { PartitionIndex, Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { INITIAL_EPOCH, nextEpoch } from "./fetch-sessions.ts";

/** Partition of a session. */
export interface SessionMember {
  readonly topicId: Uuid;
  readonly index: PartitionIndex;
}

/** Errors of a session, after which the next fetch begins another one. */
const LOST: ReadonlySet<number> = new Set([
  Errors.FETCH_SESSION_ID_NOT_FOUND.code,
  Errors.INVALID_FETCH_SESSION_EPOCH.code,
  Errors.FETCH_SESSION_TOPIC_ID_ERROR.code,
]);

/**
 * Fetch session of a follower with a leader: each fetch names the partitions whose position has changed, or which the
 * leader shall forget (KIP-227, `FetchSessionHandler`).
 */
export class FollowerSession<M extends SessionMember> {
  #id = 0;
  #epoch = INITIAL_EPOCH;
  /** Partitions that the leader knows, once it has answered. */
  readonly #members = new Map<string, M>();
  #forgotten: SessionMember[] = [];

  get id(): number {
    return this.#id;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** True if the next fetch must name all partitions. */
  get isNew(): boolean {
    return this.#epoch === INITIAL_EPOCH;
  }

  get size(): number {
    return this.#members.size;
  }

  /** Adds a partition that the next fetch names. */
  add(member: M): void {
    this.#members.set(key(member), member);
  }

  /** Removes a partition: the next fetch tells the leader. */
  remove(member: M): void {
    if (this.#members.get(key(member)) !== member) return;
    this.#members.delete(key(member));
    if (!this.isNew) this.#forgotten.push(member);
  }

  /** Partitions to forget; partitions that were added again are not among them. Clears the list. */
  takeForgotten(): SessionMember[] {
    const forgotten = this.#forgotten.filter(member => !this.#members.has(key(member)));
    this.#forgotten = [];
    return forgotten;
  }

  /** Takes the leader's answer to the last fetch. False if the session is lost, or the fetch failed as a whole. */
  answered(errorCode: number, sessionId: number): boolean {
    if (errorCode !== 0) {
      if (LOST.has(errorCode)) this.lost();
      return false;
    }
    if (this.isNew) {
      // The leader may have no room for sessions: then each fetch names all partitions.
      if (sessionId === 0) return true;
      this.#id = sessionId;
      this.#epoch = nextEpoch(INITIAL_EPOCH);
    } else this.#epoch = nextEpoch(this.#epoch);
    return true;
  }

  /** Begins another session, which ends this one. */
  lost(): void {
    this.#epoch = INITIAL_EPOCH;
    this.#members.clear();
    this.#forgotten = [];
  }
}

function key({ topicId, index }: SessionMember): string {
  return `${topicId}-${index}`;
}
