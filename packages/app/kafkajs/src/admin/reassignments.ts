import { KafkaError } from "@samsa/client-kernel";
import type { ClusterClient } from "@samsa/client-runtime";
import { protocolError } from "../error/convert.ts";
import { KafkaJSAggregateError, KafkaJSAlterPartitionReassignmentsError } from "../error/errors.ts";
import type { ListPartitionReassignmentsResponse, PartitionReassignment } from "./types.ts";

const TIMEOUT = 5000;

/** Throws an error of an answer, which is tried again if it may pass. */
function check({
  errorCode,
  errorMessage,
}: {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}): void {
  if (errorCode !== 0) throw KafkaError.of(errorCode, "the reassignments", errorMessage);
}

export async function alterReassignments(
  client: ClusterClient,
  topics: readonly PartitionReassignment[],
  timeoutMs = TIMEOUT,
): Promise<void> {
  const asked = topics.map(({ topic: name, partitionAssignment }) => ({
    name,
    partitions: partitionAssignment.map(({ partition, replicas }) => ({ partitionIndex: partition, replicas })),
  }));
  const { responses } = await client.retrying(client.patience(), async () => {
    const answer = await client.callAny("AlterPartitionReassignments", { timeoutMs, topics: asked });
    check(answer);
    return answer;
  });
  const errors = responses.flatMap(({ name, partitions }) =>
    partitions
      .filter(({ errorCode }) => errorCode !== 0)
      .map(({ partitionIndex, errorCode, errorMessage }) => {
        const error = protocolError(errorCode, `${name}-${partitionIndex}`, errorMessage);
        return new KafkaJSAlterPartitionReassignmentsError(error, name, partitionIndex);
      }),
  );
  if (errors.length === 0) return;
  throw new KafkaJSAggregateError(
    `Errors altering partition reassignments: ${errors.map(({ message }) => message).join("; ")}`,
    errors,
  );
}

export async function listReassignments(
  client: ClusterClient,
  topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[] | null,
  timeoutMs = TIMEOUT,
): Promise<ListPartitionReassignmentsResponse> {
  const asked = topics?.map(({ topic: name, partitions: partitionIndexes }) => ({ name, partitionIndexes })) ?? null;
  const answer = await client.retrying(client.patience(), async () => {
    const found = await client.callAny("ListPartitionReassignments", { timeoutMs, topics: asked });
    check(found);
    return found;
  });
  return {
    topics: answer.topics.map(({ name: topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partitionIndex, replicas, addingReplicas, removingReplicas }) => ({
        ...{ partitionIndex, replicas: [...replicas] },
        ...{ addingReplicas: [...addingReplicas], removingReplicas: [...removingReplicas] },
      })),
    })),
  };
}
