import {
  type Acl,
  codeName,
  OPERATION_CODES,
  PATTERN_TYPE_CODES,
  PERMISSION_CODES,
  type ResourceType,
  RESOURCE_TYPE_CODES,
} from "./acl.ts";
import type { Action, Client, Judgement } from "./authorizer.ts";
import { aclHost } from "./hosts.ts";

/** Names of resource types in the audit log (`SecurityUtils.resourceTypeName`). */
const RESOURCE_NAMES: Readonly<Record<ResourceType, string>> = {
  TOPIC: "Topic",
  GROUP: "Group",
  CLUSTER: "Cluster",
  TRANSACTIONAL_ID: "TransactionalId",
  DELEGATION_TOKEN: "DelegationToken",
  USER: "User",
};

function aclText(acl: Acl): string {
  const parts = [
    `resourceType=${codeName(RESOURCE_TYPE_CODES, acl.resourceType)}`,
    `resourceName=${acl.resourceName}`,
    `patternType=${codeName(PATTERN_TYPE_CODES, acl.patternType)}`,
    `principal=${acl.principal}`,
    `host=${acl.host}`,
    `operation=${codeName(OPERATION_CODES, acl.operation)}`,
    `permissionType=${codeName(PERMISSION_CODES, acl.permissionType)}`,
  ];
  return `StandardAcl[${parts.join(", ")}]`;
}

function ruleText({ isAllowed, reason }: Judgement): string {
  if (reason.rule === "super") return "SuperUser";
  if ("acl" in reason) return `MatchingAcl(acl=${aclText(reason.acl)})`;
  return isAllowed ? "DefaultAllow" : "DefaultDeny";
}

/** Line of the audit log, as Kafka words it (`StandardAuthorizerData.buildAuditMessage`). */
export function auditText({ user, host, api }: Client, action: Action, judgement: Judgement): string {
  const { operation, resource, name } = action;
  return [
    `Principal = User:${user} is ${judgement.isAllowed ? "Allowed" : "Denied"}`,
    `operation = ${operation}`,
    `from host = ${aclHost(host)}`,
    `on resource = ${RESOURCE_NAMES[resource]}:LITERAL:${name}`,
    `for request = ${api}`,
    `based on rule ${ruleText(judgement)}`,
  ].join(" ");
}
