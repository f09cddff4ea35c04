import { type DecompressionBuffer, MalformedError, OutputLimitError } from "@samsa/base";
import { BLOCKS_WASM } from "./blocks-wasm.ts";
import { snappyLength } from "./snappy.ts";

interface Memory {
  readonly buffer: ArrayBuffer;
  /** Adds pages, which gives the memory a new buffer. */
  grow(pages: number): void;
}

/** Part of a global that Node's types do not declare. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
};

type Decode = (at: number, end: number, start: number, limit: number) => number;

interface Decoder {
  readonly memory: Memory;
  readonly lz4: Decode;
  readonly snappy: Decode;
}

/** Position of the input. Lower ones are results that are no positions. */
const INPUT_AT = 8;
const MALFORMED = 0;
const TOO_LONG = 1;
const SLACK = 8;
const PAGE = 1 << 16;
/** Memory beyond which the decoder is made anew for the next block, in bytes. */
const KEPT_BYTES = 1 << 24;

/**
 * Decoders of raw lz4 and snappy blocks: WebAssembly, which needs no native module and allocates nothing for a block.
 */
export class BlockDecoder {
  #module: object | undefined;
  #decoder: Decoder | undefined;

  /** See `BlockCodecs.unlz4`. */
  unlz4(input: Uint8Array, output: DecompressionBuffer, most: number): void {
    const left = output.limit - output.length;
    const limit = Math.min(most, left);
    const { decoder, start } = this.#prepared(input, limit);
    const end = decoder.lz4(INPUT_AT, INPUT_AT + input.length, start, start + limit);
    if (end === MALFORMED) throw new MalformedError("lz4: a block is damaged");
    if (end === TOO_LONG && limit < most) throw new OutputLimitError("lz4", output.limit);
    if (end === TOO_LONG) throw new MalformedError(`lz4: a block of more than ${most} bytes`);
    output.append(new Uint8Array(decoder.memory.buffer, start, end - start), "lz4");
    this.#release(decoder);
  }

  /** See `BlockCodecs.unsnappy`. */
  unsnappy(input: Uint8Array, output: DecompressionBuffer): void {
    const { length, start: at } = snappyLength(input);
    // The block starts with the length of its output, so reject a decompression bomb before allocating memory.
    output.room(length, "snappy");
    const { decoder, start } = this.#prepared(input, length);
    const end = decoder.snappy(INPUT_AT + at, INPUT_AT + input.length, start, start + length);
    if (end !== start + length) throw new MalformedError("snappy: a block is damaged");
    output.append(new Uint8Array(decoder.memory.buffer, start, length), "snappy");
    this.#release(decoder);
  }

  /** Copies the input into the memory, with room for `outputBytes` behind it from `start` on. */
  #prepared(input: Uint8Array, outputBytes: number): { decoder: Decoder; start: number } {
    const decoder = (this.#decoder ??= this.#instance());
    const { memory } = decoder;
    const start = INPUT_AT + input.length + SLACK;
    const missing = start + outputBytes + SLACK - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
    new Uint8Array(memory.buffer).set(input, INPUT_AT);
    return { decoder, start };
  }

  /** Lets go of memory that a single huge block took. */
  #release({ memory }: Decoder): void {
    if (memory.buffer.byteLength > KEPT_BYTES) this.#decoder = undefined;
  }

  #instance(): Decoder {
    this.#module ??= new WebAssembly.Module(Buffer.from(BLOCKS_WASM, "base64"));
    return new WebAssembly.Instance(this.#module).exports as Decoder;
  }
}
