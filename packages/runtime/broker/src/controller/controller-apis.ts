import type { Env } from "@samsa/base";
import { type AlterClientQuotasRequest, Errors } from "@samsa/protocol";
import { ALTER_CLUSTER, ALTER_CLUSTER_CONFIGS, apisOn, CLUSTER_ACTION, DESCRIBE_CLUSTER } from "../request/api-row.ts";
import { apiVersions, describeCluster, listPartitionReassignments } from "./controller-cluster-apis.ts";
import { control, type ControllerRow, ofQuorum } from "./controller-row.ts";

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

/** Table of the APIs of the active controller (`ControllerApis`). */
export const CONTROLLER_APIS: ReadonlyMap<number, ControllerRow> = apisOn("controller", [
  apiVersions,
  describeCluster,
  control("CreateTopics", { isTimed: true, throttle: { mutationsSince: 6 } }),
  DELETE_TOPICS,
  control("AlterConfigs"),
  control("CreatePartitions", { isTimed: true, throttle: { mutationsSince: 3 } }),
  control("ElectLeaders", { isTimed: true, ...ALTER_CLUSTER }),
  control("IncrementalAlterConfigs"),
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
]);

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
