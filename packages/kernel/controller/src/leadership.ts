import { type BrokerId, invariant } from "@samsa/base";
import { ELR_FEATURE, type MetadataImage, type PartitionImage, type TopicImage } from "@samsa/metadata";
import type { MetadataRecord } from "@samsa/protocol";
import type { Place } from "./decision/broker-partitions.ts";
import type { DecisionContext } from "./decision/decision.ts";
import { partitionChange, type PartitionTarget, without } from "./partition-change.ts";
import { isActive } from "./placement.ts";

/** Election for a topic's partitions: it may allow replicas that are not in sync. */
export function electionOf({ settings, image }: DecisionContext, topic: TopicImage): "unclean" | "online" {
  return settings.replication(image, topic.name).uncleanLeaderElection ? "unclean" : "online";
}

/** Topic and state of a partition that the index has found. */
export function partitionAt({ image }: DecisionContext, { topicId, partitionId }: Place) {
  const topic = image.topics.get(topicId);
  const partition = topic?.partitions.get(partitionId);
  invariant(topic !== undefined && partition !== undefined, "the index has partitions of the image only");
  return { topic, partition };
}

/** Changes of the partitions to the targets that `decide` returns. */
function changes(
  context: DecisionContext,
  places: readonly Place[],
  decide: (partition: PartitionImage) => PartitionTarget,
): MetadataRecord[] {
  return places.flatMap(place => {
    const { topic, partition } = partitionAt(context, place);
    const target = { election: electionOf(context, topic), ...decide(partition) };
    return partitionChange(context, topic, place.partitionId, target) ?? [];
  });
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
  const acceptable = others(context.image, brokerId);
  const places = context.partitions
    .inSync(brokerId)
    .filter(place => concerns(partitionAt(context, place).partition, place));
  return changes(context, places, ({ isr }) => ({ isr: without(isr, brokerId), acceptable }));
}

/** Removes a broker after an unclean shutdown, from the eligible replicas too: it may have lost records (KIP-966). */
export function crashedBroker(context: DecisionContext, brokerId: BrokerId): MetadataRecord[] {
  if ((context.image.features.get(ELR_FEATURE) ?? 0) === 0) return withoutBroker(context, brokerId);
  const acceptable = others(context.image, brokerId);
  return changes(context, replicatedBy(context, brokerId), ({ isr }) => ({
    isr: without(isr, brokerId),
    acceptable,
    crashed: brokerId,
  }));
}

/** Partitions that the broker may lead without losing records: it is in sync, or eligible. */
function replicatedBy({ partitions }: DecisionContext, brokerId: BrokerId): Place[] {
  return [...partitions.inSync(brokerId), ...partitions.eligible(brokerId)];
}

/** Moves leadership and the ISR away from a broker that leaves for good, where it is in sync or eligible to lead. */
export function forgottenBroker(context: DecisionContext, brokerId: BrokerId): MetadataRecord[] {
  const acceptable = others(context.image, brokerId);
  return changes(context, replicatedBy(context, brokerId), ({ isr }) => ({ isr: without(isr, brokerId), acceptable }));
}

/** Elects leaders of leaderless partitions when a broker is unfenced. */
export function returnedBroker(context: DecisionContext, brokerId: BrokerId): MetadataRecord[] {
  const acceptable = (id: BrokerId) => id === brokerId || isActive(context.image, id);
  return changes(context, context.partitions.leaderless(), () => ({ acceptable }));
}

function others(image: MetadataImage, brokerId: BrokerId): (id: BrokerId) => boolean {
  return id => id !== brokerId && isActive(image, id);
}
