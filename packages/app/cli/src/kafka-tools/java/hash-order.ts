/** `String.hashCode` of Java. */
export function hashOfText(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0;
  return hash;
}

/** `TopicPartition.hashCode`. */
export function hashOfPartition({ topic, partition }: { readonly topic: string; readonly partition: number }): number {
  return (Math.imul(31, 31 + partition) + hashOfText(topic)) | 0;
}

/** Capacity of a `new HashMap<>(count)`. */
export function capacityFor(count: number): number {
  let capacity = 1;
  while (capacity < count) capacity *= 2;
  return capacity;
}

const LOAD = 0.75;
const CAPACITY = 16;

/**
 * Values in the order in which a `HashMap` of Java gives them out, whose keys have these hashes. Kafka's tools print many
 * lists in that order. `capacity` is the map's at first, a power of two.
 */
export function hashOrder<T>(values: Iterable<T>, hashOf: (value: T) => number, capacity = CAPACITY): T[] {
  const all = [...values];
  let size = capacity;
  while (all.length > size * LOAD) size *= 2;
  const places = all.map(value => {
    const hash = hashOf(value);
    return { value, place: (hash ^ (hash >>> 16)) & (size - 1) };
  });
  return places.sort((a, b) => a.place - b.place).map(({ value }) => value);
}

/** `hashOrder` of texts. */
export function hashOrderOfTexts(texts: Iterable<string>, capacity = CAPACITY): string[] {
  return hashOrder(texts, hashOfText, capacity);
}
