import type { Int64, Millis } from "@samsa/base";
import { KafkaError } from "../error/kafka-error.ts";

/** Timestamps of ListOffsets that name an end of the log (`ListOffsetsRequest`). */
const ENDS = { latest: -1, earliest: -2 } as const;

/**
 * Position of a partition without a valid one (`auto.offset.reset`): the first record, the end, an error, or the first
 * record that is at most `byDurationMs` old (KIP-1106).
 */
export type OffsetReset = "earliest" | "latest" | "none" | { readonly byDurationMs: number };

/** Offset resets that lead to a position. */
export type OffsetTarget = Exclude<OffsetReset, "none">;

const DURATION = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d{0,9}))?S)?)?$/i;
const BY_DURATION = "by_duration:";

/**
 * Parses a value of `auto.offset.reset`: `earliest`, `latest`, `none` or `by_duration:` and an ISO-8601 duration of days,
 * hours, minutes and seconds, as in `by_duration:P1DT12H`. Throws a `KafkaError`.
 */
export function parseOffsetReset(text: string): OffsetReset {
  if (text === "earliest" || text === "latest" || text === "none") return text;
  if (text.startsWith(BY_DURATION)) return { byDurationMs: durationMs(text.slice(BY_DURATION.length)) };
  throw new KafkaError("INVALID_ARGUMENT", `auto.offset.reset is earliest, latest, none or by_duration, not "${text}"`);
}

function durationMs(text: string): number {
  const [, days, hours, minutes, seconds, fraction] = DURATION.exec(text) ?? [];
  const isEmpty = (days ?? hours ?? minutes ?? seconds) === undefined;
  if (isEmpty || /t$/i.test(text)) {
    throw new KafkaError("INVALID_ARGUMENT", `auto.offset.reset has the duration "${text}", which is not ISO-8601`);
  }
  const number = (digits: string | undefined) => Number(digits ?? 0);
  const whole = ((number(days) * 24 + number(hours)) * 60 + number(minutes)) * 60 + number(seconds);
  const ms = whole * 1000 + number((fraction ?? "").padEnd(3, "0").slice(0, 3));
  if (!Number.isSafeInteger(ms)) {
    throw new KafkaError("INVALID_ARGUMENT", `auto.offset.reset has the duration "${text}", which is too long`);
  }
  return ms;
}

/** Timestamp by which ListOffsets finds the target. */
export function timestampOf(target: OffsetTarget, wall: Millis): Int64 {
  if (typeof target === "string") return ENDS[target];
  return Math.max(0, Math.floor(wall) - target.byDurationMs);
}
