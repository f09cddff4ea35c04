import type { PartitionIndex, Uuid } from "@samsa/base";

/** Partitions by topic id. */
export type Assignment = ReadonlyMap<Uuid, ReadonlySet<PartitionIndex>>;

export interface Subscriber {
  readonly memberId: string;
  readonly topicIds: ReadonlySet<Uuid>;
  /** Target assignment so far, of which the member keeps as much as its share allows. */
  readonly assigned: Assignment;
}

type Seat = { readonly memberId: string; readonly most: number; readonly has: Set<string> };

const keyOf = (topicId: Uuid, partition: PartitionIndex): string => `${topicId}-${partition}`;

/** Number of members per partition, such that every member gets a partition (`SimpleAssignor`). */
function sharingOf(members: number, partitions: number): number {
  return partitions === 0 ? 0 : Math.ceil(members / partitions);
}

/** Divides partitions among members that subscribe to all of them: as evenly as possible, with few moves. */
function shareOut(members: readonly Subscriber[], topics: Assignment): Map<string, Set<string>> {
  const partitions = [...topics].flatMap(([topicId, indexes]) => [...indexes].map(index => keyOf(topicId, index)));
  const sharing = sharingOf(members.length, partitions.length);
  const share = (sharing * partitions.length) / members.length;
  const takers = new Map(partitions.map(partition => [partition, 0]));
  const seats = members.map(({ memberId, assigned }, i): Seat => {
    const most = Math.ceil(share * (i + 1)) - Math.ceil(share * i);
    const has = new Set<string>();
    for (const [topicId, indexes] of assigned) {
      for (const index of indexes) {
        const partition = keyOf(topicId, index);
        const count = takers.get(partition);
        if (count === undefined || count >= sharing || has.size >= most) continue;
        has.add(partition);
        takers.set(partition, count + 1);
      }
    }
    return { memberId, most, has };
  });
  let open = seats.filter(({ has, most }) => has.size < most);
  for (let [partition, count] of takers) {
    for (const { has } of open) {
      if (count >= sharing) break;
      if (has.has(partition)) continue;
      has.add(partition);
      count++;
    }
    // Members that have got the partition go to the end of the line.
    const got = open.filter(({ has }) => has.has(partition));
    open = [...open.filter(seat => !got.includes(seat)), ...got].filter(({ has, most }) => has.size < most);
  }
  return new Map(seats.map(({ memberId, has }) => [memberId, has]));
}

/**
 * Assigns the partitions of `topics` to the members of a share group. Members with equal subscriptions divide all
 * partitions among them; otherwise the subscribers of each topic divide its partitions.
 */
export function assignShares(members: readonly Subscriber[], topics: Assignment): Map<string, Assignment> {
  const [first] = members;
  if (first === undefined) return new Map();
  const isAlike = members.every(
    ({ topicIds }) => topicIds.size === first.topicIds.size && [...topicIds].every(id => first.topicIds.has(id)),
  );
  const wanted = [...topics].filter(([topicId]) => members.some(({ topicIds }) => topicIds.has(topicId)));
  const rounds = isAlike ? [wanted] : wanted.map(topic => [topic]);
  const result = new Map(members.map(({ memberId }) => [memberId, new Map<Uuid, Set<PartitionIndex>>()]));
  for (const round of rounds) {
    const takers = members.filter(({ topicIds }) => round.every(([topicId]) => topicIds.has(topicId)));
    const shared = shareOut(takers, new Map(round));
    for (const [topicId, indexes] of round) {
      for (const { memberId } of takers) {
        const own = [...indexes].filter(index => shared.get(memberId)?.has(keyOf(topicId, index)) === true);
        if (own.length > 0) result.get(memberId)?.set(topicId, new Set(own));
      }
    }
  }
  return result;
}
