import { metadataRecord } from "@samsa/protocol";
import { MetadataError } from "../image/edits.ts";
import type { MetadataImage } from "../image/image.ts";
import { METADATA_VERSION } from "../image/versions.ts";
import type { ImagePart } from "./part.ts";

/** Feature of the version of the metadata. */
export const METADATA_VERSION_FEATURE = "metadata.version";
/** Feature of the quorum, which its control records have. Level 1: voters may change (KIP-853). */
export const KRAFT_FEATURE = { name: "kraft.version", min: 0, max: 1 } as const;
/** Feature of eligible leader replicas (KIP-966). */
export const ELR_FEATURE = "eligible.leader.replicas.version";

/** Default levels of features: from `metadata.version` `since` on (`Feature.defaultLevel`). */
const DEFAULT_LEVELS: readonly (readonly [feature: string, since: number, level: number])[] = [
  ["group.version", 22, 1],
  ["transaction.version", 24, 2],
  [ELR_FEATURE, 26, 1],
  ["share.version", 28, 1],
  ["share.version", 31, 2],
  ["streams.version", 29, 1],
];

/** Levels of features in a new cluster at a level of `metadata.version`, besides that and `kraft.version`. */
export function defaultFeatureLevels(metadataVersion: number): Map<string, number> {
  const levels = new Map<string, number>();
  for (const [feature, since, level] of DEFAULT_LEVELS) if (metadataVersion >= since) levels.set(feature, level);
  return levels;
}

/** `metadata.version` of an image; the lowest level if none has been set. */
export function metadataVersionOf(image: MetadataImage): number {
  return image.features.get(METADATA_VERSION_FEATURE) ?? METADATA_VERSION.minimum;
}

export const features: ImagePart<"FeatureLevelRecord" | "ZkMigrationStateRecord" | "NoOpRecord"> = {
  replay: {
    FeatureLevelRecord(edits, { name, featureLevel }) {
      const { minimum, latest } = METADATA_VERSION;
      // Records after it may have versions that this release does not know (`MetadataVersion.fromFeatureLevel`).
      if (
        name === METADATA_VERSION_FEATURE &&
        featureLevel !== 0 &&
        !(featureLevel >= minimum && featureLevel <= latest)
      ) {
        const known = `levels from ${minimum} to ${latest}`;
        throw new MetadataError(`metadata.version is ${featureLevel}, but this release knows ${known} only`);
      }
      if (featureLevel === 0) edits.remove("features", name);
      else edits.edit("features").set(name, featureLevel);
    },
    ZkMigrationStateRecord(edits, { zkMigrationState }) {
      edits.next.zkMigrationState = zkMigrationState;
    },
    NoOpRecord() {},
  },
  snapshot(image, put) {
    // metadata.version comes first: the other records depend on it.
    const level = image.features.get(METADATA_VERSION_FEATURE);
    if (level !== undefined) {
      put(metadataRecord("FeatureLevelRecord", 0, { name: METADATA_VERSION_FEATURE, featureLevel: level }));
    }
    for (const [name, featureLevel] of image.features) {
      if (name !== METADATA_VERSION_FEATURE) put(metadataRecord("FeatureLevelRecord", 0, { name, featureLevel }));
    }
    const { zkMigrationState } = image;
    if (zkMigrationState !== 0) put(metadataRecord("ZkMigrationStateRecord", 0, { zkMigrationState }));
  },
};
