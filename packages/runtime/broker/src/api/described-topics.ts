import type { RequestTopics } from "../request/request-topics.ts";

/** Message for a group with topics that the client may not describe. */
export const UNDESCRIBABLE = "A member of the group is assigned topics that the client is not authorized to describe.";

/** True if the client may describe all of these topics. */
export function mayDescribe(topics: RequestTopics, names: Iterable<string>): boolean {
  for (const name of names) if (!topics.allows(name)) return false;
  return true;
}

interface Assignment {
  readonly topicPartitions: readonly { readonly topicName: string }[];
}

/** Names of the assigned topics. */
export function topicsOf(assignments: readonly Assignment[]): string[] {
  return assignments.flatMap(({ topicPartitions }) => topicPartitions.map(({ topicName }) => topicName));
}
