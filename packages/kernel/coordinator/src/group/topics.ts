import { ByteWriter, type PartitionIndex, type Uuid, uuidToBytes, xxh3 } from "@samsa/base";

/** Topics of the cluster at one version of the metadata. */
export interface TopicDirectory {
  /** Metadata version; grows with every change. */
  readonly version: number;
  idOf(name: string): Uuid | undefined;
  nameOf(id: Uuid): string | undefined;
  /** Number of partitions; 0 if the topic does not exist. */
  partitions(id: Uuid): number;
  /** Racks of a partition's replicas. */
  racks(id: Uuid, partition: PartitionIndex): readonly string[];
  names(): Iterable<string>;
}

export const NO_TOPICS: TopicDirectory = {
  version: -1,
  idOf: () => undefined,
  nameOf: () => undefined,
  partitions: () => 0,
  racks: () => [],
  names: () => [],
};

/** Writes little-endian, as hash4j feeds a hash. */
class HashInput {
  readonly #writer = new ByteWriter();

  #reversed(bytes: Uint8Array): this {
    this.#writer.raw(bytes.toReversed());
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#writer.raw(bytes);
    return this;
  }

  long(value: bigint): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigInt64(0, value, true);
    return this.raw(bytes);
  }

  int(value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setInt32(0, value, true);
    return this.raw(bytes);
  }

  /** UTF-16 code units, followed by their number. */
  text(text: string): this {
    const bytes = new Uint8Array(text.length * 2);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < text.length; i++) view.setUint16(2 * i, text.charCodeAt(i), true);
    return this.raw(bytes).int(text.length);
  }

  uuid(id: Uuid): this {
    const bytes = uuidToBytes(id);
    return this.#reversed(bytes.subarray(0, 8)).#reversed(bytes.subarray(8));
  }

  hash(): bigint {
    return xxh3(this.#writer.finish());
  }
}

/** First byte of the hash input: the version of the method. */
const MAGIC = Uint8Array.of(0);

/** Hash of the topic fields that affect assignments; equals `Utils.computeTopicHash` bit for bit. */
function topicHash(topics: TopicDirectory, name: string, id: Uuid): bigint {
  const count = topics.partitions(id);
  const input = new HashInput().raw(MAGIC).uuid(id).text(name).int(count);
  for (let partition = 0; partition < count; partition++) {
    input.int(partition);
    for (const rack of [...topics.racks(id, partition)].sort()) input.int(rack.length).text(rack);
  }
  return input.hash();
}

/** Cache of topic hashes; the caller drops the hash of a topic that changes. */
export class TopicHashes {
  readonly #known = new Map<string, bigint>();

  forget(name: string): void {
    this.#known.delete(name);
  }

  clear(): void {
    this.#known.clear();
  }

  /** Hash of all topics of a group; 0 if none of them exists (`Utils.computeGroupHash`). */
  of(topics: TopicDirectory, names: Iterable<string>): bigint {
    const input = new HashInput();
    let some = false;
    for (const name of [...names].sort()) {
      const id = topics.idOf(name);
      if (id === undefined) continue;
      let hash = this.#known.get(name);
      if (hash === undefined) {
        hash = topicHash(topics, name, id);
        this.#known.set(name, hash);
      }
      input.long(hash);
      some = true;
    }
    return some ? input.hash() : 0n;
  }
}
