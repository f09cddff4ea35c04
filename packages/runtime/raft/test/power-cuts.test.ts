import { metadataRecord, type MetadataRecord } from "@samsa/protocol";
import { type CrashOptions, World } from "@samsa/sim";
import { type LogDir, openLogDir } from "@samsa/storage";
import { expect, test } from "vitest";
import { metadataLogConfig, RaftClient } from "../src/index.ts";
import { SETTINGS } from "./settings.ts";

/** Segments and snapshots of a few records each. */
const CONFIG = metadataLogConfig({ segmentBytes: 500, segmentMs: 1e12 });
const ROUNDS = 7;
const ROUNDS_PER_SNAPSHOT = 3;

const numbered = (value: number): MetadataRecord =>
  metadataRecord("ConfigRecord", 0, { resourceType: 2, resourceName: "t", name: "n", value: String(value) });

/** A machine that opens metadata logs one after the other; their records are numbered. */
class Machine {
  readonly world: World;
  /** Numbers below this have been acknowledged; numbers from `begun` on were never appended. */
  acknowledged = 0;
  begun = 0;
  isOff = false;
  #onLeader: () => void = () => {};
  /** Appends that are not committed yet. */
  readonly #waiting: { readonly next: number; readonly resolve: () => void }[] = [];

  constructor(seed: number) {
    this.world = new World(seed);
  }

  /** Cuts the power at the disk operation with this number. */
  cutAt(step: number, how: CrashOptions): void {
    const { disk } = this.world.node("a");
    let operations = 0;
    disk.watch = () => {
      if (operations++ !== step) return;
      disk.watch = undefined;
      this.isOff = true;
      this.world.crash("a", how);
    };
  }

  /** Opens the log on the disk; the replayed numbers must start at 0 and have no gap. */
  open(): { dir: LogDir; log: RaftClient; numbers: number[] } {
    const { env } = this.world.node("a");
    const dir = openLogDir(env, "/data", { nodeId: 1, clusterId: "c", configOf: () => CONFIG });
    const numbers: number[] = [];
    const replay = (records: readonly MetadataRecord[]) => {
      for (const record of records) {
        if (record.type === "ConfigRecord") numbers.push(Number((record.value as { value: string }).value));
      }
    };
    const log = new RaftClient({
      dir,
      tools: { crc32c: env.crypto.crc32c, codecs: env.codecs },
      nodeId: 1,
      clusterId: "c",
      introduction: { software: { name: "test", version: "1" } },
      isController: true,
      listenerNames: ["CONTROLLER"],
      staticVoters: [],
      bootstrapServers: [],
      settings: SETTINGS,
      listener: {
        loadSnapshot: replay,
        replay,
        committed: () => {
          for (const { next, resolve } of this.#waiting.splice(0)) {
            if (next < numbers.length) resolve();
            else this.#waiting.push({ next, resolve });
          }
        },
        leaderChanged: ({ leaderId }) => {
          if (leaderId === 1) this.#onLeader();
        },
        failed: () => {},
      },
      bootstrap: () => [metadataRecord("FeatureLevelRecord", 0, { name: "metadata.version", featureLevel: 20 })],
      retention: { maxBytes: 2500, maxMs: -1 },
    });
    log.load();
    return { dir, log, numbers };
  }

  /** Starts the log; resolves once all that was in it has been replayed. */
  async lead(log: RaftClient): Promise<void> {
    await new Promise<void>(resolve => {
      this.#onLeader = resolve;
      log.start([]);
    });
  }

  /** Appends the next number, and resolves once it is committed; `numbers` are those that are. */
  async append(log: RaftClient): Promise<void> {
    const next = this.begun++;
    log.append([numbered(next)], this.world.wall());
    await new Promise<void>(resolve => this.#waiting.push({ next, resolve }));
    this.acknowledged = next + 1;
  }

  async live(): Promise<void> {
    const { dir, log, numbers } = this.open();
    await this.lead(log);
    for (let i = 1; i <= ROUNDS; i++) {
      await this.append(log);
      // The next records are appended while the snapshot is being written.
      const snapshot =
        i % ROUNDS_PER_SNAPSHOT === 0
          ? log.snapshot(numbers.map(numbered), { offset: log.highWatermark - 1, epoch: log.epoch, timestamp: i })
          : undefined;
      await Promise.all([this.append(log), snapshot]);
    }
    await dir.close();
  }

  /** Runs the machine until `work` has ended or the power is cut; true if it has ended. */
  async run(work: Promise<void>): Promise<boolean> {
    let ended = false;
    const end = () => void (ended = true);
    work.then(end, end);
    await this.world.runUntil(() => ended || this.isOff);
    if (!this.isOff) await work;
    return !this.isOff;
  }

  /** Opens the log after the power is back, and appends to it. */
  async goOn(): Promise<void> {
    this.isOff = false;
    this.world.node("a").disk.watch = undefined;
    const { log, numbers } = this.open();
    await this.run(this.lead(log));
    expect(numbers).toEqual(numbers.map((_, i) => i));
    expect(numbers.length).toBeGreaterThanOrEqual(this.acknowledged);
    expect(numbers.length).toBeLessThanOrEqual(this.begun);
    this.begun = numbers.length;
    await this.run(this.append(log));
  }
}

test.each([
  ["lost", 1],
  ["random", 2],
  ["kept", 3],
] as const)(
  "a power cut while metadata and snapshots are written loses nothing acknowledged: unsynced is %s, each %i. step",
  async (unsynced, stride) => {
    let cuts = 0;
    for (let step = 0; ; step += stride) {
      const machine = new Machine(step);
      machine.cutAt(step, { unsynced });
      const isWhole = (await machine.run(live(machine))) && (await machine.run(live(machine)));
      await machine.goOn();
      machine.world.crash("a", { unsynced });
      await machine.goOn();
      if (isWhole) break;
      cuts++;
    }
    expect(cuts).toBeGreaterThan(120);
  },
);

/** Wraps `live`, because a power cut in the constructor of a log throws synchronously. */
async function live(machine: Machine): Promise<void> {
  await Promise.resolve();
  await machine.live();
}
