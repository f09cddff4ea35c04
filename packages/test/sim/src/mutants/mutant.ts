/** Small, plausible mistake in one of our source files. */
export interface Mutant {
  readonly name: string;
  /** Path from the root of the repository. */
  readonly file: string;
  /** Text to replace. Occurs in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Consequence for a user. */
  readonly why: string;
  /** Seeds of clusters look for it, not those of one broker. */
  readonly isCluster?: boolean;
  /** Tests look for it, not seeds: another guard hides it from every history. Files from the root of the repository. */
  readonly tests?: readonly string[];
}
