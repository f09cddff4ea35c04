import { ZERO_UUID } from "@samsa/base";
import { type DeleteTopicsRequest, Errors } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

export function deleteTopics(
  broker: Broker,
  request: DeleteTopicsRequest,
  _context: RequestContext,
  reply: (response: object) => void,
): void {
  broker.decided("deleteTopics", request, reply, () => ({
    throttleTimeMs: 0,
    // Old versions name topics in one list, newer ones in another.
    responses: [...request.topicNames.map(name => ({ name, topicId: ZERO_UUID })), ...request.topics].map(
      ({ name, topicId }) => ({ name, topicId, errorCode: Errors.UNKNOWN_SERVER_ERROR.code }),
    ),
  }));
}
