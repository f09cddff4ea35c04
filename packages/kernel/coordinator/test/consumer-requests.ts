import type { Uuid } from "@samsa/base";
import type { ConsumerGroupHeartbeatRequest } from "@samsa/protocol";
import type { GroupRequest } from "../src/index.ts";
import type { Bench } from "./bench.ts";

export type Beat = Partial<ConsumerGroupHeartbeatRequest>;

export interface Answer {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly assignment: { readonly topicPartitions: { readonly topicId: Uuid; readonly partitions: number[] }[] } | null;
}

function beat(draft: Beat, version = 1): GroupRequest {
  const body: ConsumerGroupHeartbeatRequest = {
    groupId: "g",
    memberId: "a",
    memberEpoch: 0,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: -1,
    subscribedTopicNames: null,
    subscribedTopicRegex: null,
    serverAssignor: null,
    topicPartitions: null,
    ...draft,
  };
  return { type: "consumerHeartbeat", version, client: { id: "c", host: "/127.0.0.1" }, body };
}

export function ask(bench: Bench, draft: Beat, version = 1): Answer {
  return bench.ask(beat(draft, version)) as unknown as Answer;
}
