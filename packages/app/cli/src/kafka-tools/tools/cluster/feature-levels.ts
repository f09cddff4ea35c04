import {
  defaultFeatureLevels,
  KRAFT_FEATURE,
  METADATA_RELEASES,
  METADATA_VERSION,
  METADATA_VERSION_FEATURE,
  releaseLevel,
} from "@samsa/metadata";
import { ToolError } from "../../java/exits.ts";
import { parseInteger } from "../../java/text.ts";

/** Features beside `metadata.version`, in Kafka's order, with the levels that need another feature. */
const FEATURES = [
  ...[KRAFT_FEATURE.name, "transaction.version", "group.version", "eligible.leader.replicas.version"],
  ...["share.version", "streams.version"],
];
const LAST_LEVELS: Readonly<Record<string, number>> = {
  [KRAFT_FEATURE.name]: 1,
  "transaction.version": 2,
  "group.version": 1,
  "eligible.leader.replicas.version": 1,
  "share.version": 2,
  "streams.version": 1,
};
/** Level of `metadata.version` that a level of a feature needs (`Feature.validateVersion`). */
const NEEDS: Readonly<Record<string, number>> = {
  "eligible.leader.replicas.version=1": METADATA_VERSION.eligibleLeaderReplicas,
};

/** Release whose levels are meant where none is named (`MetadataVersion.LATEST_PRODUCTION`). */
const LATEST_PRODUCTION = "4.3-IV0";
const SHORT = 32_767;

/** Kafka's name of a level of `metadata.version`; undefined: there is no such level. */
export function releaseOf(level: number): string | undefined {
  return METADATA_RELEASES[level - METADATA_VERSION.minimum];
}

/** Level of `metadata.version` of a release. Throws `ToolError`. */
export function levelOfRelease(text: string): number {
  const level = releaseLevel(text);
  if (level !== undefined) return level;
  const [first, last] = [METADATA_RELEASES[0], METADATA_RELEASES.at(-1)];
  throw new ToolError(`Unknown metadata.version '${text}'. Supported metadata.version are: ${first} to ${last}`);
}

/** Levels of all features but `metadata.version` at one of its levels. */
export function levelsOf(metadataVersion: number): Map<string, number> {
  const defaults = defaultFeatureLevels(metadataVersion);
  return new Map(
    FEATURES.map(feature => [
      feature,
      feature === KRAFT_FEATURE.name
        ? Number(metadataVersion >= METADATA_VERSION.dynamicVoters)
        : (defaults.get(feature) ?? 0),
    ]),
  );
}

/** Feature and level of a text `name=level`. Throws `ToolError`. */
export function nameAndLevel(text: string): readonly [string, number] {
  const at = text.indexOf("=");
  if (at < 0) throw new ToolError(`Can't parse feature=level string ${text}: equals sign not found.`);
  const [name, value] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  const level = parseInteger(value);
  if (level !== undefined && level <= SHORT && level >= -SHORT - 1) return [name, level];
  throw new ToolError(`Can't parse feature=level string ${text}: unable to parse ${value} as a short.`);
}

/** Prints the levels of all features of a release. Throws `ToolError`. */
export function versionMapping(release = LATEST_PRODUCTION): void {
  const level = levelOfRelease(release);
  console.log(`metadata.version=${level} (${release})`);
  for (const [name, each] of levelsOf(level)) console.log(`${name}=${each}`);
}

/** Prints what levels of features need. The words of a mistake are those of the `tool`. */
export function dependencies(
  features: readonly (readonly [name: string, level: number])[],
  tool: "features" | "storage",
): void {
  for (const [name, level] of features) {
    if (name === METADATA_VERSION_FEATURE) {
      const release = releaseOf(level);
      if (release === undefined) throw new ToolError(`Unknown metadata.version ${level}`);
      console.log(`${name}=${level} (${release}) has no dependencies.`);
      continue;
    }
    const last = LAST_LEVELS[name];
    if (last === undefined) throw new ToolError(`Unknown feature: ${name}`);
    if (level < 0 || level > last) {
      throw new ToolError(
        tool === "features"
          ? `No feature:${name} with feature level ${level}`
          : `Feature level ${level} is not supported for feature ${name}`,
      );
    }
    const needed = NEEDS[`${name}=${level}`];
    if (needed === undefined) console.log(`${name}=${level} has no dependencies.`);
    else console.log(`${name}=${level} requires:\n    metadata.version=${needed} (${releaseOf(needed)})`);
  }
}
