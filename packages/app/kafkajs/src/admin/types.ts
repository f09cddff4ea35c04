import type { GroupDescription } from "../consumer/types.ts";
import type { KafkaJSError, KafkaJSProtocolError } from "../error/errors.ts";
import type { InstrumentationEvent, RemoveInstrumentationEventListener } from "../events/emitter.ts";
import type { RequestPayload, RequestQueueSizePayload, RequestTimeoutPayload } from "../events/network.ts";
import type { Logger } from "../log/logger.ts";
import type { PartitionMetadata } from "../producer/partitioners.ts";
import type { PartitionOffset } from "../producer/types.ts";
import type { RetryOptions } from "../settings/retry.ts";
import type {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  ConfigResourceTypes,
  ConfigSource,
  ResourcePatternTypes,
} from "../values/enums.ts";

/** Settings of an admin. */
export interface AdminConfig {
  readonly retry?: RetryOptions;
}

/** Brokers of the replicas of a partition, the preferred leader first. */
export interface ReplicaAssignment {
  readonly partition: number;
  readonly replicas: readonly number[];
}

/** A setting. */
export interface IResourceConfigEntry {
  readonly name: string;
  readonly value: string;
}

/** Topic to create. Numbers that are left out are the broker's defaults. */
export interface ITopicConfig {
  readonly topic: string;
  readonly numPartitions?: number;
  readonly replicationFactor?: number;
  /** Instead of the two numbers. */
  readonly replicaAssignment?: readonly ReplicaAssignment[];
  readonly configEntries?: readonly IResourceConfigEntry[];
}

/** Number of partitions that a topic is to have. */
export interface ITopicPartitionConfig {
  readonly topic: string;
  readonly count: number;
  /** Brokers of the replicas of each new partition. */
  readonly assignments?: readonly (readonly number[])[];
}

/** A described topic. */
export interface ITopicMetadata {
  readonly name: string;
  readonly partitions: PartitionMetadata[];
}

/** New replicas for partitions of a topic. */
export interface PartitionReassignment {
  readonly topic: string;
  readonly partitionAssignment: readonly ReplicaAssignment[];
}

/** Resource whose settings are described. */
export interface ResourceConfigQuery {
  readonly type: ConfigResourceTypes;
  /** Name of the topic, or id of the broker. */
  readonly name: string;
  /** All settings by default. */
  readonly configNames?: readonly string[];
}

/** Resource with all its settings: those that are left out get their defaults. */
export interface IResourceConfig {
  readonly type: ConfigResourceTypes;
  readonly name: string;
  readonly configEntries: readonly IResourceConfigEntry[];
}

/** Value of a setting in one place. */
export interface ConfigSynonyms {
  readonly configName: string;
  readonly configValue: string | null;
  readonly configSource: ConfigSource;
}

/** A described setting. */
export interface ConfigEntries extends ConfigSynonyms {
  readonly isDefault: boolean;
  readonly isSensitive: boolean;
  readonly readOnly: boolean;
  readonly configSynonyms: ConfigSynonyms[];
}

/** Settings of resources. */
export interface DescribeConfigResponse {
  readonly resources: {
    readonly configEntries: ConfigEntries[];
    readonly errorCode: number;
    readonly errorMessage: string | null;
    readonly resourceName: string;
    readonly resourceType: ConfigResourceTypes;
  }[];
  readonly throttleTime: number;
}

/** Offset of a partition; "-1" is the end, "-2" the beginning. */
export type SeekEntry = PartitionOffset;

/** Committed offset of a partition; "-1": none. */
export interface FetchOffsetsPartition extends PartitionOffset {
  readonly metadata: string | null;
}

/** Access right. */
export interface Acl {
  /** Type and name, as in "User:alice". */
  readonly principal: string;
  /** "*": any. */
  readonly host: string;
  readonly operation: AclOperationTypes;
  readonly permissionType: AclPermissionTypes;
}

/** Resource of an access right. */
export interface AclResource {
  readonly resourceType: AclResourceTypes;
  readonly resourceName: string;
  readonly resourcePatternType: ResourcePatternTypes;
}

/** Access right with its resource. */
export interface AclEntry extends Acl, AclResource {}

/** Resource with its access rights. */
export interface DescribeAclResource extends AclResource {
  readonly acls: Acl[];
}

/** Access rights that match a filter. */
export interface DescribeAclResponse {
  readonly throttleTime: number;
  readonly errorCode: number;
  readonly errorMessage?: string;
  readonly resources: DescribeAclResource[];
}

/** Access rights that match all fields that are given. */
export interface AclFilter {
  readonly resourceType: AclResourceTypes;
  readonly resourceName?: string;
  readonly resourcePatternType: ResourcePatternTypes;
  readonly principal?: string;
  readonly host?: string;
  readonly operation: AclOperationTypes;
  readonly permissionType: AclPermissionTypes;
}

/** Access right that was deleted, or could not be. */
export interface MatchingAcl extends AclEntry {
  readonly errorCode: number;
  readonly errorMessage?: string;
}

/** Access rights that one filter has matched. */
export interface DeleteAclFilterResponses {
  readonly errorCode: number;
  readonly errorMessage?: string;
  readonly matchingAcls: MatchingAcl[];
}

/** Access rights that were deleted, by filter. */
export interface DeleteAclResponse {
  readonly throttleTime: number;
  readonly filterResponses: DeleteAclFilterResponses[];
}

/** Reassignment of a partition that is under way. */
export interface OngoingPartitionReassignment {
  readonly partitionIndex: number;
  readonly replicas: number[];
  readonly addingReplicas?: number[];
  readonly removingReplicas?: number[];
}

/** Reassignments of a topic that are under way. */
export interface OngoingTopicReassignment {
  readonly topic: string;
  readonly partitions: OngoingPartitionReassignment[];
}

/** Reassignments that are under way. */
export interface ListPartitionReassignmentsResponse {
  readonly topics: OngoingTopicReassignment[];
}

/** Group in a list. */
export interface GroupOverview {
  readonly groupId: string;
  readonly protocolType: string;
}

/** Group that was deleted. */
export interface DeleteGroupsResult {
  readonly groupId: string;
  readonly errorCode?: number;
  readonly error?: KafkaJSProtocolError | KafkaJSError;
}

/** Descriptions of groups. */
export interface GroupDescriptions {
  readonly groups: GroupDescription[];
}

/** Names of an admin's events. */
export const adminEvents = {
  CONNECT: "admin.connect",
  DISCONNECT: "admin.disconnect",
  REQUEST: "admin.network.request",
  REQUEST_TIMEOUT: "admin.network.request_timeout",
  REQUEST_QUEUE_SIZE: "admin.network.request_queue_size",
} as const;

/** Names of an admin's events. */
export type AdminEvents = typeof adminEvents;

/** Payloads of an admin's events, by their names. */
export interface AdminPayloads {
  "admin.connect": null;
  "admin.disconnect": null;
  "admin.network.request": RequestPayload;
  "admin.network.request_timeout": RequestTimeoutPayload;
  "admin.network.request_queue_size": RequestQueueSizePayload;
}

/** Administration of a cluster. */
export interface Admin {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  listTopics(): Promise<string[]>;
  /** Creates topics. False: all of them exist. */
  createTopics(options: {
    readonly validateOnly?: boolean;
    /** Resolves once the partitions have leaders; true by default. */
    readonly waitForLeaders?: boolean;
    readonly timeout?: number;
    readonly topics: readonly ITopicConfig[];
  }): Promise<boolean>;
  deleteTopics(options: { readonly topics: readonly string[]; readonly timeout?: number }): Promise<void>;
  createPartitions(options: {
    readonly validateOnly?: boolean;
    readonly timeout?: number;
    readonly topicPartitions: readonly ITopicPartitionConfig[];
  }): Promise<boolean>;
  /** Describes topics, or all of them. */
  fetchTopicMetadata(options?: { readonly topics: readonly string[] }): Promise<{ topics: ITopicMetadata[] }>;
  /** Offsets that a group has committed. `resolveOffsets` exchanges "-1" and "-2" for offsets, and commits those. */
  fetchOffsets(options: {
    readonly groupId: string;
    readonly topics?: readonly string[];
    readonly resolveOffsets?: boolean;
  }): Promise<{ topic: string; partitions: FetchOffsetsPartition[] }[]>;
  fetchTopicOffsets(topic: string): Promise<(SeekEntry & { readonly high: string; readonly low: string })[]>;
  /** Offsets of the first messages at or after a time; the ends of the partitions that have none. */
  fetchTopicOffsetsByTimestamp(topic: string, timestamp?: number): Promise<SeekEntry[]>;
  describeCluster(): Promise<{
    brokers: { nodeId: number; host: string; port: number }[];
    controller: number | null;
    clusterId: string;
  }>;
  /** Commits offsets of a group without running members. */
  setOffsets(options: {
    readonly groupId: string;
    readonly topic: string;
    readonly partitions: readonly SeekEntry[];
  }): Promise<void>;
  resetOffsets(options: {
    readonly groupId: string;
    readonly topic: string;
    readonly earliest?: boolean;
  }): Promise<void>;
  describeConfigs(configs: {
    readonly resources: readonly ResourceConfigQuery[];
    readonly includeSynonyms?: boolean;
  }): Promise<DescribeConfigResponse>;
  /** Replaces the settings of resources. */
  alterConfigs(configs: { readonly validateOnly?: boolean; readonly resources: readonly IResourceConfig[] }): Promise<{
    resources: { errorCode: number; errorMessage: string | null; resourceType: number; resourceName: string }[];
    throttleTime: number;
  }>;
  listGroups(): Promise<{ groups: GroupOverview[] }>;
  deleteGroups(groupIds: readonly string[]): Promise<DeleteGroupsResult[]>;
  describeGroups(groupIds: readonly string[]): Promise<GroupDescriptions>;
  describeAcls(options: AclFilter): Promise<DescribeAclResponse>;
  deleteAcls(options: { readonly filters: readonly AclFilter[] }): Promise<DeleteAclResponse>;
  createAcls(options: { readonly acl: readonly AclEntry[] }): Promise<boolean>;
  /** Deletes the messages before an offset; "-1": all. */
  deleteTopicRecords(options: { readonly topic: string; readonly partitions: readonly SeekEntry[] }): Promise<void>;
  alterPartitionReassignments(request: {
    readonly topics: readonly PartitionReassignment[];
    readonly timeout?: number;
  }): Promise<void>;
  listPartitionReassignments(request?: {
    readonly topics?: readonly { readonly topic: string; readonly partitions: readonly number[] }[] | null;
    readonly timeout?: number;
  }): Promise<ListPartitionReassignmentsResponse>;
  logger(): Logger;
  on<N extends keyof AdminPayloads>(
    eventName: N,
    listener: (event: InstrumentationEvent<AdminPayloads[N]>) => void,
  ): RemoveInstrumentationEventListener;
  readonly events: AdminEvents;
}
