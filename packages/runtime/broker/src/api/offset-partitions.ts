import { type PartitionIndex, type Uuid, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { RequestTopics } from "../request/request-topics.ts";

interface AskedTopic {
  readonly name: string;
  readonly topicId: Uuid;
  readonly partitions: readonly { readonly partitionIndex: PartitionIndex }[];
}

/** Outcomes for the partitions of a topic, which has a name, an id, or both. */
interface TopicOutcome {
  readonly name: string;
  readonly topicId?: Uuid | undefined;
  readonly partitions: readonly { readonly partitionIndex: PartitionIndex; readonly errorCode: number }[];
}

/**
 * Splits the partitions of a request into existing ones, with name and id of the topic filled in, and errors for the
 * others, or for topics without permission (`KafkaApis` does so before it calls the group coordinator).
 */
export function splitByExistence<T extends AskedTopic>(
  topics: readonly T[],
  known: RequestTopics,
): { existing: T[]; refused: TopicOutcome[] } {
  const existing: T[] = [];
  const refused: TopicOutcome[] = [];
  for (const topic of topics) {
    const found = known.find(topic.name, topic.topicId);
    const image = typeof found === "number" ? undefined : found;
    const errorCode = typeof found === "number" ? found : Errors.UNKNOWN_TOPIC_OR_PARTITION.code;
    const name = known.nameOf(topic.name, topic.topicId) ?? topic.name;
    const shown = { name, topicId: known.byId ? topic.topicId : (image?.id ?? ZERO_UUID) };
    const there: T["partitions"][number][] = [];
    const missing: TopicOutcome["partitions"][number][] = [];
    for (const partition of topic.partitions) {
      const { partitionIndex } = partition;
      if (image?.partitions.has(partitionIndex) === true) there.push(partition);
      else missing.push({ partitionIndex, errorCode });
    }
    if (missing.length > 0) refused.push({ ...shown, partitions: missing });
    if (there.length > 0) existing.push({ ...topic, ...shown, partitions: there });
  }
  return { existing, refused };
}

/** Merges outcomes by topic; those of `refused` come first. */
export function mergeOutcomes(
  refused: readonly TopicOutcome[],
  answered: readonly TopicOutcome[],
): readonly TopicOutcome[] {
  if (refused.length === 0) return answered;
  // A topic whose id is unknown has no name.
  const keyOf = ({ name, topicId }: TopicOutcome): string => (name === "" ? `/${topicId}` : name);
  const merged = new Map<string, TopicOutcome>();
  for (const topic of [...refused, ...answered]) {
    const before = merged.get(keyOf(topic));
    const partitions = before === undefined ? topic.partitions : [...before.partitions, ...topic.partitions];
    merged.set(keyOf(topic), { ...topic, partitions });
  }
  return [...merged.values()];
}
