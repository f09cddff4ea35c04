import { murmur2 } from "@samsa/base";
import type { Message } from "./message.ts";

/** Partition, as a partitioner sees it. */
export interface PartitionMetadata {
  readonly partitionErrorCode: number;
  readonly partitionId: number;
  /** Id of the broker that leads it; −1: none at the moment. */
  readonly leader: number;
  readonly replicas: number[];
  readonly isr: number[];
  readonly offlineReplicas?: number[];
}

/** Message, and the partitions of its topic. */
export interface PartitionerArgs {
  readonly topic: string;
  readonly partitionMetadata: PartitionMetadata[];
  readonly message: Message;
}

/** Makes the function that chooses the partition of each message, once for a producer. */
export type ICustomPartitioner = () => (args: PartitionerArgs) => number;

const M = 0x5bd1e995;

/**
 * Hash of KafkaJS before version 2: murmur2, multiplied in floating point. Products lose their low bits, so it differs
 * from Java's for most keys, and a topic that was written with it has to be written with it.
 */
function legacyHash(bytes: Uint8Array): number {
  const { length } = bytes;
  const at = (i: number): number => bytes[i] ?? 0;
  let h = 0x9747b28c ^ length;
  for (let i = 0; i < length; i += 4) {
    let k = at(i) + (at(i + 1) << 8) + (at(i + 2) << 16) + (at(i + 3) << 24);
    k *= M;
    k ^= k >>> 24;
    k *= M;
    h *= M;
    h ^= k;
  }
  const whole = length & ~3;
  const rest = length - whole;
  if (rest === 3) h ^= at(whole + 2) << 16;
  if (rest >= 2) h ^= at(whole + 1) << 8;
  if (rest >= 1) {
    h ^= at(whole);
    h *= M;
  }
  h ^= h >>> 13;
  h *= M;
  return h ^ (h >>> 15);
}

/** Partitions with a leader; all of them if none has one. Kept for as long as the metadata stays the same. */
class LedPartitions {
  readonly #known = new WeakMap<readonly PartitionMetadata[], readonly PartitionMetadata[]>();

  among(all: readonly PartitionMetadata[]): readonly PartitionMetadata[] {
    const known = this.#known.get(all);
    if (known !== undefined) return known;
    const led = all.filter(({ leader }) => leader >= 0);
    const made = led.length > 0 ? led : all;
    this.#known.set(all, made);
    return made;
  }
}

/** Partitioner that hashes keys, and takes the partitions with a leader by turns for messages without a key. */
function partitioner(hash: (key: Uint8Array) => number): ICustomPartitioner {
  return () => {
    const turns = new Map<string, number>();
    const led = new LedPartitions();
    return ({ topic, partitionMetadata, message: { partition, key } }) => {
      if (partition !== undefined && partition !== null) return partition;
      const count = partitionMetadata.length;
      if (key !== undefined && key !== null) {
        return (hash(typeof key === "string" ? Buffer.from(key) : key) & 0x7fffffff) % count;
      }
      const turn = turns.get(topic) ?? Math.floor(Math.random() * count);
      turns.set(topic, (turn + 1) & 0x7fffffff);
      const among = led.among(partitionMetadata);
      return among[turn % among.length]?.partitionId ?? 0;
    };
  };
}

const byJava = partitioner(murmur2);

/** Partitioners: that of Java's producer, which is the default, and that of KafkaJS before version 2. */
export const Partitioners = {
  DefaultPartitioner: byJava,
  LegacyPartitioner: partitioner(legacyHash),
  /** Old name of the default. */
  JavaCompatiblePartitioner: byJava,
} as const;
