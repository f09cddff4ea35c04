import { entryAt } from "@samsa/base";
import type { GroupAssignment } from "./assignor.ts";
import type { Board, Square } from "./board.ts";
import { compareText } from "./partition.ts";

/** Assignment, and the partitions in it that another member may still have. */
export interface StickyResult {
  readonly assignment: GroupAssignment;
  /** New owners of partitions that change hands. */
  readonly moving: ReadonlyMap<Square, string>;
}

/**
 * Sticky assignment of a group whose members all subscribe to the same topics: each gets the same number of partitions,
 * or one more, and keeps as many as it may (the constrained case of `AbstractStickyAssignor`).
 */
class EvenDeal {
  readonly #board: Board;
  /** Partitions that every member gets. */
  readonly #least: number;
  readonly #most: number;
  /** Number of members that get `#most`, and those that have it; both 0 if the partitions divide evenly. */
  readonly #bigQuota: number;
  #big = 0;
  readonly #assignment = new Map<string, Square[]>();
  /** Members with fewer than `#least` partitions. */
  #small: string[] = [];
  /** Members with `#least` partitions that may get one more. */
  #even: string[] = [];
  /** Former owners of partitions that were taken from them. */
  readonly #takenFrom = new Map<Square, string>();
  readonly #moving = new Map<Square, string>();

  constructor(board: Board) {
    const count = board.members.length;
    this.#board = board;
    this.#least = Math.floor(board.total / count);
    this.#most = Math.ceil(board.total / count);
    this.#bigQuota = board.total % count;
  }

  deal(): StickyResult {
    const kept = new Set<Square>();
    for (const { memberId } of this.#board.members) for (const square of this.#keep(memberId)) kept.add(square);
    this.#small.sort(compareText);
    this.#even.sort(compareText);
    const { topics } = this.#board;
    const free = topics.flatMap(topic => this.#board.squares(topic).filter(square => !kept.has(square)));
    this.#dealAnywhere(this.#dealNear(this.#board.byNearMembers(free)));
    return { assignment: this.#assignment, moving: this.#moving };
  }

  /** Leaves a member what it has had, up to its share. */
  #keep(memberId: string): readonly Square[] {
    const board = this.#board;
    const near: Square[] = [];
    for (const square of board.owned.get(memberId) ?? []) {
      if (board.isFar(memberId, square)) this.#takenFrom.set(square, memberId);
      else if (!board.disputed.has(square)) near.push(square);
    }
    near.sort((a, b) => a.partition - b.partition || compareText(a.topic, b.topic));
    const kept = near.slice(0, this.#share(memberId, near.length));
    for (const square of near.slice(kept.length)) this.#takenFrom.set(square, memberId);
    this.#assignment.set(memberId, kept);
    return kept;
  }

  /** Number of partitions that a member with `count` keeps. */
  #share(memberId: string, count: number): number {
    if (count < this.#least) {
      this.#small.push(memberId);
      return count;
    }
    if (count >= this.#most && this.#big < this.#bigQuota) {
      this.#countBig();
      return this.#most;
    }
    if (this.#big < this.#bigQuota) this.#even.push(memberId);
    return this.#least;
  }

  #countBig(): void {
    this.#big++;
    if (this.#big === this.#bigQuota) this.#even = [];
  }

  /** Deals partitions in turn to members in their racks; returns those that are left. */
  #dealNear(free: readonly Square[]): readonly Square[] {
    if (this.#board.memberRacks.size === 0) return free;
    let turn = 0;
    return free.filter(square => {
      const at = this.#board.nextNear(square, this.#small, turn);
      if (at < 0) return !this.#giveToEven(square);
      const memberId = entryAt(this.#small, at);
      this.#give(square, memberId);
      const count = this.#count(memberId);
      let next = at + 1;
      if (count >= this.#least) {
        this.#small.splice(at, 1);
        next = at;
        if (count < this.#most && this.#big < this.#bigQuota) this.#even.push(memberId);
      }
      turn = this.#small.length === 0 ? 0 : next % this.#small.length;
      return false;
    });
  }

  /** Gives a partition to a member in its rack that may have one more; false if there is none. */
  #giveToEven(square: Square): boolean {
    const at = this.#board.nextNear(square, this.#even, 0);
    if (at < 0) return false;
    const memberId = entryAt(this.#even, at);
    this.#give(square, memberId);
    if (this.#count(memberId) === this.#most) {
      this.#even.splice(at, 1);
      this.#countBig();
    }
    return true;
  }

  /** Deals the rest in turn: first to the members below their share, then one each to those that may have one more. */
  #dealAnywhere(free: readonly Square[]): void {
    let turn = 0;
    for (const square of free) {
      if (this.#small.length === 0) {
        // The quotas add up to the number of partitions, so there is such a member.
        this.#give(square, entryAt(this.#even.splice(0, 1), 0));
        continue;
      }
      if (turn >= this.#small.length) turn = 0;
      const memberId = entryAt(this.#small, turn);
      this.#give(square, memberId);
      if (this.#count(memberId) < this.#least) turn++;
      else {
        this.#small.splice(turn, 1);
        this.#even.push(memberId);
      }
    }
  }

  #count(memberId: string): number {
    return this.#assignment.get(memberId)?.length ?? 0;
  }

  #give(square: Square, memberId: string): void {
    const from = this.#takenFrom.get(square);
    if ((from !== undefined && from !== memberId) || this.#board.disputed.has(square)) {
      this.#moving.set(square, memberId);
    }
    this.#assignment.get(memberId)?.push(square);
  }
}

/** Deals the partitions of a group whose members all subscribe to the same topics. */
export function evenDeal(board: Board): StickyResult {
  return new EvenDeal(board).deal();
}
