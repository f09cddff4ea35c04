import { type Int64, UNASSIGNED_DIRECTORY, type Uuid } from "@samsa/base";
import type {
  AccessControlEntryRecord,
  DelegationTokenRecord,
  MetadataRecord,
  RegisterBrokerRecord,
  RegisterControllerRecord,
  UserScramCredentialRecord,
} from "@samsa/protocol";

/** Up to where in the log an image goes. */
export interface Provenance {
  /** Offset of the last record in it; −1 before the first. */
  readonly offset: number;
  readonly epoch: number;
  /** When that record was appended, milliseconds since the epoch. */
  readonly timestamp: number;
}

/** Kafka's `ConfigResource.Type`. */
export const RESOURCE_TYPE = { topic: 2, broker: 4, clientMetrics: 16, group: 32 } as const;

/** What the log says of a broker, or of a controller: its registration with later changes merged in. */
export type BrokerImage = Omit<RegisterBrokerRecord, "unknownTags">;
export type ControllerImage = Omit<RegisterControllerRecord, "unknownTags">;

export interface PartitionImage {
  readonly replicas: readonly number[];
  /** The log directory of each replica, in the order of `replicas`. */
  readonly directories: readonly Uuid[];
  readonly isr: readonly number[];
  readonly removingReplicas: readonly number[];
  readonly addingReplicas: readonly number[];
  readonly eligibleLeaderReplicas: readonly number[];
  readonly lastKnownElr: readonly number[];
  /** −1: none. */
  readonly leader: number;
  /** 0 recovered, 1 recovering after an unclean election. */
  readonly leaderRecoveryState: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
}

export interface TopicImage {
  readonly id: Uuid;
  readonly name: string;
  readonly partitions: ReadonlyMap<number, PartitionImage>;
}

export interface ConfigImage {
  readonly type: number;
  readonly name: string;
  readonly values: ReadonlyMap<string, string>;
}

export interface QuotaEntity {
  readonly entityType: string;
  /** null: the default entity. */
  readonly entityName: string | null;
}

export interface QuotaImage {
  readonly entity: readonly QuotaEntity[];
  readonly quotas: ReadonlyMap<string, number>;
}

/** All metadata at one offset. Never changes; parts that two images have in common are the same objects. */
export interface MetadataImage {
  readonly provenance: Provenance;
  /** Level of every finalised feature, `metadata.version` included; what is not here is at level 0. */
  readonly features: ReadonlyMap<string, number>;
  readonly zkMigrationState: number;
  readonly brokers: ReadonlyMap<number, BrokerImage>;
  readonly controllers: ReadonlyMap<number, ControllerImage>;
  readonly topics: ReadonlyMap<Uuid, TopicImage>;
  readonly topicIds: ReadonlyMap<string, Uuid>;
  /** By `configKey`. */
  readonly configs: ReadonlyMap<string, ConfigImage>;
  /** By `quotaKey`. */
  readonly quotas: ReadonlyMap<string, QuotaImage>;
  readonly nextProducerId: bigint;
  readonly producerIdsFrom: { readonly brokerId: number; readonly brokerEpoch: Int64 };
  readonly acls: ReadonlyMap<Uuid, AccessControlEntryRecord>;
  /** By `scramKey`. */
  readonly scram: ReadonlyMap<string, UserScramCredentialRecord>;
  readonly delegationTokens: ReadonlyMap<string, DelegationTokenRecord>;
  /** Records of a metadata transaction (KIP-868) that has begun and not ended; they count for nothing yet. */
  readonly transaction: readonly MetadataRecord[] | undefined;
}

export const EMPTY_IMAGE: MetadataImage = {
  provenance: { offset: -1, epoch: -1, timestamp: -1 },
  features: new Map(),
  zkMigrationState: 0,
  brokers: new Map(),
  controllers: new Map(),
  topics: new Map(),
  topicIds: new Map(),
  configs: new Map(),
  quotas: new Map(),
  nextProducerId: 0n,
  producerIdsFrom: { brokerId: -1, brokerEpoch: -1 },
  acls: new Map(),
  scram: new Map(),
  delegationTokens: new Map(),
  transaction: undefined,
};

export function configKey(resourceType: number, resourceName: string): string {
  return `${resourceType}/${resourceName}`;
}

/** The order in which a quota's entity is written means nothing. */
export function quotaKey(entity: readonly QuotaEntity[]): string {
  return JSON.stringify(
    entity
      .map(({ entityType, entityName }) => [entityType, entityName])
      .sort(([a], [b]) => ((a ?? "") < (b ?? "") ? -1 : 1)),
  );
}

export function scramKey(mechanism: number, name: string): string {
  return `${mechanism}/${name}`;
}

export function topicNamed(image: MetadataImage, name: string): TopicImage | undefined {
  const id = image.topicIds.get(name);
  return id === undefined ? undefined : image.topics.get(id);
}

/** The directory that a replica is in, as far as the metadata knows. */
export function replicaDirectory(partition: PartitionImage, brokerId: number): Uuid {
  return partition.directories[partition.replicas.indexOf(brokerId)] ?? UNASSIGNED_DIRECTORY;
}

/** The settings stored for a resource; none when there are none. */
export function configsOf(
  image: MetadataImage,
  resourceType: number,
  resourceName: string,
): ReadonlyMap<string, string> {
  return image.configs.get(configKey(resourceType, resourceName))?.values ?? NO_CONFIGS;
}

const NO_CONFIGS: ReadonlyMap<string, string> = new Map();
