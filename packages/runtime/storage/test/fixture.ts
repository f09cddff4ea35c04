import { type Uuid, utf8 } from "@samsa/base";
import { KEEP_ALL, type LogConfig } from "@samsa/log";
import { buildBatch, type Tools } from "@samsa/records";
import { type SimNode, World } from "@samsa/sim";
import { type LogDir, type LogDirOptions, openLogDir, type PartitionLog } from "../src/index.ts";

export const TOPIC_ID = "zzzzzzzzzzzzzzzzzzzzzg" as Uuid;
export const NOW = 1_700_000_000_000;
export const CONFIG: LogConfig = {
  ...KEEP_ALL,
  segmentBytes: 1_000,
  segmentMs: 604_800_000,
  indexIntervalBytes: 100,
  retentionMs: 604_800_000,
  afterMaxMs: 3_600_000,
  cleanupPolicy: new Set(["delete"]),
};

/** A machine whose disk can crash, with one log directory. */
export class Fixture {
  readonly world: World;
  node: SimNode;
  dir: LogDir;
  config: LogConfig;
  readonly options: Partial<LogDirOptions>;

  constructor(seed: number, config: Partial<LogConfig> = {}, options: Partial<LogDirOptions> = {}) {
    this.world = new World(seed);
    this.node = this.world.node("a");
    this.config = { ...CONFIG, ...config };
    this.options = options;
    this.dir = this.open();
  }

  get tools(): Tools {
    return { crc32c: this.node.env.crypto.crc32c, codecs: this.node.env.codecs };
  }

  open(): LogDir {
    return openLogDir(this.node.env, "/data", {
      nodeId: 1,
      clusterId: "cluster",
      configOf: () => this.config,
      ...this.options,
    });
  }

  get log(): PartitionLog {
    return this.dir.get("t", 0) ?? this.dir.create("t", 0, TOPIC_ID);
  }

  /** Runs the simulation until `work` has settled. */
  settle<T>(work: Promise<T>): Promise<T> {
    return this.world.settle(work);
  }

  flush(): Promise<void> {
    return this.settle(this.log.flush());
  }

  async restart(): Promise<void> {
    await this.settle(this.dir.close());
    this.dir = this.open();
  }

  crash(unsynced: "random" | "lost" | "kept" | "cached" = "random"): void {
    this.node = this.world.crash("a", { unsynced });
    this.dir = this.open();
  }

  batch(count: number, from = 0, timestamp = NOW, options: Parameters<typeof buildBatch>[1] = {}): Uint8Array {
    const records = Array.from({ length: count }, (_, i) => ({
      timestamp: timestamp + i,
      key: null,
      value: utf8(`value ${from + i}`),
    }));
    return buildBatch(records, options, this.tools);
  }
}
