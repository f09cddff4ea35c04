import type { Logger } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { AnyReply } from "../request/api-row.ts";
import type { Topics } from "../replica/topics.ts";
import { type Authorizer, AuthorizerNotReadyError } from "@samsa/security";
import { Access } from "../request/access.ts";
import { authorized, switchedOff } from "../request/authorization.ts";
import type { BrokerParts, ServedApi } from "../api/parts.ts";
import { RequestTopics, type TopicContext } from "../request/request-topics.ts";
import type { RequestContext, RequestOrigin } from "../request/request-context.ts";

/**
 * Checks permissions, gives a request that names topics its view of them, calls the handler of the decoded request, and
 * answers if the handler fails (`KafkaApis.handle`).
 */
export class RequestHandler {
  readonly #parts: BrokerParts;
  readonly #topics: Topics;
  readonly #authorizer: Authorizer;
  readonly #logger: Logger;

  constructor(parts: BrokerParts, topics: Topics, authorizer: Authorizer) {
    this.#parts = parts;
    this.#topics = topics;
    this.#authorizer = authorizer;
    this.#logger = parts.env.logger;
  }

  /** Handles a request, and replies once, now or later; never throws. */
  handle(api: ServedApi, request: object, origin: RequestOrigin, reply: AnyReply): void {
    const { version } = origin;
    let isReplied = false;
    const once: AnyReply = (response, sent) => {
      isReplied = true;
      reply(response, sent);
    };
    try {
      const access = new Access(this.#authorizer, { user: origin.user, host: origin.peer.host, api: api.name });
      if (api.isEnabled?.(this.#parts) === false) return once(switchedOff(api, request, version));
      const asked = { request, version, access, close: (reason: string) => origin.close(reason) };
      authorized(api, asked, once, (permitted, answer) => {
        const topics = api.topics && new RequestTopics(this.#topics, access, api.topics, version);
        const context: RequestContext | TopicContext =
          topics === undefined ? { ...origin, access } : { ...origin, access, topics };
        api.handle(this.#parts, permitted, context, answer);
      });
    } catch (error) {
      if (error instanceof AuthorizerNotReadyError) this.#logger.info(error.message, { api: api.name });
      else this.#logger.error("request failed", { api: api.name, version, error });
      if (!isReplied) reply(api.failure(request, { ...Errors.UNKNOWN_SERVER_ERROR, detail: null }, version));
    }
  }
}
