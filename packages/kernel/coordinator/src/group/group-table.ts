import type { Group } from "./group.ts";
import { OffsetTable } from "./offset-table.ts";
import { PendingOffsets } from "./pending-offsets.ts";
import { type Timeline, TimelineMap, type View } from "../shard/timeline.ts";

/** Makes the empty classic group that a commit of offsets without a group needs; `wall`: the time, since 1970. */
type NewGroup = (id: string, wall: number) => Group;

/** Groups of a shard, of all types; their committed offsets, and the pending ones of open transactions. */
export class GroupTable {
  readonly offsets: OffsetTable;
  readonly pending: PendingOffsets;
  readonly #groups: TimelineMap<string, Group>;
  readonly #newGroup: NewGroup;

  constructor(timeline: Timeline, newGroup: NewGroup) {
    this.#newGroup = newGroup;
    this.offsets = new OffsetTable(timeline);
    this.pending = new PendingOffsets(timeline);
    this.#groups = new TimelineMap(timeline);
  }

  /** Group that exists in `view`. */
  get(groupId: string, view?: View): Group | undefined {
    return this.#groups.get(groupId, view);
  }

  /** Group with that id and class that exists in `view`; undefined if there is none, or one of another type. */
  find<G extends Group>(type: new (...args: never[]) => G, groupId: string, view?: View): G | undefined {
    const group = this.#groups.get(groupId, view);
    return group instanceof type ? group : undefined;
  }

  values(view?: View): IterableIterator<Group> {
    return this.#groups.values(view);
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
  create(id: string, wall: number): void {
    this.#groups.set(id, this.#newGroup(id, wall));
  }

  /** Removes a group; offsets that it still has get an empty classic group. */
  forget({ id }: Group, wall: number): void {
    this.#groups.delete(id);
    if (this.offsets.of(id).size > 0) this.create(id, wall);
  }
}
