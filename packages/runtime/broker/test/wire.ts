import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Env, Logger } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { RawConnection } from "@samsa/wire";
import { type BrokerRole, Node, type NodeOptions } from "../src/index.ts";

export interface LogLine {
  readonly level: string;
  readonly message: string;
}

/** Environment of clients: the real one, whatever a broker has. */
const CLIENT = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } });

/** Connects to a port of this machine. A test sends anything, at any version. */
export function connectTo(port: number): Promise<RawConnection> {
  return RawConnection.open(CLIENT, { host: "127.0.0.1", port }, { clientId: "test" });
}

/** Internal topics of a broker that has no others beside it. */
export const ONE_REPLICA = {
  "offsets.topic.replication.factor": "1",
  "transaction.state.log.replication.factor": "1",
  "transaction.state.log.min.isr": "1",
  "share.coordinator.state.topic.replication.factor": "1",
  "share.coordinator.state.topic.min.isr": "1",
};

/** Sets settings of a resource, or deletes those whose value is null; returns the answer about it. */
export async function alterConfigs(
  wire: RawConnection,
  resourceType: number,
  resourceName: string,
  values: Readonly<Record<string, string | null>>,
) {
  const configs = Object.entries(values).map(([name, value]) => {
    return { name, configOperation: value === null ? 1 : 0, value };
  });
  const resources = [{ resourceType, resourceName, configs }];
  const { responses } = await wire.ask("IncrementalAlterConfigs", 1, { resources, validateOnly: false });
  return responses[0];
}

/** A broker in this process, with its own directory and a random port. */
export class TestBroker {
  readonly env: Env;
  readonly node: Node;
  readonly directory: string;
  readonly lines: LogLine[];

  private constructor(env: Env, node: Node, directory: string, lines: LogLine[]) {
    this.env = env;
    this.node = node;
    this.directory = directory;
    this.lines = lines;
  }

  /** Starts a broker; `world` replaces parts of the real environment. */
  static async start(
    settings: Record<string, string> = {},
    directory?: string,
    world: Partial<Env> = {},
    options: Partial<NodeOptions> = {},
  ) {
    const home = directory ?? mkdtempSync(join(tmpdir(), "samsa-broker-"));
    const lines: LogLine[] = [];
    const at = (level: string) => (message: string) => void lines.push({ level, message });
    const logger: Logger = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
    const all = {
      listeners: "PLAINTEXT://127.0.0.1:0",
      "log.dirs": join(home, "data"),
      "offsets.topic.num.partitions": "3",
      ...ONE_REPLICA,
      "group.initial.rebalance.delay.ms": "0",
      ...settings,
    };
    const env = { ...nodeEnv({ logger }), ...world };
    try {
      const node = await Node.start(env, { settings: new Map(Object.entries(all)), ...options });
      return new TestBroker(env, node, home, lines);
    } catch (error) {
      // A directory of the caller's is its own to look into.
      if (directory === undefined) rmSync(home, { recursive: true, force: true });
      throw error;
    }
  }

  get broker(): BrokerRole {
    return this.node.broker;
  }

  get port(): number {
    return this.node.advertised.get("PLAINTEXT")?.port ?? -1;
  }

  connect(): Promise<RawConnection> {
    return connectTo(this.port);
  }

  async stop(): Promise<void> {
    await this.node.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
