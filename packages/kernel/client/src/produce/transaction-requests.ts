import { type LeaderEpoch, type Offset, type PartitionIndex, type Uuid, ZERO_UUID } from "@samsa/base";
import type { ClusterView } from "../cluster/cluster-view.ts";
import { byTopic, partitionKey } from "../cluster/cluster-view.ts";
import type { Coordinator, TransactionApi, TransactionCall } from "./effects.ts";
import type { ProducerIdAndEpoch } from "./producer-id.ts";

/** A partition as its transaction sees it. */
export interface TransactionMember {
  readonly topic: string;
  readonly partition: PartitionIndex;
  /** Number of the transaction that it takes part in. */
  transaction: number;
  /** The coordinator knows that. */
  isJoined: boolean;
}

/** Offset of a consumer to commit with a transaction. */
export interface TransactionOffset {
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly offset: Offset;
  /** −1: not known. */
  readonly leaderEpoch: LeaderEpoch;
  readonly metadata: string | null;
}

/** Membership of the consumer whose offsets are committed (`ConsumerGroupMetadata`). */
export interface GroupMembership {
  readonly groupId: string;
  /** Generation, or epoch of the member; −1: none. */
  readonly generationId: number;
  /** Empty: none. */
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}

interface Request {
  /** Monotonic time in ms before which it is not sent. */
  notBefore: number;
}

/** Asks for a producer id, or for the next epoch of the one that there is. */
export interface InitRequest extends Request {
  readonly api: "InitProducerId";
  readonly isBump: boolean;
}

/** Adds partitions to the transaction, in version 1 of the protocol of transactions. */
export interface AddPartitionsRequest extends Request {
  readonly api: "AddPartitionsToTxn";
  readonly members: readonly TransactionMember[];
}

/** Adds the offsets of a group to the transaction, in version 1; then commits them. */
export interface OffsetsRequest extends Request {
  readonly api: "AddOffsetsToTxn" | "TxnOffsetCommit";
  readonly token: number;
  readonly group: GroupMembership;
  /** Offsets that are not committed yet, by partition. */
  readonly offsets: Map<string, TransactionOffset>;
  readonly isV2: boolean;
}

/** Ends the transaction. */
export interface EndRequest extends Request {
  readonly api: "EndTxn";
  readonly committed: boolean;
  readonly isV2: boolean;
}

/** A request of idempotence or transactions that waits for its turn, or for its answer. */
export type TransactionRequest = InitRequest | AddPartitionsRequest | OffsetsRequest | EndRequest;

const MAX_INT = 0x7fffffff;
/** Highest versions for clients. From version 4 on AddPartitionsToTxn is for brokers. */
const NEWEST: { readonly [N in TransactionApi]: number } = {
  // Version 6 adds two-phase commit (KIP-939), which Kafka has not released.
  InitProducerId: 5,
  AddPartitionsToTxn: 3,
  AddOffsetsToTxn: 4,
  TxnOffsetCommit: 6,
  EndTxn: 5,
};
/** Highest versions while version 1 of the protocol of transactions is in force (KIP-890). */
const NEWEST_V1 = { EndTxn: 4, TxnOffsetCommit: 4 } as const;

/** Order in which requests are sent: smaller first (`TransactionManager.Priority`). */
export function priorityOf(request: TransactionRequest): number {
  switch (request.api) {
    case "InitProducerId":
      return request.isBump ? 3 : 0;
    case "EndTxn":
      return 2;
    default:
      return 1;
  }
}

/** A producer as its requests describe it. */
export interface RequestSource {
  readonly transactionalId: string | null;
  readonly transactionTimeoutMs: number;
  readonly producer: ProducerIdAndEpoch;
  readonly cluster: ClusterView;
}

/** Writes a request. */
export function callOf(id: number, request: TransactionRequest, source: RequestSource): TransactionCall {
  const { transactionalId, producer } = source;
  const coordinator: Coordinator | undefined =
    transactionalId === null ? undefined : { type: "transaction", key: transactionalId };
  const own = { transactionalId: transactionalId ?? "", ...producer };
  const { api } = request;
  const base = { type: "transaction", id, coordinator, maxVersion: NEWEST[api] } as const;
  switch (api) {
    case "InitProducerId": {
      const transactionTimeoutMs = transactionalId === null ? MAX_INT : source.transactionTimeoutMs;
      const resumed = request.isBump ? producer : {};
      return { ...base, api, request: { transactionalId, transactionTimeoutMs, ...resumed } };
    }
    case "AddPartitionsToTxn": {
      const topics = byTopic(request.members);
      return {
        ...base,
        api,
        request: {
          v3AndBelowTransactionalId: own.transactionalId,
          v3AndBelowProducerId: own.producerId,
          v3AndBelowProducerEpoch: own.producerEpoch,
          v3AndBelowTopics: [...topics].map(([name, members]) => ({
            name,
            partitions: members.map(({ partition }) => partition),
          })),
        },
      };
    }
    case "AddOffsetsToTxn":
      return { ...base, api, request: { ...own, groupId: request.group.groupId } };
    case "TxnOffsetCommit":
      return { ...base, api, ...offsetCommit(request, source), request: offsetCommitBody(request, source) };
    case "EndTxn": {
      const maxVersion = request.isV2 ? NEWEST.EndTxn : NEWEST_V1.EndTxn;
      return { ...base, api, maxVersion, request: { ...own, committed: request.committed } };
    }
  }
}

function topicIdOf(cluster: ClusterView, topic: string): Uuid {
  return cluster.topic(topic)?.id ?? ZERO_UUID;
}

function offsetCommit(request: OffsetsRequest, { cluster }: RequestSource) {
  const coordinator: Coordinator = { type: "group", key: request.group.groupId };
  const hasIds = [...request.offsets.values()].every(({ topic }) => topicIdOf(cluster, topic) !== ZERO_UUID);
  // Version 6 names topics by id, so all ids must be known.
  const maxVersion = !request.isV2 ? NEWEST_V1.TxnOffsetCommit : hasIds ? NEWEST.TxnOffsetCommit : 5;
  return { coordinator, maxVersion };
}

function offsetCommitBody(request: OffsetsRequest, source: RequestSource) {
  const { group, offsets } = request;
  return {
    transactionalId: source.transactionalId ?? "",
    ...source.producer,
    groupId: group.groupId,
    generationIdOrMemberEpoch: group.generationId,
    memberId: group.memberId,
    groupInstanceId: group.groupInstanceId,
    topics: [...byTopic(offsets.values())].map(([name, entries]) => ({
      name,
      topicId: topicIdOf(source.cluster, name),
      partitions: entries.map(entry => ({
        partitionIndex: entry.partition,
        committedOffset: entry.offset,
        committedLeaderEpoch: entry.leaderEpoch,
        committedMetadata: entry.metadata,
      })),
    })),
  };
}

/** Offsets by partition; of two for the same partition the later one counts. */
export function offsetsByPartition(offsets: readonly TransactionOffset[]): Map<string, TransactionOffset> {
  return new Map(offsets.map(offset => [partitionKey(offset.topic, offset.partition), offset]));
}
