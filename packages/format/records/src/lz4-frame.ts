import type { BlockCodecs, DecompressionBuffer } from "@samsa/base";
import { concat, MalformedError, viewOf } from "@samsa/base";
import { xxHash32 } from "./xxhash.ts";

const LZ4_MAGIC = 0x184d2204;
const LZ4_BLOCK = 65536;
/** Version 1, independent blocks, no checksums, no content size. */
const LZ4_FLAGS = 0x60;
/** Blocks of 64 KiB at most. */
const LZ4_DESCRIPTOR = 0x40;
const LZ4_STORED = 0x80000000;

/** Writes `input` as an lz4 frame. */
export function lz4Frame(input: Uint8Array, codecs: BlockCodecs): Uint8Array {
  const header = new Uint8Array(7);
  viewOf(header).setUint32(0, LZ4_MAGIC, true);
  header[4] = LZ4_FLAGS;
  header[5] = LZ4_DESCRIPTOR;
  header[6] = (xxHash32(header, 4, 6) >>> 8) & 0xff;
  const chunks: Uint8Array[] = [header];
  for (let at = 0; at < input.length; at += LZ4_BLOCK) {
    const plain = input.subarray(at, Math.min(at + LZ4_BLOCK, input.length));
    const packed = codecs.lz4(plain);
    const stored = packed.length >= plain.length;
    const length = new Uint8Array(4);
    viewOf(length).setUint32(0, stored ? plain.length + LZ4_STORED : packed.length, true);
    chunks.push(length, stored ? plain : packed);
  }
  chunks.push(new Uint8Array(4));
  return concat(chunks);
}

interface Lz4Descriptor {
  readonly blockChecksum: boolean;
  readonly contentChecksum: boolean;
  readonly maxBlock: number;
  /** Position of the first block. */
  readonly at: number;
}

function readLz4Descriptor(input: Uint8Array, view: DataView): Lz4Descriptor {
  if (input.length < 7) throw new MalformedError("an lz4 frame ends inside its header");
  if (view.getUint32(0, true) !== LZ4_MAGIC) throw new MalformedError("not an lz4 frame");
  const flags = view.getUint8(4);
  if (flags >> 6 !== 1 || (flags & 0x03) !== 0) throw new MalformedError("an lz4 frame of an unknown version");
  if ((flags & 0x20) === 0) throw new MalformedError("lz4 frames with dependent blocks are not supported");
  const sizes = view.getUint8(5);
  const sizeCode = (sizes >> 4) & 7;
  if (sizeCode < 4 || (sizes & 0x8f) !== 0) throw new MalformedError("an lz4 frame has an invalid block size");
  // The content size is ignored.
  const at = 6 + ((flags & 0x08) === 0 ? 0 : 8);
  if (at >= input.length) throw new MalformedError("an lz4 frame ends inside its header");
  if (((xxHash32(input, 4, at) >>> 8) & 0xff) !== input[at]) {
    throw new MalformedError("an lz4 frame's header checksum is wrong");
  }
  return {
    blockChecksum: (flags & 0x10) !== 0,
    contentChecksum: (flags & 0x04) !== 0,
    maxBlock: 1 << (8 + 2 * sizeCode),
    at: at + 1,
  };
}

/**
 * Reads a frame as Kafka's `Lz4BlockInputStream` does: ignores the content size, the content checksum and bytes after
 * the frame. An empty block ends the stream.
 */
export function readLz4Frame(input: Uint8Array, codecs: BlockCodecs, output: DecompressionBuffer): void {
  const view = viewOf(input);
  const { blockChecksum, contentChecksum, maxBlock, at: start } = readLz4Descriptor(input, view);
  for (let at = start; ; ) {
    if (at + 4 > input.length) throw new MalformedError("an lz4 frame ends without its end mark");
    const mark = view.getUint32(at, true);
    const length = mark % LZ4_STORED;
    at += 4;
    if (length === 0) {
      if (contentChecksum && at + 4 > input.length) throw new MalformedError("an lz4 frame ends inside its checksum");
      break;
    }
    const end = at + length;
    const next = end + (blockChecksum ? 4 : 0);
    if (length > maxBlock || next > input.length) throw new MalformedError("an lz4 block reaches past its frame");
    const raw = input.subarray(at, end);
    if (blockChecksum && view.getUint32(end, true) !== xxHash32(input, at, end)) {
      throw new MalformedError("an lz4 block's checksum is wrong");
    }
    const before = output.length;
    if (mark >= LZ4_STORED) output.append(raw, "lz4");
    else codecs.unlz4(raw, output, maxBlock);
    if (output.length === before) break;
    at = next;
  }
}
