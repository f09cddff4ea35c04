import { duplicates } from "@samsa/base";
import { type ApiName, errorOf } from "@samsa/protocol";
import type { Action } from "@samsa/security";
import type { Access } from "./access.ts";
import { DENIED } from "./denial.ts";
import type { ErrorResponse } from "./error-responses.ts";
import type { RequestOf, ResponseOf } from "./handler.ts";

/** List of resources in a request, of which each needs permission, and the answers for them in its response. */
export interface ResourceList<Request = never, Item = never> {
  /** Field of the request with the list. */
  readonly items: string;
  /** Field of the response with an answer for each item. */
  readonly answers: string;
  /** Action on an item that needs permission; undefined: none. */
  readonly action: (item: Item, request: Request) => Action | undefined;
  /** Place of the answers for items without permission, among the others; default: that of the item in the list. */
  readonly place?: "first" | "last";
  /** Operation on the cluster that covers all items. */
  readonly unless?: "CREATE";
  /** Key of an item of which the list may have one only: of others, the handler says what is wrong with them. */
  readonly keyOf?: (item: Item) => string;
  /** The list is a set of names: one that is listed twice is answered once. */
  readonly isSet?: true;
  /** Message for an item without permission; default: that of the error. */
  readonly says?: string | null;
}

/** `ResourceList` of an API: names a list of its request and one of its response. */
export type EachPermission<N extends ApiName> = {
  readonly [F in string & keyof RequestOf<N>]: RequestOf<N>[F] extends readonly (infer Item)[]
    ? ResourceList<RequestOf<N>, Item> & { readonly items: F; readonly answers: string & keyof ResponseOf<N> }
    : never;
}[string & keyof RequestOf<N>];

/** Untyped view of a list: a row pairs it with the requests and responses of its API. */
interface AnyList extends Omit<ResourceList, "action" | "keyOf"> {
  readonly action: (item: unknown, request: object) => Action | undefined;
  readonly keyOf?: (item: unknown) => string;
}

type Fields = Readonly<Record<string, unknown>>;

const listIn = (object: object, field: string): readonly unknown[] => (object as Fields)[field] as readonly unknown[];

/** Request that is divided by permission on the resources that it lists. */
export interface DividedRequest {
  /** The request with the permitted items only; undefined: none is permitted. */
  readonly permitted: object | undefined;
  /** Adds answers for the other items to a response; without one, all answers are of these. */
  answered(response?: object): object;
}

interface Failing {
  readonly failure: ErrorResponse<object>;
  readonly version: number;
}

/**
 * Divides a request by permission on the resources that it lists; undefined if nothing is refused. The authorizer is asked
 * once for each action on each name.
 */
export function dividedByPermission(
  typed: ResourceList,
  request: object,
  access: Access,
  { failure, version }: Failing,
): DividedRequest | undefined {
  const list = typed as unknown as AnyList;
  const { unless, keyOf } = list;
  const listed = listIn(request, list.items);
  const items = list.isSet === true ? [...new Set(listed)] : listed;
  if (items.length === 0 || (unless !== undefined && access.showsCluster(unless))) return undefined;
  const twice = keyOf === undefined ? undefined : duplicates(items.map(keyOf));
  const asked = new Map<string, boolean>();
  const failed = (part: readonly unknown[], error: Parameters<typeof failure>[1]): object =>
    failure({ ...request, [list.items]: part }, error, version) ?? {};
  const refusals = items.map(item => {
    if (keyOf !== undefined && twice?.has(keyOf(item)) === true) return undefined;
    const action = list.action(item, request);
    if (action === undefined) return undefined;
    const key = `${action.operation} ${action.resource} ${action.name}`;
    let isAllowed = asked.get(key);
    if (isAllowed === undefined) asked.set(key, (isAllowed = access.allows(action)));
    if (isAllowed) return undefined;
    const error = errorOf(DENIED[action.resource].code);
    const { says = error.message } = list;
    return listIn(failed([item], { ...error, detail: says }), list.answers)[0];
  });
  const refused = refusals.filter(refusal => refusal !== undefined);
  if (refused.length === 0) return undefined;
  const rest = items.filter((_, i) => refusals[i] === undefined);
  const none = (): object => failed([], { ...errorOf(0), detail: null });
  return {
    permitted: rest.length === 0 ? undefined : { ...request, [list.items]: rest },
    answered: (response = none()) => {
      const given = listIn(response, list.answers);
      return { ...response, [list.answers]: merged(refusals, given, list.place) };
    },
  };
}

function merged(refusals: readonly unknown[], given: readonly unknown[], place: ResourceList["place"]): unknown[] {
  const refused = refusals.filter(refusal => refusal !== undefined);
  if (place === "last") return [...given, ...refused];
  // A response that fails as a whole may have fewer answers than there are items.
  if (place === "first" || given.length + refused.length !== refusals.length) return [...refused, ...given];
  let next = 0;
  return refusals.map(refusal => refusal ?? given[next++]);
}
