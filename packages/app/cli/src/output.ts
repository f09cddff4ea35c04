const FULL = 64 * 1024;

/**
 * Standard output for much text: written in pieces, at once, so that memory does not grow with what is printed. Ends
 * quietly when the reader has gone, as `head` does.
 */
export class Output {
  readonly #write: (fd: number, bytes: Uint8Array, offset: number) => number;
  #held: string[] = [];
  #size = 0;
  closed = false;

  constructor(write: (fd: number, bytes: Uint8Array, offset: number) => number) {
    this.#write = write;
  }

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
        done += this.#write(1, bytes, done);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "EPIPE") this.closed = true;
        // A pipe that is full and does not block: its reader needs a moment.
        else if (code === "EAGAIN") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        else throw error;
      }
    }
  }
}
