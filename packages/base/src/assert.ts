/** A rule of the program itself does not hold: a bug, never bad input. */
export class InvariantError extends Error {
  constructor(rule: string) {
    super(`broken invariant: ${rule}`);
    this.name = "InvariantError";
  }
}

/** Stays on in production: better to stop than to go on from a state that cannot be. */
export function invariant(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new InvariantError(rule);
}
