import { type Disk, guard, ignored, type Logger, type Network, VERSION } from "@samsa/base";
import { formatStorage, type Interception, Node } from "@samsa/broker";
import { Admin, CLUSTER_DEFAULTS, ClusterClient } from "@samsa/client-runtime";
import { MemoryDisk, MemoryNetwork } from "@samsa/memory";
import { nodeEnv, nodePolicies, nodeQuotaCallback } from "@samsa/node";
import { type ActiveRule, type InterceptionRule, Interceptions } from "./interceptions.ts";
import { Life } from "./life.ts";
import { TestClock } from "./test-clock.ts";

/** Options of a cluster for tests. */
export interface TestClusterOptions {
  /** Number of brokers, which are controllers too (the first three of them); 1 by default. */
  readonly nodes?: number;
  /** "memory" (the default), or a folder for the logs, which stays when the cluster is closed. */
  readonly disk?: string;
  /** Settings of all brokers, by Kafka's names. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Topics to create, with their numbers of partitions. */
  readonly topics?: Readonly<Record<string, number>>;
  /** Port of the first broker, the next ones counted up; any free ports by default. */
  readonly port?: number;
  /** Receives the log of the brokers, with the node's id; nothing is logged by default. What it throws is uncaught. */
  readonly log?: (line: TestLogLine) => void;
}

/** Line of a broker's log. */
export interface TestLogLine {
  readonly node: number;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

interface Machine {
  readonly id: number;
  readonly disk: Disk;
  readonly logger: Logger;
  /** Port of clients, which stays over restarts; 0 until the first start. */
  port: number;
  life: Life | undefined;
  node: Node | undefined;
}

const HOST = "127.0.0.1";
const CLUSTER_ID = "samsa-testkit-cluster-";
const MOST_CONTROLLERS = 3;
const INTERNAL_PORT = 9093;
const CONTROLLER_PORT = 9094;
const MOST_NODES = 20;
const ALIVE_MS = 1000;
const virtualHost = (id: number): string => `node-${id}`;
const isVirtual = (host: string): boolean => /^node-\d+$/.test(host);

/** Settings that make a cluster start and react fast; the caller's come after them. */
const QUICK = {
  "broker.heartbeat.interval.ms": "200",
  "broker.session.timeout.ms": "1500",
  "controller.quorum.election.timeout.ms": "200",
  "group.initial.rebalance.delay.ms": "0",
  "offsets.topic.num.partitions": "1",
  "transaction.state.log.num.partitions": "1",
  "share.coordinator.state.topic.num.partitions": "1",
  "log.cleaner.dedupe.buffer.size": "4194304",
} as const;

/**
 * A cluster of real brokers inside this process, for tests of any Kafka client. Clients reach it over TCP on this
 * machine; the brokers reach each other in memory.
 */
export class TestCluster {
  readonly #options: TestClusterOptions;
  readonly #interceptions = new Interceptions();
  readonly #wires = new MemoryNetwork();
  readonly #network: Network;
  readonly #clock: TestClock;
  readonly #machines: readonly Machine[];

  private constructor(options: TestClusterOptions) {
    const { nodes = 1, disk = "memory", log } = options;
    if (!Number.isInteger(nodes) || nodes < 1 || nodes > MOST_NODES) {
      throw new RangeError(`nodes is a whole number from 1 to ${MOST_NODES}, not ${nodes}`);
    }
    this.#options = options;
    const real = nodeEnv({ logger: loggerOf(0, log) });
    this.#network = real.network;
    this.#clock = new TestClock(real.clock, real.timers);
    this.#machines = Array.from({ length: nodes }, (_, i) => ({
      id: i + 1,
      disk: disk === "memory" ? new MemoryDisk(this.#clock) : real.disk,
      logger: loggerOf(i + 1, log),
      port: options.port === undefined ? 0 : options.port + i,
      life: undefined,
      node: undefined,
    }));
  }

  /** Starts a cluster; resolves once all brokers serve. Rejects with an error that says what to do. */
  static async start(options: TestClusterOptions = {}): Promise<TestCluster> {
    const cluster = new TestCluster(options);
    const release = stayAlive();
    try {
      // A node without peers formats its directory itself, at its start.
      if (cluster.#machines.length > 1) for (const machine of cluster.#machines) cluster.#format(machine);
      await Promise.all(cluster.#machines.map(machine => cluster.#start(machine)));
      await cluster.#createTopics();
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    } finally {
      release();
    }
  }

  /** Addresses of the brokers, with commas between them: `bootstrap.servers` of clients. */
  get bootstrapServers(): string {
    return this.#machines.map(({ port }) => `${HOST}:${port}`).join(",");
  }

  /** Decides on the fate of requests: an error, a delay, or a lost connection. Throws a RangeError for what cannot be. */
  intercept(rule: InterceptionRule, fate: Interception): ActiveRule {
    if (rule.node !== undefined) this.#machine(rule.node);
    return this.#interceptions.add(rule, fate);
  }

  /** Stops a broker as SIGTERM does: its partitions get other leaders first. */
  async stop(id: number): Promise<void> {
    const machine = this.#machine(id);
    const { node, life } = machine;
    machine.node = undefined;
    machine.life = undefined;
    await node?.close();
    life?.end();
    this.#unlock(machine);
  }

  /** Ends a broker as SIGKILL does. What it has written stays. */
  kill(id: number): void {
    const machine = this.#machine(id);
    machine.life?.end();
    machine.node = undefined;
    machine.life = undefined;
    this.#unlock(machine);
  }

  /** Starts a broker that was stopped or killed, at the port that it had. */
  async restart(id: number): Promise<void> {
    const machine = this.#machine(id);
    if (machine.node !== undefined) throw new Error(`broker ${id} runs`);
    await this.#start(machine);
  }

  /** Cuts a broker off from the others, or heals that. Clients still reach it. */
  isolate(id: number, isCut = true): void {
    this.#wires.isolate(virtualHost(this.#machine(id).id), isCut);
  }

  /** Moves the clock of all brokers forward by `ms`: sessions expire, segments become old enough to be deleted. */
  advanceClock(ms: number): void {
    this.#clock.advance(ms);
  }

  /** Stops all brokers. Nothing stays behind but the logs in a folder. */
  async close(): Promise<void> {
    const release = stayAlive();
    try {
      await Promise.all(
        this.#machines.map(async ({ id, node }) => {
          // Brokers that stop together need not hand their partitions over.
          if (node !== undefined && this.#machines.length > 1) this.kill(id);
          else await this.stop(id);
        }),
      );
    } finally {
      release();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #machine(id: number): Machine {
    const machine = this.#machines[id - 1];
    if (machine === undefined) throw new RangeError(`no broker ${id}: there are ${this.#machines.length}`);
    return machine;
  }

  #unlock({ disk }: Machine): void {
    if (disk instanceof MemoryDisk) disk.unlockAll();
  }

  #newLife({ id, disk, logger }: Machine): Life {
    const { timers } = this.#clock;
    const network = this.#wires.of(virtualHost(id), timers, this.#network, isVirtual);
    return new Life({ ...nodeEnv({ logger }), clock: this.#clock, timers, network, disk });
  }

  #format(machine: Machine): void {
    const life = this.#newLife(machine);
    formatStorage(life.env, {
      settings: this.#settingsOf(machine),
      clusterId: CLUSTER_ID,
      ignoreFormatted: true,
      features: [],
    });
    life.end();
    this.#unlock(machine);
  }

  async #start(machine: Machine): Promise<void> {
    const life = this.#newLife(machine);
    machine.life = life;
    const node = await Node.start(life.env, {
      settings: this.#settingsOf(machine),
      clusterId: CLUSTER_ID,
      policies: (classes, configs) =>
        nodePolicies(classes, configs, {
          failed: error => machine.logger.error("the policies have failed", { error }),
        }),
      quotaCallback: (name, configs) =>
        nodeQuotaCallback(name, configs, {
          failed: error => machine.logger.error("the quota callback has failed", { error }),
        }),
      intercept: request => this.#interceptions.decide(machine.id, request),
      onHalt: reason => machine.logger.error("the broker has ended", { reason }),
    });
    machine.node = node;
    machine.port = node.advertised.get("PLAINTEXT")?.port ?? machine.port;
  }

  #settingsOf({ id, port }: Machine): Map<string, string> {
    const count = this.#machines.length;
    const replicas = String(Math.min(3, count));
    const controllers = this.#machines.slice(0, count >= MOST_CONTROLLERS ? MOST_CONTROLLERS : 1);
    const isController = controllers.some(controller => controller.id === id);
    const host = virtualHost(id);
    const listeners = [
      `PLAINTEXT://${HOST}:${port}`,
      `INTERNAL://${host}:${INTERNAL_PORT}`,
      ...(isController ? [`CONTROLLER://${host}:${CONTROLLER_PORT}`] : []),
    ];
    const { disk = "memory", settings = {} } = this.#options;
    return new Map(
      Object.entries({
        ...QUICK,
        "default.replication.factor": replicas,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "share.coordinator.state.topic.replication.factor": replicas,
        "transaction.state.log.min.isr": count >= MOST_CONTROLLERS ? "2" : "1",
        "share.coordinator.state.topic.min.isr": count >= MOST_CONTROLLERS ? "2" : "1",
        ...settings,
        "node.id": String(id),
        "process.roles": isController ? "broker,controller" : "broker",
        listeners: listeners.join(","),
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "INTERNAL",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": controllers
          .map(controller => `${controller.id}@${virtualHost(controller.id)}:${CONTROLLER_PORT}`)
          .join(","),
        "log.dirs": disk === "memory" ? "/data" : `${disk}/${host}`,
      }),
    );
  }

  async #createTopics(): Promise<void> {
    const { topics = {} } = this.#options;
    if (Object.keys(topics).length === 0) return;
    await this.createTopics(topics);
  }

  /** Creates topics with these numbers of partitions, on as many brokers as there are up to three. */
  async createTopics(topics: Readonly<Record<string, number>>): Promise<void> {
    const client = new ClusterClient(nodeEnv({ logger: loggerOf(0, this.#options.log) }), {
      ...CLUSTER_DEFAULTS,
      bootstrapServers: this.#machines.map(({ port }) => ({ host: HOST, port })),
      clientId: "samsa-testkit",
      software: { name: "samsa-testkit", version: VERSION },
    });
    try {
      const wanted = Object.entries(topics).map(([name, partitions]) => ({ name, partitions }));
      (await new Admin(client).topics.create(wanted)).orThrow();
    } finally {
      client.close();
    }
  }
}

/** Keeps the process until the returned function is called: timers of brokers do not, and a test may wait for nothing else. */
function stayAlive(): () => void {
  const timer = setInterval(ignored("it only keeps the event loop alive"), ALIVE_MS);
  return () => clearInterval(timer);
}

function loggerOf(node: number, log: TestClusterOptions["log"]): Logger {
  const at =
    (level: TestLogLine["level"]) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void =>
      guard(
        () => log?.({ node, level, message, fields }),
        // A broker goes on; the test runner hears of it.
        error => queueMicrotask(() => rethrow(error)),
      );
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function rethrow(error: unknown): never {
  throw error;
}

/** Starts a cluster for tests (`TestCluster.start`). */
export function startCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  return TestCluster.start(options);
}
