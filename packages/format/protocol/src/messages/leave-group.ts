import { message } from "../message.ts";
import { array, i16, i32, type Infer, string } from "../schema.ts";

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
