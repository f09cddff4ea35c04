import type { BrokerEpoch, BrokerId, Uuid } from "@samsa/base";
import { changedPartition, type PartitionImage, type TopicImage } from "@samsa/metadata";
import {
  type AlterPartitionRequest,
  type AlterPartitionResponse,
  Errors,
  type ErrorName,
  type MetadataRecord,
  type PartitionChangeRecord,
} from "@samsa/protocol";
import type { Decision, DecisionContext } from "./decision/decision.ts";
import { electionOf } from "./leadership.ts";
import { partitionChange, RECOVERED, RECOVERING, UNCHANGED_LEADER } from "./partition-change.ts";

type Wanted = AlterPartitionRequest["topics"][number]["partitions"][number];
type Answer = AlterPartitionResponse["topics"][number]["partitions"][number];

/** Member of a wanted ISR. */
interface Member {
  readonly brokerId: BrokerId;
  /** −1: the leader does not know it. */
  readonly brokerEpoch: BrokerEpoch;
}

/**
 * AlterPartition: the leader of partitions changes their ISR, and tells that it has recovered
 * (`ReplicationControlManager.alterPartition`). Each partition succeeds or fails on its own. NEW_LEADER_ELECTED comes
 * with a change: the wanted ISR completed a reassignment that removes the leader.
 */
export function alterPartition(
  context: DecisionContext,
  { brokerId, brokerEpoch, topics }: AlterPartitionRequest,
): Decision<AlterPartitionResponse> {
  if (context.image.brokers.get(brokerId)?.brokerEpoch !== brokerEpoch) {
    const { code: errorCode } = Errors.STALE_BROKER_EPOCH;
    return { records: [], reply: { throttleTimeMs: 0, errorCode, topics: [] } };
  }
  const records: MetadataRecord[] = [];
  const changed = new Map<Uuid, Set<number>>();
  const answers = topics.map(({ topicId, partitions }) => ({
    topicId,
    partitions: partitions.map(wanted => {
      const topic = context.image.topics.get(topicId);
      if (topic === undefined) return refused(wanted, "UNKNOWN_TOPIC_ID");
      const outcome = alter(context, brokerId, topic, wanted);
      if (outcome.record === undefined) return outcome.answer;
      // Decide once only on a partition that the request names twice: the second entry has an old epoch by then.
      const done = changed.get(topicId) ?? new Set();
      if (done.has(wanted.partitionIndex)) return refused(wanted, "INVALID_UPDATE_VERSION");
      changed.set(topicId, done.add(wanted.partitionIndex));
      records.push(outcome.record);
      return outcome.answer;
    }),
  }));
  return { records, reply: { throttleTimeMs: 0, errorCode: 0, topics: answers } };
}

function refused({ partitionIndex }: Wanted, error: ErrorName): Answer {
  const nothing = { leaderId: 0, leaderEpoch: 0, isr: [], leaderRecoveryState: RECOVERED, partitionEpoch: 0 };
  return { partitionIndex, errorCode: Errors[error].code, ...nothing };
}

/** Members of the wanted ISR; up to version 2 without their epochs. */
function membersOf({ newIsr, newIsrWithEpochs }: Wanted): readonly Member[] {
  return newIsrWithEpochs.length > 0 ? newIsrWithEpochs : newIsr.map(brokerId => ({ brokerId, brokerEpoch: -1 }));
}

function alter(
  context: DecisionContext,
  brokerId: BrokerId,
  topic: TopicImage,
  wanted: Wanted,
): { readonly answer: Answer; readonly record?: MetadataRecord | undefined } {
  const { partitionIndex, leaderRecoveryState } = wanted;
  const partition = topic.partitions.get(partitionIndex);
  if (partition === undefined) return { answer: refused(wanted, "UNKNOWN_TOPIC_OR_PARTITION") };
  const members = membersOf(wanted);
  const fault =
    epochFault(brokerId, partition, wanted) ??
    isrFault(partition, wanted, members) ??
    eligibilityFault(context, members);
  if (fault !== undefined) return { answer: refused(wanted, fault) };
  const isr = members.map(member => member.brokerId);
  const target = { isr, leaderRecoveryState, election: electionOf(context, topic) };
  const record = partitionChange(context, topic, partitionIndex, target);
  if (record?.type !== "PartitionChangeRecord") return { answer: accepted(wanted, partition) };
  const answer = isLed(record.value, brokerId)
    ? accepted(wanted, changedPartition(partition, record.value))
    : refused(wanted, "NEW_LEADER_ELECTED");
  return { answer, record };
}

/** True if the change leaves the partition to the broker. */
function isLed({ leader }: PartitionChangeRecord, brokerId: BrokerId): boolean {
  return leader === UNCHANGED_LEADER || leader === brokerId;
}

function accepted({ partitionIndex }: Wanted, partition: PartitionImage): Answer {
  const { leader: leaderId, leaderEpoch, isr, leaderRecoveryState, partitionEpoch } = partition;
  return { partitionIndex, errorCode: 0, leaderId, leaderEpoch, isr: [...isr], leaderRecoveryState, partitionEpoch };
}

/** Error of a leader that knows another state of the partition. */
function epochFault(brokerId: BrokerId, partition: PartitionImage, wanted: Wanted): ErrorName | undefined {
  const { leader, leaderEpoch, partitionEpoch } = partition;
  // A leader that knows more than this controller has probably heard from the next one.
  if (wanted.leaderEpoch > leaderEpoch || wanted.partitionEpoch > partitionEpoch) return "NOT_CONTROLLER";
  if (wanted.leaderEpoch < leaderEpoch) return "FENCED_LEADER_EPOCH";
  if (brokerId !== leader) return "INVALID_REQUEST";
  return wanted.partitionEpoch < partitionEpoch ? "INVALID_UPDATE_VERSION" : undefined;
}

/** Error of an ISR that no state of the partition could have. */
function isrFault(
  { replicas, leader, leaderRecoveryState }: PartitionImage,
  wanted: Wanted,
  members: readonly Member[],
): ErrorName | undefined {
  const ids = new Set(members.map(({ brokerId }) => brokerId));
  if (ids.size !== members.length || members.some(({ brokerId }) => !replicas.includes(brokerId))) {
    return "INVALID_REQUEST";
  }
  if (!ids.has(leader)) return "INVALID_REQUEST";
  if (wanted.leaderRecoveryState === RECOVERED) return undefined;
  // A recovering leader is alone in the ISR, and it does not begin to recover again.
  const isRecovering = wanted.leaderRecoveryState === RECOVERING && leaderRecoveryState === RECOVERING;
  return isRecovering && ids.size === 1 ? undefined : "INVALID_REQUEST";
}

/** Error of an ISR with a broker that is not active, or not the incarnation that the leader saw (KIP-903). */
function eligibilityFault({ image }: DecisionContext, members: readonly Member[]): ErrorName | undefined {
  const isIneligible = ({ brokerId, brokerEpoch }: Member): boolean => {
    const broker = image.brokers.get(brokerId);
    if (broker === undefined || broker.inControlledShutdown || broker.fenced) return true;
    return brokerEpoch !== -1 && brokerEpoch !== broker.brokerEpoch;
  };
  return members.some(isIneligible) ? "INELIGIBLE_REPLICA" : undefined;
}
