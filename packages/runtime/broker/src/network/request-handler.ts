import type { Logger } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { AnyReply } from "../request/api-row.ts";
import type { Topics } from "../replica/topics.ts";
import type { Authorizer } from "../request/authorizer.ts";
import { denial } from "../request/denial.ts";
import type { BrokerParts, ServedApi } from "../api/parts.ts";
import { RequestTopics, type TopicContext } from "../request/request-topics.ts";
import type { RequestContext } from "../request/request-context.ts";

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
  handle(api: ServedApi, request: object, context: RequestContext, reply: AnyReply): void {
    let isReplied = false;
    const once: AnyReply = (response, sent) => {
      isReplied = true;
      reply(response, sent);
    };
    try {
      const gate = { authorizer: this.#authorizer, client: { user: context.user, host: context.peer.host } };
      const action = api.action(request, context.version);
      if (action !== undefined && !gate.authorizer.allows(gate.client, action)) {
        return once(api.failure(request, denial(api.name, action), context.version));
      }
      if (api.topics === undefined) return api.handle(this.#parts, request, context, once);
      const topics = new RequestTopics(this.#topics, gate, api.topics, context.version);
      const seen: TopicContext = { ...context, topics };
      api.handle(this.#parts, request, seen, once);
    } catch (error) {
      this.#logger.error("request failed", { api: api.name, version: context.version, error });
      if (!isReplied) reply(api.failure(request, { ...Errors.UNKNOWN_SERVER_ERROR, detail: null }, context.version));
    }
  }
}
