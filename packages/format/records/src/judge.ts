import { BatchCursor, type Codec, FIELD, HEADER_SIZE, type Tools } from "./batch.ts";
import { rebuildBatch } from "./builder.ts";
import { type Compression, defaultCompression } from "./compression.ts";
import { BatchValidator, refusal, VALIDATION_ERROR, type Validation, type ValidationRules } from "./validate.ts";

export interface JudgeRules {
  readonly validation: ValidationRules;
  /** What the log wants, or "producer" to keep what comes. */
  readonly compression: Compression | "producer";
}

export interface Judgement {
  readonly validation: Validation;
  /** What to append: the batch as it came, or in the codec that the log wants. */
  readonly bytes: Uint8Array;
}

/** All that a leader does with a client's batch before it appends it. */
export class BatchJudge {
  private readonly tools: Tools;
  private readonly validator: BatchValidator;

  constructor(tools: Tools) {
    this.tools = tools;
    this.validator = new BatchValidator(tools);
  }

  /** `now` is in milliseconds since the epoch. */
  judge(bytes: Uint8Array, { validation: rules, compression }: JudgeRules, now: number): Judgement {
    const validation = this.validator.validate(bytes, rules, now);
    if (validation.error !== 0) return { validation, bytes };
    const { size } = validation;
    const sent = size === bytes.length ? bytes : bytes.subarray(0, size);
    const own = validation.rebuild ? this.rebuilt(sent, compression) : sent;
    // Another codec may make the batch larger than the client's.
    const { maxMessageBytes, segmentBytes } = rules;
    if (own.length > maxMessageBytes) {
      const message = `The record batch would have ${own.length} bytes here, more than ${maxMessageBytes}.`;
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
    // Gaps alone are no reason to change the codec.
    const compression = wanted === "producer" ? defaultCompression(batch.codec as Codec) : wanted;
    return rebuildBatch(batch, { compression }, this.tools);
  }
}

/** Batches from this size on are better judged where nobody waits: the output of their codec is many times as long. */
const LARGE_BYTES = 64 * 1024;
/** To compress takes several times as long as to decompress. */
const LARGE_REBUILD_BYTES = 16 * 1024;
const CODEC_BITS = 7;

function codecOf(bytes: Uint8Array): number {
  return bytes.length < HEADER_SIZE ? 0 : bytes[FIELD.attributes + 1] & CODEC_BITS;
}

export function isCompressed(bytes: Uint8Array): boolean {
  return codecOf(bytes) !== 0;
}

/** Whether judging `bytes` would hold up everybody else: what can be told without looking inside. */
export function isLarge(bytes: Uint8Array, { compression }: JudgeRules): boolean {
  if (bytes.length < LARGE_REBUILD_BYTES) return false;
  const codec = codecOf(bytes);
  if (compression !== "producer" && compression.codec !== codec) return true;
  return codec !== 0 && bytes.length >= LARGE_BYTES;
}
