import type { BrokerId, PartitionIndex, Uuid } from "@samsa/base";
import type { MetadataRecord } from "@samsa/protocol";
import { ImageEdits, MetadataError } from "./image/edits.ts";
import {
  type EffectiveRecord,
  EMPTY_IMAGE,
  type MetadataImage,
  type Provenance,
  type TopicImage,
} from "./image/image.ts";
import { replayRecord } from "./parts.ts";

/** Changes between two images. */
export interface MetadataChanges {
  /** The image before the changes. */
  readonly base: MetadataImage;
  /** Partitions that were created or changed, by topic; excludes deleted topics. */
  readonly changedTopics: ReadonlyMap<Uuid, ReadonlySet<PartitionIndex>>;
  /** Topics of the base that were deleted. */
  readonly deletedTopics: ReadonlyMap<Uuid, TopicImage>;
  /** `configKey`s of resources whose settings have changed. */
  readonly changedConfigs: ReadonlySet<string>;
  /** Ids of brokers that were registered, changed or unregistered. */
  readonly changedBrokers: ReadonlySet<BrokerId>;
  /** Ids of ACLs that were created or deleted. */
  readonly changedAcls: ReadonlySet<Uuid>;
}

/** Changes from the empty image to `image`. */
export function changesOf(image: MetadataImage): MetadataChanges {
  return {
    base: EMPTY_IMAGE,
    changedTopics: new Map([...image.topics.values()].map(({ id, partitions }) => [id, new Set(partitions.keys())])),
    deletedTopics: new Map(),
    changedConfigs: new Set(image.configs.keys()),
    changedBrokers: new Set(image.brokers.keys()),
    changedAcls: new Set(image.acls.keys()),
  };
}

/** Changes from `base` to an image that was not made from it: all that the image has counts as changed. */
export function changesBetween(base: MetadataImage, image: MetadataImage): MetadataChanges {
  const whole = changesOf(image);
  return {
    base,
    changedTopics: whole.changedTopics,
    deletedTopics: new Map(
      [...base.topics.values()].flatMap(topic => (image.topics.has(topic.id) ? [] : [[topic.id, topic]])),
    ),
    changedConfigs: new Set([...base.configs.keys(), ...whole.changedConfigs]),
    changedBrokers: new Set([...base.brokers.keys(), ...whole.changedBrokers]),
    changedAcls: new Set([...base.acls.keys(), ...whole.changedAcls]),
  };
}

/** Records replayed on top of an image, and the resulting image. Costs as much as what the records change. */
export class MetadataDelta implements MetadataChanges {
  readonly #edits: ImageEdits;
  /** Records of the open transaction, once this delta has added to it. */
  #held: EffectiveRecord[] = [];
  #count = 0;

  constructor(base: MetadataImage) {
    this.#edits = new ImageEdits(base);
  }

  get base(): MetadataImage {
    return this.#edits.base;
  }

  get changedTopics(): MetadataChanges["changedTopics"] {
    return this.#edits.changedTopics;
  }

  get deletedTopics(): MetadataChanges["deletedTopics"] {
    return this.#edits.deletedTopics;
  }

  get changedConfigs(): MetadataChanges["changedConfigs"] {
    return this.#edits.changedConfigs;
  }

  get changedBrokers(): MetadataChanges["changedBrokers"] {
    return this.#edits.changedBrokers;
  }

  get changedAcls(): MetadataChanges["changedAcls"] {
    return this.#edits.changedAcls;
  }

  /** True if no record was replayed. */
  isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Applies a record. Throws `MetadataError` if it contradicts the image. */
  replay(record: MetadataRecord): void {
    this.#count++;
    const { next } = this.#edits;
    switch (record.type) {
      case "BeginTransactionRecord":
        if (next.transaction !== undefined) throw new MetadataError("a transaction begins inside another");
        next.transaction = this.#held = [];
        return;
      case "EndTransactionRecord": {
        const { transaction } = next;
        if (transaction === undefined) throw new MetadataError("a transaction ends that has not begun");
        next.transaction = undefined;
        for (const held of transaction) replayRecord(this.#edits, held);
        return;
      }
      case "AbortTransactionRecord":
        if (next.transaction === undefined) throw new MetadataError("a transaction aborts that has not begun");
        next.transaction = undefined;
        return;
      default:
        if (next.transaction === undefined) return replayRecord(this.#edits, record);
        // The base keeps its array; that of this delta grows in place.
        if (next.transaction !== this.#held) next.transaction = this.#held = [...next.transaction];
        this.#held.push(record);
    }
  }

  /** Image with all replayed records. Do not replay more records after this call. */
  apply(provenance: Provenance): MetadataImage {
    return this.#edits.done(provenance);
  }
}
