import type { Env } from "@samsa/base";
import { kraftRefusal, kraftUpgrade } from "@samsa/controller";
import {
  type AlterClientQuotasRequest,
  type CreateDelegationTokenResponse,
  Errors,
  type UpdateFeaturesRequest,
  type UpdateFeaturesResponse,
} from "@samsa/protocol";
import type { BrokerConfig } from "../config/configs.ts";
import { NO_AUTHORIZER, unreadableCreation, unreadableDeletion } from "../request/acls.ts";
import { EACH_ALTERED_CONFIG } from "../request/config-permissions.ts";
import { type RequestError, requesterOf } from "../request/error-responses.ts";
import { changeRefusal, creationRefusal } from "../request/token-requests.ts";
import { ALTER_CLUSTER, ALTER_CLUSTER_CONFIGS, apisOn, CLUSTER_ACTION, DESCRIBE_CLUSTER } from "../request/api-row.ts";
import { CLIENT_APIS } from "./controller-client-apis.ts";
import { apiVersions, describeCluster, listPartitionReassignments } from "./controller-cluster-apis.ts";
import { NotControllerError } from "./quorum-controller.ts";
import { deleteTopics, EACH_CREATED_TOPIC, EACH_GROWN_TOPIC, withVisibleConfigs } from "./topic-permissions.ts";
import { control, type ControllerParts, type ControllerRow, ofQuorum } from "./controller-row.ts";

/** First version of DeleteTopics whose clients know TOPIC_DELETION_DISABLED. */
const DISABLED_VERSION = 3;
/** First version of UpdateFeatures with a single outcome for the whole request (KIP-1014). */
const ONE_OUTCOME_VERSION = 2;

const DELETE_TOPICS = control("DeleteTopics", {
  answer: deleteTopics,
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

const CREATE_TOKEN = control("CreateDelegationToken", {
  answer: ({ controller }, request, context) =>
    creationRefusal(request, context) ??
    controller.submit("CreateDelegationToken", { ...request, requester: context.user }),
  shown: (response, { version }) => withRequester(response as CreateDelegationTokenResponse, version),
});

/** Form of the response for a version: earlier ones do not name the requester. */
function withRequester(response: CreateDelegationTokenResponse, version: number): object {
  const { tokenRequesterPrincipalType: type, tokenRequesterPrincipalName: name, ...others } = response;
  return { ...others, ...requesterOf({ type, name }, version) };
}

const RENEW_TOKEN = control("RenewDelegationToken", {
  answer: ({ controller }, request, context) =>
    changeRefusal(context) ?? controller.submit("RenewDelegationToken", { ...request, requester: context.user }),
});

const EXPIRE_TOKEN = control("ExpireDelegationToken", {
  answer: ({ controller }, request, context) =>
    changeRefusal(context) ?? controller.submit("ExpireDelegationToken", { ...request, requester: context.user }),
});

/** Refuses to change ACLs that no authorizer would apply. */
const withoutAuthorizer = (config: BrokerConfig): RequestError | undefined =>
  config["authorizer.class.name"] === "" ? NO_AUTHORIZER : undefined;

const UPDATE_FEATURES = control("UpdateFeatures", {
  ...ALTER_CLUSTER,
  answer: updateFeatures,
  shown: (response, { version }) => (version >= ONE_OUTCOME_VERSION ? { ...response, results: [] } : response),
});

/** Table of the APIs of the active controller (`ControllerApis`). */
export const CONTROLLER_APIS: ReadonlyMap<number, ControllerRow> = apisOn("controller", [
  apiVersions,
  describeCluster,
  control("CreateTopics", {
    isTimed: true,
    throttle: { mutationsSince: 6 },
    ...EACH_CREATED_TOPIC,
    shown: withVisibleConfigs,
  }),
  DELETE_TOPICS,
  control("AlterConfigs", EACH_ALTERED_CONFIG),
  control("CreatePartitions", { isTimed: true, throttle: { mutationsSince: 3 }, ...EACH_GROWN_TOPIC }),
  control("ElectLeaders", { isTimed: true, ...ALTER_CLUSTER }),
  control("IncrementalAlterConfigs", EACH_ALTERED_CONFIG),
  control("AlterPartitionReassignments", { isTimed: true, ...ALTER_CLUSTER }),
  listPartitionReassignments,
  ALTER_CLIENT_QUOTAS,
  ofQuorum("DescribeQuorum", DESCRIBE_CLUSTER),
  ofQuorum("Vote"),
  ofQuorum("BeginQuorumEpoch"),
  ofQuorum("EndQuorumEpoch"),
  ofQuorum("Fetch"),
  ofQuorum("FetchSnapshot"),
  UPDATE_FEATURES,
  control("AlterPartition", CLUSTER_ACTION),
  control("BrokerRegistration", CLUSTER_ACTION),
  control("BrokerHeartbeat", CLUSTER_ACTION),
  control("UnregisterBroker", ALTER_CLUSTER),
  control("AllocateProducerIds", CLUSTER_ACTION),
  control("AssignReplicasToDirs", CLUSTER_ACTION),
  control("ControllerRegistration", CLUSTER_ACTION),
  ofQuorum("AddRaftVoter", ALTER_CLUSTER),
  ofQuorum("RemoveRaftVoter", ALTER_CLUSTER),
  ofQuorum("UpdateRaftVoter"),
  control("UnregisterController", ALTER_CLUSTER),
  control("AlterUserScramCredentials", ALTER_CLUSTER),
  control("CreateAcls", { ...ALTER_CLUSTER, unreadable: unreadableCreation, refusal: withoutAuthorizer }),
  control("DeleteAcls", { ...ALTER_CLUSTER, unreadable: unreadableDeletion, refusal: withoutAuthorizer }),
  CREATE_TOKEN,
  RENEW_TOKEN,
  EXPIRE_TOKEN,
  ...CLIENT_APIS,
]);

/** Errors of a replica that does not lead the quorum in the epoch of a request. */
const OTHER_LEADER: readonly number[] = [
  Errors.NOT_LEADER_OR_FOLLOWER.code,
  Errors.FENCED_LEADER_EPOCH.code,
  Errors.UNKNOWN_LEADER_EPOCH.code,
];

/** UpdateFeatures: raises kraft.version, which the log has in control records, before the other features. */
async function updateFeatures(
  { controller, quorum }: ControllerParts,
  request: UpdateFeaturesRequest,
): Promise<UpdateFeaturesResponse> {
  const level = kraftUpgrade(request);
  if (level === undefined) return controller.submit("UpdateFeatures", request);
  const checked = await controller.submit("UpdateFeatures", { ...request, validateOnly: true });
  if (checked.errorCode !== 0) return checked;
  const { epoch } = quorum;
  const { validateOnly } = request;
  const fault = await new Promise<{ errorCode: number; why: string | undefined }>(resolve =>
    quorum.upgradeKraftVersion({ epoch, level, validateOnly }, (errorCode, why) => resolve({ errorCode, why })),
  );
  if (OTHER_LEADER.includes(fault.errorCode)) throw new NotControllerError();
  return fault.errorCode === 0 ? controller.submit("UpdateFeatures", request) : kraftRefusal(level, fault);
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
