const INTERVAL_MS = 500;
const CLEAR_LINE = "\r\u001b[K";

/** Line on standard error that tells how far long work is; only if standard error is a terminal and output is not. */
export class Progress {
  count = 0;
  readonly #verb: string;
  readonly #began = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;

  /** `verb` is what happens to records, as in "read". */
  constructor(verb: string) {
    this.#verb = verb;
    const isSeen = process.stderr.isTTY && !process.stdout.isTTY;
    this.#timer = isSeen ? setInterval(() => this.#show(), INTERVAL_MS) : undefined;
    this.#timer?.unref();
  }

  add(count: number): void {
    this.count += count;
  }

  /** Removes the line, and leaves a last one. */
  end(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#show();
    process.stderr.write("\n");
  }

  #show(): void {
    const seconds = (performance.now() - this.#began) / 1000;
    const rate = Math.round(this.count / Math.max(seconds, 0.001));
    process.stderr.write(`${CLEAR_LINE}${this.count} records ${this.#verb}, ${rate}/s, ${seconds.toFixed(1)} s`);
  }
}
