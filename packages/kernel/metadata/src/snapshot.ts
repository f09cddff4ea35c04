import { type MetadataRecord, metadataRecord } from "@samsa/protocol";
import type { BrokerImage, MetadataImage, PartitionImage, TopicImage } from "./image.ts";
import { METADATA_VERSION, recordVersions } from "./versions.ts";

export const METADATA_VERSION_FEATURE = "metadata.version";
export const ELR_FEATURE = "eligible.leader.replicas.version";

/** `metadata.version` of an image; the lowest that exists while none has been set. */
export function metadataVersionOf(image: MetadataImage): number {
  return image.features.get(METADATA_VERSION_FEATURE) ?? METADATA_VERSION.minimum;
}

/** The records that, replayed into an empty image, give `image`: the contents of a snapshot, in Kafka's order. */
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
  // The version that says how to read the rest comes first.
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

/** The registration as a record of the version that `metadataVersion` asks for; what it cannot hold is left out. */
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

/** A partition as a record of the version that the image's `metadata.version` asks for. */
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
    // An empty list is not written: absence says the same in fewer bytes.
    eligibleLeaderReplicas:
      elr && partition.eligibleLeaderReplicas.length > 0 ? partition.eligibleLeaderReplicas : null,
    lastKnownElr: elr && partition.lastKnownElr.length > 0 ? partition.lastKnownElr : null,
  });
}
