import { ToolError } from "./exits.ts";

const pad = (value: number, length: number): string => String(value).padStart(length, "0");

/** Fields of `SimpleDateFormat` that are numbers. */
const FIELDS: Readonly<Record<string, (date: Date) => number>> = {
  y: date => date.getFullYear(),
  M: date => date.getMonth() + 1,
  d: date => date.getDate(),
  H: date => date.getHours(),
  m: date => date.getMinutes(),
  s: date => date.getSeconds(),
  S: date => date.getMilliseconds(),
};

/** Formatter of dates with a pattern of `SimpleDateFormat` whose fields are numbers. Throws `ToolError` for others. */
export function dateFormat(pattern: string): (ms: number) => string {
  const parts = [...pattern.matchAll(/'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+/g)].map(([whole, quoted, letter]) => {
    if (letter === undefined) return () => (quoted === "" ? "'" : (quoted?.replaceAll("''", "'") ?? whole));
    const field = FIELDS[letter];
    if (field === undefined) throw new ToolError(`Illegal pattern character '${letter}'`);
    const isShortYear = letter === "y" && whole.length === 2;
    return (date: Date) => pad(isShortYear ? field(date) % 100 : field(date), whole.length);
  });
  return ms => {
    const date = new Date(ms);
    return parts.map(part => part(date)).join("");
  };
}
