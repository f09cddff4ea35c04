import type { Scenario } from "./frame/scenario.ts";
import { BOUNCES_OF_NODES } from "./scenarios/bounces.ts";
import { CHANGES } from "./scenarios/changes.ts";
import { CROWDS } from "./scenarios/crowds.ts";
import { DISKS } from "./scenarios/disks.ts";
import { GROUPS } from "./scenarios/groups.ts";
import { LAST_REPLICA } from "./scenarios/last-replica.ts";
import { MIXES } from "./scenarios/mixes.ts";
import { CUT_NETWORKS } from "./scenarios/partitions.ts";
import { RENEWALS } from "./scenarios/renewals.ts";
import { SIMULATED } from "./scenarios/simulated.ts";
import { TRANSACTIONS } from "./scenarios/transactions.ts";
import { ZOMBIES } from "./scenarios/zombies.ts";

const numberOf = ({ id }: Scenario): number => Number(id.slice(1));

/** All scenarios, by their numbers. */
export const SCENARIOS: readonly Scenario[] = [
  ...BOUNCES_OF_NODES,
  ...CUT_NETWORKS,
  ...TRANSACTIONS,
  ...ZOMBIES,
  ...DISKS,
  ...CHANGES,
  ...CROWDS,
  ...GROUPS,
  ...LAST_REPLICA,
  ...MIXES,
  ...RENEWALS,
  ...SIMULATED,
].toSorted((a, b) => numberOf(a) - numberOf(b));
