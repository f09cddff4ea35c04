/**
 * DescribeGroups: describes groups of the classic protocol.
 *
 * Version 1: Adds the throttle time.
 * Version 2: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 3: Adds authorized operations.
 * Version 4: Adds group.instance.id of members.
 * Version 5: Flexible (KIP-482).
 * Version 6: Returns GROUP_ID_NOT_FOUND with an error message for an unknown group (KIP-1043).
 */
import { message } from "../codec/message.ts";
import { array, bool, bytes, i16, i32, type Infer, string } from "../codec/schema.ts";

export const describeGroupsRequest = message(
  "DescribeGroupsRequest",
  { versions: [0, 6], flexible: 5 },
  {
    groups: array(string()),
    includeAuthorizedOperations: bool({ since: 3 }),
  },
);
export type DescribeGroupsRequest = Infer<typeof describeGroupsRequest>;

export const describeGroupsResponse = message(
  "DescribeGroupsResponse",
  { versions: [0, 6], flexible: 5 },
  {
    throttleTimeMs: i32({ since: 1, ignorable: true }),
    groups: array({
      errorCode: i16(),
      errorMessage: string({ since: 6, nullable: true, default: null }),
      groupId: string(),
      groupState: string(),
      protocolType: string(),
      protocolData: string(),
      members: array({
        memberId: string(),
        groupInstanceId: string({ since: 4, nullable: true, default: null, ignorable: true }),
        clientId: string(),
        clientHost: string(),
        memberMetadata: bytes(),
        memberAssignment: bytes(),
      }),
      authorizedOperations: i32({ since: 3, default: -2147483648 }),
    }),
  },
);
export type DescribeGroupsResponse = Infer<typeof describeGroupsResponse>;
