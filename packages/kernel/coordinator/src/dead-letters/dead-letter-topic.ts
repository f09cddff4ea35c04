import type { BrokerId, PartitionIndex, Uuid } from "@samsa/base";

/** Topic of dead letters, as the metadata of the cluster have it. */
export interface DeadLetterTopic {
  readonly id: Uuid;
  readonly partitionCount: number;
  /** `errors.deadletterqueue.group.enable`: dead letters may be written to it. */
  readonly isEnabled: boolean;
  /** `max.message.bytes`. */
  readonly maxMessageBytes: number;
  /** Leader of a partition; negative: there is none. */
  leaderOf(partition: PartitionIndex): BrokerId;
}

/** Settings and metadata that decide where dead letters go, as they are at the moment. */
export interface DeadLetterView {
  /** `errors.deadletterqueue.topic.name.prefix`; empty: topics may have any name. */
  readonly prefix: string;
  /** `errors.deadletterqueue.auto.create.topics.enable`. */
  readonly createsTopics: boolean;
  /** `errors.deadletterqueue.topic.name` of a group; empty: it has no dead letters. */
  topicNameOf(groupId: string): string;
  topic(name: string): DeadLetterTopic | undefined;
}

/** Reason why the dead letters of a group cannot be written; undefined if they can (`validateDlqTopic`). */
export function deadLetterTopicFault(view: DeadLetterView, groupId: string): string | undefined {
  const name = view.topicNameOf(groupId);
  if (name === "") return `The group ${groupId} has no topic for dead letters.`;
  const of = `The topic ${name}, named for dead letters of the group ${groupId},`;
  if (name.startsWith("__")) return `${of} must not begin with __.`;
  const topic = view.topic(name);
  if (topic !== undefined && !topic.isEnabled) return `${of} is not enabled for dead letters.`;
  if (topic === undefined && !view.createsTopics) return `${of} does not exist, and is not created automatically.`;
  return name.startsWith(view.prefix) ? undefined : `${of} must begin with ${view.prefix}.`;
}
