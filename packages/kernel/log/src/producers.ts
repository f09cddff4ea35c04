import {
  type Int64,
  type LeaderEpoch,
  type Offset,
  type ProducerEpoch,
  type ProducerId,
  subtractI64,
} from "@samsa/base";
import { type OpenTxn, UndecidedTxns } from "./undecided.ts";
import { addSequence, type BatchCursor, NO_SEQUENCE } from "@samsa/records";

/** Error codes of producer state, from Kafka's `Errors`. */
export const PRODUCER_ERROR = {
  NONE: 0,
  OUT_OF_ORDER_SEQUENCE_NUMBER: 45,
  INVALID_PRODUCER_EPOCH: 47,
  INVALID_TXN_STATE: 48,
  TRANSACTION_COORDINATOR_FENCED: 52,
} as const;

/** Origin of an append, which determines the checks of producer state (`AppendOrigin`). */
export type AppendOrigin = "client" | "coordinator" | "replication";

/** Batch of a producer in its state (`BatchMetadata`). */
export interface ProducerBatch {
  readonly lastSequence: number;
  readonly lastOffset: Offset;
  readonly offsetDelta: number;
  readonly timestamp: Int64;
}

/** State of one producer in a log (`ProducerStateEntry`). */
export interface ProducerEntry {
  readonly producerId: ProducerId;
  epoch: ProducerEpoch;
  coordinatorEpoch: LeaderEpoch;
  lastTimestamp: Int64;
  /** First offset of the open transaction; -1: none is open. */
  txnFirstOffset: Offset;
  /** Last five batches, oldest first. */
  batches: ProducerBatch[];
}

/** Transaction that a marker has ended (`CompletedTxn`). */
export interface CompletedTxn {
  readonly producerId: ProducerId;
  readonly firstOffset: Offset;
  /** Offset of the marker. */
  readonly lastOffset: Offset;
  readonly aborted: boolean;
}

/** Verification of a transaction with its coordinator, before its first append (KIP-890). */
interface Verification {
  readonly guard: number;
  /** Milliseconds since 1970. */
  readonly since: number;
  epoch: ProducerEpoch;
  lowestSequence: number;
  readonly supportsEpochBump: boolean;
}

/** Fields of a transaction marker. */
export interface MarkerFacts {
  readonly coordinatorEpoch: LeaderEpoch;
  readonly commit: boolean;
  readonly timestamp: Int64;
}

const KEPT_BATCHES = 5;

/** Results of `startVerification` other than a guard; guards are above 0. */
export const VERIFICATION = { OPEN: 0, STALE: -1 } as const;

function firstSequence(batch: ProducerBatch): number {
  if (batch.lastSequence < 0) return NO_SEQUENCE;
  const first = batch.lastSequence - batch.offsetDelta;
  return first < 0 ? first + 0x80000000 : first;
}

/** State of the producers of a log, with the rules of `ProducerStateManager` and `ProducerAppendInfo`. */
export class ProducerStates {
  readonly entries = new Map<ProducerId, ProducerEntry>();
  /** Open transactions, by producer id; undefined before the first. */
  private open: Map<ProducerId, OpenTxn> | undefined;
  readonly undecided = new UndecidedTxns();
  /** Undefined before the first one. */
  private verifications: Map<ProducerId, Verification> | undefined;
  private nextGuard = 1;
  /** Offset up to which the state includes the log. */
  endOffset: Offset = 0;
  /** Offset of the newest snapshot; -1: none. */
  snapshotOffset: Offset = -1;

  clear(): void {
    this.entries.clear();
    this.open?.clear();
    this.verifications?.clear();
    this.undecided.clear();
    this.endOffset = 0;
  }

  load(entries: readonly ProducerEntry[], endOffset: Offset): void {
    this.clear();
    this.endOffset = endOffset;
    for (const entry of entries) this.entries.set(entry.producerId, entry);
    const open = entries.filter(({ txnFirstOffset }) => txnFirstOffset >= 0);
    open.sort((a, b) => a.txnFirstOffset - b.txnFirstOffset);
    for (const { producerId, txnFirstOffset } of open) {
      (this.open ??= new Map()).set(producerId, this.undecided.begin(txnFirstOffset));
    }
  }

  /** First offset of the oldest open transaction; -1: none is open. */
  get firstOpenOffset(): Offset {
    return this.undecided.firstOpen;
  }

  /** First offset of the oldest transaction that is not decided below `highWatermark`; -1: all are decided. */
  firstUndecided(highWatermark: Offset): Offset {
    return this.undecided.first(highWatermark);
  }

  /** Batch that this one repeats, if it is one of the last five. */
  duplicateOf(batch: BatchCursor): ProducerBatch | undefined {
    const entry = this.entries.get(batch.producerId);
    if (entry === undefined || entry.epoch !== batch.producerEpoch) return undefined;
    const { baseSequence, lastSequence } = batch;
    return entry.batches.find(b => b.lastSequence === lastSequence && firstSequence(b) === baseSequence);
  }

  /** Checks that a data batch may be appended: one of `PRODUCER_ERROR`. */
  checkData(batch: BatchCursor, origin: AppendOrigin): number {
    const { producerId, producerEpoch: epoch, baseSequence } = batch;
    const entry = this.entries.get(producerId);
    if (origin === "replication") return PRODUCER_ERROR.NONE;
    if (entry !== undefined && epoch < entry.epoch) return PRODUCER_ERROR.INVALID_PRODUCER_EPOCH;
    if (origin === "client") {
      const error = this.checkSequence(entry, this.verifications?.get(producerId), epoch, baseSequence);
      if (error !== 0) return error;
    }
    const open = entry !== undefined && entry.txnFirstOffset >= 0;
    return open && !batch.isTransactional ? PRODUCER_ERROR.INVALID_TXN_STATE : PRODUCER_ERROR.NONE;
  }

  private checkSequence(
    entry: ProducerEntry | undefined,
    verification: Verification | undefined,
    epoch: ProducerEpoch,
    sequence: number,
  ): number {
    const wrong = PRODUCER_ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER;
    const empty = entry === undefined || entry.batches.length === 0;
    if (verification !== undefined) {
      if (verification.supportsEpochBump && sequence !== 0 && empty) return wrong;
      if (sequence > verification.lowestSequence) return wrong;
    }
    // After retention has removed all that a producer wrote, any sequence is accepted (KIP-360).
    if (entry === undefined || entry.epoch < 0) return 0;
    if (epoch !== entry.epoch) return sequence === 0 ? 0 : wrong;
    const last = entry.batches.at(-1)?.lastSequence ?? NO_SEQUENCE;
    return sequence === (last === NO_SEQUENCE ? 0 : addSequence(last, 1)) ? 0 : wrong;
  }

  /** Checks that a marker may be appended. `transactionVersion` 2 requires a newer epoch than that of the data. */
  checkMarker(batch: BatchCursor, marker: MarkerFacts, transactionVersion: number): number {
    const entry = this.entries.get(batch.producerId);
    if (entry === undefined) return PRODUCER_ERROR.NONE;
    const epoch = batch.producerEpoch;
    if (transactionVersion >= 2 ? epoch <= entry.epoch : epoch < entry.epoch) {
      // A repeated marker after the end of its transaction is a retry (KAFKA-19999).
      const retry = transactionVersion >= 2 && epoch === entry.epoch && (entry.txnFirstOffset < 0 || epoch === 32767);
      if (!retry) return PRODUCER_ERROR.INVALID_PRODUCER_EPOCH;
    }
    return entry.coordinatorEpoch > marker.coordinatorEpoch
      ? PRODUCER_ERROR.TRANSACTION_COORDINATOR_FENCED
      : PRODUCER_ERROR.NONE;
  }

  private entry(producerId: ProducerId, epoch: ProducerEpoch): ProducerEntry {
    let entry = this.entries.get(producerId);
    if (entry === undefined) {
      entry = { producerId, epoch, coordinatorEpoch: -1, lastTimestamp: -1, txnFirstOffset: -1, batches: [] };
      this.entries.set(producerId, entry);
    }
    if (entry.epoch !== epoch) {
      entry.batches = [];
      entry.epoch = epoch;
    }
    return entry;
  }

  /** Applies an appended data batch. */
  applyData(batch: BatchCursor): void {
    const entry = this.entry(batch.producerId, batch.producerEpoch);
    const { lastSequence, lastOffset, lastOffsetDelta: offsetDelta, maxTimestamp: timestamp } = batch;
    if (entry.batches.length === KEPT_BATCHES) entry.batches.shift();
    entry.batches.push({ lastSequence, lastOffset, offsetDelta, timestamp });
    entry.lastTimestamp = timestamp;
    if (!batch.isTransactional) return;
    this.verifications?.delete(entry.producerId);
    if (entry.txnFirstOffset >= 0) return;
    entry.txnFirstOffset = batch.baseOffset;
    (this.open ??= new Map()).set(entry.producerId, this.undecided.begin(batch.baseOffset));
  }

  /** Applies an appended marker; returns the transaction that it ends, if one was open. */
  applyMarker(batch: BatchCursor, marker: MarkerFacts): CompletedTxn | undefined {
    const entry = this.entry(batch.producerId, batch.producerEpoch);
    const firstOffset = entry.txnFirstOffset;
    entry.coordinatorEpoch = marker.coordinatorEpoch;
    entry.lastTimestamp = marker.timestamp;
    entry.txnFirstOffset = -1;
    const { producerId } = entry;
    const verification = this.verifications?.get(producerId);
    // With transaction.version 2, a producer may begin its next transaction, in the marker's epoch, before the marker.
    const isNextBegun = verification?.supportsEpochBump === true && verification.epoch === batch.producerEpoch;
    if (!isNextBegun) this.verifications?.delete(producerId);
    const txn = this.open?.get(producerId);
    if (txn === undefined) return undefined;
    this.open?.delete(producerId);
    this.undecided.end(txn, batch.baseOffset);
    return { producerId, firstOffset, lastOffset: batch.baseOffset, aborted: !marker.commit };
  }

  /**
   * Starts to verify a transaction and returns its guard (`UnifiedLog.maybeStartTransactionVerification`). Returns
   * `OPEN` if one is open already, so that nothing needs to be verified, and `STALE` if the epoch is fenced: a fenced
   * producer must not affect its successor. `now`, in ms since 1970, is the start: `expire` drops it by its age.
   */
  startVerification(
    batch: Pick<BatchCursor, "producerId" | "producerEpoch" | "baseSequence">,
    supportsEpochBump: boolean,
    now = 0,
  ): number {
    const { producerId, producerEpoch: epoch, baseSequence: sequence } = batch;
    const entry = this.entries.get(producerId);
    if (entry !== undefined && epoch < entry.epoch) return VERIFICATION.STALE;
    if (entry !== undefined && entry.txnFirstOffset >= 0 && entry.epoch === epoch) return VERIFICATION.OPEN;
    const known = this.verifications?.get(producerId);
    if (known === undefined) {
      const guard = this.nextGuard++;
      (this.verifications ??= new Map()).set(producerId, {
        guard,
        since: now,
        epoch,
        lowestSequence: sequence,
        supportsEpochBump,
      });
      return guard;
    }
    if (epoch > known.epoch) {
      known.epoch = epoch;
      known.lowestSequence = sequence;
    } else if (epoch === known.epoch && sequence < known.lowestSequence) known.lowestSequence = sequence;
    return known.guard;
  }

  /** Number of transactions that are being verified. */
  get verifying(): number {
    return this.verifications?.size ?? 0;
  }

  /** True if a transactional batch is verified: its transaction is open, or `guard` is that of its verification. */
  verified(batch: BatchCursor, guard: number): boolean {
    const entry = this.entries.get(batch.producerId);
    if (entry !== undefined && entry.txnFirstOffset >= 0 && entry.epoch === batch.producerEpoch) return true;
    return guard !== 0 && this.verifications?.get(batch.producerId)?.guard === guard;
  }

  /**
   * Drops producers without an open transaction that wrote nothing for `expirationMs`, and verifications of that age.
   * Returns the number of dropped producers (`ProducerStateManager.removeExpiredProducers`).
   */
  expire(now: number, expirationMs: number): number {
    let gone = 0;
    for (const [producerId, { since }] of this.verifications ?? []) {
      if (now - since >= expirationMs) this.verifications?.delete(producerId);
    }
    for (const entry of this.entries.values()) {
      if (entry.txnFirstOffset < 0 && subtractI64(now, entry.lastTimestamp) >= expirationMs) {
        this.entries.delete(entry.producerId);
        gone++;
      }
    }
    return gone;
  }
}
