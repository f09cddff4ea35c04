import { SortedMap } from "@samsa/base";
import { EMPTY_IMAGE, imageRecords, type MetadataImage, type TopicImage } from "@samsa/metadata";

/** Fields with no records of their own. */
const WITHOUT_TEXT: ReadonlySet<string> = new Set<keyof MetadataImage>([
  "provenance",
  "topics",
  "topicIds",
  "collisions",
  "transaction",
]);
/** Fields that share a record. */
const TOGETHER: readonly (keyof MetadataImage)[] = ["nextProducerId", "producerIdsFrom"];
/** Parts of the image beside the topics: the fields of each. */
const PARTS: readonly (readonly (keyof MetadataImage)[])[] = [
  TOGETHER,
  ...(Object.keys(EMPTY_IMAGE) as (keyof MetadataImage)[])
    .filter(name => !WITHOUT_TEXT.has(name) && !TOGETHER.includes(name))
    .map(name => [name]),
];

function textOf(image: MetadataImage): string {
  return JSON.stringify(imageRecords(image), (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
}

/**
 * Text of the images of one node: the records that rebuild each, in pieces. Images share their unchanged parts, and the
 * text of a part is made once for all images that share it.
 */
export class ImageTexts {
  #last: MetadataImage | undefined;
  /** Texts of `PARTS` in the last image. */
  #parts: readonly string[] = [];
  readonly #topics = new WeakMap<TopicImage, { readonly features: unknown; readonly text: string }>();

  /** Pieces of the text of `image`: of each part, then of each topic. They are equal for equal images. */
  piecesOf(image: MetadataImage): readonly string[] {
    const parts = this.#partsOf(image);
    this.#last = image;
    this.#parts = parts;
    const pieces = [...parts];
    for (const topic of image.topics.values()) pieces.push(this.#topicText(image, topic));
    return pieces;
  }

  #partsOf(image: MetadataImage): readonly string[] {
    const last = this.#last;
    const { features } = image;
    return PARTS.map((fields, i) => {
      // The features decide about the versions of all other records.
      const isSame = last?.features === features && fields.every(name => last[name] === image[name]);
      if (isSame) return this.#parts[i] as string;
      const values = Object.fromEntries(fields.map(name => [name, image[name]]));
      return textOf({ ...EMPTY_IMAGE, features, ...values });
    });
  }

  #topicText({ features }: MetadataImage, topic: TopicImage): string {
    const known = this.#topics.get(topic);
    if (known?.features === features) return known.text;
    const text = textOf({ ...EMPTY_IMAGE, features, topics: SortedMap.of([[topic.id, topic]]) });
    this.#topics.set(topic, { features, text });
    return text;
  }
}
