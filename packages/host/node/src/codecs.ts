import { type BlockCodecs, MalformedError, OutputLimitError } from "@samsa/base";
import * as zlib from "node:zlib";
import { gunzip, type InflateOptions } from "./gunzip.ts";
import { lz4Block, unlz4Block } from "./lz4.ts";
import { once, optionalModule } from "./optional.ts";
import { snappyBlock, snappyLength, unsnappyBlock } from "./snappy.ts";

type Stream = Pick<BlockCodecs, "gzip" | "gunzip" | "zstd" | "unzstd">;
type Block = Pick<BlockCodecs, "snappy" | "unsnappy" | "lz4" | "unlz4">;

const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function guarded(codec: string, work: () => Uint8Array, limit = Infinity): Uint8Array {
  try {
    return plain(work());
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE") {
      throw new OutputLimitError(codec, limit);
    }
    if (error instanceof OutputLimitError) throw error;
    throw new MalformedError(`${codec}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

// zlib allocates its output in chunks; a single chunk of about the right size is by far the fastest.
const chunkFor = (expected: number): number => Math.min(Math.max(expected, 1024), 1 << 20);

/** Decompression that estimates the size of the output from the ratios of earlier ones. */
function growing(
  codec: string,
  inflate: (input: Uint8Array, options: InflateOptions) => Uint8Array,
): (input: Uint8Array, limit: number) => Uint8Array {
  let times = 4;
  return (input, limit) => {
    const chunkSize = chunkFor(Math.min(limit, Math.ceil(input.length * times * 1.1)));
    const output = guarded(codec, () => inflate(input, { maxOutputLength: Math.max(1, limit), chunkSize }), limit);
    if (output.length > limit) throw new OutputLimitError(codec, limit);
    // Raise the estimate at once and lower it slowly: too much memory costs less than a second chunk.
    const grown = output.length / Math.max(1, input.length);
    times = grown > times ? grown : times + (grown - times) / 16;
    return output;
  };
}

function streams(): Stream {
  return {
    gzip: (input, level) => plain(zlib.gzipSync(input, { level, chunkSize: chunkFor(input.length) })),
    gunzip: growing("gzip", gunzip),
    zstd: (input, level) =>
      plain(
        zlib.zstdCompressSync(input, {
          chunkSize: chunkFor(input.length),
          pledgedSrcSize: input.length,
          params: { [zlib.constants.ZSTD_c_compressionLevel]: level },
        }),
      ),
    unzstd: growing("zstd", zlib.zstdDecompressSync),
  };
}

const pureBlocks: Block = { snappy: snappyBlock, unsnappy: unsnappyBlock, lz4: lz4Block, unlz4: unlz4Block };

/** Codecs without native modules: the output depends only on the version of Node, not on the machine. */
export function pureCodecs(): BlockCodecs {
  return { ...streams(), ...pureBlocks };
}

/** The fastest codecs available. Throws `MalformedError` if the input is invalid or the output exceeds the limit. */
export function nodeCodecs(): BlockCodecs {
  // Load native codecs when first needed: each takes megabytes, and many brokers use none.
  const snappy = once(() => {
    const native = optionalModule<typeof import("snappy")>("snappy");
    return native === undefined ? pureSnappy : nativeSnappy(native);
  });
  const lz4 = once(() => {
    const native = optionalModule<typeof import("lz4-napi")>("lz4-napi");
    return native === undefined ? pureLz4 : nativeLz4(native);
  });
  return {
    ...streams(),
    snappy: input => snappy().snappy(input),
    unsnappy: (input, limit) => snappy().unsnappy(input, limit),
    lz4: input => lz4().lz4(input),
    unlz4: (input, limit) => lz4().unlz4(input, limit),
  };
}

const pureSnappy = { snappy: snappyBlock, unsnappy: unsnappyBlock };
const pureLz4 = { lz4: lz4Block, unlz4: unlz4Block };

function nativeSnappy(native: typeof import("snappy")): Pick<Block, "snappy" | "unsnappy"> {
  return {
    snappy: input => plain(native.compressSync(input)),
    unsnappy(input, limit) {
      // The block starts with the length of its output, so reject a decompression bomb before allocating memory.
      if (snappyLength(input).length > limit) throw new OutputLimitError("snappy", limit);
      return guarded("snappy", () => native.uncompressSync(input, { asBuffer: true }) as Buffer);
    },
  };
}

function nativeLz4(native: typeof import("lz4-napi")): Pick<Block, "lz4" | "unlz4"> {
  return {
    // The library writes the input's length before the block, four bytes that Kafka's frame does not have.
    lz4: input => plain(native.compressSync(asBuffer(input)).subarray(4)),
    unlz4(input, limit) {
      const prefixed = Buffer.allocUnsafe(input.length + 4);
      // The library allocates this many bytes and fails if the block holds more, so an upper bound is enough.
      prefixed.writeUInt32LE(limit, 0);
      prefixed.set(input, 4);
      return guarded("lz4", () => native.uncompressSync(prefixed));
    },
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
