import {
  type BrokerId,
  DiskError,
  type Env,
  isReservedDirectory,
  type LeaderEpoch,
  type PartitionIndex,
  type Timer,
  UNASSIGNED_DIRECTORY,
  type Uuid,
} from "@samsa/base";
import type { LogConfig } from "@samsa/log";
import { Errors } from "@samsa/protocol";
import {
  configKey,
  METADATA_VERSION,
  type MetadataChanges,
  type MetadataImage,
  metadataVersionOf,
  type PartitionImage,
  replicaDirectory,
  RESOURCE_TYPE,
  type TopicImage,
  topicNamed,
} from "@samsa/metadata";
import type { JudgeRules } from "@samsa/records";
import { LogDirError, type LogDirs, type PartitionLog } from "@samsa/storage";
import type { PartitionSettings } from "./access.ts";
import type { Moves, Placed } from "./moves.ts";
import { Deadlines } from "./deadlines.ts";
import { logOf, Partition } from "./partition.ts";
import type { Replication } from "./replication.ts";
import { logConfig, type Settings } from "../config/settings.ts";
import { INTERNAL_TOPICS } from "../config/internal-topics.ts";
import type { TopicConfig } from "../config/topic-configs.ts";
import type { Turn } from "../turn/turn.ts";

/** Largest decompressed size of a batch that is validated on the event loop; larger ones are validated elsewhere. */
const SMALL_OUTPUT = 4 * 1024 * 1024;

/** Name of the topic whose settings have this `configKey`; undefined if it is none of a topic. */
function topicOfConfig(key: string): string | undefined {
  const prefix = configKey(RESOURCE_TYPE.topic, "");
  return key.startsWith(prefix) ? key.slice(prefix.length) : undefined;
}

/** Rules that produced batches must satisfy, from a topic's settings. */
function rulesOf(config: TopicConfig, log: LogConfig): JudgeRules {
  const { compression, maxMessageBytes, segmentBytes, timestampType, beforeMaxMs, afterMaxMs } = log;
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
  readonly nodeId: BrokerId;
  readonly turn: Turn;
  readonly dirs: LogDirs;
  readonly settings: Settings;
  readonly moves: Moves;
  readonly replication: Replication;
  /** Most logs created in one turn; logs of a larger topic are created in steps, so that other clients are served. */
  readonly openAtOnce: number;
  /** Called when logs were created between two images; `takeMisplaced` may have new entries. */
  readonly opened: () => void;
}

/** Partitions of this broker, kept in sync with the metadata image (`ReplicaManager`). */
export class Topics {
  readonly #options: TopicsOptions;
  readonly #deadlines: Deadlines;
  readonly #partitions = new Map<string, (Partition | undefined)[]>();
  /** Replicas whose directory the metadata does not know yet. */
  #misplaced: Placed[] = [];
  /** Partitions whose logs are unavailable, by topic id. Creating them again could put them in two directories. */
  readonly #lost = new Map<Uuid, Set<PartitionIndex>>();
  /** Partitions whose logs are not created yet, by topic id: created soon, or at the next request. */
  readonly #unopened = new Map<Uuid, Set<PartitionIndex>>();
  #opening: Timer | undefined;
  /** Number of logs that requests may still create before the next step of creations. */
  #openable = 0;
  #claimed = false;
  /** Settings of partitions, shared by all topics whose settings are the same object. */
  readonly #partitionSettings = new WeakMap<TopicConfig, PartitionSettings>();
  #image: MetadataImage;

  constructor(options: TopicsOptions, image: MetadataImage) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.env);
    this.#image = image;
  }

  /** Number of appends and deletions that wait for other replicas. */
  get waiting(): number {
    return this.#deadlines.pending;
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

  partition(name: string, index: PartitionIndex): Partition | undefined {
    const partition = this.#partitions.get(name)?.[index];
    if (partition !== undefined || this.#unopened.size === 0) return partition;
    // Above that the partition is unknown for a moment, like a topic whose metadata has not reached a broker: clients
    // retry.
    return this.#openable > 0 ? this.#openNow(name, index) : undefined;
  }

  partitionsOf(name: string): readonly (Partition | undefined)[] {
    return this.#partitions.get(name) ?? [];
  }

  *all(): IterableIterator<Partition> {
    for (const partitions of this.#partitions.values()) {
      for (const partition of partitions) if (partition !== undefined) yield partition;
    }
  }

  /** Applies changes of the metadata to the partitions (`ReplicaManager.applyDelta`). */
  apply(changes: MetadataChanges, image: MetadataImage): void {
    this.#image = image;
    this.#options.replication.update(image);
    if (!this.#claimed) this.#claim();
    for (const { id, name } of changes.deletedTopics.values()) {
      this.#remove(name);
      this.#lost.delete(id);
      this.#unopened.delete(id);
    }
    // New partitions are opened with the settings of this image.
    for (const name of this.#reconfigured(changes)) this.#configure(name);
    for (const [id, indexes] of changes.changedTopics) {
      const topic = image.topics.get(id);
      if (topic !== undefined) this.#change(topic, indexes);
    }
    // A broker that was fenced may join an ISR again.
    if (changes.changedBrokers.size > 0) this.#options.replication.sweep(this.all());
  }

  /** Names of topics whose settings, or whose defaults in this broker, have changed. */
  *#reconfigured({ changedConfigs }: MetadataChanges): IterableIterator<string> {
    const defaults = ["", String(this.#options.nodeId)].map(name => configKey(RESOURCE_TYPE.broker, name));
    if (defaults.some(key => changedConfigs.has(key))) return yield* this.#partitions.keys();
    for (const key of changedConfigs) {
      const name = topicOfConfig(key);
      if (name !== undefined && this.#partitions.has(name)) yield name;
    }
  }

  /** Creates partitions, and applies changes of their leaders. */
  #change(topic: TopicImage, indexes: Iterable<PartitionIndex>): void {
    const { openAtOnce, dirs, nodeId } = this.#options;
    let partitions = this.#partitions.get(topic.name);
    if (partitions === undefined) {
      partitions = [];
      this.#partitions.set(topic.name, partitions);
    }
    let partitionSettings: PartitionSettings | undefined;
    let made = 0;
    for (const index of indexes) {
      const image = topic.partitions.get(index);
      const known = partitions[index];
      if (image?.replicas.includes(nodeId) !== true) {
        // The replica was moved to another broker (`StopReplica` with deletion).
        if (known !== undefined) this.#stop(known, Errors.NOT_LEADER_OR_FOLLOWER.code);
        partitions[index] = undefined;
        this.#unopened.get(topic.id)?.delete(index);
        this.#lost.get(topic.id)?.delete(index);
        continue;
      }
      if (known !== undefined) this.#options.replication.assign(known, image);
      else if (!this.#isLost(topic.id, index)) {
        const isNew = dirs.get(topic.name, index) === undefined;
        if (isNew && ++made > openAtOnce && !INTERNAL_TOPICS.has(topic.name)) {
          this.#openLater(topic.id, index);
          continue;
        }
        partitionSettings ??= this.#settingsOf(topic.name);
        partitions[index] = this.#open(topic, index, image, partitionSettings);
        this.#resumeMove(topic, index, image);
      }
      this.#place(topic, index, image);
    }
  }

  #openLater(topicId: Uuid, index: PartitionIndex): void {
    this.#unopened.set(topicId, (this.#unopened.get(topicId) ?? new Set()).add(index));
    if (this.#opening !== undefined) return;
    this.#openable = this.#options.openAtOnce;
    this.#opening = this.#options.env.timers.after(0, this.#openSome);
  }

  readonly #openSome = (): void => {
    this.#opening = undefined;
    for (let left = this.#options.openAtOnce; left > 0; left--) {
      const [first] = this.#unopened;
      if (first === undefined) break;
      const [topicId, indexes] = first;
      const [index] = indexes;
      if (index !== undefined) {
        this.#openNow(this.nameOf(topicId) ?? "", index);
        indexes.delete(index);
      }
      if (indexes.size === 0) this.#unopened.delete(topicId);
    }
    this.#openable = this.#options.openAtOnce;
    if (this.#unopened.size > 0) this.#opening = this.#options.env.timers.after(0, this.#openSome);
    this.#options.opened();
  };

  /** Creates a partition's log whose creation was deferred; undefined if it was not deferred or cannot be created. */
  #openNow(name: string, index: PartitionIndex): Partition | undefined {
    const topic = this.topic(name);
    const image = topic?.partitions.get(index);
    const waiting = topic && this.#unopened.get(topic.id);
    if (topic === undefined || image === undefined || waiting?.delete(index) !== true) return undefined;
    this.#openable--;
    const partition = this.#open(topic, index, image, this.#settingsOf(name));
    const partitions = this.#partitions.get(name);
    if (partition === undefined || partitions === undefined) return undefined;
    partitions[index] = partition;
    this.#resumeMove(topic, index, image);
    this.#place(topic, index, image);
    return partition;
  }

  #open(
    topic: TopicImage,
    index: PartitionIndex,
    image: PartitionImage,
    settings: PartitionSettings,
  ): Partition | undefined {
    const { env, turn, replication: cluster } = this.#options;
    try {
      const log = this.#logOf(topic, index, image);
      if (log === undefined) return undefined;
      const deadlines = this.#deadlines;
      const partition = new Partition({ env, turn, log, deadlines, cluster, topicId: topic.id, settings });
      this.#configurePartition(partition, settings);
      cluster.assign(partition, image);
      return partition;
    } catch (error) {
      // The directory is offline, which it reports itself.
      if (!(error instanceof DiskError)) throw error;
      this.#lose(topic.id, index);
      return undefined;
    }
  }

  #logOf(topic: TopicImage, index: PartitionIndex, image: PartitionImage): PartitionLog | undefined {
    const { dirs } = this.#options;
    const found = dirs.get(topic.name, index);
    if (found === undefined) return this.#lostCopy(topic, index, image) ?? this.#newLog(topic, index, image);
    if (found.topicId !== undefined && found.topicId !== topic.id) {
      // Left over from a deleted topic of the same name.
      found.delete();
      return this.#newLog(topic, index, image);
    }
    if (found.topicId === undefined) found.adopt(topic.id);
    return found;
  }

  /**
   * Future log that was about to replace the current log, was assigned by the controller, and is the only copy left
   * (`LogManager.recoverAbandonedFutureLogs`).
   */
  #lostCopy(topic: TopicImage, index: PartitionIndex, image: PartitionImage): PartitionLog | undefined {
    const { dirs, nodeId, env } = this.#options;
    const copy = dirs.future(topic.name, index);
    if (copy?.topicId !== topic.id || copy.home.directoryId !== replicaDirectory(image, nodeId)) return undefined;
    env.logger.warn("a copy takes the place of a log that is gone", { path: copy.path });
    copy.promote();
    return copy;
  }

  #newLog(topic: TopicImage, index: PartitionIndex, image: PartitionImage): PartitionLog | undefined {
    const { dirs, nodeId } = this.#options;
    const assigned = replicaDirectory(image, nodeId);
    // The log may be in the offline directory; a second, empty log must not take its place.
    const away = dirs.withId(assigned) === undefined && dirs.anyOffline && assigned !== UNASSIGNED_DIRECTORY;
    const log = away ? undefined : dirs.create(topic.name, index, topic.id, assigned);
    if (log === undefined) this.#lose(topic.id, index);
    return log;
  }

  #lose(topicId: Uuid, index: PartitionIndex): void {
    this.#lost.set(topicId, (this.#lost.get(topicId) ?? new Set()).add(index));
  }

  #isLost(topicId: Uuid, index: PartitionIndex): boolean {
    return this.#lost.get(topicId)?.has(index) === true;
  }

  /** Resumes a move that the last stop has interrupted. */
  #resumeMove(topic: TopicImage, index: PartitionIndex, image: PartitionImage): void {
    const { dirs, moves, nodeId } = this.#options;
    const partition = this.partition(topic.name, index);
    const copy = dirs.future(topic.name, index);
    if (partition === undefined || copy === undefined) return;
    if (copy.topicId !== topic.id || copy.home === logOf(partition).home) return copy.delete();
    moves.resume(partition, copy, replicaDirectory(image, nodeId) === copy.home.directoryId);
  }

  /** Records a replica whose directory differs from the metadata. */
  #place(topic: TopicImage, index: PartitionIndex, image: PartitionImage): void {
    const partition = this.partition(topic.name, index);
    const placed = metadataVersionOf(this.#image) >= METADATA_VERSION.directories;
    // `Moves` reports a moving replica itself.
    if (!placed || partition === undefined || this.#options.moves.isMoving(partition)) return;
    const directory = logOf(partition).home.directoryId;
    if (replicaDirectory(image, this.#options.nodeId) === directory) return;
    this.#misplaced.push({ topicId: topic.id, partition: index, directory });
  }

  /** Returns the replicas whose directory must be reported to the controller, and clears the list. */
  takeMisplaced(): readonly Placed[] {
    const misplaced = this.#misplaced;
    this.#misplaced = [];
    return misplaced;
  }

  /**
   * Runs before the first image is applied: sets aside logs without a partition, and keeps one log for each partition.
   * Throws `LogDirError`.
   */
  #claim(): void {
    const { dirs, env } = this.#options;
    const owned = new Map<string, PartitionLog>();
    for (const log of [...dirs.logs()]) {
      if (!this.#isOurs(log)) {
        env.logger.warn("a log of no partition of this broker is put aside", { path: log.path });
        log.putAside();
        continue;
      }
      const key = `${log.topic}-${log.partition}`;
      const other = owned.get(key);
      owned.set(key, other === undefined ? log : this.#chosen(key, other, log));
    }
    for (const copy of [...dirs.futures()]) if (!this.#isOurs(copy)) copy.delete();
    this.#claimed = true;
  }

  /**
   * Chooses the one of two logs of a partition that surely has all records of the other: the one in the assigned
   * directory after a move that was interrupted at its end; the longer one if both end in the same epoch, or if the other
   * is empty, so that the other has lost its end or was only created.
   */
  #chosen(key: string, one: PartitionLog, other: PartitionLog): PartitionLog {
    const partition = topicNamed(this.#image, one.topic)?.partitions.get(one.partition);
    const assigned = partition && replicaDirectory(partition, this.#options.nodeId);
    const otherFirst =
      other.home.directoryId === assigned || (one.home.directoryId !== assigned && one.endOffset === 0);
    const [first, second] = otherFirst ? [other, one] : [one, other];
    const isAssigned = first.home.directoryId === assigned;
    const hasLostItsEnd = first.latestEpoch === second.latestEpoch || first.endOffset === 0;
    const isDamaged = isAssigned && first.endOffset < second.endOffset && hasLostItsEnd;
    const [kept, rest] = isDamaged ? [second, first] : [first, second];
    const isComplete = isAssigned && kept.endOffset >= rest.endOffset;
    if (rest.endOffset > 0 && !isComplete) {
      throw new LogDirError(
        `${key} is both in ${one.home.path} and in ${other.home.path}: move the older of the two away, which is most ` +
          "likely in the directory that has failed last, and start again.",
      );
    }
    this.#options.env.logger.warn("a second log of a partition is put aside", { path: rest.path });
    rest.putAside();
    return kept;
  }

  #isOurs(log: PartitionLog): boolean {
    // After a power cut a log may lack its `partition.metadata`, which is made durable before any record. The topic of
    // such records is unknown, and none of them was flushed.
    if (log.topicId === undefined && log.endOffset > 0 && !log.home.cleanStart) return false;
    const { nodeId } = this.#options;
    const topic = topicNamed(this.#image, log.topic);
    const partition = topic?.partitions.get(log.partition);
    if (topic === undefined || partition?.replicas.includes(nodeId) !== true) return false;
    if (log.topicId !== undefined) return log.topicId === topic.id;
    // A log without a topic id is used only in the assigned directory: the real log may be in an offline one.
    const assigned = replicaDirectory(partition, nodeId);
    return isReservedDirectory(assigned) || assigned === log.home.directoryId;
  }

  #settingsOf(topic: string): PartitionSettings {
    const config = this.#options.settings.topic(this.#image, topic);
    let settings = this.#partitionSettings.get(config);
    if (settings === undefined) {
      const log = logConfig(config);
      const throttled = {
        leaders: config["leader.replication.throttled.replicas"],
        followers: config["follower.replication.throttled.replicas"],
      };
      settings = { log, rules: rulesOf(config, log), minInSync: config["min.insync.replicas"], throttled };
      this.#partitionSettings.set(config, settings);
    }
    return settings;
  }

  #configure(topic: string): void {
    const settings = this.#settingsOf(topic);
    for (const partition of this.partitionsOf(topic)) {
      if (partition !== undefined) this.#configurePartition(partition, settings);
    }
  }

  #configurePartition(partition: Partition, settings: PartitionSettings): void {
    partition.configure(settings);
    const copy = this.#options.dirs.future(partition.topic, partition.index);
    if (copy !== undefined) copy.config = settings.log;
  }

  #remove(name: string): void {
    const partitions = this.#partitions.get(name) ?? [];
    this.#partitions.delete(name);
    for (const partition of partitions) {
      if (partition === undefined) continue;
      this.#stop(partition, Errors.UNKNOWN_TOPIC_OR_PARTITION.code);
    }
  }

  /** Ends a replica and deletes its log. */
  #stop(partition: Partition, errorCode: number): void {
    this.#options.replication.forget(partition);
    partition.becomeOffline(errorCode);
    this.#options.moves.cancel(partition);
    logOf(partition).delete();
  }

  /** Fails the partitions of directories that have gone offline. */
  failOffline(): void {
    for (const partition of this.all()) {
      if (!logOf(partition).home.offline) continue;
      this.#options.replication.forget(partition);
      partition.becomeOffline(Errors.KAFKA_STORAGE_ERROR.code);
    }
  }

  /**
   * Returns the partition if this broker leads it in the client's leader epoch (−1: any), else the error code
   * (`ReplicaManager.getPartitionOrError`).
   */
  leader(name: string, index: PartitionIndex, currentLeaderEpoch: LeaderEpoch = -1): Partition | number {
    const partition = this.partition(name, index);
    if (partition === undefined) return this.absence(name, index);
    const fault = partition.fault !== 0 ? partition.fault : partition.epochFault(currentLeaderEpoch);
    return fault === 0 ? partition : fault;
  }

  /** Partition that this broker may lead by now, although it knows another leader; see `Replication.mayBeElected`. */
  candidate(name: string, index: PartitionIndex): Partition | undefined {
    const partition = this.partition(name, index);
    const image = this.topic(name)?.partitions.get(index);
    if (partition === undefined || image === undefined) return undefined;
    return this.#options.replication.mayBeElected(partition, image) ? partition : undefined;
  }

  /** Error code for a partition that this broker does not serve. */
  absence(name: string, index: PartitionIndex): number {
    const topic = this.topic(name);
    if (topic !== undefined && this.#isLost(topic.id, index)) return Errors.KAFKA_STORAGE_ERROR.code;
    const known = topic?.partitions.has(index) === true;
    return (known ? Errors.NOT_LEADER_OR_FOLLOWER : Errors.UNKNOWN_TOPIC_OR_PARTITION).code;
  }

  /** Stops creating logs, and fails all partitions: the broker is stopping. */
  close(): void {
    this.#opening?.cancel();
    this.#unopened.clear();
    for (const partition of this.all()) partition.becomeOffline(Errors.NOT_LEADER_OR_FOLLOWER.code);
    this.#deadlines.close();
  }

  topic(name: string): TopicImage | undefined {
    return topicNamed(this.#image, name);
  }
}
