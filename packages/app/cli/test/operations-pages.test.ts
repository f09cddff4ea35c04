import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePorts } from "./cluster-client.ts";
import { MAIN } from "./bundle.ts";

/**
 * Runs the commands of `docs/operations`: the blocks `sh` of all pages, in the order of the table, in one folder. Ports
 * are replaced by free ones. A command that ends with `&` runs until the end of the test.
 */

const PAGES = join(import.meta.dirname, "../../../../docs/operations");
/** Commands that ask a broker. */
const ASKING = "topic|cluster|quorum|broker|reassign|feature";

let directory: string;
let port: number;
const running: ChildProcess[] = [];

const order = [...readFileSync(join(PAGES, "README.md"), "utf8").matchAll(/^\| \[([\w-]+\.md)\]/gm)].map(
  ([, name]) => name,
);

/** Page for clusters of Kafka, whose commands are run by a trial of the scoreboard (`migration-trial.ts` of interop). */
const OF_KAFKA = "migration.md";

/** Ports of the pages, and the distance of their free ones from the first. */
const PORTS: Readonly<Record<string, number>> = {
  ...{ 9092: 0, 9093: 1, 9094: 2, 19092: 3, 19093: 4, 19094: 5 },
  ...{ 9192: 6, 9193: 7, 9194: 8, 19192: 9, 19193: 10, 19194: 11 },
};

function withPorts(text: string): string {
  return text.replaceAll(/\b1?9[01]9[234]\b/g, found => String(port + (PORTS[found] ?? 0)));
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "samsa-pages-"));
  port = await freePorts(12);
  const program = join(directory, "bin/samsa");
  mkdirSync(join(directory, "bin"));
  // The pages use the default ports, which may be taken here.
  writeFileSync(
    program,
    `#!/bin/sh
case "$1 $2" in
  "start --brokers") set -- "$@" --http-port off -o listeners=PLAINTEXT://localhost:${port},CONTROLLER://localhost:${port + 3} ;;
  start*) set -- "$@" --http-port off ;;
esac
case "$1" in
  ${ASKING}) case "$*" in *--bootstrap-server*) ;; *) set -- "$@" --bootstrap-server localhost:${port},localhost:${port + 1} ;; esac ;;
esac
exec "${process.execPath}" "${MAIN}" "$@"
`,
  );
  chmodSync(program, 0o755);
});

/** Stops what the pages have started. */
async function stopAll(): Promise<void> {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise(resolve => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  }
}

afterAll(async () => {
  await stopAll();
  rmSync(directory, { recursive: true, force: true });
}, 120_000);

const shell = () => ({
  cwd: directory,
  env: { ...process.env, PATH: `${join(directory, "bin")}${delimiter}${process.env.PATH}` },
});

/** Starts a command in the background; resolves with its first output. */
function background(command: string): Promise<string> {
  const child = spawn("/bin/sh", ["-c", `exec ${command}`], shell());
  running.push(child);
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString()));
    child.once("exit", code => reject(new Error(`${command} ended with ${code}: ${said}`)));
  });
}

async function run(block: string): Promise<void> {
  const lines = block.trimEnd().split("\n");
  const started = lines.filter(line => line.endsWith(" &"));
  for (const said of await Promise.all(started.map(line => background(line.slice(0, -2)))))
    expect(said).toContain("is ready");
  const script = lines.filter(line => !started.includes(line)).join("\n");
  if (script === "") return;
  const { status, stdout, stderr } = spawnSync("/bin/sh", ["-e", "-c", script], { ...shell(), encoding: "utf8" });
  expect(status, `${script}\n${stdout}\n${stderr}`).toBe(0);
}

test("the table lists all pages", () => {
  expect(order.toSorted()).toEqual(
    readdirSync(PAGES)
      .filter(name => name !== "README.md")
      .toSorted(),
  );
});

test("commands that need Kafka are on a page of their own", () => {
  const isOfKafka = (page: string): boolean => readFileSync(join(PAGES, page), "utf8").includes("```sh kafka\n");
  expect(order.filter(isOfKafka)).toEqual([OF_KAFKA]);
});

test.each(order.filter(page => page !== OF_KAFKA))("%s", { timeout: 240_000 }, async page => {
  const text = withPorts(readFileSync(join(PAGES, page), "utf8"));
  const blocks = [...text.matchAll(/^```(sh|properties)\n(.*?)^```$/gms)];
  expect(blocks.length).toBeGreaterThan(0);
  // A page that starts a cluster ends the one before.
  if (text.includes(" &\n")) await stopAll();
  for (const [, kind, block] of blocks) {
    if (kind === "sh") await run(block);
    else writeFileSync(join(directory, /^# (\S+)$/m.exec(block)?.[1] ?? ""), block);
  }
});
