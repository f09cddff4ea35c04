/** State of a direction between two ends of a network: bytes are held, come later, or come slowly. */
export class Link {
  /** Holds everything until the link is open again, as a network that repeats what it loses. */
  isCut = false;
  latencyMs = 0;
  bytesPerSecond = Infinity;
  #busyUntil = 0;
  readonly #waiting = new Set<() => void>();

  /** Time at which `bytes` that are sent at `now` arrive. */
  arrival(now: number, bytes: number): number {
    this.#busyUntil = Math.max(now, this.#busyUntil) + (bytes / this.bytesPerSecond) * 1000;
    return this.#busyUntil + this.latencyMs;
  }

  /** Calls `wake` when the link is open again. */
  wait(wake: () => void): void {
    this.#waiting.add(wake);
  }

  open(): void {
    this.isCut = false;
    this.latencyMs = 0;
    this.bytesPerSecond = Infinity;
    this.#busyUntil = 0;
    for (const wake of [...this.#waiting]) {
      this.#waiting.delete(wake);
      wake();
    }
  }
}
