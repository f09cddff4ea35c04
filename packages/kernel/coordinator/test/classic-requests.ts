import type { Bench, Reply } from "./bench.ts";

/** Error code of a Heartbeat of a member of the group `g`. */
export function heartbeat(bench: Bench, memberId: string, generationId: number): number {
  return bench.ask({ type: "heartbeat", body: { groupId: "g", memberId, generationId, groupInstanceId: null } })
    .errorCode;
}

export function leave(bench: Bench, memberId: string): Reply {
  const members = [{ memberId, groupInstanceId: null, reason: null }];
  return bench.ask({ type: "leave", version: 5, body: { groupId: "g", memberId: "", members } });
}
