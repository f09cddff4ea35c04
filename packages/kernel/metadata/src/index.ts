export { changesBetween, changesOf, type MetadataChanges, MetadataDelta } from "./delta.ts";
export { MetadataError } from "./image/edits.ts";
export {
  aclKey,
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
  scramKey,
  replicaDirectory,
  RESOURCE_TYPE,
  type TopicImage,
  topicNamed,
  topicsByName,
} from "./image/image.ts";
export { imageRecords } from "./parts.ts";
export { brokerRecord } from "./parts/brokers.ts";
export {
  defaultFeatureLevels,
  ELR_FEATURE,
  KRAFT_FEATURE,
  METADATA_VERSION_FEATURE,
  metadataVersionOf,
} from "./parts/features.ts";
export { changedPartition, partitionRecord } from "./parts/topics.ts";
export {
  METADATA_RELEASES,
  releaseLevel,
  METADATA_VERSION,
  type RecordVersions,
  recordVersions,
} from "./image/versions.ts";
