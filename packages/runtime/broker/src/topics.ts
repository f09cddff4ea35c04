import { DiskError, type Env, type Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { type MetadataImage, type PartitionImage, type TopicImage, topicNamed } from "@samsa/metadata";
import type { JudgeRules } from "@samsa/records";
import type { LogDir } from "@samsa/storage";
import { Partition } from "./partition.ts";
import { logConfig, type Settings } from "./settings.ts";
import type { TopicConfig } from "./topic-configs.ts";
import type { Turn } from "./turn.ts";

export const OFFSETS_TOPIC = "__consumer_offsets";
export const METADATA_TOPIC = "__cluster_metadata";
/** Topics that clients may read and not write (`Topic.INTERNAL_TOPICS`). */
export const INTERNAL_TOPICS: ReadonlySet<string> = new Set([
  OFFSETS_TOPIC,
  "__transaction_state",
  "__share_group_state",
]);

/** Most that a batch may turn into on the event loop; one of more is judged elsewhere. */
const SMALL_OUTPUT = 4 * 1024 * 1024;

/** What a topic's settings ask of the batches that come. */
function rulesOf(config: TopicConfig): JudgeRules {
  const { compression, maxMessageBytes, segmentBytes, timestampType, beforeMaxMs, afterMaxMs } = logConfig(config);
  const validation = {
    origin: "client" as const,
    maxMessageBytes,
    segmentBytes,
    timestampType,
    beforeMaxMs,
    afterMaxMs,
    compacted: config["cleanup.policy"].includes("compact"),
    allowZstd: true,
    maxRecordBytes: config["max.decompressed.message.bytes"],
    codec: compression === "producer" ? ("producer" as const) : compression.codec,
    decompressedLimit: SMALL_OUTPUT,
  };
  return { validation, compression };
}

export interface TopicsOptions {
  readonly env: Env;
  readonly turn: Turn;
  readonly dir: LogDir;
  readonly settings: Settings;
}

/** The partitions of this broker, kept as the metadata image says. */
export class Topics {
  readonly #options: TopicsOptions;
  readonly #partitions = new Map<string, (Partition | undefined)[]>();
  #image: MetadataImage;

  constructor(options: TopicsOptions, image: MetadataImage) {
    this.#options = options;
    this.#image = image;
  }

  get image(): MetadataImage {
    return this.#image;
  }

  nameOf(id: Uuid): string | undefined {
    return this.#image.topics.get(id)?.name;
  }

  idOf(name: string): Uuid | undefined {
    return this.#image.topicIds.get(name);
  }

  partition(name: string, index: number): Partition | undefined {
    return this.#partitions.get(name)?.[index];
  }

  partitionsOf(name: string): readonly (Partition | undefined)[] {
    return this.#partitions.get(name) ?? [];
  }

  *all(): IterableIterator<Partition> {
    for (const partitions of this.#partitions.values()) {
      for (const partition of partitions) if (partition !== undefined) yield partition;
    }
  }

  /** Makes the logs agree with `image`; topics that are the same objects as before are not looked at. */
  apply(image: MetadataImage): void {
    const before = this.#image;
    this.#image = image;
    for (const topic of before.topics.values()) {
      if (!image.topics.has(topic.id)) this.#remove(topic.name);
    }
    const configsChanged = before.configs !== image.configs;
    for (const topic of image.topics.values()) {
      if (before.topics.get(topic.id) !== topic || !this.#partitions.has(topic.name)) this.#create(topic);
      else if (configsChanged) this.#configure(topic.name);
    }
  }

  #create(topic: TopicImage): void {
    const { settings, env } = this.#options;
    const config = settings.topic(this.#image, topic.name);
    if (config["cleanup.policy"].includes("compact") && !INTERNAL_TOPICS.has(topic.name)) {
      env.logger.warn("cleanup.policy=compact keeps every record: compaction is not available", { topic: topic.name });
    }
    let partitions = this.#partitions.get(topic.name);
    if (partitions === undefined) {
      partitions = [];
      this.#partitions.set(topic.name, partitions);
    }
    for (const [index, image] of topic.partitions) {
      const known = partitions[index];
      if (known !== undefined) known.leaderEpoch = image.leaderEpoch;
      else partitions[index] = this.#open(topic, index, image, config);
    }
    this.#configure(topic.name);
  }

  #open(topic: TopicImage, index: number, image: PartitionImage, config: TopicConfig): Partition | undefined {
    const { env, turn, dir } = this.#options;
    try {
      const log = this.#logOf(topic, index);
      if (log === undefined) return undefined;
      if (log.latestEpoch < image.leaderEpoch) log.beginEpoch(image.leaderEpoch);
      return new Partition({
        env,
        turn,
        log,
        topicId: topic.id,
        leaderEpoch: image.leaderEpoch,
        rules: rulesOf(config),
      });
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      dir.fail(error);
      return undefined;
    }
  }

  #logOf(topic: TopicImage, index: number) {
    const { dir } = this.#options;
    const found = dir.get(topic.name, index);
    if (found === undefined) return dir.create(topic.name, index, topic.id);
    // After a power cut a log may stand there whose `partition.metadata` was never durable, which is made so before any
    // record is: nobody can tell whose records those are, and none of them was flushed.
    const nameless = found.topicId === undefined && found.endOffset > 0 && !dir.cleanStart;
    if (nameless || (found.topicId !== undefined && found.topicId !== topic.id)) {
      // Left over from a deleted topic of the same name.
      found.delete();
      return dir.create(topic.name, index, topic.id);
    }
    if (found.topicId === undefined) found.adopt(topic.id);
    return found;
  }

  #configure(name: string): void {
    const config = this.#options.settings.topic(this.#image, name);
    const log = logConfig(config);
    const rules = rulesOf(config);
    for (const partition of this.partitionsOf(name)) {
      if (partition === undefined) continue;
      partition.log.config = log;
      partition.rules = rules;
      partition.minInSync = config["min.insync.replicas"];
    }
  }

  #remove(name: string): void {
    const partitions = this.#partitions.get(name) ?? [];
    this.#partitions.delete(name);
    for (const partition of partitions) {
      if (partition === undefined) continue;
      partition.fail(Errors.UNKNOWN_TOPIC_OR_PARTITION.code);
      partition.log.delete();
    }
  }

  /** The directory has failed: nothing in it is served any more. */
  failAll(): void {
    for (const partition of this.all()) partition.fail(Errors.KAFKA_STORAGE_ERROR.code);
  }

  /** No partition takes records any more. */
  close(): void {
    for (const partition of this.all()) partition.fail(Errors.NOT_LEADER_OR_FOLLOWER.code);
  }

  topic(name: string): TopicImage | undefined {
    return topicNamed(this.#image, name);
  }
}
