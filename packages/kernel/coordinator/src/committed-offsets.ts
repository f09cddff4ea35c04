import {
  Errors,
  type OffsetCommitRequest,
  type OffsetDeleteRequest,
  type TxnOffsetCommitRequest,
} from "@samsa/protocol";
import { commitFault, fetchFault } from "./consumer/consumer-groups.ts";
import type { TopicDirectory } from "./consumer/topics.ts";
import type { ShardContext } from "./context.ts";
import type { ShardRecord, Ticket, TxnAppend } from "./effects.ts";
import type { GroupTable } from "./group-table.ts";
import type { Membership } from "./classic/membership.ts";
import {
  type AnyGroup,
  type CommitPlan,
  commitError,
  dropOffset,
  expiredRecords,
  type FetchTopics,
  fetchOffsets,
  orphanRecords,
  planCommit,
  planOffsetDeletion,
  setOffset,
  type TopicErrors,
} from "./offsets.ts";
import type { Replayed } from "./records.ts";
import type { Producer, TxnEnd } from "./shard.ts";
import { txnCommitError, txnCommitFault } from "./txn-offsets.ts";

/** First version of OffsetCommit whose clients know GROUP_ID_NOT_FOUND. */
const GROUP_ID_NOT_FOUND_VERSION = 9;

type OffsetRecord = Extract<Replayed, { type: "offset" }>;

export interface TxnCommit {
  readonly version: number;
  readonly body: TxnOffsetCommitRequest;
  /** Verification guard, as in the append effect. */
  readonly guard?: number;
}

export interface OffsetContext extends ShardContext {
  readonly topics: TopicDirectory;
  /** True for the id of a share group, which has no committed offsets. */
  isShareGroup(groupId: string): boolean;
  /** Appends records as part of a transaction. */
  appendTxn(records: readonly ShardRecord[], done: (errorCode: number) => void, of: TxnAppend): void;
}

/** Committed offsets of a shard's classic and consumer groups, and their retention (`OffsetMetadataManager`). */
export class CommittedOffsets {
  readonly #context: OffsetContext;
  readonly #table: GroupTable;
  readonly #membership: Membership;

  constructor(context: OffsetContext, table: GroupTable, membership: Membership) {
    this.#context = context;
    this.#table = table;
    this.#membership = membership;
  }

  commit(ticket: Ticket, version: number, body: OffsetCommitRequest): void {
    const refuse = (code: number): void => this.#context.reply(ticket, commitError(body.topics, code));
    if (this.#context.isShareGroup(body.groupId)) return refuse(Errors.GROUP_ID_NOT_FOUND.code);
    const group = this.#table.get(body.groupId);
    // Without a group, an admin client or a consumer without membership commits: its first offset creates the group.
    const error = group === undefined ? missingFault(version, body) : this.#commitFault(group, version, body);
    if (error !== 0) return refuse(error);
    const plan: CommitPlan = planCommit(this.#context, body);
    if (plan.records.length === 0) {
      this.#ensureGroup(body.groupId);
      return this.#context.reply(ticket, { topics: plan.topics });
    }
    this.#context.append(plan.records, errorCode => {
      this.#context.reply(ticket, errorCode === 0 ? { topics: plan.topics } : commitError(body.topics, errorCode));
    });
  }

  txnCommit(ticket: Ticket, { version, body, guard }: TxnCommit): void {
    const refuse = (code: number): void => this.#context.reply(ticket, txnCommitError(body.topics, code));
    const found = this.#table.get(body.groupId);
    if (this.#context.isShareGroup(body.groupId)) return refuse(Errors.GROUP_ID_NOT_FOUND.code);
    const fault = txnCommitFault(this.#membership, found, body, version);
    if (fault !== 0) return refuse(fault);
    const plan = planCommit(this.#context, { ...body, retentionTimeMs: -1 });
    if (plan.records.length === 0) {
      this.#ensureGroup(body.groupId);
      return this.#context.reply(ticket, { topics: plan.topics });
    }
    const producer = { id: body.producerId, epoch: body.producerEpoch };
    const done = (errorCode: number): void => {
      if (errorCode === 0) this.#context.reply(ticket, { topics: plan.topics });
      else refuse(errorCode);
    };
    this.#context.appendTxn(plan.records, done, { producer, ...(guard === undefined ? {} : { guard }) });
  }

  /** Creates the group even if each offset is refused; the next clean-up erases it if it stays empty. */
  #ensureGroup(groupId: string): void {
    if (this.#table.get(groupId) === undefined) this.#table.create(groupId, this.#context.wall);
  }

  #commitFault(group: AnyGroup, version: number, body: OffsetCommitRequest): number {
    const { memberId, groupInstanceId, generationIdOrMemberEpoch: generation } = body;
    if (group.type === "consumer") {
      const partitions = body.topics.flatMap(({ topicId, partitions: of }) =>
        of.map(({ partitionIndex }) => [topicId, partitionIndex] as const),
      );
      return commitFault(group, { memberId, epoch: generation, version }, partitions);
    }
    if (generation < 0 && group.state === "Empty") return 0;
    if (generation < 0 && memberId === "" && groupInstanceId === null) return Errors.UNKNOWN_MEMBER_ID.code;
    const error = this.#membership.validate(group, memberId, groupInstanceId);
    if (error !== 0) return error;
    if (generation !== group.generation) return Errors.ILLEGAL_GENERATION.code;
    if (group.state === "CompletingRebalance") return Errors.REBALANCE_IN_PROGRESS.code;
    this.#membership.touch(group, memberId);
    return 0;
  }

  /** Checks that a member may fetch the offsets of its group: 0 or an error code. */
  fetchFault(groupId: string, memberId: string | null, memberEpoch: number): number {
    const group = this.#table.get(groupId);
    return group?.type === "consumer" ? fetchFault(group, memberId, memberEpoch) : 0;
  }

  /**
   * Committed offsets for OffsetFetch; null: all. `stable`: offsets that an open transaction may change have the error
   * UNSTABLE_OFFSET_COMMIT (KIP-447).
   */
  fetch(groupId: string, topics: FetchTopics, stable: boolean): ReturnType<typeof fetchOffsets> {
    const isOpen = (topic: string, partition: number) =>
      stable && this.#table.pending.hasPartition(groupId, topic, partition);
    return fetchOffsets(this.#table.get(groupId), topics, { names: this.#context.topics, isOpen });
  }

  /**
   * Deletes committed offsets of topics that no member subscribes to; `done` gets the group's error code, and the
   * topics' (`OffsetMetadataManager.deleteOffsets`).
   */
  delete(
    { groupId, topics }: OffsetDeleteRequest,
    done: (errorCode: number, topics: readonly TopicErrors[]) => void,
  ): void {
    const group = this.#table.get(groupId);
    if (group === undefined) return done(Errors.GROUP_ID_NOT_FOUND.code, []);
    const mayDelete = group.type === "consumer" || group.state === "Empty" || group.protocolType === "consumer";
    if (!mayDelete) return done(Errors.NON_EMPTY_GROUP.code, []);
    const plan = planOffsetDeletion(group, topics, this.#table.pending);
    if (plan.records.length === 0) return done(0, plan.topics);
    this.#context.append(plan.records, errorCode => done(errorCode, errorCode === 0 ? plan.topics : []));
  }

  /**
   * Erases expired offsets, and empty groups without offsets (`cleanupGroupMetadata`). Also repeats the erasure of
   * offsets of deleted topics, which may have failed before.
   */
  cleanUp(): void {
    const records: ShardRecord[] = [];
    for (const group of this.#table.values())
      records.push(...expiredRecords(this.#context, group, this.#table.pending));
    this.#context.maintain("tombstones of expired offsets", records);
    this.eraseOrphans();
  }

  /** Erases offsets of topics that do not exist; `among` limits them to these topic names. */
  eraseOrphans(among?: ReadonlySet<string>): void {
    const { topics } = this.#context;
    // Before the first metadata, no topic is known: none must count as deleted.
    if (topics.version < 0) return;
    const records: ShardRecord[] = [];
    for (const group of this.#table.values()) {
      records.push(...orphanRecords(group, this.#table.pending, { names: topics, among }));
    }
    this.#context.maintain("tombstones of offsets of deleted topics", records);
  }

  /** Applies the record of an offset; `wall` is the state timestamp of a group that it creates. */
  replay(record: OffsetRecord, producer: Producer | undefined, wall: number): void {
    const { group: id, topic, partition } = record;
    const group = this.#table.get(id);
    if (record.value !== null) {
      const into = group ?? this.#table.create(id, wall);
      if (producer !== undefined) {
        return this.#table.pending.add({ groupId: id, topic, partition, value: record.value }, producer.id);
      }
      setOffset(into, topic, partition, record.value);
      this.#table.pending.overtake(id, topic, partition);
    } else {
      this.#table.pending.drop(id, topic, partition);
      if (group === undefined) return;
      dropOffset(group, topic, partition);
    }
  }

  /** Applies the end of a transaction: its offsets take effect, or are dropped. */
  ended({ producer, committed }: TxnEnd, wall: number): void {
    for (const { groupId, topic, partition, value } of this.#table.pending.end(producer.id, committed)) {
      setOffset(this.#table.get(groupId) ?? this.#table.create(groupId, wall), topic, partition, value);
    }
  }
}

/** Error code of a commit to a missing group; 0 if the request names no generation. */
function missingFault(version: number, { generationIdOrMemberEpoch: generation }: OffsetCommitRequest): number {
  if (generation < 0) return 0;
  return (version >= GROUP_ID_NOT_FOUND_VERSION ? Errors.GROUP_ID_NOT_FOUND : Errors.ILLEGAL_GENERATION).code;
}
