/** `npm run fuzz [-- --seconds N] [--idle N] [--seed N] [--json]`: hostile peers against a real broker; see packages/test/fuzz. */
import { randomInt } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fuzz } from "@samsa/fuzz";
import "./bundle.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    idle: { type: "string", default: "10000" },
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    json: { type: "boolean", default: false },
  },
});
const root = join(import.meta.dirname, "..");
mkdirSync(join(root, ".samsa"), { recursive: true });
// A copy, so that a bundle made meanwhile does not change what is attacked.
const dist = mkdtempSync(join(root, ".samsa", "fuzz-"));
try {
  cpSync(join(root, "dist"), dist, { recursive: true });
  console.error(`seed ${values.seed}, ${values.seconds} s`);
  const report = await fuzz({
    bundle: join(dist, "samsa.mjs"),
    attacks: Infinity,
    seconds: Number(values.seconds),
    seed: Number(values.seed),
    idle: Number(values.idle),
    say: line => console.error(line),
  });
  if (values.json) console.log(JSON.stringify(report, undefined, 2));
  else {
    for (const [name, count] of Object.entries(report.attacks)) console.log(`${String(count).padStart(8)}  ${name}`);
    const { before, most, after } = report.memoryMiB;
    console.log(
      `memory ${before} MiB before, ${most} at most, ${after} after; ${report.descriptors.after} descriptors`,
    );
    const { connections, perSecond, kibEach } = report.idle;
    console.log(`${connections} silent connections, opened ${perSecond} a second, ${kibEach} KiB each`);
    console.log(`canary ${report.canary.records} records, slowest answer ${report.canary.slowestMs} ms`);
    for (const fault of report.faults) console.log(`FAULT ${fault}`);
    console.log(report.faults.length === 0 ? "all is well" : `${report.faults.length} faults`);
  }
  process.exitCode = report.faults.length === 0 ? 0 : 1;
} finally {
  rmSync(dist, { recursive: true, force: true });
}
