import { type DescribeClusterRequest, Errors } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";
import { ALLOWED, NOT_ASKED } from "./partition-state.ts";

const BROKERS = 1;
const CONTROLLERS = 2;

export function describeCluster(
  broker: Broker,
  request: DescribeClusterRequest,
  context: RequestContext,
  reply: (response: object) => void,
): void {
  const { endpointType } = request;
  const base = { throttleTimeMs: 0, endpointType, clusterId: broker.clusterId };
  if (endpointType !== BROKERS) {
    const known = endpointType === CONTROLLERS;
    const error = known ? Errors.MISMATCHED_ENDPOINT_TYPE : Errors.UNSUPPORTED_ENDPOINT_TYPE;
    const errorMessage = known
      ? "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
      : `Unsupported endpoint type ${endpointType}`;
    reply({ ...base, endpointType: BROKERS, errorCode: error.code, errorMessage, brokers: [] });
    return;
  }
  const brokers = broker.nodes(context.listener).map(({ nodeId, ...node }) => ({ brokerId: nodeId, ...node }));
  const clusterAuthorizedOperations = request.includeClusterAuthorizedOperations ? ALLOWED.cluster : NOT_ASKED;
  reply({ ...base, errorCode: 0, controllerId: broker.nodeId, brokers, clusterAuthorizedOperations });
}
