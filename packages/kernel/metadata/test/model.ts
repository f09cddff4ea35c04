import { MIGRATING_DIRECTORY, randomUuid, UNASSIGNED_DIRECTORY, type Uuid } from "@samsa/base";
import { configKey, type MetadataImage, type PartitionImage, type QuotaEntity } from "@samsa/metadata";
import type { MetadataRecord } from "@samsa/protocol";

export const id = (n: number): Uuid => randomUuid(length => new Uint8Array(length).fill(n));

export interface ModelTopic {
  readonly name: string;
  readonly partitions: Map<number, PartitionImage>;
}

/** Metadata in plain maps, which `structuredClone` copies. */
export interface Plain {
  features: Map<string, number>;
  zkMigrationState: number;
  brokers: Map<number, object>;
  controllers: Map<number, object>;
  topics: Map<string, ModelTopic>;
  configs: Map<string, Map<string, string>>;
  /** By the parts of the entity in the order of their types. */
  quotas: Map<string, Map<string, number>>;
  producerIds: { nextProducerId: bigint; brokerId: number; brokerEpoch: unknown };
  acls: Map<string, object>;
  scram: Map<string, object>;
  delegationTokens: Map<string, object>;
}

function entityText(entity: readonly QuotaEntity[]): string {
  return entity
    .map(({ entityType, entityName }) => `${entityType}=${entityName === null ? "<default>" : `"${entityName}"`}`)
    .sort((a, b) => (a < b ? -1 : 1))
    .join(",");
}

export function emptyPlain(): Plain {
  return {
    features: new Map(),
    zkMigrationState: 0,
    brokers: new Map(),
    controllers: new Map(),
    topics: new Map(),
    configs: new Map(),
    quotas: new Map(),
    producerIds: { nextProducerId: 0n, brokerId: -1, brokerEpoch: -1 },
    acls: new Map(),
    scram: new Map(),
    delegationTokens: new Map(),
  };
}

/** Content of an image in plain maps. */
export function plainOf(image: MetadataImage): Plain {
  const topics = [...image.topics.values()].map(
    topic => [topic.id as string, { name: topic.name, partitions: new Map(topic.partitions) }] as const,
  );
  return structuredClone({
    features: new Map(image.features),
    zkMigrationState: image.zkMigrationState,
    brokers: new Map<number, object>(image.brokers),
    controllers: new Map<number, object>(image.controllers),
    topics: new Map<string, ModelTopic>(topics),
    configs: new Map([...image.configs].map(([key, { values }]) => [key, new Map(values)])),
    quotas: new Map([...image.quotas.values()].map(({ entity, quotas }) => [entityText(entity), new Map(quotas)])),
    producerIds: { nextProducerId: image.nextProducerId, ...image.producerIdsFrom },
    acls: new Map<string, object>(image.acls),
    scram: new Map<string, object>(image.scram),
    delegationTokens: new Map<string, object>(image.delegationTokens),
  });
}

/** Names of all that records have touched. */
export class Touched {
  readonly topics = new Map<string, Set<number>>();
  readonly configs = new Set<string>();
  readonly brokers = new Set<number>();

  partition(topicId: string, index: number): void {
    const known = this.topics.get(topicId) ?? new Set();
    this.topics.set(topicId, known.add(index));
  }
}

type Value<N extends MetadataRecord["type"]> = Extract<MetadataRecord, { type: N }>["value"];

function put<K>(map: Map<K, Map<string, string | number>>, key: K, entry: [string, string | number | null]): void {
  const values = map.get(key) ?? new Map<string, string | number>();
  map.set(key, values);
  if (entry[1] === null) values.delete(entry[0]);
  else values.set(entry[0], entry[1]);
  if (values.size === 0) map.delete(key);
}

function created(value: Value<"PartitionRecord">): PartitionImage {
  const { replicas, isr, removingReplicas, addingReplicas, leader, leaderEpoch, partitionEpoch } = value;
  return {
    replicas,
    isr,
    removingReplicas,
    addingReplicas,
    leader,
    leaderEpoch,
    partitionEpoch,
    directories: value.directories.length > 0 ? value.directories : replicas.map(() => MIGRATING_DIRECTORY),
    eligibleLeaderReplicas: value.eligibleLeaderReplicas ?? [],
    lastKnownElr: value.lastKnownElr ?? [],
    leaderRecoveryState: value.leaderRecoveryState,
  };
}

function changed(old: PartitionImage, value: Value<"PartitionChangeRecord">): PartitionImage {
  const next: { -readonly [K in keyof PartitionImage]: PartitionImage[K] } = { ...old };
  for (const list of ["isr", "removingReplicas", "addingReplicas", "eligibleLeaderReplicas", "lastKnownElr"] as const) {
    const found = value[list];
    if (found !== null) next[list] = found;
  }
  if (value.replicas !== null) {
    const homes = new Map(old.replicas.map((replica, i) => [replica, old.directories[i]]));
    next.replicas = value.replicas;
    next.directories = value.replicas.map(replica => homes.get(replica) ?? UNASSIGNED_DIRECTORY);
  }
  if (value.directories !== null) next.directories = value.directories;
  if (value.leader !== -2) {
    next.leader = value.leader;
    next.leaderEpoch++;
  }
  if (value.leaderRecoveryState !== -1) next.leaderRecoveryState = value.leaderRecoveryState;
  next.partitionEpoch++;
  return next;
}

function changeBroker(plain: Plain, brokerId: number, change: object): void {
  plain.brokers.set(brokerId, { ...plain.brokers.get(brokerId), ...change });
}

/** Applies a record, which must be valid; notes what it has touched. */
export function applyRecord(plain: Plain, record: MetadataRecord, touched: Touched): void {
  switch (record.type) {
    case "FeatureLevelRecord":
      plain.features.set(record.value.name, record.value.featureLevel);
      if (record.value.featureLevel === 0) plain.features.delete(record.value.name);
      return;
    case "ZkMigrationStateRecord":
      plain.zkMigrationState = record.value.zkMigrationState;
      return;
    case "RegisterControllerRecord":
      plain.controllers.set(record.value.controllerId, record.value);
      return;
    case "UnregisterControllerRecord":
      plain.controllers.delete(record.value.controllerId);
      return;
    case "ClientQuotaRecord": {
      const { entity, key, value, remove } = record.value;
      put(plain.quotas as Map<string, Map<string, string | number>>, entityText(entity), [key, remove ? null : value]);
      return;
    }
    case "ProducerIdsRecord": {
      const { brokerId, brokerEpoch, nextProducerId } = record.value;
      plain.producerIds = { nextProducerId, brokerId, brokerEpoch };
      return;
    }
    case "AccessControlEntryRecord":
      plain.acls.set(record.value.id, record.value);
      return;
    case "RemoveAccessControlEntryRecord":
      plain.acls.delete(record.value.id);
      return;
    case "UserScramCredentialRecord":
      plain.scram.set(`${record.value.mechanism}/${record.value.name}`, record.value);
      return;
    case "RemoveUserScramCredentialRecord":
      plain.scram.delete(`${record.value.mechanism}/${record.value.name}`);
      return;
    case "DelegationTokenRecord":
      plain.delegationTokens.set(record.value.tokenId, record.value);
      return;
    case "RemoveDelegationTokenRecord":
      plain.delegationTokens.delete(record.value.tokenId);
      return;
    case "ConfigRecord": {
      const { resourceType, resourceName, name, value } = record.value;
      put(plain.configs as Map<string, Map<string, string | number>>, configKey(resourceType, resourceName), [
        name,
        value,
      ]);
      touched.configs.add(configKey(resourceType, resourceName));
      return;
    }
    default:
      applyBroker(plain, record, touched);
      applyTopic(plain, record, touched);
  }
}

function applyBroker(plain: Plain, record: MetadataRecord, touched: Touched): void {
  switch (record.type) {
    case "RegisterBrokerRecord":
      plain.brokers.set(record.value.brokerId, record.value);
      touched.brokers.add(record.value.brokerId);
      return;
    case "UnregisterBrokerRecord":
      plain.brokers.delete(record.value.brokerId);
      touched.brokers.add(record.value.brokerId);
      return;
    case "FenceBrokerRecord":
    case "UnfenceBrokerRecord":
      changeBroker(plain, record.value.id, { fenced: record.type === "FenceBrokerRecord" });
      touched.brokers.add(record.value.id);
      return;
    case "BrokerRegistrationChangeRecord": {
      const { brokerId, fenced, inControlledShutdown, logDirs, cordonedLogDirs } = record.value;
      if (fenced !== 0) changeBroker(plain, brokerId, { fenced: fenced === 1 });
      if (inControlledShutdown === 1) changeBroker(plain, brokerId, { inControlledShutdown: true });
      if (logDirs.length > 0) changeBroker(plain, brokerId, { logDirs });
      if (cordonedLogDirs !== null) changeBroker(plain, brokerId, { cordonedLogDirs });
      touched.brokers.add(brokerId);
    }
  }
}

function applyTopic(plain: Plain, record: MetadataRecord, touched: Touched): void {
  switch (record.type) {
    case "TopicRecord":
      plain.topics.set(record.value.topicId, { name: record.value.name, partitions: new Map() });
      touched.topics.set(record.value.topicId, new Set());
      return;
    case "PartitionRecord":
      plain.topics.get(record.value.topicId)?.partitions.set(record.value.partitionId, created(record.value));
      touched.partition(record.value.topicId, record.value.partitionId);
      return;
    case "PartitionChangeRecord": {
      const { topicId, partitionId } = record.value;
      const partitions = (plain.topics.get(topicId) as ModelTopic).partitions;
      partitions.set(partitionId, changed(partitions.get(partitionId) as PartitionImage, record.value));
      touched.partition(topicId, partitionId);
      return;
    }
    case "RemoveTopicRecord": {
      const key = configKey(2, plain.topics.get(record.value.topicId)?.name ?? "");
      if (plain.configs.delete(key)) touched.configs.add(key);
      plain.topics.delete(record.value.topicId);
      touched.topics.delete(record.value.topicId);
      return;
    }
    case "ClearElrRecord":
      for (const [topicId, { name, partitions }] of plain.topics) {
        if (record.value.topicName !== "" && record.value.topicName !== name) continue;
        for (const [index, old] of partitions) {
          if (old.eligibleLeaderReplicas.length === 0 && old.lastKnownElr.length === 0) continue;
          const partitionEpoch = old.partitionEpoch + 1;
          partitions.set(index, { ...old, eligibleLeaderReplicas: [], lastKnownElr: [], partitionEpoch });
          touched.partition(topicId, index);
        }
      }
  }
}
