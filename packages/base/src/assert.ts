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
