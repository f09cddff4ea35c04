import type { Place } from "../values/offset.ts";

/** Hears of offsets that a transaction has committed for a consumer of the same client. */
export interface CommittedListener {
  committed(offset: Place): void;
}

/** Running consumers of a client by their groups, so that transactions of its producers can tell them what they commit. */
export class CommittedOffsets {
  readonly #byGroup = new Map<string, Set<CommittedListener>>();

  /** Adds a consumer; returns the way to remove it. */
  add(groupId: string, listener: CommittedListener): () => void {
    const found = this.#byGroup.get(groupId) ?? new Set();
    found.add(listener);
    this.#byGroup.set(groupId, found);
    return () => {
      found.delete(listener);
      if (found.size === 0 && this.#byGroup.get(groupId) === found) this.#byGroup.delete(groupId);
    };
  }

  /** Tells the consumers of a group. */
  tell(groupId: string, offset: Place): void {
    for (const listener of this.#byGroup.get(groupId) ?? []) listener.committed(offset);
  }
}
