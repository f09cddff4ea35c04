import { type ApiNameOn, Apis } from "@samsa/protocol";
import { alterReplicaLogDirs } from "./api/cluster/alter-replica-log-dirs.ts";
import { apiVersions } from "./api/cluster/api-versions.ts";
import { alterConfigs, incrementalAlterConfigs } from "./api/configs/alter-configs.ts";
import { describeClientQuotas } from "./api/cluster/client-quotas.ts";
import { consumerGroupDescribe, consumerGroupHeartbeat, servesConsumerGroups } from "./api/groups/consumer-groups.ts";
import { deleteRecords } from "./api/records/delete-records.ts";
import { describeCluster } from "./api/cluster/describe-cluster.ts";
import { describeConfigs } from "./api/configs/describe-configs.ts";
import { describeLogDirs } from "./api/cluster/describe-log-dirs.ts";
import { describeProducers } from "./api/records/describe-producers.ts";
import { describeTopicPartitions } from "./api/topics/describe-topic-partitions.ts";
import { describeTransactions, listTransactions } from "./api/transactions/describe-transactions.ts";
import { fetch } from "./api/records/fetch.ts";
import { coordinatorAction, findCoordinator, keyAction } from "./api/groups/find-coordinator.ts";
import { EACH_DESCRIBED_CONFIG } from "./request/config-permissions.ts";
import { forwarded } from "./forwarding/forwarding.ts";
import * as groups from "./api/groups/groups.ts";
import { initProducerId } from "./api/transactions/init-producer-id.ts";
import { listConfigResources } from "./api/configs/list-config-resources.ts";
import { listOffsets } from "./api/records/list-offsets.ts";
import { metadata } from "./api/topics/metadata.ts";
import { offsetForLeaderEpoch } from "./api/records/offset-for-leader-epoch.ts";
import { hasTransactionalBatch } from "./api/records/produce-transaction.ts";
import { produce } from "./api/records/produce.ts";
import { getTelemetrySubscriptions, pushTelemetry } from "./api/cluster/telemetry.ts";
import * as transactions from "./api/transactions/transactions.ts";
import { txnOffsetCommit } from "./api/transactions/txn-offset-commit.ts";
import { shareAcknowledge } from "./api/share/share-acknowledge.ts";
import { shareFetch } from "./api/share/share-fetch.ts";
import * as shareOffsets from "./api/share/share-group-offsets.ts";
import * as shareGroups from "./api/share/share-groups.ts";
import * as shareState from "./api/share/share-state.ts";
import { writeTxnMarkers } from "./api/transactions/write-txn-markers.ts";
import {
  ALTER_CLUSTER,
  ALTER_CLUSTER_CONFIGS,
  type AnswerableApi,
  apiRow,
  apisOn,
  CLUSTER_ACTION,
  type Columns,
  DESCRIBE_CLUSTER,
  DESCRIBE_CLUSTER_CONFIGS,
  type ServedColumns,
} from "./request/api-row.ts";
import type { ControllerApi } from "./controller/controller-channel.ts";
import { createAcls, deleteAcls, describeAcls } from "./api/security/acls.ts";
import {
  createDelegationToken,
  describeDelegationToken,
  expireDelegationToken,
  renewDelegationToken,
} from "./api/security/delegation-tokens.ts";
import { describeUserScramCredentials } from "./api/security/scram.ts";
import { type AclOperation, type Action, CLUSTER_NAME } from "@samsa/security";
import type { Handler } from "./request/handler.ts";
import type { BrokerParts, ServedApi } from "./api/parts.ts";
import type { TopicAccess } from "./request/request-topics.ts";
import type { RequestContext } from "./request/request-context.ts";
import { saslAuthenticate, saslHandshake } from "./request/sasl.ts";

type BrokerApi = ApiNameOn<"broker"> & AnswerableApi;

/** Columns of a row by the context of its handler: one that uses topics needs the column `topics`, no other has it. */
type ColumnsFor<N extends BrokerApi, C extends RequestContext> = RequestContext extends C
  ? [columns?: ServedColumns<N, BrokerParts>]
  : [columns: ServedColumns<N, BrokerParts> & { readonly topics: TopicAccess }];

/** Builds the row of an API that brokers answer. */
export function serve<N extends BrokerApi, C extends RequestContext = RequestContext>(
  name: N,
  handler: Handler<NoInfer<N>, BrokerParts, C>,
  ...[columns = {}]: ColumnsFor<N, NoInfer<C>>
): ServedApi {
  return apiRow<N, BrokerParts, C>(name, handler, columns);
}

/** Builds the row of an API whose requests brokers forward to the active controller, without changes. */
export function forward<N extends BrokerApi & ControllerApi>(name: N, columns: Columns<N> = {}): ServedApi {
  return apiRow<N, BrokerParts, RequestContext>(name, forwarded(name), { ...columns, forwarded: true });
}

function onGroup(operation: AclOperation) {
  const nameOf = ({ groupId }: { readonly groupId: string | null }) => groupId;
  return { permission: [operation, "GROUP", nameOf] } as const;
}

const GROUP_READ = onGroup("READ").permission;

const EACH_DESCRIBED_GROUP = {
  answers: "groups",
  place: "first",
  action: (name: string): Action => ({ operation: "DESCRIBE", resource: "GROUP", name }),
} as const;

/** Share groups may be switched off. */
const OF_SHARES = { isEnabled: ({ shares }: BrokerParts): boolean => shares.isEnabled };

function onTransaction<R extends { readonly transactionalId: string | null }>(operation: AclOperation) {
  return { permission: [operation, "TRANSACTIONAL_ID", ({ transactionalId }: R) => transactionalId] } as const;
}

/**
 * Table of the APIs of brokers. Produce is announced from version 0, as in Kafka, because librdkafka assumes that a broker
 * without it cannot compress; requests below version 3 are still refused. The log copies the records of a Produce
 * request as it appends them.
 */
const BROKER_APIS: readonly ServedApi[] = [
  serve("Produce", produce, {
    topics: { operation: "WRITE", idsSince: 13 },
    announcedFirst: 0,
    transient: true,
    throttle: "produce",
    permission: request => {
      const { transactionalId: name } = request;
      return name !== null && hasTransactionalBatch(request)
        ? { operation: "WRITE", resource: "TRANSACTIONAL_ID", name }
        : undefined;
    },
  }),
  serve("Fetch", fetch, { topics: { operation: "READ", idsSince: 13 } }),
  serve("ListOffsets", listOffsets, { topics: { operation: "DESCRIBE" } }),
  serve("Metadata", metadata, { topics: { operation: "DESCRIBE" } }),
  serve("OffsetCommit", groups.offsetCommit, { topics: { operation: "READ", idsSince: 10 }, ...onGroup("READ") }),
  serve("OffsetFetch", groups.offsetFetch, {
    topics: { operation: "DESCRIBE", idsSince: 10 },
    permission: [
      "DESCRIBE",
      "GROUP",
      ({ groupId }, version) => (version < groups.MANY_GROUPS_VERSION ? groupId : null),
    ],
    each: {
      items: "groups",
      answers: "groups",
      action: ({ groupId: name }) => ({ operation: "DESCRIBE", resource: "GROUP", name }),
    },
  }),
  serve("FindCoordinator", findCoordinator, {
    permission: (request, version) => coordinatorAction(request, version),
    each: { items: "coordinatorKeys", answers: "coordinators", action: (key, { keyType }) => keyAction(keyType, key) },
  }),
  serve("JoinGroup", groups.joinGroup, onGroup("READ")),
  serve("Heartbeat", groups.heartbeat, onGroup("READ")),
  serve("LeaveGroup", groups.leaveGroup, onGroup("READ")),
  serve("SyncGroup", groups.syncGroup, {
    permission: [
      "READ",
      "GROUP",
      (request, version) => (groups.lacksProtocol(request, version) ? null : request.groupId),
    ],
  }),
  serve("DescribeGroups", groups.describeGroups, { each: { items: "groups", ...EACH_DESCRIBED_GROUP } }),
  serve("ListGroups", groups.listGroups),
  serve("SaslHandshake", saslHandshake),
  serve("ApiVersions", apiVersions),
  forward("CreateTopics"),
  forward("DeleteTopics"),
  serve("DeleteRecords", deleteRecords, { topics: { operation: "DELETE" } }),
  serve("InitProducerId", initProducerId, {
    ...onTransaction("WRITE"),
    also: [
      "TWO_PHASE_COMMIT",
      "TRANSACTIONAL_ID",
      ({ transactionalId, enable2Pc }) => (enable2Pc ? transactionalId : null),
    ],
  }),
  serve("OffsetForLeaderEpoch", offsetForLeaderEpoch, { topics: { operation: "DESCRIBE", unless: "CLUSTER_ACTION" } }),
  serve("AddPartitionsToTxn", transactions.addPartitionsToTxn, {
    topics: { operation: "WRITE", clientsUntil: 3 },
    permission: ({ v3AndBelowTransactionalId: name }, version) =>
      version > 3
        ? { operation: "CLUSTER_ACTION", resource: "CLUSTER", name: CLUSTER_NAME }
        : { operation: "WRITE", resource: "TRANSACTIONAL_ID", name },
  }),
  serve("AddOffsetsToTxn", transactions.addOffsetsToTxn, { ...onTransaction("WRITE"), also: GROUP_READ }),
  serve("EndTxn", transactions.endTxn, onTransaction("WRITE")),
  serve("WriteTxnMarkers", writeTxnMarkers, { topics: { operation: null }, throttle: "exempt" }),
  serve("TxnOffsetCommit", txnOffsetCommit, {
    topics: { operation: "READ", idsSince: 6 },
    ...onTransaction("WRITE"),
    also: GROUP_READ,
  }),
  serve("DescribeAcls", describeAcls, DESCRIBE_CLUSTER),
  serve("CreateAcls", createAcls, ALTER_CLUSTER),
  serve("DeleteAcls", deleteAcls, ALTER_CLUSTER),
  serve("DescribeConfigs", describeConfigs, EACH_DESCRIBED_CONFIG),
  serve("AlterConfigs", alterConfigs),
  serve("AlterReplicaLogDirs", alterReplicaLogDirs, { topics: { operation: null }, ...ALTER_CLUSTER }),
  serve("DescribeLogDirs", describeLogDirs, { topics: { operation: null }, ...DESCRIBE_CLUSTER }),
  forward("CreatePartitions"),
  serve("DeleteGroups", groups.deleteGroups, {
    each: {
      items: "groupsNames",
      answers: "results",
      place: "last",
      isSet: true,
      action: name => ({ operation: "DELETE", resource: "GROUP", name }),
    },
  }),
  forward("ElectLeaders", ALTER_CLUSTER),
  serve("IncrementalAlterConfigs", incrementalAlterConfigs),
  serve("OffsetDelete", groups.offsetDelete, { topics: { operation: "READ" }, ...onGroup("DELETE") }),
  forward("AlterPartitionReassignments", ALTER_CLUSTER),
  forward("ListPartitionReassignments", DESCRIBE_CLUSTER),
  forward("DescribeQuorum", DESCRIBE_CLUSTER),
  serve("CreateDelegationToken", createDelegationToken),
  serve("RenewDelegationToken", renewDelegationToken),
  serve("ExpireDelegationToken", expireDelegationToken),
  serve("DescribeDelegationToken", describeDelegationToken),
  serve("DescribeUserScramCredentials", describeUserScramCredentials, DESCRIBE_CLUSTER),
  forward("AlterUserScramCredentials", ALTER_CLUSTER),
  forward("UpdateFeatures", ALTER_CLUSTER),
  serve("DescribeCluster", describeCluster),
  serve("DescribeProducers", describeProducers, { topics: { operation: "READ" } }),
  serve("DescribeClientQuotas", describeClientQuotas, DESCRIBE_CLUSTER_CONFIGS),
  forward("AlterClientQuotas", ALTER_CLUSTER_CONFIGS),
  forward("UnregisterBroker", ALTER_CLUSTER),
  serve("DescribeTransactions", describeTransactions, {
    topics: { operation: "DESCRIBE" },
    each: {
      items: "transactionalIds",
      answers: "transactionStates",
      action: name => ({ operation: "DESCRIBE", resource: "TRANSACTIONAL_ID", name }),
    },
  }),
  serve("ListTransactions", listTransactions),
  serve("SaslAuthenticate", saslAuthenticate),
  serve("ConsumerGroupHeartbeat", consumerGroupHeartbeat, {
    topics: { operation: "DESCRIBE" },
    ...onGroup("READ"),
    isEnabled: servesConsumerGroups,
  }),
  serve("ConsumerGroupDescribe", consumerGroupDescribe, {
    topics: { operation: "DESCRIBE" },
    each: { items: "groupIds", ...EACH_DESCRIBED_GROUP },
    isEnabled: servesConsumerGroups,
  }),
  serve("ListConfigResources", listConfigResources, DESCRIBE_CLUSTER_CONFIGS),
  serve("DescribeTopicPartitions", describeTopicPartitions, { topics: { operation: "DESCRIBE" } }),
  forward("UnregisterController", ALTER_CLUSTER),
  serve("ShareGroupHeartbeat", shareGroups.shareGroupHeartbeat, {
    topics: { operation: "DESCRIBE" },
    ...onGroup("READ"),
    ...OF_SHARES,
  }),
  serve("ShareGroupDescribe", shareGroups.shareGroupDescribe, {
    topics: { operation: "DESCRIBE" },
    each: { items: "groupIds", ...EACH_DESCRIBED_GROUP },
    ...OF_SHARES,
  }),
  serve("ShareFetch", shareFetch, {
    topics: { operation: "READ", idsSince: 0 },
    permission: GROUP_READ,
    ...OF_SHARES,
  }),
  serve("ShareAcknowledge", shareAcknowledge, {
    topics: { operation: "READ", idsSince: 0 },
    permission: GROUP_READ,
    ...OF_SHARES,
  }),
  forward("AddRaftVoter", ALTER_CLUSTER),
  forward("RemoveRaftVoter", ALTER_CLUSTER),
  serve("InitializeShareGroupState", shareState.initializeShareGroupState, CLUSTER_ACTION),
  serve("ReadShareGroupState", shareState.readShareGroupState, CLUSTER_ACTION),
  serve("WriteShareGroupState", shareState.writeShareGroupState, CLUSTER_ACTION),
  serve("DeleteShareGroupState", shareState.deleteShareGroupState, CLUSTER_ACTION),
  serve("ReadShareGroupStateSummary", shareState.readShareGroupStateSummary, CLUSTER_ACTION),
  serve("DescribeShareGroupOffsets", shareOffsets.describeShareGroupOffsets, {
    topics: { operation: "DESCRIBE" },
    each: {
      items: "groups",
      answers: "groups",
      action: ({ groupId: name }) => ({ operation: "DESCRIBE", resource: "GROUP", name }),
    },
    ...OF_SHARES,
  }),
  serve("AlterShareGroupOffsets", shareOffsets.alterShareGroupOffsets, {
    topics: { operation: "READ" },
    ...onGroup("READ"),
    ...OF_SHARES,
  }),
  serve("DeleteShareGroupOffsets", shareOffsets.deleteShareGroupOffsets, {
    topics: { operation: "READ" },
    ...onGroup("DELETE"),
    ...OF_SHARES,
  }),
];

/** APIs that are served only with a receiver for client metrics (`ApiVersionManager`). */
const TELEMETRY_APIS: readonly ServedApi[] = [
  serve("GetTelemetrySubscriptions", getTelemetrySubscriptions),
  serve("PushTelemetry", pushTelemetry),
];

/** Choice of the APIs of a broker. */
interface ServedOptions {
  /** Clients may push their metrics. */
  readonly telemetry: boolean;
  /** Serves versions that Kafka has not released, too (`unstable.api.versions.enable`). */
  readonly unstable?: boolean;
}

/** APIs that broker listeners serve, by key. */
export function servedApis({ telemetry, unstable = false }: ServedOptions): ReadonlyMap<number, ServedApi> {
  const rows = telemetry ? [...BROKER_APIS, ...TELEMETRY_APIS] : BROKER_APIS;
  return apisOn("broker", unstable ? rows.map(row => ({ ...row, last: Apis[row.name].last })) : rows);
}
