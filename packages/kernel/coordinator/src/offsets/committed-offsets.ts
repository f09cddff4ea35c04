import type { PartitionIndex, WireOffset } from "@samsa/base";
import {
  Errors,
  type OffsetCommitRequest,
  type OffsetDeleteRequest,
  type TxnOffsetCommitRequest,
} from "@samsa/protocol";
import type { AppendDone, ShardContext } from "../group/context.ts";
import type { ShardRecord, Ticket, TxnAppend } from "../shard/effects.ts";
import type { Group } from "../group/group.ts";
import type { GroupTable } from "../group/group-table.ts";
import {
  type CommitPlan,
  commitError,
  expiredRecords,
  type FetchTopics,
  fetchOffsets,
  orphanRecords,
  planCommit,
  planOffsetDeletion,
  type TopicErrors,
} from "./offsets.ts";
import type { OffsetPlace } from "../group/offset-table.ts";
import type { OffsetRecord } from "../group/records.ts";
import type { Producer, TxnEnd } from "../shard/shard.ts";
import type { View } from "../shard/timeline.ts";
import { txnCommitError, txnCommitFault } from "./txn-offsets.ts";

/** First version of OffsetCommit whose clients know GROUP_ID_NOT_FOUND. */
const GROUP_ID_NOT_FOUND_VERSION = 9;

export interface TxnCommit {
  readonly version: number;
  readonly body: TxnOffsetCommitRequest;
  /** Verification guard, as in the append effect. */
  readonly guard?: number;
}

/** Epoch of the member that fetches offsets, −1 for none, and whether it requires stable offsets. */
interface Fetching {
  readonly memberEpoch: number;
  readonly stable: boolean;
}

export interface OffsetContext extends ShardContext {
  /** Restarts the session of a classic member that commits offsets; commits keep no other member alive. */
  keepAlive(group: Group, memberId: string): void;
  /** Appends records as part of a transaction. */
  appendTxn(records: readonly ShardRecord[], done: AppendDone, of: TxnAppend): void;
}

/** Committed offsets of a shard's groups, and their retention (`OffsetMetadataManager`). */
export class CommittedOffsets {
  readonly #context: OffsetContext;
  readonly #table: GroupTable;

  constructor(context: OffsetContext, table: GroupTable) {
    this.#context = context;
    this.#table = table;
  }

  commit(ticket: Ticket, version: number, body: OffsetCommitRequest): void {
    const refuse = (code: number): void => this.#context.reply(ticket, commitError(body.topics, code));
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
    const fault = txnCommitFault(this.#table.get(body.groupId), body, version);
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

  /** Creates a missing group, even for a commit whose offsets are all refused: a clean-up erases it if it stays empty. */
  #ensureGroup(groupId: string): void {
    if (this.#table.get(groupId) === undefined) this.#table.create(groupId, this.#context.wall);
  }

  #commitFault(group: Group, version: number, body: OffsetCommitRequest): number {
    const { memberId, generationIdOrMemberEpoch: generation } = body;
    const fault = group.validateOffsetCommit({ ...body, generation, isTransactional: false, version });
    if (fault === 0) this.#context.keepAlive(group, memberId);
    return fault;
  }

  /** Checks that a member may fetch the offsets of its group: 0 or an error code. `stable` as for `fetch`. */
  fetchFault(groupId: string, memberId: string | null, { memberEpoch, stable }: Fetching): number {
    const view = viewOf(stable);
    const fault = this.#table.get(groupId, view)?.validateOffsetFetch(memberId, memberEpoch, view) ?? 0;
    // A group without committed offsets is answered like a group that does not exist.
    return fault === Errors.GROUP_ID_NOT_FOUND.code ? 0 : fault;
  }

  /**
   * Offsets for OffsetFetch; null: all. They are those of the committed records. If `stable`, they are those of all
   * records, for the caller to send once these are committed, and offsets that an open transaction may change have the
   * error UNSTABLE_OFFSET_COMMIT (KIP-447).
   */
  fetch(groupId: string, topics: FetchTopics, stable: boolean): ReturnType<typeof fetchOffsets> {
    const isOpen = (topic: string, partition: PartitionIndex) =>
      stable && this.#table.pending.hasPartition(groupId, topic, partition);
    const view = viewOf(stable);
    return fetchOffsets(this.#table.offsets.of(groupId, view), topics, { names: this.#context.topics, isOpen, view });
  }

  /** Number of offsets of all groups, those of records that are not committed yet included. */
  get count(): number {
    let count = 0;
    for (const { id } of this.#table.values()) {
      for (const [, partitions] of this.#table.offsets.of(id).entries()) count += partitions.size;
    }
    return count;
  }

  /** Committed offsets of all groups, one at a time. */
  *all(): IterableIterator<OffsetPlace & { readonly offset: WireOffset }> {
    const view = "committed";
    for (const { id: groupId } of this.#table.values(view)) {
      for (const [topic, partitions] of this.#table.offsets.of(groupId, view).entries(view)) {
        for (const [partition, { offset }] of partitions.entries(view)) yield { groupId, topic, partition, offset };
      }
    }
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
    const fault = group.validateOffsetDelete();
    if (fault !== 0) return done(fault, []);
    const plan = planOffsetDeletion(group, topics, this.#table);
    if (plan.records.length === 0) return done(0, plan.topics);
    this.#context.append(plan.records, errorCode => done(errorCode, errorCode === 0 ? plan.topics : []));
  }

  /**
   * Erases expired offsets, and empty groups without offsets (`cleanupGroupMetadata`). Also repeats the erasure of
   * offsets of deleted topics, which may have failed before.
   */
  cleanUp(): void {
    const records: ShardRecord[] = [];
    for (const group of this.#table.values()) records.push(...expiredRecords(this.#context, group, this.#table));
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
      records.push(...orphanRecords(group.id, this.#table, { names: topics, among }));
    }
    this.#context.maintain("tombstones of offsets of deleted topics", records);
  }

  /** Applies the record of an offset. */
  replay({ value, ...place }: OffsetRecord, producer: Producer | undefined): void {
    const { groupId, topic, partition } = place;
    const { offsets, pending } = this.#table;
    if (value !== null) {
      this.#ensureGroup(groupId);
      if (producer !== undefined) {
        return pending.add({ ...place, value }, producer.id);
      }
      offsets.set(place, value);
      pending.overtake(groupId, topic, partition);
    } else {
      pending.drop(groupId, topic, partition);
      offsets.drop(place);
    }
  }

  /** Applies the end of a transaction: its offsets take effect, or are dropped. */
  ended({ producer, committed }: TxnEnd): void {
    for (const { value, ...place } of this.#table.pending.end(producer.id, committed)) {
      this.#ensureGroup(place.groupId);
      this.#table.offsets.set(place, value);
    }
  }
}

function viewOf(stable: boolean): View {
  return stable ? "latest" : "committed";
}

/** Error code of a commit to a missing group; 0 if the request names no generation. */
function missingFault(version: number, { generationIdOrMemberEpoch: generation }: OffsetCommitRequest): number {
  if (generation < 0) return 0;
  return (version >= GROUP_ID_NOT_FOUND_VERSION ? Errors.GROUP_ID_NOT_FOUND : Errors.ILLEGAL_GENERATION).code;
}
