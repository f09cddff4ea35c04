export type { ConsumerGroupConfig, ConsumerGroupIntervals } from "./consumer/config.ts";
export type { TopicDirectory } from "./topics.ts";
export type { GroupConfig } from "./context.ts";
export type { Effect, GroupEffect, ShardRecord, Ticket } from "./effects.ts";
export type { GroupType } from "./group.ts";
export { type GroupReplies, type GroupRequest, GroupShard, type GroupView, type ListedGroup } from "./group-shard.ts";
export { commitError } from "./offsets.ts";
export { joinError, syncError } from "./classic/rebalance.ts";
export type { LoggedRecord, Producer, Shard, TxnEnd } from "./shard.ts";
export type { Initialization } from "./initialization.ts";
export type { ShareGroupConfig } from "./share-group/group.ts";
export { ShareGroups, type ShareGroupView } from "./share-group/share-groups.ts";
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
export { txnCommitError } from "./txn-offsets.ts";
export { TXN_STATES, type TxnPartitions, type TxnState } from "./txn/image.ts";
export {
  type MarkerRequest,
  type ProducerReply,
  TransactionShard,
  type TxnConfig,
  type TxnEffect,
  type TxnRequest,
  type TxnView,
} from "./txn/transaction-shard.ts";
