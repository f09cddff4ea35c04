import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import kafkajs from "kafkajs";
import { compressFrameSync, decompressFrameSync } from "lz4-napi";
import { compressSync, uncompressSync } from "snappy";

/** Compression types, in the order of their codes in a batch. */
export const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;
export type Codec = (typeof CODECS)[number];

/** Header of Java's SnappyOutputStream: magic, version, lowest compatible version. Blocks with their lengths follow. */
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
const MAGIC = XERIAL.subarray(0, 8);
const BLOCK = 32 * 1024;

function snappy(data: Buffer): Buffer {
  const parts: Buffer[] = [XERIAL];
  for (let at = 0; at < data.length; at += BLOCK) {
    const block = Buffer.from(compressSync(data.subarray(at, at + BLOCK)));
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

function unsnappy(data: Buffer): Buffer {
  if (!data.subarray(0, 8).equals(MAGIC)) return uncompressSync(data) as Buffer;
  const parts: Buffer[] = [];
  for (let at = XERIAL.length; at < data.length; ) {
    const length = data.readInt32BE(at);
    parts.push(uncompressSync(data.subarray(at + 4, at + 4 + length)) as Buffer);
    at += 4 + length;
  }
  return Buffer.concat(parts);
}

interface Transform {
  compress(data: Buffer): Buffer;
  decompress(data: Buffer): Buffer;
}

const TRANSFORMS: Readonly<Record<Exclude<Codec, "none">, Transform>> = {
  gzip: { compress: data => gzipSync(data), decompress: data => gunzipSync(data) },
  snappy: { compress: snappy, decompress: unsnappy },
  lz4: { compress: data => compressFrameSync(data), decompress: data => decompressFrameSync(data) },
  zstd: { compress: data => zstdCompressSync(data), decompress: data => zstdDecompressSync(data) },
};

/** Registers the codecs that KafkaJS does not include. */
export function registerCodecs(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  const codec = (transform: Transform) => () => ({
    compress: async (encoder: { readonly buffer: Buffer }): Promise<Buffer> => transform.compress(encoder.buffer),
    decompress: async (data: Buffer): Promise<Buffer> => transform.decompress(data),
  });
  Object.assign(CompressionCodecs, {
    [CompressionTypes.Snappy]: codec(TRANSFORMS.snappy),
    [CompressionTypes.LZ4]: codec(TRANSFORMS.lz4),
    [CompressionTypes.ZSTD]: codec(TRANSFORMS.zstd),
  });
}
