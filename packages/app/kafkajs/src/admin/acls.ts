import type { ClusterClient } from "@samsa/client-runtime";
import { protocolError } from "../error/convert.ts";
import { KafkaJSNonRetriableError } from "../error/errors.ts";
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from "../values/enums.ts";
import type { AclEntry, AclFilter, DeleteAclResponse, DescribeAclResponse } from "./types.ts";

type Partly = { readonly [K in keyof AclEntry]?: unknown };

/** Fields of access rights with a set of values, in the order in which they are checked. */
const KINDS = [
  ["operation", "operation type", AclOperationTypes],
  ["resourcePatternType", "resource pattern type", ResourcePatternTypes],
  ["permissionType", "permission type", AclPermissionTypes],
  ["resourceType", "resource type", AclResourceTypes],
] as const;

function checkKinds(acls: readonly Partly[], suffix: (acl: Partly) => string): void {
  for (const [field, what, kinds] of KINDS) {
    const values: readonly unknown[] = Object.values(kinds);
    const wrong = acls.find(acl => !values.includes(acl[field]));
    if (wrong !== undefined) {
      throw new KafkaJSNonRetriableError(`Invalid ${what} ${String(wrong[field])}${suffix(wrong)}`);
    }
  }
}

const TEXTS = [
  ["principal", "principals"],
  ["host", "hosts"],
  ["resourceName", "resourceNames"],
] as const;

/** Throws for access rights that cannot be created. */
export function checkNewAcls(acls: unknown): void {
  checkList(acls, "ACL");
  for (const [field, plural] of TEXTS) {
    if ((acls as readonly Partly[]).some(acl => typeof acl[field] !== "string")) {
      throw new KafkaJSNonRetriableError(`Invalid ACL array, the ${plural} have to be a valid string`);
    }
  }
  checkKinds(acls as readonly Partly[], acl => `: ${JSON.stringify(acl)}`);
}

function checkList(acls: unknown, what: string): void {
  if (!Array.isArray(acls)) throw new KafkaJSNonRetriableError(`Invalid ${what} array ${String(acls)}`);
  if (acls.length === 0) throw new KafkaJSNonRetriableError(`Empty ${what} array`);
}

/** Throws for filters that cannot be. */
export function checkFilters(filters: unknown): void {
  checkList(filters, "ACL Filter");
  for (const [field, plural] of TEXTS) {
    if ((filters as readonly Partly[]).some(filter => !isTextOrNone(filter[field]))) {
      throw new KafkaJSNonRetriableError(`Invalid ACL Filter array, the ${plural} have to be a valid string`);
    }
  }
  checkKinds(filters as readonly Partly[], filter => `: ${JSON.stringify(filter)}`);
}

/** Throws for a filter that cannot be. */
export function checkFilter(filter: Partly): void {
  for (const [field] of TEXTS) {
    if (!isTextOrNone(filter[field])) {
      throw new KafkaJSNonRetriableError(`Invalid ${field}, the ${field} have to be a valid string`);
    }
  }
  checkKinds([filter], () => "");
}

function isTextOrNone(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}

function filterOf({ resourceType, resourceName, resourcePatternType, principal, host, ...rest }: AclFilter) {
  return {
    ...{ resourceTypeFilter: resourceType, resourceNameFilter: resourceName ?? null },
    ...{ patternTypeFilter: resourcePatternType, principalFilter: principal ?? null, hostFilter: host ?? null },
    ...{ operation: rest.operation, permissionType: rest.permissionType },
  };
}

/** Numbers of an answer, which may have later ones than KafkaJS knows. */
interface Kinds {
  readonly resourceType: number;
  readonly patternType: number;
  readonly operation: number;
  readonly permissionType: number;
}

const resourceOf = ({ resourceType, patternType }: Pick<Kinds, "resourceType" | "patternType">) => ({
  resourceType: resourceType as AclResourceTypes,
  resourcePatternType: patternType as ResourcePatternTypes,
});
const rightOf = ({ operation, permissionType }: Pick<Kinds, "operation" | "permissionType">) => ({
  operation: operation as AclOperationTypes,
  permissionType: permissionType as AclPermissionTypes,
});

export async function describeAcls(client: ClusterClient, filter: AclFilter): Promise<DescribeAclResponse> {
  const { errorCode, errorMessage, throttleTimeMs, resources } = await client.retrying(client.patience(), () =>
    client.callAny("DescribeAcls", filterOf(filter)),
  );
  if (errorCode !== 0) throw protocolError(errorCode, "the ACLs", errorMessage);
  return {
    ...{ throttleTime: throttleTimeMs, errorCode },
    resources: resources.map(resource => ({
      ...{ ...resourceOf(resource), resourceName: resource.resourceName },
      acls: resource.acls.map(acl => ({ principal: acl.principal, host: acl.host, ...rightOf(acl) })),
    })),
  };
}

export async function createAcls(client: ClusterClient, acl: readonly AclEntry[]): Promise<boolean> {
  const creations = acl.map(({ resourceType, resourceName, resourcePatternType, principal, host, ...rest }) => ({
    ...{ resourceType, resourceName, resourcePatternType, principal, host },
    ...{ operation: rest.operation, permissionType: rest.permissionType },
  }));
  const { results } = await client.retrying(client.patience(), () => client.callAny("CreateAcls", { creations }));
  for (const { errorCode, errorMessage } of results) {
    if (errorCode !== 0) throw protocolError(errorCode, "the ACL", errorMessage);
  }
  return true;
}

const told = (errorMessage: string | null): { readonly errorMessage?: string } =>
  errorMessage === null ? {} : { errorMessage };

export async function deleteAcls(client: ClusterClient, filters: readonly AclFilter[]): Promise<DeleteAclResponse> {
  const { throttleTimeMs, filterResults } = await client.retrying(client.patience(), () =>
    client.callAny("DeleteAcls", { filters: filters.map(filterOf) }),
  );
  for (const { errorCode, errorMessage } of filterResults) {
    if (errorCode !== 0) throw protocolError(errorCode, "the ACLs", errorMessage);
  }
  return {
    throttleTime: throttleTimeMs,
    filterResponses: filterResults.map(({ errorCode, errorMessage, matchingAcls }) => ({
      ...{ errorCode, ...told(errorMessage) },
      matchingAcls: matchingAcls.map(acl => ({
        ...{ errorCode: acl.errorCode, ...told(acl.errorMessage), ...resourceOf(acl), ...rightOf(acl) },
        ...{ resourceName: acl.resourceName, principal: acl.principal, host: acl.host },
      })),
    })),
  };
}
