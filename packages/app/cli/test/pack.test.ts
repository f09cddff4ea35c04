import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { NODE_FLAGS } from "../../../../scripts/flags.ts";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "../../../..");
let folder: string;

// Uses a folder in the repository, so that third-party packages resolve from its node_modules.
beforeAll(() => {
  mkdirSync(join(root, ".samsa"), { recursive: true });
  folder = mkdtempSync(join(root, ".samsa", "packed-"));
  const tarballs = join(folder, "tarballs");
  mkdirSync(tarballs);
  for (const name of ["samsa-0.0.0.tgz", "kept.txt"]) writeFileSync(join(tarballs, name), "");
  execFileSync(process.execPath, [join(root, "scripts", "pack.ts"), tarballs], { cwd: folder });
  for (const file of globSync("*.tgz", { cwd: tarballs })) {
    const name = file.replace(/-\d+\.\d+\.\d+\.tgz$/, "");
    const target = join(folder, "node_modules", name === "samsa" ? name : name.replace("samsa-", "@samsa/"));
    mkdirSync(target, { recursive: true });
    execFileSync("tar", ["-xzf", join(tarballs, file), "-C", target, "--strip-components=1"]);
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("packing replaces the tarballs of its folder, and nothing else in it", () => {
  const left = readdirSync(join(folder, "tarballs"));
  expect(left).toContain("kept.txt");
  expect(left.filter(name => /^samsa-\d/.test(name))).toHaveLength(1);
  expect(left).not.toContain("samsa-0.0.0.tgz");
});

test("the packed command knows its version", () => {
  const main = join(folder, "node_modules", "samsa", "dist", "main.js");
  const { stdout, stderr } = spawnSync(process.execPath, [main, "--version"], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^samsa \d+\.\d+\.\d+ \((?:[0-9a-f]{7,}|unknown)\)\n$/);
});

test("the packed packages are plain JavaScript with declarations, and a program can run a broker with them", () => {
  for (const name of ["broker", "node", "protocol"]) {
    expect(existsSync(join(folder, "node_modules", "@samsa", name, "dist", "index.d.ts"))).toBe(true);
    expect(globSync("**/*.ts", { cwd: join(folder, "node_modules", "@samsa", name), exclude: ["**/*.d.ts"] })).toEqual(
      [],
    );
  }
  const program = `
    import { Node } from "@samsa/broker";
    import { nodeEnv } from "@samsa/node";
    const silent = { debug() {}, info() {}, warn() {}, error() {} };
    const settings = new Map([["listeners", "PLAINTEXT://127.0.0.1:0"], ["log.dirs", "data"]]);
    const node = await Node.start(nodeEnv({ logger: silent }), { settings });
    console.log(node.healthy, import.meta.resolve("@samsa/broker"));
    await node.close();
  `;
  writeFileSync(join(folder, "program.mjs"), program);
  const { stdout, stderr } = spawnSync(process.execPath, ["program.mjs"], { cwd: folder, encoding: "utf8" });
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^true file:.*\/packed-\w+\/node_modules\/@samsa\/broker\/dist\/index\.js\n$/);
});

test("a new bundle leaves the one from which a broker runs as it is", () => {
  const copy = join(folder, "bundled");
  for (const part of [
    "package.json",
    "scripts",
    "packages/app/cli/package.json",
    "packages/app/cli/src",
    "packages/host/node/src",
  ]) {
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  const bundle = (): string => {
    execFileSync(process.execPath, [join(copy, "scripts", "bundle.ts")], { cwd: copy });
    return realpathSync(join(copy, "dist", "current"));
  };
  const files = (path: string) =>
    readdirSync(path).map(name => [name, statSync(join(path, name)).ino, readFileSync(join(path, name), "utf8")]);
  const first = bundle();
  const before = files(first);
  const main = join(copy, "packages/app/cli/src/main.ts");
  writeFileSync(main, `process.on("exit", () => console.error("edited"));\n${readFileSync(main, "utf8")}`);
  const second = bundle();
  expect(second).not.toBe(first);
  expect(files(first)).toEqual(before);
  const run = (path: string) => spawnSync(process.execPath, [join(path, "samsa.mjs"), "--version"]).stderr.toString();
  expect([run(first), run(second)]).toEqual(["", "edited\n"]);
  expect(bundle()).toBe(second);
});

test("the command in the repository starts Node as npm start does", () => {
  const command = readFileSync(join(root, "packages", "app", "cli", "bin", "samsa"), "utf8");
  expect(command).toContain(`exec "$node" ${NODE_FLAGS.join(" ")} "$bundle"`);
});
