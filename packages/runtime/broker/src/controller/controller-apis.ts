import { type BrokerId, type Env, invariant } from "@samsa/base";
import type { ControllerRequests } from "@samsa/controller";
import { type AlterClientQuotasRequest, Apis, Errors } from "@samsa/protocol";
import {
  ALTER_CLUSTER,
  ALTER_CLUSTER_CONFIGS,
  type ApiRow,
  apiRow,
  apisOn,
  CLUSTER_ACTION,
  type Columns,
  DESCRIBE_CLUSTER,
} from "../request/api-row.ts";
import type { BrokerConfig } from "../config/configs.ts";
import type { RequestError } from "../request/error-responses.ts";
import type { Handler } from "../request/handler.ts";
import { type MutationQuota, NO_MUTATION_QUOTA, type Quotas } from "../limits/quotas.ts";
import type {
  ControllerApi,
  ControllerChannel,
  ControllerClient,
  ControllerRequest,
  ControllerResponse,
} from "./controller-channel.ts";
import { describeQuorum, type Quorum } from "./describe-quorum.ts";
import type { QuorumController } from "./quorum-controller.ts";

/** Parts of a controller that its APIs use. */
export interface ControllerParts {
  readonly env: Env;
  readonly nodeId: BrokerId;
  readonly config: BrokerConfig;
  readonly quotas: Quotas;
  readonly quorum: Quorum;
  readonly controller: QuorumController;
}

/** Origin of a controller's request. */
interface ControllerContext {
  readonly version: number;
  /** Quota of the client; a broker's own requests have none. */
  readonly quota: MutationQuota;
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
    version: number,
  ) => object | Promise<object>;
  /** Form of the response for the version of the request. */
  readonly shown?: (response: object, version: number) => object;
}

type ControllerRow = ApiRow<ControllerParts, ControllerContext>;

/** Builds the row of an API that the active controller answers. */
export function control<N extends ControllerApi>(name: N, treatment: Treatment<N> = {}): ControllerRow {
  const { isTimed, refusal, answer, shown, ...columns } = treatment;
  const handler: Handler<N, ControllerParts, ControllerContext> = (parts, asked, context, reply) => {
    // The request and the response are those of the API: decisions and failures are built by its name.
    const request = asked as ControllerRequest<N>;
    const { version, quota } = context;
    const tell = (response: object): void =>
      (reply as unknown as (response: object) => void)(shown?.(response, version) ?? response);
    const failed = (error: RequestError): void => tell(row.failure(request, error, version) ?? {});
    const isLate = isTimed === true && "timeoutMs" in request && Number(request.timeoutMs) <= 0;
    const late = isLate ? { ...Errors.REQUEST_TIMED_OUT, detail: null } : undefined;
    const refused = refusal?.(parts.config, version) ?? late;
    if (refused !== undefined) return failed(refused);
    const answered = async (): Promise<object> =>
      answer === undefined ? decide(parts, name, request, quota) : answer(parts, request, version);
    answered()
      .then(tell)
      .catch(error => {
        parts.env.logger.error("a decision of the controller failed", { request: name, error });
        failed({ ...Errors.UNKNOWN_SERVER_ERROR, detail: null });
      });
  };
  const row: ControllerRow = apiRow<N, ControllerParts, ControllerContext>(name, handler, columns as Columns<N>);
  return row;
}

async function decide<N extends ControllerApi>(
  { controller }: ControllerParts,
  api: N,
  request: ControllerRequest<N>,
  quota: MutationQuota,
): Promise<object> {
  // Requests without an `answer` are those of the controller, by the same name.
  const name = api as keyof ControllerRequests;
  const response = await controller.submit(name, request as never, quota);
  return { ...response, throttleTimeMs: quota.throttleMs() };
}

/** First version of DeleteTopics whose clients know TOPIC_DELETION_DISABLED. */
const DISABLED_VERSION = 3;
/** First version of UpdateFeatures with a single outcome for the whole request (KIP-1014). */
const ONE_OUTCOME_VERSION = 2;

const DELETE_TOPICS = control("DeleteTopics", {
  isTimed: true,
  throttle: { mutationsSince: 5 },
  refusal: (config, version) => {
    if (config["delete.topic.enable"]) return undefined;
    const isKnown = version >= DISABLED_VERSION;
    return { ...(isKnown ? Errors.TOPIC_DELETION_DISABLED : Errors.INVALID_REQUEST), detail: null };
  },
});

const ALTER_CLIENT_QUOTAS = control("AlterClientQuotas", {
  ...ALTER_CLUSTER_CONFIGS,
  // Host names are resolved here because the controller decides synchronously.
  answer: async ({ controller, env }, request) =>
    controller.submit("AlterClientQuotas", { ...request, unresolved: await unresolvedHosts(env, request) }),
});

const UPDATE_FEATURES = control("UpdateFeatures", {
  ...ALTER_CLUSTER,
  shown: (response, version) => (version >= ONE_OUTCOME_VERSION ? { ...response, results: [] } : response),
});

const DESCRIBE_QUORUM = control("DescribeQuorum", {
  ...DESCRIBE_CLUSTER,
  answer: ({ nodeId, config, env, quorum }, request, version) =>
    describeQuorum({ nodeId, config, now: env.clock.now() }, quorum, request, version),
});

/** Table of the APIs of the active controller (`ControllerApis`). */
export const CONTROLLER_APIS = apisOn("controller", [
  control("CreateTopics", { isTimed: true, throttle: { mutationsSince: 6 } }),
  DELETE_TOPICS,
  control("AlterConfigs"),
  control("CreatePartitions", { isTimed: true, throttle: { mutationsSince: 3 } }),
  control("ElectLeaders", { isTimed: true, ...ALTER_CLUSTER }),
  control("IncrementalAlterConfigs"),
  control("AlterPartitionReassignments", { isTimed: true, ...ALTER_CLUSTER }),
  ALTER_CLIENT_QUOTAS,
  DESCRIBE_QUORUM,
  UPDATE_FEATURES,
  control("BrokerRegistration", CLUSTER_ACTION),
  control("BrokerHeartbeat", CLUSTER_ACTION),
  control("UnregisterBroker", ALTER_CLUSTER),
  control("AllocateProducerIds", CLUSTER_ACTION),
  control("AssignReplicasToDirs", CLUSTER_ACTION),
  control("UnregisterController", ALTER_CLUSTER),
]);

/** Way to the controller of this node: calls the handlers of its table. */
export class ControllerApis implements ControllerChannel {
  readonly #parts: ControllerParts;

  constructor(parts: ControllerParts) {
    this.#parts = parts;
  }

  call<N extends ControllerApi>(
    api: N,
    request: ControllerRequest<N>,
    client?: ControllerClient,
  ): Promise<ControllerResponse<N>> {
    const { key, lastStable, response } = Apis[api];
    // The response is one of this API: the row builds it by its name.
    const schema = response as unknown as { defaults(draft: object): ControllerResponse<N> };
    const row = CONTROLLER_APIS.get(key);
    invariant(row !== undefined, "every API of the channel has a row");
    const context = { version: client?.version ?? lastStable, quota: this.#quota(row, client) };
    return new Promise(resolve => {
      row.handle(this.#parts, request, context, draft => resolve(schema.defaults(draft ?? {})));
    });
  }

  /** Partitions that a client may create and delete (`ControllerMutationQuotaManager`). */
  #quota({ throttle }: ControllerRow, client: ControllerClient | undefined): MutationQuota {
    if (client === undefined || typeof throttle === "string") return NO_MUTATION_QUOTA;
    const { quotas, env } = this.#parts;
    return quotas.mutations(client, client.version >= throttle.mutationsSince, () => env.clock.monotonic());
  }
}

/** Names of IP entities that are neither an address nor the name of a host. */
async function unresolvedHosts(
  { network }: Env,
  { entries }: Pick<AlterClientQuotasRequest, "entries">,
): Promise<ReadonlySet<string>> {
  const unresolved = new Set<string>();
  const hosts = new Set(entries.flatMap(({ entity }) => entity.flatMap(hostOf)));
  for (const host of hosts) {
    // Resolve one host at a time: a request with many names must not fill the resolver's queue.
    const found = await network.resolve(host).then(
      () => true,
      () => false,
    );
    if (!found) unresolved.add(host);
  }
  return unresolved;
}

function hostOf({ entityType, entityName }: { entityType: string; entityName: string | null }): string[] {
  return entityType === "ip" && entityName !== null && entityName !== "" ? [entityName] : [];
}
