/** `npm run fuzz [-- --seconds N] [--idle N] [--seed N] [--json]`: hostile peers against a real broker; see packages/test/fuzz. */
import { randomInt } from "node:crypto";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { fuzz } from "@samsa/fuzz";
import { command, whole } from "./options.ts";

interface Options {
  readonly seconds: number;
  readonly idle: number;
  readonly seed?: number;
  readonly json?: boolean;
}

const values = command("fuzz", "sets hostile peers on a broker, and tells what broke")
  .option("--seconds <count>", "how long", whole(1), 60)
  .option("--idle <count>", "connections that say nothing all the while", whole(0), 10_000)
  .option("--seed <number>", "what the attacks are drawn from; a random one when absent", whole(0))
  .option("--json", "print JSON")
  .parse()
  .opts<Options>();
const { seed = randomInt(2 ** 31) } = values;
await import("./bundle.ts");
console.error(`seed ${seed}, ${values.seconds} s`);
const report = await fuzz({
  bundle: realpathSync(join(import.meta.dirname, "..", "dist", "current", "samsa.mjs")),
  attacks: Infinity,
  seconds: values.seconds,
  seed,
  idle: values.idle,
  say: line => console.error(line),
});
if (values.json === true) console.log(JSON.stringify(report, undefined, 2));
else {
  for (const [name, count] of Object.entries(report.attacks)) console.log(`${String(count).padStart(8)}  ${name}`);
  const { before, most, after } = report.memoryMiB;
  console.log(`memory ${before} MiB before, ${most} at most, ${after} after; ${report.descriptors.after} descriptors`);
  const { connections, perSecond, kibEach } = report.idle;
  console.log(`${connections} silent connections, opened ${perSecond} a second, ${kibEach} KiB each`);
  console.log(`${report.atController} attacks on the listener of the controller`);
  const { kills, moves } = report.upheavals;
  console.log(`${kills} kills, ${moves} rounds of moves, ${report.rows} rows of a compacted table`);
  console.log(`canary ${report.canary.records} records, slowest answer ${report.canary.slowestMs} ms`);
  for (const fault of report.faults) console.log(`FAULT ${fault}`);
  console.log(report.faults.length === 0 ? "all is well" : `${report.faults.length} faults`);
}
process.exitCode = report.faults.length === 0 ? 0 : 1;
