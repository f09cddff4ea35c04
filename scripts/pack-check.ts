/**
 * `npm run pack:check`: installs the packed packages into an empty project, as a user would, and runs the examples of their
 * READMEs there: as ES modules and as CommonJS, on each runtime that is there, with the types of both module resolutions.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { transformSync } from "esbuild";
import { command } from "./options.ts";
import { nodes, startBroker, tryCommand } from "./pack-command-check.ts";

/** Packages with an example in their README. */
const EXAMPLES = ["client", "testkit", "kafkajs"] as const;

const root = join(import.meta.dirname, "..");
const {
  bun,
  deno,
  jest,
  command: onlyCommand,
} = command("pack:check", "tries the packed packages in an empty project")
  .option("--bun", "with Bun, too, which npm installs for it")
  .option("--deno", "with Deno, too, which npm installs for it")
  .option("--jest", "with tests of Jest, too, which npm installs for it")
  .option("--command", "only the samsa command, on each Node")
  .parse()
  .opts<{ readonly bun?: true; readonly deno?: true; readonly jest?: true; readonly command?: true }>();
const folder = mkdtempSync(join(tmpdir(), "samsa-pack-check-"));
const project = join(folder, "project");
let failures = 0;

/** Runs a program and returns what it printed, with its errors. */
function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  try {
    const options = { cwd: project, encoding: "utf8", stdio: "pipe", timeout: 120_000 } as const;
    return execFileSync(program, [...args], { ...options, env: { ...process.env, ...env } });
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(" ")}\n${stdout}${stderr}`);
  }
}

function check(title: string, work: () => void): void {
  const before = performance.now();
  try {
    work();
    passed(title, before);
  } catch (error) {
    failed(title, error);
  }
}

async function checkAsync(title: string, work: () => Promise<void>): Promise<void> {
  const before = performance.now();
  await work().then(
    () => passed(title, before),
    (error: unknown) => failed(title, error),
  );
}

function passed(title: string, before: number): void {
  console.log(`ok   ${title} (${Math.round(performance.now() - before)} ms)`);
}

function failed(title: string, error: unknown): void {
  failures++;
  console.log(`FAIL ${title}\n${(error as Error).message}`);
}

/** First TypeScript example of a package's README. */
function example(name: string, bootstrapServers: string): string {
  const readme = readFileSync(join(root, "packages/app", name, "README.md"), "utf8");
  const code = /```ts\n(.*?)```/s.exec(readme)?.[1];
  if (code === undefined) throw new Error(`the README of ${name} has no example`);
  return code.replaceAll("localhost:9092", bootstrapServers);
}

/** A program that writes with every codec that its runtime has, and reads what the first runtime wrote with all five. */
const codecs = (bootstrapServers: string): string => `
import { KafkaClient, string } from "@samsa/client";
await using client = new KafkaClient("${bootstrapServers}");
const value = "again ".repeat(2000);
let known = 0;
for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"]) {
  try {
    const producer = client.producer({ value: string, compression });
    await producer.send({ topic: "codecs", value });
    known++;
  } catch (error) {
    if (!error.message.includes("zstd needs Node")) throw error;
  }
}
if (known < 4) throw new Error("only " + known + " codecs");
const consumer = client.consumer({ value: string });
consumer.assign([{ topic: "codecs", partition: 0, offset: "beginning" }]);
let read = 0;
for await (const record of consumer.records()) {
  if (record.value !== value) throw new Error("record " + record.offset + " is another one");
  if (++read === 5) break;
}
`;

/** Tests of a project with a cluster around them, for runners that have Jest's hooks. */
const TESTS = `
const { KafkaClient, string } = require("@samsa/client");
const { clusterFixture } = require("@samsa/testkit");

const cluster = clusterFixture({ beforeAll, afterAll }, { topics: { orders: 1 } });

test.each([0, 1])("record %i is written", async expected => {
  const client = new KafkaClient(cluster().bootstrapServers);
  try {
    const { offset } = await client.producer({ value: string }).send({ topic: "orders", value: "tea" });
    expect(offset).toBe(expected);
  } finally {
    await client.close();
  }
});
`;

/** Runs tests of Jest, which have to end without leaving anything behind. */
function tryJest(): void {
  if (jest !== true) {
    console.log("skip jest: --jest tries it");
    return;
  }
  const tools = join(folder, "tools");
  mkdirSync(tools, { recursive: true });
  execFileSync("npm", ["install", "--silent", "--prefix", tools, "jest"], { stdio: "inherit" });
  writeFileSync(join(project, "orders.test.js"), TESTS);
  check("testkit: a fixture of Jest", () => {
    const printed = run(join(tools, "node_modules/.bin/jest"), ["--detectOpenHandles", "--rootDir", project]);
    if (/open handle/.test(printed)) throw new Error(printed);
  });
}

/** The program as CommonJS, which has no await at its top. */
function commonJs(code: string): string {
  const imports = [...code.matchAll(/^import \{(.*?)\} from "(.*?)";$/gm)];
  const required = imports.map(
    ([, names = "", name = ""]) => `const {${names.replaceAll(/type \w+,?/g, "")}} = require("${name}");`,
  );
  const rest = code.replaceAll(/^import .*$/gm, "");
  return `${required.join("\n")}\nasync function main() {${rest}}\nmain().catch(error => { console.error(error); process.exit(1); });`;
}

const plain = (code: string, format: "esm" | "cjs"): string =>
  transformSync(format === "esm" ? code : commonJs(code), { loader: "ts", target: "node20" }).code;

function runtimes(): Map<string, readonly [string, ...string[]]> {
  const found = new Map<string, readonly [string, ...string[]]>();
  for (const [title, program] of nodes()) found.set(title, [program]);
  const tools = join(folder, "tools");
  for (const [name, isWanted] of [
    ["bun", bun],
    ["deno", deno],
  ] as const) {
    if (isWanted !== true) {
      console.log(`skip ${name}: --${name} tries it`);
      continue;
    }
    mkdirSync(tools, { recursive: true });
    execFileSync("npm", ["install", "--silent", "--prefix", tools, name], { stdio: "inherit" });
    // Bun's script puts the program of this platform in its place; npm may be told to run no scripts.
    if (name === "bun")
      execFileSync(process.execPath, [join(tools, "node_modules/bun/install.js")], { stdio: "inherit" });
    const program = join(tools, "node_modules/.bin", name);
    found.set(name, name === "bun" ? [program] : [program, "run", "--allow-all", "--node-modules-dir=manual"]);
  }
  return found;
}

/** Tries the packed command: on each Node, by npx, and installed for all users, without what is beside it. */
async function tryCommands(tarball: string): Promise<void> {
  const main = join(project, "node_modules/samsa/dist/samsa.js");
  const global = join(folder, "global");
  execFileSync("npm", ["install", "--silent", "--global", "--prefix", global, tarball], { stdio: "inherit" });
  const commands = new Map<string, readonly string[]>([
    ["npx samsa", ["npx", "--prefix", project, "samsa"]],
    ["npm install --global", [join(global, "bin/samsa")]],
    ...[...nodes()].map(([title, program]) => [title, [program, main]] as const),
  ]);
  for (const [title, tried] of commands) {
    await checkAsync(`samsa: start, produce, consume and stop, ${title}`, () =>
      tryCommand(tried, join(folder, "tried")),
    );
  }
}

const COMPILER = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2023,esnext.disposable", "--types", "node"];

function checkTypes(name: string, code: string): void {
  const modules = join(project, `${name}.mts`);
  const required = join(project, `${name}.cts`);
  writeFileSync(modules, code);
  const head = code.match(/^import .*$/gm) ?? [];
  writeFileSync(
    required,
    `${head.join("\n")}\nasync function main() {${code.replaceAll(/^import .*$/gm, "")}}\nvoid main();`,
  );
  const tsc = join(root, "node_modules/.bin/tsc");
  check(`${name}: types, node16, ES module and CommonJS`, () => {
    run(tsc, [...COMPILER, "--module", "node16", "--moduleResolution", "node16", modules, required]);
  });
  check(`${name}: types, bundler`, () => {
    run(tsc, [...COMPILER, "--module", "esnext", "--moduleResolution", "bundler", modules]);
  });
}

/** Runs a program in both module formats, on each runtime. */
function tryOut(name: string, code: string, on: ReturnType<typeof runtimes>): void {
  for (const format of ["esm", "cjs"] as const) {
    const file = join(project, `${name}.${format === "esm" ? "mjs" : "cjs"}`);
    writeFileSync(file, plain(code, format));
    for (const [title, [program, ...args]] of on) {
      check(`${name}: ${format}, ${title}`, () => void run(program, [...args, file]));
    }
  }
}

/** Tries the examples of the libraries, on each runtime. */
async function tryLibraries(): Promise<void> {
  mkdirSync(join(project, "node_modules/@types"), { recursive: true });
  for (const name of ["@types/node", "undici-types"]) {
    symlinkSync(join(root, "node_modules", name), join(project, "node_modules", name));
  }
  check("npx samsa-testkit runs a command", () => {
    const printed = run("npx", ["samsa-testkit", "--", "sh", "-c", "echo $KAFKA_BOOTSTRAP_SERVERS"]);
    if (!/:\d+\n$/.test(printed)) throw new Error(printed);
  });
  tryJest();
  const found = runtimes();
  const main = join(project, "node_modules/samsa/dist/samsa.js");
  const { address, stop } = await startBroker([process.execPath, main], join(folder, "data"));
  try {
    for (const name of EXAMPLES) {
      const code = example(name, address);
      checkTypes(name, code);
      tryOut(name, code, found);
    }
    tryOut("codecs", codecs(address), found);
  } finally {
    await stop();
  }
}

try {
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "name": "empty", "private": true }\n');
  const only = onlyCommand === true ? ["--only", "cli"] : [];
  const pack = [join(root, "scripts/launch.mjs"), "pack", join(folder, "packs"), ...only];
  const packed = execFileSync(process.execPath, pack, { encoding: "utf8" });
  check("the packages are installed", () => {
    run("npm", ["install", "--no-audit", "--no-fund", "--engine-strict=false", ...packed.trim().split("\n")]);
  });
  await tryCommands(packed.trim().split("\n").at(-1) ?? "");
  if (onlyCommand !== true) await tryLibraries();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;
