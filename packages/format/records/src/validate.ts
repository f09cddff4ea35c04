import {
  DecompressionBuffer,
  type Int64,
  MalformedError,
  OutputLimitError,
  type ProducerEpoch,
  type ProducerId,
  subtractI64,
} from "@samsa/base";
import {
  BatchCursor,
  CODEC_NAMES,
  type Codec,
  FIELD,
  batchSize,
  LENGTH_OVERHEAD,
  LOG_APPEND_TIME_BIT,
  MAGIC,
  NO_PRODUCER_ID,
  NO_TIMESTAMP,
  type TimestampType,
  type Tools,
} from "./batch.ts";
import { DECOMPRESSED_LIMIT, RecordCursor } from "./record.ts";

/** Error codes of Kafka's `Errors` that validation returns. */
export const VALIDATION_ERROR = {
  NONE: 0,
  CORRUPT_MESSAGE: 2,
  MESSAGE_TOO_LARGE: 10,
  RECORD_LIST_TOO_LARGE: 18,
  INVALID_TIMESTAMP: 32,
  UNSUPPORTED_COMPRESSION_TYPE: 76,
  INVALID_RECORD: 87,
} as const;

/** Rules of the topic, the broker and the request's version. */
export interface ValidationRules {
  /**
   * `client` batches are checked in full. Batches of this broker's coordinators and controller may hold control
   * records.
   */
  readonly origin: "client" | "coordinator" | "controller";
  readonly maxMessageBytes: number;
  readonly segmentBytes: number;
  readonly timestampType: TimestampType;
  /** Allowed distance of record timestamps before and after now, in milliseconds; Infinity for no limit. */
  readonly beforeMaxMs: number;
  readonly afterMaxMs: number;
  /** True for a compacted topic, which refuses records without a key. */
  readonly compacted: boolean;
  /** True if the request's version supports zstd (Produce from version 7 on). */
  readonly allowZstd: boolean;
  /** Codec of the topic, or "producer" to keep the client's. */
  readonly codec: Codec | "producer";
  /** Limit on the size of a record of a compressed batch, in bytes. */
  readonly maxRecordBytes?: number;
  /** Limit on the decompressed size of the batch, in bytes. */
  readonly decompressedLimit?: number;
}

/** A refused record of a batch. */
export interface RecordFault {
  /** Index of the record in the batch, from 0. */
  readonly index: number;
  readonly message: string;
}

/** Result of the validation of a batch. */
export interface Validation {
  /** Error code, one of `VALIDATION_ERROR`. */
  readonly error: number;
  /** Error message for the client; empty without an error. */
  readonly message: string;
  /**
   * True if Kafka refuses the batch with the request, before it looks at the log (`ProduceRequest.validateRecords`).
   */
  readonly early: boolean;
  /** Refused records (`recordErrors` of Produce); empty if the batch as a whole is refused. */
  readonly faults: readonly RecordFault[];
  /** Value for the header's maxTimestamp; `NO_TIMESTAMP` if no record has a timestamp. */
  readonly maxTimestamp: Int64;
  /** Offset delta of the record with `maxTimestamp`. */
  readonly offsetDeltaOfMax: number;
  readonly count: number;
  /** Bytes of the batch; any that follow are cut off. */
  readonly size: number;
  /** -1n if there is none; this allocates no bigint. */
  readonly producerId: ProducerId;
  readonly producerEpoch: ProducerEpoch;
  readonly baseSequence: number;
  readonly transactional: boolean;
  /** True if the batch must go through `rebuildBatch`: its codec is not the topic's, or its offsets have gaps. */
  readonly rebuild: boolean;
}

const MOST_FAULTS = 64;
/** Smallest valid length field: the record overhead of the oldest format (`LegacyRecord`). */
const SMALLEST_LENGTH = 14;

/** Validation of a refused batch. */
export function refusal(error: number, message: string, faults: readonly RecordFault[] = []): Validation {
  return {
    error,
    message,
    early: false,
    faults,
    maxTimestamp: NO_TIMESTAMP,
    offsetDeltaOfMax: -1,
    count: 0,
    size: 0,
    producerId: NO_PRODUCER_ID,
    producerEpoch: -1,
    baseSequence: -1,
    transactional: false,
    rebuild: false,
  };
}

const CORRUPT = "The record batch's length or magic version is wrong.";

/**
 * Classifies the batch at `at`, in the order of checks of `ByteBufferLogInputStream`: "none" if it is incomplete,
 * "corrupt" if its length or magic is invalid.
 */
function batchAt(view: DataView, at: number, end: number): "none" | "corrupt" | "whole" {
  if (end - at < LENGTH_OVERHEAD) return "none";
  if (view.getInt32(at + FIELD.length) < SMALLEST_LENGTH) return "corrupt";
  if (end - at <= FIELD.magic) return "none";
  const magic = view.getInt8(at + FIELD.magic);
  if (magic < 0 || magic > MAGIC) return "corrupt";
  return end - at < batchSize(view, at) ? "none" : "whole";
}

/**
 * Validates produced batches by the leader's rules, in Kafka's order (ProduceRequest,
 * UnifiedLog.analyzeAndValidateRecords, LogValidator). Keeps its cursors, so that a batch costs one small object.
 */
export class BatchValidator {
  private readonly tools: Tools;
  private readonly batch = new BatchCursor();
  private readonly record = new RecordCursor();
  private readonly output = new DecompressionBuffer(DECOMPRESSED_LIMIT);

  constructor(tools: Tools) {
    this.tools = tools;
  }

  /**
   * Validates `bytes`, the records of one partition in a request: exactly one batch. An incomplete second batch may
   * follow, which Kafka cuts off. `now` is in milliseconds since the epoch.
   */
  validate(bytes: Uint8Array, rules: ValidationRules, now: number): Validation {
    const envelope = this.checkEnvelope(bytes, rules);
    if (envelope !== undefined) return { ...envelope, early: true };
    const { batch } = this;
    if (batch.size > rules.maxMessageBytes) {
      return refusal(
        VALIDATION_ERROR.MESSAGE_TOO_LARGE,
        `The record batch size is ${batch.size} bytes, which exceeds the maximum of ${rules.maxMessageBytes}.`,
      );
    }
    if (!batch.intact(this.tools.crc32c)) {
      return refusal(VALIDATION_ERROR.CORRUPT_MESSAGE, "The record batch's checksum is wrong.");
    }
    const header = this.checkHeader(rules);
    if (header !== undefined) return refusal(VALIDATION_ERROR.INVALID_RECORD, header);
    try {
      return this.walk(rules, now);
    } catch (error) {
      if (error instanceof OutputLimitError && rules.codec === 0 && this.outputLimit(rules) > rules.maxMessageBytes) {
        const message = `The decompressed record batch exceeds the maximum of ${rules.maxMessageBytes} bytes.`;
        return refusal(VALIDATION_ERROR.MESSAGE_TOO_LARGE, message);
      }
      // Codecs throw various errors; all of them mean that the records cannot be read.
      const why = error instanceof MalformedError ? error.message : "its records cannot be decompressed";
      return refusal(VALIDATION_ERROR.INVALID_RECORD, `The record batch is invalid: ${why}.`);
    }
  }

  /** Checks before the checksum: lengths, magic, and zstd in requests that do not support it. */
  private checkEnvelope(bytes: Uint8Array, rules: ValidationRules): Validation | undefined {
    const { batch } = this;
    batch.reset(bytes);
    const first = batchAt(batch.view, 0, bytes.length);
    if (first === "none") return refusal(VALIDATION_ERROR.INVALID_RECORD, "The request holds no whole record batch.");
    if (first === "corrupt") return refusal(VALIDATION_ERROR.CORRUPT_MESSAGE, CORRUPT);
    if (batch.view.getInt8(FIELD.magic) !== MAGIC) {
      return refusal(
        VALIDATION_ERROR.INVALID_RECORD,
        "Produce requests take record batches with magic version 2 only.",
      );
    }
    if (!batch.next()) return refusal(VALIDATION_ERROR.CORRUPT_MESSAGE, CORRUPT);
    if (batch.codec === 4 && !rules.allowZstd) {
      return refusal(
        VALIDATION_ERROR.UNSUPPORTED_COMPRESSION_TYPE,
        "Produce requests before version 7 do not support zstd.",
      );
    }
    const second = batchAt(batch.view, batch.end, bytes.length);
    if (second === "corrupt") return refusal(VALIDATION_ERROR.CORRUPT_MESSAGE, CORRUPT);
    if (second === "whole") {
      return refusal(VALIDATION_ERROR.INVALID_RECORD, "Produce requests take exactly one record batch per partition.");
    }
    return undefined;
  }

  /** Error message about the header of a client's batch; undefined if it is valid. */
  private checkHeader(rules: ValidationRules): string | undefined {
    const { batch } = this;
    const { view, count } = batch;
    if (view.getInt32(0) !== 0 || view.getInt32(4) !== 0) return "The base offset of the record batch should be 0.";
    if (batch.codec >= CODEC_NAMES.length) return `Unknown compression codec ${batch.codec}.`;
    if (rules.origin !== "client") return undefined;
    if (batch.lastOffsetDelta < 0) return "The record batch has an invalid offset range.";
    if (count <= 0) return `Invalid reported count for record batch: ${count}.`;
    if (batch.lastOffsetDelta + 1 !== count) return "The record batch's offset range and count of records differ.";
    if (batch.isControl) return "Clients are not allowed to write control records.";
    if (batch.hasProducer && batch.baseSequence < 0) return `Invalid sequence number ${batch.baseSequence}.`;
    return undefined;
  }

  /**
   * Limit on the decompressed size of the records. A batch to be stored without compression may not exceed
   * `maxMessageBytes`. Removing offset gaps shrinks records to no less than half, so twice that size is certainly too
   * large.
   */
  private outputLimit({ codec, maxMessageBytes, decompressedLimit = DECOMPRESSED_LIMIT }: ValidationRules): number {
    return codec === 0 ? Math.min(decompressedLimit, 2 * maxMessageBytes) : decompressedLimit;
  }

  private walk(rules: ValidationRules, now: number): Validation {
    const { batch, record } = this;
    const createTime = rules.timestampType === "CreateTime";
    const appendTimeBit = (batch.attributes & LOG_APPEND_TIME_BIT) !== 0;
    const earliest = now - rules.beforeMaxMs;
    const latest = now + rules.afterMaxMs;
    let faults: RecordFault[] | undefined;
    let timeFault = false;
    let maxTimestamp: Int64 = NO_TIMESTAMP;
    let offsetDeltaOfMax = -1;
    let index = 0;
    let rebuild = rules.codec !== "producer" && rules.codec !== batch.codec && !(batch.isControl && batch.codec === 0);
    const largest = batch.codec === 0 ? Infinity : (rules.maxRecordBytes ?? Infinity);
    record.open(batch, this.tools.codecs, this.output.reset(this.outputLimit(rules)));
    for (; record.next(); index++) {
      const { timestamp } = record;
      if (record.bodySize > largest) throw new MalformedError(`a record has more than ${largest} bytes`);
      if (record.offsetDelta !== index) rebuild = true;
      if (timestamp > maxTimestamp) {
        maxTimestamp = timestamp;
        offsetDeltaOfMax = index;
      }
      const keyless = rules.compacted && record.keyLength < 0;
      // The limits apply to records with a create time; all others must not claim log append time.
      const timed = createTime && timestamp !== NO_TIMESTAMP;
      const isFar =
        typeof timestamp === "number"
          ? timestamp < earliest || timestamp > latest
          : isOutOfRange(timestamp, now, rules);
      const mistimed = timed ? isFar : appendTimeBit;
      if (!mistimed && !keyless) continue;
      if (!keyless) timeFault = true;
      faults ??= [];
      if (faults.length < MOST_FAULTS) faults.push({ index, message: faultMessage(keyless, timed, timestamp) });
    }
    if (record.trailing() !== 0) throw new MalformedError("bytes follow the last record");
    if (faults !== undefined) {
      const error = timeFault ? VALIDATION_ERROR.INVALID_TIMESTAMP : VALIDATION_ERROR.INVALID_RECORD;
      const cause = timeFault ? "an invalid timestamp" : "a missing key";
      return refusal(error, `One or more records have been rejected due to ${cause}.`, faults);
    }
    // With log append time all records have the same timestamp, and Kafka reports the last one.
    if (!createTime) offsetDeltaOfMax = index - 1;
    return {
      error: VALIDATION_ERROR.NONE,
      message: "",
      early: false,
      faults: [],
      maxTimestamp: createTime ? maxTimestamp : now,
      offsetDeltaOfMax,
      count: index,
      size: batch.size,
      producerId: batch.hasProducer ? batch.producerId : NO_PRODUCER_ID,
      producerEpoch: batch.producerEpoch,
      baseSequence: batch.baseSequence,
      transactional: batch.isTransactional,
      rebuild,
    };
  }
}

/** True if a timestamp beyond 2^53 is too far from now (`LogValidator.recordHasInvalidTimestamp`). */
function isOutOfRange(timestamp: bigint, now: number, { beforeMaxMs, afterMaxMs }: ValidationRules): boolean {
  const age = subtractI64(now, timestamp);
  return age > beforeMaxMs || subtractI64(0, age) > afterMaxMs;
}

function faultMessage(keyless: boolean, timed: boolean, timestamp: Int64): string {
  if (keyless) return "Compacted topic cannot accept message without key.";
  if (!timed) return "Producer should not set timestamp type to LogAppendTime.";
  return `Timestamp ${timestamp} is out of range.`;
}
