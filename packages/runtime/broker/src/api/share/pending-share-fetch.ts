import { entryAt, ignored, lastEntry, type Offset, type PartitionIndex, type Timer, type Uuid } from "@samsa/base";
import type { AcquiredRecords, FetchedBatch, SharePartition } from "@samsa/coordinator";
import { markerOf } from "@samsa/log";
import { Errors, type ShareFetchRequest } from "@samsa/protocol";
import { BatchCursor } from "@samsa/records";
import type { BrokerParts } from "../parts.ts";
import type { PartitionReadResult } from "../../replica/access.ts";
import type { Watcher } from "../../replica/readers.ts";
import type { TopicContext } from "../../request/request-topics.ts";
import type { LiveSharePartition, Outcome, ShareWaiter } from "../../share/live-share-partition.ts";
import type { SessionSharePartition, ShareSession } from "../../share/share-sessions.ts";

export interface ShareAnswer extends Outcome {
  readonly topicId: Uuid;
  readonly index: PartitionIndex;
  readonly records: readonly Uint8Array[];
  readonly size: number;
  readonly acquired: readonly AcquiredRecords[];
  /** Called once `records` have been sent or dropped. */
  readonly release?: (() => void) | undefined;
}

interface ShareFetchCall {
  readonly parts: Pick<
    BrokerParts,
    "config" | "env" | "pendingFetches" | "quotas" | "shares" | "tools" | "turn" | "unsent"
  >;
  readonly request: ShareFetchRequest;
  readonly context: TopicContext;
  readonly session: ShareSession;
  readonly done: (answers: readonly ShareAnswer[]) => void;
}

/** A partition to fetch, or the error that prevents it. */
interface Wanted {
  readonly topicId: Uuid;
  readonly index: PartitionIndex;
  readonly live: LiveSharePartition | undefined;
  readonly errorCode: number;
  /** True if the partition is read for records. */
  isReady: boolean;
}

/** Result of a read of a partition's log from the share partition's next fetch offset. */
interface Read {
  readonly wanted: Wanted;
  readonly live: LiveSharePartition;
  readonly fetchOffset: Offset;
  readonly result: PartitionReadResult;
}

/** A batch and its position in a chunk. */
interface PlacedBatch extends FetchedBatch {
  readonly chunk: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Modes of acquisition (`ShareAcquireMode`, KIP-1206). */
export const AcquireMode = { batchOptimized: 0, recordLimit: 1 } as const;

/** Bytes of the first read of a partition, and the factor of each further one that is made because it was too short. */
const FIRST_READ_BYTES = 128 * 1024;
const READ_GROWTH = 4;

const EMPTY = { errorCode: 0, errorMessage: null, records: [], size: 0, acquired: [] };

/** A share fetch from its first read to its response, including the wait for records (`DelayedShareFetch`). */
export class PendingShareFetch implements ShareWaiter {
  readonly #call: ShareFetchCall;
  readonly #wanted: readonly Wanted[];
  readonly #committed: boolean;
  #timer: Timer | undefined;
  #missing = 0;
  #waiting = false;
  #scheduled = false;
  #stopping = false;

  constructor(call: ShareFetchCall) {
    this.#call = call;
    const { session, parts } = call;
    const partitions = [...session.partitions.values()];
    // Rotate the partitions, so that each is first in turn.
    const turn = partitions.length === 0 ? 0 : Math.max(0, call.request.shareSessionEpoch) % partitions.length;
    this.#wanted = [...partitions.slice(turn), ...partitions.slice(0, turn)].flatMap(one => this.#want(one));
    this.#committed = parts.shares.configs(session.groupId)["share.isolation.level"] === "read_committed";
  }

  /**
   * Opens a share partition. A missing partition is answered at the end; none is opened if the request fetches nothing.
   */
  #want({ topicId, index, isKnown }: SessionSharePartition): Wanted[] {
    const { parts, session, request, context } = this.#call;
    const failed = (errorCode: number): Wanted[] => [{ topicId, index, live: undefined, errorCode, isReady: true }];
    const topic = context.topics.identified(topicId);
    if (topic === Errors.UNKNOWN_TOPIC_ID.code && isKnown) return failed(Errors.UNKNOWN_TOPIC_OR_PARTITION.code);
    if (typeof topic === "number") return failed(topic);
    const partition = context.topics.partition(topic.name, index);
    if (typeof partition === "number") return failed(partition);
    if (request.maxRecords === 0 || request.maxBytes === 0) return [];
    const isLoaded = parts.shares.find(session.groupId, { topicId, index })?.state !== undefined;
    const live = parts.shares.open(session.groupId, { topicId, index });
    return typeof live === "number" ? failed(live) : [{ topicId, index, live, errorCode: 0, isReady: isLoaded }];
  }

  begin(): void {
    const { request, parts } = this.#call;
    if (this.#wanted.every(({ live }) => live === undefined)) return this.#call.done(this.#failures());
    if (request.maxBytes < 0) return this.#call.done(this.#failures(Errors.UNKNOWN_SERVER_ERROR.code));
    const answers = this.#attempts(request.maxWaitMs <= 0);
    if (answers !== undefined) return this.#call.done(answers);
    this.#waiting = true;
    for (const { live } of this.#wanted) live?.wait(this);
    this.#timer = parts.env.timers.after(request.maxWaitMs, () => this.#look(true));
    parts.pendingFetches.add(this.#stop);
  }

  advanced(bytes: number): void {
    this.#missing -= bytes;
    if (this.#missing <= 0) this.changed();
  }

  /** Tries again at the end of this turn, after all its appends and acknowledgements. */
  changed(): void {
    if (!this.#waiting || this.#scheduled) return;
    this.#scheduled = true;
    this.#call.parts.turn.add("acknowledge", () => {
      this.#scheduled = false;
      if (this.#waiting) this.#look(this.#stopping);
    });
  }

  /** Completes the fetch when the broker stops. */
  readonly #stop: Watcher = {
    advanced: ignored("nothing advances when the broker stops"),
    changed: () => {
      this.#stopping = true;
      this.changed();
    },
  };

  #look(isLast: boolean): void {
    const answers = this.#attempts(isLast);
    if (answers === undefined) return;
    this.#waiting = false;
    this.#timer?.cancel();
    this.#call.parts.pendingFetches.delete(this.#stop);
    for (const { live } of this.#wanted) live?.leave(this);
    this.#call.done(answers);
  }

  #fault({ live, errorCode }: Wanted): Outcome {
    if (live !== undefined && live.fault.errorCode !== 0) return live.fault;
    return { errorCode, errorMessage: null };
  }

  /** Responses of partitions with an error; `otherwise` is the error of those without one of their own. */
  #failures(otherwise = 0): ShareAnswer[] {
    return this.#wanted.flatMap(wanted => {
      const own = this.#fault(wanted);
      const fault = own.errorCode === 0 ? { errorCode: otherwise, errorMessage: null } : own;
      return fault.errorCode === 0 ? [] : [{ ...EMPTY, topicId: wanted.topicId, index: wanted.index, ...fault }];
    });
  }

  /**
   * Tries to acquire records. Kafka loads share partitions one after the other, and completes the fetch with the first
   * that has enough records; so newly loaded ones are added one by one until one has records.
   */
  #attempts(isLast: boolean): ShareAnswer[] | undefined {
    let answers = isLast ? undefined : this.#attempt(false);
    let isTried = isLast;
    let isOpen = isLast;
    for (const wanted of this.#wanted) {
      if (answers !== undefined) return answers;
      if (wanted.isReady || wanted.live?.state === undefined) continue;
      wanted.isReady = true;
      isOpen = isTried || !this.#hasRecords(wanted.live, wanted.live.state);
      if (isOpen) continue;
      isTried = true;
      answers = this.#attempt(false);
    }
    return answers ?? (isOpen ? this.#attempt(isLast) : undefined);
  }

  #hasRecords({ partition }: LiveSharePartition, state: SharePartition): boolean {
    return state.canAcquire() && state.nextFetchOffset() < partition.limit(this.#committed);
  }

  /** Reads, and acquires if there are enough bytes or this is the last attempt; undefined if the fetch should wait. */
  #attempt(isLast: boolean): ShareAnswer[] | undefined {
    const { request, parts, context, session } = this.#call;
    // The session may have ended during the wait: records acquired now would stay locked without a consumer.
    if (parts.shares.sessions.find(session.groupId, session.memberId) !== session) return [];
    const most = parts.quotas.mostAtOnce("consumer_byte_rate", context);
    const limit = Math.min(request.maxBytes, parts.config["fetch.max.bytes"], most, parts.unsent.room);
    const reads = this.#read(limit);
    const size = reads.reduce((sum, { result }) => sum + result.size, 0);
    // Kafka leaves out a partition that is fenced during the wait; this broker answers at once with the error.
    const isFenced = this.#wanted.some(
      ({ live, isReady }) => isReady && live !== undefined && live.fault.errorCode !== 0,
    );
    const failed = isFenced || reads.some(({ result }) => result.error !== 0);
    const enough = reads.length > 0 && size >= Math.min(request.minBytes, limit);
    if (!isLast && !failed && !enough) {
      for (const { result } of reads) result.release?.();
      this.#missing = request.minBytes - size;
      return undefined;
    }
    let left = request.maxRecords;
    const answers = reads.map(read => {
      const { answer, count } = this.#acquire(read, left);
      left -= count;
      return answer;
    });
    return [...answers, ...this.#failures()];
  }

  #read(limit: number): Read[] {
    const ready = this.#wanted.flatMap(wanted => {
      const { live, isReady } = wanted;
      if (!isReady) return [];
      return live?.state?.canAcquire() === true ? [{ wanted, live, state: live.state }] : [];
    });
    const share = Math.floor(limit / Math.max(1, ready.length));
    let spare = limit - share * ready.length;
    const reads: Read[] = [];
    const { maxRecords, minBytes } = this.#call.request;
    let [size, fresh] = [0, 0];
    for (const { wanted, live, state } of ready) {
      // Records of the partitions before are enough, and later ones would be read in vain. Those of aborted transactions
      // are not delivered, so that they do not count.
      if (!this.#committed && fresh >= maxRecords && size >= Math.min(minBytes, limit)) break;
      const fetchOffset = state.nextFetchOffset();
      const maxBytes = share + spare;
      spare = 0;
      const result = this.#readOne(live, state, { fetchOffset, maxBytes, minOneMessage: size === 0 && limit > 0 });
      if (result === undefined) continue;
      size += result.size;
      if (result.size > 0) fresh += state.fresh(result.nextOffset);
      reads.push({ wanted, live, fetchOffset, result });
    }
    return reads;
  }

  /** Reads about as much as a member can acquire; the next fetch would read the rest again. */
  #readOne(
    { partition }: LiveSharePartition,
    state: SharePartition,
    how: { readonly fetchOffset: Offset; readonly maxBytes: number; readonly minOneMessage: boolean },
  ): PartitionReadResult | undefined {
    const { fetchOffset: offset, maxBytes, minOneMessage } = how;
    const { maxRecords, minBytes } = this.#call.request;
    const isolation = this.#committed ? "TXN_COMMITTED" : "HIGH_WATERMARK";
    const [reach, end] = [state.reach(maxRecords), partition.limit(this.#committed)];
    let before = 0;
    for (let bytes = FIRST_READ_BYTES; ; bytes *= READ_GROWTH) {
      const result = partition.read({ offset, maxBytes: Math.min(bytes, maxBytes), minOneMessage, isolation });
      if (partition.fault !== 0) return undefined;
      const { error, nextOffset, size } = result;
      const isEnough = nextOffset >= end || (nextOffset >= reach && size >= minBytes);
      // A read ends with its segment, too.
      const isStuck = size > 0 && size === before;
      if (error !== 0 || isEnough || isStuck || bytes >= maxBytes) return result;
      before = size;
      result.release?.();
    }
  }

  #acquire({ wanted, live, fetchOffset, result }: Read, maxRecords: number): { answer: ShareAnswer; count: number } {
    const { topicId, index } = wanted;
    const { request, session, parts } = this.#call;
    const { partition } = live;
    const { state } = live;
    const nothing = { answer: { ...EMPTY, topicId, index }, count: 0 };
    if (result.error !== 0) {
      // The log start offset has moved; the share partition is updated, and the client fetches again.
      if (result.error === Errors.OFFSET_OUT_OF_RANGE.code) state?.logStartMoved(partition.startOffset);
      else return { ...nothing, answer: { ...nothing.answer, errorCode: result.error } };
      return nothing;
    }
    const batches = this.#batchesOf(result.chunks);
    const taken = state?.acquire(parts.env.clock.monotonic(), {
      memberId: session.memberId,
      recordLimit: request.shareAcquireMode === AcquireMode.recordLimit,
      batchSize: request.batchSize,
      maxRecords,
      fetchOffset,
      batches,
      aborted: result.aborted ?? [],
    });
    live.schedule();
    if (taken === undefined || taken.records.length === 0) {
      result.release?.();
      return nothing;
    }
    const records = sliceOf(batches, taken.records);
    const size = records.reduce((sum, { length }) => sum + length, 0);
    const answer = { ...EMPTY, topicId, index, records, size, acquired: taken.records, release: result.release };
    return { answer, count: taken.count };
  }

  #batchesOf(chunks: readonly Uint8Array[]): PlacedBatch[] {
    const { tools } = this.#call.parts;
    const batches: PlacedBatch[] = [];
    const cursor = new BatchCursor();
    for (const chunk of chunks) {
      cursor.reset(chunk);
      while (cursor.next()) {
        const { baseOffset, lastOffset, producerId, isTransactional, at: start, end } = cursor;
        const isAbortMarker = this.#committed && cursor.isControl && markerOf(cursor, tools)?.commit === false;
        batches.push({ baseOffset, lastOffset, producerId, isTransactional, isAbortMarker, chunk, start, end });
      }
    }
    return batches;
  }
}

/** Slices of the batches from the first acquired record to the last. */
function sliceOf(batches: readonly PlacedBatch[], acquired: readonly AcquiredRecords[]): Uint8Array[] {
  const firstOffset = entryAt(acquired, 0).firstOffset;
  const lastOffset = lastEntry(acquired).lastOffset;
  const from = Math.max(
    0,
    batches.findLastIndex(({ baseOffset }) => baseOffset <= firstOffset),
  );
  const to = batches.findLastIndex(({ baseOffset }) => baseOffset <= lastOffset);
  const slices: Uint8Array[] = [];
  for (let i = from; i <= to; ) {
    const { chunk, start } = entryAt(batches, i);
    let last = i;
    while (last < to && batches[last + 1]?.chunk === chunk) last++;
    slices.push(chunk.subarray(start, entryAt(batches, last).end));
    i = last + 1;
  }
  return slices;
}
