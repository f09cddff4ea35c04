import type { Scenario } from "./frame/scenario.ts";
import { BOUNCES_OF_NODES } from "./scenarios/bounces.ts";
import { CUT_NETWORKS } from "./scenarios/partitions.ts";
import { TRANSACTIONS } from "./scenarios/transactions.ts";
import { ZOMBIES } from "./scenarios/zombies.ts";

/** All scenarios, by their numbers. */
export const SCENARIOS: readonly Scenario[] = [
  ...BOUNCES_OF_NODES,
  ...CUT_NETWORKS,
  ...TRANSACTIONS,
  ...ZOMBIES,
].toSorted((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)));
