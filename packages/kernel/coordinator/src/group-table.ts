import { ClassicGroup } from "./classic/group.ts";
import type { Group } from "./group.ts";
import { OffsetTable } from "./offset-table.ts";
import { PendingOffsets } from "./pending-offsets.ts";

/** Groups of a shard, of all types; their committed offsets, and the pending ones of open transactions. */
export class GroupTable {
  readonly offsets = new OffsetTable();
  readonly pending = new PendingOffsets();
  readonly #groups = new Map<string, Group>();

  get(groupId: string): Group | undefined {
    return this.#groups.get(groupId);
  }

  /** Group with that id and class; undefined if there is none, or one of another type. */
  find<G extends Group>(type: new (...args: never[]) => G, groupId: string): G | undefined {
    const group = this.#groups.get(groupId);
    return group instanceof type ? group : undefined;
  }

  values(): IterableIterator<Group> {
    return this.#groups.values();
  }

  /** All groups of one class. */
  *all<G extends Group>(type: new (...args: never[]) => G): IterableIterator<G> {
    for (const group of this.#groups.values()) if (group instanceof type) yield group;
  }

  /** False if another group has replaced this one, or if it is deleted. */
  isCurrent(group: Group): boolean {
    return this.#groups.get(group.id) === group;
  }

  set(group: Group): void {
    this.#groups.set(group.id, group);
  }

  /** Adds an empty classic group. */
  create(id: string, wall: number): ClassicGroup {
    const group = new ClassicGroup(id, { stateTimestamp: wall });
    this.#groups.set(id, group);
    return group;
  }

  /** Removes a group; offsets that it still has get an empty classic group. */
  forget({ id }: Group, wall: number): void {
    this.#groups.delete(id);
    if (this.offsets.of(id).size > 0) this.create(id, wall);
  }

  clear(): void {
    this.#groups.clear();
    this.offsets.clear();
  }
}
