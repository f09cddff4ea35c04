import { entryAt } from "@samsa/base";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrokerProcess } from "./broker.ts";
import { Child } from "./child.ts";
import { KafkaProcess } from "./kafka-process.ts";
import { findSamsa, type Program } from "./runtimes.ts";

interface Ready {
  readonly listeners: readonly { readonly host: string; readonly port: number }[];
  readonly http: string | null;
}

/** Samsa as a process, run by its command. */
export class SamsaProcess implements BrokerProcess {
  readonly directory: string;
  readonly #program: Program;
  readonly #owned: boolean;
  readonly #settings: readonly string[];
  readonly #withHttp: boolean;
  /** Base URL of its HTTP endpoint; "" without one. */
  http = "";
  #port = 0;
  #child: Child | undefined;
  #log = "";

  private constructor(program: Program, directory: string | undefined, settings: readonly string[], withHttp: boolean) {
    this.#program = program;
    this.#withHttp = withHttp;
    this.#settings = settings;
    this.#owned = directory === undefined;
    this.directory = directory ?? mkdtempSync(join(tmpdir(), "samsa-interop-"));
  }

  /**
   * Starts a broker on a free port, in a new directory or in the given one, which is then not removed. `withHttp`
   * enables the HTTP endpoint with metrics, and client telemetry.
   */
  static async start(directory?: string, settings: readonly string[] = [], withHttp = false): Promise<SamsaProcess> {
    const broker = new SamsaProcess(await findSamsa(), directory, settings, withHttp);
    try {
      await broker.start();
    } catch (error) {
      await broker.dispose();
      throw error;
    }
    return broker;
  }

  get server(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const settings = [
      `listeners=PLAINTEXT://127.0.0.1:${this.#port}`,
      `log.dirs=${this.directory}`,
      "group.initial.rebalance.delay.ms=0",
      "auto.create.topics.enable=false",
      ...this.#settings,
    ].flatMap(setting => ["--override", setting]);
    const args = [...this.#program.args, "start", ...settings, "--http-port", this.#withHttp ? "0" : "off", "--json"];
    const child = new Child(this.#program.command, args);
    this.#child = child;
    const ready = JSON.parse(await child.line(line => line.startsWith("{"))) as Ready;
    this.#port = entryAt(ready.listeners, 0).port;
    this.http = ready.http ?? "";
  }

  async stop(): Promise<void> {
    const end = await this.#end("SIGTERM");
    if (end !== 0) throw new Error(`the broker ended with ${end} on SIGTERM\n${this.#log}`);
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  log(): string {
    return this.#log + (this.#child?.stderr ?? "");
  }

  async dispose(): Promise<void> {
    await this.#end("SIGKILL");
    if (this.#owned) rmSync(this.directory, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | undefined> {
    const child = this.#child;
    if (child === undefined) return undefined;
    this.#child = undefined;
    const timer = setTimeout(() => child.kill(), 20_000);
    const end = await child.end(signal);
    clearTimeout(timer);
    this.#log += child.stderr;
    return end;
  }
}

/** True if the judges and tests run against Apache Kafka instead of our broker. */
export const AGAINST_KAFKA = process.env.INTEROP_AGAINST === "kafka";

/** Starts the broker under test: ours, or Apache Kafka with `INTEROP_AGAINST=kafka`. */
export async function startBroker(settings: readonly string[] = []): Promise<BrokerProcess> {
  return AGAINST_KAFKA ? KafkaProcess.start("fixed", settings) : SamsaProcess.start(undefined, settings);
}
