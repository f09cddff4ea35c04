import { execFileSync, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { delimiter } from "node:path";

const STARTED_MS = 20_000;
const STOPPED_MS = 10_000;

/** Versions of Node to try, by title: the one that runs this, and the first one of the PATH outside of `node_modules`. */
export function nodes(): Map<string, string> {
  const found = new Map([[`Node ${process.versions.node}`, process.execPath]]);
  const outer = (process.env.PATH ?? "").split(delimiter).filter(path => !path.includes("node_modules"));
  try {
    const print = "console.log(JSON.stringify([process.versions.node, process.execPath]))";
    const env = { ...process.env, PATH: outer.join(delimiter) };
    const [version, program] = JSON.parse(execFileSync("node", ["-e", print], { encoding: "utf8", env })) as [
      string,
      string,
    ];
    if (version !== process.versions.node) found.set(`Node ${version}`, program);
  } catch {
    console.log("skip another version of Node: the PATH has none");
  }
  return found;
}

/** A port of 127.0.0.1 that nothing uses. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise(resolve => server.close(resolve));
  return port;
}

/** A broker that was started by `startBroker`. */
export interface PackedBroker {
  readonly address: string;
  /** Stops it, and returns what it has said on standard error. Throws if it does not end well within 10 s. */
  readonly stop: () => Promise<string>;
}

/** Starts a broker; `command` are the program and its arguments up to `start`. Resolves once it serves. */
export async function startBroker(command: readonly string[], data: string): Promise<PackedBroker> {
  const address = `127.0.0.1:${await freePort()}`;
  const settings = [`listeners=PLAINTEXT://${address}`, `log.dirs=${data}`];
  const [program = "", ...args] = [
    ...[...command, "start", "--json", "--log-level", "warn", "--http-port", "off"],
    ...settings.flatMap(setting => ["-o", setting]),
  ];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<number | null>(resolve => child.once("exit", resolve));
  // The process of the broker itself: npx is another one.
  const pid = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.stdout.once("data", (banner: Buffer) => resolve((JSON.parse(banner.toString()) as { pid: number }).pid));
    child.once("exit", code => reject(new Error(`samsa start ended with ${code}: ${said}`)));
    setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`samsa start has printed nothing: ${said}`));
    }, STARTED_MS).unref();
  });
  return {
    address,
    stop: async () => {
      process.kill(pid, "SIGTERM");
      const timer = setTimeout(() => process.kill(pid, "SIGKILL"), STOPPED_MS);
      const code = await ended;
      clearTimeout(timer);
      if (code !== 0) throw new Error(`samsa start ended with ${code} after SIGTERM: ${said}`);
      return said;
    },
  };
}

/**
 * Starts a broker by the packed command, writes and reads with every codec, and stops it. Throws if a record is not the same,
 * or if any of the commands prints a warning.
 */
export async function tryCommand(command: readonly string[], data: string): Promise<void> {
  const [program = "", ...first] = command;
  const { address, stop } = await startBroker(command, data);
  let said: string;
  try {
    const run = (...args: readonly string[]): string =>
      execFileSync("sh", ["-c", 'exec "$@" 2>&1', "sh", program, ...first, ...args, "-b", address], {
        encoding: "utf8",
        timeout: STARTED_MS,
      });
    const codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    for (const codec of codecs) {
      const printed = run("produce", "packed", `by ${codec}`, "--compression", codec);
      if (printed !== "") throw new Error(`samsa produce has printed ${printed}`);
    }
    const read = run("consume", "packed");
    const expected = codecs.map(codec => `by ${codec}\n`).join("");
    if (read !== expected) throw new Error(`samsa consume has printed ${read}`);
  } finally {
    said = await stop();
    rmSync(data, { recursive: true, force: true });
  }
  if (said !== "") throw new Error(`samsa start has said ${said}`);
}
