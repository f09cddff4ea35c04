import { listPartitionReassignments as listed } from "@samsa/controller";
import {
  type AlterPartitionReassignmentsRequest,
  Errors,
  type ListPartitionReassignmentsRequest,
} from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

export function alterPartitionReassignments(
  broker: Broker,
  request: AlterPartitionReassignmentsRequest,
  _context: RequestContext,
  reply: (response: object) => void,
): void {
  const { code: errorCode, message: errorMessage } = Errors.UNKNOWN_SERVER_ERROR;
  broker.decided("alterPartitionReassignments", request, reply, () => ({
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
