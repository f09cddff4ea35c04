import type { ControllerRequests } from "@samsa/controller";
import { type ApiName, type ApiNameOn, Apis, Errors, type Infer } from "@samsa/protocol";
import type { QuotaClient } from "../quotas/quotas.ts";
import { hasError } from "../request/error-codes.ts";
import type { RequestOrigin } from "../request/request-context.ts";

/** APIs that brokers send to the active controller, though it decides nothing on them. */
type UndecidedApi = "DescribeQuorum" | "AddRaftVoter" | "RemoveRaftVoter" | "ListPartitionReassignments";

/** APIs that brokers send to the active controller. */
export type ControllerApi = (keyof ControllerRequests | UndecidedApi) & ApiNameOn<"controller">;

export type ControllerRequest<N extends ControllerApi> = Infer<(typeof Apis)[N]["request"]>;
export type ControllerResponse<N extends ControllerApi> = Infer<(typeof Apis)[N]["response"]>;

/** Response of an API from what its row or its failure has built; other fields get their defaults. */
export function controllerResponse<N extends ControllerApi>(api: N, draft: object): ControllerResponse<N> {
  // The draft is one of this API: it was built by the API's name.
  const schema = Apis[api].response as unknown as { defaults(draft: object): ControllerResponse<N> };
  return schema.defaults(draft);
}

/** Client whose request a broker forwards, with the version of its request. */
export interface ControllerClient extends QuotaClient {
  /** Address of the client. */
  readonly host: string;
  /** True if the client has authenticated with a delegation token. */
  readonly byToken: boolean;
  readonly version: number;
}

/** Client of a request, as the controller needs to know it. */
export function controllerClient({ user, byToken, clientId, version, peer }: RequestOrigin): ControllerClient {
  return { user, byToken, clientId, version, host: peer.host };
}

/** Way from a broker to the active controller (`NodeToControllerChannelManager`). */
export interface ControllerChannel {
  /**
   * Sends a request, of a client or of the broker itself. Resolves with the response once the metadata that it depends
   * on are committed; never rejects, as a failure is a response too.
   */
  call<N extends ControllerApi>(
    api: N,
    request: ControllerRequest<N>,
    client?: ControllerClient,
  ): Promise<ControllerResponse<N>>;
}

/** APIs that the leader of the quorum answers, others with NOT_LEADER_OR_FOLLOWER. */
const OF_LEADER: readonly ApiName[] = ["DescribeQuorum", "AddRaftVoter", "RemoveRaftVoter"];

/** True for the response of a node that is not the active controller: the request belongs to another one. */
export function isElsewhere(api: ApiName, response: object): boolean {
  const { NOT_CONTROLLER, NOT_LEADER_OR_FOLLOWER } = Errors;
  return (
    hasError(response, NOT_CONTROLLER.code) ||
    (OF_LEADER.includes(api) && hasError(response, NOT_LEADER_OR_FOLLOWER.code))
  );
}
