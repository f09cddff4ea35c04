import type { Square } from "./board.ts";

interface Move {
  readonly from: string;
  readonly to: string;
}

function keyOf(topic: string, { from, to }: Move): string {
  return JSON.stringify([topic, from, to]);
}

/**
 * Moves of partitions between members during a balancing. Two members must not exchange partitions of one topic: one of
 * them moves back instead (`AbstractStickyAssignor.PartitionMovements`).
 */
export class Moves {
  readonly #moves = new Map<Square, Move>();
  readonly #byPair = new Map<string, Set<Square>>();

  /** Partition to move in place of `square`, so that the move undoes an earlier one where it can. */
  instead(square: Square, from: string, to: string): Square {
    const origin = this.#moves.get(square)?.from ?? from;
    const back = this.#byPair.get(keyOf(square.topic, { from: to, to: origin }));
    const [first] = back ?? [];
    return first ?? square;
  }

  moved(square: Square, from: string, to: string): void {
    const earlier = this.#moves.get(square);
    if (earlier === undefined) return this.#add(square, { from, to });
    this.#moves.delete(square);
    const key = keyOf(square.topic, earlier);
    const squares = this.#byPair.get(key);
    squares?.delete(square);
    if (squares?.size === 0) this.#byPair.delete(key);
    if (earlier.from !== to) this.#add(square, { from: earlier.from, to });
  }

  #add(square: Square, move: Move): void {
    this.#moves.set(square, move);
    const key = keyOf(square.topic, move);
    const squares = this.#byPair.get(key);
    if (squares === undefined) this.#byPair.set(key, new Set([square]));
    else squares.add(square);
  }
}
