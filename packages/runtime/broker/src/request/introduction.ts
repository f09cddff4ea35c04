import type { ApiVersionsRequest } from "@samsa/protocol";

/** Valid names and versions of client software (KIP-511). */
const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

/**
 * True if an ApiVersions request names its software, and the node that it expects whole or not at all
 * (`ApiVersionsRequest.isValid`; KIP-511, KIP-1242).
 */
export function isIntroduction(request: ApiVersionsRequest, version: number): boolean {
  const { clientSoftwareName, clientSoftwareVersion, clusterId, nodeId } = request;
  if (version >= 5 && (clusterId === null) !== (nodeId === -1)) return false;
  return version < 3 || (SOFTWARE.test(clientSoftwareName) && SOFTWARE.test(clientSoftwareVersion));
}
