import type { MetadataImage } from "@samsa/metadata";
import {
  type CreateAclsRequest,
  type DeleteAclsRequest,
  type DescribeAclsRequest,
  type DescribeAclsResponse,
  Errors,
} from "@samsa/protocol";
import { matchesFilter } from "@samsa/security";
import type { RequestError } from "./error-responses.ts";

/** Code of UNKNOWN in all enumerations of an entry. Requests that contain it cannot be parsed. */
const UNKNOWN = 0;

function hasUnknown(codes: readonly number[]): boolean {
  return codes.includes(UNKNOWN);
}

/** Error of a request that changes ACLs on a node without an authorizer (`AclApis`). */
export const NO_AUTHORIZER: RequestError = { ...Errors.SECURITY_DISABLED, detail: "No Authorizer is configured." };
/** Error of a DescribeAcls request to a node without an authorizer. */
export const NO_AUTHORIZER_HERE: RequestError = {
  ...Errors.SECURITY_DISABLED,
  detail: "No Authorizer is configured on the broker",
};

/** Says why a CreateAcls request cannot be read. */
export function unreadableCreation({ creations }: CreateAclsRequest): string | undefined {
  const isUnknown = creations.some(({ resourceType, resourcePatternType, operation, permissionType }) =>
    hasUnknown([resourceType, resourcePatternType, operation, permissionType]),
  );
  return isUnknown ? "CreateAcls contains UNKNOWN elements" : undefined;
}

/** Says why a DeleteAcls request cannot be read. */
export function unreadableDeletion({ filters }: DeleteAclsRequest): string | undefined {
  const isUnknown = filters.some(({ patternTypeFilter, resourceTypeFilter, operation, permissionType }) =>
    hasUnknown([patternTypeFilter, resourceTypeFilter, operation, permissionType]),
  );
  return isUnknown ? "DeleteAcls contains UNKNOWN elements" : undefined;
}

/** Says why a DescribeAcls request cannot be read. */
export function unreadableDescription(request: DescribeAclsRequest): string | undefined {
  const { patternTypeFilter, resourceTypeFilter, operation, permissionType } = request;
  const isUnknown = hasUnknown([patternTypeFilter, resourceTypeFilter, operation, permissionType]);
  return isUnknown ? "DescribeAcls contains UNKNOWN elements" : undefined;
}

type DescribedResource = DescribeAclsResponse["resources"][number];

/** DescribeAcls: the ACLs that a filter selects, by resource pattern. */
export function describedAcls({ acls }: MetadataImage, request: DescribeAclsRequest) {
  const filter = {
    resourceType: request.resourceTypeFilter,
    resourceName: request.resourceNameFilter,
    patternType: request.patternTypeFilter,
    principal: request.principalFilter,
    host: request.hostFilter,
    operation: request.operation,
    permissionType: request.permissionType,
  };
  const resources = new Map<string, DescribedResource & { acls: DescribedResource["acls"][number][] }>();
  for (const acl of acls.values()) {
    if (!matchesFilter(filter, acl)) continue;
    const { resourceType, resourceName, patternType, principal, host, operation, permissionType } = acl;
    const key = `${resourceType}/${patternType}/${resourceName}`;
    const found = resources.get(key) ?? { resourceType, resourceName, patternType, acls: [] };
    found.acls.push({ principal, host, operation, permissionType });
    resources.set(key, found);
  }
  return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, resources: [...resources.values()] };
}
