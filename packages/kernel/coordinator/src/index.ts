export type { ConsumerGroupConfig, ConsumerGroupIntervals, GroupConfig } from "./group/config.ts";
export type { TopicDirectory } from "./group/topics.ts";
export type { Effect, GroupEffect, ShardRecord, Ticket } from "./shard/effects.ts";
export type { GroupType } from "./group/group.ts";
export {
  type GroupCensus,
  type GroupReplies,
  type GroupRequest,
  GroupShard,
  type GroupView,
  type ListedGroup,
} from "./group-shard.ts";
export { commitError } from "./offsets/offsets.ts";
export { joinError, syncError } from "./classic/rebalance.ts";
export type { LoggedRecord, Producer, Shard, TxnEnd } from "./shard/shard.ts";
export type { Initialization } from "./shard/initialization.ts";
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
export type { DeadLetters } from "./dead-letters/dead-letter.ts";
export { DeadLetterBatch } from "./dead-letters/dead-letter-batch.ts";
export {
  type DeadLetterEffect,
  type DeadLetterOutcome,
  DeadLetterQueue,
  type DeadLetterWrite,
} from "./dead-letters/dead-letter-queue.ts";
export type { DeadLetterTopic, DeadLetterView } from "./dead-letters/dead-letter-topic.ts";
export { type LogRead, OriginalRecords } from "./dead-letters/original-records.ts";
export type { AcquiredRecords, FetchedBatch } from "./share/fetched.ts";
export type { AcknowledgementBatch, SharePartitionEffect, SharePartitionSettings } from "./share/requests.ts";
export { SharePartition } from "./share/share-partition.ts";
export { txnCommitError } from "./offsets/txn-offsets.ts";
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
