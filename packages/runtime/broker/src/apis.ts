import type { ByteReader, ByteWriter } from "@samsa/base";
import { type ApiName, Apis } from "@samsa/protocol";
import { createAcls, deleteAcls, describeAcls } from "./api/cluster/acls.ts";
import { alterReplicaLogDirs } from "./api/cluster/alter-replica-log-dirs.ts";
import { apiVersions } from "./api/cluster/api-versions.ts";
import { alterConfigs, incrementalAlterConfigs } from "./api/configs/alter-configs.ts";
import { describeClientQuotas } from "./api/cluster/client-quotas.ts";
import { consumerGroupDescribe, consumerGroupHeartbeat } from "./api/groups/consumer-groups.ts";
import { deleteRecords } from "./api/records/delete-records.ts";
import { describeCluster } from "./api/cluster/describe-cluster.ts";
import { describeConfigs } from "./api/configs/describe-configs.ts";
import { describeLogDirs } from "./api/cluster/describe-log-dirs.ts";
import { describeProducers } from "./api/records/describe-producers.ts";
import { describeTopicPartitions } from "./api/topics/describe-topic-partitions.ts";
import { describeTransactions, listTransactions } from "./api/transactions/describe-transactions.ts";
import { fetch } from "./api/records/fetch.ts";
import { findCoordinator } from "./api/groups/find-coordinator.ts";
import { forwarded } from "./forwarding/forwarding.ts";
import * as groups from "./api/groups/groups.ts";
import { initProducerId } from "./api/transactions/init-producer-id.ts";
import { listConfigResources } from "./api/configs/list-config-resources.ts";
import { listOffsets } from "./api/records/list-offsets.ts";
import { metadata } from "./api/topics/metadata.ts";
import { offsetForLeaderEpoch } from "./api/records/offset-for-leader-epoch.ts";
import { listPartitionReassignments } from "./api/cluster/list-partition-reassignments.ts";
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
import { type AclOperation, type Action, CLUSTER_NAME } from "./network/authorizer.ts";
import { type ErrorResponse, errorResponses } from "./error-responses.ts";
import type { Handler, RequestOf } from "./handler.ts";
import type { AnnouncedApi, BrokerParts } from "./parts.ts";
import type { RequestContext } from "./network/requests.ts";

/** `Reply` of an API whose type is not known to the caller. */
export type AnyReply = (response: object | null, sent?: () => void) => void;

/** A served API without its static types: `request` decodes to what `handle` accepts. */
export interface ServedApi {
  readonly name: ApiName;
  readonly key: number;
  readonly first: number;
  readonly last: number;
  /** The lowest version that ApiVersions announces; below `first` only where clients need to see it. */
  readonly announcedFirst: number;
  readonly request: { decode(reader: ByteReader, version: number): object };
  /** True if nothing refers to the request once its handler has returned, so that its memory may be reused. */
  readonly transient: boolean;
  /** True if the quota of request time does not count it (`sendResponseExemptThrottle`). */
  readonly exempt: boolean;
  readonly response: { encode(writer: ByteWriter, value: object, version: number): void };
  /** Action that the client needs permission for before the handler is called; undefined: none. */
  action(request: object): Action | undefined;
  /** Response to a request that fails as a whole (`AbstractRequest.getErrorResponse`). */
  failure: ErrorResponse<object>;
  handle(parts: BrokerParts, request: object, context: RequestContext, reply: AnyReply): void;
}

interface Row<N extends ApiName> {
  /** Permission for the whole request: on the cluster, or on the group or transactional id that the request names. */
  readonly permission?:
    | readonly [operation: AclOperation, resource: "CLUSTER"]
    | readonly [
        operation: AclOperation,
        resource: "GROUP" | "TRANSACTIONAL_ID",
        nameOf: (request: RequestOf<N>) => string | null,
      ];
  readonly announcedFirst?: number;
  readonly transient?: true;
  readonly exempt?: true;
}

/** Builds a row of the table of APIs. */
export function serve<N extends keyof typeof errorResponses>(
  name: N,
  handler: Handler<NoInfer<N>, BrokerParts>,
  { permission, announcedFirst, transient, exempt }: Row<N> = {},
): ServedApi {
  const { key, request, response, first, lastStable } = Apis[name];
  const action = (asked: RequestOf<N>): Action | undefined => {
    if (permission === undefined) return undefined;
    const [operation, resource, nameOf] = permission;
    const of = nameOf === undefined ? CLUSTER_NAME : nameOf(asked);
    return of === null ? undefined : { operation, resource, name: of };
  };
  const typed = { request, response, action, failure: errorResponses[name], handle: handler };
  // Request schema and handler have matching types, because the row pairs them by the API's name.
  const untyped = typed as unknown as Pick<ServedApi, keyof typeof typed>;
  return {
    name,
    key,
    first,
    last: lastStable,
    announcedFirst: announcedFirst ?? first,
    transient: transient === true,
    exempt: exempt === true,
    ...untyped,
  };
}

const ALTER_CLUSTER = { permission: ["ALTER", "CLUSTER"] } as const;
const DESCRIBE_CLUSTER = { permission: ["DESCRIBE", "CLUSTER"] } as const;
/** Permission for APIs that only brokers use. */
const CLUSTER_ACTION = { permission: ["CLUSTER_ACTION", "CLUSTER"] } as const;

function onGroup<R extends { readonly groupId: string }>(operation: AclOperation) {
  return { permission: [operation, "GROUP", ({ groupId }: R) => groupId] } as const;
}

function onTransaction<R extends { readonly transactionalId: string | null }>(operation: AclOperation) {
  return { permission: [operation, "TRANSACTIONAL_ID", ({ transactionalId }: R) => transactionalId] } as const;
}

/**
 * Table of all served APIs. Produce is announced from version 0, as in Kafka, because librdkafka assumes that a broker
 * without it cannot compress; requests below version 3 are still refused. The log copies the records of a Produce
 * request as it appends them.
 */
const BROKER_APIS: readonly ServedApi[] = [
  serve("Produce", produce, { announcedFirst: 0, transient: true, ...onTransaction("WRITE") }),
  serve("Fetch", fetch),
  serve("ListOffsets", listOffsets),
  serve("Metadata", metadata),
  serve("OffsetCommit", groups.offsetCommit, onGroup("READ")),
  serve("OffsetFetch", groups.offsetFetch),
  serve("FindCoordinator", findCoordinator),
  serve("JoinGroup", groups.joinGroup, onGroup("READ")),
  serve("Heartbeat", groups.heartbeat, onGroup("READ")),
  serve("LeaveGroup", groups.leaveGroup, onGroup("READ")),
  serve("SyncGroup", groups.syncGroup, onGroup("READ")),
  serve("DescribeGroups", groups.describeGroups),
  serve("ListGroups", groups.listGroups),
  serve("ApiVersions", apiVersions),
  serve("CreateTopics", forwarded("CreateTopics")),
  serve("DeleteTopics", forwarded("DeleteTopics")),
  serve("DeleteRecords", deleteRecords),
  serve("InitProducerId", initProducerId, onTransaction("WRITE")),
  serve("OffsetForLeaderEpoch", offsetForLeaderEpoch),
  serve("AddPartitionsToTxn", transactions.addPartitionsToTxn),
  serve("AddOffsetsToTxn", transactions.addOffsetsToTxn, onTransaction("WRITE")),
  serve("EndTxn", transactions.endTxn, onTransaction("WRITE")),
  serve("WriteTxnMarkers", writeTxnMarkers, { exempt: true, ...CLUSTER_ACTION }),
  serve("TxnOffsetCommit", txnOffsetCommit, onTransaction("WRITE")),
  serve("DescribeAcls", describeAcls, DESCRIBE_CLUSTER),
  serve("CreateAcls", createAcls, ALTER_CLUSTER),
  serve("DeleteAcls", deleteAcls, ALTER_CLUSTER),
  serve("DescribeConfigs", describeConfigs),
  serve("AlterConfigs", alterConfigs),
  serve("AlterReplicaLogDirs", alterReplicaLogDirs, ALTER_CLUSTER),
  serve("DescribeLogDirs", describeLogDirs, DESCRIBE_CLUSTER),
  serve("CreatePartitions", forwarded("CreatePartitions")),
  serve("DeleteGroups", groups.deleteGroups),
  serve("ElectLeaders", forwarded("ElectLeaders"), ALTER_CLUSTER),
  serve("IncrementalAlterConfigs", incrementalAlterConfigs),
  serve("OffsetDelete", groups.offsetDelete, onGroup("DELETE")),
  serve("AlterPartitionReassignments", forwarded("AlterPartitionReassignments"), ALTER_CLUSTER),
  serve("ListPartitionReassignments", listPartitionReassignments, DESCRIBE_CLUSTER),
  serve("DescribeQuorum", forwarded("DescribeQuorum"), DESCRIBE_CLUSTER),
  serve("UpdateFeatures", forwarded("UpdateFeatures"), ALTER_CLUSTER),
  serve("DescribeCluster", describeCluster),
  serve("DescribeProducers", describeProducers),
  serve("DescribeClientQuotas", describeClientQuotas, { permission: ["DESCRIBE_CONFIGS", "CLUSTER"] }),
  serve("AlterClientQuotas", forwarded("AlterClientQuotas"), { permission: ["ALTER_CONFIGS", "CLUSTER"] }),
  serve("UnregisterBroker", forwarded("UnregisterBroker"), ALTER_CLUSTER),
  serve("DescribeTransactions", describeTransactions),
  serve("ListTransactions", listTransactions),
  serve("ConsumerGroupHeartbeat", consumerGroupHeartbeat, onGroup("READ")),
  serve("ConsumerGroupDescribe", consumerGroupDescribe),
  serve("ListConfigResources", listConfigResources, { permission: ["DESCRIBE_CONFIGS", "CLUSTER"] }),
  serve("DescribeTopicPartitions", describeTopicPartitions),
  serve("UnregisterController", forwarded("UnregisterController"), ALTER_CLUSTER),
  serve("ShareGroupHeartbeat", shareGroups.shareGroupHeartbeat, onGroup("READ")),
  serve("ShareGroupDescribe", shareGroups.shareGroupDescribe),
  serve("ShareFetch", shareFetch, { permission: ["READ", "GROUP", ({ groupId }) => groupId ?? ""] }),
  serve("ShareAcknowledge", shareAcknowledge, { permission: ["READ", "GROUP", ({ groupId }) => groupId ?? ""] }),
  serve("InitializeShareGroupState", shareState.initializeShareGroupState, CLUSTER_ACTION),
  serve("ReadShareGroupState", shareState.readShareGroupState, CLUSTER_ACTION),
  serve("WriteShareGroupState", shareState.writeShareGroupState, CLUSTER_ACTION),
  serve("DeleteShareGroupState", shareState.deleteShareGroupState, CLUSTER_ACTION),
  serve("ReadShareGroupStateSummary", shareState.readShareGroupStateSummary, CLUSTER_ACTION),
  serve("DescribeShareGroupOffsets", shareOffsets.describeShareGroupOffsets),
  serve("AlterShareGroupOffsets", shareOffsets.alterShareGroupOffsets, onGroup("READ")),
  serve("DeleteShareGroupOffsets", shareOffsets.deleteShareGroupOffsets, onGroup("DELETE")),
];

/** APIs that are served only with a receiver for client metrics (`ApiVersionManager`). */
const TELEMETRY_APIS: readonly ServedApi[] = [
  serve("GetTelemetrySubscriptions", getTelemetrySubscriptions),
  serve("PushTelemetry", pushTelemetry),
];

/** Served APIs by key; `telemetry`: clients may push their metrics. */
export function servedApis({ telemetry }: { readonly telemetry: boolean }): ReadonlyMap<number, ServedApi> {
  const rows = telemetry ? [...BROKER_APIS, ...TELEMETRY_APIS] : BROKER_APIS;
  return new Map(rows.map(row => [row.key, row]));
}

/** Version range of an API as ApiVersions announces it. */
export function announced({ key, announcedFirst, last }: ServedApi): AnnouncedApi {
  return { apiKey: key, minVersion: announcedFirst, maxVersion: last };
}
