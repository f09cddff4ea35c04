/**
 * SyncGroup: with the classic protocol, the group's leader sends the assignment, and each member gets its part.
 *
 * Version 1: Adds the throttle time.
 * Version 2: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 3: Adds group.instance.id.
 * Version 4: Flexible (KIP-482).
 * Version 5: Adds the protocol type and name; the broker refuses a request that contradicts the group's (KIP-559).
 */
import { message } from "../codec/message.ts";
import { array, bytes, i16, i32, type Infer, string } from "../codec/schema.ts";

export const syncGroupRequest = message(
  "SyncGroupRequest",
  { versions: [0, 5], flexible: 4 },
  {
    groupId: string(),
    generationId: i32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullable: true, default: null }),
    protocolType: string({ since: 5, nullable: true, default: null, ignorable: true }),
    protocolName: string({ since: 5, nullable: true, default: null, ignorable: true }),
    assignments: array({
      memberId: string(),
      assignment: bytes(),
    }),
  },
);
export type SyncGroupRequest = Infer<typeof syncGroupRequest>;

export const syncGroupResponse = message(
  "SyncGroupResponse",
  { versions: [0, 5], flexible: 4 },
  {
    throttleTimeMs: i32({ since: 1, ignorable: true }),
    errorCode: i16(),
    protocolType: string({ since: 5, nullable: true, default: null, ignorable: true }),
    protocolName: string({ since: 5, nullable: true, default: null, ignorable: true }),
    assignment: bytes(),
  },
);
export type SyncGroupResponse = Infer<typeof syncGroupResponse>;
