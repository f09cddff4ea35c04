/** Seeds that have found each mutant, the newest first; `npm run sim:mutants -- --record` writes them. */
export const KNOWN_SEEDS: ReadonlyMap<string, readonly number[]> = new Map([
  ["an election keeps the leader epoch", [1]],
]);
