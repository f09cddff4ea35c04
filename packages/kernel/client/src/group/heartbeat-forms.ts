import { sameItems } from "@samsa/base";
import type { ConsumerGroupHeartbeatRequest, ShareGroupHeartbeatRequest } from "@samsa/protocol";
import { type IdAssignment, listed, NO_ASSIGNMENT, sameAssignment } from "./id-assignment.ts";
import type { LeaveMode, MemberRequest, MemberSettings, TopicSubscription } from "./member.ts";

/** Contents of a heartbeat. */
export interface HeartbeatFields {
  readonly memberId: string;
  readonly epoch: number;
  readonly subscription: TopicSubscription;
  readonly assigned: IdAssignment;
  /** The member joins: all fields are sent. */
  readonly isJoining: boolean;
}

/** Heartbeats of one kind of group. A form remembers what it has sent, and sends only what has changed. */
export interface HeartbeatForm {
  readonly api: "ConsumerGroupHeartbeat" | "ShareGroupHeartbeat";
  /** The coordinator cannot know the fields that were sent: sends all of them next time. */
  reset(): void;
  build(fields: HeartbeatFields): MemberRequest;
  /** Heartbeat with which a member leaves; undefined: it just stops, and its session ends. */
  farewell(memberId: string, mode: LeaveMode): MemberRequest | undefined;
}

const LEAVING_EPOCH = -1;
/** Epoch with which a static member leaves for a while. */
const AWAY_EPOCH = -2;

function sortedTopics({ topics }: TopicSubscription): string[] {
  return [...new Set(topics)].sort();
}

/** Settings of a member of a consumer group (KIP-848). */
export interface ConsumerMemberSettings extends MemberSettings {
  /** `group.remote.assignor`; null: the coordinator chooses. */
  readonly serverAssignor: string | null;
}

/** Form of ConsumerGroupHeartbeat (`ConsumerHeartbeatRequestManager.HeartbeatState`). */
export class ConsumerHeartbeatForm implements HeartbeatForm {
  readonly api = "ConsumerGroupHeartbeat";
  readonly #settings: ConsumerMemberSettings;
  #hasSent = false;
  #topics: readonly string[] = [];
  #regex: string | undefined;
  /** The coordinator may know a pattern. */
  #hasUsedRegex = false;
  #assigned: IdAssignment = NO_ASSIGNMENT;

  constructor(settings: ConsumerMemberSettings) {
    this.#settings = settings;
  }

  reset(): void {
    this.#hasSent = false;
  }

  build({ memberId, epoch, subscription, assigned, isJoining }: HeartbeatFields): MemberRequest {
    const { rebalanceTimeoutMs, serverAssignor, rack } = this.#settings;
    const isFull = isJoining || !this.#hasSent;
    const topics = sortedTopics(subscription);
    const { regex } = subscription;
    const request: ConsumerGroupHeartbeatRequest = {
      ...this.#empty(memberId, epoch),
      rackId: isJoining ? rack : null,
      rebalanceTimeoutMs: isFull ? rebalanceTimeoutMs : -1,
      subscribedTopicNames: isFull || !sameItems(topics, this.#topics) ? topics : null,
      subscribedTopicRegex: isFull || regex !== this.#regex ? (regex ?? this.#noRegex) : null,
      serverAssignor: isFull ? serverAssignor : null,
      topicPartitions: isFull || !sameAssignment(assigned, this.#assigned) ? listed(assigned.partitions) : null,
    };
    this.#hasSent = true;
    this.#topics = topics;
    this.#regex = regex;
    this.#hasUsedRegex ||= regex !== undefined;
    this.#assigned = assigned;
    return { api: this.api, request };
  }

  /** Takes a pattern back. Brokers of version 0 know no patterns. */
  get #noRegex(): string | null {
    return this.#hasUsedRegex ? "" : null;
  }

  farewell(memberId: string, mode: LeaveMode): MemberRequest | undefined {
    const isStatic = this.#settings.instanceId !== null;
    if (!isStatic && mode === "remain") return undefined;
    const epoch = isStatic && mode !== "leave" ? AWAY_EPOCH : LEAVING_EPOCH;
    return { api: this.api, request: this.#empty(memberId, epoch) };
  }

  #empty(memberId: string, memberEpoch: number): ConsumerGroupHeartbeatRequest {
    const { groupId, instanceId } = this.#settings;
    return {
      ...{ groupId, memberId, memberEpoch, instanceId },
      rackId: null,
      rebalanceTimeoutMs: -1,
      subscribedTopicNames: null,
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: null,
    };
  }
}

/** Form of ShareGroupHeartbeat (`ShareHeartbeatRequestManager.HeartbeatState`, KIP-932). */
export class ShareHeartbeatForm implements HeartbeatForm {
  readonly api = "ShareGroupHeartbeat";
  readonly #settings: MemberSettings;
  #hasSent = false;
  #topics: readonly string[] = [];

  constructor(settings: MemberSettings) {
    this.#settings = settings;
  }

  reset(): void {
    this.#hasSent = false;
  }

  build({ memberId, epoch, subscription, isJoining }: HeartbeatFields): MemberRequest {
    const isFull = isJoining || !this.#hasSent;
    const topics = sortedTopics(subscription);
    const request: ShareGroupHeartbeatRequest = {
      ...{ groupId: this.#settings.groupId, memberId, memberEpoch: epoch },
      rackId: isFull ? this.#settings.rack : null,
      subscribedTopicNames: isFull || !sameItems(topics, this.#topics) ? topics : null,
    };
    this.#hasSent = true;
    this.#topics = topics;
    return { api: this.api, request };
  }

  farewell(memberId: string, mode: LeaveMode): MemberRequest | undefined {
    if (mode === "remain") return undefined;
    const { groupId } = this.#settings;
    const request = { groupId, memberId, memberEpoch: LEAVING_EPOCH, rackId: null, subscribedTopicNames: null };
    return { api: this.api, request };
  }
}
