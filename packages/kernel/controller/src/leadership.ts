import type { Uuid } from "@samsa/base";
import { ELR_FEATURE, type MetadataImage, type PartitionImage, type TopicImage } from "@samsa/metadata";
import type { MetadataRecord } from "@samsa/protocol";
import type { DecisionContext } from "./decision.ts";
import { partitionChange, type PartitionTarget, without } from "./partition-change.ts";
import { isActive } from "./placement.ts";

export interface Place {
  readonly topicId: Uuid;
  readonly partitionId: number;
}

/** Changes to every partition for which `decide` gives a target; a topic may allow unclean elections. */
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
 * A broker is out: others in sync take over what it led. Without eligible leader replicas the last one in sync stays in
 * the ISR without leading, for only it is known to have everything.
 */
export function withoutBroker(
  context: DecisionContext,
  brokerId: number,
  concerns: (partition: PartitionImage, place: Place) => boolean = () => true,
): MetadataRecord[] {
  return changes(context, (partition, place) => {
    if (!partition.isr.includes(brokerId) || !concerns(partition, place)) return undefined;
    return { isr: without(partition.isr, brokerId), acceptable: others(context.image, brokerId) };
  });
}

/** A broker has gone without saying what it had written: it is no longer known to have all of anything (KIP-966). */
export function crashedBroker(context: DecisionContext, brokerId: number): MetadataRecord[] {
  if ((context.image.features.get(ELR_FEATURE) ?? 0) === 0) return withoutBroker(context, brokerId);
  return changes(context, ({ isr, eligibleLeaderReplicas }) => {
    if (!isr.includes(brokerId) && !eligibleLeaderReplicas.includes(brokerId)) return undefined;
    return { isr: without(isr, brokerId), acceptable: others(context.image, brokerId), crashed: brokerId };
  });
}

/** A broker leaves for good: it is taken out of the eligible replicas too. */
export function forgottenBroker(context: DecisionContext, brokerId: number): MetadataRecord[] {
  return changes(context, ({ isr, eligibleLeaderReplicas }) => {
    if (!isr.includes(brokerId) && !eligibleLeaderReplicas.includes(brokerId)) return undefined;
    return { isr: without(isr, brokerId), acceptable: others(context.image, brokerId) };
  });
}

/** A broker is back: it leads what nobody leads, where it may. */
export function returnedBroker(context: DecisionContext, brokerId: number): MetadataRecord[] {
  const acceptable = (id: number) => id === brokerId || isActive(context.image, id);
  return changes(context, ({ leader }) => (leader === -1 ? { acceptable } : undefined));
}

function others(image: MetadataImage, brokerId: number): (id: number) => boolean {
  return id => id !== brokerId && isActive(image, id);
}
