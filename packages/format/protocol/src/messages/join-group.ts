/**
 * JoinGroup: a member joins its group with the classic protocol.
 *
 * Version 1: Adds RebalanceTimeoutMs.
 * Version 2: Adds the throttle time.
 * Version 3: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 4: A member without an id is assigned one first and must join again with it.
 * Version 5: Adds group.instance.id.
 * Version 6: Flexible (KIP-482).
 * Version 7: Adds the protocol type to the response, and allows a null protocol name (KIP-559).
 * Version 8: Adds the reason (KIP-800).
 * Version 9: Adds SkipAssignment for the leader.
 */
import { message } from "../codec/message.ts";
import { array, bool, bytes, i16, i32, type Infer, string } from "../codec/schema.ts";

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
