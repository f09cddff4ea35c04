import { writeSync } from "node:fs";
import { Failure } from "./failure.ts";

const FULL = 64 * 1024;

/**
 * Standard output for large texts, written synchronously in pieces, so that memory stays bounded. Closes silently when
 * the reader has closed the pipe, as `head` does.
 */
class Output {
  #held: string[] = [];
  #size = 0;
  closed = false;

  line(text: string): void {
    this.#held.push(text, "\n");
    this.#size += text.length + 1;
    if (this.#size >= FULL) this.flush();
  }

  flush(): void {
    const bytes = Buffer.from(this.#held.join(""));
    this.#held = [];
    this.#size = 0;
    if (!writeWhole(bytes)) this.closed = true;
  }
}

/** Writes bytes to standard output, and waits for its reader if it has to. False if the reader has closed the pipe. */
function writeWhole(bytes: Uint8Array): boolean {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE") return false;
      // The pipe is non-blocking and full: wait for its reader.
      if (code === "EAGAIN") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      else throw new Failure(`the output cannot be written: ${(error as Error).message}`);
    }
  }
  return true;
}

/** Standard output for bytes, which are gathered into large writes. */
export class ByteOutput {
  readonly #buffer = Buffer.allocUnsafe(FULL);
  #size = 0;
  /** True once the reader has closed the pipe. */
  closed = false;

  bytes(bytes: Uint8Array): void {
    if (bytes.length > FULL - this.#size) this.flush();
    if (bytes.length > FULL) {
      if (!this.closed && !writeWhole(bytes)) this.closed = true;
      return;
    }
    this.#buffer.set(bytes, this.#size);
    this.#size += bytes.length;
  }

  text(text: string): void {
    // Three bytes of UTF-8 for each unit at most.
    if (text.length * 3 > FULL - this.#size) this.flush();
    if (text.length * 3 > FULL) this.bytes(Buffer.from(text));
    else this.#size += this.#buffer.write(text, this.#size);
  }

  flush(): void {
    if (this.#size > 0 && !this.closed && !writeWhole(this.#buffer.subarray(0, this.#size))) this.closed = true;
    this.#size = 0;
  }
}

/** Prints lines as they are generated. Returns the generator's result, or undefined if the reader closed the pipe. */
export function print<T>(lines: Iterable<string, T>): T | undefined {
  const output = new Output();
  const all = lines[Symbol.iterator]();
  for (let next = all.next(); ; next = all.next()) {
    if (next.done === true) {
      output.flush();
      return next.value;
    }
    output.line(next.value);
    if (output.closed) return undefined;
  }
}
