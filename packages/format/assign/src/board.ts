import type { AssignorInput, SubscribedMember } from "./assignor.ts";
import { type AssignedPartition, compareText } from "./partition.ts";
import { doRacksMatter, racksOfMembers, racksOfPartition } from "./racks.ts";

/** Partitions that a member has had, and the generation in which it got them; undefined: it names none. */
export interface Claim {
  readonly partitions: readonly AssignedPartition[];
  readonly generation: number | undefined;
}

/** Reads what a member of a sticky group has had. */
export type ReadClaim = (member: SubscribedMember) => Claim;

/** A partition on the board: one object for each, so that it is its own key. */
export type Square = AssignedPartition;

const NO_GENERATION = -1;
const NONE: readonly Square[] = [];

/** Input of sticky assignors: the partitions, who has had them, and the racks. */
export class Board {
  readonly members: readonly SubscribedMember[];
  /** Topics that somebody subscribes to and that have partitions, sorted. */
  readonly topics: readonly string[];
  /** Partitions that each member keeps by right: it claims them with the highest generation. */
  readonly owned: ReadonlyMap<string, Square[]>;
  /** Partitions that two members of one generation claim. They lose them both. */
  readonly disputed: ReadonlySet<Square>;
  /** Claims of members, by member id. */
  readonly claims: ReadonlyMap<string, Claim>;
  readonly maxGeneration: number;
  readonly total: number;
  /** Racks of members; empty if racks make no difference. */
  readonly memberRacks: ReadonlyMap<string, string>;
  readonly #squares = new Map<string, readonly Square[]>();
  readonly #racks = new Map<Square, ReadonlySet<string>>();
  /** Number of members in the racks of a partition's replicas; empty if no member has a rack. */
  readonly #nearMembers = new Map<Square, number>();

  constructor({ members, topics }: AssignorInput, readClaim: ReadClaim) {
    this.members = [...members].sort((a, b) => compareText(a.memberId, b.memberId));
    const subscribed = new Set(members.flatMap(({ subscription }) => subscription.topics));
    for (const topic of subscribed) {
      const count = topics.get(topic)?.partitions ?? 0;
      if (count > 0)
        this.#squares.set(
          topic,
          Array.from({ length: count }, (_, partition) => ({ topic, partition })),
        );
    }
    this.topics = [...this.#squares.keys()].sort(compareText);
    this.total = this.topics.reduce((sum, topic) => sum + this.squares(topic).length, 0);
    this.claims = new Map(this.members.map(member => [member.memberId, readClaim(member)]));
    this.maxGeneration = Math.max(NO_GENERATION, ...[...this.claims.values()].map(generationOf));
    ({ owned: this.owned, disputed: this.disputed } = this.#judge());
    this.memberRacks = this.#judgeRacks(topics);
  }

  /** Partitions of a topic; none if it is not assigned. */
  squares(topic: string): readonly Square[] {
    return this.#squares.get(topic) ?? NONE;
  }

  square({ topic, partition }: AssignedPartition): Square | undefined {
    return this.#squares.get(topic)?.[partition];
  }

  /** True if all members subscribe to the same topics. */
  get isUniform(): boolean {
    const [first, ...others] = this.members.map(({ subscription }) => new Set(subscription.topics));
    return others.every(topics => topics.size === first?.size && [...topics].every(topic => first.has(topic)));
  }

  racksOf(square: Square): ReadonlySet<string> | undefined {
    return this.memberRacks.size === 0 ? undefined : this.#racks.get(square);
  }

  /** True if the partition has no replica in the member's rack, and that matters. */
  isFar(memberId: string, square: Square): boolean {
    const rack = this.memberRacks.get(memberId);
    return rack !== undefined && this.racksOf(square)?.has(rack) !== true;
  }

  /** Partitions by the number of members in their racks, fewest first; the order of equal ones stays. */
  byNearMembers(squares: readonly Square[]): Square[] {
    return [...squares].sort((a, b) => (this.#nearMembers.get(a) ?? 0) - (this.#nearMembers.get(b) ?? 0));
  }

  /** Index at or after `from`, in a circle, of a member in a rack of the partition; −1: none. */
  nextNear(square: Square, memberIds: readonly string[], from: number): number {
    const racks = this.racksOf(square);
    if (racks === undefined || racks.size === 0) return -1;
    for (let i = 0; i < memberIds.length; i++) {
      const at = (from + i) % memberIds.length;
      const rack = this.memberRacks.get(memberIds[at] ?? "");
      if (rack !== undefined && racks.has(rack)) return at;
    }
    return -1;
  }

  /** Decides who keeps which partition. */
  #judge(): { owned: Map<string, Square[]>; disputed: Set<Square> } {
    const owners = new Map<Square, SubscribedMember>();
    const disputed = new Set<Square>();
    const owned = new Map(this.members.map(({ memberId }) => [memberId, new Set<Square>()]));
    for (const member of this.members) {
      const claim = this.claims.get(member.memberId);
      for (const place of claim?.partitions ?? []) {
        const square = this.square(place);
        if (square === undefined || claim === undefined) continue;
        const other = owners.get(square);
        if (other === undefined) {
          owned.get(member.memberId)?.add(square);
          owners.set(square, member);
          continue;
        }
        const generation = generationOf(claim);
        const otherGeneration = other.subscription.generation;
        if (generation < otherGeneration) continue;
        owned.get(other.memberId)?.delete(square);
        owners.set(square, member);
        if (generation === otherGeneration) disputed.add(square);
        else owned.get(member.memberId)?.add(square);
      }
    }
    return { owned: new Map([...owned].map(([id, squares]) => [id, [...squares]])), disputed };
  }

  #judgeRacks(topics: AssignorInput["topics"]): ReadonlyMap<string, string> {
    const racks = racksOfMembers(this.members);
    if (racks.size === 0) return racks;
    const perRack = new Map<string, number>();
    for (const rack of racks.values()) perRack.set(rack, (perRack.get(rack) ?? 0) + 1);
    for (const topic of this.topics) {
      for (const square of this.squares(topic)) {
        const replicas = racksOfPartition(topics.get(topic) ?? { partitions: 0 }, square.partition);
        this.#racks.set(square, replicas);
        this.#nearMembers.set(
          square,
          [...replicas].reduce((sum, rack) => sum + (perRack.get(rack) ?? 0), 0),
        );
      }
    }
    return doRacksMatter(racks.values(), [...this.#racks.values()]) ? racks : new Map();
  }
}

function generationOf({ generation }: Claim): number {
  return generation ?? NO_GENERATION;
}
