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
    for (let done = 0; done < bytes.length && !this.closed; ) {
      try {
        done += writeSync(1, bytes, done);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "EPIPE") this.closed = true;
        // The pipe is non-blocking and full: wait for its reader.
        else if (code === "EAGAIN") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        else throw new Failure(`the output cannot be written: ${(error as Error).message}`);
      }
    }
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
