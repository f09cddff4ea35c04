/**
 * `npm run sim -- [--cluster | --client] --seed N [--seeds COUNT] [--trace]`: plays seeds of the simulation of a broker, of
 * a cluster, or of programs that use our client, and tells what broke. More than a hundred are shared by two processes.
 */
import { replayOf, type ScenarioName, SCENARIOS } from "@samsa/sim";
import { command, whole } from "./options.ts";
import { playSeeds, type SeedReport } from "./seed-process.ts";

const PROCESSES = 2;
const ALONE = 100;
/** A seed that takes longer does not end. */
const LIMIT_MS = 300_000;

interface Options {
  readonly seed: number;
  readonly seeds: number;
  readonly trace?: boolean;
  readonly cluster?: boolean;
  readonly client?: boolean;
}

const {
  seed: first,
  seeds: count,
  trace,
  cluster,
  client,
} = command("sim", "plays seeds of the simulation of a broker, a cluster or its clients, and tells what broke")
  .option("--cluster", "a cluster of several nodes in place of one broker")
  .option("--client", "programs that use our client on a cluster")
  .option("--seed <number>", "the first seed", whole(0), 1)
  .option("--seeds <count>", "how many, one after the other", whole(1), 1)
  .option("--trace", "show every event")
  .parse()
  .opts<Options>();
const began = performance.now();
const scenario: ScenarioName = client === true ? "client" : cluster === true ? "cluster" : "broker";
let done = 0;
let failed = 0;

function told(report: SeedReport): void {
  done++;
  if (report.fault !== undefined) throw new Error(report.fault);
  if (report.message !== undefined) failed++;
  if (report.message !== undefined || count === 1) {
    const { seed, events = 0, acknowledged = 0, served = 0, commits = 0, endings = [], hash = "" } = report;
    console.log(
      `seed ${seed}: ${events} events, ${acknowledged} records acknowledged, ${served} read, ${commits} commits, ` +
        `${endings.join(" ")}, trace ${hash}`,
    );
  }
  if (report.message !== undefined) console.log(`  ${report.message}\n  ${replayOf(scenario, report.seed)}`);
  if (count > ALONE && done % Math.ceil(count / 20) === 0) {
    console.error(`${done} of ${count} seeds, ${((performance.now() - began) / 1000).toFixed(0)} s`);
  }
}

if (count > ALONE) {
  const last = first + count - 1;
  await Promise.all(
    Array.from({ length: PROCESSES }, async (_, i) => {
      let next = first + i;
      const inTime = await playSeeds({
        args: ["--from", String(next), "--to", String(last), "--step", String(PROCESSES), ...["--scenario", scenario]],
        limitMs: LIMIT_MS,
        told: report => {
          next = report.seed + PROCESSES;
          told(report);
        },
      });
      const why = inTime ? "ends its process" : "does not end";
      if (next <= last) console.log(`seed ${next} ${why}\n  ${replayOf(scenario, next)}`);
    }),
  );
  // A process that ends early has said why; what it has not played is not held.
  failed += count - done;
} else {
  for (let seed = first; seed < first + count; seed++) {
    const { violation, ...outcome } = await SCENARIOS[scenario](
      seed,
      trace === true ? { onTrace: line => console.log(line) } : {},
    );
    told(violation === undefined ? outcome : { ...outcome, rule: violation.rule, message: violation.message });
  }
}
const seconds = (performance.now() - began) / 1000;
console.log(`${count - failed} of ${count} seeds hold every rule (${(count / seconds).toFixed(1)} seeds per second)`);
process.exitCode = failed === 0 ? 0 : 1;
