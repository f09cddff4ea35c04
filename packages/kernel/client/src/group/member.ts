import type { BackoffOptions, Uuid } from "@samsa/base";
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  JoinGroupRequest,
  JoinGroupResponse,
  LeaveGroupRequest,
  LeaveGroupResponse,
  ShareGroupHeartbeatRequest,
  ShareGroupHeartbeatResponse,
  SyncGroupRequest,
  SyncGroupResponse,
} from "@samsa/protocol";
import type { TopicPartition } from "../cluster/cluster-view.ts";
import type { Moment } from "../offsets/moment.ts";
import type { KafkaError } from "../error/kafka-error.ts";
import type { MemberIdentity } from "../offsets/member-identity.ts";

/** Settings of any member of a group; times in ms. */
export interface MemberSettings {
  readonly groupId: string;
  /** `group.instance.id` of a static member (KIP-345); null: a dynamic member. */
  readonly instanceId: string | null;
  /** `client.rack`; null: none. */
  readonly rack: string | null;
  /** `max.poll.interval.ms` in Java: longest time that the group waits for this member in a rebalance. */
  readonly rebalanceTimeoutMs: number;
  /** The runtime commits offsets before partitions are given up (`enable.auto.commit`). */
  readonly commitsBeforeRevoke: boolean;
  /**
   * Longest time between two calls of `progressed`, after which the member leaves its group until the next one;
   * undefined: no limit. Heartbeats do not depend on the handlers of records, so nothing else notices a stuck one.
   */
  readonly progressTimeoutMs: number | undefined;
  /** `retry.backoff.ms` and `retry.backoff.max.ms`. */
  readonly backoff: BackoffOptions;
}

/** Topics that a consumer subscribes to. */
export interface TopicSubscription {
  readonly topics: readonly string[];
  /** Pattern that the coordinator matches with the names of topics (RE2/J, KIP-848); only `ConsumerMember` takes it. */
  readonly regex?: string;
}

/**
 * Request to the coordinator of the group, to be sent once. A function builds the request for the version that both
 * sides support.
 */
export type MemberRequest =
  | { readonly api: "JoinGroup"; readonly request: JoinGroupRequest }
  | { readonly api: "SyncGroup"; readonly request: SyncGroupRequest }
  | { readonly api: "Heartbeat"; readonly request: HeartbeatRequest }
  | { readonly api: "LeaveGroup"; readonly request: (version: number) => LeaveGroupRequest }
  | { readonly api: "ConsumerGroupHeartbeat"; readonly request: ConsumerGroupHeartbeatRequest }
  | { readonly api: "ShareGroupHeartbeat"; readonly request: ShareGroupHeartbeatRequest };

/** Response to a `MemberRequest`. */
export type MemberResponse =
  | { readonly api: "JoinGroup"; readonly response: JoinGroupResponse }
  | { readonly api: "SyncGroup"; readonly response: SyncGroupResponse }
  | { readonly api: "Heartbeat"; readonly response: HeartbeatResponse }
  | { readonly api: "LeaveGroup"; readonly response: LeaveGroupResponse }
  | { readonly api: "ConsumerGroupHeartbeat"; readonly response: ConsumerGroupHeartbeatResponse }
  | { readonly api: "ShareGroupHeartbeat"; readonly response: ShareGroupHeartbeatResponse };

/**
 * Work of the runtime for a member. An effect with a token is a step: once it is done, or has failed, the runtime calls
 * `settled` with the token. A later step replaces one that is not settled.
 */
export type MemberEffect =
  /** Send a request; then call `answered` or `failed` with the id. `timeoutMs`: beside `request.timeout.ms`. */
  | { readonly type: "call"; readonly id: number; readonly timeoutMs: number; readonly call: MemberRequest }
  /** Stop to hand out records of these partitions, let the handlers end, and commit what they have done. */
  | { readonly type: "commit"; readonly token: number; readonly partitions: readonly TopicPartition[] }
  /** Stop these partitions and tell the application. Once it is settled, another member may get them. */
  | { readonly type: "revoke"; readonly token: number; readonly partitions: readonly TopicPartition[] }
  /** Start `added`. `partitions` are all that the member has now. */
  | {
      readonly type: "assign";
      readonly token: number;
      readonly partitions: readonly TopicPartition[];
      readonly added: readonly TopicPartition[];
    }
  /** Abort the handlers of these partitions, which another member may already have, and tell the application. */
  | { readonly type: "lost"; readonly token: number; readonly partitions: readonly TopicPartition[] }
  /** Get metadata of these topics, by name and by id, that is newer than this effect. */
  | {
      readonly type: "refresh";
      readonly token: number;
      readonly topics: readonly string[];
      readonly ids: readonly Uuid[];
    }
  /** Keep the metadata of these topics fresh, and call `metadataChanged` after changes. */
  | { readonly type: "watch"; readonly topics: readonly string[] }
  /** Name this member in requests about offsets from now on; null: it has no place in the group. */
  | { readonly type: "identity"; readonly identity: MemberIdentity | null }
  /** Look for the coordinator again before the next request. */
  | { readonly type: "forgetCoordinator" }
  /** Tell the application of an error after which the member goes on. */
  | { readonly type: "report"; readonly error: KafkaError }
  /** Tell the application of an error after which the member does nothing more. Its partitions are lost before. */
  | { readonly type: "fatal"; readonly error: KafkaError }
  /** The member has left, after `leave`. */
  | { readonly type: "left" };

/** Way to leave a group (KIP-1092): a static member keeps its place by default, a dynamic one does not. */
export type LeaveMode = "default" | "leave" | "remain";

/**
 * Membership in a group, whichever protocol it speaks. Inputs return the effects that they cause, in the order in which
 * they are to be carried out.
 */
export interface GroupMember {
  /** "": not known yet. */
  readonly memberId: string;
  /** Partitions that this member may read, those that are being revoked included. */
  readonly owned: Iterable<TopicPartition>;
  /** Joins, or changes the subscription. */
  subscribe(at: Moment, subscription: TopicSubscription): readonly MemberEffect[];
  /** Gives up all partitions and leaves; ends with the effect `left`. */
  leave(at: Moment, mode: LeaveMode): readonly MemberEffect[];
  answered(at: Moment, id: number, answer: MemberResponse): readonly MemberEffect[];
  /** A call had no answer, or could not be sent. */
  failed(at: Moment, id: number, error: KafkaError): readonly MemberEffect[];
  /** A step is done. Unknown tokens are those of steps that another has replaced. */
  settled(at: Moment, token: number): readonly MemberEffect[];
  metadataChanged(at: Moment): readonly MemberEffect[];
  /** The coordinator has refused offsets since it does not know the member: a heartbeat asks at once. */
  suspected(at: Moment): readonly MemberEffect[];
  /** The application has taken records, or has asked for some. */
  progressed(at: Moment): readonly MemberEffect[];
  tick(at: Moment): readonly MemberEffect[];
  /** Time of the next `tick`; Infinity: none is needed. */
  nextDeadline(): number;
}
