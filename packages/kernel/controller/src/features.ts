import {
  ELR_FEATURE,
  METADATA_VERSION,
  METADATA_VERSION_FEATURE,
  type MetadataImage,
  metadataVersionOf,
  RESOURCE_TYPE,
} from "@samsa/metadata";
import {
  type MetadataRecord,
  metadataRecord,
  type UpdateFeaturesRequest,
  type UpdateFeaturesResponse,
} from "@samsa/protocol";
import { type Decision, type DecisionContext, type FeatureRange, type Refusal, refusal } from "./decision.ts";

/** Levels that a new cluster starts with, from which `metadata.version` on, and the highest level so given. */
const DEFAULT_LEVELS: readonly (readonly [feature: string, since: number, level: number])[] = [
  ["group.version", 22, 1],
  ["transaction.version", 24, 2],
  [ELR_FEATURE, 26, 1],
  ["share.version", 28, 1],
  ["share.version", 31, 2],
  ["streams.version", 29, 1],
];

/** Going below one of these would lose what records of the higher version say. */
const FORMAT_CHANGES: readonly number[] = [7, 8, 11, 13, 14, 15, 17, 23, 30, 32, 33];

/** 3.6-IV1 */
const TRANSACTIONS_SINCE = 13;
const UPGRADE = 1;
const KNOWN_UPGRADE_TYPES: readonly number[] = [UPGRADE, 2, 3];

export interface BootstrapOptions {
  readonly metadataVersion: number;
  /** What the nodes of the cluster can work at; features that are not here are not finalised. */
  readonly features: ReadonlyMap<string, FeatureRange>;
  /** The cluster's `min.insync.replicas`, which eligible leader replicas make a record of. Default 1. */
  readonly minInsyncReplicas?: number;
}

/** The first records of a new cluster: its feature levels (`BootstrapMetadata`, `ActivationRecordsGenerator`). */
export function bootstrapRecords(options: BootstrapOptions): MetadataRecord[] {
  const { metadataVersion, features } = options;
  const levels = new Map([[METADATA_VERSION_FEATURE, metadataVersion]]);
  for (const [feature, since, level] of DEFAULT_LEVELS) {
    const given = Math.min(level, features.get(feature)?.max ?? 0);
    if (metadataVersion >= since && given > 0) levels.set(feature, given);
  }
  const records: MetadataRecord[] = [...levels].map(([name, featureLevel]) =>
    metadataRecord("FeatureLevelRecord", 0, { name, featureLevel }),
  );
  if (levels.has(ELR_FEATURE)) {
    const cluster = { resourceType: RESOURCE_TYPE.broker, resourceName: "" };
    const value = String(options.minInsyncReplicas ?? 1);
    records.push(metadataRecord("ConfigRecord", 0, { ...cluster, name: "min.insync.replicas", value }));
  }
  return records;
}

/**
 * What a controller appends when it first becomes active on an empty log: the bootstrap records, in a transaction from
 * the level on that has them, so that no reader sees half a cluster. Nothing when the log has records already.
 */
export function activationRecords(image: MetadataImage, bootstrap: readonly MetadataRecord[]): MetadataRecord[] {
  if (image.provenance.offset >= 0) return [];
  const level = bootstrap.find(r => r.type === "FeatureLevelRecord" && r.value.name === METADATA_VERSION_FEATURE);
  if (level?.type !== "FeatureLevelRecord" || level.value.featureLevel < TRANSACTIONS_SINCE) return [...bootstrap];
  return [
    metadataRecord("BeginTransactionRecord", 0, { name: "Bootstrap records" }),
    ...bootstrap,
    metadataRecord("EndTransactionRecord", 0, {}),
  ];
}

/** UpdateFeatures: all of the updates or none. */
export function updateFeatures(
  context: DecisionContext,
  request: UpdateFeaturesRequest,
): Decision<UpdateFeaturesResponse> {
  const records: MetadataRecord[] = [];
  for (const update of request.featureUpdates) {
    // Version 0 had a flag where later ones have a type; 2 is a safe downgrade.
    const upgradeType = update.allowDowngrade ? 2 : update.upgradeType;
    const fault = featureFault(context, update.feature, update.maxVersionLevel, upgradeType);
    if (fault !== undefined) {
      const errorMessage = `The update failed for all features since the following feature had an error: ${fault.errorMessage}`;
      return { records: [], reply: { throttleTimeMs: 0, errorCode: fault.errorCode, errorMessage, results: [] } };
    }
    const { feature: name, maxVersionLevel: featureLevel } = update;
    records.push(metadataRecord("FeatureLevelRecord", 0, { name, featureLevel }));
  }
  const results = request.featureUpdates.map(({ feature }) => ({ feature, errorCode: 0, errorMessage: null }));
  return {
    records: request.validateOnly ? [] : records,
    reply: { throttleTimeMs: 0, errorCode: 0, errorMessage: null, results },
  };
}

function featureFault(
  context: DecisionContext,
  feature: string,
  level: number,
  upgradeType: number,
): Refusal | undefined {
  const { image } = context;
  const refuse = (why: string) =>
    refusal("INVALID_UPDATE_VERSION", `Invalid update version ${level} for feature ${feature}. ${why}`);
  if (!KNOWN_UPGRADE_TYPES.includes(upgradeType)) {
    return refuse("The controller does not support the given upgrade type.");
  }
  if (level < 0) return refuse("A feature version cannot be less than 0.");
  const unsupported = unsupportedBy(context, feature, level);
  if (unsupported !== undefined) return refuse(unsupported);
  const isMetadata = feature === METADATA_VERSION_FEATURE;
  const current = isMetadata ? metadataVersionOf(image) : (image.features.get(feature) ?? 0);
  if (level < current && upgradeType === UPGRADE) {
    return refuse(
      "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.",
    );
  }
  if (level > current && upgradeType !== UPGRADE) return refuse("Can't downgrade to a newer version.");
  if (isMetadata && FORMAT_CHANGES.some(change => change > level && change <= current)) {
    return refusal(
      "INVALID_UPDATE_VERSION",
      `Unsupported metadata.version downgrade from ${current} to ${level}. Refusing to perform the requested downgrade ` +
        "because it might delete metadata information.",
    );
  }
  if (feature === ELR_FEATURE && level > 0 && metadataVersionOf(image) < METADATA_VERSION.eligibleLeaderReplicas) {
    return refuse(`${ELR_FEATURE} needs metadata.version ${METADATA_VERSION.eligibleLeaderReplicas}.`);
  }
  return undefined;
}

function unsupportedBy({ image, settings }: DecisionContext, feature: string, level: number): string | undefined {
  const outside = (who: string, range: FeatureRange | undefined) => {
    if (range === undefined) return level === 0 ? undefined : `${who} does not support this feature.`;
    if (level === 0 || (level >= range.min && level <= range.max)) return undefined;
    return `${who} only supports versions ${range.min}-${range.max}`;
  };
  const here = outside("Local controller", settings.features.get(feature));
  if (here !== undefined) return here;
  for (const [kind, nodes] of [
    ["Broker", image.brokers],
    ["Controller", image.controllers],
  ] as const) {
    for (const [id, node] of nodes) {
      const offered = node.features.find(f => f.name === feature);
      const range = offered && { min: offered.minSupportedVersion, max: offered.maxSupportedVersion };
      const there = outside(`${kind} ${id}`, range);
      if (there !== undefined) return there;
    }
  }
  return undefined;
}
