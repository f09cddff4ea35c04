/** The characters of topic names: nothing else is ever matched, so a class of characters is a mask over these. */
const SYMBOLS = "-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

export const SYMBOL_COUNT = SYMBOLS.length;
const PLACES = new Int8Array(128).fill(-1);
for (let i = 0; i < SYMBOL_COUNT; i++) PLACES[SYMBOLS.charCodeAt(i)] = i;

/** A class of characters: bit i stands for symbol i. */
export type Mask = bigint;
export const ALL: Mask = (1n << BigInt(SYMBOL_COUNT)) - 1n;

/** The place of a character among the symbols, −1 when no topic name has it. */
export function placeOf(code: number): number {
  return code < 128 ? PLACES[code] : -1;
}

export function maskOf(holds: (symbol: string) => boolean): Mask {
  let mask = 0n;
  for (let i = 0; i < SYMBOL_COUNT; i++) if (holds(SYMBOLS[i])) mask |= 1n << BigInt(i);
  return mask;
}

/** The symbols from one code point to another. */
export function rangeMask(from: number, to: number, fold: boolean): Mask {
  const within = (symbol: string): boolean => {
    const code = symbol.charCodeAt(0);
    return code >= from && code <= to;
  };
  const mask = maskOf(
    symbol => within(symbol) || (fold && (within(symbol.toLowerCase()) || within(symbol.toUpperCase()))),
  );
  if (!fold || from !== to || from < 128) return mask;
  // Two letters that are not ASCII fold to letters that are: the Kelvin sign and the long s.
  const text = String.fromCodePoint(from);
  const folded = [text.toLowerCase(), text.toUpperCase()];
  return mask | maskOf(symbol => folded.some(other => other.toLowerCase() === symbol.toLowerCase()));
}

export const WORD: Mask = maskOf(symbol => /\w/.test(symbol));
