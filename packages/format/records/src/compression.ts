import { type BlockCodecs, DecompressionBuffer, MalformedError } from "@samsa/base";
import type { Codec } from "./batch.ts";
import { lz4Frame, readLz4Frame } from "./lz4-frame.ts";
import { readSnappy, xerialStream } from "./snappy-stream.ts";
import { readZstdFrames } from "./zstd-frames.ts";

/** A codec and its level. Only gzip (1 to 9, -1 for its default) and zstd use the level. */
export interface Compression {
  readonly codec: Codec;
  readonly level: number;
}

/** Leaves records as they are. */
export const NO_COMPRESSION: Compression = { codec: 0, level: 0 };

/** A codec with Kafka's default level (`CompressionType`). */
export function defaultCompression(codec: Codec): Compression {
  return { codec, level: codec === 4 ? 3 : -1 };
}

/** Compresses the records of a batch, in the framing that Kafka uses for each codec. */
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
 * Decompresses the records of a batch: all that `compress` writes and that Java consumers read. Throws if the input is
 * invalid or the output exceeds `limit` bytes.
 */
export function decompress(codec: number, input: Uint8Array, codecs: BlockCodecs, limit: number): Uint8Array {
  return codec === 0 ? input : decompressInto(codec, input, codecs, new DecompressionBuffer(limit));
}

/** Like `decompress`, into `output`, which is empty. Returns its contents. */
export function decompressInto(
  codec: number,
  input: Uint8Array,
  codecs: BlockCodecs,
  output: DecompressionBuffer,
): Uint8Array {
  switch (codec) {
    case 1:
      codecs.gunzip(input, output);
      break;
    case 2:
      readSnappy(input, codecs, output);
      break;
    case 3:
      readLz4Frame(input, codecs, output);
      break;
    case 4:
      readZstdFrames(input, codecs, output);
      break;
    default:
      throw new MalformedError(`unknown compression codec ${codec}`);
  }
  return output.contents();
}
