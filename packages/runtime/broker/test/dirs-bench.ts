import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Disk, DiskError, type DiskFile, type Env, ignored, type Logger } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { errorOf } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import type { RawConnection } from "@samsa/wire";
import { afterEach, beforeEach } from "vitest";
import { type BrokerRole, Node } from "../src/index.ts";
import { alterConfigs, connectTo, ONE_REPLICA } from "./wire.ts";

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Returns a disk that fails for paths in `broken`, from the time they are added. */
function breakable(env: Env, broken: Set<string>): Env {
  const check = (path: string): void => {
    for (const prefix of broken) if (path.startsWith(prefix)) throw new DiskError("EIO", path, "broken");
  };
  const guard = <A extends readonly unknown[], R>(path: string, work: (...args: A) => R) => {
    return (...args: A): R => {
      check(path);
      return work(...args);
    };
  };
  const { disk } = env;
  const changed: Partial<Disk> = {
    open: (path, mode): DiskFile => {
      check(path);
      const file = disk.open(path, mode);
      return {
        path,
        size: () => file.size(),
        read: guard(path, (target, position) => file.read(target, position)),
        readLater: (target, position) => file.readLater(target, position),
        write: guard(path, (chunks, position) => file.write(chunks, position)),
        truncate: guard(path, size => file.truncate(size)),
        sync: async () => {
          check(path);
          await gates.at(path);
          await file.sync();
        },
        syncNow: guard(path, () => file.syncNow()),
        close: () => file.close(),
      };
    },
    list: path => guard(path, () => disk.list(path))(),
    makeDirectory: path => guard(path, () => disk.makeDirectory(path))(),
    rename: (from, to) => guard(from, () => disk.rename(from, to))(),
  };
  return { ...env, disk: { ...disk, ...changed } };
}

let root: string;
/** Prefixes of paths that fail. */
export const broken = new Set<string>();

/** Makes fsync wait, for paths that match a pattern. */
class Gates {
  #pattern: RegExp | undefined;
  #waiting: (() => void)[] = [];

  /** Number of fsyncs that wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  close(pattern: RegExp): void {
    this.#pattern = pattern;
  }

  /** Lets those go on that wait; the gate stays closed. */
  pass(): void {
    for (const go of this.#waiting.splice(0)) go();
  }

  open(): void {
    this.#pattern = undefined;
    this.pass();
  }

  at(file: string): Promise<void> {
    if (this.#pattern?.test(file) !== true) return Promise.resolve();
    return new Promise(resolve => this.#waiting.push(resolve));
  }
}

export const gates = new Gates();
const open: Bench[] = [];

/** Call it in each test file: gives each test its own directories, and closes the brokers that it leaves open. */
export function useDirectories(): void {
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "samsa-dirs-"));
    broken.clear();
  });

  afterEach(async () => {
    gates.open();
    for (const { node, wire } of open.splice(0)) {
      wire.close();
      await node.close().catch(ignored("directories of these nodes fail on purpose"));
    }
    rmSync(root, { recursive: true, force: true });
  });
}

/** Path of the directory `name` of this test. */
export const path = (name: string): string => join(root, name);

/** A broker with the log directories a and b, and a connection to it. */
export class Bench {
  readonly node: Node;
  readonly wire: RawConnection;
  halted: string | undefined;

  constructor(node: Node, wire: RawConnection) {
    this.node = node;
    this.wire = wire;
  }

  get broker(): BrokerRole {
    return this.node.broker;
  }

  static async start(settings: Record<string, string> = {}): Promise<Bench> {
    const all = {
      listeners: "PLAINTEXT://127.0.0.1:0",
      "log.dirs": `${path("a")},${path("b")}`,
      "offsets.topic.num.partitions": "2",
      ...ONE_REPLICA,
      "group.initial.rebalance.delay.ms": "0",
      "auto.create.topics.enable": "false",
      ...settings,
    };
    let halt = (_reason: string): void => {};
    const env = breakable(nodeEnv({ logger: silent }), broken);
    const node = await Node.start(env, {
      settings: new Map(Object.entries(all)),
      onHalt: reason => halt(reason),
    });
    const wire = await connectTo(node.advertised.get("PLAINTEXT")?.port ?? -1);
    const bench = new Bench(node, wire);
    halt = reason => (bench.halted = reason);
    open.push(bench);
    return bench;
  }

  async stop(): Promise<void> {
    this.wire.close();
    await this.node.close();
  }

  async create(name: string, numPartitions: number): Promise<string> {
    const topic = { name, numPartitions, replicationFactor: 1, assignments: [], configs: [] };
    const body = { topics: [topic], timeoutMs: 1000, validateOnly: false };
    const answer = await this.wire.ask("CreateTopics", 5, body);
    return errorOf(answer.topics[0].errorCode).name;
  }

  async delete(name: string): Promise<void> {
    await this.wire.ask("DeleteTopics", 5, { topicNames: [name], timeoutMs: 1000 });
  }

  async produce(name: string, index: number): Promise<string> {
    const value = new TextEncoder().encode("v");
    const records = [buildBatch([{ timestamp: Date.now(), key: null, value }], {}, this.broker.tools)];
    const topicData = [{ name, partitionData: [{ index, records }] }];
    const body = { transactionalId: null, acks: -1, timeoutMs: 1000, topicData };
    const { responses } = await this.wire.ask("Produce", 9, body);
    return errorOf(responses[0].partitionResponses[0].errorCode).name;
  }

  async partitions(name: string) {
    const body = { topics: [{ name }], allowAutoTopicCreation: false };
    const { topics } = await this.wire.ask("Metadata", 9, body);
    return topics[0].partitions.map(({ errorCode, leaderId, offlineReplicas }) => ({
      error: errorOf(errorCode).name,
      leaderId,
      offlineReplicas,
    }));
  }

  async cordon(value: string): Promise<string> {
    const { errorCode } = await alterConfigs(this.wire, 4, "1", { "cordoned.log.dirs": value });
    return errorOf(errorCode).name;
  }

  image() {
    return this.broker.topics.image;
  }

  /** Names of the directories that the metadata assigns to the partitions of a topic. */
  assigned(name: string): (string | undefined)[] {
    const names = new Map(
      this.broker.dirs.opened.map(dir => [dir.directoryId as string, dir.path.slice(root.length + 1)]),
    );
    const topic = [...this.image().topics.values()].find(t => t.name === name);
    return [...(topic?.partitions.values() ?? [])].map(({ directories }) => names.get(directories[0]));
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise(resolve => setTimeout(resolve, 2));
  }
}
