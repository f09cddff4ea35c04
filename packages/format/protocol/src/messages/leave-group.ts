/**
 * LeaveGroup: removes members with the classic protocol from a group.
 *
 * Version 1: Adds the throttle time.
 * Version 2: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 3: Several members in a request, with group.instance.id.
 * Version 4: Flexible (KIP-482).
 * Version 5: Adds the reason (KIP-800).
 */
import { message } from "../codec/message.ts";
import { array, i16, i32, type Infer, string } from "../codec/schema.ts";

const memberIdentity = {
  memberId: string(),
  groupInstanceId: string({ nullable: true, default: null }),
  reason: string({ since: 5, nullable: true, default: null, ignorable: true }),
};

export const leaveGroupRequest = message(
  "LeaveGroupRequest",
  { versions: [0, 5], flexible: 4 },
  {
    groupId: string(),
    memberId: string({ until: 2 }),
    members: array(memberIdentity, { since: 3 }),
  },
);
export type LeaveGroupRequest = Infer<typeof leaveGroupRequest>;

const memberResponse = {
  memberId: string(),
  groupInstanceId: string({ nullable: true }),
  errorCode: i16(),
};

export const leaveGroupResponse = message(
  "LeaveGroupResponse",
  { versions: [0, 5], flexible: 4 },
  {
    throttleTimeMs: i32({ since: 1, ignorable: true }),
    errorCode: i16(),
    members: array(memberResponse, { since: 3 }),
  },
);
export type LeaveGroupResponse = Infer<typeof leaveGroupResponse>;
