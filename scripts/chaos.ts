/**
 * `npm run chaos -- [R1 R7 | all] [--secured] [--mixed] [--seed N] [--rounds N] [--json]`: fault scenarios of clusters; see
 * packages/test/chaos.
 */
import { randomInt } from "node:crypto";
import { play, SCENARIOS, type Variation, verdictText } from "@samsa/chaos";
import { command, whole } from "./options.ts";

interface Options {
  readonly seed?: number;
  readonly rounds: number;
  readonly secured?: boolean;
  readonly mixed?: boolean;
  readonly json?: boolean;
}

const parsed = command(
  "chaos",
  "sets faults on clusters, and tells which rules hold; lists the scenarios without a name",
)
  .argument("[scenario...]", "names such as R7, or all")
  .option("--seed <number>", "draws the same faults again; a random one when absent", whole(0))
  .option("--rounds <count>", "how often the faults of a scenario are repeated", whole(1), 1)
  .option("--secured", "play them on clusters with TLS, SCRAM, certificates of nodes and an authorizer")
  .option("--mixed", "play them on clusters with a node of Apache Kafka")
  .option("--json", "print JSON")
  .parse();
const { seed = randomInt(2 ** 31), rounds, secured, mixed, json } = parsed.opts<Options>();
const variations: Variation[] = [
  ...(secured === true ? ["secured" as const] : []),
  ...(mixed === true ? ["mixed" as const] : []),
];
const names = parsed.args.map(name => name.toUpperCase());
const unknown = names.find(name => name !== "ALL" && SCENARIOS.every(({ id }) => id !== name));
if (unknown !== undefined) {
  console.error(`there is no scenario ${unknown}; without a name, they are listed`);
  process.exit(1);
}
if (names.length === 0) {
  if (json === true) console.log(JSON.stringify(SCENARIOS, undefined, 2));
  else
    for (const { id, title, does, rule, runs, variations: others = [] } of SCENARIOS)
      console.log(`${id} ${title} (${[runs, ...others.map(name => `--${name}`)].join(", ")})\n  ${does}\n  ${rule}`);
} else {
  console.error(`seed ${seed}`);
  const verdicts = [];
  for (const scenario of SCENARIOS.filter(({ id }) => names.includes("ALL") || names.includes(id))) {
    const verdict = await play(scenario, { seed, rounds, variations, say: line => console.error(line) });
    verdicts.push(verdict);
    // The verdicts are progress, too, for a run that is ended early.
    (json === true ? console.error : console.log)(verdictText(verdict));
  }
  if (json === true) console.log(JSON.stringify({ seed, verdicts }, undefined, 2));
  process.exitCode = verdicts.some(({ outcome }) => outcome === "broken") ? 1 : 0;
}
// Clients whose cluster is gone may still try to reach it.
process.exit();
