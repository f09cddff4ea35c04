import type { PartitionIndex } from "@samsa/base";
import { partitionKey, partitionKeys, type TopicPartition } from "../cluster/cluster-view.ts";
import { KafkaError } from "../error/kafka-error.ts";
import { AssignedPartition } from "./assigned-partition.ts";
import { QueueBudget } from "./queue-budget.ts";
import type { RecordReader } from "./record-reader.ts";

/** Partitions that a consumer reads, in the order in which they are fetched, and those that have something to give out. */
export class Assignment {
  readonly budget = new QueueBudget();
  readonly #partitions = new Map<string, AssignedPartition>();
  /** Partitions with fetched records or a failure, the one that has waited longest first. Others may be among them. */
  readonly #ready = new Set<AssignedPartition>();
  /** Failure that is not about one partition. */
  #failure: KafkaError | undefined;

  /** Assigned partitions, by turns: the one whose answer is oldest comes first. */
  partitions(): Iterable<AssignedPartition> {
    return this.#partitions.values();
  }

  /** Undefined: not assigned. */
  find(key: string): AssignedPartition | undefined {
    return this.#partitions.get(key);
  }

  /** Throws a `KafkaError` if the partition is not assigned. */
  get(topic: string, partition: PartitionIndex): AssignedPartition {
    const found = this.#partitions.get(partitionKey(topic, partition));
    if (found === undefined) {
      throw new KafkaError("ILLEGAL_STATE", `${topic}-${partition} is not assigned to this consumer`);
    }
    return found;
  }

  /** Replaces the assignment. Partitions that stay keep their position and what is fetched. Returns the new ones. */
  replace(assigned: readonly TopicPartition[]): AssignedPartition[] {
    const kept = partitionKeys(assigned);
    for (const [key, partition] of this.#partitions) {
      if (kept.has(key)) continue;
      this.#partitions.delete(key);
      this.#ready.delete(partition);
      partition.abandon();
    }
    const added: AssignedPartition[] = [];
    for (const one of assigned) {
      const key = partitionKey(one.topic, one.partition);
      if (this.#partitions.has(key)) continue;
      const partition = new AssignedPartition(one, this.budget);
      this.#partitions.set(key, partition);
      added.push(partition);
    }
    this.budget.isDirty = true;
    return added;
  }

  /** Lets the other partitions come first in the next requests. */
  moveToEnd(partition: AssignedPartition): void {
    if (this.#partitions.delete(partition.key)) this.#partitions.set(partition.key, partition);
  }

  /** Takes note that a partition has records. */
  offer(partition: AssignedPartition): void {
    this.#ready.add(partition);
  }

  /** Keeps an error for the application, unless there is one already. */
  raise(error: KafkaError, partition?: AssignedPartition): void {
    if (partition === undefined) {
      this.#failure ??= error;
      return;
    }
    partition.failure ??= error;
    this.#ready.add(partition);
  }

  /**
   * Reader of the partition that has waited longest, or an error that the application is to be told; undefined if there
   * is neither. Errors of a partition come after the records before them. Partitions that `isHeld` is true for are passed
   * over.
   */
  take(isHeld?: (place: TopicPartition) => boolean): RecordReader | KafkaError | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) return failure;
    for (const partition of this.#ready) {
      if (isHeld?.(partition) === true) continue;
      const taken = this.takeFrom(partition);
      if (taken !== undefined) return taken;
    }
    return undefined;
  }

  /** `take` of one partition. */
  takeFrom(partition: AssignedPartition): RecordReader | KafkaError | undefined {
    const [reader] = partition.queue;
    if (reader !== undefined && partition.isReadable) {
      this.#ready.delete(partition);
      this.#ready.add(partition);
      return reader;
    }
    const { failure } = partition;
    if (failure !== undefined && (reader === undefined || partition.state !== "FETCHING")) {
      partition.failure = undefined;
      // Its turn is over: a partition that fails again and again must not hide the errors of others.
      this.#ready.delete(partition);
      if (reader !== undefined) this.#ready.add(partition);
      return failure;
    }
    if (reader === undefined) this.#ready.delete(partition);
    return undefined;
  }
}
