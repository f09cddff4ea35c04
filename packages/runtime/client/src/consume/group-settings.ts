import type { AssignorName } from "@samsa/assign";
import type { TopicPartition } from "@samsa/client-kernel";

/** Settings of a member of a group. Times are in ms; names in the comments are Kafka's. */
export interface GroupSettings {
  /** `group.id`. */
  readonly groupId: string;
  /** `group.protocol`; "auto": "consumer" (KIP-848) where the cluster has it, else "classic". */
  readonly protocol: "auto" | "consumer" | "classic";
  /** `group.instance.id` of a static member (KIP-345); null: a dynamic member. */
  readonly instanceId: string | null;
  /** `partition.assignment.strategy` of a classic group: the best first. */
  readonly assignors: readonly AssignorName[];
  /** `group.remote.assignor` of the consumer protocol; null: the coordinator chooses. */
  readonly serverAssignor: string | null;
  /** `session.timeout.ms` of a classic group. */
  readonly sessionTimeoutMs: number;
  /** `heartbeat.interval.ms` of a classic group. */
  readonly heartbeatIntervalMs: number;
  /** `max.poll.interval.ms`, as far as a rebalance is concerned: time for which the group waits for this member. */
  readonly rebalanceTimeoutMs: number;
  /**
   * Longest time for which the application may work on a batch before the member leaves the group; undefined: any time,
   * since heartbeats go on meanwhile.
   */
  readonly progressTimeoutMs: number | undefined;
  /** `enable.auto.commit`: commits what is processed, at intervals, before partitions are given up, and at the end. */
  readonly autoCommit: boolean;
  /** `auto.commit.interval.ms`. */
  readonly autoCommitIntervalMs: number;
}

/** Kafka's defaults, but for the protocol and the handlers' time. */
export const GROUP_DEFAULTS: Omit<GroupSettings, "groupId"> = {
  protocol: "auto",
  instanceId: null,
  assignors: ["range", "cooperative-sticky"],
  serverAssignor: null,
  sessionTimeoutMs: 45_000,
  heartbeatIntervalMs: 3000,
  rebalanceTimeoutMs: 300_000,
  progressTimeoutMs: undefined,
  autoCommit: true,
  autoCommitIntervalMs: 5000,
};

/** Hears of partitions that come and go (`ConsumerRebalanceListener`). The rebalance waits for the promises. */
export interface RebalanceListener {
  /** New partitions, before their first records. May seek. */
  assigned?(partitions: readonly TopicPartition[]): void | Promise<void>;
  /** Partitions that the group takes back, while the application may still work on records of them. */
  revoking?(partitions: readonly TopicPartition[]): void;
  /** Partitions that are about to go to another member, after their last records. May commit. */
  revoked?(partitions: readonly TopicPartition[]): void | Promise<void>;
  /** Partitions that another member may already have; `revoked` by default. */
  lost?(partitions: readonly TopicPartition[]): void | Promise<void>;
  /** All partitions of the member after a rebalance, also if there are none. */
  settled?(partitions: readonly TopicPartition[]): void;
}

/** Topics to subscribe to. */
export interface Subscription {
  readonly topics?: readonly string[];
  /** Pattern that matches the whole names of topics, in the syntax of RE2 (KIP-848). */
  readonly pattern?: string;
}
