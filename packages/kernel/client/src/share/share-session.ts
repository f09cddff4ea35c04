import type { PartitionIndex, Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";

/** A partition of a share session. */
export interface SharePlace {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly partition: PartitionIndex;
}

/** Changes that a ShareFetch makes to its session. */
export interface SessionChanges {
  readonly epoch: number;
  readonly added: readonly SharePlace[];
  readonly forgotten: readonly SharePlace[];
}

/** Result of a response. */
export type ShareSessionResult =
  | "accepted"
  /** The request has failed as a whole, and the session goes on. */
  | "refused"
  /** The broker has no such session, or another one. The next fetch begins a new one. */
  | "lost";

const FULL_EPOCH = 0;
/** Epoch of the request that closes a session. */
export const FINAL_EPOCH = -1;

/** Errors after which a session begins anew (`ShareSessionHandler.handleResponse`). */
const LOSSES: ReadonlySet<number> = new Set([
  Errors.SHARE_SESSION_NOT_FOUND.code,
  Errors.INVALID_SHARE_SESSION_EPOCH.code,
  Errors.SHARE_SESSION_LIMIT_REACHED.code,
]);

/** Key of a partition by the id of its topic. */
export function placeKey(topicId: Uuid, partition: PartitionIndex): string {
  return `${topicId}/${partition}`;
}

/**
 * Share session with one broker (`ShareSessionHandler`): ShareFetch and ShareAcknowledge count its epoch together, and
 * fetches name only partitions that come or go. A request is answered, or has failed, before the next one is built.
 */
export class ShareSession {
  #epoch = FULL_EPOCH;
  #partitions = new Map<string, SharePlace>();
  /** Partitions of the session, those that the last fetch has forgotten included: its answer may still have them. */
  #known = new Map<string, SharePlace>();

  /** The broker has a session, as far as the client knows; only then may records be acknowledged. */
  get isOpen(): boolean {
    return this.#epoch !== FULL_EPOCH;
  }

  /** Epoch of a request that leaves the partitions as they are. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Changes of the next fetch, after which the session has the wanted partitions. */
  next(wanted: Iterable<SharePlace>): SessionChanges {
    const before = this.isOpen ? this.#partitions : new Map<string, SharePlace>();
    const now = new Map<string, SharePlace>();
    const added: SharePlace[] = [];
    for (const place of wanted) {
      const key = placeKey(place.topicId, place.partition);
      if (!before.has(key)) added.push(place);
      now.set(key, place);
    }
    const forgotten = [...before].flatMap(([key, place]) => (now.has(key) ? [] : [place]));
    this.#partitions = now;
    this.#known = new Map([...before, ...now]);
    return { epoch: this.#epoch, added, forgotten };
  }

  /** True if the session has the partition after the last fetch. */
  has({ topicId, partition }: SharePlace): boolean {
    return this.#partitions.has(placeKey(topicId, partition));
  }

  /** Partition of an answer; undefined: the session has no such one. */
  place(topicId: Uuid, partition: PartitionIndex): SharePlace | undefined {
    return this.#known.get(placeKey(topicId, partition));
  }

  /** Takes the answer to the last request. */
  answered(errorCode: number): ShareSessionResult {
    if (LOSSES.has(errorCode)) {
      this.#epoch = FULL_EPOCH;
      return "lost";
    }
    if (errorCode === 0) {
      this.#epoch = nextEpoch(this.#epoch);
      return "accepted";
    }
    // The broker may or may not have begun a session, and says so to a request that is not a first one.
    if (this.isOpen) this.#epoch = nextEpoch(this.#epoch);
    return "refused";
  }

  /** The request has no answer: the broker ends the session along with its connection. */
  failed(): void {
    this.#epoch = FULL_EPOCH;
  }
}

/** Epoch after `epoch` (`ShareRequestMetadata.nextEpoch`). */
function nextEpoch(epoch: number): number {
  return epoch === 0x7fffffff ? 1 : epoch + 1;
}
