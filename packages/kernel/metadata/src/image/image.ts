import {
  type BrokerEpoch,
  type BrokerId,
  type LeaderEpoch,
  type Offset,
  type PartitionEpoch,
  type PartitionIndex,
  type ProducerId,
  SortedMap,
  UNASSIGNED_DIRECTORY,
  type Uuid,
} from "@samsa/base";
import type {
  AccessControlEntryRecord,
  DelegationTokenRecord,
  MetadataRecord,
  MetadataRecordOf,
  RegisterBrokerRecord,
  RegisterControllerRecord,
  UserScramCredentialRecord,
} from "@samsa/protocol";

/** Position in the log up to which an image includes it. */
export interface Provenance {
  /** Offset of the last record in the image; −1 before the first. */
  readonly offset: Offset;
  readonly epoch: LeaderEpoch;
  /** Append time of that record, in milliseconds since 1970. */
  readonly timestamp: number;
}

/** Kafka's `ConfigResource.Type`. */
export const RESOURCE_TYPE = { topic: 2, broker: 4, clientMetrics: 16, group: 32 } as const;

/** Registration of a broker, with later changes merged in (`BrokerRegistration`). */
export type BrokerImage = Omit<RegisterBrokerRecord, "unknownTags">;
/** Registration of a controller (`ControllerRegistration`). */
export type ControllerImage = Omit<RegisterControllerRecord, "unknownTags">;

/** State of a partition (`PartitionRegistration`). */
export interface PartitionImage {
  readonly replicas: readonly BrokerId[];
  /** Log directory of each replica, in the order of `replicas`. */
  readonly directories: readonly Uuid[];
  readonly isr: readonly BrokerId[];
  readonly removingReplicas: readonly BrokerId[];
  readonly addingReplicas: readonly BrokerId[];
  readonly eligibleLeaderReplicas: readonly BrokerId[];
  readonly lastKnownElr: readonly BrokerId[];
  /** Broker id; −1: none. */
  readonly leader: BrokerId;
  /** 0 recovered, 1 recovering after an unclean election. */
  readonly leaderRecoveryState: number;
  readonly leaderEpoch: LeaderEpoch;
  readonly partitionEpoch: PartitionEpoch;
}

/** Topic and its partitions, by index. */
export interface TopicImage {
  readonly id: Uuid;
  readonly name: string;
  readonly partitions: SortedMap<PartitionIndex, PartitionImage>;
}

/** Settings stored for a resource; `type` is of `RESOURCE_TYPE`. */
export interface ConfigImage {
  readonly type: number;
  readonly name: string;
  readonly values: ReadonlyMap<string, string>;
}

/** Part of the entity of a client quota: user, client id or IP. */
export interface QuotaEntity {
  readonly entityType: string;
  /** null: the default entity. */
  readonly entityName: string | null;
}

/** Client quotas of an entity, by quota key. */
export interface QuotaImage {
  readonly entity: readonly QuotaEntity[];
  readonly quotas: ReadonlyMap<string, number>;
}

/** Record that changes the image by itself; the others delimit transactions (KIP-868). */
export type EffectiveRecord = Exclude<
  MetadataRecord,
  MetadataRecordOf<"BeginTransactionRecord" | "EndTransactionRecord" | "AbortTransactionRecord">
>;

/** All metadata at one offset. Immutable; images share their unchanged parts. */
export interface MetadataImage {
  readonly provenance: Provenance;
  /** Level of every finalised feature, `metadata.version` included; absent features are at level 0. */
  readonly features: SortedMap<string, number>;
  readonly zkMigrationState: number;
  readonly brokers: SortedMap<BrokerId, BrokerImage>;
  readonly controllers: SortedMap<BrokerId, ControllerImage>;
  readonly topics: SortedMap<Uuid, TopicImage>;
  readonly topicIds: SortedMap<string, Uuid>;
  /** Topics by `collisionName`, for names with a dot or an underscore (`topicsWithCollisionChars`). */
  readonly collisions: SortedMap<string, readonly string[]>;
  /** By `configKey`. */
  readonly configs: SortedMap<string, ConfigImage>;
  /** By `quotaKey`. */
  readonly quotas: SortedMap<string, QuotaImage>;
  readonly nextProducerId: ProducerId;
  readonly producerIdsFrom: { readonly brokerId: BrokerId; readonly brokerEpoch: BrokerEpoch };
  readonly acls: SortedMap<Uuid, AccessControlEntryRecord>;
  /** Ids of ACLs by `aclKey`. */
  readonly aclIds: SortedMap<string, Uuid>;
  /** By `scramKey`. */
  readonly scram: SortedMap<string, UserScramCredentialRecord>;
  readonly delegationTokens: SortedMap<string, DelegationTokenRecord>;
  /** Records of an open metadata transaction (KIP-868), without effect before it ends; undefined: none is open. */
  readonly transaction: readonly EffectiveRecord[] | undefined;
}

/** Image before the first record. */
export const EMPTY_IMAGE: MetadataImage = {
  provenance: { offset: -1, epoch: -1, timestamp: -1 },
  features: SortedMap.of(),
  zkMigrationState: 0,
  brokers: SortedMap.of(),
  controllers: SortedMap.of(),
  topics: SortedMap.of(),
  topicIds: SortedMap.of(),
  collisions: SortedMap.of(),
  configs: SortedMap.of(),
  quotas: SortedMap.of(),
  nextProducerId: 0n,
  producerIdsFrom: { brokerId: -1, brokerEpoch: -1 },
  acls: SortedMap.of(),
  aclIds: SortedMap.of(),
  scram: SortedMap.of(),
  delegationTokens: SortedMap.of(),
  transaction: undefined,
};

/** Key of a resource in `MetadataImage.configs`. */
export function configKey(resourceType: number, resourceName: string): string {
  return `${resourceType}/${resourceName}`;
}

/** Key of a quota entity in `MetadataImage.quotas`; it does not depend on the order of the parts. */
export function quotaKey(entity: readonly QuotaEntity[]): string {
  return JSON.stringify(
    entity
      .map(({ entityType, entityName }) => [entityType, entityName])
      .sort(([a], [b]) => ((a ?? "") < (b ?? "") ? -1 : 1)),
  );
}

/** Topic name as in metric names, with underscores for dots: topics with equal results collide. */
export function collisionName(name: string): string {
  return name.replaceAll(".", "_");
}

/** True if another topic's name may collide with this one (`Topic.hasCollisionChars`). */
export function mayCollide(name: string): boolean {
  return /[._]/.test(name);
}

/** Key of a credential in `MetadataImage.scram`. */
export function scramKey(mechanism: number, name: string): string {
  return `${mechanism}/${name}`;
}

/** Key of an ACL in `MetadataImage.aclIds`: equal ACLs have equal keys. */
export function aclKey(acl: Omit<AccessControlEntryRecord, "id" | "unknownTags">): string {
  const { resourceType, resourceName, patternType, principal, host, operation, permissionType } = acl;
  return JSON.stringify([resourceType, resourceName, patternType, principal, host, operation, permissionType]);
}

/** Topic with that name; undefined if it does not exist. */
export function topicNamed(image: MetadataImage, name: string): TopicImage | undefined {
  const id = image.topicIds.get(name);
  return id === undefined ? undefined : image.topics.get(id);
}

/** All topics, sorted by name. */
export function topicsByName(image: MetadataImage): TopicImage[] {
  return [...image.topicIds.keys()].flatMap(name => topicNamed(image, name) ?? []);
}

/** Log directory of a replica, as far as the metadata knows. */
export function replicaDirectory(partition: PartitionImage, brokerId: BrokerId): Uuid {
  return partition.directories[partition.replicas.indexOf(brokerId)] ?? UNASSIGNED_DIRECTORY;
}

/** Settings stored for a resource; empty if there are none. */
export function configsOf(
  image: MetadataImage,
  resourceType: number,
  resourceName: string,
): ReadonlyMap<string, string> {
  return image.configs.get(configKey(resourceType, resourceName))?.values ?? NO_CONFIGS;
}

const NO_CONFIGS: ReadonlyMap<string, string> = new Map();
