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
  const [, count, unit = ""] = DURATION.exec(text) ?? [];
  if (count !== undefined) return { at: { timestamp: Date.now() - Number(count) * (UNITS[unit] ?? 1) } };
  const time = Date.parse(text);
  if (Number.isNaN(time)) {
    throw new Failure(`${option} wants earliest, latest, an offset, a time or an age such as 90m, not "${text}"`);
  }
  return { at: { timestamp: time } };
}
