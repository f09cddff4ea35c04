import type { Interception, InterceptedRequest } from "@samsa/broker";
import { type ApiName, Apis, Errors } from "@samsa/protocol";

/** Requests that a rule is about, and how often it acts. */
export interface InterceptionRule {
  /** Name of the API, as in "Produce"; all by default. */
  readonly api?: ApiName;
  /** `client.id` of the client; all by default. */
  readonly clientId?: string;
  /** Id of the node that the request is sent to; all by default. */
  readonly node?: number;
  /** Further condition, over the decoded request. */
  readonly when?: (request: InterceptedRequest) => boolean;
  /** Requests that pass before the rule acts; 0 by default. */
  readonly skip?: number;
  /** Requests on which the rule acts; once by default, `Infinity` for all. */
  readonly times?: number;
}

/** A rule that is in force. */
export interface ActiveRule {
  /** Requests on which it has acted. */
  readonly count: number;
  /** Ends the rule. */
  remove(): void;
}

interface Kept {
  readonly rule: InterceptionRule;
  readonly fate: Interception;
  seen: number;
  count: number;
}

/** Throws a RangeError for a rule that could never act. */
function checkRule({ api, skip = 0, times = 1 }: InterceptionRule): void {
  if (api !== undefined && !Object.hasOwn(Apis, api)) throw new RangeError(`there is no API ${String(api)}`);
  for (const [name, value] of Object.entries({ skip, times })) {
    if (!(value >= 0)) throw new RangeError(`${name} is a number that is not negative, not ${value}`);
  }
}

/** Throws a RangeError for a fate that there is not. */
function checkFate(fate: Interception): void {
  if ("error" in fate) {
    if (!Object.hasOwn(Errors, fate.error)) throw new RangeError(`there is no error ${String(fate.error)}`);
  } else if ("delayMs" in fate) {
    if (!(fate.delayMs >= 0 && fate.delayMs < Infinity))
      throw new RangeError(`a delay of ${fate.delayMs} ms cannot be`);
  } else if (fate.lost !== "request" && fate.lost !== "response") {
    throw new RangeError("the fate of a request is an error, a delayMs, or lost: its request or its response");
  }
}

/** Rules that decide on the fate of requests; the oldest rule that is about a request acts. */
export class Interceptions {
  readonly #rules: Kept[] = [];

  /** Adds a rule. Throws a RangeError for one that cannot be. */
  add(rule: InterceptionRule, fate: Interception): ActiveRule {
    checkRule(rule);
    checkFate(fate);
    const kept: Kept = { rule, fate, seen: 0, count: 0 };
    this.#rules.push(kept);
    return {
      get count() {
        return kept.count;
      },
      remove: () => {
        const at = this.#rules.indexOf(kept);
        if (at >= 0) this.#rules.splice(at, 1);
      },
    };
  }

  decide(node: number, request: InterceptedRequest): Interception | undefined {
    for (const kept of this.#rules) {
      const { rule, fate } = kept;
      const { api = request.api, clientId = request.clientId, when, skip = 0, times = 1 } = rule;
      const isAbout = api === request.api && clientId === request.clientId && (rule.node ?? node) === node;
      if (!isAbout || kept.count >= times || when?.(request) === false) continue;
      if (kept.seen++ < skip) continue;
      kept.count++;
      return fate;
    }
    return undefined;
  }
}
