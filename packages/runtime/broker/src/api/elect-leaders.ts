import type { ElectLeadersRequest } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

export function electLeaders(
  broker: Broker,
  request: ElectLeadersRequest,
  { version }: RequestContext,
  reply: (response: object) => void,
): void {
  broker.decided("electLeaders", request, reply, ({ code: errorCode, message: errorMessage }) => ({
    throttleTimeMs: 0,
    // Version 0 has errors of partitions only.
    errorCode: version === 0 ? 0 : errorCode,
    replicaElectionResults: (request.topicPartitions ?? []).map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map(partitionId => ({ partitionId, errorCode, errorMessage })),
    })),
  }));
}
