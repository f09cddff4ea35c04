import { type Int64, UNASSIGNED_DIRECTORY, type Uuid } from "@samsa/base";
import type {
  AccessControlEntryRecord,
  DelegationTokenRecord,
  MetadataRecord,
  RegisterBrokerRecord,
  RegisterControllerRecord,
  UserScramCredentialRecord,
} from "@samsa/protocol";

/** Position in the log up to which an image includes it. */
export interface Provenance {
  /** Offset of the last record in the image; −1 before the first. */
  readonly offset: number;
  readonly epoch: number;
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
  readonly replicas: readonly number[];
  /** Log directory of each replica, in the order of `replicas`. */
  readonly directories: readonly Uuid[];
  readonly isr: readonly number[];
  readonly removingReplicas: readonly number[];
  readonly addingReplicas: readonly number[];
  readonly eligibleLeaderReplicas: readonly number[];
  readonly lastKnownElr: readonly number[];
  /** Broker id; −1: none. */
  readonly leader: number;
  /** 0 recovered, 1 recovering after an unclean election. */
  readonly leaderRecoveryState: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
}

/** Topic and its partitions, by index. */
export interface TopicImage {
  readonly id: Uuid;
  readonly name: string;
  readonly partitions: ReadonlyMap<number, PartitionImage>;
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

/** All metadata at one offset. Immutable; images share their unchanged parts. */
export interface MetadataImage {
  readonly provenance: Provenance;
  /** Level of every finalised feature, `metadata.version` included; absent features are at level 0. */
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
  /** Records of an open metadata transaction (KIP-868), without effect before it ends; undefined: none is open. */
  readonly transaction: readonly MetadataRecord[] | undefined;
}

/** Image before the first record. */
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

/** Key of a credential in `MetadataImage.scram`. */
export function scramKey(mechanism: number, name: string): string {
  return `${mechanism}/${name}`;
}

/** Topic with that name; undefined if it does not exist. */
export function topicNamed(image: MetadataImage, name: string): TopicImage | undefined {
  const id = image.topicIds.get(name);
  return id === undefined ? undefined : image.topics.get(id);
}

/** Log directory of a replica, as far as the metadata knows. */
export function replicaDirectory(partition: PartitionImage, brokerId: number): Uuid {
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
