/**
 * CreateAcls: adds access control entries.
 *
 * Version 2: Flexible (KIP-482).
 * Version 3: Adds resource type USER.
 */
import { message } from "../codec/message.ts";
import { array, i16, i32, i8, type Infer, string } from "../codec/schema.ts";

export const createAclsRequest = message(
  "CreateAclsRequest",
  { versions: [1, 3], flexible: 2 },
  {
    creations: array({
      resourceType: i8(),
      resourceName: string(),
      resourcePatternType: i8({ default: 3 }),
      principal: string(),
      host: string(),
      operation: i8(),
      permissionType: i8(),
    }),
  },
);
export type CreateAclsRequest = Infer<typeof createAclsRequest>;

export const createAclsResponse = message(
  "CreateAclsResponse",
  { versions: [1, 3], flexible: 2 },
  {
    throttleTimeMs: i32(),
    results: array({
      errorCode: i16(),
      errorMessage: string({ nullable: true }),
    }),
  },
);
export type CreateAclsResponse = Infer<typeof createAclsResponse>;
