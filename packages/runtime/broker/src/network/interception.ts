import type { Env } from "@samsa/base";
import { type ApiName, type ErrorName, Errors } from "@samsa/protocol";
import type { ServedApi } from "../api/parts.ts";
import type { AnyReply } from "../request/api-row.ts";
import type { RequestOrigin } from "../request/request-context.ts";
import type { RequestHandling } from "./connection.ts";

/** Request of a client that an interceptor sees before it is handled. */
export interface InterceptedRequest {
  readonly api: ApiName;
  readonly version: number;
  readonly clientId: string | null;
  readonly listener: string;
  /** Decoded request; its bytes are valid during the call only. */
  readonly body: object;
}

/** Fate of a request. */
export type Interception =
  /** Refuse it with an error, in the way in which its API tells errors. */
  | { readonly error: ErrorName }
  /** Handle it after a while; later requests of its connection wait. */
  | { readonly delayMs: number }
  /** Close the connection before the request is handled. */
  | { readonly lost: "request" }
  /** Close the connection once the request is handled, instead of answering. */
  | { readonly lost: "response" };

/** Decides on the fate of requests, for tests of clients; undefined: the request is handled. */
export type Interceptor = (request: InterceptedRequest) => Interception | undefined;

/** Puts an interceptor before the handler of requests. */
export class InterceptedRequests implements RequestHandling<ServedApi> {
  readonly #env: Env;
  readonly #requests: RequestHandling<ServedApi>;
  readonly #intercept: Interceptor;

  constructor(env: Env, requests: RequestHandling<ServedApi>, intercept: Interceptor) {
    this.#env = env;
    this.#requests = requests;
    this.#intercept = intercept;
  }

  handle(api: ServedApi, request: object, context: RequestOrigin, reply: AnyReply): void {
    const { version, clientId, listener } = context;
    let fate: Interception | undefined;
    try {
      fate = this.#intercept({ api: api.name, version, clientId, listener, body: request });
    } catch (error) {
      this.#env.logger.error("an interceptor has failed", { error });
    }
    if (fate === undefined) this.#requests.handle(api, request, context, reply);
    else if ("error" in fate) reply(api.failure(request, { ...Errors[fate.error], detail: null }, version));
    else if ("delayMs" in fate) this.#later(fate.delayMs, { api, request, context, reply });
    else if (fate.lost === "request") context.close("the request was intercepted");
    else this.#requests.handle(api, request, context, () => context.close("the response was intercepted"));
  }

  #later(
    ms: number,
    { api, request, context, reply }: { api: ServedApi; request: object; context: RequestOrigin; reply: AnyReply },
  ): void {
    const kept = copied(request);
    context.memory?.keep();
    this.#env.timers.after(ms, () => {
      this.#requests.handle(api, kept, context, reply);
      context.memory?.free();
    });
  }
}

/** Copy of a decoded request whose bytes stay valid: the memory of the frame is reused. */
function copied<T>(value: T): T {
  // The result has the shape of the value, which the compiler does not follow through the entries.
  if (value instanceof Uint8Array) return value.slice() as T;
  if (Array.isArray(value)) return value.map(copied) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, copied(field as unknown)])) as T;
}
