import { Errors } from "@samsa/protocol";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import type { Prng } from "../world/prng.ts";
import { Violation } from "../ledgers/rules.ts";
import { type Actor, EXCUSED, pick, type Stage, STORAGE, TOPIC } from "../stage/stage.ts";

const CODECS = ["gzip", "uncompressed", "producer"] as const;

/** Partition that the operator may move or recompress. */
export interface Plot {
  readonly topic: string;
  readonly partition: number;
}

/** Moves partitions of topics that other actors track between directories, and changes `compression.type`. */
export class Operator implements Actor {
  readonly client: Client;
  readonly #stage: Stage;
  readonly #rng: Prng;
  readonly #plots: readonly Plot[];

  constructor(stage: Stage, client: Client, rng: Prng, plots: readonly Plot[]) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
    this.#plots = plots;
  }

  async step(): Promise<void> {
    const rng = this.#rng;
    if (!rng.chance(0.2)) return;
    const plot = pick(rng, this.#plots);
    if (plot === undefined) return;
    if (this.#stage.dirs.length > 1 && rng.chance(0.8)) await this.#move(plot);
    else if (!plot.topic.startsWith("__")) await this.#recompress(plot);
  }

  async #move({ topic, partition }: Plot): Promise<void> {
    const path = this.#rng.oneOf(this.#stage.dirs);
    const topics = [{ name: topic, partitions: [partition] }];
    const answer = await this.client.ask(CALLS.alterReplicaLogDirs, { dirs: [{ path, topics }] });
    const code = answer?.results[0]?.partitions[0]?.errorCode ?? STORAGE;
    if (code === 0 || code === Errors.REPLICA_NOT_AVAILABLE.code || EXCUSED.has(code)) return;
    throw new Violation("a good request was refused", `error ${code} to a move of ${topic}`);
  }

  async #recompress({ topic }: Plot): Promise<void> {
    const value = pick(this.#rng, CODECS) ?? null;
    const configs = [{ name: "compression.type", configOperation: 0, value }];
    const resources = [{ resourceType: TOPIC, resourceName: topic, configs }];
    await this.client.ask(CALLS.alterConfigs, { resources, validateOnly: false });
  }
}
