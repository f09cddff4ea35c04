import { type CreateTopicsRequest, Errors } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

/** From this version on a client knows that a quota can refuse what it asks for. */
const STRICT_VERSION = 6;

export function createTopics(
  broker: Broker,
  request: CreateTopicsRequest,
  context: RequestContext,
  reply: (response: object) => void,
): void {
  broker.decided(
    "createTopics",
    request,
    reply,
    () => ({
      throttleTimeMs: 0,
      topics: request.topics.map(({ name }) => ({
        name,
        errorCode: Errors.UNKNOWN_SERVER_ERROR.code,
        errorMessage: Errors.UNKNOWN_SERVER_ERROR.message,
        configs: [],
      })),
    }),
    broker.mutations(context, STRICT_VERSION),
  );
}
