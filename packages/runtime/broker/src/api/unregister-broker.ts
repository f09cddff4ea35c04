import { Errors, type UnregisterBrokerRequest } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

export function unregisterBroker(
  broker: Broker,
  request: UnregisterBrokerRequest,
  _context: RequestContext,
  reply: (response: object) => void,
): void {
  const { code: errorCode, message: errorMessage } = Errors.UNKNOWN_SERVER_ERROR;
  broker.decided("unregisterBroker", request, reply, () => ({ throttleTimeMs: 0, errorCode, errorMessage }));
}
