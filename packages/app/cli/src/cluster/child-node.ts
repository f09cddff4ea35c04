import { type ChildProcess, spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { BrokerId, Logger } from "@samsa/base";
import { Failure } from "../terminal/failure.ts";
import { askToHandOver } from "./hand-over.ts";

/** First line of `samsa start --json`. */
export interface NodeFacts {
  readonly pid: number;
  readonly listeners: readonly { readonly name: string; readonly host: string; readonly port: number }[];
  readonly data: string;
  readonly http: string | null;
}

/** A node, and the parts of its supervisor that it needs. */
export interface ChildOptions {
  readonly id: BrokerId;
  /** Program and arguments that start the node; its first line of output is that of `--json`. */
  readonly command: readonly [string, ...string[]];
  readonly logger: Logger;
  /** Receives each line of the node's log. */
  readonly log: (line: string) => void;
  /** File that has the process id while the node runs. */
  readonly pidFile: string;
}

/** Pauses before a restart, in ms: doubled up to the longest one after each end that follows within the time of health. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const HEALTHY_MS = 60_000;
/** Lines kept to explain a failed start. */
const LINES_KEPT = 20;

/** A node as a process of its own, which is started again whenever it ends, until it is stopped. */
export class ChildNode {
  readonly id: BrokerId;
  readonly #options: ChildOptions;
  #process: ChildProcess | undefined;
  #facts: NodeFacts | undefined;
  #restart: NodeJS.Timeout | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #startedAt = 0;
  #restarts = 0;
  #isStopping = false;
  #lastLines: string[] = [];
  /** Reports the outcome of the first start. */
  #settle: { readonly ready: (facts: NodeFacts) => void; readonly failed: (error: Error) => void } | undefined;
  #ended: () => void = () => undefined;

  constructor(options: ChildOptions) {
    this.id = options.id;
    this.#options = options;
  }

  /** Facts about the node; undefined while it does not serve. */
  get facts(): NodeFacts | undefined {
    return this.#facts;
  }

  /** Number of times that the node was started again. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Starts the node; resolves once it serves. Rejects with a `Failure` if it ends before. */
  start(): Promise<NodeFacts> {
    return new Promise((ready, failed) => {
      this.#settle = { ready, failed };
      this.#spawn();
    });
  }

  #spawn(): void {
    const [program, ...args] = this.#options.command;
    this.#lastLines = [];
    this.#startedAt = performance.now();
    // A process group of its own: a Ctrl-C reaches the supervisor only, which stops the nodes in order. The channel
    // tells the node when the supervisor has ended.
    const child = spawn(program, args, { detached: true, stdio: ["ignore", "pipe", "pipe", "ipc"] });
    this.#process = child;
    child.on("error", error => {
      this.#log(`samsa: the process could not be started: ${error.message}`);
      if (child.pid === undefined) this.#exited(child, null, null);
    });
    if (child.pid !== undefined) this.#writePid(child.pid);
    // Pipes are there by the options.
    if (child.stdout !== null) createInterface(child.stdout).on("line", line => this.#said(child, line));
    if (child.stderr !== null) createInterface(child.stderr).on("line", line => this.#log(line));
    child.once("close", (code, signal) => this.#exited(child, code, signal));
  }

  /** The first line of output has the facts; there are no others. */
  #said(child: ChildProcess, line: string): void {
    if (this.#facts !== undefined || this.#process !== child) return this.#log(line);
    try {
      this.#facts = JSON.parse(line) as NodeFacts;
    } catch {
      return this.#log(line);
    }
    this.#options.logger.info("the node serves", { node: this.id, pid: child.pid });
    this.#settle?.ready(this.#facts);
    this.#settle = undefined;
  }

  #log(line: string): void {
    this.#lastLines.push(line);
    if (this.#lastLines.length > LINES_KEPT) this.#lastLines.shift();
    // The reason of a failed start is reported as such.
    if (this.#settle === undefined || line.startsWith("{")) this.#options.log(line);
  }

  #exited(child: ChildProcess, code: number | null, signal: string | null): void {
    if (this.#process !== child) return;
    this.#process = undefined;
    this.#facts = undefined;
    rmSync(this.#options.pidFile, { force: true });
    this.#ended();
    if (this.#settle !== undefined) {
      this.#settle.failed(new Failure(this.#reason(code, signal)));
      this.#settle = undefined;
      return;
    }
    if (this.#isStopping) return;
    if (performance.now() - this.#startedAt > HEALTHY_MS) this.#pauseMs = FIRST_PAUSE_MS;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    this.#options.logger.warn("the node has ended and is started again", { node: this.id, code, signal, pauseMs });
    this.#restart = setTimeout(() => {
      this.#restart = undefined;
      this.#restarts++;
      this.#spawn();
    }, pauseMs);
  }

  #reason(code: number | null, signal: string | null): string {
    const sentence = this.#lastLines.findLast(line => line.startsWith("samsa: "));
    if (sentence !== undefined) return `node ${this.id}: ${sentence.slice("samsa: ".length)}`;
    const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
    return [`node ${this.id} ended ${how} before it served`, ...this.#lastLines].join("\n");
  }

  #writePid(pid: number): void {
    try {
      writeFileSync(this.#options.pidFile, `${pid}\n`);
    } catch (error) {
      this.#options.logger.warn("the process id cannot be written", { node: this.id, error: error as Error });
    }
  }

  /** Has the node hand over its partitions, and starts it no more; resolves once it has, at once if it does not serve. */
  async handOver(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#restart);
    if (this.#process !== undefined && this.#facts !== undefined) {
      await askToHandOver(this.#process, this.#options.logger);
    }
  }

  /** Sends a signal to the node and starts it no more; resolves once it has ended. */
  stop(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#restart);
    if (this.#process === undefined) return Promise.resolve();
    const before = this.#ended;
    const ended = new Promise<void>(resolve => {
      this.#ended = () => {
        before();
        resolve();
      };
    });
    this.#process.kill(signal);
    return ended;
  }
}
