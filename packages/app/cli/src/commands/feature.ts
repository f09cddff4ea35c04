import {
  defaultFeatureLevels,
  KRAFT_FEATURE,
  METADATA_RELEASES,
  METADATA_VERSION,
  METADATA_VERSION_FEATURE,
  releaseLevel,
} from "@samsa/metadata";
import type { BrokerConnection } from "@samsa/wire";
import { connected, sentence } from "./admin.ts";
import type { Common } from "../settings/client-settings.ts";
import { Failure } from "../terminal/failure.ts";
import { printTable } from "../terminal/table.ts";

/** `FeatureUpdate.UpgradeType`. */
const UPGRADE = 1;
const SAFE_DOWNGRADE = 2;
const UNSAFE_DOWNGRADE = 3;
const TIMEOUT_MS = 30_000;

/** Feature levels of a cluster, and those that the broker supports. */
export function featuresOf(admin: BrokerConnection) {
  const { supportedFeatures, finalizedFeatures, finalizedFeaturesEpoch } = admin.versions.response;
  const levels = new Map(finalizedFeatures.map(({ name, maxVersionLevel }) => [name, maxVersionLevel]));
  const names = [...new Set([...supportedFeatures.map(({ name }) => name), ...levels.keys()])].sort();
  return {
    epoch: finalizedFeaturesEpoch,
    features: names.map(name => {
      const range = supportedFeatures.find(feature => feature.name === name);
      return { name, level: levels.get(name) ?? 0, min: range?.minVersion ?? null, max: range?.maxVersion ?? null };
    }),
  };
}

/** Level of a feature for a reader; that of `metadata.version` with Kafka's name. */
export function levelText(name: string, level: number): string {
  const release = name === METADATA_VERSION_FEATURE ? METADATA_RELEASES[level - METADATA_VERSION.minimum] : undefined;
  return release === undefined ? String(level) : `${level} (${release})`;
}

/** `samsa feature describe`. */
export function describe(options: Common): Promise<void> {
  return connected(options, async admin => {
    const { epoch, features } = featuresOf(admin);
    if (options.json === true) return console.log(JSON.stringify({ epoch, features }));
    const rows = features.map(({ name, level, min, max }) => [
      name,
      levelText(name, level),
      `${min ?? "-"} to ${max ?? "-"}`,
    ]);
    printTable(["FEATURE", "LEVEL", "SUPPORTED"], rows);
  });
}

interface UpdateOptions extends Common {
  readonly dryRun?: boolean;
  readonly unsafe?: boolean;
  readonly releaseVersion?: string;
}

const LEVEL = /^([^=]+)=(\d{1,5})$/;

type Level = readonly [feature: string, level: number];

function named(texts: readonly string[]): Level[] {
  const levels = texts.map((text): Level => {
    const [, feature, level] = LEVEL.exec(text) ?? [];
    if (feature === undefined) throw new Failure(`a change of a feature is name=level, not "${text}"`);
    return [feature, Number(level)];
  });
  const repeated = levels.find(([feature], i) => levels.findIndex(([other]) => other === feature) < i);
  if (repeated !== undefined) throw new Failure(`the feature ${repeated[0]} is named twice`);
  return levels;
}

/** Levels of a new cluster of the release, as far as the broker supports the features (`FeatureCommand`). */
function ofRelease(admin: BrokerConnection, release: string, upgradeType: number): Level[] {
  const metadataVersion = releaseLevel(release);
  if (metadataVersion === undefined) {
    throw new Failure(`there is no release ${release}; those that there are: ${METADATA_RELEASES.join(", ")}`);
  }
  const defaults = defaultFeatureLevels(metadataVersion);
  const wanted = featuresOf(admin).features.map(({ name, max }): Level => {
    if (name === METADATA_VERSION_FEATURE) return [name, metadataVersion];
    const level =
      name === KRAFT_FEATURE.name
        ? Number(metadataVersion >= METADATA_VERSION.dynamicVoters)
        : (defaults.get(name) ?? 0);
    return [name, Math.min(level, max ?? 0)];
  });
  return wanted.filter(([, level]) => upgradeType !== UPGRADE || level > 0);
}

async function update(texts: readonly string[], upgradeType: number, options: UpdateOptions): Promise<void> {
  const { releaseVersion } = options;
  if ((releaseVersion === undefined) === (texts.length === 0)) {
    throw new Failure("give the changes as name=level, or --release-version");
  }
  const chosen = named(texts);
  await connected(options, async admin => {
    const levels = releaseVersion === undefined ? chosen : ofRelease(admin, releaseVersion, upgradeType);
    const updates = levels.map(([feature, maxVersionLevel]) => ({ feature, maxVersionLevel, upgradeType }));
    const validateOnly = options.dryRun === true;
    const request = { timeoutMs: TIMEOUT_MS, featureUpdates: updates, validateOnly };
    const { errorCode, errorMessage, results } = await admin.call("UpdateFeatures", request, { timeoutMs: TIMEOUT_MS });
    const failed = results.find(result => result.errorCode !== 0);
    if (failed !== undefined)
      throw new Failure(`${failed.feature}: ${sentence(failed.errorCode, failed.errorMessage)}`);
    if (errorCode !== 0) throw new Failure(sentence(errorCode, errorMessage));
    const changes = updates.map(({ feature, maxVersionLevel }) => ({ name: feature, level: maxVersionLevel }));
    if (options.json === true) return console.log(JSON.stringify({ changes, applied: !validateOnly }));
    for (const { name, level } of changes) {
      console.log(validateOnly ? `${name} can be changed to level ${level}.` : `${name} has level ${level}.`);
    }
  });
}

/** `samsa feature upgrade`. */
export function upgrade(levels: readonly string[], options: UpdateOptions): Promise<void> {
  return update(levels, UPGRADE, options);
}

/** `samsa feature downgrade`. */
export function downgrade(levels: readonly string[], options: UpdateOptions): Promise<void> {
  return update(levels, options.unsafe === true ? UNSAFE_DOWNGRADE : SAFE_DOWNGRADE, options);
}
