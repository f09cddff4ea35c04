import type { Offset } from "@samsa/base";
import { Failure } from "../../terminal/failure.ts";

const DURATION = /^(\d{1,9})(ms|s|m|h|d)$/;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Place in logs: an end, a time, or an offset. */
export type Place =
  | { readonly at: "earliest" | "latest" | { readonly timestamp: number } }
  | { readonly offset: Offset };

/** Place from the text of an option: earliest, latest, an offset, a time, or an age such as 90m. Throws `Failure`. */
export function placeOf(text: string, option: string): Place {
  if (text === "earliest" || text === "latest") return { at: text };
  if (/^\d{1,15}$/.test(text)) return { offset: Number(text) };
  const age = milliseconds(text);
  if (age !== undefined) return { at: { timestamp: Date.now() - age } };
  const time = Date.parse(text);
  if (Number.isNaN(time)) {
    throw new Failure(`${option} wants earliest, latest, an offset, a time or an age such as 90m, not "${text}"`);
  }
  return { at: { timestamp: time } };
}

/** Duration in ms from the text of an option, such as 90m. Throws `Failure`. */
export function durationOf(text: string, option: string): number {
  const duration = milliseconds(text);
  if (duration === undefined) throw new Failure(`${option} wants a duration such as 90m or 30s, not "${text}"`);
  return duration;
}

function milliseconds(text: string): number | undefined {
  const [, count, unit = ""] = DURATION.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * (UNITS[unit] ?? 1);
}
