import { type DecompressionBuffer, MalformedError } from "@samsa/base";

/** Native part of a stream of node:zlib: not documented, but the same since Node 11. */
interface Handle {
  onerror: (message: string) => void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputAt: number,
    inputLength: number,
    output: Uint8Array,
    outputAt: number,
    outputLength: number,
  ): void;
  reset(): void;
}

/** Stream of node:zlib. */
interface Stream {
  close(): void;
  readonly _handle?: Partial<Handle> | null;
  readonly _writeState?: unknown;
}

interface Engine {
  readonly stream: Stream;
  readonly handle: Handle;
  /** Bytes that the last call left unused: output, then input. */
  readonly left: Uint32Array;
}

/** Decompresses a whole input. Throws `MalformedError`, or `OutputLimitError` beyond the limit of `output`. */
export type Inflate = (input: Uint8Array, output: DecompressionBuffer) => void;

/** Limit of the memory taken before the size of the output is known, in bytes. */
const LARGEST_GUESS = 1 << 20;
/** Output from which on a stream is closed after use, since its window may be as large, in bytes. */
const LARGE_OUTPUT = 1 << 20;

const isWhole = (handle: Partial<Handle> | null | undefined): handle is Handle =>
  typeof handle?.writeSync === "function" && typeof handle.reset === "function";

/**
 * Decompression with one stream of node:zlib for all inputs, which writes into the caller's memory: the synchronous
 * functions of node:zlib make a stream and new memory for each input. `flush` is the stream's flag for the end of the
 * input. Undefined if this version of Node does not have the native part.
 */
export function reusedInflate(codec: string, create: () => Stream, flush: number): Inflate | undefined {
  let failure: string | undefined;
  const opened = (): Engine | undefined => {
    const stream = create();
    const { _handle: handle, _writeState: left } = stream;
    if (!isWhole(handle) || !(left instanceof Uint32Array) || left.length < 2) return undefined;
    handle.onerror = message => {
      failure = message;
    };
    return { stream, handle, left };
  };
  let idle = opened();
  if (idle === undefined) return undefined;
  // Ratio of output to input: rises at once and falls slowly, since too much memory costs less than a second call.
  let times = 4;

  /** Returns the size of the output. */
  const inflate = ({ handle, left }: Engine, input: Uint8Array, output: DecompressionBuffer): number => {
    const before = output.length;
    output.guess(Math.min(Math.ceil(input.length * times * 1.1), LARGEST_GUESS));
    for (let unread = input.length; ; output.guess(output.length - before)) {
      const room = output.bytes.length - output.length;
      handle.writeSync(flush, input, input.length - unread, unread, output.bytes, output.length, room);
      if (failure !== undefined) throw new MalformedError(`${codec}: ${failure}`);
      const [unused = 0, rest = 0] = left;
      unread = rest;
      output.advance(room - unused, codec);
      if (unused > 0) break;
    }
    const size = output.length - before;
    const grown = size / Math.max(1, input.length);
    times = grown > times ? grown : times + (grown - times) / 16;
    return size;
  };

  return (input, output) => {
    const engine = idle ?? opened();
    idle = undefined;
    if (engine === undefined) throw new MalformedError(`${codec}: cannot be decompressed`);
    failure = undefined;
    try {
      if (inflate(engine, input, output) >= LARGE_OUTPUT) return;
      engine.handle.reset();
      idle = engine;
    } finally {
      // After an error the state of the stream is unknown.
      if (idle === undefined) engine.stream.close();
    }
  };
}
