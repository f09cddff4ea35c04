import { type ChildProcess, spawn } from "node:child_process";
import { ignored } from "@samsa/base";

/** Options of a child process. */
export interface ChildOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with every line of standard output, which is then not kept in `lines`. */
  readonly onLine?: (line: string) => void;
  /** Text for standard input, which is then closed. Without it standard input stays open for `write`. */
  readonly input?: string;
}

/** Characters of standard error to keep: the end has the reason of a failure. */
const STDERR_KEPT = 64 * 1024;

/** Process of a test. The caller must `end` it, or await `exited` if it ends by itself. */
export class Child {
  readonly command: string;
  readonly exited: Promise<number | NodeJS.Signals>;
  readonly lines: string[] = [];
  stderr = "";
  #process: ChildProcess;
  #watchers = new Set<() => void>();
  #ended = false;

  constructor(command: string, args: readonly string[], options: ChildOptions = {}) {
    this.command = [command, ...args].join(" ");
    this.#process = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const { stdin, stdout, stderr } = this.#process;
    stdin?.on("error", ignored("a process may end before it has read its input"));
    if (options.input !== undefined) stdin?.end(options.input);
    stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr = (this.stderr + text).slice(-STDERR_KEPT);
    });
    let partial = "";
    const take = (line: string): void => {
      if (options.onLine === undefined) this.lines.push(line);
      else options.onLine(line);
    };
    stdout?.setEncoding("utf8").on("data", (text: string) => {
      const parts = (partial + text).split("\n");
      partial = parts.pop() ?? "";
      parts.forEach(take);
      this.#wake();
    });
    this.exited = new Promise(resolve => {
      this.#process.once("error", error => {
        this.stderr += error.message;
        this.#finish();
        resolve(-1);
      });
      this.#process.once("close", (code, signal) => {
        // The last line of some programs has no line feed.
        if (partial !== "") take(partial);
        this.#finish();
        resolve(signal ?? code ?? -1);
      });
    });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  write(text: string): void {
    this.#process.stdin?.write(text);
  }

  closeInput(): void {
    this.#process.stdin?.end();
  }

  /** Resolves to the first line of standard output that `matches`, past or future. */
  line(matches: (line: string) => boolean, deadlineMs = 60_000): Promise<string> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
      };
      const fail = (why: string): void => {
        settle();
        reject(new Error(`${this.command}\n${why}\n${this.stderr}`));
      };
      const look = (): void => {
        const found = this.lines.find(matches);
        if (found !== undefined) {
          settle();
          resolve(found);
        } else if (this.#ended) fail("ended without the awaited line");
      };
      const timer = setTimeout(() => fail(`no such line in ${deadlineMs} ms`), deadlineMs);
      this.#watchers.add(look);
      look();
    });
  }

  /** Sends `signal` unless the process has exited, and waits for its exit. */
  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<number | NodeJS.Signals> {
    if (!this.#ended) this.#process.kill(signal);
    return await this.exited;
  }

  /** Sends SIGKILL without waiting for the exit. */
  kill(): void {
    if (!this.#ended) this.#process.kill("SIGKILL");
  }

  #finish(): void {
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/** Runs a program to its exit. Rejects with its standard error if it fails or takes longer than `deadlineMs`. */
export async function run(
  command: string,
  args: readonly string[],
  options: ChildOptions & { readonly deadlineMs?: number } = {},
): Promise<string[]> {
  const child = new Child(command, args, { input: "", ...options });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill();
  }, options.deadlineMs ?? 60_000);
  const code = await child.exited;
  clearTimeout(timer);
  if (code !== 0) {
    const why = late ? "took too long" : `ended with ${code}`;
    throw new Error(
      `${child.command}\n${why}\n${child.lines
        .slice(-20)
        .map(line => line.slice(0, 300))
        .join("\n")}\n${child.stderr}`,
    );
  }
  return child.lines;
}
