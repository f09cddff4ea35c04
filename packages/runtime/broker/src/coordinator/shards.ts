import { type BrokerId, javaStringHash, type LeaderEpoch, type PartitionIndex, type Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { leaderOf } from "../metadata/broker-nodes.ts";
import type { Partition } from "../replica/partition.ts";
import type { Topics } from "../replica/topics.ts";
import type { Loading, LoadQueue } from "./load-queue.ts";

const LEAST_HASH = -0x80000000;

/**
 * Partition of a coordinator's topic for a group, transactional id or share partition (`partitionFor`). Brokers of Kafka
 * must find the same one, so the sign of the hash is dropped as `Utils.abs` drops it.
 */
export function partitionFor(key: string, count: number): PartitionIndex {
  const hash = javaStringHash(key);
  return hash === LEAST_HASH ? 0 : Math.abs(hash) % count;
}

/** A shard with its runner, as `Shards` needs it. */
export interface ElectedShard extends Loading {
  readonly partition: Partition;
  /** Epoch in which this broker leads the partition. */
  leaderEpoch: LeaderEpoch;
  readonly failed: boolean;
  readonly isLoaded: boolean;
  /** Time from the election to the end of the load, in ms; undefined before. */
  readonly loadMs: number | undefined;
  /** Unloads the shard, and answers all waiting requests with the error code. */
  close(errorCode: number): void;
}

interface ShardsOptions<R> {
  readonly topics: Topics;
  /** Name of the internal topic. */
  readonly topic: string;
  readonly loads: LoadQueue;
  /** Creates the shard of a partition that this broker leads in `leaderEpoch`. */
  readonly begin: (partition: Partition, leaderEpoch: LeaderEpoch) => R;
  /**
   * True to load a shard again when the same broker is elected again (`TransactionCoordinator.onElection`); else it
   * continues in the new epoch (`CoordinatorRuntime.scheduleLoadOperation`).
   */
  readonly reloads?: boolean;
}

/** Shards of an internal topic: one for each of its partitions that this broker leads. */
export class Shards<R extends ElectedShard> {
  readonly #options: ShardsOptions<R>;
  readonly #shards: (R | undefined)[] = [];
  /** The topic that `#count` belongs to. */
  #topicId: Uuid | undefined;
  /** Number of partitions when the first shard was loaded; keys stay where they are if partitions are added. */
  #count = 0;
  /** True while the broker stops: the image may still change, but no shard is loaded. */
  #closed = false;

  constructor(options: ShardsOptions<R>) {
    this.#options = options;
  }

  /** Follows the leaders of the topic's partitions after a change of the metadata. */
  update(): void {
    const { topics, topic: name } = this.#options;
    const topic = topics.topic(name);
    if (topic?.id !== this.#topicId) {
      this.#topicId = topic?.id;
      this.#count = topic?.partitions.size ?? 0;
    }
    const partitions = topics.partitionsOf(name);
    for (let index = 0; index < Math.max(partitions.length, this.#shards.length); index++) {
      const partition = partitions[index];
      // Another topic may have the name now.
      if (this.#shards[index]?.partition !== partition) this.resign(index);
      if (partition === undefined) continue;
      if (partition.fault === 0) this.elect(partition, partition.leaderEpoch);
      else this.resign(index, partition.isOffline ? undefined : partition.leaderEpoch);
    }
  }

  /** Begins to load the shard of a partition that this broker leads. Does nothing if it has the epoch, or a later one. */
  elect(partition: Partition, leaderEpoch: LeaderEpoch): void {
    if (this.#closed) return;
    const { begin, loads, reloads = false } = this.#options;
    const known = this.#shards[partition.index];
    if (known !== undefined && known.leaderEpoch >= leaderEpoch) return;
    if (known !== undefined && !known.failed && !reloads) {
      known.leaderEpoch = leaderEpoch;
      return;
    }
    known?.close(Errors.NOT_COORDINATOR.code);
    const shard = begin(partition, leaderEpoch);
    this.#shards[partition.index] = shard;
    loads.add(shard);
  }

  /**
   * Unloads the shard of a partition that another broker leads in `leaderEpoch`, if the shard has an earlier epoch; in
   * any case if the epoch is undefined: the partition is deleted, or offline.
   */
  resign(index: PartitionIndex, leaderEpoch?: LeaderEpoch): void {
    const shard = this.#shards[index];
    if (shard === undefined || (leaderEpoch !== undefined && shard.leaderEpoch >= leaderEpoch)) return;
    this.#shards[index] = undefined;
    shard.close(Errors.NOT_COORDINATOR.code);
  }

  /** Partition of a group or transactional id; -1 if the topic does not exist yet. */
  indexOf(key: string): PartitionIndex {
    return this.#count === 0 ? -1 : partitionFor(key, this.#count);
  }

  /** Broker that leads the partition of a group or transactional id; −1: there is none. */
  leaderOf(key: string): BrokerId {
    const { topics, topic } = this.#options;
    return leaderOf(topics.image, topic, this.indexOf(key)) ?? -1;
  }

  /** True if this broker leads the partition of a group or transactional id. */
  serves(key: string): boolean {
    return this.#shards[this.indexOf(key)]?.failed === false;
  }

  /**
   * Shard of a group or transactional id, or the error code: NOT_COORDINATOR if this broker does not lead its
   * partition, COORDINATOR_LOAD_IN_PROGRESS while it is loaded.
   */
  of(key: string): R | number {
    return this.at(this.indexOf(key));
  }

  /** Shard of a partition, or the error code as for `of`. */
  at(index: PartitionIndex): R | number {
    const shard = this.#shards[index];
    if (shard === undefined || shard.failed) return Errors.NOT_COORDINATOR.code;
    return shard.isLoaded ? shard : Errors.COORDINATOR_LOAD_IN_PROGRESS.code;
  }

  /** Unloads the shards of partitions whose directories have failed. */
  resignOffline(): void {
    this.#shards.forEach((shard, index) => {
      if (shard?.partition.isOffline === true) this.resign(index);
    });
  }

  /** True if a shard is being loaded. */
  get isLoading(): boolean {
    return this.known().some(({ isLoaded, failed }) => !isLoaded && !failed);
  }

  /** Shards that are loaded. */
  all(): readonly R[] {
    return this.known().filter(({ isLoaded }) => isLoaded);
  }

  /** Shards that are loaded or being loaded. */
  known(): readonly R[] {
    return this.#shards.filter(shard => shard !== undefined);
  }

  close(errorCode: number): void {
    this.#closed = true;
    for (const shard of this.#shards) shard?.close(errorCode);
    this.#shards.length = 0;
  }
}
