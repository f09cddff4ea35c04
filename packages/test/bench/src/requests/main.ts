/**
 * Loads a broker with the requests of many clients: `main.ts <load> <target as JSON>`. Prints a line of JSON with the
 * figures.
 */
import { commits } from "./commits.ts";
import { compaction } from "./compaction.ts";
import { groups } from "./groups.ts";
import { share } from "./share.ts";
import { storeCommit, storeCommits } from "./stored-commits.ts";
import type { Measured, Target } from "./target.ts";
import { transactions } from "./transactions.ts";

const LOADS: Readonly<Record<string, (target: Target) => Promise<Measured>>> = {
  ...{ commits, groups, compaction, share, transactions },
  "stored-commit": storeCommit,
  "stored-commits": storeCommits,
};

const [name = "", target = "{}"] = process.argv.slice(2);
const load = LOADS[name];
if (load === undefined) throw new Error(`no load ${name}`);
console.log(JSON.stringify(await load(JSON.parse(target) as Target)));
process.exit();
