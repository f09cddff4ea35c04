import { Errors, type UnregisterControllerRequest } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

export function unregisterController(
  broker: Broker,
  request: UnregisterControllerRequest,
  _context: RequestContext,
  reply: (response: object) => void,
): void {
  const { code: errorCode, message: errorMessage } = Errors.UNKNOWN_SERVER_ERROR;
  broker.decided("unregisterController", request, reply, () => ({ throttleTimeMs: 0, errorCode, errorMessage }));
}
