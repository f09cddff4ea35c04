import { byTopic, partitionKey } from "@samsa/client-kernel";
import type { CommittedListener } from "../cluster/committed.ts";
import type { TopicOffsets } from "../producer/types.ts";
import type { Place } from "../values/offset.ts";
import type { TopicPartition } from "./types.ts";

/** Offsets of an assigned partition. */
export interface Entry extends TopicPartition {
  /** Offset after the last one that is resolved; undefined: none is. */
  resolved: number | undefined;
  /** Offset that the group has; undefined: not known, or none. */
  committed: number | undefined;
  /** Offset of the first message that was handed out; the commits by count begin there. */
  first: number | undefined;
}

/** Offsets by topic, as KafkaJS tells them. */
export function offsetsByTopic(places: Iterable<Place>): TopicOffsets[] {
  return [...byTopic(places)].map(([topic, all]) => ({
    topic,
    partitions: all.map(({ partition, offset }) => ({ partition, offset: String(offset) })),
  }));
}

function newEntry(topic: string, partition: number): Entry {
  return { topic, partition, resolved: undefined, committed: undefined, first: undefined };
}

/** Offsets of the assigned partitions: what handlers have resolved, and what is committed of it. */
export class OffsetBook implements CommittedListener {
  readonly #entries = new Map<string, Entry>();

  /** Begins a partition that the group has assigned. */
  begin(topic: string, partition: number): void {
    this.#entries.set(partitionKey(topic, partition), newEntry(topic, partition));
  }

  /** Forgets a partition that the group has taken back. */
  end(topic: string, partition: number): void {
    this.#entries.delete(partitionKey(topic, partition));
  }

  /**
   * Entry of a partition of which a message with this offset is about to be handed out. That of a partition which is not
   * assigned any more is in no book, so nothing of it is committed.
   */
  handed({ topic, partition, offset }: Place): Entry {
    const entry = this.#entries.get(partitionKey(topic, partition)) ?? newEntry(topic, partition);
    entry.first ??= offset;
    return entry;
  }

  /** Goes on at an offset; −1 and −2 stand for the ends of the log, which cannot be committed as such. */
  moved({ topic, partition, offset }: Place): void {
    const entry = this.#entries.get(partitionKey(topic, partition));
    if (entry === undefined) return;
    entry.resolved = offset >= 0 ? offset : undefined;
    entry.first = entry.resolved;
  }

  /** Offsets are committed. */
  committed({ topic, partition, offset }: Place): void {
    const entry = this.#entries.get(partitionKey(topic, partition));
    if (entry !== undefined) entry.committed = offset;
  }

  /** Messages that are resolved and not committed. */
  get uncommittedCount(): number {
    let count = 0;
    for (const { resolved, committed, first } of this.#entries.values()) {
      if (resolved !== undefined) count += Math.max(0, resolved - (committed ?? first ?? 0));
    }
    return count;
  }

  /** Offsets that are resolved and not committed, of all partitions or of some. */
  uncommitted(among?: ReadonlySet<string>): Place[] {
    const places: Place[] = [];
    for (const [key, { topic, partition, resolved, committed }] of this.#entries) {
      if (resolved === undefined || resolved === committed || among?.has(key) === false) continue;
      places.push({ topic, partition, offset: resolved });
    }
    return places;
  }
}
