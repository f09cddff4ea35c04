/**
 * DescribeAcls: lists access control entries that match a filter.
 *
 * Version 2: Flexible (KIP-482).
 * Version 3: Adds resource type USER.
 */
import { message } from "../codec/message.ts";
import { array, i16, i32, i8, type Infer, string } from "../codec/schema.ts";

export const describeAclsRequest = message(
  "DescribeAclsRequest",
  { versions: [1, 3], flexible: 2 },
  {
    resourceTypeFilter: i8(),
    resourceNameFilter: string({ nullable: true }),
    patternTypeFilter: i8({ default: 3 }),
    principalFilter: string({ nullable: true }),
    hostFilter: string({ nullable: true }),
    operation: i8(),
    permissionType: i8(),
  },
);
export type DescribeAclsRequest = Infer<typeof describeAclsRequest>;

export const describeAclsResponse = message(
  "DescribeAclsResponse",
  { versions: [1, 3], flexible: 2 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true }),
    resources: array({
      resourceType: i8(),
      resourceName: string(),
      patternType: i8({ default: 3 }),
      acls: array({
        principal: string(),
        host: string(),
        operation: i8(),
        permissionType: i8(),
      }),
    }),
  },
);
export type DescribeAclsResponse = Infer<typeof describeAclsResponse>;
