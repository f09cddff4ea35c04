import type { Logger } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { AnyReply } from "../api-row.ts";
import type { ServedApi } from "../apis.ts";
import type { Action, Authorizer } from "./authorizer.ts";
import type { RequestError } from "../error-responses.ts";
import type { BrokerParts } from "../parts.ts";
import type { RequestContext } from "./requests.ts";

const DENIED = {
  CLUSTER: Errors.CLUSTER_AUTHORIZATION_FAILED,
  GROUP: Errors.GROUP_AUTHORIZATION_FAILED,
  TOPIC: Errors.TOPIC_AUTHORIZATION_FAILED,
  TRANSACTIONAL_ID: Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
} as const;

function denial(api: ServedApi, { operation, resource }: Action): RequestError {
  return { ...DENIED[resource], detail: `${api.name} needs the permission ${operation} on the resource ${resource}.` };
}

/**
 * Checks permissions, calls the handler of a decoded request, and answers if the handler fails (`KafkaApis.handle`).
 */
export class RequestHandler {
  readonly #parts: BrokerParts;
  readonly #authorizer: Authorizer;
  readonly #logger: Logger;

  constructor(parts: BrokerParts, authorizer: Authorizer) {
    this.#parts = parts;
    this.#authorizer = authorizer;
    this.#logger = parts.env.logger;
  }

  /** Handles a request, and replies once, now or later; never throws. */
  handle(api: ServedApi, request: object, context: RequestContext, reply: AnyReply): void {
    let isReplied = false;
    const once: AnyReply = (response, sent) => {
      isReplied = true;
      reply(response, sent);
    };
    try {
      const action = api.action(request);
      if (action !== undefined && !this.#authorizer.allows({ user: context.user, host: context.peer.host }, action)) {
        return once(api.failure(request, denial(api, action), context.version));
      }
      api.handle(this.#parts, request, context, once);
    } catch (error) {
      this.#logger.error("request failed", { api: api.name, version: context.version, error });
      if (!isReplied) reply(api.failure(request, { ...Errors.UNKNOWN_SERVER_ERROR, detail: null }, context.version));
    }
  }
}
