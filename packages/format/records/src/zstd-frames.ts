import type { BlockCodecs, DecompressionBuffer } from "@samsa/base";
import { entryAt, MalformedError, viewOf } from "@samsa/base";

const MAGIC = 0xfd2fb528;
/** First of the sixteen magic numbers of skippable frames; the length to skip follows. */
const SKIPPABLE = 0x184d2a50;
const DICTIONARY_ID_SIZES = [0, 1, 2, 4] as const;
const CONTENT_SIZES = [0, 2, 4, 8] as const;
const RLE_BLOCK = 1;

/** Reads concatenated frames, and skips skippable ones, as zstd-jni does. */
export function readZstdFrames(input: Uint8Array, codecs: BlockCodecs, output: DecompressionBuffer): void {
  const view = viewOf(input);
  for (let at = 0; at < input.length; ) {
    if (at + 8 > input.length) throw new MalformedError("a zstd frame ends inside its header");
    const magic = view.getUint32(at, true);
    if (magic - (magic % 16) === SKIPPABLE) {
      at += 8 + view.getUint32(at + 4, true);
      if (at > input.length) throw new MalformedError("a skippable zstd frame reaches past its stream");
      continue;
    }
    if (magic !== MAGIC) throw new MalformedError("not a zstd frame");
    const end = frameEnd(view, at);
    codecs.unzstd(input.subarray(at, end), output);
    at = end;
  }
}

/** End of the frame at `start` (RFC 8878, 3.1.1). Throws `MalformedError` if the frame is incomplete. */
function frameEnd(view: DataView, start: number): number {
  const descriptor = view.getUint8(start + 4);
  const singleSegment = (descriptor & 0x20) !== 0;
  const contentSize = CONTENT_SIZES[descriptor >> 6] || (singleSegment ? 1 : 0);
  let at = start + 5 + (singleSegment ? 0 : 1) + entryAt(DICTIONARY_ID_SIZES, descriptor & 3) + contentSize;
  for (let isLast = false; !isLast; ) {
    if (at + 3 > view.byteLength) throw new MalformedError("a zstd frame ends inside a block's header");
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    isLast = (header & 1) !== 0;
    at += 3 + (((header >> 1) & 3) === RLE_BLOCK ? 1 : header >> 3);
  }
  if ((descriptor & 4) !== 0) at += 4;
  if (at > view.byteLength) throw new MalformedError("a zstd frame reaches past its stream");
  return at;
}
