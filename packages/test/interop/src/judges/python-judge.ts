import { Child, run } from "../processes/child.ts";
import { CODECS, type Codec } from "./codecs.ts";
import type { Acknowledged, Draft, Judge, Load, Read } from "./judge.ts";
import type { Python } from "../processes/runtimes.ts";

/** Python client behind a script with the commands create, produce, consume and load, which exchange JSON lines. */
export class PythonJudge implements Judge {
  readonly codecs = CODECS;
  readonly places = true;
  readonly idempotent = true;
  readonly #python: Python;
  readonly #script: string;
  readonly #server: string;

  constructor(python: Python, script: string, server: string) {
    this.#python = python;
    this.#script = script;
    this.#server = server;
  }

  async #run(command: string, args: readonly string[], input = ""): Promise<string[]> {
    const program = this.#python(this.#script, command, this.#server, ...args);
    return run(program.command, program.args, { input });
  }

  async createTopic(topic: string, partitions: number): Promise<void> {
    await this.#run("create", [topic, String(partitions)]);
  }

  async produce(topic: string, codec: Codec, records: readonly Draft[]): Promise<void> {
    await this.#run("produce", [topic, codec], records.map(record => JSON.stringify(record)).join("\n"));
  }

  async consume(topic: string, group: string, count: number): Promise<Read[]> {
    const lines = await this.#run("consume", [topic, group, String(count)]);
    return lines.map(line => JSON.parse(line) as Read);
  }

  async load(topic: string, onAck: (acknowledged: Acknowledged) => void): Promise<Load> {
    const program = this.#python(this.#script, "load", this.#server, topic);
    const child = new Child(program.command, program.args, { onLine: line => onAck(JSON.parse(line) as Acknowledged) });
    return {
      stop: async () => {
        const timer = setTimeout(() => child.kill(), 60_000);
        child.closeInput();
        const end = await child.exited;
        clearTimeout(timer);
        if (end !== 0) throw new Error(`${child.command} ended with ${end}\n${child.stderr}`);
      },
    };
  }
}
