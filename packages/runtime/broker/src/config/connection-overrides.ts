import { entryAt } from "@samsa/base";

/** Parses `address:limit,…`; undefined if invalid. */
export function parseOverrides(text: string): ReadonlyMap<string, number> | undefined {
  const overrides = new Map<string, number>();
  for (const part of text.split(",")) {
    if (part.trim() === "") continue;
    const found = /^\s*(\S+):(\d{1,10})\s*$/.exec(part);
    if (found === null) return undefined;
    overrides.set(entryAt(found, 1), Number(found[2]));
  }
  return overrides;
}
