import { message } from "../message.ts";
import { array, bool, bytes, i16, i32, type Infer, string } from "../schema.ts";

export const joinGroupRequest = message(
  "JoinGroupRequest",
  { versions: [0, 9], flexible: 6 },
  {
    groupId: string(),
    sessionTimeoutMs: i32(),
    rebalanceTimeoutMs: i32({ since: 1, default: -1, ignorable: true }),
    memberId: string(),
    groupInstanceId: string({ since: 5, nullable: true, default: null }),
    protocolType: string(),
    protocols: array({
      name: string(),
      metadata: bytes(),
    }),
    reason: string({ since: 8, nullable: true, default: null, ignorable: true }),
  },
);
export type JoinGroupRequest = Infer<typeof joinGroupRequest>;

export const joinGroupResponse = message(
  "JoinGroupResponse",
  { versions: [0, 9], flexible: 6 },
  {
    throttleTimeMs: i32({ since: 2, ignorable: true }),
    errorCode: i16(),
    generationId: i32({ default: -1 }),
    protocolType: string({ since: 7, nullable: true, default: null, ignorable: true }),
    protocolName: string({ nullable: 7 }),
    leader: string(),
    skipAssignment: bool({ since: 9, default: false }),
    memberId: string(),
    members: array({
      memberId: string(),
      groupInstanceId: string({ since: 5, nullable: true, default: null, ignorable: true }),
      metadata: bytes(),
    }),
  },
);
export type JoinGroupResponse = Infer<typeof joinGroupResponse>;
