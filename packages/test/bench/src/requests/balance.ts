/** Number of members and partitions of a group under measurement. */
export interface GroupSize {
  readonly members: number;
  readonly partitions: number;
}

/** True if each partition has one owner, and no member has two partitions more than another. */
export function isBalanced(owned: readonly (readonly number[])[], { members, partitions }: GroupSize): boolean {
  if (owned.length !== members) return false;
  const counts = owned.map(({ length }) => length);
  if (Math.max(...counts) - Math.min(...counts) > 1) return false;
  const all = owned.flat();
  return all.length === partitions && new Set(all).size === partitions;
}
