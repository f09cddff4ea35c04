import { type CreateTopicsRequest, Errors } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

export function createTopics(
  broker: Broker,
  request: CreateTopicsRequest,
  _context: RequestContext,
  reply: (response: object) => void,
): void {
  broker.decided("createTopics", request, reply, () => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ name }) => ({
      name,
      errorCode: Errors.UNKNOWN_SERVER_ERROR.code,
      errorMessage: Errors.UNKNOWN_SERVER_ERROR.message,
      configs: [],
    })),
  }));
}
