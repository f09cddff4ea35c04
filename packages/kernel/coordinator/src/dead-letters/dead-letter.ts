import type { Offset, PartitionIndex, Uuid } from "@samsa/base";
import type { WritableHeader } from "@samsa/records";

/** Reason why records become dead letters: a member has rejected them, or they have used up their deliveries. */
export type DeadLetterCause = "REJECTED" | "DELIVERIES_EXCEEDED";

/** Values of the header `__dlq.errors.message` (`ShareGroupDLQManager`). */
const MESSAGES: Readonly<Record<DeadLetterCause, string>> = {
  REJECTED: "Offset rejected by client.",
  DELIVERIES_EXCEEDED: "Offset delivery count exceeded the threshold.",
};

/** Records of a share partition that become dead letters together (`ShareGroupDLQRecordParameter`). */
export interface DeadLetters {
  readonly groupId: string;
  readonly topicId: Uuid;
  /** Name of the topic, for the headers. */
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly firstOffset: Offset;
  /** Last offset, included. */
  readonly lastOffset: Offset;
  readonly deliveryCount: number;
  readonly cause: DeadLetterCause;
}

/** Headers of the dead letter of the record at `offset`, in Kafka's order. */
export function deadLetterHeaders(letters: DeadLetters, offset: Offset): readonly WritableHeader[] {
  const { topic, partition, groupId, deliveryCount, cause } = letters;
  return [
    { key: "__dlq.errors.topic", value: topic },
    { key: "__dlq.errors.partition", value: String(partition) },
    { key: "__dlq.errors.offset", value: String(offset) },
    { key: "__dlq.errors.group", value: groupId },
    { key: "__dlq.errors.delivery.count", value: String(deliveryCount) },
    { key: "__dlq.errors.message", value: MESSAGES[cause] },
  ];
}
