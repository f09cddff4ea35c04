import { type DescribeClusterRequest, Errors } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

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
      ? "The request was sent to an endpoint of the wrong type: this is a broker."
      : `Unsupported endpoint type ${endpointType}`;
    reply({ ...base, errorCode: error.code, errorMessage, brokers: [] });
    return;
  }
  const brokers = broker.nodes(context.listener).map(({ nodeId, ...node }) => ({ brokerId: nodeId, ...node }));
  reply({ ...base, errorCode: 0, controllerId: broker.nodeId, brokers });
}
