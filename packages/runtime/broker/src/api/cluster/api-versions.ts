import type { ApiVersionsRequest } from "@samsa/protocol";
import { Errors } from "@samsa/protocol";
import { announcedFeatures } from "../../metadata/features.ts";
import type { Handler } from "../../request/handler.ts";
import { isIntroduction } from "../../request/introduction.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "apis" | "clusterId" | "kraftVersion" | "nodeId" | "topics">;

export const apiVersions: Handler<"ApiVersions", Needs> = (parts, request, context, reply) => {
  const { clientSoftwareName: name, clientSoftwareVersion: version } = request;
  if (!isIntroduction(request, context.version)) {
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
  const features = announcedFeatures(parts.topics.image, parts.kraftVersion(), context.version);
  reply({ errorCode: 0, apiKeys: parts.apis(), throttleTimeMs: 0, ...features });
};

/** Error for a client that expects another cluster or node, so that it bootstraps again (KIP-1242). */
function targetFault(parts: Needs, request: ApiVersionsRequest): number {
  const { clusterId, nodeId } = request;
  if (clusterId === null) return 0;
  return clusterId === parts.clusterId && nodeId === parts.nodeId ? 0 : Errors.REBOOTSTRAP_REQUIRED.code;
}
