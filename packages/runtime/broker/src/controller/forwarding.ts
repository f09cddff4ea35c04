import type { Env } from "@samsa/base";
import type { ControllerRequests } from "@samsa/controller";
import { type ApiName, Errors } from "@samsa/protocol";
import type { Control } from "./control.ts";
import type { RequestError } from "../error-responses.ts";
import type { ResponseOf } from "../handler.ts";
import { type MutationQuota, NO_MUTATION_QUOTA, type Quotas } from "../limits/quotas.ts";
import type { RequestContext } from "../network/requests.ts";

/** Requests that Kafka's controller drops when their timeout has passed. */
const TIMED: ReadonlySet<keyof ControllerRequests> = new Set([
  "createTopics",
  "deleteTopics",
  "createPartitions",
  "electLeaders",
  "alterPartitionReassignments",
] as const);

interface Host {
  readonly env: Env;
  readonly quotas: Quotas;
  readonly control: () => Pick<Control, "submit">;
}

/** A request of the controller that has the name of an API. */
type Decided = keyof ControllerRequests & Uncapitalize<ApiName>;

/** Forwards requests of clients to the controller (`ForwardingManager`). */
export class Forwarding {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /**
   * Lets the controller decide, and replies. `failed` builds the response if the decision could not be made durable, or
   * if the request times out before its turn (`QuorumController` drops such an event).
   */
  decide<N extends Decided>(
    name: N,
    request: ControllerRequests[N]["request"],
    way: {
      readonly reply: (response: ResponseOf<Capitalize<N>>) => void;
      readonly failed: (error: RequestError) => ResponseOf<Capitalize<N>>;
      readonly quota?: MutationQuota;
    },
  ): void {
    const { reply, failed, quota = NO_MUTATION_QUOTA } = way;
    if (TIMED.has(name) && "timeoutMs" in request && request.timeoutMs <= 0)
      return reply(failed({ ...Errors.REQUEST_TIMED_OUT, detail: null }));
    this.#host
      .control()
      .submit(name, request, quota)
      .then(
        // The controller replies with the response of the API that has the request's name.
        response => reply({ ...response, throttleTimeMs: quota.throttleMs() } as unknown as ResponseOf<Capitalize<N>>),
        error => {
          this.#host.env.logger.error("a decision of the controller failed", { request: name, error });
          reply(failed({ ...Errors.UNKNOWN_SERVER_ERROR, detail: null }));
        },
      );
  }

  /**
   * Quota of partitions that the client may create and delete; strict from version `strictSince` on, whose clients know
   * THROTTLING_QUOTA_EXCEEDED.
   */
  mutations(context: RequestContext, strictSince: number): MutationQuota {
    const { quotas, env } = this.#host;
    return quotas.mutations(context, context.version >= strictSince, () => env.clock.monotonic());
  }
}
