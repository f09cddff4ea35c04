/** Codes of operations (`AclOperation`). */
const OPERATION = {
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
} as const;

export type AclOperation = keyof typeof OPERATION;

/** Types of resources (`ResourceType`). */
export type ResourceType = "TOPIC" | "GROUP" | "CLUSTER" | "TRANSACTIONAL_ID";

/** The name of the one resource of type CLUSTER (`Resource.CLUSTER_NAME`). */
export const CLUSTER_NAME = "kafka-cluster";

export interface Action {
  readonly operation: AclOperation;
  readonly resource: ResourceType;
  readonly name: string;
}

/** Client that asks for permission: the name of its user, and its address. */
export interface Client {
  readonly user: string;
  readonly host: string;
}

/** Decides what clients may do (`org.apache.kafka.server.authorizer.Authorizer`). */
export interface Authorizer {
  allows(client: Client, action: Action): boolean;
}

/** Authorizer of a broker without `authorizer.class.name`. */
export const ALLOW_ALL: Authorizer = { allows: () => true };

/** Operations that are supported for each type of resource (`AclEntry.supportedOperations`). */
const SUPPORTED = {
  TOPIC: ["READ", "WRITE", "CREATE", "DELETE", "ALTER", "DESCRIBE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"],
  GROUP: ["READ", "DELETE", "DESCRIBE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"],
  CLUSTER: ["CREATE", "ALTER", "DESCRIBE", "CLUSTER_ACTION", "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "IDEMPOTENT_WRITE"],
} as const satisfies { readonly [T in ResourceType]?: readonly AclOperation[] };

/** Operation on a type of resource. */
export type OperationOn<T extends keyof typeof SUPPORTED> = (typeof SUPPORTED)[T][number];

/** Authorized operations as responses encode them: bit `1 << code` for each operation that a client may perform. */
export function operationBits<T extends keyof typeof SUPPORTED>(
  resource: T,
  allows: (operation: OperationOn<T>) => boolean = () => true,
): number {
  const supported: readonly OperationOn<T>[] = SUPPORTED[resource];
  return supported.reduce((bits, operation) => (allows(operation) ? bits | (1 << OPERATION[operation]) : bits), 0);
}
