/** Codes of the operations of an ACL (`AclOperation`). */
export const OPERATION_CODES = {
  UNKNOWN: 0,
  ANY: 1,
  ALL: 2,
  READ: 3,
  WRITE: 4,
  CREATE: 5,
  DELETE: 6,
  ALTER: 7,
  DESCRIBE: 8,
  CLUSTER_ACTION: 9,
  DESCRIBE_CONFIGS: 10,
  ALTER_CONFIGS: 11,
  IDEMPOTENT_WRITE: 12,
  CREATE_TOKENS: 13,
  DESCRIBE_TOKENS: 14,
  TWO_PHASE_COMMIT: 15,
} as const;

/** Codes of the types of resources (`ResourceType`). */
export const RESOURCE_TYPE_CODES = {
  UNKNOWN: 0,
  ANY: 1,
  TOPIC: 2,
  GROUP: 3,
  CLUSTER: 4,
  TRANSACTIONAL_ID: 5,
  DELEGATION_TOKEN: 6,
  USER: 7,
} as const;

/** Codes of the ways in which an ACL names resources (`PatternType`); ANY and MATCH are of filters only. */
export const PATTERN_TYPE_CODES = { UNKNOWN: 0, ANY: 1, MATCH: 2, LITERAL: 3, PREFIXED: 4 } as const;

/** Codes of `AclPermissionType`. */
export const PERMISSION_CODES = { UNKNOWN: 0, ANY: 1, DENY: 2, ALLOW: 3 } as const;

/** Name of a code; "UNKNOWN" for one that there is not. */
export function codeName<N extends string>(
  codes: Readonly<Record<N | "UNKNOWN", number>>,
  code: number,
): N | "UNKNOWN" {
  return (Object.keys(codes) as N[]).find(name => codes[name] === code) ?? "UNKNOWN";
}

/** Operation that a client may ask for. */
export type AclOperation = Exclude<keyof typeof OPERATION_CODES, "UNKNOWN" | "ANY" | "ALL">;
/** Type of a resource that a client may use. */
export type ResourceType = Exclude<keyof typeof RESOURCE_TYPE_CODES, "UNKNOWN" | "ANY">;

/** The name of the one resource of type CLUSTER (`Resource.CLUSTER_NAME`). */
export const CLUSTER_NAME = "kafka-cluster";
/** Name, host, or name of a principal that matches all (`ResourcePattern.WILDCARD_RESOURCE`). */
export const WILDCARD = "*";

/** Access control entry with its resource pattern (`AclBinding`). All types are codes, as requests and records have them. */
export interface Acl {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly patternType: number;
  /** For example "User:alice"; "User:*" matches everyone. */
  readonly principal: string;
  /** Address, range of addresses as in 10.0.0.0/8, or "*". */
  readonly host: string;
  readonly operation: number;
  readonly permissionType: number;
}

/** Filter for ACLs (`AclBindingFilter`): null and ANY match everything. */
export interface AclFilter {
  readonly resourceType: number;
  readonly resourceName: string | null;
  readonly patternType: number;
  readonly principal: string | null;
  readonly host: string | null;
  readonly operation: number;
  readonly permissionType: number;
}

const matchesCode = (wanted: number, code: number): boolean => wanted === 1 || wanted === code;

/** True if `filter` selects `acl` (`AclBindingFilter.matches`). */
export function matchesFilter(filter: AclFilter, acl: Acl): boolean {
  return (
    matchesCode(filter.resourceType, acl.resourceType) &&
    matchesCode(filter.operation, acl.operation) &&
    matchesCode(filter.permissionType, acl.permissionType) &&
    (filter.principal === null || filter.principal === acl.principal) &&
    (filter.host === null || filter.host === acl.host) &&
    matchesPattern(filter, acl)
  );
}

function matchesPattern({ patternType, resourceName }: AclFilter, acl: Acl): boolean {
  const isMatch = patternType === PATTERN_TYPE_CODES.MATCH;
  if (!isMatch && !matchesCode(patternType, acl.patternType)) return false;
  if (resourceName === null || !isMatch) return resourceName === null || resourceName === acl.resourceName;
  if (acl.patternType === PATTERN_TYPE_CODES.PREFIXED) return resourceName.startsWith(acl.resourceName);
  return acl.resourceName === resourceName || acl.resourceName === WILDCARD;
}

/** Operations that are supported for each type of resource (`AclEntry.supportedOperations`). */
export const SUPPORTED_OPERATIONS = {
  TOPIC: ["READ", "WRITE", "CREATE", "DESCRIBE", "DELETE", "ALTER", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"],
  GROUP: ["READ", "DESCRIBE", "DELETE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"],
  CLUSTER: ["CREATE", "CLUSTER_ACTION", "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "IDEMPOTENT_WRITE", "ALTER", "DESCRIBE"],
  TRANSACTIONAL_ID: ["DESCRIBE", "WRITE", "TWO_PHASE_COMMIT"],
  DELEGATION_TOKEN: ["DESCRIBE"],
  USER: ["CREATE_TOKENS", "DESCRIBE_TOKENS"],
} as const satisfies { readonly [T in ResourceType]: readonly AclOperation[] };

/** Operation on a type of resource. */
export type OperationOn<T extends ResourceType> = (typeof SUPPORTED_OPERATIONS)[T][number];

/** Authorized operations as responses encode them: bit `1 << code` for each operation that a client may perform. */
export function operationBits<T extends ResourceType>(
  resource: T,
  allows: (operation: OperationOn<T>) => boolean,
): number {
  const supported: readonly OperationOn<T>[] = SUPPORTED_OPERATIONS[resource];
  return supported.reduce(
    (bits, operation) => (allows(operation) ? bits | (1 << OPERATION_CODES[operation]) : bits),
    0,
  );
}
