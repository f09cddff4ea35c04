import type { BrokerId, Env } from "@samsa/base";
import type { ControllerRequests } from "@samsa/controller";
import type { MetadataImage } from "@samsa/metadata";
import type { Authorizer } from "@samsa/security";
import type { RaftApi, RaftClient, RaftReply } from "@samsa/raft";
import { Errors } from "@samsa/protocol";
import {
  type AnnouncedApi,
  type AnswerableApi,
  type ApiRow,
  apiRow,
  CLUSTER_ACTION,
  type Columns,
} from "../request/api-row.ts";
import { Access } from "../request/access.ts";
import type { BrokerConfig } from "../config/configs.ts";
import type { Settings } from "../config/settings.ts";
import type { RequestError } from "../request/error-responses.ts";
import type { Handler } from "../request/handler.ts";
import { type MutationQuota, NO_MUTATION_QUOTA, type QuotaClient, type Quotas } from "../quotas/quotas.ts";
import type { ControllerApi, ControllerRequest, ControllerResponse } from "./controller-channel.ts";
import { NotControllerError, type QuorumController } from "./quorum-controller.ts";

/** Parts of a controller that its APIs use. */
export interface ControllerParts {
  readonly env: Env;
  readonly nodeId: BrokerId;
  readonly clusterId: string;
  readonly config: BrokerConfig;
  readonly settings: Settings;
  readonly quotas: Quotas;
  readonly authorizer: Authorizer;
  readonly quorum: Pick<RaftClient, "epoch" | "handle" | "kraftVersion" | "leaderId" | "upgradeKraftVersion">;
  readonly controller: QuorumController;
  /** Committed metadata. */
  readonly image: () => MetadataImage;
  /** APIs that controllers serve. */
  readonly apis: () => readonly AnnouncedApi[];
}

/** Origin of a controller's request. */
export interface ControllerContext {
  readonly version: number;
  /** Name of the listener; undefined for a request of this process. */
  readonly listener: string | undefined;
  /** Quota of the client; a broker's own requests have none. */
  readonly quota: MutationQuota;
  /** Name of the principal. */
  readonly user: string;
  /** Permissions of the client. */
  readonly access: Access;
  /** True if the client may ask for delegation tokens. */
  readonly allowsTokens: boolean;
  /** Ends a request that cannot be parsed without an answer of its API. */
  close(reason: string): void;
}

/** Treatment of an API's requests; by default, the controller decides on every request. */
interface Treatment<N extends ControllerApi> extends Columns<N> {
  /** True if Kafka's controller drops a request when its timeout has passed. */
  readonly isTimed?: true;
  /** Error for a request that the controller does not decide on. */
  readonly refusal?: (config: BrokerConfig, version: number) => RequestError | undefined;
  /** Answers in place of the controller, or asks it for more than the request says. */
  readonly answer?: (
    parts: ControllerParts,
    request: ControllerRequest<N>,
    context: ControllerContext,
  ) => object | Promise<object>;
  /** Says why a request cannot be read, so that its connection is closed. */
  readonly unreadable?: (request: ControllerRequest<N>) => string | undefined;
  /** Form of the response for the version of the request, and for what the client may see. */
  readonly shown?: (response: object, context: ControllerContext) => object;
}

/** Row of the table of a controller's APIs. */
export type ControllerRow = ApiRow<ControllerParts, ControllerContext>;

/** Builds the row of an API that the active controller answers. */
export function control<N extends ControllerApi>(name: N, treatment: Treatment<N> = {}): ControllerRow {
  const { isTimed, refusal, answer, unreadable, shown, ...columns } = treatment;
  const handler: Handler<N, ControllerParts, ControllerContext> = (parts, asked, context, reply) => {
    // The request and the response are those of the API: decisions and failures are built by its name.
    const request = asked as ControllerRequest<N>;
    const { version, quota } = context;
    const fault = unreadable?.(request);
    if (fault !== undefined) return context.close(fault);
    const tell = (response: object): void =>
      (reply as unknown as (response: object) => void)(shown?.(response, context) ?? response);
    const failed = (error: RequestError): void => tell(row.failure(request, error, version) ?? {});
    const isLate = isTimed === true && "timeoutMs" in request && Number(request.timeoutMs) <= 0;
    const late = isLate ? { ...Errors.REQUEST_TIMED_OUT, detail: null } : undefined;
    const refused = refusal?.(parts.config, version) ?? late;
    if (refused !== undefined) return failed(refused);
    const answered = async (): Promise<object> =>
      answer === undefined ? decide(parts, name, request, quota) : answer(parts, request, context);
    answered()
      .then(tell)
      .catch(error => {
        if (error instanceof NotControllerError) return failed({ ...Errors.NOT_CONTROLLER, detail: error.message });
        parts.env.logger.error("a decision of the controller failed", { request: name, error });
        failed({ ...Errors.UNKNOWN_SERVER_ERROR, detail: null });
      });
  };
  const row: ControllerRow = apiRow<N, ControllerParts, ControllerContext>(name, handler, columns as Columns<N>);
  return row;
}

/** Builds the row of an API that replicas of the metadata log answer, whether they lead the quorum or not. */
export function ofQuorum<N extends RaftApi & AnswerableApi>(
  name: N,
  columns: Columns<N> = CLUSTER_ACTION,
): ControllerRow {
  const handler: Handler<N, ControllerParts, ControllerContext> = ({ quorum }, request, { version }, reply) => {
    // `Reply` forbids fields that a response does not have; those of the replica are checked where they are built.
    quorum.handle(name, request, version, reply as RaftReply<N>);
  };
  return apiRow<N, ControllerParts, ControllerContext>(name, handler, columns);
}

/** Lets the controller decide on a request, by the name of its API. */
export async function decide<N extends ControllerApi>(
  { controller }: ControllerParts,
  api: N,
  request: ControllerRequest<N>,
  quota: MutationQuota,
): Promise<ControllerResponse<N>> {
  // The request and the response are those of the controller, by the same name.
  const name = api as keyof ControllerRequests;
  const response: object = await controller.submit(name, request as never, quota);
  return { ...(response as ControllerResponse<N>), throttleTimeMs: quota.throttleMs() };
}

/** Partitions that a client may create and delete (`ControllerMutationQuotaManager`). */
export function mutationQuota(
  { quotas, env }: Pick<ControllerParts, "quotas" | "env">,
  { throttle }: Pick<ControllerRow, "throttle">,
  client: (QuotaClient & { readonly version: number }) | undefined,
): MutationQuota {
  if (client === undefined || typeof throttle === "string") return NO_MUTATION_QUOTA;
  return quotas.mutations(client, client.version >= throttle.mutationsSince, () => env.clock.monotonic());
}
