import type { ByteReader, ByteWriter } from "@samsa/base";
import { type ApiName, Apis, type Listener } from "@samsa/protocol";
import { type ErrorResponse, errorResponses } from "./error-responses.ts";
import type { Handler, RequestOf } from "./handler.ts";
import { type AclOperation, type Action, CLUSTER_NAME } from "@samsa/security";
import type { EachPermission, ResourceList } from "./resource-list.ts";
import type { TopicAccess } from "./request-topics.ts";

/** `Reply` of an API whose type is not known to the caller. */
export type AnyReply = (response: object | null, sent?: () => void) => void;

/**
 * Permission for a whole request: on the cluster, on the group or transactional id that the request names, or on what its
 * type of key says. null, undefined: this request needs none.
 */
export type Permission<N extends ApiName> =
  | readonly [operation: AclOperation, resource: "CLUSTER"]
  | readonly [
      operation: AclOperation,
      resource: "CLUSTER" | "GROUP" | "TRANSACTIONAL_ID",
      nameOf: (request: RequestOf<N>, version: number) => string | null,
    ]
  | ((request: RequestOf<N>, version: number) => Action | undefined);

/**
 * Client quotas that a request counts against. `request`: its time (`sendResponseMaybeThrottle`). `produce`: its bytes
 * too. `exempt`: none (`sendResponseExemptThrottle`). `mutationsSince`: its time, and the partitions that it creates or
 * deletes (KIP-599), of which clients know THROTTLING_QUOTA_EXCEEDED from that version on. A handler that returns records
 * counts their bytes itself, because it withholds the records of a client above its quota.
 */
export type Throttle = "request" | "produce" | "exempt" | { readonly mutationsSince: number };

/** Columns of a row besides the API's name, its handler, and its topics. Kafka's schemas give the messages, versions and listeners. */
export interface Columns<N extends ApiName> {
  /** Default: none. */
  readonly permission?: Permission<N>;
  /** Second permission, asked for once the client has the first. */
  readonly also?: Permission<N>;
  /** Permission on each resource of a list. A handler gets the items that are permitted. */
  readonly each?: EachPermission<N>;
  /** Default: `request`. */
  readonly throttle?: Throttle;
  /** Lowest version that ApiVersions announces, if below the first that is served. */
  readonly announcedFirst?: number;
  /** Promises that nothing refers to the request once its handler has returned, so that its memory may be reused. */
  readonly transient?: true;
}

/** Columns of a row with one that depends on who serves the API. */
export interface ServedColumns<N extends ApiName, Parts> extends Columns<N> {
  /** False: the API is switched off, so its requests fail with UNSUPPORTED_VERSION before permissions are asked for. */
  readonly isEnabled?: (parts: Parts) => boolean;
}

/** Row of a table of APIs as connections see it. */
export interface ApiShape {
  readonly name: ApiName;
  readonly key: number;
  readonly first: number;
  readonly last: number;
  /** Lowest version that ApiVersions announces; below `first` only where clients need to see it. */
  readonly announcedFirst: number;
  /** Kinds of listeners that serve the API. */
  readonly listeners: readonly Listener[];
  /** True if the active controller answers the request. */
  readonly forwarded: boolean;
  /** True if a broker may put a request of the API into an Envelope. */
  readonly isForwardable: boolean;
  /** Use of topics; undefined: the API names none. */
  readonly topics: TopicAccess | undefined;
  readonly transient: boolean;
  readonly throttle: Throttle;
  readonly request: { decode(reader: ByteReader, version: number): object };
  readonly response: { encode(writer: ByteWriter, value: object, version: number): void };
  /** Action that the client needs permission for before the handler is called; undefined: none. */
  action(request: object, version: number): Action | undefined;
  /** Second action that it needs permission for; undefined: none. */
  also(request: object, version: number): Action | undefined;
  /** List of resources that each need permission; undefined: none. */
  readonly each: ResourceList | undefined;
  /** Response to a request that fails as a whole (`AbstractRequest.getErrorResponse`). */
  failure: ErrorResponse<object>;
}

/** Row of a table of APIs, without its static types: `request` decodes to what `handle` accepts. */
export interface ApiRow<Parts, Context> extends ApiShape {
  /** False: all requests fail with UNSUPPORTED_VERSION; undefined: the API is always served. */
  readonly isEnabled: ((parts: Parts) => boolean) | undefined;
  handle(parts: Parts, request: object, context: Context, reply: AnyReply): void;
}

/** Version range of an API as ApiVersions announces it. */
export interface AnnouncedApi {
  readonly apiKey: number;
  readonly minVersion: number;
  readonly maxVersion: number;
}

/** Version range of an API as ApiVersions announces it. */
export function announced({ key, announcedFirst, last }: ApiShape): AnnouncedApi {
  return { apiKey: key, minVersion: announcedFirst, maxVersion: last };
}

/** APIs that have an answer to a request that fails as a whole: no other can be served. */
export type AnswerableApi = keyof typeof errorResponses;

function actionOf<N extends ApiName>(permission: Permission<N> | undefined) {
  if (typeof permission === "function") return permission;
  return (asked: RequestOf<N>, version: number): Action | undefined => {
    if (permission === undefined) return undefined;
    const [operation, resource, nameOf] = permission;
    const of = nameOf === undefined ? CLUSTER_NAME : nameOf(asked, version);
    return of === null ? undefined : { operation, resource, name: of };
  };
}

/** Builds the row of an API. */
export function apiRow<N extends AnswerableApi, Parts, Context>(
  name: N,
  handler: Handler<NoInfer<N>, Parts, Context>,
  columns: ServedColumns<N, Parts> & { readonly topics?: TopicAccess; readonly forwarded?: true },
): ApiRow<Parts, Context> {
  const { key, request, response, first, lastStable, listeners, forwardable } = Apis[name];
  const { permission, also, each, throttle = "request", announcedFirst, transient, topics, forwarded } = columns;
  const actions = { action: actionOf(permission), also: actionOf(also) };
  const typed = { request, response, ...actions, each, failure: errorResponses[name], handle: handler };
  // Request schema and handler have matching types, because the row pairs them by the API's name.
  const untyped = typed as unknown as Pick<ApiRow<Parts, Context>, keyof typeof typed>;
  return {
    name,
    key,
    first,
    last: lastStable,
    announcedFirst: announcedFirst ?? first,
    listeners,
    forwarded: forwarded === true,
    isForwardable: forwardable,
    topics,
    transient: transient === true,
    throttle,
    isEnabled: columns.isEnabled,
    ...untyped,
  };
}

/** Rows that a kind of listener serves, by key. */
export function apisOn<Parts, Context>(
  listener: Listener,
  rows: readonly ApiRow<Parts, Context>[],
): ReadonlyMap<number, ApiRow<Parts, Context>> {
  return new Map(rows.filter(({ listeners }) => listeners.includes(listener)).map(row => [row.key, row]));
}

/** Permissions on the cluster. */
export const ALTER_CLUSTER = { permission: ["ALTER", "CLUSTER"] } as const;
export const DESCRIBE_CLUSTER = { permission: ["DESCRIBE", "CLUSTER"] } as const;
/** Permission for APIs that only brokers use. */
export const CLUSTER_ACTION = { permission: ["CLUSTER_ACTION", "CLUSTER"] } as const;
export const ALTER_CLUSTER_CONFIGS = { permission: ["ALTER_CONFIGS", "CLUSTER"] } as const;
export const DESCRIBE_CLUSTER_CONFIGS = { permission: ["DESCRIBE_CONFIGS", "CLUSTER"] } as const;
