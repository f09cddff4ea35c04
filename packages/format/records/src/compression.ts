import type { BlockCodecs } from "@samsa/base";
import { MalformedError } from "@samsa/base";
import type { Codec } from "./batch.ts";
import { lz4Frame, readLz4Frame } from "./lz4-frame.ts";
import { readSnappy, xerialStream } from "./snappy-stream.ts";
import { readZstdFrames } from "./zstd-frames.ts";

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
      return xerialStream(input, codecs);
    case 3:
      return lz4Frame(input, codecs);
    case 4:
      return codecs.zstd(input, compression.level);
  }
}

/**
 * Undoes `compress`, and reads whatever else Java's consumers read. Throws when the input is not valid or gives more than
 * `limit` bytes.
 */
export function decompress(codec: number, input: Uint8Array, codecs: BlockCodecs, limit: number): Uint8Array {
  switch (codec) {
    case 0:
      return input;
    case 1:
      return codecs.gunzip(input, limit);
    case 2:
      return readSnappy(input, codecs, limit);
    case 3:
      return readLz4Frame(input, codecs, limit);
    case 4:
      return readZstdFrames(input, codecs, limit);
    default:
      throw new MalformedError(`unknown compression codec ${codec}`);
  }
}
