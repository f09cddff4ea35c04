/** A broken rule of the program itself: a bug, never bad input. */
export class InvariantError extends Error {
  constructor(rule: string) {
    super(`broken invariant: ${rule}`);
    this.name = "InvariantError";
  }
}

/**
 * Throws `InvariantError` unless `rule` holds. Stays on in production: stopping is better than continuing in a wrong
 * state.
 */
export function invariant(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new InvariantError(rule);
}

/**
 * Entry of `list` at `index`, which the caller knows to be in range; otherwise throws `InvariantError`. Loops on the hot
 * path read typed arrays with a cast to `number` instead.
 */
export function entryAt<T>(list: ArrayLike<T>, index: number): T {
  if (!(index >= 0 && index < list.length)) throw new InvariantError(`entry ${index} of ${list.length}`);
  return list[index] as T;
}

/** Last entry of `list`, which the caller knows not to be empty; otherwise throws `InvariantError`. */
export function lastEntry<T>(list: ArrayLike<T>): T {
  return entryAt(list, list.length - 1);
}
