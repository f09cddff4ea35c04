import { groupBy } from "@samsa/base";
import {
  type AssignableTopic,
  type Assignor,
  type AssignorInput,
  compareMembers,
  type GroupAssignment,
  type SubscribedMember,
} from "./assignor.ts";
import { comparePartitions } from "./partition.ts";
import { doRacksMatter, racksOfMembers, racksOfPartition } from "./racks.ts";

/** Distribution of one topic that is under way. */
class TopicRange {
  readonly topic: string;
  /** Ids of the subscribers, in the order of their ranges. */
  readonly subscribers: readonly string[];
  readonly needsRacks: boolean;
  readonly #memberRacks: ReadonlyMap<string, string>;
  readonly #partitionRacks: readonly ReadonlySet<string>[];
  readonly #free: Set<number>;
  readonly #counts = new Map<string, number>();
  readonly #least: number;
  /** Subscribers that may still get one partition more than the others. */
  #extra: number;

  constructor(
    name: string,
    topic: AssignableTopic,
    subscribers: readonly string[],
    racks: ReadonlyMap<string, string>,
  ) {
    this.topic = name;
    this.subscribers = subscribers;
    this.#memberRacks = racks;
    const indexes = Array.from({ length: topic.partitions }, (_, i) => i);
    this.#free = new Set(indexes);
    this.#least = subscribers.length === 0 ? 0 : Math.floor(topic.partitions / subscribers.length);
    this.#extra = subscribers.length === 0 ? 0 : topic.partitions % subscribers.length;
    const own = subscribers.flatMap(id => racks.get(id) ?? []);
    this.#partitionRacks = own.length === 0 ? [] : indexes.map(i => racksOfPartition(topic, i));
    this.needsRacks = doRacksMatter(own, this.#partitionRacks);
  }

  /** Number of partitions whose racks are looked at: none if no subscriber has a rack. */
  get racked(): number {
    return this.#partitionRacks.length;
  }

  /** True if the member can read the partition in its own rack, or has no rack. */
  isNear(memberId: string, partition: number): boolean {
    const rack = this.#memberRacks.get(memberId);
    return rack === undefined || this.#partitionRacks[partition]?.has(rack) === true;
  }

  /** Number of partitions that the member may still get. */
  room(memberId: string): number {
    const most = this.#least + (this.#extra > 0 ? 1 : 0);
    return Math.max(0, most - (this.#counts.get(memberId) ?? 0));
  }

  give(memberId: string, partitions: readonly number[], to: GroupAssignment): void {
    const count = (this.#counts.get(memberId) ?? 0) + partitions.length;
    this.#counts.set(memberId, count);
    if (count > this.#least) this.#extra--;
    for (const partition of partitions) {
      this.#free.delete(partition);
      to.get(memberId)?.push({ topic: this.topic, partition });
    }
  }

  /** Gives each subscriber the first free partitions that `suits` accepts, up to its share. */
  giveRanges(suits: (memberId: string, partition: number) => boolean, to: GroupAssignment): void {
    for (const memberId of this.subscribers) {
      if (this.#free.size === 0) return;
      const room = this.room(memberId);
      const taken: number[] = [];
      for (const partition of this.#free) {
        if (taken.length === room) break;
        if (suits(memberId, partition)) taken.push(partition);
      }
      if (taken.length > 0) this.give(memberId, taken, to);
    }
  }
}

/** Gives partitions with the same index of all these topics to one member, so far as its rack has replicas of all. */
function giveTogether(topics: readonly TopicRange[], to: GroupAssignment): void {
  const [first] = topics;
  if (first === undefined) return;
  const remaining = new Set(first.subscribers);
  for (let partition = 0; partition < first.racked && remaining.size > 0; partition++) {
    for (const memberId of remaining) {
      if (!topics.every(topic => topic.isNear(memberId, partition) && topic.room(memberId) > 0)) continue;
      for (const topic of topics) topic.give(memberId, [partition], to);
      if (topics.every(topic => topic.room(memberId) === 0)) remaining.delete(memberId);
      break;
    }
  }
}

/** Topics with the same subscribers and the same number of partitions. */
function coPartitioned(topics: readonly TopicRange[]): Iterable<TopicRange[]> {
  return groupBy(topics, ({ racked, subscribers }) => JSON.stringify([racked, subscribers])).values();
}

function subscribersOf(members: readonly SubscribedMember[]): Map<string, string[]> {
  const subscribers = new Map<string, string[]>();
  for (const { memberId, subscription } of [...members].sort(compareMembers)) {
    for (const topic of new Set(subscription.topics)) {
      const known = subscribers.get(topic);
      if (known === undefined) subscribers.set(topic, [memberId]);
      else known.push(memberId);
    }
  }
  return subscribers;
}

function assign({ members, topics }: AssignorInput): GroupAssignment {
  const racks = racksOfMembers(members);
  const ranges: TopicRange[] = [];
  for (const [name, subscribers] of subscribersOf(members)) {
    const topic = topics.get(name);
    if (topic !== undefined && topic.partitions > 0) ranges.push(new TopicRange(name, topic, subscribers, racks));
  }
  const result: GroupAssignment = new Map(members.map(({ memberId }) => [memberId, []]));
  const needsRacks = ranges.some(range => range.needsRacks);
  if (needsRacks) {
    for (const group of coPartitioned(ranges)) {
      if (group.length > 1) giveTogether(group, result);
      else for (const range of group) if (range.needsRacks) range.giveRanges((id, i) => range.isNear(id, i), result);
    }
  }
  for (const range of ranges) range.giveRanges(() => true, result);
  for (const partitions of result.values()) partitions.sort(comparePartitions);
  return result;
}

/**
 * Gives every subscriber of a topic one range of its partitions; the first ones get one more if the number does not
 * divide evenly (`RangeAssignor`). Topics with the same subscribers and the same number of partitions are divided alike.
 * Members get partitions with a replica in their rack where that leaves the shares equal (KIP-881).
 */
export const RANGE: Assignor = { name: "range", isCooperative: false, userData: () => null, assign };
