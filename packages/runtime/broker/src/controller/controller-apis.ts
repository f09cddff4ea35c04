import type { Env } from "@samsa/base";
import type { ControllerRequests } from "@samsa/controller";
import { type AlterClientQuotasRequest, Apis, Errors } from "@samsa/protocol";
import type { BrokerConfig } from "../config/configs.ts";
import { errorResponses, type RequestError } from "../error-responses.ts";
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

interface Host {
  readonly env: Env;
  readonly nodeId: number;
  readonly config: BrokerConfig;
  readonly quotas: Quotas;
  readonly quorum: Quorum;
  readonly controller: QuorumController;
}

/** Special treatment of an API; without a row, the controller decides on every request. */
interface Row<N extends ControllerApi> {
  /** True if Kafka's controller drops a request when its timeout has passed. */
  readonly isTimed?: true;
  /**
   * For APIs that create or delete partitions, which a client may have a quota for (KIP-599): the first version whose
   * clients know THROTTLING_QUOTA_EXCEEDED.
   */
  readonly strictSince?: number;
  /** Error for a request that the controller does not decide on. */
  refusal?(config: BrokerConfig, version: number): RequestError | undefined;
  /** Answers in place of the controller, or asks it for more than the request says. */
  answer?(host: Host, request: ControllerRequest<N>, version: number): object | Promise<object>;
  /** Form of the response for the version of the request. */
  shown?(response: object, version: number): object;
}

/** First version of DeleteTopics whose clients know TOPIC_DELETION_DISABLED. */
const DISABLED_VERSION = 3;
/** First version of UpdateFeatures with a single outcome for the whole request (KIP-1014). */
const ONE_OUTCOME_VERSION = 2;

const ROWS: { readonly [N in ControllerApi]?: Row<N> } = {
  CreateTopics: { isTimed: true, strictSince: 6 },
  DeleteTopics: {
    isTimed: true,
    strictSince: 5,
    refusal(config, version) {
      if (config["delete.topic.enable"]) return undefined;
      const isKnown = version >= DISABLED_VERSION;
      return { ...(isKnown ? Errors.TOPIC_DELETION_DISABLED : Errors.INVALID_REQUEST), detail: null };
    },
  },
  CreatePartitions: { isTimed: true, strictSince: 3 },
  ElectLeaders: { isTimed: true },
  AlterPartitionReassignments: { isTimed: true },
  AlterClientQuotas: {
    // Host names are resolved here because the controller decides synchronously.
    answer: async ({ controller, env }, request) =>
      controller.submit("AlterClientQuotas", { ...request, unresolved: await unresolvedHosts(env, request) }),
  },
  UpdateFeatures: {
    shown: (response, version) => (version >= ONE_OUTCOME_VERSION ? { ...response, results: [] } : response),
  },
  DescribeQuorum: {
    answer: ({ nodeId, config, env, quorum }, request, version) =>
      describeQuorum({ nodeId, config, now: env.clock.now() }, quorum, request, version),
  },
};

/** Requests that the controller serves (`ControllerApis`). */
export class ControllerApis implements ControllerChannel {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  async call<N extends ControllerApi>(
    api: N,
    request: ControllerRequest<N>,
    client?: ControllerClient,
  ): Promise<ControllerResponse<N>> {
    const version = client?.version ?? Apis[api].lastStable;
    const row: Row<N> = ROWS[api] ?? {};
    let response: object;
    try {
      const isLate = row.isTimed === true && "timeoutMs" in request && Number(request.timeoutMs) <= 0;
      const late = isLate ? { ...Errors.REQUEST_TIMED_OUT, detail: null } : undefined;
      const refusal = row.refusal?.(this.#host.config, version) ?? late;
      if (refusal !== undefined) response = failed(api, request, refusal, version);
      else if (row.answer !== undefined) response = await row.answer(this.#host, request, version);
      else response = await this.#decide(api, request, this.#quota(row.strictSince, client));
    } catch (error) {
      this.#host.env.logger.error("a decision of the controller failed", { request: api, error });
      response = failed(api, request, { ...Errors.UNKNOWN_SERVER_ERROR, detail: null }, version);
    }
    // The response is one of this API: decisions and failures are built by its name.
    const schema = Apis[api].response as { defaults(draft: object): object };
    return schema.defaults(row.shown?.(response, version) ?? response) as ControllerResponse<N>;
  }

  async #decide<N extends ControllerApi>(api: N, request: ControllerRequest<N>, quota: MutationQuota): Promise<object> {
    // Requests without an `answer` are those of the controller, by the same name.
    const name = api as keyof ControllerRequests;
    const response = await this.#host.controller.submit(name, request as never, quota);
    return { ...response, throttleTimeMs: quota.throttleMs() };
  }

  /** Partitions that a client may create and delete (`ControllerMutationQuotaManager`). */
  #quota(strictSince: number | undefined, client: ControllerClient | undefined): MutationQuota {
    if (client === undefined || strictSince === undefined) return NO_MUTATION_QUOTA;
    const { quotas, env } = this.#host;
    return quotas.mutations(client, client.version >= strictSince, () => env.clock.monotonic());
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

function failed<N extends ControllerApi>(
  api: N,
  request: ControllerRequest<N>,
  error: RequestError,
  version: number,
): object {
  const respond = errorResponses[api] as (request: object, error: RequestError, version: number) => object;
  return respond(request, error, version);
}
