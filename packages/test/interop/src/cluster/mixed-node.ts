import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Child, run } from "../processes/child.ts";
import { type Java, Missing, type Program } from "../processes/runtimes.ts";
import { connect } from "../differential/connection.ts";
import type { ClusterSecurity } from "./cluster-security.ts";

/** Implementation that a node of a cluster runs. */
export type Vendor = "kafka" | "samsa";

/** Wish for a node: its vendor, roles and further settings. */
export interface NodePlan {
  readonly id: number;
  readonly vendor: Vendor;
  readonly roles: "broker" | "controller" | "broker,controller";
  readonly settings?: readonly string[];
  /** Further variables of its environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Further arguments of `storage format`. */
  readonly format?: readonly string[];
  /** Is among the first voters of a cluster whose voters may change. */
  readonly isVoter?: true;
  /** Does not start with the cluster. */
  readonly isLate?: true;
}

/** Programs of both vendors. */
export interface Programs {
  /** Needed by nodes of Kafka, and by its tools. */
  readonly java: Java | Missing;
  readonly samsa: Program;
}

/** Addresses at which others reach a node; a role that it does not have has none. */
export interface Addresses {
  readonly broker: string | undefined;
  readonly controller: string | undefined;
}

interface Place extends Addresses {
  /** Addresses of its own sockets, which are others if something stands in front of the node. */
  readonly own: Addresses;
  readonly home: string;
  readonly clusterId: string;
  readonly settings: readonly string[];
  /** First voters, with the ids of their directories, as `storage format` wants them. */
  readonly voters: string;
  /** Certificates and users; without them, all connections are in clear text. */
  readonly security: ClusterSecurity | undefined;
}

/** Time for a stop before SIGKILL ends the node, which fails the test. */
const STOP_MS = 40_000;
/** Time for a node to open its listeners. */
const OPEN_MS = 60_000;

/** Node of a cluster, as a process of its vendor. */
export class MixedNode implements Addresses {
  readonly plan: NodePlan;
  readonly broker: string | undefined;
  readonly controller: string | undefined;
  readonly directory: string;
  readonly #programs: Programs;
  /** Path of its server.properties. */
  readonly file: string;
  /** Folder of its settings, its data and its certificate. */
  readonly home: string;
  readonly #clusterId: string;
  readonly #voters: string;
  readonly #security: ClusterSecurity | undefined;
  #child: Child | undefined;
  #isAdopted = false;
  #log = "";

  constructor(plan: NodePlan, programs: Programs, place: Place) {
    this.plan = plan;
    this.broker = place.broker;
    this.controller = place.controller;
    this.#programs = programs;
    this.#clusterId = place.clusterId;
    this.#voters = place.voters;
    this.#security = place.security;
    const home = join(place.home, String(plan.id));
    mkdirSync(home);
    this.home = home;
    this.#security?.prepare(home, plan.id);
    const name = this.#security === undefined ? "PLAINTEXT" : "SASL_SSL";
    this.directory = join(home, "data");
    this.file = join(home, "server.properties");
    const settings = [
      `node.id=${plan.id}`,
      `process.roles=${plan.roles}`,
      `listeners=${listeners(name, place.own)}`,
      ...(place.own.broker === place.broker && place.own.controller === place.controller
        ? []
        : [`advertised.listeners=${listeners(name, place)}`]),
      "controller.listener.names=CONTROLLER",
      `log.dirs=${this.directory}`,
      ...(this.#security?.settings(home) ?? []),
      ...place.settings,
      ...(plan.settings ?? []),
    ];
    writeFileSync(this.file, `${settings.join("\n")}\n`);
  }

  get id(): number {
    return this.plan.id;
  }

  get isRunning(): boolean {
    return this.#child !== undefined || this.#isAdopted;
  }

  /** Takes the node for one that runs: its processes are started and ended by somebody else. */
  adopt(): void {
    this.#isAdopted = true;
  }

  /** Changes settings, which count from the next start on. */
  configure(settings: readonly string[]): void {
    // The last value of a setting counts.
    appendFileSync(this.file, `${settings.join("\n")}\n`);
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  #program(kafka: string, samsa: readonly string[], args: readonly string[]): Program {
    const { samsa: ours } = this.#programs;
    if (this.plan.vendor === "kafka") return kafkaProgram(this.#programs, kafka, ...args);
    return { command: ours.command, args: [...ours.args, ...samsa, ...args] };
  }

  /** Formats the directory with the vendor's own tool. */
  async format(): Promise<void> {
    const { format = [], isVoter } = this.plan;
    const more = isVoter === true ? ["--initial-controllers", this.#voters] : [];
    const users = this.controller === undefined ? [] : (this.#security?.firstUsers() ?? []);
    const args = ["format", "-t", this.#clusterId, "-c", this.file, ...more, ...users, ...format];
    const { command, args: all } = this.#program("kafka.tools.StorageTool", ["storage"], args);
    await run(command, all);
  }

  /** Starts the process; resolves once its listeners are open: those of a broker open when it is unfenced. */
  async start(): Promise<void> {
    const isOurs = this.plan.vendor === "samsa";
    const more = isOurs ? ["--http-port", "off", "--json"] : [];
    const { command, args } = this.#program("kafka.Kafka", ["start"], [this.file, ...more]);
    const child = new Child(command, args, { env: this.plan.env ?? {} });
    this.#child = child;
    const opened = this.broker ?? this.controller ?? "";
    const ended = child.exited.then(code => {
      throw new Error(`node ${this.id} ended with ${code} at its start\n${child.stderr}`);
    });
    await Promise.race([isOurs ? child.line(line => line.startsWith("{"), OPEN_MS) : open(opened), ended]);
    child.exited.then(
      () => this.#ended(child),
      () => this.#ended(child),
    );
  }

  #ended(child: Child): void {
    if (this.#child === child) this.#child = undefined;
    this.#log += child.stderr;
  }

  /** Stops the node with SIGTERM. Rejects if it must be killed, or says that it failed. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const timer = setTimeout(() => child.kill(), STOP_MS);
    const end = await child.end("SIGTERM");
    clearTimeout(timer);
    // A JVM that stops on SIGTERM exits with 143.
    if (end !== 0 && end !== 143) throw new Error(`node ${this.id} ended with ${end} on SIGTERM\n${child.stderr}`);
  }

  async kill(): Promise<void> {
    await this.#child?.end("SIGKILL");
  }

  /** Stops the process where it is; the system keeps its connections open. */
  pause(): void {
    if (this.isRunning) process.kill(this.pid, "SIGSTOP");
  }

  /** Lets a paused process go on. */
  resume(): void {
    if (this.isRunning) process.kill(this.pid, "SIGCONT");
  }

  /** Standard error of all its processes. */
  log(): string {
    return this.#log + (this.#child?.stderr ?? "");
  }
}

function listeners(name: string, { broker, controller }: Addresses): string {
  return [
    ...(broker === undefined ? [] : [`${name}://${broker}`]),
    ...(controller === undefined ? [] : [`CONTROLLER://${controller}`]),
  ].join(",");
}

/** Command line of one of Kafka's programs. Throws if there is no Java. */
export function kafkaProgram({ java }: Programs, main: string, ...args: readonly string[]): Program {
  if (java instanceof Missing) throw new Error(java.reason);
  return java(main, ...args);
}

/** Waits until a server accepts connections. */
async function open(server: string): Promise<void> {
  const deadline = performance.now() + OPEN_MS;
  for (;;) {
    try {
      (await connect(server)).close();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }
}
