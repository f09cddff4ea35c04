import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect } from "vitest";
import { MAIN } from "./bundle.ts";

/**
 * Runs the commands of pages of the documentation: the blocks `sh`, in one folder, in which it writes the blocks
 * `properties` whose first comment is the name of a file. A block `text` is what the block `sh` before it prints. A
 * command that ends with `&` runs until `stopAll`.
 */
export class Pages {
  readonly #directory = mkdtempSync(join(tmpdir(), "samsa-pages-"));
  readonly #running: ChildProcess[] = [];
  readonly #rewrite: (text: string) => string;

  /** `rewrite` replaces what is different on this machine, as ports; `cases` are cases of `sh` on the arguments of samsa. */
  constructor(rewrite: (text: string) => string, cases = "") {
    this.#rewrite = rewrite;
    const program = join(this.#directory, "bin/samsa");
    mkdirSync(join(this.#directory, "bin"));
    writeFileSync(program, `#!/bin/sh\n${cases}exec "${process.execPath}" "${MAIN}" "$@"\n`);
    chmodSync(program, 0o755);
  }

  /** Runs the blocks of a page, in order. */
  async run(path: string): Promise<void> {
    const text = this.#rewrite(readFileSync(path, "utf8"));
    const blocks = [...text.matchAll(/^```(sh|properties|text)\n(.*?)^```$/gms)];
    expect(blocks.length).toBeGreaterThan(0);
    // A page that starts a cluster ends the one before.
    if (text.includes(" &\n")) await this.stopAll();
    let printed = "";
    for (const [, kind, block] of blocks) {
      const file = /^# (\S+)$/m.exec(block)?.[1];
      if (kind === "sh") printed = await this.#run(block);
      else if (kind === "text") expect(printed).toBe(block);
      else if (file !== undefined) writeFileSync(join(this.#directory, file), block);
    }
  }

  /** Stops what the pages have started. */
  async stopAll(): Promise<void> {
    for (const child of this.#running.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise(resolve => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
    }
  }

  async dispose(): Promise<void> {
    await this.stopAll();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #shell() {
    const PATH = `${join(this.#directory, "bin")}${delimiter}${process.env.PATH}`;
    return { cwd: this.#directory, env: { ...process.env, PATH } };
  }

  /** Starts a command in the background; resolves with its first output. */
  #background(command: string): Promise<string> {
    const child = spawn("/bin/sh", ["-c", `exec ${command}`], this.#shell());
    this.#running.push(child);
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    return new Promise((resolve, reject) => {
      child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString()));
      child.once("exit", code => reject(new Error(`${command} ended with ${code}: ${said}`)));
    });
  }

  /** Runs a block; returns what it has printed. */
  async #run(block: string): Promise<string> {
    const lines = block.trimEnd().split("\n");
    const negated = lines.slice(0, -1).find(line => line.startsWith("! "));
    if (negated !== undefined) throw new Error(`sh -e goes on after "${negated}": end the block there`);
    const started = lines.filter(line => line.endsWith(" &"));
    for (const said of await Promise.all(started.map(line => this.#background(line.slice(0, -2)))))
      expect(said).toContain("is ready");
    const script = lines.filter(line => !started.includes(line)).join("\n");
    if (script === "") return "";
    return new Promise((resolve, reject) => {
      execFile("/bin/sh", ["-e", "-c", script], this.#shell(), (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${script}\n${stdout}\n${stderr}`, { cause: error }));
      });
    });
  }
}
