import { listPartitionReassignments as listed } from "@samsa/controller";
import type { AlterPartitionReassignmentsRequest, ListPartitionReassignmentsRequest } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

export function alterPartitionReassignments(
  broker: Broker,
  request: AlterPartitionReassignmentsRequest,
  _context: RequestContext,
  reply: (response: object) => void,
): void {
  broker.decided("alterPartitionReassignments", request, reply, ({ code: errorCode, message: errorMessage }) => ({
    throttleTimeMs: 0,
    errorCode,
    errorMessage,
    responses: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode, errorMessage })),
    })),
  }));
}

export function listPartitionReassignments(
  broker: Broker,
  request: ListPartitionReassignmentsRequest,
  _context: RequestContext,
  reply: (response: object) => void,
): void {
  reply(listed(broker.topics.image, request));
}
