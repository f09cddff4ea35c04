import { OPERATION_CODES, SUPPORTED_OPERATIONS } from "@samsa/security";
import type { Acl } from "@samsa/client-runtime";

export type Operation = Acl["operation"];
export type Resource = Exclude<Acl["resourceType"], "UNKNOWN" | "ANY">;

/** All operations of ACLs, in the order of their codes. */
export const OPERATIONS: readonly Operation[] = Object.keys(OPERATION_CODES)
  .filter(name => name !== "UNKNOWN" && name !== "ANY")
  .map(name => name as Operation);

/** Word for an operation on the command line, such as describe-configs. */
export function wordOf(operation: Operation): string {
  return operation.toLowerCase().replaceAll("_", "-");
}

/** Operation of a word such as DescribeConfigs, describe-configs or DESCRIBE_CONFIGS; undefined: there is none. */
export function operationOf(word: string): Operation | undefined {
  const letters = word.replaceAll(/[-_]/g, "").toUpperCase();
  return OPERATIONS.find(name => name.replaceAll("_", "") === letters);
}

/** Operations that an ACL may have on a type of resource. */
export function operationsOn(resource: Resource): readonly Operation[] {
  return ["ALL", ...SUPPORTED_OPERATIONS[resource]];
}

/** Operations that clients of a role need, by type of resource (`--producer`, `--consumer`). */
export const ROLES: Readonly<
  Record<"producer" | "consumer", Readonly<Partial<Record<Resource, readonly Operation[]>>>>
> = {
  producer: { TOPIC: ["WRITE", "DESCRIBE", "CREATE"], TRANSACTIONAL_ID: ["WRITE", "DESCRIBE"] },
  consumer: { TOPIC: ["READ", "DESCRIBE"], GROUP: ["READ"] },
};
