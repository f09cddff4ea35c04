import {
  checkTransition,
  DeadlineHeap,
  invariant,
  type PartitionIndex,
  type ProducerEpoch,
  type ProducerId,
} from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { Effect, ShardRecord, Ticket } from "../shard/effects.ts";
import { clientCode, type LoggedRecord, type Shard } from "../shard/shard.ts";
import { type EndRequest, judgeEnd } from "./end-rules.ts";
import {
  completed,
  EPOCH_BUMP_VERSION,
  fencingEpoch,
  freshImage,
  hasAll,
  isExhausted,
  mayGoOn,
  NO_EPOCH,
  NO_PRODUCER_ID,
  PREVIOUS_TXN_STATES,
  type ProducerClaim,
  prepared,
  type TxnImage,
  type TxnPartitions,
  type TxnState,
  withNewProducer,
  withNextEpoch,
  withPartitions,
} from "./image.ts";
import { parseTxnRecord, txnRecord, txnTombstone } from "./records.ts";

const { code: BUSY } = Errors.CONCURRENT_TRANSACTIONS;
const { code: FENCED } = Errors.PRODUCER_FENCED;
const { code: OTHER_PRODUCER } = Errors.INVALID_PRODUCER_ID_MAPPING;
const { code: NOT_AVAILABLE } = Errors.COORDINATOR_NOT_AVAILABLE;

/** Wait before a failed marker or completion record is written again. */
const RETRY_MS = 500;
/** Size limit of the keys in one batch of tombstones, in bytes. */
const TOMBSTONE_BYTES = 256 * 1024;
/** Timeout of a transaction that never times out, in records. */
const ENDLESS_MS = 2147483647;

/** Settings of the transaction coordinator; durations in milliseconds. */
export interface TxnConfig {
  readonly maxTimeoutMs: number;
  readonly idExpirationMs: number;
  /** Time within which tombstones of expired transactional ids must be committed. */
  readonly requestTimeoutMs: number;
  /** Returns the current finalized level of transaction.version. */
  readonly version: () => number;
}

/** A transaction marker (WriteTxnMarkers). Its coordinator epoch is the leader epoch of this shard's partition. */
export interface MarkerRequest {
  readonly producerId: ProducerId;
  readonly producerEpoch: ProducerEpoch;
  readonly commit: boolean;
  readonly transactionVersion: number;
}

/** Effects of a `TransactionShard`, for its host to carry out. */
export type TxnEffect =
  | Effect
  /** Fetch a new producer id, then call `producerId(token, …)`. */
  | { readonly type: "producerId"; readonly token: number }
  /** Write the marker to each partition, then call `marked(token, …)` for each. */
  | {
      readonly type: "markers";
      readonly token: number;
      readonly marker: MarkerRequest;
      readonly partitions: TxnPartitions;
    };

/** Requests of producers: InitProducerId, AddPartitionsToTxn, EndTxn. A `ProducerReply` answers each. */
export type TxnRequest =
  | {
      readonly type: "init";
      readonly transactionalId: string;
      /** "ENDLESS": the transactions are ended by another system only (two-phase commit, KIP-939). */
      readonly timeoutMs: number | "ENDLESS";
      /** Producer id and epoch that the client wants to continue (KIP-360); undefined: none. */
      readonly expected: ProducerClaim | undefined;
    }
  | {
      readonly type: "add";
      readonly transactionalId: string;
      readonly producer: ProducerClaim;
      readonly partitions: TxnPartitions;
      /** The transaction.version that the client uses. */
      readonly clientVersion: number;
    }
  | ({ readonly type: "end"; readonly transactionalId: string } & EndRequest);

/** Response to a `TxnRequest`: the producer id and epoch to use from now on; -1 if the response has none. */
export interface ProducerReply {
  readonly errorCode: number;
  readonly producerId: ProducerId;
  readonly producerEpoch: ProducerEpoch;
}

/** Transaction in the form of DescribeTransactions and ListTransactions. */
export interface TxnView {
  readonly transactionalId: string;
  readonly state: TxnState;
  readonly producerId: ProducerId;
  readonly producerEpoch: ProducerEpoch;
  readonly timeoutMs: number;
  readonly startTimestamp: number;
  readonly partitions: TxnPartitions;
}

interface Txn {
  readonly id: string;
  image: TxnImage;
  /** State whose record is being written (`pendingState`); no other transition may begin meanwhile. */
  pending: TxnState | undefined;
  /** True if a fence has bumped the epoch and its write has failed: the next fence does not bump it again. */
  failedFence: boolean;
  /** Monotonic time at which the open transaction times out; Infinity: never. */
  deadline: number;
  /** Markers that are not written yet; undefined: none. */
  sending: Sending | undefined;
}

interface Sending {
  readonly token: number;
  readonly marker: MarkerRequest;
  readonly left: Map<string, Set<PartitionIndex>>;
}

type Answer = (errorCode: number, producerId?: ProducerId, producerEpoch?: ProducerEpoch) => void;

/** Begins a transition, which the write of its record ends (`TransactionMetadata.prepareTransitionTo`). */
function prepareTransition(txn: Txn, state: TxnState): void {
  checkTransition(PREVIOUS_TXN_STATES, txn.image.state, state);
  txn.pending = state;
}

function isPreparing({ state }: TxnImage): boolean {
  return state === "PrepareCommit" || state === "PrepareAbort";
}

/**
 * Coordinates the transactions of one partition of `__transaction_state` (`TransactionCoordinator`,
 * `TransactionStateManager`). A transition is decided at once and applied when its record is written; until then,
 * requests for the transactional id fail with CONCURRENT_TRANSACTIONS.
 */
export class TransactionShard implements Shard<TxnEffect> {
  wallAhead = 0;
  readonly timeline = undefined;
  readonly #config: TxnConfig;
  readonly #txns = new Map<string, Txn>();
  readonly #appends = new Map<number, (errorCode: number) => void>();
  readonly #idRequests = new Map<number, (errorCode: number, id: ProducerId) => void>();
  readonly #sendings = new Map<number, Txn>();
  readonly #retries = new DeadlineHeap<() => void>();
  #tokens = 0;
  #live = false;
  #now = 0;
  #out: TxnEffect[] = [];

  constructor(config: TxnConfig) {
    this.#config = config;
  }

  get #wall(): number {
    return Math.round(this.#now + this.wallAhead);
  }

  #enter(now: number, out: TxnEffect[]): void {
    this.#now = now;
    this.#out = out;
  }

  #append(records: readonly ShardRecord[], timeoutMs: number, done: (errorCode: number) => void): void {
    const token = ++this.#tokens;
    this.#appends.set(token, done);
    this.#out.push({ type: "append", token, records, timeoutMs });
  }

  appended(now: number, token: number, errorCode: number, out: TxnEffect[]): void {
    const done = this.#appends.get(token);
    // `unload` has answered the request.
    if (done === undefined) return;
    this.#appends.delete(token);
    this.#enter(now, out);
    done(clientCode(errorCode));
  }

  /** Requests a producer id; calls `then` with it, or `refuse` with the error code. */
  #fetchId(refuse: Answer, then: (id: ProducerId) => void): void {
    const token = ++this.#tokens;
    this.#idRequests.set(token, (errorCode, id) => (errorCode === 0 ? then(id) : refuse(errorCode)));
    this.#out.push({ type: "producerId", token });
  }

  /** Takes the outcome of a "producerId" effect: the id, or an error code. */
  producerId(now: number, token: number, outcome: { id: ProducerId } | { errorCode: number }, out: TxnEffect[]): void {
    const done = this.#idRequests.get(token);
    if (done === undefined) return;
    this.#idRequests.delete(token);
    this.#enter(now, out);
    if ("id" in outcome) done(0, outcome.id);
    else done(outcome.errorCode, NO_PRODUCER_ID);
  }

  request(now: number, ticket: Ticket, request: TxnRequest, out: TxnEffect[]): void {
    this.#enter(now, out);
    const answer: Answer = (errorCode, producerId = NO_PRODUCER_ID, producerEpoch = NO_EPOCH) => {
      const response: ProducerReply = { errorCode, producerId, producerEpoch };
      this.#out.push({ type: "reply", ticket, response });
    };
    switch (request.type) {
      case "init":
        return this.#init(request, answer);
      case "add":
        return this.#add(request, answer);
      case "end":
        return this.#end(request, answer);
    }
  }

  #init(request: Extract<TxnRequest, { type: "init" }>, answer: Answer, fresh?: ProducerId): void {
    const { transactionalId, expected } = request;
    const timeoutMs = this.#timeoutOf(request);
    if (timeoutMs === undefined) return answer(Errors.INVALID_TRANSACTION_TIMEOUT.code);
    let txn = this.#txns.get(transactionalId);
    let spare = fresh;
    if (txn === undefined) {
      if (spare === undefined) return this.#fetchId(answer, id => this.#init(request, answer, id));
      txn = this.#put(transactionalId, freshImage(spare, timeoutMs, this.#wall));
      spare = undefined;
    }
    const { image } = txn;
    if (txn.pending !== undefined) return answer(BUSY);
    if (expected !== undefined && !mayGoOn(image, expected)) return answer(FENCED);
    if (isPreparing(image)) return answer(BUSY);
    const begin = { timeoutMs, wall: this.#wall };
    const isOut = isExhausted(image.epoch);
    const rotates = isOut && (expected === undefined || expected.epoch === image.epoch);
    const needsId = image.state === "Ongoing" ? this.#fenceNeedsId(image) : rotates;
    if (needsId && spare === undefined) return this.#fetchId(answer, id => this.#init(request, answer, id));
    if (image.state === "Ongoing") {
      // No client gets the fencing epoch: the producer retries InitProducerId and gets the epoch after it.
      return this.#fence(txn, spare, errorCode => answer(errorCode === 0 ? BUSY : errorCode));
    }
    if (!rotates && isOut) return answer(Errors.UNKNOWN_SERVER_ERROR.code);
    const next = rotates
      ? withNewProducer(image, begin, spare as bigint, expected !== undefined)
      : withNextEpoch(image, begin, expected?.epoch);
    if (next === undefined) return answer(FENCED);
    this.#step(txn, next, errorCode => {
      if (errorCode === 0) answer(0, next.producerId, next.epoch);
      else answer(errorCode);
    });
  }

  /** Timeout of the transactions of a producer, as records have it; undefined if it may not have the one it asks for. */
  #timeoutOf({ timeoutMs }: Extract<TxnRequest, { type: "init" }>): number | undefined {
    if (timeoutMs === "ENDLESS") return ENDLESS_MS;
    return timeoutMs > 0 && timeoutMs <= this.#config.maxTimeoutMs ? timeoutMs : undefined;
  }

  #put(id: string, image: TxnImage): Txn {
    const txn: Txn = { id, image, pending: undefined, failedFence: false, deadline: Infinity, sending: undefined };
    this.#txns.set(id, txn);
    return txn;
  }

  /** Writes `next`, and makes it the transaction's image once it is written. */
  #step(txn: Txn, next: TxnImage, done: (errorCode: number) => void): void {
    prepareTransition(txn, next.state);
    // A client waits for the record as long as for the transaction (`appendTransactionToLog`).
    this.#append([txnRecord(txn.id, next, this.#config.version())], next.timeoutMs, errorCode => {
      txn.pending = undefined;
      if (errorCode === 0) this.#become(txn, next);
      done(errorCode);
    });
  }

  #become(txn: Txn, next: TxnImage): void {
    if (next.state !== "Ongoing") txn.deadline = Infinity;
    else if (txn.image.state !== "Ongoing") txn.deadline = this.#deadlineOf(next, 0);
    txn.image = next;
  }

  #deadlineOf({ timeoutMs }: TxnImage, elapsed: number): number {
    return timeoutMs === ENDLESS_MS ? Infinity : this.#now + timeoutMs - elapsed;
  }

  #add(request: Extract<TxnRequest, { type: "add" }>, answer: Answer): void {
    const { producer, partitions, clientVersion } = request;
    const txn = this.#txns.get(request.transactionalId);
    if (txn === undefined) return answer(OTHER_PRODUCER);
    const { image } = txn;
    // Check this first: the producer may already use a new id whose record is still being written.
    if (txn.pending !== undefined) return answer(BUSY);
    if (producer.id !== image.producerId) return answer(OTHER_PRODUCER);
    if (producer.epoch !== image.epoch) return answer(FENCED);
    if (isPreparing(image)) return answer(BUSY);
    if (image.state === "Ongoing" && hasAll(image.partitions, partitions)) return answer(0);
    this.#step(txn, withPartitions(image, partitions, this.#wall, clientVersion), answer);
  }

  /**
   * Returns 0 if the partition is in the producer's transaction, else an error code; a partition leader asks before it
   * appends. A pending transition does not count: the append itself is validated again.
   */
  verify(transactionalId: string, producer: ProducerClaim, topic: string, index: PartitionIndex): number {
    const image = this.#txns.get(transactionalId)?.image;
    if (image === undefined || producer.id !== image.producerId) return OTHER_PRODUCER;
    if (producer.epoch !== image.epoch) return FENCED;
    if (isPreparing(image)) return BUSY;
    return image.partitions.get(topic)?.has(index) === true ? 0 : Errors.TRANSACTION_ABORTABLE.code;
  }

  #end(request: Extract<TxnRequest, { type: "end" }>, answer: Answer, fresh?: ProducerId): void {
    const { commit, clientVersion } = request;
    const txn = this.#txns.get(request.transactionalId);
    if (txn === undefined) return answer(OTHER_PRODUCER);
    const { image } = txn;
    const bumps = clientVersion >= EPOCH_BUMP_VERSION;
    const verdict = judgeEnd(image, txn.pending !== undefined, request);
    if (verdict === 0 && bumps) return answer(0, image.producerId, image.epoch);
    if (verdict !== "go") return answer(verdict);
    const rotates = bumps && isExhausted(image.epoch);
    if (rotates && fresh === undefined) return this.#fetchId(answer, id => this.#end(request, answer, id));
    const nextProducerId = rotates ? (fresh as bigint) : NO_PRODUCER_ID;
    this.#prepare(txn, prepared(image, { commit, clientVersion, nextProducerId, wall: this.#wall }), answer);
  }

  #fenceNeedsId(image: TxnImage): boolean {
    return this.#config.version() >= EPOCH_BUMP_VERSION && isExhausted(image.epoch);
  }

  /** Aborts an open transaction and fences its producer. */
  #fence(txn: Txn, fresh: ProducerId | undefined, answer: Answer): void {
    // No client takes part, so the transaction.version of the cluster decides.
    const isBumping = this.#config.version() >= EPOCH_BUMP_VERSION;
    if (!isBumping) {
      const epoch = fencingEpoch(txn.image, txn.failedFence);
      txn.image = { ...txn.image, epoch, lastEpoch: NO_EPOCH };
    }
    const ending = {
      commit: false,
      clientVersion: isBumping ? this.#config.version() : 0,
      nextProducerId: this.#fenceNeedsId(txn.image) ? (fresh ?? NO_PRODUCER_ID) : NO_PRODUCER_ID,
      wall: this.#wall,
    };
    this.#prepare(txn, prepared(txn.image, ending), (errorCode, ...producer) => {
      if (errorCode !== 0 && !isBumping) txn.failedFence = true;
      answer(errorCode, ...producer);
    });
  }

  /** Writes the prepared image, answers the client, and sends the markers. */
  #prepare(txn: Txn, next: TxnImage, answer: Answer): void {
    this.#step(txn, next, errorCode => {
      if (errorCode !== 0) return answer(errorCode);
      const final = completed(next, this.#wall);
      if (next.clientVersion >= EPOCH_BUMP_VERSION) answer(0, final.producerId, final.epoch);
      else answer(0);
      this.#finish(txn);
    });
  }

  /** Sends the markers of a prepared transaction. */
  #finish(txn: Txn): void {
    const { image } = txn;
    txn.failedFence = false;
    prepareTransition(txn, completed(image, this.#wall).state);
    const token = ++this.#tokens;
    const marker = {
      producerId: image.producerId,
      producerEpoch: image.epoch,
      commit: image.state === "PrepareCommit",
      transactionVersion: image.clientVersion,
    };
    const left = new Map([...image.partitions].map(([topic, indexes]) => [topic, new Set(indexes)]));
    txn.sending = { token, marker, left };
    this.#sendings.set(token, txn);
    if (left.size > 0) this.#out.push({ type: "markers", token, marker, partitions: image.partitions });
    else this.#allMarked(txn);
  }

  /** Takes the outcome of the marker in one partition: 0 (also if the partition was deleted) or an error code. */
  marked(
    now: number,
    token: number,
    { topic, index, errorCode }: { topic: string; index: PartitionIndex; errorCode: number },
    out: TxnEffect[],
  ): void {
    const txn = this.#sendings.get(token);
    const sending = txn?.sending;
    if (txn === undefined || sending === undefined) return;
    this.#enter(now, out);
    const isSettled = errorCode === Errors.INVALID_PRODUCER_EPOCH.code;
    if (isSettled || errorCode === Errors.TRANSACTION_COORDINATOR_FENCED.code) {
      // Another coordinator ends this transaction, or has ended it: keep it as it is until the log is loaded again.
      this.#sendings.delete(token);
      txn.sending = undefined;
      return;
    }
    if (errorCode !== 0) {
      const partitions = new Map([[topic, new Set([index])]]);
      this.#retries.push(now + RETRY_MS, () => {
        if (txn.sending !== sending) return;
        this.#out.push({ type: "markers", token, marker: sending.marker, partitions });
      });
      return;
    }
    const indexes = sending.left.get(topic);
    indexes?.delete(index);
    if (indexes?.size === 0) sending.left.delete(topic);
    if (sending.left.size === 0) this.#allMarked(txn);
  }

  #allMarked(txn: Txn): void {
    if (txn.sending !== undefined) this.#sendings.delete(txn.sending.token);
    txn.sending = undefined;
    this.#writeCompletion(txn, completed(txn.image, this.#wall));
  }

  #writeCompletion(txn: Txn, final: TxnImage): void {
    this.#step(txn, final, errorCode => {
      if (errorCode !== NOT_AVAILABLE) return;
      prepareTransition(txn, final.state);
      this.#retries.push(this.#now + RETRY_MS, () => this.#writeCompletion(txn, final));
    });
  }

  nextDeadline(): number {
    return this.#retries.next();
  }

  tick(now: number, out: TxnEffect[]): void {
    this.#enter(now, out);
    for (let retry = this.#retries.pop(now); retry !== undefined; retry = this.#retries.pop(now)) retry();
  }

  /** Aborts transactions that have been open for longer than their timeout; calls `done` for each. */
  abortTimedOut(now: number, out: TxnEffect[], done: (transactionalId: string, errorCode: number) => void): void {
    this.#enter(now, out);
    for (const txn of this.#txns.values()) {
      if (txn.deadline < now && txn.pending === undefined) this.#timeOut(txn, errorCode => done(txn.id, errorCode));
    }
  }

  #timeOut(txn: Txn, answer: Answer, fresh?: ProducerId): void {
    // The transaction may have ended while a producer id was fetched.
    if (txn.pending !== undefined || txn.image.state !== "Ongoing") return answer(BUSY);
    const needsId = this.#fenceNeedsId(txn.image) && fresh === undefined;
    if (needsId) this.#fetchId(answer, id => this.#timeOut(txn, answer, id));
    else this.#fence(txn, fresh, answer);
  }

  /** Erases transactional ids that have not been used for `transactional.id.expiration.ms`. */
  expire(now: number, out: TxnEffect[]): void {
    this.#enter(now, out);
    let batch: Txn[] = [];
    let bytes = 0;
    for (const txn of this.#txns.values()) {
      const { state, updateTimestamp } = txn.image;
      if (txn.pending !== undefined || state === "Ongoing" || isPreparing(txn.image)) continue;
      if (updateTimestamp > this.#wall - this.#config.idExpirationMs) continue;
      prepareTransition(txn, "Dead");
      batch.push(txn);
      bytes += txn.id.length;
      if (bytes < TOMBSTONE_BYTES) continue;
      this.#erase(batch);
      batch = [];
      bytes = 0;
    }
    if (batch.length > 0) this.#erase(batch);
  }

  #erase(txns: readonly Txn[]): void {
    this.#append(
      txns.map(({ id }) => txnTombstone(id)),
      this.#config.requestTimeoutMs,
      errorCode => {
        for (const txn of txns) {
          txn.pending = undefined;
          if (errorCode === 0) this.#txns.delete(txn.id);
        }
      },
    );
  }

  view(transactionalId: string): TxnView | undefined {
    const txn = this.#txns.get(transactionalId);
    return txn && viewOf(txn);
  }

  *views(): IterableIterator<TxnView> {
    for (const txn of this.#txns.values()) yield viewOf(txn);
  }

  /** Applies a record at load. The callbacks of `appended` apply the shard's own appends. */
  replay(_now: number, { key, value }: LoggedRecord): void {
    invariant(!this.#live, "records of transactions are replayed at load");
    const read = parseTxnRecord(key, value);
    if (read === undefined) return;
    if (read.image === null) this.#txns.delete(read.transactionalId);
    else this.#put(read.transactionalId, read.image);
  }

  /** Must not be called after load: `__transaction_state` has no transaction markers. */
  ended(): void {
    invariant(!this.#live, "the log of transactions has no markers");
  }

  loaded(now: number, out: TxnEffect[]): void {
    this.#enter(now, out);
    this.#live = true;
    for (const txn of this.#txns.values()) {
      const { image } = txn;
      if (image.state === "Ongoing") {
        txn.deadline = this.#deadlineOf(image, Math.max(0, this.#wall - image.startTimestamp));
      }
      if (isPreparing(image)) this.#finish(txn);
    }
  }

  unload(now: number, errorCode: number, out: TxnEffect[]): void {
    this.#enter(now, out);
    this.#txns.clear();
    this.#sendings.clear();
    const appends = [...this.#appends.values()];
    const idRequests = [...this.#idRequests.values()];
    this.#appends.clear();
    this.#idRequests.clear();
    for (const done of appends) done(errorCode);
    for (const done of idRequests) done(errorCode, NO_PRODUCER_ID);
  }
}

function viewOf({ id, image, sending }: Txn): TxnView {
  const { state, producerId, epoch: producerEpoch, timeoutMs, startTimestamp } = image;
  const partitions = sending?.left ?? image.partitions;
  return { transactionalId: id, state, producerId, producerEpoch, timeoutMs, startTimestamp, partitions };
}
