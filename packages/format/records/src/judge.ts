import { BatchCursor, type Codec, FIELD, HEADER_SIZE, type Tools } from "./batch.ts";
import { rebuildBatch } from "./builder.ts";
import { type Compression, defaultCompression } from "./compression.ts";
import { BatchValidator, refusal, VALIDATION_ERROR, type Validation, type ValidationRules } from "./validate.ts";

/** Rules of the topic and broker for produced batches. */
export interface JudgeRules {
  readonly validation: ValidationRules;
  /** Compression of the topic, or "producer" to keep the client's. */
  readonly compression: Compression | "producer";
}

/** Result of validation and the batch to append. */
export interface Judgement {
  readonly validation: Validation;
  /** Batch to append: the client's, or a copy with the topic's codec and without offset gaps. */
  readonly bytes: Uint8Array;
}

/** Validates a produced batch and, if needed, converts it, as a leader does before it appends. */
export class BatchJudge {
  private readonly tools: Tools;
  private readonly validator: BatchValidator;

  constructor(tools: Tools) {
    this.tools = tools;
    this.validator = new BatchValidator(tools);
  }

  /** Validates and converts the first batch in `bytes`. `now` is in milliseconds since the epoch. */
  judge(bytes: Uint8Array, { validation: rules, compression }: JudgeRules, now: number): Judgement {
    const validation = this.validator.validate(bytes, rules, now);
    if (validation.error !== 0) return { validation, bytes };
    const { size } = validation;
    const sent = size === bytes.length ? bytes : bytes.subarray(0, size);
    const own = validation.rebuild ? this.rebuilt(sent, compression) : sent;
    // The topic's codec may make the batch larger than the client's did.
    const { maxMessageBytes, segmentBytes } = rules;
    if (own.length > maxMessageBytes) {
      const message = `The rewritten record batch has ${own.length} bytes, more than the limit of ${maxMessageBytes}.`;
      return { validation: refusal(VALIDATION_ERROR.MESSAGE_TOO_LARGE, message), bytes };
    }
    if (own.length > segmentBytes) {
      const message = `The record batch size is ${own.length} bytes, which exceeds the segment size of ${segmentBytes}.`;
      return { validation: refusal(VALIDATION_ERROR.RECORD_LIST_TOO_LARGE, message), bytes };
    }
    return { validation, bytes: own };
  }

  private rebuilt(bytes: Uint8Array, wanted: JudgeRules["compression"]): Uint8Array {
    const batch = new BatchCursor(bytes);
    batch.next();
    // Offset gaps alone are no reason to change the codec.
    const compression = wanted === "producer" ? defaultCompression(batch.codec as Codec) : wanted;
    return rebuildBatch(batch, { compression }, this.tools);
  }
}

/**
 * Compressed batches of at least this size should be validated on another thread: their decompressed size may be many
 * times as large.
 */
const LARGE_BYTES = 64 * 1024;
/** Compression takes several times as long as decompression. */
const LARGE_REBUILD_BYTES = 16 * 1024;
const CODEC_BITS = 7;

function codecOf(bytes: Uint8Array): number {
  return bytes.length < HEADER_SIZE ? 0 : (bytes[FIELD.attributes + 1] as number) & CODEC_BITS;
}

/** True if the first batch in `bytes` is compressed. */
export function isCompressed(bytes: Uint8Array): boolean {
  return codecOf(bytes) !== 0;
}

/** True if `judge` would block the event loop for long, as far as size and codec tell. */
export function isLarge(bytes: Uint8Array, { compression }: JudgeRules): boolean {
  if (bytes.length < LARGE_REBUILD_BYTES) return false;
  const codec = codecOf(bytes);
  if (compression !== "producer" && compression.codec !== codec) return true;
  return codec !== 0 && bytes.length >= LARGE_BYTES;
}
