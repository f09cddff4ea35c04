import { ZERO_UUID } from "@samsa/base";
import { type DeleteTopicsRequest, Errors } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

/** Below this version a client does not know that deletion can be disabled. */
const DISABLED_VERSION = 3;
/** From this version on a client knows that a quota can refuse what it asks for. */
const STRICT_VERSION = 5;

export function deleteTopics(
  broker: Broker,
  request: DeleteTopicsRequest,
  context: RequestContext,
  reply: (response: object) => void,
): void {
  const failed = ({ code, message }: { readonly code: number; readonly message: string | null }) => ({
    throttleTimeMs: 0,
    // Old versions name topics in one list, newer ones in another.
    responses: [...request.topicNames.map(name => ({ name, topicId: ZERO_UUID })), ...request.topics].map(
      ({ name, topicId }) => ({ name, topicId, errorCode: code, errorMessage: message }),
    ),
  });
  if (!broker.config["delete.topic.enable"]) {
    const known = context.version >= DISABLED_VERSION;
    return reply(failed(known ? Errors.TOPIC_DELETION_DISABLED : Errors.INVALID_REQUEST));
  }
  broker.decided("deleteTopics", request, reply, failed, broker.mutations(context, STRICT_VERSION));
}
