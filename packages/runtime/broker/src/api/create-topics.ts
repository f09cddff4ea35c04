import type { CreateTopicsRequest } from "@samsa/protocol";
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
    ({ code: errorCode, message: errorMessage }) => ({
      throttleTimeMs: 0,
      topics: request.topics.map(({ name }) => ({ name, errorCode, errorMessage, configs: [] })),
    }),
    broker.mutations(context, STRICT_VERSION),
  );
}
