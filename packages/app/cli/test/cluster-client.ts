import { crc32c, utf8 } from "@samsa/base";
import { nodeEnv, pureCodecs } from "@samsa/node";
import { buildBatch, readRecords } from "@samsa/records";
import { BrokerConnection, type Endpoint, WireError } from "@samsa/wire";
import { createServer } from "node:net";

const TOOLS = { crc32c, codecs: pureCodecs() };
const env = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } });
const OPTIONS = {
  clientId: "test",
  software: { name: "test", version: "0" },
  setupTimeoutMs: 2000,
  requestTimeoutMs: 10_000,
};
const PAUSE_MS = 50;

/** Resolves after `ms`. */
export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}

/** Ports below those that the kernel gives to sockets without a port of their own, which come and go. */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;

/** First of `count` ports in a row that are free on 127.0.0.1. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)));
    if (!free.includes(false)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Client of a cluster that follows the leaders, and tries again until the cluster answers. */
export class ClusterClient {
  readonly #servers: readonly Endpoint[];
  readonly #connections = new Map<string, BrokerConnection>();

  constructor(servers: readonly Endpoint[]) {
    this.#servers = servers;
  }

  async #on<T>(endpoint: Endpoint, action: (connection: BrokerConnection) => Promise<T>): Promise<T | undefined> {
    const key = `${endpoint.host}:${endpoint.port}`;
    try {
      const connection = this.#connections.get(key) ?? (await BrokerConnection.connect(env, endpoint, OPTIONS));
      this.#connections.set(key, connection);
      return await action(connection);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#connections.get(key)?.close();
      this.#connections.delete(key);
      return undefined;
    }
  }

  /** Metadata of a topic, of the first server that answers. */
  async metadata(name: string) {
    for (const server of this.#servers) {
      const found = await this.#on(server, connection =>
        connection.call("Metadata", {
          topics: [{ name }],
          allowAutoTopicCreation: false,
          includeTopicAuthorizedOperations: false,
        }),
      );
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Repeats `action` on the leader of a partition until it returns a value. */
  async #onLeader<T>(
    topic: string,
    index: number,
    action: (connection: BrokerConnection) => Promise<T | undefined>,
  ): Promise<T> {
    for (;;) {
      const metadata = await this.metadata(topic);
      const leader = metadata?.topics[0]?.partitions.find(({ partitionIndex }) => partitionIndex === index)?.leaderId;
      const endpoint = metadata?.brokers.find(({ nodeId }) => nodeId === leader);
      const done = endpoint && (await this.#on(endpoint, action));
      if (done !== undefined) return done;
      await pause(PAUSE_MS);
    }
  }

  /** Produces a record with acks=all; resolves once it is acknowledged. */
  async produce(topic: string, index: number, value: string): Promise<void> {
    await this.#onLeader(topic, index, async connection => {
      const records = [buildBatch([{ timestamp: Date.now(), key: null, value: utf8(value) }], {}, TOOLS)];
      const topicData = [{ name: topic, partitionData: [{ index, records }] }];
      const body = { transactionalId: null, acks: -1, timeoutMs: 5000, topicData };
      const { responses } = await connection.call("Produce", body, { version: 9 });
      return responses[0].partitionResponses[0].errorCode === 0 ? true : undefined;
    });
  }

  /** All values in a partition. */
  consume(topic: string, partition: number): Promise<string[]> {
    return this.#onLeader(topic, partition, async connection => {
      const found: string[] = [];
      for (;;) {
        const partitions = [{ partition, fetchOffset: found.length, partitionMaxBytes: 10_000_000 }];
        const limits = { maxWaitMs: 0, minBytes: 0, maxBytes: 50_000_000, isolationLevel: 0 };
        const request = { ...limits, sessionId: 0, sessionEpoch: -1, topics: [{ topic, partitions }] };
        const { responses } = await connection.call("Fetch", { ...request, forgottenTopicsData: [] }, { version: 11 });
        const [{ errorCode, records }] = responses[0].partitions;
        if (errorCode !== 0) return undefined;
        const read = (records ?? []).flatMap(chunk => readRecords(chunk, TOOLS));
        if (read.length === 0) return found;
        found.push(...read.map(record => Buffer.from(record.value ?? []).toString()));
      }
    });
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
  }
}
