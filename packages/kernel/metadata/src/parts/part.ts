import type { MetadataRecord, MetadataRecordOf, MetadataRecordType } from "@samsa/protocol";
import type { ImageEdits } from "../image/edits.ts";
import type { MetadataImage } from "../image/image.ts";

/** Part of the image: how records of the types `T` change it, and which records rebuild it. */
export interface ImagePart<T extends MetadataRecordType> {
  /** Applies a record. Throws `MetadataError` if it contradicts the image. */
  readonly replay: { readonly [N in T]: (edits: ImageEdits, record: MetadataRecordOf<N>["value"]) => void };
  /** Puts the records of a snapshot: replayed into an empty image, they give this part. */
  readonly snapshot: (image: MetadataImage, put: (record: MetadataRecord) => void) => void;
}
