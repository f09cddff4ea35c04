import type { FeatureRange } from "@samsa/controller";
import {
  ELR_FEATURE,
  KRAFT_FEATURE,
  METADATA_VERSION,
  METADATA_VERSION_FEATURE,
  type MetadataImage,
} from "@samsa/metadata";

/** Feature of transactions (KIP-890). Level 2: each end of a transaction increments the producer epoch. */
export const TRANSACTION_VERSION_FEATURE = "transaction.version";
/** Feature of groups. Level 1 enables the consumer protocol (KIP-848). */
export const GROUP_VERSION_FEATURE = "group.version";
/** Supported features and their ranges of levels. A feature that is missing here is at level 0. */
export const FEATURES: ReadonlyMap<string, FeatureRange> = new Map([
  [METADATA_VERSION_FEATURE, { min: METADATA_VERSION.minimum, max: METADATA_VERSION.latest }],
  [TRANSACTION_VERSION_FEATURE, { min: 0, max: 2 }],
  [GROUP_VERSION_FEATURE, { min: 0, max: 1 }],
  [ELR_FEATURE, { min: 0, max: 1 }],
  // Level 2 enables dead letters of share groups (KIP-1191).
  ["share.version", { min: 0, max: 2 }],
]);
/**
 * Features that Apache Kafka may have finalised in a cluster it formatted. Their records are understood, so such a
 * directory is served. They are neither offered to new clusters nor announced, because they enable APIs, which are
 * announced one by one.
 */
export const TOLERATED: ReadonlyMap<string, FeatureRange> = new Map([
  ...FEATURES,
  ["streams.version", { min: 0, max: 1 }],
]);
/** `metadata.version` of a new cluster. */
export const METADATA_LEVEL = METADATA_VERSION.latest;

/** Features and their ranges with which a node registers. */
export function registeredFeatures(): { name: string; minSupportedVersion: number; maxSupportedVersion: number }[] {
  const supported = [...TOLERATED, [KRAFT_FEATURE.name, KRAFT_FEATURE] as const];
  return supported.map(([name, { min, max }]) => ({ name, minSupportedVersion: min, maxSupportedVersion: max }));
}

/** First version of ApiVersions that may carry features with a minimum level of 0 (KAFKA-17011). */
const ZERO_MINIMUM_VERSION = 4;

/** Supported and finalised features, as fields of a response to ApiVersions. */
export function announcedFeatures(image: MetadataImage, kraftVersion: number, version: number) {
  const supportedFeatures = [...FEATURES, [KRAFT_FEATURE.name, KRAFT_FEATURE] as const]
    .filter(([, { min }]) => min > 0 || version >= ZERO_MINIMUM_VERSION)
    .map(([name, { min, max }]) => ({ name, minVersion: min, maxVersion: max }));
  // Before the first metadata are committed, nothing is known to be finalised (KAFKA-19964).
  const isUnknown = image.features.size === 0;
  const finalized = isUnknown ? [] : [...image.features, [KRAFT_FEATURE.name, kraftVersion] as const];
  return {
    supportedFeatures,
    finalizedFeaturesEpoch: isUnknown ? -1 : image.provenance.offset,
    finalizedFeatures: finalized.map(([name, level]) => ({ name, maxVersionLevel: level, minVersionLevel: level })),
  };
}
