import { ClassicGroup } from "./classic/group.ts";
import type { AnyGroup } from "./offsets.ts";
import { PendingOffsets } from "./pending-offsets.ts";

/** Groups of a shard, and their pending offsets of open transactions. */
export class GroupTable {
  readonly pending = new PendingOffsets();
  readonly #groups = new Map<string, AnyGroup>();

  get(groupId: string): AnyGroup | undefined {
    return this.#groups.get(groupId);
  }

  /** Classic group with that id; undefined if the group has another type. */
  classic(groupId: string): ClassicGroup | undefined {
    const group = this.#groups.get(groupId);
    return group?.type === "classic" ? group : undefined;
  }

  values(): IterableIterator<AnyGroup> {
    return this.#groups.values();
  }

  set(group: AnyGroup): void {
    this.#groups.set(group.id, group);
  }

  delete(groupId: string): void {
    this.#groups.delete(groupId);
  }

  clear(): void {
    this.#groups.clear();
  }

  /** Adds an empty classic group, with the offsets of the group that it replaces. */
  create(id: string, wall: number, offsets?: AnyGroup["offsets"]): ClassicGroup {
    const group = new ClassicGroup(id, { stateTimestamp: wall, ...(offsets === undefined ? {} : { offsets }) });
    this.#groups.set(id, group);
    return group;
  }
}
