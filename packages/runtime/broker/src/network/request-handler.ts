import type { Logger } from "@samsa/base";
import type { AnyReply } from "../request/api-row.ts";
import type { Topics } from "../replica/topics.ts";
import type { Authorizer } from "@samsa/security";
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
    const { version, user, peer } = origin;
    if (api.isEnabled?.(this.#parts) === false) return reply(switchedOff(api, request, version));
    const client = { user, host: peer.host };
    const asked = { request, version, client, close: (reason: string) => origin.close(reason), reply };
    authorized({ authorizer: this.#authorizer, logger: this.#logger }, api, asked, (permitted, access, answer) => {
      const topics = api.topics && new RequestTopics(this.#topics, access, api.topics, version);
      const context: RequestContext | TopicContext =
        topics === undefined ? { ...origin, access } : { ...origin, access, topics };
      api.handle(this.#parts, permitted, context, answer);
    });
  }
}
