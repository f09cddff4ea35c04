import { byTopic, partitionKey } from "@samsa/client-kernel";
import { KafkaJSNonRetriableError } from "../error/errors.ts";
import type { TopicPartition, TopicPartitions } from "./types.ts";

/** Topic, with some of its partitions or all. */
export interface TopicSelection {
  readonly topic: string;
  readonly partitions?: readonly number[];
}

/** Throws KafkaJSNonRetriableError for what selects nothing. */
export function checkSelections(verb: "pause" | "resume", selections: readonly TopicSelection[]): void {
  if (!Array.isArray(selections)) throw new KafkaJSNonRetriableError(`${verb} takes a list of topics`);
  for (const selection of selections as readonly (TopicSelection | undefined | null)[]) {
    const topic = selection?.topic;
    if (!topic) throw new KafkaJSNonRetriableError(`Invalid topic ${topic ?? "undefined"}`);
    const partitions: unknown = selection?.partitions;
    if (partitions === undefined) continue;
    if (!Array.isArray(partitions) || partitions.some(one => Number.isNaN(Number(one)))) {
      throw new KafkaJSNonRetriableError(
        `Array of valid partitions required to ${verb} specific partitions instead of ${JSON.stringify(partitions)}`,
      );
    }
  }
}

/** Partitions that the program has paused, assigned or not. */
export class Pauses {
  readonly #topics = new Set<string>();
  readonly #partitions = new Set<string>();

  isPaused({ topic, partition }: TopicPartition): boolean {
    // Handlers of messages ask before each one.
    if (this.#topics.size === 0 && this.#partitions.size === 0) return false;
    return this.#topics.has(topic) || this.#partitions.has(partitionKey(topic, partition));
  }

  pause(selections: readonly TopicSelection[]): void {
    for (const { topic, partitions } of selections) {
      if (partitions === undefined) this.#topics.add(topic);
      else for (const partition of partitions) this.#partitions.add(partitionKey(topic, partition));
    }
  }

  /** Resumes; of a topic that is paused as a whole, the other assigned partitions stay paused. */
  resume(selections: readonly TopicSelection[], assigned: readonly TopicPartition[]): void {
    for (const { topic, partitions } of selections) {
      const all = assigned.filter(place => place.topic === topic && this.isPaused(place));
      const wasWhole = this.#topics.delete(topic);
      if (partitions === undefined) {
        for (const key of this.#partitions) if (key.startsWith(`${topic}/`)) this.#partitions.delete(key);
        continue;
      }
      if (wasWhole) for (const { partition } of all) this.#partitions.add(partitionKey(topic, partition));
      for (const partition of partitions) this.#partitions.delete(partitionKey(topic, partition));
    }
  }

  /** Assigned partitions that are paused. */
  among(assigned: readonly TopicPartition[]): TopicPartitions[] {
    return [...byTopic(assigned.filter(place => this.isPaused(place)))].map(([topic, places]) => ({
      topic,
      partitions: places.map(({ partition }) => partition).sort((a, b) => a - b),
    }));
  }
}
