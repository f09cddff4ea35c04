/** One small, plausible mistake in our own sources. */
export interface Mutant {
  readonly name: string;
  /** Path from the root of the repository. */
  readonly file: string;
  /** Is in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Consequence for a user. */
  readonly why: string;
}
