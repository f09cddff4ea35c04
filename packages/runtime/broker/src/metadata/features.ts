import type { FeatureRange } from "@samsa/controller";
import { METADATA_VERSION_FEATURE } from "@samsa/metadata";

/** Feature of transactions (KIP-890). Level 2: each end of a transaction increments the producer epoch. */
export const TRANSACTION_VERSION_FEATURE = "transaction.version";
/** Feature of groups. Level 1 enables the consumer protocol (KIP-848). */
export const GROUP_VERSION_FEATURE = "group.version";
/** Supported features and their ranges of levels. A feature that is missing here is at level 0. */
export const FEATURES: ReadonlyMap<string, FeatureRange> = new Map([
  [METADATA_VERSION_FEATURE, { min: 7, max: 33 }],
  [TRANSACTION_VERSION_FEATURE, { min: 0, max: 2 }],
  [GROUP_VERSION_FEATURE, { min: 0, max: 1 }],
  // Level 2 would enable dead-letter queues.
  ["share.version", { min: 0, max: 1 }],
]);
/**
 * Features that Apache Kafka may have finalised in a cluster it formatted. Their records are understood, so such a
 * directory is served. They are neither offered to new clusters nor announced, because they enable APIs, which are
 * announced one by one.
 */
export const TOLERATED: ReadonlyMap<string, FeatureRange> = new Map([
  ...FEATURES,
  ["eligible.leader.replicas.version", { min: 0, max: 1 }],
  ["share.version", { min: 0, max: 2 }],
  ["streams.version", { min: 0, max: 1 }],
]);
/** `metadata.version` of a new cluster. */
export const METADATA_LEVEL = 33;
/** Feature of the quorum. Level 1: voters may change (KIP-853). */
export const KRAFT_FEATURE = { name: "kraft.version", min: 0, max: 1 };
