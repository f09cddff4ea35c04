import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect } from "vitest";

const ROOT = join(import.meta.dirname, "../../..");

/**
 * Compiles each line as a file of its own in `folder`, after `head`. Returns the lines that do not compile. Fails if
 * anything else does not.
 */
export function refused(folder: string, head: string, lines: readonly string[]): string[] {
  const place = mkdtempSync(join(folder, ".refused-"));
  try {
    for (const [i, line] of lines.entries()) writeFileSync(join(place, `line${i}.ts`), `${head}\n${line}\n`);
    const root = relative(place, ROOT);
    const config = {
      extends: `${root}/tsconfig.pure.json`,
      compilerOptions: { noUnusedLocals: false },
      include: ["*.ts", `${root}/packages/base/src/globals.d.ts`],
    };
    writeFileSync(join(place, "tsconfig.json"), JSON.stringify(config));
    const { stdout } = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", place], { encoding: "utf8" });
    const found = stdout.split("\n").filter(text => /^\S/.test(text));
    const places = found.map(text => /\/line(\d+)\.ts\((\d+),/.exec(text));
    const last = head.split("\n").length + 1;
    expect(found.filter((_, i) => Number(places[i]?.[2]) !== last)).toEqual([]);
    const faulty = new Set(places.map(match => Number(match?.[1])));
    return lines.filter((_, i) => faulty.has(i));
  } finally {
    rmSync(place, { recursive: true });
  }
}
