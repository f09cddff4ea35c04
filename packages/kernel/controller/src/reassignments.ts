import type { BrokerId, PartitionIndex } from "@samsa/base";
import { type MetadataImage, type PartitionImage, type TopicImage, topicNamed, topicsByName } from "@samsa/metadata";
import {
  type AlterPartitionReassignmentsRequest,
  type AlterPartitionReassignmentsResponse,
  type ElectLeadersRequest,
  type ElectLeadersResponse,
  type ListPartitionReassignmentsRequest,
  type ListPartitionReassignmentsResponse,
  type MetadataRecord,
} from "@samsa/protocol";
import { type Decision, type DecisionContext, isRefusal, type Refusal, refusal } from "./decision/decision.ts";
import { partitionChange, type PartitionTarget, without } from "./partition-change.ts";
import { assignmentFault } from "./placement.ts";

const ELECTIONS = ["preferred", "unclean"] as const;

type Results = ElectLeadersResponse["replicaElectionResults"];

/** ElectLeaders for the named partitions; null: for all that need an election. */
export function electLeaders(context: DecisionContext, request: ElectLeadersRequest): Decision<ElectLeadersResponse> {
  const { image } = context;
  const { topicPartitions } = request;
  const election = ELECTIONS[request.electionType];
  const wanted =
    topicPartitions ??
    topicsByName(image).map(({ name, partitions }) => ({ topic: name, partitions: [...partitions.keys()] }));
  const records: MetadataRecord[] = [];
  const results = (one: (topic: string, partition: PartitionIndex) => Refusal | undefined): Results =>
    wanted.map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.flatMap(partitionId => {
        const outcome = one(topic, partitionId);
        return outcome === undefined ? [] : [{ partitionId, ...outcome }];
      }),
    }));
  if (election === undefined) {
    const fault = refusal("INVALID_REQUEST", `Unknown election type ${request.electionType}`);
    const replicaElectionResults = topicPartitions === null ? [] : results(() => fault);
    return { records, reply: { throttleTimeMs: 0, errorCode: fault.errorCode, replicaElectionResults } };
  }
  const replicaElectionResults = results((topic, partition) => {
    const outcome = elect(context, { topic, partition }, election);
    if (!isRefusal(outcome)) {
      records.push(outcome);
      return { errorCode: 0, errorMessage: null };
    }
    // A request for all partitions does not report those that need no election.
    const needless = outcome.errorCode === refusal("ELECTION_NOT_NEEDED").errorCode;
    return needless && topicPartitions === null ? undefined : outcome;
  });
  return { records, reply: { throttleTimeMs: 0, errorCode: 0, replicaElectionResults } };
}

function elect(
  context: DecisionContext,
  place: { readonly topic: string; readonly partition: PartitionIndex },
  election: (typeof ELECTIONS)[number],
): MetadataRecord | Refusal {
  const topic = topicNamed(context.image, place.topic);
  if (topic === undefined) return refusal("UNKNOWN_TOPIC_OR_PARTITION", `No such topic as ${place.topic}`);
  const partition = topic.partitions.get(place.partition);
  if (partition === undefined) {
    return refusal("UNKNOWN_TOPIC_OR_PARTITION", `No such partition as ${place.topic}-${place.partition}`);
  }
  const satisfied = election === "preferred" ? partition.leader === partition.replicas[0] : partition.leader >= 0;
  if (satisfied) return refusal("ELECTION_NOT_NEEDED");
  return (
    partitionChange(context, topic, place.partition, { election }) ??
    refusal(election === "preferred" ? "PREFERRED_LEADER_NOT_AVAILABLE" : "ELIGIBLE_LEADERS_NOT_AVAILABLE")
  );
}

function isReassigned({ addingReplicas, removingReplicas }: PartitionImage): boolean {
  return addingReplicas.length > 0 || removingReplicas.length > 0;
}

type Wanted = AlterPartitionReassignmentsRequest["topics"][number]["partitions"][number];

/** AlterPartitionReassignments: new replicas for partitions; null cancels the ongoing reassignment. */
export function alterPartitionReassignments(
  context: DecisionContext,
  request: AlterPartitionReassignmentsRequest,
): Decision<AlterPartitionReassignmentsResponse> {
  const { allowReplicationFactorChange } = request;
  const records: MetadataRecord[] = [];
  const responses = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(partition => {
      const change = reassign(context, name, partition, allowReplicationFactorChange);
      if (isRefusal(change)) return { partitionIndex: partition.partitionIndex, ...change };
      if (change.record !== undefined) records.push(change.record);
      return { partitionIndex: partition.partitionIndex, errorCode: 0, errorMessage: null };
    }),
  }));
  const reply = { throttleTimeMs: 0, allowReplicationFactorChange, errorCode: 0, errorMessage: null, responses };
  return { records, reply };
}

function reassign(
  context: DecisionContext,
  name: string,
  { partitionIndex, replicas }: Wanted,
  mayChangeFactor: boolean,
): { readonly record: MetadataRecord | undefined } | Refusal {
  const topic = topicNamed(context.image, name);
  if (topic === undefined) return refusal("UNKNOWN_TOPIC_OR_PARTITION", `Unable to find a topic named ${name}.`);
  const partition = topic.partitions.get(partitionIndex);
  if (partition === undefined) {
    return refusal("UNKNOWN_TOPIC_OR_PARTITION", `Unable to find partition ${name}:${partitionIndex}.`);
  }
  const target =
    replicas === null
      ? reverted(context, topic, partitionIndex, partition)
      : moved(context.image, partition, replicas, mayChangeFactor);
  return isRefusal(target) ? target : { record: partitionChange(context, topic, partitionIndex, target) };
}

/** Cancels a reassignment: the adding replicas go, the removing ones stay. */
function reverted(
  { image, settings }: DecisionContext,
  topic: TopicImage,
  partitionId: PartitionIndex,
  partition: PartitionImage,
): PartitionTarget | Refusal {
  if (!isReassigned(partition)) return refusal("NO_REASSIGNMENT_IN_PROGRESS", null);
  const replicas = without(partition.replicas, ...partition.addingReplicas);
  const inSync = without(partition.isr, ...partition.addingReplicas);
  const { uncleanLeaderElection } = settings.replication(image, topic.name);
  const isr = inSync.length === 0 ? replicas.slice(0, 1) : inSync;
  if (isr.length === 0) {
    return refusal("INVALID_REPLICA_ASSIGNMENT", "Invalid replica assignment: addingReplicas contains all replicas.");
  }
  if (inSync.length === 0 && !uncleanLeaderElection) {
    const why = "because it would require an unclean leader election.";
    const what = `Unable to revert partition assignment for ${topic.name}:${partitionId}`;
    return refusal("INVALID_REPLICA_ASSIGNMENT", `${what} ${why}`);
  }
  const election = uncleanLeaderElection ? "unclean" : "online";
  return { replicas, isr, adding: [], removing: [], election };
}

function moved(
  image: MetadataImage,
  partition: PartitionImage,
  replicas: readonly BrokerId[],
  mayChangeFactor: boolean,
): PartitionTarget | Refusal {
  const fault = assignmentFault(image, replicas, undefined);
  if (fault !== undefined) return fault;
  const factor = without(partition.replicas, ...partition.removingReplicas).length;
  if (!mayChangeFactor && factor !== replicas.length) {
    const message = `The replication factor is changed from ${factor} to ${replicas.length}`;
    return refusal("INVALID_REPLICATION_FACTOR", message);
  }
  const ascending = (ids: readonly BrokerId[]) => [...ids].sort((a, b) => a - b);
  const removing = ascending(without(partition.replicas, ...replicas));
  // A replica that an ongoing reassignment adds is still to be added, if it stays.
  const settled = without(partition.replicas, ...partition.addingReplicas);
  const adding = ascending(without(replicas, ...settled));
  return { replicas: [...replicas, ...removing], removing, adding };
}

/** ListPartitionReassignments: ongoing reassignments of the named partitions; null: of all. */
export function listPartitionReassignments(
  image: MetadataImage,
  { topics }: ListPartitionReassignmentsRequest,
): ListPartitionReassignmentsResponse {
  const asked = topics ?? topicsByName(image).map(({ name }) => ({ name, partitionIndexes: undefined }));
  const found = asked.flatMap(({ name, partitionIndexes }) => {
    const topic = topicNamed(image, name);
    if (topic === undefined) return [];
    const partitions = [...(partitionIndexes ?? topic.partitions.keys())].flatMap(partitionIndex => {
      const partition = topic.partitions.get(partitionIndex);
      if (partition === undefined || !isReassigned(partition)) return [];
      const { replicas, addingReplicas, removingReplicas } = partition;
      return [
        {
          partitionIndex,
          replicas: [...replicas],
          addingReplicas: [...addingReplicas],
          removingReplicas: [...removingReplicas],
        },
      ];
    });
    return partitions.length === 0 ? [] : [{ name, partitions }];
  });
  return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, topics: found };
}
