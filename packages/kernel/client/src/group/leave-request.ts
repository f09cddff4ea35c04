import type { MemberRequest, MemberSettings } from "./member.ts";

/** First version of LeaveGroup with several members in a request. */
const BATCH_VERSION = 3;

/** LeaveGroup of one member with the classic protocol. */
export function leaveRequest({ groupId, instanceId }: MemberSettings, memberId: string, reason: string): MemberRequest {
  const request = (version: number) =>
    version < BATCH_VERSION
      ? { groupId, memberId, members: [] }
      : { groupId, memberId: "", members: [{ memberId, groupInstanceId: instanceId, reason }] };
  return { api: "LeaveGroup", request };
}
