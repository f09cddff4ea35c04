import { type BlockCodecs, MalformedError, messageOf, OutputLimitError } from "@samsa/base";
import * as zlib from "node:zlib";
import { BlockDecoder } from "./blocks.ts";
import { gunzip } from "./gunzip.ts";
import { lz4Block } from "./lz4.ts";
import { once, optionalModule, requiredModule } from "./modules/optional.ts";
import { type Inflate, reusedInflate } from "./reused-inflate.ts";
import { snappyBlock } from "./snappy.ts";
import { storedZstd } from "./stored-zstd.ts";

type Stream = Pick<BlockCodecs, "gzip" | "gunzip" | "zstd" | "unzstd">;
type Decoders = Pick<BlockCodecs, "unsnappy" | "unlz4">;

const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Runs a decoder. Its errors become `MalformedError`s. */
function decoded<T>(codec: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof MalformedError) throw error;
    throw new MalformedError(`${codec}: ${messageOf(error)}`);
  }
}

// zlib allocates its output in chunks; a single chunk of about the right size is by far the fastest.
const chunkFor = (expected: number): number => Math.min(Math.max(expected, 1024), 1 << 20);

function streams(): Stream {
  // Create the streams when first needed: many brokers decompress nothing.
  const inflate = once(() => ({ gunzip: gunzipInto(), unzstd: unzstdInto() }));
  return {
    gzip: (input, level) => plain(zlib.gzipSync(input, { level, chunkSize: chunkFor(input.length) })),
    gunzip: (input, output) => inflate().gunzip(input, output),
    zstd: (input, level) =>
      hasZstd
        ? plain(
            zlib.zstdCompressSync(input, {
              chunkSize: chunkFor(input.length),
              pledgedSrcSize: input.length,
              params: { [zlib.constants.ZSTD_c_compressionLevel]: level },
            }),
          )
        : storedZstd(input),
    unzstd: (input, output) => inflate().unzstd(input, output),
  };
}

function gunzipInto(): Inflate {
  const { Z_FINISH } = zlib.constants;
  const reused = reusedInflate("gzip", () => zlib.createGunzip(), Z_FINISH);
  return (input, output) => {
    const before = output.length;
    try {
      if (reused !== undefined) return reused(input, output);
    } catch (error) {
      if (error instanceof OutputLimitError) throw error;
      output.length = before;
    }
    // Node refuses trailing bytes, Java ignores them: this slow path tells them apart from damage.
    decoded("gzip", () => gunzip(input, output));
  };
}

/** True if this runtime compresses with zstd: Node from 22.15 on. Others decompress it, and write frames that are not smaller. */
export const hasZstd = typeof zlib.zstdCompressSync === "function";

function unzstdInto(): Inflate {
  if (!hasZstd) return slowUnzstd();
  const reused = reusedInflate("zstd", () => zlib.createZstdDecompress(), zlib.constants.ZSTD_e_end);
  if (reused !== undefined) return reused;
  return (input, output) => {
    const maxOutputLength = Math.max(1, output.limit + 1 - output.length);
    output.append(
      decoded("zstd", () => zlib.zstdDecompressSync(input, { maxOutputLength })),
      "zstd",
    );
  };
}

/** Decompression in JavaScript, which does not check checksums of frames. */
function slowUnzstd(): Inflate {
  const { Decompress } = requiredModule<typeof import("fzstd")>("fzstd");
  return (input, output) => {
    const engine = new Decompress(chunk => output.append(chunk, "zstd"));
    decoded("zstd", () => engine.push(input, true));
  };
}

function blockDecoders(): Decoders {
  const decoder = once(() => new BlockDecoder());
  return {
    unsnappy: (input, output) => decoder().unsnappy(input, output),
    unlz4: (input, output, most) => decoder().unlz4(input, output, most),
  };
}

/** Codecs without native modules: the output depends only on the version of Node, not on the machine. */
export function pureCodecs(): BlockCodecs {
  return { ...streams(), ...blockDecoders(), snappy: snappyBlock, lz4: lz4Block };
}

/** The fastest codecs available. */
export function nodeCodecs(): BlockCodecs {
  // Load native codecs when first needed: each takes megabytes, and many brokers use none.
  const snappy = once(() => {
    const native = optionalModule<typeof import("snappy")>("snappy");
    return native === undefined ? snappyBlock : (input: Uint8Array) => plain(native.compressSync(input));
  });
  const lz4 = once(() => {
    const native = optionalModule<typeof import("lz4-napi")>("lz4-napi");
    // The library writes the input's length before the block, four bytes that Kafka's frame does not have.
    return native === undefined
      ? lz4Block
      : (input: Uint8Array) => plain(native.compressSync(asBuffer(input)).subarray(4));
  });
  return { ...streams(), ...blockDecoders(), snappy: input => snappy()(input), lz4: input => lz4()(input) };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
