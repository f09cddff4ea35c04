import type { PartitionIndex, Uuid } from "@samsa/base";
import { Errors, type ProtocolError } from "@samsa/protocol";
import { FINAL_EPOCH, INITIAL_EPOCH, nextEpoch } from "../replica/fetch-sessions.ts";
import type { Peer } from "../request/request-context.ts";

/** A partition of a share session. */
export interface SessionSharePartition {
  readonly topicId: Uuid;
  readonly index: PartitionIndex;
  /** True if the topic existed when the partition was added. */
  readonly isKnown: boolean;
  /**
   * True if the next response must include the partition even without records: it is new to the session or had an
   * error.
   */
  mustShow: boolean;
}

export interface ShareSession {
  readonly groupId: string;
  readonly memberId: string;
  /** Epoch that the next request must carry. */
  epoch: number;
  readonly partitions: Map<string, SessionSharePartition>;
  readonly peer: Peer;
}

/** Partitions that a request adds to and removes from its session. */
export interface SessionChange {
  readonly added: readonly { readonly topicId: Uuid; readonly index: PartitionIndex; readonly isKnown: boolean }[];
  readonly forgotten: readonly { readonly topicId: Uuid; readonly index: PartitionIndex }[];
  readonly hasAcknowledgements: boolean;
}

export function sharePartitionId({
  topicId,
  index,
}: {
  readonly topicId: Uuid;
  readonly index: PartitionIndex;
}): string {
  return `${topicId}-${index}`;
}

function sessionKey(groupId: string, memberId: string): string {
  // Ids may contain any character, so the length marks the end of the first.
  return `${groupId.length}:${groupId}${memberId}`;
}

/** Share sessions of members (KIP-932, `ShareSessionCache`), at most `limit()`. */
export class ShareSessions {
  readonly #sessions = new Map<string, ShareSession>();
  /** Session that each connection began last: it ends with the connection. */
  readonly #ofPeer = new Map<Peer, ShareSession>();
  readonly #limit: () => number;

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#sessions.size;
  }

  find(groupId: string, memberId: string): ShareSession | undefined {
    return this.#sessions.get(sessionKey(groupId, memberId));
  }

  /** Session of a fetch, created or updated by `change`; undefined for the final request, which fetches nothing. */
  fetch(
    of: { readonly groupId: string; readonly memberId: string; readonly epoch: number; readonly peer: Peer },
    change: SessionChange,
  ): ShareSession | ProtocolError | undefined {
    const { groupId, memberId, epoch, peer } = of;
    const known = this.find(groupId, memberId);
    if (epoch === FINAL_EPOCH) return known === undefined ? Errors.SHARE_SESSION_NOT_FOUND : undefined;
    if (epoch === INITIAL_EPOCH) {
      if (change.hasAcknowledgements) return Errors.INVALID_REQUEST;
      if (known !== undefined) this.#sessions.delete(sessionKey(groupId, memberId));
      // Kafka fails if the first request of a session names a partition twice.
      if (new Set(change.added.map(sharePartitionId)).size < change.added.length) return Errors.UNKNOWN_SERVER_ERROR;
      if (this.#sessions.size >= this.#limit()) return Errors.SHARE_SESSION_LIMIT_REACHED;
      const session = { groupId, memberId, epoch: nextEpoch(epoch), partitions: new Map(), peer };
      this.#sessions.set(sessionKey(groupId, memberId), session);
      this.#ofPeer.set(peer, session);
      return update(session, change, false);
    }
    const fault = this.#advance(known, epoch);
    if (known === undefined || fault !== undefined) return fault;
    return update(known, change, true);
  }

  /** Validates the session epoch of a request that only acknowledges. */
  acknowledge(groupId: string, memberId: string, epoch: number): ProtocolError | undefined {
    if (epoch === INITIAL_EPOCH) return Errors.INVALID_SHARE_SESSION_EPOCH;
    const known = this.find(groupId, memberId);
    if (epoch === FINAL_EPOCH) return known === undefined ? Errors.SHARE_SESSION_NOT_FOUND : undefined;
    return this.#advance(known, epoch);
  }

  #advance(session: ShareSession | undefined, epoch: number): ProtocolError | undefined {
    if (session === undefined) return Errors.SHARE_SESSION_NOT_FOUND;
    if (session.epoch !== epoch) return Errors.INVALID_SHARE_SESSION_EPOCH;
    session.epoch = nextEpoch(epoch);
    return undefined;
  }

  /** Removes a session, unless a newer one has replaced it. */
  remove(session: ShareSession): boolean {
    const key = sessionKey(session.groupId, session.memberId);
    return this.#sessions.get(key) === session && this.#sessions.delete(key);
  }

  /** Removes and returns the session that a closed connection began last, if any. */
  disconnected(peer: Peer): ShareSession | undefined {
    const session = this.#ofPeer.get(peer);
    this.#ofPeer.delete(peer);
    return session;
  }

  clear(): void {
    this.#sessions.clear();
  }

  hasGroup(groupId: string): boolean {
    for (const session of this.#sessions.values()) if (session.groupId === groupId) return true;
    return false;
  }
}

function update(session: ShareSession, { added, forgotten }: SessionChange, mustShow: boolean): ShareSession {
  for (const partition of added) {
    const id = sharePartitionId(partition);
    if (!session.partitions.has(id)) session.partitions.set(id, { ...partition, mustShow });
  }
  for (const partition of forgotten) session.partitions.delete(sharePartitionId(partition));
  return session;
}
