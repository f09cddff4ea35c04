import { Errors } from "@samsa/protocol";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import type { Prng } from "../world/prng.ts";
import { Violation } from "../ledgers/rules.ts";
import { type Actor, EXCUSED, pick, type Stage, STORAGE, TOPIC } from "../stage/stage.ts";
import { TopicEntry } from "../ledgers/topic-ledger.ts";

const SET = 0;
const DELETE = 1;
const { code: UNKNOWN_TOPIC } = Errors.UNKNOWN_TOPIC_OR_PARTITION;

/** Settings to change and their values; an empty list stands for a new number each time. */
const CHANGES: readonly (readonly [setting: string, values: readonly string[]])[] = [
  ["max.message.bytes", ["300", "1000", "100000"]],
  ["retention.ms", ["400", "3000", "-1"]],
  ["retention.bytes", ["1000", "6000", "-1"]],
  ["segment.ms", ["150", "400", "2000"]],
  ["flush.messages", ["1", "1000000"]],
  ["compression.type", ["gzip", "uncompressed", "producer"]],
  ["message.timestamp.type", ["LogAppendTime", "CreateTime"]],
  ["segment.index.bytes", []],
];
/** Settings that an audit checks. */
export const WATCHED: readonly string[] = CHANGES.map(([setting]) => setting);
/** First value of the setting that gets a new number each time: too large to have an effect. */
const FIRST_COUNTED = 1_000_000;

/** Options of `Admin`. */
export interface AdminOptions {
  /** The admin also changes retention settings. */
  readonly expires: boolean;
}

/** Creates, extends and deletes topics of a few names, changes their settings, moves partitions between directories. */
export class Admin implements Actor {
  readonly client: Client;
  readonly #stage: Stage;
  readonly #rng: Prng;
  readonly #expires: boolean;
  #count = 0;

  constructor(stage: Stage, client: Client, rng: Prng, { expires }: AdminOptions) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
    this.#expires = expires;
  }

  async step(): Promise<void> {
    const { topics } = this.#stage;
    const rng = this.#rng;
    const draw = rng.next();
    if (this.#stage.dirs.length > 1 && rng.chance(0.15)) return this.#move();
    const name = `temp-${rng.int(0, 2)}`;
    const entry = topics.entries.findLast(known => known.name === name);
    if (draw < 0.3) {
      if (entry === undefined || entry.state === "gone") await this.create(name, rng.int(1, 2), rng.chance(0.5));
    } else if (draw < 0.5) {
      if (entry?.state === "there") await this.#delete(entry);
    } else if (draw < 0.6) {
      if (entry?.state === "there" && entry.counts.length === 1 && entry.partitions < 4) await this.#extend(entry);
    } else {
      const changed = pick(rng, topics.usable());
      if (changed !== undefined) await this.#alter(changed);
    }
  }

  async create(name: string, partitions: number, flushed: boolean): Promise<void> {
    const settings = new Map([["segment.ms", "250"]]);
    // With so few batches, index entries would be rare otherwise.
    if (this.#rng.chance(0.7)) settings.set("index.interval.bytes", "150");
    if (flushed) settings.set("flush.messages", "1");
    if (this.#rng.chance(0.3)) settings.set("internal.segment.bytes", String(this.#rng.int(3000, 6000)));
    if (this.#expires && this.#rng.chance(0.4)) settings.set("retention.ms", "600");
    if (this.#expires && this.#rng.chance(0.3)) settings.set("retention.bytes", "3000");
    const entry = this.#stage.topics.add(new TopicEntry(name, partitions, settings));
    const topic = {
      name,
      numPartitions: partitions,
      replicationFactor: 1,
      assignments: [],
      configs: [...settings].map(([setting, value]) => ({ name: setting, value })),
    };
    const answer = await this.client.ask(CALLS.createTopics, { topics: [topic], timeoutMs: 300 });
    const result = answer?.topics[0];
    if (result?.errorCode === Errors.TOPIC_ALREADY_EXISTS.code) {
      throw new Violation("a deleted topic came back", `${name} cannot be created: it exists`);
    }
    if (result?.errorCode !== 0) return;
    this.#stage.note(`created ${name}`);
    entry.id = result.topicId;
    entry.state = "there";
    this.#stage.logs.opened(result.topicId, entry);
  }

  /** Moves a partition to another log directory. The result is not tracked: an audit finds any harm. */
  async #move(): Promise<void> {
    const entry = pick(this.#rng, this.#stage.topics.usable());
    const path = pick(this.#rng, this.#stage.dirs);
    if (entry === undefined || path === undefined) return;
    const partition = this.#rng.int(0, entry.partitions - 1);
    this.#stage.logs.moving({ topicId: entry.id, partition });
    const topics = [{ name: entry.name, partitions: [partition] }];
    const answer = await this.client.ask(CALLS.alterReplicaLogDirs, { dirs: [{ path, topics }] });
    const code = answer?.results[0]?.partitions[0]?.errorCode ?? STORAGE;
    if (code !== 0 && code !== Errors.REPLICA_NOT_AVAILABLE.code && !EXCUSED.has(code)) {
      throw new Violation("a good request was refused", `error ${code} to a move of ${entry.name}`);
    }
  }

  async #delete(entry: TopicEntry): Promise<void> {
    entry.state = "maybe deleted";
    const answer = await this.client.ask(CALLS.deleteTopics, { topicNames: [entry.name], timeoutMs: 300 });
    const code = answer?.responses[0]?.errorCode;
    if (code === UNKNOWN_TOPIC) throw new Violation("a topic is lost", `${entry.name} cannot be deleted: unknown`);
    if (code !== 0) return;
    this.#stage.note(`deleted ${entry.name}`);
    entry.state = "gone";
  }

  async #extend(entry: TopicEntry): Promise<void> {
    const { name, partitions } = entry;
    const count = partitions + this.#rng.int(1, 2);
    entry.counts.push(count);
    if (entry.id !== undefined) this.#stage.logs.opened(entry.id, entry);
    const topics = [{ name, count, assignments: null }];
    const answer = await this.client.ask(CALLS.createPartitions, { topics, timeoutMs: 300, validateOnly: false });
    const code = answer?.results[0]?.errorCode;
    if (code === UNKNOWN_TOPIC) throw new Violation("a topic is lost", `${name} cannot be extended: unknown`);
    if (code !== 0) return;
    this.#stage.note(`extended ${name} to ${count}`);
    entry.counts = [count];
  }

  async #alter(entry: TopicEntry): Promise<void> {
    const rng = this.#rng;
    const may = CHANGES.filter(
      ([setting]) =>
        (this.#expires || !setting.startsWith("retention")) && (setting !== "flush.messages" || !entry.flushed),
    );
    const [setting, values] = rng.oneOf(may);
    const fresh = String(FIRST_COUNTED + ++this.#count);
    const clears = rng.chance(0.2);
    const value = clears ? "" : (pick(rng, values) ?? fresh);
    entry.attempted(setting, value);
    const configs = [{ name: setting, configOperation: clears ? DELETE : SET, value: clears ? null : value }];
    const resources = [{ resourceType: TOPIC, resourceName: entry.name, configs }];
    const answer = await this.client.ask(CALLS.alterConfigs, { resources, validateOnly: false });
    if (answer?.responses[0]?.errorCode !== 0) return;
    this.#stage.note(`altered ${entry.name} ${setting}=${value}`);
    entry.settled(setting, value);
  }
}
