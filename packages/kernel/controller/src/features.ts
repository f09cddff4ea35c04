import {
  configsOf,
  defaultFeatureLevels,
  ELR_FEATURE,
  KRAFT_FEATURE,
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
import {
  type ControllerSettings,
  type Decision,
  type DecisionContext,
  type FeatureRange,
  type Refusal,
  refusal,
} from "./decision/decision.ts";

/** Levels of `metadata.version` that changed the records: a downgrade below one of them would lose metadata. */
const FORMAT_CHANGES: readonly number[] = [7, 8, 11, 13, 14, 15, 17, 23, 30, 32, 33];

const UPGRADE = 1;
const SAFE_DOWNGRADE = 2;
const UNSAFE_DOWNGRADE = 3;
const KNOWN_UPGRADE_TYPES: readonly number[] = [UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE];
const MIN_ISR = "min.insync.replicas";
const ALL_FAILED = "The update failed for all features since the following feature had an error:";
/** Error message that Kafka sends without an error. */
const NO_ERROR = "NONE";

/** Feature and level that a level of a feature requires. */
const DEPENDENCIES: Readonly<Record<string, Readonly<Record<number, readonly [feature: string, level: number]>>>> = {
  [ELR_FEATURE]: { 1: [METADATA_VERSION_FEATURE, METADATA_VERSION.eligibleLeaderReplicas] },
};

/** Input of `bootstrapRecords`. */
export interface BootstrapOptions {
  readonly metadataVersion: number;
  /** Feature levels that the nodes of the cluster support; other features are not finalised. */
  readonly features: ReadonlyMap<string, FeatureRange>;
  /** Levels in place of the defaults, within `features`. */
  readonly chosen?: ReadonlyMap<string, number>;
}

/** First records of a new cluster: its feature levels (`BootstrapMetadata`). */
export function bootstrapRecords(options: BootstrapOptions): MetadataRecord[] {
  return [...bootstrapLevels(options)]
    .filter(([, level]) => level > 0)
    .map(([name, featureLevel]) => metadataRecord("FeatureLevelRecord", 0, { name, featureLevel }));
}

function bootstrapLevels({ metadataVersion, features, chosen }: BootstrapOptions): Map<string, number> {
  const levels = new Map([[METADATA_VERSION_FEATURE, metadataVersion]]);
  for (const [feature, level] of defaultFeatureLevels(metadataVersion)) {
    levels.set(feature, Math.min(level, features.get(feature)?.max ?? 0));
  }
  // No record has the level of kraft.version, which the quorum keeps.
  for (const [feature, level] of chosen ?? []) if (feature !== KRAFT_FEATURE.name) levels.set(feature, level);
  return levels;
}

/** Reason why a new cluster cannot have these levels: one depends on another (`Feature.validateVersion`). */
export function bootstrapFault(options: BootstrapOptions): string | undefined {
  const levels = bootstrapLevels(options);
  for (const [feature, level] of levels) {
    const fault = dependencyFault(feature, level, levels);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function dependencyFault(feature: string, level: number, levels: ReadonlyMap<string, number>): string | undefined {
  const [dependency, needed] = DEPENDENCIES[feature]?.[level] ?? [METADATA_VERSION_FEATURE, 0];
  if ((levels.get(dependency) ?? 0) >= needed) return undefined;
  return `${feature} could not be set to ${level} because it depends on ${dependency} level ${needed}`;
}

/**
 * Records that a controller appends when it becomes active (`ActivationRecordsGenerator`): they abort a transaction
 * that the previous leader left open, and bootstrap an empty log, in a transaction if its level supports these. A new
 * cluster with eligible leader replicas gets `min.insync.replicas` as a cluster-wide config.
 */
export function activationRecords(
  image: MetadataImage,
  { minInsyncReplicas }: Pick<ControllerSettings, "minInsyncReplicas">,
  bootstrap: readonly MetadataRecord[],
): MetadataRecord[] {
  const open = image.transaction !== undefined;
  const abort = open ? [metadataRecord("AbortTransactionRecord", 0, { reason: "Controller failover" })] : [];
  // A log whose bootstrap transaction has not ended has no other records.
  const isEmpty = image.provenance.offset < 0 || (open && image.features.size === 0);
  if (!isEmpty) return abort;
  const records = [...bootstrap];
  if (levelIn(bootstrap, ELR_FEATURE) > 0) records.push(minIsrRecord("", String(minInsyncReplicas)));
  if (levelIn(bootstrap, METADATA_VERSION_FEATURE) < METADATA_VERSION.transactions) return [...abort, ...records];
  return [
    ...abort,
    metadataRecord("BeginTransactionRecord", 0, { name: "Bootstrap records" }),
    ...records,
    metadataRecord("EndTransactionRecord", 0, {}),
  ];
}

function levelIn(records: readonly MetadataRecord[], feature: string): number {
  const levels = records.flatMap(({ type, value }) =>
    type === "FeatureLevelRecord" && value.name === feature ? [value.featureLevel] : [],
  );
  return levels.at(-1) ?? 0;
}

/** Record of `min.insync.replicas` of a broker; the empty name is the whole cluster. */
function minIsrRecord(resourceName: string, value: string | null): MetadataRecord {
  const resource = { resourceType: RESOURCE_TYPE.broker, resourceName };
  return metadataRecord("ConfigRecord", 0, { ...resource, name: MIN_ISR, value });
}

/** Level to which a request would raise `kraft.version`; undefined: it would not. */
export function kraftUpgrade({ featureUpdates }: Pick<UpdateFeaturesRequest, "featureUpdates">): number | undefined {
  const update = featureUpdates.find(({ feature }) => feature === KRAFT_FEATURE.name);
  return update === undefined || update.allowDowngrade || update.upgradeType !== UPGRADE
    ? undefined
    : update.maxVersionLevel;
}

/** UpdateFeatures for a `kraft.version` that the replica of the log refuses. */
export function kraftRefusal(level: number, { errorCode, why }: { errorCode: number; why: string | undefined }) {
  const fault = `Invalid update version ${level} for feature ${KRAFT_FEATURE.name}. ${why ?? ""}`.trimEnd();
  return { throttleTimeMs: 0, errorCode, errorMessage: `${ALL_FAILED} ${fault}`, results: [] };
}

/**
 * UpdateFeatures: applies all updates or none. The caller has raised `kraft.version` already, which is no metadata
 * record, if the request asks for that and a decision with `validateOnly` allows it.
 */
export function updateFeatures(
  context: DecisionContext,
  request: UpdateFeaturesRequest,
): Decision<UpdateFeaturesResponse> {
  const { image } = context;
  const records: MetadataRecord[] = [];
  const proposed = new Map(image.features).set(METADATA_VERSION_FEATURE, metadataVersionOf(image));
  for (const { feature, maxVersionLevel } of request.featureUpdates) proposed.set(feature, maxVersionLevel);
  for (const update of request.featureUpdates) {
    const { feature: name, maxVersionLevel: featureLevel } = update;
    // Version 0 has a flag instead of the upgrade type.
    const upgradeType = update.allowDowngrade ? SAFE_DOWNGRADE : update.upgradeType;
    const fault = featureFault(context, { name, level: featureLevel, upgradeType }, proposed);
    if (fault !== undefined) {
      const errorMessage = `${ALL_FAILED} ${fault.errorMessage}`;
      return { records: [], reply: { throttleTimeMs: 0, errorCode: fault.errorCode, errorMessage, results: [] } };
    }
    if (name === KRAFT_FEATURE.name) {
      // The replica of the log has appended the upgrade: the reply waits for a record after it.
      if (upgradeType === UPGRADE) records.push(metadataRecord("NoOpRecord", 0, {}));
      continue;
    }
    records.push(metadataRecord("FeatureLevelRecord", 0, { name, featureLevel }));
  }
  if ((proposed.get(ELR_FEATURE) ?? 0) > (image.features.get(ELR_FEATURE) ?? 0)) {
    records.unshift(...minIsrRecords(context));
  }
  const results = request.featureUpdates.map(({ feature }) => ({ feature, errorCode: 0, errorMessage: NO_ERROR }));
  return {
    records: request.validateOnly ? [] : records,
    reply: { throttleTimeMs: 0, errorCode: 0, errorMessage: null, results },
  };
}

/** Records that make `min.insync.replicas` a cluster-wide config, as eligible leader replicas require. */
function minIsrRecords({ image, settings }: DecisionContext): MetadataRecord[] {
  const records: MetadataRecord[] = [];
  if (!configsOf(image, RESOURCE_TYPE.broker, "").has(MIN_ISR)) {
    records.push(minIsrRecord("", String(settings.minInsyncReplicas)));
  }
  for (const { type, name, values } of image.configs.values()) {
    if (type === RESOURCE_TYPE.broker && name !== "" && values.has(MIN_ISR)) records.push(minIsrRecord(name, null));
  }
  return records;
}

interface Update {
  readonly name: string;
  readonly level: number;
  readonly upgradeType: number;
}

function currentLevel({ image, settings }: DecisionContext, name: string): number {
  if (name === METADATA_VERSION_FEATURE) return metadataVersionOf(image);
  return name === KRAFT_FEATURE.name ? settings.kraftVersion() : (image.features.get(name) ?? 0);
}

function featureFault(
  context: DecisionContext,
  update: Update,
  proposed: ReadonlyMap<string, number>,
): Refusal | undefined {
  const { name, level, upgradeType } = update;
  const refuse = (why: string) =>
    refusal("INVALID_UPDATE_VERSION", `Invalid update version ${level} for feature ${name}. ${why}`);
  if (!KNOWN_UPGRADE_TYPES.includes(upgradeType)) {
    return refuse("The controller does not support the given upgrade type.");
  }
  if (level < 0) return refuse("A feature version cannot be less than 0.");
  const unsupported = unsupportedBy(context, name, level);
  if (unsupported !== undefined) return refuse(unsupported);
  const current = currentLevel(context, name);
  if (level < current && upgradeType === UPGRADE) {
    return refuse(
      "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.",
    );
  }
  if (level > current && upgradeType !== UPGRADE) return refuse("Can't downgrade to a newer version.");
  if (name === METADATA_VERSION_FEATURE) return metadataVersionFault(current, level, upgradeType);
  if (name === KRAFT_FEATURE.name) {
    return level < current ? refuse("Can't downgrade the version of this feature.") : undefined;
  }
  const missing = dependencyFault(name, level, proposed);
  return missing === undefined ? undefined : refuse(missing);
}

function metadataVersionFault(current: number, level: number, upgradeType: number): Refusal | undefined {
  if (!FORMAT_CHANGES.some(change => change > level && change <= current)) return undefined;
  const why =
    upgradeType === UNSAFE_DOWNGRADE
      ? "Unsafe metadata downgrade is not supported in this version."
      : "Refusing to perform the requested downgrade because it might delete metadata information.";
  const what = `Unsupported metadata.version downgrade from ${current} to ${level}.`;
  return refusal("INVALID_UPDATE_VERSION", `${what} ${why}`);
}

const NOT_SUPPORTED: FeatureRange = { min: 0, max: 0 };

function unsupportedBy(context: DecisionContext, feature: string, level: number): string | undefined {
  const { image, settings } = context;
  const outside = (who: string, range: FeatureRange = NOT_SUPPORTED) => {
    if (level >= range.min && level <= range.max) return undefined;
    if (range.max === 0) return `${who} does not support this feature.`;
    return `${who} only supports versions ${range.min}-${range.max}`;
  };
  const raised = level > currentLevel(context, feature);
  const own = (raised ? settings.offered : settings.features).get(feature);
  const here = outside(`Local controller ${settings.nodeId}`, feature === KRAFT_FEATURE.name ? KRAFT_FEATURE : own);
  if (here !== undefined) return here;
  const registered = metadataVersionOf(image) >= METADATA_VERSION.controllersRegister;
  const others = registered ? [...image.controllers].filter(([id]) => id !== settings.nodeId) : [];
  for (const [kind, nodes] of [
    ["Broker", image.brokers],
    ["Controller", others],
  ] as const) {
    for (const [id, node] of nodes) {
      const offered = node.features.find(f => f.name === feature);
      const range = offered && { min: offered.minSupportedVersion, max: offered.maxSupportedVersion };
      const there = outside(`${kind} ${id}`, range);
      if (there !== undefined) return there;
    }
  }
  const absent = settings.quorumNodes().find(id => id !== settings.nodeId && !image.controllers.has(id));
  if (!registered || absent === undefined) return undefined;
  return `controller ${absent} has not registered, and may not support this feature`;
}
