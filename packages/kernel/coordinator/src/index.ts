export type { GroupConfig } from "./context.ts";
export type { Effect, GroupEffect, ShardRecord, Ticket } from "./effects.ts";
export { commitError } from "./offsets.ts";
export { joinError, syncError } from "./rebalance.ts";
export { type GroupReplies, type GroupRequest, GroupShard, type GroupView } from "./group-shard.ts";
export type { LoggedRecord, Producer, Shard, TxnEnd } from "./shard.ts";
export { txnCommitError } from "./txn-offsets.ts";
export type { TxnPartitions, TxnState } from "./txn/image.ts";
export { TXN_STATES } from "./txn/image.ts";
export {
  type MarkerRequest,
  type ProducerReply,
  TransactionShard,
  type TxnConfig,
  type TxnEffect,
  type TxnRequest,
  type TxnView,
} from "./txn/transaction-shard.ts";
export {
  coordinatorKey,
  type SharePartitionKey,
  type ShareStateConfig,
  type ShareStateEffect,
  type ShareStateRequest,
  ShareStateShard,
} from "./share-state/share-state-shard.ts";
export type { AcquiredRecords, FetchedBatch } from "./share/fetched.ts";
export type { AcknowledgementBatch, SharePartitionEffect, SharePartitionSettings } from "./share/requests.ts";
export { SharePartition } from "./share/share-partition.ts";
export type { ConsumerGroupConfig, ConsumerGroupIntervals } from "./consumer/config.ts";
export type { TopicDirectory } from "./consumer/topics.ts";
export type { ListedGroup } from "./group-shard.ts";
export type { Initialization, ShareGroupConfig } from "./share-group/group.ts";
export type { ShareGroups, ShareGroupView } from "./share-group/share-groups.ts";
