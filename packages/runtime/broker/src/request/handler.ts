import type { ApiName, Apis, Draft, Exact, Infer } from "@samsa/protocol";
import type { TopicContext } from "./request-topics.ts";
import type { RequestContext } from "./request-context.ts";

export type RequestOf<N extends ApiName> = Infer<(typeof Apis)[N]["request"]>;
export type ResponseOf<N extends ApiName> = Draft<(typeof Apis)[N]["response"]>;

/** Element type of the array field `F` of a response. */
export type ItemOf<N extends ApiName, F extends keyof ResponseOf<N>> =
  NonNullable<ResponseOf<N>[F]> extends readonly (infer E)[] ? E : never;

/**
 * Answers a request, exactly once; null sends nothing (acks=0). The response has no field that its schema lacks. `sent`
 * is called once the memory that the response refers to may be reused, or never.
 */
export type Reply<N extends ApiName> = <T extends ResponseOf<N>>(
  response: (T & Exact<T, ResponseOf<N>>) | null,
  sent?: () => void,
) => void;

/**
 * Handles the requests of one API, and replies now or later. `Needs` are the parts of the server that it uses, `Context`
 * is what it learns about the request's origin. The API's name is part of the type: a handler in the row of another API
 * does not compile, even if the requests are alike.
 */
export interface Handler<N extends ApiName, Needs, Context = RequestContext> {
  (parts: Needs, request: RequestOf<N>, context: Context, reply: Reply<N>): void;
  readonly api?: N;
}

/** Handler of an API that names topics: its row declares the operation on them. */
export type TopicHandler<N extends ApiName, Needs> = Handler<N, Needs, TopicContext>;
