import { message } from "../message.ts";
import { i16, i32, type Infer, string } from "../schema.ts";

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
