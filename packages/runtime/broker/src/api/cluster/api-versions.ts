import type { MetadataImage } from "@samsa/metadata";
import type { ApiVersionsRequest } from "@samsa/protocol";
import { Errors } from "@samsa/protocol";
import { FEATURES, KRAFT_FEATURE } from "../../metadata/features.ts";
import type { Handler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "apis" | "clusterId" | "kraftVersion" | "nodeId" | "topics">;

/** Valid names and versions of client software (KIP-511, `ApiVersionsRequest.isValid`). */
const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

export const apiVersions: Handler<"ApiVersions", Needs> = (parts, request, context, reply) => {
  const { clientSoftwareName: name, clientSoftwareVersion: version } = request;
  if (context.version >= 3 && (!SOFTWARE.test(name) || !SOFTWARE.test(version))) {
    reply({ errorCode: Errors.INVALID_REQUEST.code, apiKeys: [], throttleTimeMs: 0 });
    return;
  }
  if (context.version >= 5) {
    const fault = targetFault(parts, request);
    if (fault !== 0) {
      reply({ errorCode: fault, apiKeys: [], throttleTimeMs: 0 });
      return;
    }
  }
  if (context.version >= 3) context.peer.software = { name, version };
  const features = featuresOf(parts.topics.image, parts.kraftVersion(), context.version);
  reply({ errorCode: 0, apiKeys: parts.apis(), throttleTimeMs: 0, ...features });
};

/** First version of ApiVersions that may carry features with a minimum level of 0 (KAFKA-17011). */
const ZERO_MINIMUM_VERSION = 4;

/** Supported and finalised features, as fields of the response. */
function featuresOf(image: MetadataImage, kraftVersion: number, version: number) {
  const supportedFeatures = [...FEATURES, [KRAFT_FEATURE.name, KRAFT_FEATURE] as const]
    .filter(([, { min }]) => min > 0 || version >= ZERO_MINIMUM_VERSION)
    .map(([name, { min, max }]) => ({ name, minVersion: min, maxVersion: max }));
  const finalized = [...image.features, [KRAFT_FEATURE.name, kraftVersion] as const];
  return {
    supportedFeatures,
    finalizedFeaturesEpoch: image.provenance.offset,
    finalizedFeatures: finalized.map(([name, level]) => ({ name, maxVersionLevel: level, minVersionLevel: level })),
  };
}

/** Error for a client that expects another cluster or node, so that it bootstraps again (KIP-1242). */
function targetFault(parts: Needs, request: ApiVersionsRequest): number {
  const { clusterId, nodeId } = request;
  if ((clusterId === null) !== (nodeId === -1)) return Errors.INVALID_REQUEST.code;
  if (clusterId === null) return 0;
  return clusterId === parts.clusterId && nodeId === parts.nodeId ? 0 : Errors.REBOOTSTRAP_REQUIRED.code;
}
