import type { FeatureRange } from "@samsa/controller";
import { METADATA_VERSION_FEATURE } from "@samsa/metadata";

/** How transactions are kept and ended (KIP-890); 2: every end gives the producer a new epoch. */
export const TRANSACTION_VERSION_FEATURE = "transaction.version";
/** Level 1 has the consumer protocol of groups (KIP-848). */
export const GROUP_VERSION_FEATURE = "group.version";
/** The features that are served, and between which levels. A feature that is not here is at level 0. */
export const FEATURES: ReadonlyMap<string, FeatureRange> = new Map([
  [METADATA_VERSION_FEATURE, { min: 7, max: 33 }],
  [TRANSACTION_VERSION_FEATURE, { min: 0, max: 2 }],
  [GROUP_VERSION_FEATURE, { min: 0, max: 1 }],
  // Level 2 stands for dead letters.
  ["share.version", { min: 0, max: 1 }],
]);
/**
 * Features of clusters that Apache Kafka has formatted: their records are understood, so a directory that has them
 * finalised is served. They are not offered to new clusters, nor announced as supported: what they stand for is in
 * APIs, which are announced one by one.
 */
export const TOLERATED: ReadonlyMap<string, FeatureRange> = new Map([
  ...FEATURES,
  ["eligible.leader.replicas.version", { min: 0, max: 1 }],
  ["share.version", { min: 0, max: 2 }],
  ["streams.version", { min: 0, max: 1 }],
]);
/** `metadata.version` of a new cluster. */
export const METADATA_LEVEL = 33;
/** The version of the quorum: whether its voters may change (KIP-853). */
export const KRAFT_FEATURE = { name: "kraft.version", min: 0, max: 1 };
