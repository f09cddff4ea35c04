import { Errors } from "@samsa/protocol";
import { ALLOWED, NOT_ASKED } from "../../request/authorized-operations.ts";
import type { Handler } from "../../request/handler.ts";
import { anyOf } from "../../metadata/broker-nodes.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "clusterId" | "env" | "nodes">;

const BROKERS = 1;
const CONTROLLERS = 2;

export const describeCluster: Handler<"DescribeCluster", Needs> = (parts, request, context, reply) => {
  const { endpointType } = request;
  const base = { throttleTimeMs: 0, endpointType, clusterId: parts.clusterId };
  if (endpointType !== BROKERS) {
    const known = endpointType === CONTROLLERS;
    const error = known ? Errors.MISMATCHED_ENDPOINT_TYPE : Errors.UNSUPPORTED_ENDPOINT_TYPE;
    const errorMessage = known
      ? "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
      : `Unsupported endpoint type ${endpointType}`;
    reply({ ...base, endpointType: BROKERS, errorCode: error.code, errorMessage, brokers: [] });
    return;
  }
  const nodes = parts.nodes(context.listener);
  const brokers = nodes.map(({ nodeId, ...node }) => ({ brokerId: nodeId, ...node }));
  const clusterAuthorizedOperations = request.includeClusterAuthorizedOperations ? ALLOWED.cluster : NOT_ASKED;
  reply({ ...base, errorCode: 0, controllerId: anyOf(nodes, parts.env.random), brokers, clusterAuthorizedOperations });
};
