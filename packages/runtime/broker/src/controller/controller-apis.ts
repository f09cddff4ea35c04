import type { Env } from "@samsa/base";
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

/** APIs whose requests Kafka's controller drops when their timeout has passed. */
const TIMED: ReadonlySet<ControllerApi> = new Set([
  "CreateTopics",
  "DeleteTopics",
  "CreatePartitions",
  "ElectLeaders",
  "AlterPartitionReassignments",
]);
/**
 * APIs that create or delete partitions, which a client may have a quota for (KIP-599), and their first versions whose
 * clients know THROTTLING_QUOTA_EXCEEDED.
 */
const MUTATIONS: ReadonlyMap<ControllerApi, number> = new Map([
  ["CreateTopics", 6],
  ["DeleteTopics", 5],
  ["CreatePartitions", 3],
]);
/** First version of DeleteTopics whose clients know TOPIC_DELETION_DISABLED. */
const DISABLED_VERSION = 3;
/** First version of UpdateFeatures with a single outcome for the whole request (KIP-1014). */
const ONE_OUTCOME_VERSION = 2;

interface Host {
  readonly env: Env;
  readonly nodeId: number;
  readonly config: BrokerConfig;
  readonly quotas: Quotas;
  readonly quorum: Quorum;
  readonly controller: QuorumController;
}

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
    let response: object;
    try {
      const refusal = this.#refusal(api, request, version);
      response =
        refusal === undefined ? await this.#decide(api, request, client) : failed(api, request, refusal, version);
    } catch (error) {
      this.#host.env.logger.error("a decision of the controller failed", { request: api, error });
      response = failed(api, request, { ...Errors.UNKNOWN_SERVER_ERROR, detail: null }, version);
    }
    if (api === "UpdateFeatures" && version >= ONE_OUTCOME_VERSION) response = { ...response, results: [] };
    // The response is one of this API: decisions and failures are built by its name.
    const schema = Apis[api].response as { defaults(draft: object): object };
    return schema.defaults(response) as ControllerResponse<N>;
  }

  /** Error for a request that the controller does not decide on. */
  #refusal(api: ControllerApi, request: object, version: number): RequestError | undefined {
    if (api === "DeleteTopics" && !this.#host.config["delete.topic.enable"]) {
      const isKnown = version >= DISABLED_VERSION;
      return { ...(isKnown ? Errors.TOPIC_DELETION_DISABLED : Errors.INVALID_REQUEST), detail: null };
    }
    const timedOut = TIMED.has(api) && "timeoutMs" in request && Number(request.timeoutMs) <= 0;
    return timedOut ? { ...Errors.REQUEST_TIMED_OUT, detail: null } : undefined;
  }

  async #decide<N extends ControllerApi>(
    api: N,
    request: ControllerRequest<N>,
    client: ControllerClient | undefined,
  ): Promise<object> {
    const { controller, quorum, nodeId, config, env } = this.#host;
    if (api === "DescribeQuorum") {
      const { version = Apis.DescribeQuorum.lastStable } = client ?? {};
      const node = { nodeId, config, now: env.clock.now() };
      return describeQuorum(node, quorum, request as ControllerRequest<"DescribeQuorum">, version);
    }
    if (api === "AlterClientQuotas") {
      const altered = request as ControllerRequest<"AlterClientQuotas">;
      // Host names are resolved here because the controller decides synchronously.
      return controller.submit(api, { ...altered, unresolved: await this.#unresolvedHosts(altered) });
    }
    const quota = this.#quota(api, client);
    const response = await controller.submit(api, request as never, quota);
    return { ...response, throttleTimeMs: quota.throttleMs() };
  }

  /** Partitions that a client may create and delete (`ControllerMutationQuotaManager`). */
  #quota(api: ControllerApi, client: ControllerClient | undefined): MutationQuota {
    const strictSince = MUTATIONS.get(api);
    if (client === undefined || strictSince === undefined) return NO_MUTATION_QUOTA;
    const { quotas, env } = this.#host;
    return quotas.mutations(client, client.version >= strictSince, () => env.clock.monotonic());
  }

  /** Names of IP entities that are neither an address nor the name of a host. */
  async #unresolvedHosts({ entries }: Pick<AlterClientQuotasRequest, "entries">): Promise<ReadonlySet<string>> {
    const unresolved = new Set<string>();
    const hosts = new Set(entries.flatMap(({ entity }) => entity.flatMap(hostOf)));
    for (const host of hosts) {
      // Resolve one host at a time: a request with many names must not fill the resolver's queue.
      const found = await this.#host.env.network.resolve(host).then(
        () => true,
        () => false,
      );
      if (!found) unresolved.add(host);
    }
    return unresolved;
  }
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
