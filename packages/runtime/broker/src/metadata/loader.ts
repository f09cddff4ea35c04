import { guard, type Logger } from "@samsa/base";
import {
  changesBetween,
  changesOf,
  EMPTY_IMAGE,
  MetadataDelta,
  type MetadataImage,
  type Provenance,
} from "@samsa/metadata";
import type { MetadataRecord } from "@samsa/protocol";
import type { MetadataPublisher } from "./publisher.ts";

/**
 * Turns committed records into images, and gives each image with its changes to the publishers, in their order
 * (`MetadataLoader`). A publisher that fails does not keep the changes from the others.
 */
export class MetadataLoader {
  readonly #logger: Logger;
  readonly #publishers: MetadataPublisher[] = [];
  #image: MetadataImage = EMPTY_IMAGE;
  #delta = new MetadataDelta(EMPTY_IMAGE);
  #provenance: Provenance = EMPTY_IMAGE.provenance;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Committed metadata as they were published last. */
  get image(): MetadataImage {
    return this.#image;
  }

  /** Adds committed records to the next image; `provenance` is that of the last one. Throws `MetadataError`. */
  replay(records: readonly MetadataRecord[], provenance: Provenance): void {
    for (const record of records) this.#delta.replay(record);
    this.#provenance = provenance;
  }

  /** Begins the next image with the records of a snapshot, in place of all records before. Throws `MetadataError`. */
  loadSnapshot(records: readonly MetadataRecord[], provenance: Provenance): void {
    this.#delta = new MetadataDelta(EMPTY_IMAGE);
    this.replay(records, provenance);
  }

  /** Publishes what was replayed since the last call. */
  publish(): void {
    if (this.#delta.isEmpty()) return;
    const before = this.#image;
    const image = this.#delta.apply(this.#provenance);
    const delta = this.#delta.base === before ? this.#delta : changesBetween(before, image);
    this.#image = image;
    this.#delta = new MetadataDelta(image);
    for (const publisher of this.#publishers) {
      guard(
        () => publisher.publish(delta, image),
        error => {
          const { name } = publisher;
          this.#logger.error("changes of the metadata could not be applied", { publisher: name, error });
        },
      );
    }
  }

  /** Adds publishers, and gives them the whole image. An error is thrown: a node that cannot apply it cannot start. */
  install(publishers: readonly MetadataPublisher[]): void {
    const image = this.#image;
    const changes = changesOf(image);
    this.#publishers.push(...publishers);
    for (const publisher of publishers) publisher.publish(changes, image);
  }
}
