/** Constants of KafkaJS by its names: objects instead of enums, each with the type of its values. */

/** Compression of the records of a call. All codecs are built in. */
export const CompressionTypes = { None: 0, GZIP: 1, Snappy: 2, LZ4: 3, ZSTD: 4 } as const;
/** Number of a codec. */
export type CompressionTypes = (typeof CompressionTypes)[keyof typeof CompressionTypes];

/** Levels of the log: a logger tells what its level or a lower one has. */
export const logLevel = { NOTHING: 0, ERROR: 1, WARN: 2, INFO: 4, DEBUG: 5 } as const;
/** A level of the log. */
export type logLevel = (typeof logLevel)[keyof typeof logLevel];

/** Types of resources with settings. */
export const ConfigResourceTypes = { UNKNOWN: 0, TOPIC: 2, BROKER: 4, BROKER_LOGGER: 8 } as const;
/** Type of a resource with settings. */
export type ConfigResourceTypes = (typeof ConfigResourceTypes)[keyof typeof ConfigResourceTypes];

/** Places of a setting's value. */
export const ConfigSource = {
  ...({ UNKNOWN: 0, TOPIC_CONFIG: 1, DYNAMIC_BROKER_CONFIG: 2, DYNAMIC_DEFAULT_BROKER_CONFIG: 3 } as const),
  ...({ STATIC_BROKER_CONFIG: 4, DEFAULT_CONFIG: 5, DYNAMIC_BROKER_LOGGER_CONFIG: 6 } as const),
} as const;
/** Place of a setting's value. Brokers have more of them by now: 7 and above. */
export type ConfigSource = number;

/** Types of resources with access rights. */
export const AclResourceTypes = {
  ...({ UNKNOWN: 0, ANY: 1, TOPIC: 2, GROUP: 3, CLUSTER: 4, TRANSACTIONAL_ID: 5, DELEGATION_TOKEN: 6 } as const),
} as const;
/** Type of a resource with access rights. */
export type AclResourceTypes = (typeof AclResourceTypes)[keyof typeof AclResourceTypes];

/** Operations that access rights are about. */
export const AclOperationTypes = {
  ...({ UNKNOWN: 0, ANY: 1, ALL: 2, READ: 3, WRITE: 4, CREATE: 5, DELETE: 6, ALTER: 7, DESCRIBE: 8 } as const),
  ...({ CLUSTER_ACTION: 9, DESCRIBE_CONFIGS: 10, ALTER_CONFIGS: 11, IDEMPOTENT_WRITE: 12 } as const),
} as const;
/** Operation that an access right is about. */
export type AclOperationTypes = (typeof AclOperationTypes)[keyof typeof AclOperationTypes];

/** Permissions of access rights. */
export const AclPermissionTypes = { UNKNOWN: 0, ANY: 1, DENY: 2, ALLOW: 3 } as const;
/** Permission of an access right. */
export type AclPermissionTypes = (typeof AclPermissionTypes)[keyof typeof AclPermissionTypes];

/** Types of names in access rights. */
export const ResourcePatternTypes = { UNKNOWN: 0, ANY: 1, MATCH: 2, LITERAL: 3, PREFIXED: 4 } as const;
/** Type of a name in an access right. */
export type ResourcePatternTypes = (typeof ResourcePatternTypes)[keyof typeof ResourcePatternTypes];

/**
 * Codecs that a program of KafkaJS adds. All of them are built in here: what is assigned is never called, and an
 * assignment does no harm.
 */
export const CompressionCodecs: Record<number, unknown> = {};
