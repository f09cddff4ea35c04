export { changesOf, type MetadataChanges, MetadataDelta, MetadataError } from "./delta.ts";
export {
  type BrokerImage,
  collisionName,
  type ConfigImage,
  configKey,
  configsOf,
  type ControllerImage,
  EMPTY_IMAGE,
  type MetadataImage,
  type PartitionImage,
  type Provenance,
  type QuotaEntity,
  type QuotaImage,
  quotaKey,
  replicaDirectory,
  RESOURCE_TYPE,
  type TopicImage,
  topicNamed,
  topicsByName,
} from "./image.ts";
export {
  brokerRecord,
  ELR_FEATURE,
  imageRecords,
  METADATA_VERSION_FEATURE,
  metadataVersionOf,
  partitionRecord,
} from "./snapshot.ts";
export { METADATA_RELEASES, METADATA_VERSION, type RecordVersions, recordVersions } from "./versions.ts";
