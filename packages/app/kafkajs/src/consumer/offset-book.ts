import { partitionKey } from "@samsa/client-kernel";
import type { CommittedListener } from "../cluster/committed.ts";
import type { Offsets, TopicOffsets } from "../producer/types.ts";

interface Entry {
  readonly topic: string;
  readonly partition: number;
  /** Offset after the last one that is resolved; undefined: none is. */
  resolved: number | undefined;
  /** Offset that the group has; undefined: not known, or none. */
  committed: number | undefined;
  /** Offset of the first message that was handed out; the commits by count begin there. */
  first: number | undefined;
}

/** Offsets of the assigned partitions: what handlers have resolved, and what is committed of it. */
export class OffsetBook implements CommittedListener {
  readonly #entries = new Map<string, Entry>();

  /** Begins a partition that the group has assigned. */
  begin(topic: string, partition: number): void {
    const key = partitionKey(topic, partition);
    this.#entries.set(key, { topic, partition, resolved: undefined, committed: undefined, first: undefined });
  }

  /** Forgets a partition that the group has taken back. */
  end(topic: string, partition: number): void {
    this.#entries.delete(partitionKey(topic, partition));
  }

  /** A message with this offset is about to be handed out. */
  handed(topic: string, partition: number, offset: number): void {
    const entry = this.#entries.get(partitionKey(topic, partition));
    if (entry !== undefined) entry.first ??= offset;
  }

  /** Goes on at `next`; −1 and −2 stand for the ends of the log, which cannot be committed as such. */
  moved(topic: string, partition: number, next: number): void {
    const entry = this.#entries.get(partitionKey(topic, partition));
    if (entry === undefined) return;
    entry.resolved = next >= 0 ? next : undefined;
    entry.first = next >= 0 ? next : undefined;
  }

  /** Messages up to `offset` are processed. */
  resolve(topic: string, partition: number, offset: number): void {
    const entry = this.#entries.get(partitionKey(topic, partition));
    if (entry !== undefined) entry.resolved = offset + 1;
  }

  /** Offset after the last one that is resolved; undefined: none is. */
  resolved(topic: string, partition: number): number | undefined {
    return this.#entries.get(partitionKey(topic, partition))?.resolved;
  }

  /** Offsets are committed. */
  committed(topic: string, partition: number, offset: string): void {
    const entry = this.#entries.get(partitionKey(topic, partition));
    if (entry !== undefined) entry.committed = Number(offset);
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
  uncommitted(among?: ReadonlySet<string>): Offsets {
    const topics = new Map<string, TopicOffsets & { partitions: { partition: number; offset: string }[] }>();
    for (const [key, { topic, partition, resolved, committed }] of this.#entries) {
      if (resolved === undefined || resolved === committed || among?.has(key) === false) continue;
      const found = topics.get(topic) ?? { topic, partitions: [] };
      found.partitions.push({ partition, offset: String(resolved) });
      topics.set(topic, found);
    }
    return { topics: [...topics.values()] };
  }
}
