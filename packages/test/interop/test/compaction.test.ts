import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Compacted, op, RETENTION_MS } from "../../../runtime/storage/test/compacted.ts";
import { run } from "../src/processes/child.ts";
import { findOurJava } from "../src/processes/runtimes.ts";
import { NOW } from "../../../runtime/storage/test/fixture.ts";
import { interopSeed } from "./seed.ts";
import { need } from "./scenarios.ts";

const LOGS = 40;
/** Rounds of compaction. The first sets the delete horizon of tombstones and markers, the second removes them. */
const ROUNDS = 2;
const MAP_BYTES = 1 << 20;

/** Log segments and transaction indexes of a folder in hexadecimal, by file name. */
function files(folder: string): Record<string, string> {
  const names = readdirSync(folder).filter(name => /^\d+\.(log|txnindex)$/.test(name));
  const all = names.map(name => [name, readFileSync(join(folder, name)).toString("hex")] as const);
  // Kafka creates a transaction index with its first entry.
  return Object.fromEntries(all.filter(([name, text]) => text !== "" || name.endsWith(".log")));
}

function copyOut(log: Compacted, folder: string): void {
  const { disk } = log.fixture.node.env;
  mkdirSync(folder, { recursive: true });
  for (const { name } of disk.list("/data/t-0")) {
    const file = disk.open(`/data/t-0/${name}`, "read");
    const bytes = new Uint8Array(file.size());
    file.read(bytes, 0);
    file.close();
    writeFileSync(join(folder, name), bytes);
  }
}

test("a log is compacted as Kafka's cleaner does it, byte by byte", async context => {
  const program = need(await findOurJava(), context)("Compact");
  const seed = interopSeed();
  console.log(`compaction: INTEROP_SEED=${seed}`);
  const root = mkdtempSync(join(tmpdir(), "samsa-compaction-"));
  try {
    const histories = fc.sample(fc.array(op, { minLength: 20, maxLength: 80 }), { seed, numRuns: LOGS });
    const logs: Compacted[] = [];
    for (const history of histories) {
      const log = new Compacted(seed, MAP_BYTES);
      logs.push(log);
      for (const step of history) {
        // Write uncompressed batches, since compressed bytes differ between codec libraries.
        if (step.kind === "data") await log.run({ ...step, codec: 0 });
        else if (step.kind === "end" || step.kind === "roll") await log.run(step);
      }
      log.log.roll();
      await log.restart(() => log.fixture.restart());
      copyOut(log, join(root, `kafka-${logs.length - 1}`, "t-0"));
    }
    for (let round = 0; round < ROUNDS; round++) {
      const asked: string[] = [];
      for (const [index, log] of logs.entries()) {
        log.log.cleanedTo = 0;
        const range = await log.compact();
        if (range === undefined) continue;
        const { now, firstUncleanable } = range;
        const where = join(root, `kafka-${index}`, "t-0");
        asked.push([where, now, 0, firstUncleanable, log.log.config.segmentBytes, RETENTION_MS, NOW].join(" "));
        await log.fixture.restart();
        log.configure();
        const ours = join(root, `ours-${index}-${round}`);
        copyOut(log, ours);
        await log.fixture.world.runFor(2 * RETENTION_MS);
      }
      const answers = await run(program.command, program.args, { input: `${asked.join("\n")}\n` });
      expect(answers.length).toBe(asked.length);
      for (const line of asked) {
        const index = Number(/kafka-(\d+)/.exec(line)?.[1]);
        const kafkas = files(join(root, `kafka-${index}`, "t-0"));
        expect(files(join(root, `ours-${index}-${round}`)), `log ${index}, round ${round}`).toEqual(kafkas);
      }
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
