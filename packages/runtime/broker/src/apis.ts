import { ApiKey, apiOf } from "@samsa/protocol";
import type { ByteReader, ByteWriter } from "@samsa/base";
import { alterReplicaLogDirs } from "./api/alter-replica-log-dirs.ts";
import { apiVersions } from "./api/api-versions.ts";
import { alterConfigs, incrementalAlterConfigs } from "./api/alter-configs.ts";
import { alterClientQuotas, describeClientQuotas } from "./api/client-quotas.ts";
import { consumerGroupDescribe, consumerGroupHeartbeat } from "./api/consumer-groups.ts";
import { createPartitions } from "./api/create-partitions.ts";
import { createTopics } from "./api/create-topics.ts";
import { deleteRecords } from "./api/delete-records.ts";
import { deleteTopics } from "./api/delete-topics.ts";
import { describeCluster } from "./api/describe-cluster.ts";
import { describeConfigs } from "./api/describe-configs.ts";
import { describeLogDirs } from "./api/describe-log-dirs.ts";
import { describeProducers } from "./api/describe-producers.ts";
import { describeQuorum } from "./api/describe-quorum.ts";
import { describeTopicPartitions } from "./api/describe-topic-partitions.ts";
import { describeTransactions, listTransactions } from "./api/describe-transactions.ts";
import { electLeaders } from "./api/elect-leaders.ts";
import { fetch } from "./api/fetch.ts";
import { findCoordinator } from "./api/find-coordinator.ts";
import * as groups from "./api/groups.ts";
import { initProducerId } from "./api/init-producer-id.ts";
import { listConfigResources } from "./api/list-config-resources.ts";
import { listOffsets } from "./api/list-offsets.ts";
import { metadata } from "./api/metadata.ts";
import { offsetForLeaderEpoch } from "./api/offset-for-leader-epoch.ts";
import { alterPartitionReassignments, listPartitionReassignments } from "./api/partition-reassignments.ts";
import { produce } from "./api/produce.ts";
import { getTelemetrySubscriptions, pushTelemetry } from "./api/telemetry.ts";
import * as transactions from "./api/transactions.ts";
import { txnOffsetCommit } from "./api/txn-offset-commit.ts";
import { shareAcknowledge } from "./api/share-acknowledge.ts";
import { shareFetch } from "./api/share-fetch.ts";
import * as shareOffsets from "./api/share-group-offsets.ts";
import * as shareGroups from "./api/share-groups.ts";
import * as shareState from "./api/share-state.ts";
import { unregisterBroker } from "./api/unregister-broker.ts";
import { unregisterController } from "./api/unregister-controller.ts";
import { updateFeatures } from "./api/update-features.ts";
import { writeTxnMarkers } from "./api/write-txn-markers.ts";
import type { Broker } from "./broker.ts";
import type { RequestContext } from "./requests.ts";

/**
 * Answers a request, exactly once; null: there is nothing to say (acks=0). `sent` is called when the memory that the
 * response refers to may be used again, or never.
 */
export type Reply = (response: object | null, sent?: () => void) => void;

/** Handles a request, and replies now or later. */
export type Handler = (broker: Broker, request: never, context: RequestContext, reply: Reply) => void;

/** An API that this broker serves. */
export interface ServedApi {
  readonly key: number;
  readonly name: string;
  readonly first: number;
  readonly last: number;
  /** The lowest version that ApiVersions tells; below `first` only where clients need to see it. */
  readonly announcedFirst: number;
  readonly request: { decode(reader: ByteReader, version: number): unknown };
  /** When its handler returns, nothing looks at the request any more: its memory may be used again. */
  readonly transient: boolean;
  readonly response: { encode(writer: ByteWriter, value: object, version: number): void };
  handle(broker: Broker, request: unknown, context: RequestContext, reply: Reply): void;
}

/**
 * The one table of what is served. Produce is announced from version 0, as Kafka does, because librdkafka takes a
 * broker without it for one that cannot compress; requests below version 3 are refused all the same.
 */
const HANDLERS: readonly (readonly [key: number, handler: Handler, announcedFirst?: number])[] = [
  [ApiKey.Produce, produce, 0],
  [ApiKey.Fetch, fetch],
  [ApiKey.ListOffsets, listOffsets],
  [ApiKey.Metadata, metadata],
  [ApiKey.OffsetCommit, groups.offsetCommit],
  [ApiKey.OffsetFetch, groups.offsetFetch],
  [ApiKey.FindCoordinator, findCoordinator],
  [ApiKey.JoinGroup, groups.joinGroup],
  [ApiKey.Heartbeat, groups.heartbeat],
  [ApiKey.LeaveGroup, groups.leaveGroup],
  [ApiKey.SyncGroup, groups.syncGroup],
  [ApiKey.DescribeGroups, groups.describeGroups],
  [ApiKey.ListGroups, groups.listGroups],
  [ApiKey.ApiVersions, apiVersions],
  [ApiKey.CreateTopics, createTopics],
  [ApiKey.DeleteTopics, deleteTopics],
  [ApiKey.DeleteRecords, deleteRecords],
  [ApiKey.InitProducerId, initProducerId],
  [ApiKey.OffsetForLeaderEpoch, offsetForLeaderEpoch],
  [ApiKey.AddPartitionsToTxn, transactions.addPartitionsToTxn],
  [ApiKey.AddOffsetsToTxn, transactions.addOffsetsToTxn],
  [ApiKey.EndTxn, transactions.endTxn],
  [ApiKey.WriteTxnMarkers, writeTxnMarkers],
  [ApiKey.TxnOffsetCommit, txnOffsetCommit],
  [ApiKey.DescribeConfigs, describeConfigs],
  [ApiKey.AlterConfigs, alterConfigs],
  [ApiKey.AlterReplicaLogDirs, alterReplicaLogDirs],
  [ApiKey.DescribeLogDirs, describeLogDirs],
  [ApiKey.CreatePartitions, createPartitions],
  [ApiKey.DeleteGroups, groups.deleteGroups],
  [ApiKey.ElectLeaders, electLeaders],
  [ApiKey.IncrementalAlterConfigs, incrementalAlterConfigs],
  [ApiKey.OffsetDelete, groups.offsetDelete],
  [ApiKey.AlterPartitionReassignments, alterPartitionReassignments],
  [ApiKey.ListPartitionReassignments, listPartitionReassignments],
  [ApiKey.DescribeQuorum, describeQuorum],
  [ApiKey.UpdateFeatures, updateFeatures],
  [ApiKey.DescribeCluster, describeCluster],
  [ApiKey.DescribeProducers, describeProducers],
  [ApiKey.DescribeClientQuotas, describeClientQuotas],
  [ApiKey.AlterClientQuotas, alterClientQuotas],
  [ApiKey.UnregisterBroker, unregisterBroker],
  [ApiKey.DescribeTransactions, describeTransactions],
  [ApiKey.ListTransactions, listTransactions],
  [ApiKey.ConsumerGroupHeartbeat, consumerGroupHeartbeat],
  [ApiKey.ConsumerGroupDescribe, consumerGroupDescribe],
  [ApiKey.ListConfigResources, listConfigResources],
  [ApiKey.DescribeTopicPartitions, describeTopicPartitions],
  [ApiKey.UnregisterController, unregisterController],
  [ApiKey.ShareGroupHeartbeat, shareGroups.shareGroupHeartbeat],
  [ApiKey.ShareGroupDescribe, shareGroups.shareGroupDescribe],
  [ApiKey.ShareFetch, shareFetch],
  [ApiKey.ShareAcknowledge, shareAcknowledge],
  [ApiKey.InitializeShareGroupState, shareState.initializeShareGroupState],
  [ApiKey.ReadShareGroupState, shareState.readShareGroupState],
  [ApiKey.WriteShareGroupState, shareState.writeShareGroupState],
  [ApiKey.DeleteShareGroupState, shareState.deleteShareGroupState],
  [ApiKey.ReadShareGroupStateSummary, shareState.readShareGroupStateSummary],
  [ApiKey.DescribeShareGroupOffsets, shareOffsets.describeShareGroupOffsets],
  [ApiKey.AlterShareGroupOffsets, shareOffsets.alterShareGroupOffsets],
  [ApiKey.DeleteShareGroupOffsets, shareOffsets.deleteShareGroupOffsets],
];

/** Served where somebody takes the metrics, and nowhere else (`ApiVersionManager`). */
const TELEMETRY_HANDLERS: typeof HANDLERS = [
  [ApiKey.GetTelemetrySubscriptions, getTelemetrySubscriptions],
  [ApiKey.PushTelemetry, pushTelemetry],
];

/** The log copies the records of a Produce request as it appends them. */
const TRANSIENT: ReadonlySet<number> = new Set([ApiKey.Produce]);

function served([key, handler, announcedFirst]: (typeof HANDLERS)[number]): ServedApi {
  const api = apiOf(key);
  if (api === undefined) throw new Error(`API ${key} is not in the protocol`);
  const { name, request, response, first, lastStable: last } = api;
  return {
    key,
    name,
    first,
    last,
    announcedFirst: announcedFirst ?? first,
    request,
    response,
    transient: TRANSIENT.has(key),
    // What decodes a request is what types its handler: the table pairs them by key.
    handle: handler as ServedApi["handle"],
  };
}

/** By key; `telemetry`: whether clients may push their metrics. */
export function servedApis({ telemetry }: { readonly telemetry: boolean }): ReadonlyMap<number, ServedApi> {
  const rows = telemetry ? [...HANDLERS, ...TELEMETRY_HANDLERS] : HANDLERS;
  return new Map(rows.map(row => [row[0], served(row)]));
}
