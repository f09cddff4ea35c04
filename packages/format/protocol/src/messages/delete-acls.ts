/**
 * DeleteAcls: deletes access control entries that match filters.
 *
 * Version 2: Flexible (KIP-482).
 * Version 3: Adds resource type USER.
 */
import { message } from "../codec/message.ts";
import { array, i16, i32, i8, type Infer, string } from "../codec/schema.ts";

export const deleteAclsRequest = message(
  "DeleteAclsRequest",
  { versions: [1, 3], flexible: 2 },
  {
    filters: array({
      resourceTypeFilter: i8(),
      resourceNameFilter: string({ nullable: true }),
      patternTypeFilter: i8({ default: 3 }),
      principalFilter: string({ nullable: true }),
      hostFilter: string({ nullable: true }),
      operation: i8(),
      permissionType: i8(),
    }),
  },
);
export type DeleteAclsRequest = Infer<typeof deleteAclsRequest>;

export const deleteAclsResponse = message(
  "DeleteAclsResponse",
  { versions: [1, 3], flexible: 2 },
  {
    throttleTimeMs: i32(),
    filterResults: array({
      errorCode: i16(),
      errorMessage: string({ nullable: true }),
      matchingAcls: array({
        errorCode: i16(),
        errorMessage: string({ nullable: true }),
        resourceType: i8(),
        resourceName: string(),
        patternType: i8({ default: 3 }),
        principal: string(),
        host: string(),
        operation: i8(),
        permissionType: i8(),
      }),
    }),
  },
);
export type DeleteAclsResponse = Infer<typeof deleteAclsResponse>;
