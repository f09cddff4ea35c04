import { murmur2, type PartitionIndex } from "@samsa/base";
import type { TopicView } from "../cluster/cluster-view.ts";

/** Hash of keys that decides about their partition: that of Java's producer, or that of librdkafka's `consistent`. */
export type KeyHash = "murmur2" | "crc32";

/** Partition of a key among `count`, whether or not they have leaders. */
export function partitionForKey(key: Uint8Array, count: number, hash: KeyHash): PartitionIndex {
  return (hash === "murmur2" ? murmur2(key) & 0x7fffffff : crc32(key)) % count;
}

/** CRC-32 of ISO-HDLC, as zlib has it: 32 bits, unsigned. */
function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    // Keys are short: no table.
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (-(crc & 1) & 0xedb88320);
  }
  return ~crc >>> 0;
}

/** Random numbers of xorshift32 from a seed: enough to spread records, and the same for the same seed. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    // Zero is the one state that xorshift never leaves.
    this.#state = seed | 0 || 0x9e3779b9;
  }

  /** A whole number from 0 to 2^31 − 1. */
  next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state & 0x7fffffff;
  }
}

/** Load of a topic's partitions: a draw below `sums[length − 1]` falls to the first partition whose sum is above it. */
interface Load {
  readonly sums: readonly number[];
  readonly partitions: readonly PartitionIndex[];
}

/**
 * Chooses partitions for records without a key in one topic: it stays with one until a batch is full, then moves, and
 * prefers partitions with short queues (KIP-480, KIP-794; `BuiltInPartitioner`).
 */
export class StickyPartitioner {
  readonly #batchBytes: number;
  readonly #chance: Chance;
  #current: PartitionIndex = -1;
  /** Bytes that the current partition has got since it was chosen. */
  #bytes = 0;
  #load: Load | undefined;

  constructor(batchBytes: number, chance: Chance) {
    this.#batchBytes = Math.max(1, batchBytes);
    this.#chance = chance;
  }

  /** Partition of the next record; −1 before the first `move`. */
  get partition(): PartitionIndex {
    return this.#current;
  }

  /**
   * Counts `bytes` appended to the current partition. True if it is time to move on: when a batch's worth is there and
   * `isBatchFull`, so that no half-filled batch stays behind; in any case at twice as much.
   */
  appended(bytes: number, isBatchFull: boolean): boolean {
    this.#bytes += bytes;
    return this.#bytes >= this.#batchBytes * (isBatchFull ? 1 : 2);
  }

  /**
   * Takes the number of batches that wait for each partition in `partitions`, those that can be used. With fewer than
   * `count`, all partitions of the topic, the others are left out.
   */
  weigh(queues: readonly number[], partitions: readonly PartitionIndex[], count: number): void {
    const isEven = queues.every(size => size === queues[0]) && queues.length === count;
    if (count < 2 || queues.length === 0 || isEven) {
      this.#load = undefined;
      return;
    }
    const most = Math.max(...queues) + 1;
    let sum = 0;
    this.#load = { sums: queues.map(size => (sum += most - size)), partitions };
  }

  /** Moves to another partition. */
  move(topic: TopicView): void {
    this.#bytes = 0;
    this.#current = this.#draw(topic);
  }

  #draw(topic: TopicView): PartitionIndex {
    const drawn = this.#chance.next();
    if (this.#load !== undefined) {
      const { sums, partitions } = this.#load;
      const value = drawn % (sums[sums.length - 1] as number);
      const chosen = partitions[sums.findIndex(sum => value < sum)] as PartitionIndex;
      if (chosen < topic.partitions.length) return chosen;
    }
    const available = topic.partitions.filter(partition => partition.leaderId >= 0);
    const among = available.length > 0 ? available : topic.partitions;
    return among[drawn % among.length]?.index ?? 0;
  }
}
