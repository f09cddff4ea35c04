import { type BrokerId, type Disk, DiskError, entryAt, type Env, parseConfig, randomUuid } from "@samsa/base";
import { bootstrapFault, bootstrapRecords } from "@samsa/controller";
import {
  KRAFT_FEATURE,
  METADATA_RELEASES,
  METADATA_VERSION,
  METADATA_VERSION_FEATURE,
  releaseLevel,
} from "@samsa/metadata";
import type { MetadataRecord } from "@samsa/protocol";
import { METADATA_TOPIC } from "@samsa/quorum";
import { writeBootstrapSnapshot } from "@samsa/raft";
import {
  makeLogDir,
  type MetaProperties,
  readMetaProperties,
  readWhole,
  replaceFile,
  writeMetaProperties,
} from "@samsa/storage";
import { type BrokerConfig, brokerConfigs } from "./config/configs.ts";
import { FEATURES, METADATA_LEVEL } from "./metadata/features.ts";
import { firstVoters, type FirstQuorum, StorageError } from "./first-quorum.ts";

const FIRST_RELEASE = METADATA_VERSION.minimum;
const META = "meta.properties";

export interface FormatOptions {
  /** The settings as the user wrote them. */
  readonly settings: ReadonlyMap<string, string>;
  readonly clusterId: string;
  /** Skips directories that are formatted already; without it they are an error. */
  readonly ignoreFormatted: boolean;
  readonly quorum?: FirstQuorum;
  /** Release or metadata.version, for example 4.3 or 4.3-IV0. */
  readonly releaseVersion?: string;
  /** Features as name=level. */
  readonly features: readonly string[];
  /** Credentials of users that the cluster begins with; see `firstCredentials`. Default: none. */
  readonly credentials?: readonly MetadataRecord[];
}

interface Directories {
  /** All of `log.dirs` and `metadata.log.dir`, in order. */
  readonly all: readonly string[];
  readonly metadata: string;
}

function directoriesOf(config: BrokerConfig): Directories {
  const paths = config["log.dirs"] ?? config["log.dir"];
  const metadata = config["metadata.log.dir"] ?? entryAt(paths, 0);
  return { all: [...new Set([...paths, metadata])].sort(), metadata };
}

function levelOfRelease(text: string): number {
  const level = releaseLevel(text);
  if (level !== undefined) return level;
  const known = METADATA_RELEASES.join(", ");
  throw new StorageError(`Unknown metadata.version '${text}'. Supported metadata.version are: ${known}`);
}

function featureLevels(texts: readonly string[]): Map<string, number> {
  const levels = new Map<string, number>();
  for (const text of texts) {
    const at = text.indexOf("=");
    if (at < 0) throw new StorageError(`Can't parse feature=level string ${text}: equals sign not found.`);
    const level = text.slice(at + 1).trim();
    if (!/^[+-]?\d{1,5}$/.test(level)) {
      throw new StorageError(`Can't parse feature=level string ${text}: unable to parse ${level} as a short.`);
    }
    levels.set(text.slice(0, at).trim(), Number(level));
  }
  return levels;
}

/** Flags that choose the voters of a dynamic quorum. */
const QUORUM_FLAGS =
  "if controller.quorum.voters is empty and one of the flags --standalone, --initial-controllers, or " +
  "--no-initial-controllers is used";

/** Throws for features that are unknown, or that this broker does not support. */
function checkFeatures(levels: ReadonlyMap<string, number>, kraftVersion: number): void {
  const known = new Map([...FEATURES, [KRAFT_FEATURE.name, KRAFT_FEATURE]]);
  for (const [name, level] of levels) {
    const range = known.get(name);
    if (range === undefined) {
      const supported = [...known.keys()].sort().join(", ");
      throw new StorageError(`Unsupported feature: ${name}. Supported features are: ${supported}`);
    }
    if (level < range.min || level > range.max) {
      throw new StorageError(`${name} ${level} is not available: levels from ${range.min} to ${range.max} are.`);
    }
    if (name !== KRAFT_FEATURE.name || level === kraftVersion) continue;
    throw new StorageError(
      level === 0
        ? `Cannot set kraft.version to 0 ${QUORUM_FLAGS}.`
        : `Cannot set kraft.version to ${level} ${QUORUM_FLAGS.replace("if", "unless")}.`,
    );
  }
}

function metadataLevel(release: string | undefined, features: ReadonlyMap<string, number>): number {
  const chosen = features.get(METADATA_VERSION_FEATURE);
  if (chosen === undefined) return release === undefined ? METADATA_LEVEL : levelOfRelease(release);
  if (release !== undefined) {
    throw new StorageError("Use --release-version instead of --feature metadata.version=X to avoid ambiguity.");
  }
  return chosen;
}

interface Found {
  readonly formatted: Map<string, Partial<MetaProperties>>;
  readonly empty: readonly string[];
  /** Directories that cannot be read. */
  readonly failed: readonly string[];
}

function look(disk: Disk, directories: readonly string[]): Found {
  const formatted = new Map<string, Partial<MetaProperties>>();
  const empty: string[] = [];
  const failed: string[] = [];
  for (const path of directories) {
    try {
      const bytes = readWhole(disk, `${path}/${META}`);
      if (bytes === undefined) empty.push(path);
      else formatted.set(path, readMetaProperties(bytes));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      failed.push(path);
    }
  }
  return { formatted, empty, failed };
}

function checkOwner(formatted: Found["formatted"], clusterId: string, nodeId: BrokerId): void {
  for (const [path, meta] of formatted) {
    if (meta.clusterId !== undefined && meta.clusterId !== clusterId) {
      throw new StorageError(
        `Invalid cluster.id in: ${path}/${META}. Expected ${clusterId}, but read ${meta.clusterId}`,
      );
    }
    if (meta.nodeId !== undefined && meta.nodeId !== nodeId) {
      throw new StorageError(`Invalid node.id in: ${path}/${META}. Expected ${nodeId}, but read ${meta.nodeId}`);
    }
  }
}

/**
 * Formats log directories as Kafka's storage tool does (`StorageTool`, `Formatter`), so that either broker starts on
 * them. Returns lines for the user. Throws `StorageError`, `ConfigError` or `DiskError`.
 */
export function formatStorage(env: Env, options: FormatOptions): string[] {
  const config = parseConfig(brokerConfigs, name => options.settings.get(name));
  // Testcontainers for Python gives ids with the padding of base64.
  if (!/^[^\s=#\\]+={0,2}$/.test(options.clusterId))
    throw new StorageError(`"${options.clusterId}" is not a cluster id.`);
  const newId = () => randomUuid(length => env.random.bytes(length));
  const voters = firstVoters(config, options.quorum, newId);
  const kraftVersion = config["controller.quorum.voters"].length > 0 ? 0 : KRAFT_FEATURE.max;
  const features = featureLevels(options.features);
  checkFeatures(features, kraftVersion);
  const level = metadataLevel(options.releaseVersion, features);
  const first = { metadataVersion: level, features: FEATURES, chosen: features };
  const impossible = bootstrapFault(first);
  if (impossible !== undefined) throw new StorageError(impossible);
  const { credentials = [] } = options;
  if (credentials.length > 0 && level < METADATA_VERSION.scram) {
    const oldest = METADATA_RELEASES[METADATA_VERSION.scram - FIRST_RELEASE];
    throw new StorageError(`SCRAM is only supported in ${METADATA_VERSION_FEATURE} ${oldest} or later.`);
  }
  const { all, metadata } = directoriesOf(config);
  const { formatted, empty, failed } = look(env.disk, all);
  const nodeId = config["node.id"];
  checkOwner(formatted, options.clusterId, nodeId);
  const [used] = formatted.keys();
  if (used !== undefined && !options.ignoreFormatted) {
    throw new StorageError(
      `Log directory ${used} is already formatted. Use --ignore-formatted to ignore this directory and format the others.`,
    );
  }
  const lines = failed.map(path => `I/O error trying to read log directory ${path}. Ignoring...`);
  if (failed.length === all.length) throw new StorageError("No available log directories to format.");
  if (empty.length === 0) return [...lines, "All of the log directories are already formatted."];
  const release = METADATA_RELEASES[level - FIRST_RELEASE];
  lines.push(
    `Bootstrap metadata: ${METADATA_VERSION_FEATURE}=${level} (${release}), ${KRAFT_FEATURE.name}=${kraftVersion}`,
  );
  const own = voters?.find(({ id }) => id === nodeId);
  const metadataKind =
    voters === undefined ? "metadata directory" : `dynamic metadata ${own === undefined ? "" : "voter "}directory`;
  for (const path of empty) {
    const isMetadata = path === metadata;
    const kind = isMetadata ? metadataKind : "data directory";
    lines.push(`Formatting ${kind} ${path} with ${METADATA_VERSION_FEATURE} ${release}.`);
    makeLogDir(env.disk, path);
    // A broker gets the metadata from the controllers.
    if (isMetadata && config["process.roles"].includes("controller")) {
      writeBootstrapSnapshot(env, `${path}/${METADATA_TOPIC}-0`, {
        lastContainedLogTimestamp: env.clock.now(),
        kraftVersion,
        voters,
        records: [...bootstrapRecords(first), ...credentials],
      });
    }
    const directoryId = isMetadata && own !== undefined ? own.directoryId : newId();
    // Write meta.properties last: a directory that has it counts as formatted.
    const meta = writeMetaProperties({ clusterId: options.clusterId, nodeId, directoryId });
    replaceFile(env.disk, `${path}/${META}`, meta, true);
  }
  return lines;
}

/** Output of `kafka-storage info` for log directories; `ok` is false if it found problems. */
export function storageInfo(env: Env, settings: ReadonlyMap<string, string>): { lines: string[]; ok: boolean } {
  const config = parseConfig(brokerConfigs, name => settings.get(name));
  const problems = new Set<string>();
  const found: string[] = [];
  let first: (Partial<MetaProperties> & { readonly version: string }) | undefined;
  for (const path of directoriesOf(config).all) {
    const stat = env.disk.stat(path);
    if (stat?.directory !== true) {
      problems.add(`${path} ${stat === undefined ? "does not exist" : "is not a directory"}`);
      continue;
    }
    found.push(path);
    const bytes = readWhole(env.disk, `${path}/${META}`);
    if (bytes === undefined) {
      problems.add(`${path} is not formatted.`);
      continue;
    }
    const meta = readMetaProperties(bytes);
    first ??= meta;
    if (meta.clusterId !== first.clusterId) problems.add("Mismatched cluster IDs between storage directories.");
    else if (meta.nodeId !== first.nodeId) problems.add("Mismatched node IDs between storage directories.");
    if (meta.version === "0") {
      problems.add(
        "The kafka configuration file appears to be for a cluster in KRaft mode, but the directories are formatted for legacy mode.",
      );
    }
  }
  const lines: string[] = [];
  const paragraph = (title: string, rows: Iterable<string>): void => {
    lines.push(title, ...[...rows].map(row => `  ${row}`), "");
  };
  if (found.length > 0) paragraph(found.length === 1 ? "Found log directory:" : "Found log directories:", found);
  if (first !== undefined) {
    const { clusterId, directoryId, nodeId, version } = first;
    const shown = { "cluster.id": clusterId, "directory.id": directoryId, "node.id": nodeId, version };
    const pairs = Object.entries(shown).filter(([, value]) => value !== undefined);
    lines.push(`Found metadata: {${pairs.map(([name, value]) => `${name}=${value}`).join(", ")}}`, "");
  }
  if (problems.size > 0) paragraph(problems.size === 1 ? "Found problem:" : "Found problems:", problems);
  return { lines, ok: problems.size === 0 };
}
