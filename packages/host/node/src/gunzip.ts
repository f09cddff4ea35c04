import { type DecompressionBuffer, entryAt, MalformedError, OutputLimitError, viewOf } from "@samsa/base";
import * as zlib from "node:zlib";

const MAGIC = 0x8b1f;
const DEFLATE = 8;
const FLAG = { headerChecksum: 2, extra: 4, name: 8, comment: 16 } as const;
const FIXED_HEADER = 10;
const TRAILER = 8;
/** `GZIPInputStream` looks for another member only if more bytes than this follow. */
const SHORTEST_MEMBER = 18;

/** Option missing in Node's types: the result tells how much of the input was used. */
type InflateWithInfo = (
  input: Uint8Array,
  options: { readonly maxOutputLength: number; readonly info: true },
) => { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } };

const inflate = zlib.inflateRawSync as unknown as InflateWithInfo;

/**
 * Reads concatenated gzip members, and ignores trailing bytes that are no member, as `java.util.zip.GZIPInputStream`
 * does.
 */
export function gunzip(input: Uint8Array, output: DecompressionBuffer): void {
  let at = memberStart(input, 0);
  if (at === undefined) throw new MalformedError("gzip: no header");
  while (at !== undefined) {
    const { buffer, engine } = inflated(input.subarray(at), output);
    const end: number = at + engine.bytesWritten;
    if (end + TRAILER > input.length) throw new MalformedError("gzip: a member ends inside its trailer");
    const view = viewOf(input);
    if (view.getUint32(end, true) !== zlib.crc32(buffer) || view.getUint32(end + 4, true) !== buffer.length) {
      throw new MalformedError("gzip: a member's checksum or length is wrong");
    }
    output.append(buffer, "gzip");
    const next = end + TRAILER;
    at = input.length - next > SHORTEST_MEMBER ? memberStart(input, next) : undefined;
  }
}

function inflated(input: Uint8Array, output: DecompressionBuffer): ReturnType<InflateWithInfo> {
  try {
    return inflate(input, { maxOutputLength: Math.max(1, output.limit - output.length), info: true });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE") {
      throw new OutputLimitError("gzip", output.limit);
    }
    throw error;
  }
}

/** Position of the data of the gzip member at `start`; undefined if there is no member. */
function memberStart(input: Uint8Array, start: number): number | undefined {
  if (start + FIXED_HEADER > input.length) return undefined;
  const view = viewOf(input);
  if (view.getUint16(start, true) !== MAGIC || input[start + 2] !== DEFLATE) return undefined;
  const flags = entryAt(input, start + 3);
  let at = start + FIXED_HEADER;
  if ((flags & FLAG.extra) !== 0) {
    if (at + 2 > input.length) return undefined;
    at += 2 + view.getUint16(at, true);
  }
  for (const flag of [FLAG.name, FLAG.comment]) {
    if ((flags & flag) === 0) continue;
    const zero = input.indexOf(0, at);
    if (zero < 0) return undefined;
    at = zero + 1;
  }
  if ((flags & FLAG.headerChecksum) !== 0) {
    if (at + 2 > input.length) return undefined;
    if (view.getUint16(at, true) !== (zlib.crc32(input.subarray(start, at)) & 0xffff)) return undefined;
    at += 2;
  }
  return at > input.length ? undefined : at;
}
