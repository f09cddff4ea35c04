import type { BrokerId, PartitionIndex, Uuid } from "@samsa/base";
import { METADATA_VERSION, metadataVersionOf, replicaDirectory } from "@samsa/metadata";
import {
  type AssignReplicasToDirsRequest,
  type AssignReplicasToDirsResponse,
  Errors,
  type ErrorName,
  type MetadataRecord,
} from "@samsa/protocol";
import type { Decision, DecisionContext } from "./decision/decision.ts";
import { withoutBroker } from "./leadership.ts";
import { partitionChange } from "./partition-change.ts";
import { isOnline } from "./placement.ts";

/**
 * AssignReplicasToDirs (KIP-858): sets the log directories of a broker's replicas. A replica in a failed directory
 * leaves the ISR, and another replica leads.
 */
export function assignReplicasToDirs(
  context: DecisionContext,
  { brokerId, brokerEpoch, directories }: AssignReplicasToDirsRequest,
): Decision<AssignReplicasToDirsResponse> {
  const { image } = context;
  const refuse = (error: ErrorName) => ({
    records: [],
    reply: { throttleTimeMs: 0, errorCode: Errors[error].code, directories: [] },
  });
  if (metadataVersionOf(image) < METADATA_VERSION.directories) return refuse("UNSUPPORTED_VERSION");
  const broker = image.brokers.get(brokerId);
  if (broker?.brokerEpoch !== brokerEpoch) return refuse("STALE_BROKER_EPOCH");
  const records: MetadataRecord[] = [];
  const lost = new Map<Uuid, Set<PartitionIndex>>();
  const answers = directories.map(({ id, topics }) => ({
    id,
    topics: topics.map(({ topicId, partitions }) => ({
      topicId,
      partitions: partitions.map(({ partitionIndex }) => {
        const place = { brokerId, topicId, partitionIndex, directory: id };
        const error = assign(context, place, records);
        if (error === undefined && !isOnline(broker.logDirs, id)) {
          lost.set(topicId, (lost.get(topicId) ?? new Set()).add(partitionIndex));
        }
        return { partitionIndex, errorCode: error === undefined ? 0 : Errors[error].code };
      }),
    })),
  }));
  if (lost.size > 0) {
    const isLost = (_partition: unknown, place: { topicId: Uuid; partitionId: PartitionIndex }) =>
      lost.get(place.topicId)?.has(place.partitionId) === true;
    records.push(...withoutBroker(context, brokerId, isLost));
  }
  return { records, reply: { throttleTimeMs: 0, errorCode: 0, directories: answers } };
}

interface Assignment {
  readonly brokerId: BrokerId;
  readonly topicId: Uuid;
  readonly partitionIndex: PartitionIndex;
  readonly directory: Uuid;
}

/** Adds the record of one assignment, if it changes the partition; returns its error, if any. */
function assign(context: DecisionContext, wanted: Assignment, records: MetadataRecord[]): ErrorName | undefined {
  const { brokerId, topicId, partitionIndex, directory } = wanted;
  const topic = context.image.topics.get(topicId);
  if (topic === undefined) return "UNKNOWN_TOPIC_ID";
  const partition = topic.partitions.get(partitionIndex);
  if (partition === undefined) return "UNKNOWN_TOPIC_OR_PARTITION";
  if (!partition.replicas.includes(brokerId)) return "NOT_LEADER_OR_FOLLOWER";
  const before = replicaDirectory(partition, brokerId);
  const { logDirs = [] } = context.image.brokers.get(brokerId) ?? {};
  // A replica whose directory is gone begins without records: it must not lead because it once had them.
  const crashed = before !== directory && !isOnline(logDirs, before) ? { crashed: brokerId } : {};
  const target = { directory: { brokerId, id: directory }, ...crashed };
  const record = partitionChange(context, topic, partitionIndex, target);
  if (record !== undefined) records.push(record);
  return undefined;
}
