import type { ApiVersionsRequest } from "@samsa/protocol";
import { Errors } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

/** What a client may call itself (KIP-511, `ApiVersionsRequest.isValid`). */
const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

export function apiVersions(
  broker: Broker,
  request: ApiVersionsRequest,
  context: RequestContext,
  reply: (response: object) => void,
): void {
  const { clientSoftwareName: name, clientSoftwareVersion: version } = request;
  if (context.version >= 3 && (!SOFTWARE.test(name) || !SOFTWARE.test(version))) {
    reply({ errorCode: Errors.INVALID_REQUEST.code, apiKeys: [], throttleTimeMs: 0 });
    return;
  }
  if (context.version >= 5) {
    const fault = targetFault(broker, request);
    if (fault !== 0) {
      reply({ errorCode: fault, apiKeys: [], throttleTimeMs: 0 });
      return;
    }
  }
  if (context.version >= 3) context.peer.software = { name, version };
  reply(broker.apiVersionsAnswer(context.version));
}

/** A client that remembers another cluster or node than this is told to begin anew (KIP-1242). */
function targetFault(broker: Broker, request: ApiVersionsRequest): number {
  const { clusterId, nodeId } = request;
  if ((clusterId === null) !== (nodeId === -1)) return Errors.INVALID_REQUEST.code;
  if (clusterId === null) return 0;
  return clusterId === broker.clusterId && nodeId === broker.nodeId ? 0 : Errors.REBOOTSTRAP_REQUIRED.code;
}
