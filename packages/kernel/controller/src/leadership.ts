import type { BrokerId, PartitionIndex, Uuid } from "@samsa/base";
import { ELR_FEATURE, type MetadataImage, type PartitionImage, type TopicImage } from "@samsa/metadata";
import type { MetadataRecord } from "@samsa/protocol";
import type { DecisionContext } from "./decision.ts";
import { partitionChange, type PartitionTarget, without } from "./partition-change.ts";
import { isActive } from "./placement.ts";

export interface Place {
  readonly topicId: Uuid;
  readonly partitionId: PartitionIndex;
}

/** Changes of all partitions for which `decide` returns a target; a topic may allow unclean elections. */
function changes(
  context: DecisionContext,
  decide: (partition: PartitionImage, place: Place) => PartitionTarget | undefined,
): MetadataRecord[] {
  const records: MetadataRecord[] = [];
  const electionOf = (topic: TopicImage) =>
    context.settings.replication(context.image, topic.name).uncleanLeaderElection ? "unclean" : "online";
  for (const topic of context.image.topics.values()) {
    for (const [partitionId, partition] of topic.partitions) {
      const target = decide(partition, { topicId: topic.id, partitionId });
      if (target === undefined) continue;
      const record = partitionChange(context, topic, partitionId, { election: electionOf(topic), ...target });
      if (record !== undefined) records.push(record);
    }
  }
  return records;
}

/**
 * Removes a broker from the ISR and from leadership; other replicas in sync take over. Without eligible leader
 * replicas, the last one in sync stays in the ISR without leading, as only it is known to have all records.
 */
export function withoutBroker(
  context: DecisionContext,
  brokerId: BrokerId,
  concerns: (partition: PartitionImage, place: Place) => boolean = () => true,
): MetadataRecord[] {
  return changes(context, (partition, place) => {
    if (!partition.isr.includes(brokerId) || !concerns(partition, place)) return undefined;
    return { isr: without(partition.isr, brokerId), acceptable: others(context.image, brokerId) };
  });
}

/** Removes a broker after an unclean shutdown, from the eligible replicas too: it may have lost records (KIP-966). */
export function crashedBroker(context: DecisionContext, brokerId: BrokerId): MetadataRecord[] {
  if ((context.image.features.get(ELR_FEATURE) ?? 0) === 0) return withoutBroker(context, brokerId);
  return changes(context, ({ isr, eligibleLeaderReplicas }) => {
    if (!isr.includes(brokerId) && !eligibleLeaderReplicas.includes(brokerId)) return undefined;
    return { isr: without(isr, brokerId), acceptable: others(context.image, brokerId), crashed: brokerId };
  });
}

/** Moves leadership and the ISR away from a broker that leaves for good, where it is in sync or eligible to lead. */
export function forgottenBroker(context: DecisionContext, brokerId: BrokerId): MetadataRecord[] {
  return changes(context, ({ isr, eligibleLeaderReplicas }) => {
    if (!isr.includes(brokerId) && !eligibleLeaderReplicas.includes(brokerId)) return undefined;
    return { isr: without(isr, brokerId), acceptable: others(context.image, brokerId) };
  });
}

/** Elects leaders of leaderless partitions when a broker is unfenced. */
export function returnedBroker(context: DecisionContext, brokerId: BrokerId): MetadataRecord[] {
  const acceptable = (id: BrokerId) => id === brokerId || isActive(context.image, id);
  return changes(context, ({ leader }) => (leader === -1 ? { acceptable } : undefined));
}

function others(image: MetadataImage, brokerId: BrokerId): (id: BrokerId) => boolean {
  return id => id !== brokerId && isActive(image, id);
}
