import type { GroupAssignment } from "./assignor.ts";
import type { Board, Square } from "./board.ts";
import { Moves } from "./moves.ts";
import { compareText } from "./partition.ts";
import { Ranking } from "./ranking.ts";

/** State that a balancing may go back to. */
interface Snapshot {
  readonly assignment: ReadonlyMap<string, ReadonlySet<Square>>;
  readonly owners: ReadonlyMap<Square, string>;
}

/**
 * Sticky assignment of a group whose members subscribe to different topics (the general case of
 * `AbstractStickyAssignor`): members keep what they may, free partitions go to the members with the fewest, and then
 * partitions move one by one until no move makes the numbers more equal.
 */
class UnevenDeal {
  readonly #board: Board;
  /** Subscribers of each topic. */
  readonly #subscribers = new Map<string, string[]>();
  /** Topics of each member. */
  readonly #topics = new Map<string, ReadonlySet<string>>();
  readonly #assignment = new Map<string, Set<Square>>();
  readonly #owners = new Map<Square, string>();
  /** Last owner of partitions that were claimed with an older generation. */
  readonly #former = new Map<Square, string>();
  /** All partitions, those with the fewest subscribers first. */
  readonly #sorted: readonly Square[];
  readonly #moves = new Moves();
  /** Members whose partitions may change. */
  #ranking = new Ranking([], () => 0);
  #hasMoved = false;
  /** Some member must give up a partition anyway. */
  #mustRevoke = false;

  constructor(board: Board) {
    this.#board = board;
    for (const topic of board.topics) this.#subscribers.set(topic, []);
    for (const { memberId, subscription } of board.members) {
      const topics = new Set(subscription.topics.filter(topic => this.#subscribers.has(topic)));
      this.#topics.set(memberId, topics);
      for (const topic of topics) this.#subscribersOf(topic).push(memberId);
      this.#assignment.set(memberId, new Set());
    }
    const count = (topic: string) => this.#subscribersOf(topic).length;
    const topics = [...board.topics].sort((a, b) => count(a) - count(b) || compareText(a, b));
    this.#sorted = topics.flatMap(topic => board.squares(topic));
  }

  deal(): GroupAssignment {
    this.#findFormer();
    this.#keepOwned();
    const free = this.#sorted.filter(square => !this.#owners.has(square));
    this.#ranking = new Ranking(this.#assignment.keys(), id => this.#sizeOf(id));
    const isInitial = this.#ranking.most === 0;
    this.#giveAll(free);
    for (const memberId of this.#assignment.keys()) if (!this.#mayChange(memberId)) this.#ranking.remove(memberId);
    const before = this.#snapshot();
    const movable = (square: Square) => this.#subscribersOf(square.topic).length > 1;
    // New partitions move first: others would have to be revoked.
    if (!this.#mustRevoke) this.#balance(free.filter(movable));
    this.#hasMoved = false;
    this.#balance(this.#sorted.filter(movable));
    if (!isInitial && this.#hasMoved && this.#imbalance(this.#assignment) >= this.#imbalance(before.assignment)) {
      this.#restore(before);
    }
    return new Map([...this.#assignment].map(([id, squares]) => [id, [...squares]]));
  }

  #subscribersOf(topic: string): string[] {
    return this.#subscribers.get(topic) ?? [];
  }

  #squaresOf(memberId: string): Set<Square> {
    return this.#assignment.get(memberId) ?? new Set();
  }

  #sizeOf(memberId: string): number {
    return this.#squaresOf(memberId).size;
  }

  #findFormer(): void {
    const generations = new Map<Square, number>();
    for (const [memberId, { partitions, generation = -1 }] of this.#board.claims) {
      if (generation >= this.#board.maxGeneration) continue;
      for (const place of partitions) {
        const square = this.#board.square(place);
        if (square === undefined || generation <= (generations.get(square) ?? -2)) continue;
        generations.set(square, generation);
        this.#former.set(square, memberId);
      }
    }
  }

  #keepOwned(): void {
    for (const [memberId, squares] of this.#board.owned) {
      for (const square of squares) {
        const isWanted = this.#topics.get(memberId)?.has(square.topic) === true;
        if (!isWanted || this.#board.isFar(memberId, square)) this.#mustRevoke = true;
        else {
          this.#squaresOf(memberId).add(square);
          this.#owners.set(square, memberId);
        }
      }
    }
  }

  /** Gives free partitions to the subscribers with the fewest, in their racks where possible. */
  #giveAll(free: readonly Square[]): void {
    let left = free;
    if (this.#board.memberRacks.size > 0) {
      left = free.filter(square => !this.#giveOne(square, id => !this.#board.isFar(id, square)));
    }
    for (const square of left) this.#giveOne(square, () => true);
  }

  #giveOne(square: Square, suits: (memberId: string) => boolean): boolean {
    const memberId = this.#ranking.ids.find(id => this.#topics.get(id)?.has(square.topic) === true && suits(id));
    if (memberId === undefined) return false;
    this.#ranking.remove(memberId);
    this.#squaresOf(memberId).add(square);
    this.#owners.set(square, memberId);
    this.#ranking.add(memberId);
    return true;
  }

  /** False if the member has all it can get, and nobody else can get any of it. */
  #mayChange(memberId: string): boolean {
    let most = 0;
    for (const topic of this.#topics.get(memberId) ?? []) most += this.#board.squares(topic).length;
    if (this.#sizeOf(memberId) < most) return true;
    return [...this.#squaresOf(memberId)].some(({ topic }) => this.#subscribersOf(topic).length > 1);
  }

  /** Moves partitions until no move improves the balance. */
  #balance(squares: readonly Square[]): void {
    for (let isChanged = true; isChanged; ) {
      isChanged = false;
      for (const square of squares) {
        if (this.#isBalanced()) break;
        if (this.#improve(square)) isChanged = true;
      }
      this.#hasMoved ||= isChanged;
    }
  }

  #isBalanced(): boolean {
    if (this.#ranking.least >= this.#ranking.most - 1) return true;
    // Size of the largest owner of each topic's partitions.
    const largest = new Map<string, number>();
    for (const [{ topic }, owner] of this.#owners) {
      largest.set(topic, Math.max(largest.get(topic) ?? 0, this.#sizeOf(owner)));
    }
    return !this.#ranking.ids.some(memberId => {
      const size = this.#sizeOf(memberId);
      return [...(this.#topics.get(memberId) ?? [])].some(topic => size + 1 < (largest.get(topic) ?? 0));
    });
  }

  /** Moves a partition, or another in its place, if its owner has too many. */
  #improve(square: Square): boolean {
    const owner = this.#owners.get(square);
    if (owner === undefined) return false;
    const isSmaller = (memberId: string): boolean => this.#sizeOf(owner) > this.#sizeOf(memberId) + 1;
    const former = this.#former.get(square);
    if (former !== undefined && this.#canHave(former, square) && isSmaller(former)) {
      this.#move(square, owner, former);
      return true;
    }
    const subscribers = this.#subscribersOf(square.topic);
    if (!subscribers.some(isSmaller)) return false;
    const to = this.#ranking.ids.find(id => this.#topics.get(id)?.has(square.topic) === true);
    if (to === undefined) return false;
    this.#move(square, owner, to);
    return true;
  }

  #canHave(memberId: string, { topic }: Square): boolean {
    return this.#topics.get(memberId)?.has(topic) === true;
  }

  #move(square: Square, owner: string, to: string): void {
    const moved = this.#moves.instead(square, owner, to);
    const from = this.#owners.get(moved) ?? owner;
    this.#ranking.remove(from);
    this.#ranking.remove(to);
    this.#moves.moved(moved, from, to);
    this.#squaresOf(from).delete(moved);
    this.#squaresOf(to).add(moved);
    this.#owners.set(moved, to);
    this.#ranking.add(to);
    this.#ranking.add(from);
  }

  #snapshot(): Snapshot {
    const assignment = new Map([...this.#assignment].map(([id, squares]) => [id, new Set(squares)]));
    return { assignment, owners: new Map(this.#owners) };
  }

  #restore({ assignment, owners }: Snapshot): void {
    for (const [id, squares] of assignment) this.#assignment.set(id, new Set(squares));
    this.#owners.clear();
    for (const [square, owner] of owners) this.#owners.set(square, owner);
  }

  /** Sum of the differences between each two members that may change; 0: all have the same number. */
  #imbalance(assignment: ReadonlyMap<string, ReadonlySet<Square>>): number {
    const sizes = this.#ranking.ids.map(id => assignment.get(id)?.size ?? 0).sort((a, b) => a - b);
    // In ascending order, each size is added once for each smaller one, and taken away once for each larger one.
    return sizes.reduce((sum, size, i) => sum + size * (2 * i - sizes.length + 1), 0);
  }
}

/** Deals the partitions of a group whose members subscribe to different topics. */
export function unevenDeal(board: Board): GroupAssignment {
  return new UnevenDeal(board).deal();
}
