import { Errors, type IncrementalAlterConfigsRequest } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

export function incrementalAlterConfigs(
  broker: Broker,
  request: IncrementalAlterConfigsRequest,
  _context: RequestContext,
  reply: (response: object) => void,
): void {
  broker.decided("incrementalAlterConfigs", request, reply, () => ({
    throttleTimeMs: 0,
    responses: request.resources.map(({ resourceType, resourceName }) => ({
      errorCode: Errors.UNKNOWN_SERVER_ERROR.code,
      errorMessage: Errors.UNKNOWN_SERVER_ERROR.message,
      resourceType,
      resourceName,
    })),
  }));
}
