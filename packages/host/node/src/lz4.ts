/*
 * The LZ4 block format: sequences of token, literals, two-byte little-endian distance and match length. The last five
 * bytes are always literals, and the last match begins at least twelve bytes before the end.
 */

const HASH_BITS = 14;
const LAST_LITERALS = 5;
const MATCH_GUARD = 12;
const MAX_DISTANCE = 65535;

const word = (b: Uint8Array, at: number): number =>
  (b[at] as number) | ((b[at + 1] as number) << 8) | ((b[at + 2] as number) << 16) | ((b[at + 3] as number) << 24);

/** Compresses `input` greedily into a raw block. */
export function lz4Block(input: Uint8Array): Uint8Array {
  const output = new Uint8Array(input.length + Math.floor(input.length / 255) + 16);
  const heads = new Int32Array(1 << HASH_BITS).fill(-1);
  const lastStart = input.length - MATCH_GUARD;
  let anchor = 0;
  let at = 0;
  let out = 0;
  while (at < lastStart) {
    const value = word(input, at);
    const slot = Math.imul(value, 0x9e3779b1) >>> (32 - HASH_BITS);
    const candidate = heads[slot] as number;
    heads[slot] = at;
    if (candidate < 0 || at - candidate > MAX_DISTANCE || word(input, candidate) !== value) {
      // Skip incompressible data in growing steps.
      at += 1 + ((at - anchor) >> 6);
      continue;
    }
    let length = 4;
    const most = input.length - LAST_LITERALS - at;
    while (length < most && input[candidate + length] === input[at + length]) length++;
    out = sequence(output, out, input.subarray(anchor, at), length - 4);
    const distance = at - candidate;
    // The distance precedes the bytes that extend the match length; `sequence` left two bytes for it.
    const hole = out - 2 - lengthBytes(length - 4);
    output[hole] = distance & 0xff;
    output[hole + 1] = distance >> 8;
    at += length;
    anchor = at;
  }
  out = sequence(output, out, input.subarray(anchor), -1);
  return output.slice(0, out);
}

const lengthBytes = (rest: number): number => (rest < 15 ? 0 : 1 + Math.floor((rest - 15) / 255));

/** Writes one sequence and returns its end; `match` is the match length less four, or -1 for the final literals. */
function sequence(output: Uint8Array, start: number, literals: Uint8Array, match: number): number {
  let out = start;
  output[out++] = (Math.min(literals.length, 15) << 4) | Math.min(Math.max(match, 0), 15);
  out = extend(output, out, literals.length);
  output.set(literals, out);
  out += literals.length;
  return match < 0 ? out : extend(output, out + 2, match);
}

function extend(output: Uint8Array, start: number, length: number): number {
  let out = start;
  if (length < 15) return out;
  let rest = length - 15;
  for (; rest >= 255; rest -= 255) output[out++] = 255;
  output[out++] = rest;
  return out;
}
