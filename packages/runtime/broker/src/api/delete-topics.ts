import { ZERO_UUID } from "@samsa/base";
import { type DeleteTopicsRequest, Errors } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

/** First version that names topics by id or name; before it there is only a list of names. */
const STATES_VERSION = 6;

export function deleteTopics(
  broker: Broker,
  request: DeleteTopicsRequest,
  context: RequestContext,
  reply: (response: object) => void,
): void {
  const topics =
    context.version >= STATES_VERSION ? request.topics : request.topicNames.map(name => ({ name, topicId: ZERO_UUID }));
  broker.decided("deleteTopics", { ...request, topics }, reply, () => ({
    throttleTimeMs: 0,
    responses: topics.map(({ name, topicId }) => ({
      name,
      topicId,
      errorCode: Errors.UNKNOWN_SERVER_ERROR.code,
    })),
  }));
}
