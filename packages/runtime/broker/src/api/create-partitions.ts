import type { CreatePartitionsRequest } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

/** From this version on a client knows that a quota can refuse what it asks for. */
const STRICT_VERSION = 3;

export function createPartitions(
  broker: Broker,
  request: CreatePartitionsRequest,
  context: RequestContext,
  reply: (response: object) => void,
): void {
  broker.decided(
    "createPartitions",
    request,
    reply,
    ({ code: errorCode, message: errorMessage }) => ({
      throttleTimeMs: 0,
      results: request.topics.map(({ name }) => ({ name, errorCode, errorMessage })),
    }),
    broker.mutations(context, STRICT_VERSION),
  );
}
