import type { BlockCodecs } from "@samsa/base";
import { concat, MalformedError, viewOf } from "@samsa/base";
import type { Codec } from "./batch.ts";
import { xxHash32 } from "./xxhash.ts";

/** A codec and its level; the level means something to gzip (1 to 9, -1 its default) and zstd only. */
export interface Compression {
  readonly codec: Codec;
  readonly level: number;
}

export const NO_COMPRESSION: Compression = { codec: 0, level: 0 };

/** A codec at the level that Kafka takes when nobody says (`CompressionType`). */
export function defaultCompression(codec: Codec): Compression {
  return { codec, level: codec === 4 ? 3 : -1 };
}

/** Compresses the records of a batch with the framing Kafka wants around the codec's blocks. */
export function compress(input: Uint8Array, compression: Compression, codecs: BlockCodecs): Uint8Array {
  switch (compression.codec) {
    case 0:
      return input;
    case 1:
      return codecs.gzip(input, compression.level);
    case 2:
      return xerialFrame(input, codecs);
    case 3:
      return lz4Frame(input, codecs);
    case 4:
      return codecs.zstd(input, compression.level);
  }
}

/** Undoes `compress`. Throws when the input is not valid or gives more than `limit` bytes. */
export function decompress(codec: number, input: Uint8Array, codecs: BlockCodecs, limit: number): Uint8Array {
  switch (codec) {
    case 0:
      return input;
    case 1:
      return codecs.gunzip(input, limit);
    case 2:
      return readSnappy(input, codecs, limit);
    case 3:
      return readLz4Frames(input, codecs, limit);
    case 4:
      return codecs.unzstd(input, limit);
    default:
      throw new MalformedError(`unknown compression codec ${codec}`);
  }
}

/** Xerial's stream magic, then its version and the oldest compatible one (both 1). */
const XERIAL_HEADER = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1);
const XERIAL_MAGIC_SIZE = 8;
const XERIAL_BLOCK = 32768;

function xerialFrame(input: Uint8Array, codecs: BlockCodecs): Uint8Array {
  const chunks: Uint8Array[] = [XERIAL_HEADER];
  for (let at = 0; at < input.length; at += XERIAL_BLOCK) {
    const block = codecs.snappy(input.subarray(at, Math.min(at + XERIAL_BLOCK, input.length)));
    const length = new Uint8Array(4);
    viewOf(length).setInt32(0, block.length);
    chunks.push(length, block);
  }
  return concat(chunks);
}

function isXerial(input: Uint8Array): boolean {
  if (input.length < XERIAL_HEADER.length) return false;
  for (let i = 0; i < XERIAL_MAGIC_SIZE; i++) if (input[i] !== XERIAL_HEADER[i]) return false;
  return true;
}

/** Xerial frames, and as in Java also one raw block without any. */
function readSnappy(input: Uint8Array, codecs: BlockCodecs, limit: number): Uint8Array {
  if (!isXerial(input)) return codecs.unsnappy(input, limit);
  const view = viewOf(input);
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (let at = XERIAL_HEADER.length; at < input.length; ) {
    if (at + 4 > input.length) throw new MalformedError("a snappy stream ends inside a length");
    const length = view.getInt32(at);
    at += 4;
    if (length < 0 || at + length > input.length) throw new MalformedError("a snappy block reaches past its stream");
    const block = codecs.unsnappy(input.subarray(at, at + length), limit - total);
    total += block.length;
    chunks.push(block);
    at += length;
  }
  return chunks.length === 1 ? chunks[0] : concat(chunks);
}

const LZ4_MAGIC = 0x184d2204;
const LZ4_BLOCK = 65536;
/** Version 1, independent blocks, no checksums, no content size. */
const LZ4_FLAGS = 0x60;
/** Blocks of 64 KiB at most. */
const LZ4_DESCRIPTOR = 0x40;
const LZ4_STORED = 0x80000000;

function lz4Frame(input: Uint8Array, codecs: BlockCodecs): Uint8Array {
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
  readonly contentSize: number;
  readonly maxBlock: number;
  /** Where the first block begins. */
  readonly at: number;
}

function readLz4Descriptor(input: Uint8Array, view: DataView, start: number): Lz4Descriptor {
  if (start + 7 > input.length) throw new MalformedError("an lz4 frame ends inside its header");
  if (view.getUint32(start, true) !== LZ4_MAGIC) throw new MalformedError("not an lz4 frame");
  const flags = input[start + 4];
  if (flags >> 6 !== 1 || (flags & 0x02) !== 0) throw new MalformedError("an lz4 frame of an unknown version");
  // Java's reader refuses these too, so what were stored could not be consumed.
  if ((flags & 0x20) === 0) throw new MalformedError("lz4 frames with dependent blocks are not supported");
  if ((flags & 0x01) !== 0) throw new MalformedError("lz4 frames with a dictionary are not supported");
  const sizeCode = (input[start + 5] >> 4) & 7;
  if (sizeCode < 4 || (input[start + 5] & 0x8f) !== 0) throw new MalformedError("an lz4 frame's block size cannot be");
  const sized = (flags & 0x08) !== 0;
  const at = start + 6 + (sized ? 8 : 0);
  if (at >= input.length) throw new MalformedError("an lz4 frame ends inside its header");
  const contentSize = sized ? view.getUint32(start + 6, true) + view.getUint32(start + 10, true) * 4294967296 : -1;
  if (((xxHash32(input, start + 4, at) >>> 8) & 0xff) !== input[at]) {
    throw new MalformedError("an lz4 frame's header checksum is wrong");
  }
  return {
    blockChecksum: (flags & 0x10) !== 0,
    contentChecksum: (flags & 0x04) !== 0,
    contentSize,
    maxBlock: 1 << (8 + 2 * sizeCode),
    at: at + 1,
  };
}

function readLz4Frames(input: Uint8Array, codecs: BlockCodecs, limit: number): Uint8Array {
  const view = viewOf(input);
  const chunks: Uint8Array[] = [];
  let left = limit;
  let at = 0;
  do {
    const frame: Uint8Array[] = [];
    at = readLz4Frame(input, view, at, { codecs, left, frame });
    for (const block of frame) {
      left -= block.length;
      chunks.push(block);
    }
  } while (at < input.length);
  return chunks.length === 1 ? chunks[0] : concat(chunks);
}

interface Lz4Target {
  readonly codecs: BlockCodecs;
  /** How many bytes the frame may give. */
  readonly left: number;
  readonly frame: Uint8Array[];
}

/** Reads one frame into `target.frame`; returns where it ends. */
function readLz4Frame(input: Uint8Array, view: DataView, start: number, target: Lz4Target): number {
  const descriptor = readLz4Descriptor(input, view, start);
  let at = descriptor.at;
  let total = 0;
  for (;;) {
    if (at + 4 > input.length) throw new MalformedError("an lz4 frame ends without its end mark");
    const mark = view.getUint32(at, true);
    at += 4;
    if (mark === 0) break;
    const stored = mark >= LZ4_STORED;
    const length = stored ? mark - LZ4_STORED : mark;
    const end = at + length;
    if (length > descriptor.maxBlock || end + (descriptor.blockChecksum ? 4 : 0) > input.length) {
      throw new MalformedError("an lz4 block reaches past its frame");
    }
    const raw = input.subarray(at, end);
    if (descriptor.blockChecksum && view.getUint32(end, true) !== xxHash32(input, at, end)) {
      throw new MalformedError("an lz4 block's checksum is wrong");
    }
    const room = Math.min(descriptor.maxBlock, target.left - total);
    if (stored && length > room) throw new MalformedError("an lz4 frame gives more than its limit");
    const block = stored ? raw : target.codecs.unlz4(raw, room);
    total += block.length;
    target.frame.push(block);
    at = end + (descriptor.blockChecksum ? 4 : 0);
  }
  if (descriptor.contentSize >= 0 && descriptor.contentSize !== total) {
    throw new MalformedError("an lz4 frame's content size is wrong");
  }
  if (!descriptor.contentChecksum) return at;
  if (at + 4 > input.length) throw new MalformedError("an lz4 frame ends inside its checksum");
  if (view.getUint32(at, true) !== xxHash32(concat(target.frame))) {
    throw new MalformedError("an lz4 frame's content checksum is wrong");
  }
  return at + 4;
}
