/** Seeds that have found each mutant, the newest first; `npm run sim:mutants -- --record` writes them. */
export const KNOWN_SEEDS: ReadonlyMap<string, readonly number[]> = new Map([
  ["an election keeps the leader epoch", [1]],
  ["an answer of the controller goes to another request", [1]],
  ["the slowest replica in sync does not count", [1]],
  ["too few replicas in sync commit records", [2]],
  ["a replica joins the ISR before it has all that is committed", [2]],
  ["a refused change of the ISR stays open", [1]],
  ["an accepted change of the ISR is not taken", [4]],
  ["a follower keeps records that its leader lacks", [1]],
  ["a follower ignores the start of its leader's log", [1]],
  ["a truncation keeps the epochs of what it removes", [4]],
  ["a consumer reads from a follower to the end of its log", [2]],
  ["batches wait for another broker in memory that is in use", [1]],
  ["a new coordinator does not finish transactions", [5]],
  ["a coordinator loads committed records only", [1]],
]);
