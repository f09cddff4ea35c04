import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import * as net from "node:net";
import { nodeEnv } from "@samsa/node";
import { RawConnection, WireError } from "@samsa/wire";
import { cpuSecondsOf, readProc } from "./system/proc.ts";
import { sleep } from "./system/sleep.ts";

const ANSWER_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 60_000;

/** Ports that systems do not give to outgoing connections by themselves: such a one could take a port before its use. */
const [FIRST_PORT, PORTS] = [10_000, 20_000];

/** Finds a free port on 127.0.0.1. Another process may take it before its use. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = net.createServer();
  return new Promise(resolve => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const env = nodeEnv({ logger: silent });

/** Sends ApiVersions once; true if an answer arrives. */
async function answers(port: number): Promise<boolean> {
  try {
    const connection = await RawConnection.open(env, { host: "127.0.0.1", port });
    connection.send("ApiVersions", 0, {});
    const answer = await connection.frame();
    connection.close();
    return answer !== undefined;
  } catch (error) {
    if (error instanceof WireError) return false;
    throw error;
  }
}

/** Program with its arguments. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

/** Broker process. `startMs` is the time from its spawn to its first answer to ApiVersions. */
export class BrokerProcess {
  readonly port: number;
  readonly pid: number;
  startMs = 0;
  readonly #child: ChildProcess;
  readonly #gone: Promise<void>;
  #output = "";
  #running = true;

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.#gone = new Promise(resolve => {
      const ended = (): void => {
        this.#running = false;
        resolve();
      };
      child.on("exit", ended);
      child.on("error", ended);
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (text: Buffer) => {
        this.#output = (this.#output + text.toString()).slice(-4000);
      });
    }
  }

  /** Starts a broker and waits until it answers. Rejects with its output if it exits or does not answer in time. */
  static async start({ program, args }: Command, port: number, hear?: (text: string) => void): Promise<BrokerProcess> {
    const began = performance.now();
    const child = spawn(program, [...args], { stdio: ["ignore", "pipe", "pipe"] });
    const broker = new BrokerProcess(port, child);
    if (hear !== undefined) for (const end of [child.stdout, child.stderr]) end.on("data", text => hear(String(text)));
    while (broker.#running && performance.now() - began < ANSWER_LIMIT_MS) {
      if (await answers(port)) {
        broker.startMs = performance.now() - began;
        return broker;
      }
      await sleep(2);
    }
    await broker.kill();
    throw new Error(`the broker did not answer on port ${port}:\n${broker.#output}`);
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** User and system CPU seconds so far; undefined without `/proc`. */
  cpuSeconds(): number | undefined {
    return cpuSecondsOf(this.pid);
  }

  /** Resident memory in MiB; undefined without `/proc`. */
  residentMiB(): number | undefined {
    const found = /VmRSS:\s+(\d+) kB/.exec(readProc(this.pid, "status") ?? "");
    return found === null ? undefined : Number(found[1]) / 1024;
  }

  /** Stops the broker with SIGTERM, and with SIGKILL if that takes longer than a minute. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const limit = setTimeout(() => this.#child.kill("SIGKILL"), STOP_LIMIT_MS);
    await this.#gone;
    clearTimeout(limit);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#gone;
  }
}

/** Runs a program to its exit. Returns its exit code, and its standard output and error combined. */
export function runToEnd(program: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (text: Buffer) => {
        output += text.toString();
      });
    }
    child.on("error", reject);
    child.on("close", code => resolve({ code, output }));
  });
}

/** Runs a program and returns its output. Rejects with the output if it fails. */
export async function run(program: string, args: readonly string[]): Promise<string> {
  const { code, output } = await runToEnd(program, args);
  if (code !== 0) throw new Error(`${program} ended with ${code}:\n${output.slice(-4000)}`);
  return output;
}

/** Runs a program without its output. Returns the user and system CPU seconds of it and of its children. */
export async function cpuOf({ program, args }: Command): Promise<number> {
  // Node does not tell the times of a process that has ended; the shell does.
  const printed = await run("bash", ["-c", 'TIMEFORMAT="%U %S"; time "$@" >/dev/null', "bash", program, ...args]);
  const times = printed.trim().split("\n").at(-1)?.split(" ").map(Number) ?? [];
  if (times.length !== 2 || times.some(Number.isNaN))
    throw new Error(`the shell tells no times:\n${printed.slice(-2000)}`);
  return times.reduce((sum, seconds) => sum + seconds, 0);
}

/** True if a program is installed: it runs with a version flag and exits with 0. */
export function present(program: string, question: string): boolean {
  try {
    execFileSync(program, [question], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
