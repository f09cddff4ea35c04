import { type MetadataRecord, metadataRecord } from "@samsa/protocol";
import type { BrokerImage, MetadataImage, PartitionImage, TopicImage } from "./image.ts";
import { METADATA_VERSION, recordVersions } from "./versions.ts";

/** Feature of the version of the metadata. */
export const METADATA_VERSION_FEATURE = "metadata.version";
/** Feature of eligible leader replicas (KIP-966). */
export const ELR_FEATURE = "eligible.leader.replicas.version";

/** `metadata.version` of an image; the lowest level if none has been set. */
export function metadataVersionOf(image: MetadataImage): number {
  return image.features.get(METADATA_VERSION_FEATURE) ?? METADATA_VERSION.minimum;
}

/** Records of a snapshot, in Kafka's order: replayed into an empty image, they give `image`. */
export function imageRecords(image: MetadataImage): MetadataRecord[] {
  const level = metadataVersionOf(image);
  const records: MetadataRecord[] = [];
  const put = (record: MetadataRecord) => void records.push(record);
  featureRecords(image, put);
  for (const broker of image.brokers.values()) put(brokerRecord(broker, level));
  for (const controller of image.controllers.values()) put(metadataRecord("RegisterControllerRecord", 0, controller));
  for (const topic of image.topics.values()) topicRecords(topic, image, put);
  for (const { type: resourceType, name: resourceName, values } of image.configs.values()) {
    for (const [name, value] of values) {
      put(metadataRecord("ConfigRecord", 0, { resourceType, resourceName, name, value }));
    }
  }
  for (const { entity, quotas } of image.quotas.values()) {
    for (const [key, value] of quotas) {
      put(metadataRecord("ClientQuotaRecord", 0, { entity, key, value, remove: false }));
    }
  }
  if (image.nextProducerId > 0n) {
    put(metadataRecord("ProducerIdsRecord", 0, { ...image.producerIdsFrom, nextProducerId: image.nextProducerId }));
  }
  for (const acl of image.acls.values()) put(metadataRecord("AccessControlEntryRecord", 0, acl));
  for (const credential of image.scram.values()) put(metadataRecord("UserScramCredentialRecord", 0, credential));
  for (const token of image.delegationTokens.values()) put(metadataRecord("DelegationTokenRecord", 0, token));
  return records;
}

function featureRecords(image: MetadataImage, put: (record: MetadataRecord) => void): void {
  // metadata.version comes first: the other records depend on it.
  const level = image.features.get(METADATA_VERSION_FEATURE);
  if (level !== undefined) {
    put(metadataRecord("FeatureLevelRecord", 0, { name: METADATA_VERSION_FEATURE, featureLevel: level }));
  }
  for (const [name, featureLevel] of image.features) {
    if (name !== METADATA_VERSION_FEATURE) put(metadataRecord("FeatureLevelRecord", 0, { name, featureLevel }));
  }
  if (image.zkMigrationState !== 0) {
    put(metadataRecord("ZkMigrationStateRecord", 0, { zkMigrationState: image.zkMigrationState }));
  }
}

/** Registration record in the version for `metadataVersion`; fields that it cannot hold are left out. */
export function brokerRecord(broker: BrokerImage, metadataVersion: number): MetadataRecord {
  const version = recordVersions(metadataVersion).registerBroker;
  return metadataRecord("RegisterBrokerRecord", version, {
    ...broker,
    isMigratingZkBroker: version >= 2 && broker.isMigratingZkBroker,
    logDirs: version >= 3 ? broker.logDirs : [],
    cordonedLogDirs: version >= 4 ? broker.cordonedLogDirs : null,
  });
}

function topicRecords(topic: TopicImage, image: MetadataImage, put: (record: MetadataRecord) => void): void {
  put(metadataRecord("TopicRecord", 0, { name: topic.name, topicId: topic.id }));
  for (const [partitionId, partition] of topic.partitions) put(partitionRecord(topic, partitionId, partition, image));
}

/** Partition record in the version for the image's `metadata.version`. */
export function partitionRecord(
  topic: Pick<TopicImage, "id">,
  partitionId: number,
  partition: PartitionImage,
  image: MetadataImage,
): MetadataRecord {
  const version = recordVersions(metadataVersionOf(image)).partition;
  const elr = version >= 2 && (image.features.get(ELR_FEATURE) ?? 0) > 0;
  return metadataRecord("PartitionRecord", version, {
    ...partition,
    topicId: topic.id,
    partitionId,
    directories: version >= 1 ? partition.directories : [],
    // Write no empty list: an absent one means the same in fewer bytes.
    eligibleLeaderReplicas:
      elr && partition.eligibleLeaderReplicas.length > 0 ? partition.eligibleLeaderReplicas : null,
    lastKnownElr: elr && partition.lastKnownElr.length > 0 ? partition.lastKnownElr : null,
  });
}
