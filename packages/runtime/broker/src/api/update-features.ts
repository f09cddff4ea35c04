import type { UpdateFeaturesRequest } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

/** From this version on only the request as a whole has an outcome (KIP-1014). */
const ONE_OUTCOME_VERSION = 2;

export function updateFeatures(
  broker: Broker,
  request: UpdateFeaturesRequest,
  context: RequestContext,
  reply: (response: object) => void,
): void {
  const answer = (response: object): void =>
    reply(context.version >= ONE_OUTCOME_VERSION ? { ...response, results: [] } : response);
  broker.decided("updateFeatures", request, answer, ({ code: errorCode, message: errorMessage }) => ({
    throttleTimeMs: 0,
    errorCode,
    errorMessage,
    results: [],
  }));
}
