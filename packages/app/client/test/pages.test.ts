import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCluster } from "@samsa/testkit";
import { afterAll, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../../../..");
const PAGES = join(ROOT, "docs/client");
const folder = mkdtempSync(join(tmpdir(), "samsa-pages-"));
symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Block {
  readonly title: string;
  readonly language: string;
  readonly code: string;
  readonly output: string;
}

const blocks = readdirSync(PAGES).flatMap(page => {
  const text = readFileSync(join(PAGES, page), "utf8");
  const found = [...text.matchAll(/```(ts|sh)\n(.*?)```(?:\s*```text\n(.*?)```)?/gs)];
  return found.map(
    ([, language = "", code = "", output = ""], i): Block => ({
      ...{ title: `${page}, block ${i + 1}`, language, code, output },
    }),
  );
});

function run(program: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  return new Promise(resolve => {
    const options = { env: { ...process.env, ...env }, cwd: folder };
    execFile(program, [...args], options, (error, stdout, stderr) =>
      resolve(`${stdout}${error === null ? "" : stderr}`),
    );
  });
}

test.each(blocks)("$title runs and prints what the page says", async ({ title, language, code, output }) => {
  await using cluster = await startCluster();
  if (language === "sh") {
    const main = join(ROOT, "dist/current/samsa.mjs");
    const servers = cluster.bootstrapServers;
    const program = `"${process.execPath}" "${main}"`;
    // A command that names no broker asks that of the page.
    const samsa = `samsa() {
      case "$*" in
      *--bootstrap-server*) ${program} "$@" ;;
      *) ${program} "$@" --bootstrap-server ${servers} ;;
      esac
    }
`;
    expect(await run("sh", ["-ec", samsa + code.replaceAll("localhost:9092", servers)])).toBe(output);
    return;
  }
  const file = join(folder, `${title.replaceAll(/\W+/g, "-")}.ts`);
  writeFileSync(file, code.replaceAll("localhost:9092", cluster.bootstrapServers));
  expect(await run(process.execPath, [file])).toBe(output);
});
