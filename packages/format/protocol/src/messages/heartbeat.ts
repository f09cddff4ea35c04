/**
 * Heartbeat: keeps a member with the classic protocol in its group.
 *
 * Version 1: Adds the throttle time.
 * Version 2: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 3: Adds group.instance.id.
 * Version 4: Flexible (KIP-482).
 */
import { message } from "../codec/message.ts";
import { i16, i32, type Infer, string } from "../codec/schema.ts";

export const heartbeatRequest = message(
  "HeartbeatRequest",
  { versions: [0, 4], flexible: 4 },
  {
    groupId: string(),
    generationId: i32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullable: true, default: null }),
  },
);
export type HeartbeatRequest = Infer<typeof heartbeatRequest>;

export const heartbeatResponse = message(
  "HeartbeatResponse",
  { versions: [0, 4], flexible: 4 },
  {
    throttleTimeMs: i32({ since: 1, ignorable: true }),
    errorCode: i16(),
  },
);
export type HeartbeatResponse = Infer<typeof heartbeatResponse>;
