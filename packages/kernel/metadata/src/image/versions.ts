/** Levels of `metadata.version` that change records or decisions, and the supported range. */
export const METADATA_VERSION = {
  minimum: 7,
  /** 3.5-IV2: SCRAM credentials in the metadata. */
  scram: 11,
  /** From here on, a shrinking ISR does not bump the leader epoch (KAFKA-15021). */
  noEpochPerIsr: 12,
  /** 3.6-IV1: metadata transactions, for decisions larger than a batch (KIP-868). */
  transactions: 13,
  /** 3.6-IV2: delegation tokens (KIP-900). */
  delegationTokens: 14,
  /** 3.7-IV0: controllers register (KIP-919). */
  controllersRegister: 15,
  directories: 17,
  /** 3.9-IV0: voters of new clusters may change (KIP-853). */
  dynamicVoters: 21,
  eligibleLeaderReplicas: 23,
  cordonedDirectories: 30,
  /** 4.4-IV1: ranges of addresses as hosts of ACLs. */
  hostRanges: 32,
  controllersLeave: 33,
  latest: 33,
} as const;

/** Kafka's names of the levels of `metadata.version`, from `METADATA_VERSION.minimum` on (`MetadataVersion`). */
export const METADATA_RELEASES: readonly string[] = (
  "3.3-IV3 3.4-IV0 3.5-IV0 3.5-IV1 3.5-IV2 3.6-IV0 3.6-IV1 3.6-IV2 3.7-IV0 3.7-IV1 3.7-IV2 3.7-IV3 3.7-IV4 3.8-IV0 3.9-IV0 " +
  "4.0-IV0 4.0-IV1 4.0-IV2 4.0-IV3 4.1-IV0 4.1-IV1 4.2-IV0 4.2-IV1 4.3-IV0 4.4-IV0 4.4-IV1 4.4-IV2"
).split(" ");

/** Level of `metadata.version` of a release, as 4.3, or of its exact name, as 4.3-IV0; undefined: unknown. */
export function releaseLevel(text: string): number | undefined {
  const name = text.split(".").slice(0, 2).join(".");
  // A release stands for the last of its levels.
  const at = METADATA_RELEASES.findLastIndex(release => release === name || release.startsWith(`${name}-`));
  return at < 0 ? undefined : METADATA_VERSION.minimum + at;
}

/** Versions of the record types that have several (`MetadataVersion.*RecordVersion`). */
export interface RecordVersions {
  readonly registerBroker: number;
  readonly brokerRegistrationChange: number;
  readonly partition: number;
  readonly partitionChange: number;
}

/** Versions in which records are written at a level of `metadata.version`. */
export function recordVersions(metadataVersion: number): RecordVersions {
  const { directories, eligibleLeaderReplicas, cordonedDirectories } = METADATA_VERSION;
  const partition = metadataVersion >= eligibleLeaderReplicas ? 2 : metadataVersion >= directories ? 1 : 0;
  const cordoned = metadataVersion >= cordonedDirectories;
  const placed = metadataVersion >= directories;
  return {
    // Level 8 (3.4-IV0) added the flag of brokers that migrate from ZooKeeper.
    registerBroker: cordoned ? 4 : placed ? 3 : metadataVersion >= 8 ? 2 : 1,
    brokerRegistrationChange: cordoned ? 3 : placed ? 2 : 1,
    partition,
    partitionChange: partition,
  };
}
