import type { MetadataChanges, MetadataImage } from "@samsa/metadata";

/** Applies changes of the metadata to a part of the node (`MetadataPublisher`). */
export interface MetadataPublisher {
  /** Name for log lines. */
  readonly name: string;
  /** Called with the committed changes and the image that contains them; the first changes make up the whole image. */
  publish(changes: MetadataChanges, image: MetadataImage): void;
}
