import { Errors } from "@samsa/protocol";
import { clusterOperations } from "../../request/authorized-operations.ts";
import type { Handler } from "../../request/handler.ts";
import { anyOf, fencedNodes } from "../../metadata/broker-nodes.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "clusterId" | "env" | "nodes" | "topics">;

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
  const fenced = request.includeFencedBrokers ? fencedNodes(parts.topics.image, context.listener) : [];
  const ids = new Set(nodes.map(({ nodeId }) => nodeId));
  const brokers = [
    ...nodes.map(({ nodeId, ...node }) => ({ brokerId: nodeId, ...node, isFenced: false })),
    // This broker is among the nodes as soon as it serves.
    ...fenced
      .filter(({ nodeId }) => !ids.has(nodeId))
      .map(({ nodeId, ...node }) => ({ brokerId: nodeId, ...node, isFenced: true })),
  ].sort((a, b) => a.brokerId - b.brokerId);
  const clusterAuthorizedOperations = clusterOperations(context, request.includeClusterAuthorizedOperations);
  reply({ ...base, errorCode: 0, controllerId: anyOf(nodes, parts.env.random), brokers, clusterAuthorizedOperations });
};
