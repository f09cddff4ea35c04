import { listPartitionReassignments as listed } from "@samsa/controller";
import { Errors } from "@samsa/protocol";
import { METADATA_VERSION, metadataVersionOf } from "@samsa/metadata";
import { ALTER_CLUSTER, apiRow, DESCRIBE_CLUSTER } from "../request/api-row.ts";
import { announcedFeatures } from "../metadata/features.ts";
import { clusterOperations } from "../request/authorized-operations.ts";
import { isIntroduction } from "../request/introduction.ts";
import type { ControllerContext, ControllerParts, ControllerRow } from "./controller-row.ts";

const BROKERS = 1;
const CONTROLLERS = 2;
const UNKNOWN = "There is no finalized MetadataVersion, so direct-to-controller communication is not supported.";
const TOO_OLD = "Direct-to-controller communication is not supported with the current MetadataVersion.";

/** ApiVersions on a listener of controllers (`SimpleApiVersionManager`). */
export const apiVersions: ControllerRow = apiRow<"ApiVersions", ControllerParts, ControllerContext>(
  "ApiVersions",
  ({ apis, image, quorum }, request, { version }, reply) => {
    if (!isIntroduction(request, version)) {
      reply({ errorCode: Errors.INVALID_REQUEST.code, apiKeys: [], throttleTimeMs: 0 });
      return;
    }
    const features = announcedFeatures(image(), quorum.kraftVersion, version);
    reply({ errorCode: 0, apiKeys: apis(), throttleTimeMs: 0, ...features });
  },
  {},
);

/** DescribeCluster of controllers (KIP-919). */
export const describeCluster: ControllerRow = apiRow<"DescribeCluster", ControllerParts, ControllerContext>(
  "DescribeCluster",
  ({ clusterId, image, quorum }, request, context, reply) => {
    const { listener } = context;
    const { endpointType } = request;
    const base = { throttleTimeMs: 0, endpointType: CONTROLLERS, clusterId };
    const refuse = ({ code }: { readonly code: number }, errorMessage: string): void =>
      reply({ ...base, errorCode: code, errorMessage, brokers: [] });
    if (endpointType !== CONTROLLERS) {
      if (endpointType !== BROKERS)
        return refuse(Errors.UNSUPPORTED_ENDPOINT_TYPE, `Unsupported endpoint type ${endpointType}`);
      const why = "The request was sent to an endpoint of type CONTROLLER, but we wanted an endpoint of type BROKER";
      return refuse(Errors.MISMATCHED_ENDPOINT_TYPE, why);
    }
    const metadata = image();
    if (metadata.features.size === 0) return refuse(Errors.UNSUPPORTED_VERSION, UNKNOWN);
    if (metadataVersionOf(metadata) < METADATA_VERSION.controllersRegister) {
      return refuse(Errors.UNSUPPORTED_VERSION, TOO_OLD);
    }
    const brokers = [...metadata.controllers.values()].flatMap(({ controllerId, endPoints }) => {
      const endpoint = endPoints.find(({ name }) => name === listener);
      if (endpoint === undefined) return [];
      return [{ brokerId: controllerId, host: endpoint.host, port: endpoint.port, rack: null }];
    });
    const clusterAuthorizedOperations = clusterOperations(context, request.includeClusterAuthorizedOperations);
    reply({ ...base, errorCode: 0, controllerId: quorum.leaderId ?? -1, brokers, clusterAuthorizedOperations });
  },
  // Kafka asks for more than on a broker, where DESCRIBE is enough.
  ALTER_CLUSTER,
);

/** ListPartitionReassignments: those of the committed metadata. */
export const listPartitionReassignments: ControllerRow = apiRow<
  "ListPartitionReassignments",
  ControllerParts,
  ControllerContext
>(
  "ListPartitionReassignments",
  ({ image }, request, _context, reply) => reply(listed(image(), request)),
  DESCRIBE_CLUSTER,
);
