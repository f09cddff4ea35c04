/** `npm run sim -- --seed N [--seeds COUNT] [--trace]`: plays seeds of the broker simulation and tells what broke. */
import { parseArgs } from "node:util";
import { replayCommand, runScenario } from "@samsa/sim";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    seeds: { type: "string", default: "1" },
    trace: { type: "boolean", default: false },
  },
});
const first = Number(values.seed);
const count = Number(values.seeds);
const began = performance.now();
let failed = 0;
for (let seed = first; seed < first + count; seed++) {
  const outcome = await runScenario(seed, values.trace ? { onTrace: line => console.log(line) } : {});
  const { violation, events, acknowledged, served, commits, endings, hash } = outcome;
  if (violation !== undefined) failed++;
  if (violation !== undefined || count === 1) {
    console.log(
      `seed ${seed}: ${events} events, ${acknowledged} records acknowledged, ${served} read, ${commits} commits, ` +
        `${endings.join(" ")}, trace ${hash}`,
    );
  }
  if (violation !== undefined) console.log(`  ${violation.message}\n  ${replayCommand(seed)}`);
}
const seconds = (performance.now() - began) / 1000;
console.log(`${count - failed} of ${count} seeds hold every rule (${(count / seconds).toFixed(1)} seeds per second)`);
process.exitCode = failed === 0 ? 0 : 1;
