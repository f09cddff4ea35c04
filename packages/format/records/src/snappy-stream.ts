import type { BlockCodecs, DecompressionBuffer } from "@samsa/base";
import { concat, MalformedError, viewOf } from "@samsa/base";

/** Xerial's stream magic, then its version and the oldest compatible one (both 1). */
const XERIAL_HEADER = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1);
const XERIAL_MAGIC_SIZE = 8;
const XERIAL_BLOCK = 32768;

/** Writes `input` in blocks, as xerial's `SnappyOutputStream` does. */
export function xerialStream(input: Uint8Array, codecs: BlockCodecs): Uint8Array {
  const chunks: Uint8Array[] = [XERIAL_HEADER];
  for (let at = 0; at < input.length; at += XERIAL_BLOCK) {
    const block = codecs.snappy(input.subarray(at, Math.min(at + XERIAL_BLOCK, input.length)));
    const length = new Uint8Array(4);
    viewOf(length).setInt32(0, block.length);
    chunks.push(length, block);
  }
  return concat(chunks);
}

function isXerial(input: Uint8Array, at: number): boolean {
  for (let i = 0; i < XERIAL_MAGIC_SIZE; i++) if (input[at + i] !== XERIAL_HEADER[i]) return false;
  return true;
}

/** First four bytes of the magic, which may stand in place of a block's length. */
const XERIAL_MARK = 0x82534e41 | 0;

/**
 * Reads the input of xerial's `SnappyInputStream`: concatenated streams, or one raw block. Like xerial, ignores fewer
 * than four bytes at the end, and a later header of which only the first four bytes match the magic.
 */
export function readSnappy(input: Uint8Array, codecs: BlockCodecs, output: DecompressionBuffer): void {
  if (input.length < XERIAL_HEADER.length || !isXerial(input, 0)) {
    codecs.unsnappy(input, output);
    return;
  }
  const view = viewOf(input);
  for (let at = XERIAL_HEADER.length; at + 4 <= input.length; ) {
    const length = view.getInt32(at);
    if (length === XERIAL_MARK) {
      checkHeader(input, view, at);
      at += XERIAL_HEADER.length;
      continue;
    }
    at += 4;
    if (length < 0 || at + length > input.length) throw new MalformedError("a snappy block reaches past its stream");
    codecs.unsnappy(input.subarray(at, at + length), output);
    at += length;
  }
}

/** Checks the header of a stream that follows another; xerial does not check the version of the first one. */
function checkHeader(input: Uint8Array, view: DataView, at: number): void {
  if (at + XERIAL_HEADER.length > input.length) throw new MalformedError("a snappy stream ends inside its header");
  if (isXerial(input, at) && view.getInt32(at + XERIAL_MAGIC_SIZE) < 1) {
    throw new MalformedError("a snappy stream of an unknown version");
  }
}
