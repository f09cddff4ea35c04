import type { MetadataImage } from "@samsa/metadata";
import {
  type CreateAclsRequest,
  type DeleteAclsRequest,
  type DescribeAclsRequest,
  type DescribeAclsResponse,
  Errors,
} from "@samsa/protocol";
import { selectedAcls } from "@samsa/controller";
import { errorResponses, type RequestError } from "./error-responses.ts";
import type { Reply } from "./handler.ts";
import type { RequestContext } from "./request-context.ts";

/** Code of UNKNOWN in all enumerations of an entry. Requests that contain it cannot be parsed. */
const UNKNOWN = 0;

function hasUnknown(codes: readonly number[]): boolean {
  return codes.includes(UNKNOWN);
}

/** Error of a request that changes ACLs on a node without an authorizer (`AclApis`). */
export const NO_AUTHORIZER: RequestError = { ...Errors.SECURITY_DISABLED, detail: "No Authorizer is configured." };
/** Error of a DescribeAcls request to a node without an authorizer. */
const NO_AUTHORIZER_HERE: RequestError = {
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
function unreadableDescription(request: DescribeAclsRequest): string | undefined {
  const { patternTypeFilter, resourceTypeFilter, operation, permissionType } = request;
  const isUnknown = hasUnknown([patternTypeFilter, resourceTypeFilter, operation, permissionType]);
  return isUnknown ? "DescribeAcls contains UNKNOWN elements" : undefined;
}

type DescribedResource = DescribeAclsResponse["resources"][number];

/** The ACLs that a filter selects, by resource pattern. */
function describedAcls(image: MetadataImage, request: DescribeAclsRequest) {
  const resources = new Map<string, DescribedResource & { acls: DescribedResource["acls"][number][] }>();
  for (const acl of selectedAcls(image, request)) {
    const { resourceType, resourceName, patternType, principal, host, operation, permissionType } = acl;
    const key = `${resourceType}/${patternType}/${resourceName}`;
    const found = resources.get(key) ?? { resourceType, resourceName, patternType, acls: [] };
    found.acls.push({ principal, host, operation, permissionType });
    resources.set(key, found);
  }
  return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, resources: [...resources.values()] };
}

/** Parts of a node that DescribeAcls needs. */
interface DescribingNode {
  readonly image: MetadataImage;
  readonly config: { readonly "authorizer.class.name": string };
}

/** DescribeAcls, on a broker or a controller. */
export function describeAclsOf(
  { image, config }: DescribingNode,
  request: DescribeAclsRequest,
  context: Pick<RequestContext, "close">,
  reply: Reply<"DescribeAcls">,
): void {
  const fault = unreadableDescription(request);
  if (fault !== undefined) return context.close(fault);
  if (config["authorizer.class.name"] === "") return reply(errorResponses.DescribeAcls(request, NO_AUTHORIZER_HERE));
  reply(describedAcls(image, request));
}
