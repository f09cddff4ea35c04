import type { BrokerId } from "@samsa/base";
import type { BrokerConnection, ResponseOf } from "@samsa/wire";
import { type BrokerPlace, type PartitionReplicas } from "../assignment/assignment.ts";
import { Failure } from "../terminal/failure.ts";
import { sentence } from "./admin.ts";

const TIMEOUT_MS = 30_000;
/** Interval at which the progress of reassignments is asked for, in ms. */
const PROGRESS_MS = 1000;

/** A broker, as DescribeCluster has it. */
export type BrokerFacts = ResponseOf<"DescribeCluster">["brokers"][number];
export type PartitionFacts = ResponseOf<"Metadata">["topics"][number]["partitions"][number] & {
  readonly topic: string;
};

/** Brokers of the cluster by id, fenced ones included if the server can tell. Rejects with a `Failure`. */
export async function describeBrokers(admin: BrokerConnection) {
  const answer = await admin.call("DescribeCluster", {
    includeClusterAuthorizedOperations: false,
    includeFencedBrokers: (admin.versions.latestUsable("DescribeCluster") ?? 0) >= 2,
  });
  if (answer.errorCode !== 0) throw new Failure(sentence(answer.errorCode, answer.errorMessage));
  return { ...answer, brokers: answer.brokers.toSorted((a, b) => a.brokerId - b.brokerId) };
}

/** Partitions of the named topics, or of all, in order. Rejects with a `Failure`. */
export async function describePartitions(
  admin: BrokerConnection,
  names: readonly string[] | null,
): Promise<PartitionFacts[]> {
  const { topics } = await admin.call("Metadata", {
    topics: names && names.map(name => ({ name })),
    allowAutoTopicCreation: false,
    includeTopicAuthorizedOperations: false,
  });
  const failed = topics.find(({ errorCode }) => errorCode !== 0);
  if (failed !== undefined) throw new Failure(`${failed.name}: ${sentence(failed.errorCode, null)}`);
  return topics
    .flatMap(({ name, partitions }) => partitions.map(partition => ({ ...partition, topic: name ?? "" })))
    .sort((a, b) => (a.topic === b.topic ? a.partitionIndex - b.partitionIndex : a.topic < b.topic ? -1 : 1));
}

/** Replicas of partitions as a plan takes them; those that are being removed are left out. */
export async function replicasOf(
  admin: BrokerConnection,
  partitions: readonly PartitionFacts[],
): Promise<PartitionReplicas[]> {
  const moving = new Map(
    (await listReassignments(admin)).map(({ topic, partition, removing }) => [`${topic}-${partition}`, removing]),
  );
  return partitions.map(({ topic, partitionIndex: partition, replicaNodes }) => {
    const removing = moving.get(`${topic}-${partition}`) ?? [];
    return { topic, partition, replicas: replicaNodes.filter(id => !removing.includes(id)) };
  });
}

/** Brokers that may get replicas: those that are not fenced, of the listed ones if there is a list. */
export function placesOf(brokers: readonly BrokerFacts[], listed?: readonly BrokerId[]): BrokerPlace[] {
  for (const id of listed ?? []) {
    const known = brokers.find(({ brokerId }) => brokerId === id);
    if (known === undefined)
      throw new Failure(`there is no broker ${id}: samsa broker list shows those that there are`);
    if (known.isFenced) throw new Failure(`broker ${id} does not run: start it, or leave it out`);
  }
  return brokers
    .filter(({ brokerId, isFenced }) => (listed === undefined ? !isFenced : listed.includes(brokerId)))
    .map(({ brokerId, rack }) => ({ id: brokerId, rack }));
}

/** A reassignment that is under way. */
export interface Reassignment {
  readonly topic: string;
  readonly partition: number;
  readonly replicas: readonly BrokerId[];
  readonly adding: readonly BrokerId[];
  readonly removing: readonly BrokerId[];
}

/** Reassignments that are under way. Rejects with a `Failure`. */
export async function listReassignments(admin: BrokerConnection): Promise<Reassignment[]> {
  const answer = await admin.call("ListPartitionReassignments", { timeoutMs: TIMEOUT_MS, topics: null });
  if (answer.errorCode !== 0) throw new Failure(sentence(answer.errorCode, answer.errorMessage));
  return answer.topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, replicas, addingReplicas, removingReplicas }) => ({
      topic: name,
      partition: partitionIndex,
      replicas,
      adding: addingReplicas,
      removing: removingReplicas,
    })),
  );
}

/** Target of a partition; null cancels its reassignment. */
export interface Target {
  readonly topic: string;
  readonly partition: number;
  readonly replicas: readonly BrokerId[] | null;
}

/** Starts or cancels reassignments. Rejects with a `Failure` that names a partition that was refused. */
export async function alterReassignments(admin: BrokerConnection, targets: readonly Target[]): Promise<void> {
  const names = [...new Set(targets.map(({ topic }) => topic))];
  const topics = names.map(name => ({
    name,
    partitions: targets
      .filter(({ topic }) => topic === name)
      .map(({ partition, replicas }) => ({ partitionIndex: partition, replicas: replicas && [...replicas] })),
  }));
  const request = { timeoutMs: TIMEOUT_MS, topics };
  const answer = await admin.call("AlterPartitionReassignments", request, { timeoutMs: TIMEOUT_MS });
  if (answer.errorCode !== 0) throw new Failure(sentence(answer.errorCode, answer.errorMessage));
  for (const { name, partitions } of answer.responses) {
    const failed = partitions.find(({ errorCode }) => errorCode !== 0);
    if (failed === undefined) continue;
    throw new Failure(`${name}-${failed.partitionIndex}: ${sentence(failed.errorCode, failed.errorMessage)}`);
  }
}

/** Resolves once none of the partitions is reassigned any more; calls back with the number that are left. */
export async function finished(
  admin: BrokerConnection,
  targets: readonly Target[],
  progress: (left: number) => void,
): Promise<void> {
  const wanted = new Set(targets.map(({ topic, partition }) => `${topic}-${partition}`));
  for (;;) {
    const all = await listReassignments(admin);
    const left = all.filter(({ topic, partition }) => wanted.has(`${topic}-${partition}`)).length;
    progress(left);
    if (left === 0) return;
    await new Promise(resolve => setTimeout(resolve, PROGRESS_MS));
  }
}
