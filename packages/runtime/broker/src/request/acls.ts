import { Errors } from "@samsa/protocol";
import { errorResponses } from "./error-responses.ts";
import type { Handler } from "./handler.ts";
import type { RequestContext } from "./request-context.ts";

type Closing = Pick<RequestContext, "close">;

/** Code of UNKNOWN in all enumerations of an entry. Requests that contain it cannot be parsed. */
const UNKNOWN = 0;

function hasUnknown(codes: readonly number[]): boolean {
  return codes.includes(UNKNOWN);
}

/** Answers of Kafka without an authorizer (`AclApis`): there is none yet that keeps access control entries. */
const CREATION = { ...Errors.SECURITY_DISABLED, detail: "No Authorizer is configured." };
const DESCRIPTION = { ...Errors.SECURITY_DISABLED, detail: "No Authorizer is configured on the broker" };

export const describeAcls: Handler<"DescribeAcls", unknown, Closing> = (_parts, request, context, reply) => {
  const { patternTypeFilter, resourceTypeFilter, operation, permissionType } = request;
  if (hasUnknown([patternTypeFilter, resourceTypeFilter, operation, permissionType])) {
    return context.close("DescribeAcls contains UNKNOWN elements");
  }
  reply(errorResponses.DescribeAcls(request, DESCRIPTION));
};

export const createAcls: Handler<"CreateAcls", unknown, Closing> = (_parts, request, context, reply) => {
  const isUnknown = request.creations.some(creation => {
    const { resourceType, resourcePatternType, operation, permissionType } = creation;
    return hasUnknown([resourceType, resourcePatternType, operation, permissionType]);
  });
  if (isUnknown) return context.close("CreateAcls contains UNKNOWN elements");
  reply(errorResponses.CreateAcls(request, CREATION));
};

export const deleteAcls: Handler<"DeleteAcls", unknown, Closing> = (_parts, request, context, reply) => {
  const isUnknown = request.filters.some(filter => {
    const { patternTypeFilter, resourceTypeFilter, operation, permissionType } = filter;
    return hasUnknown([patternTypeFilter, resourceTypeFilter, operation, permissionType]);
  });
  if (isUnknown) return context.close("DeleteAcls contains UNKNOWN elements");
  reply(errorResponses.DeleteAcls(request, CREATION));
};
