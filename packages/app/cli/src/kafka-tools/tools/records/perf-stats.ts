import { Histogram } from "../../../bench/histogram.ts";

const MB = 1024 * 1024;

/** Statistics of kafka-producer-perf-test: one line for each interval, one for all. Times are in ms. */
export class PerfStats {
  readonly #interval: number;
  readonly #isSteady: boolean;
  readonly #latencies = new Histogram();
  readonly #start = Date.now();
  #bytes = 0;
  #total = 0;
  #count = 0;
  #max = 0;
  #window = { start: Date.now(), count: 0, bytes: 0, total: 0, max: 0 };
  /** True if intervals are not printed. */
  isQuiet = false;

  constructor(interval: number, isSteady: boolean) {
    this.#interval = interval;
    this.#isSteady = isSteady;
  }

  /** Adds a record that is acknowledged `now`, after `latency`. */
  add(latency: number, bytes: number, now: number): void {
    this.#count++;
    this.#bytes += bytes;
    this.#total += latency;
    this.#max = Math.max(this.#max, latency);
    this.#latencies.add(latency);
    const window = this.#window;
    window.count++;
    window.bytes += bytes;
    window.total += latency;
    window.max = Math.max(window.max, latency);
    if (now - window.start < this.#interval) return;
    if (this.#isSteady && this.#count === window.count) console.log("In steady state.");
    if (!this.isQuiet) this.#printWindow();
    this.#window = { start: now, count: 0, bytes: 0, total: 0, max: 0 };
  }

  #printWindow(): void {
    const { start, count, bytes, total, max } = this.#window;
    const ms = Date.now() - start;
    const rate = ((1000 * count) / ms).toFixed(1);
    const megabytes = ((1000 * bytes) / ms / MB).toFixed(2);
    console.log(
      `${count} records sent, ${rate} records/sec (${megabytes} MB/sec), ${(total / count).toFixed(1)} ms avg latency, ${max.toFixed(1)} ms max latency.`,
    );
  }

  /** Prints the line for all records. */
  printTotal(): void {
    const ms = Date.now() - this.#start;
    const rate = ((1000 * this.#count) / ms).toFixed(6);
    const megabytes = ((1000 * this.#bytes) / ms / MB).toFixed(2);
    const [p50, p95, p99, p999] = [0.5, 0.95, 0.99, 0.999].map(share => this.#latencies.quantile(share));
    const kind = this.#isSteady ? " steady state" : "";
    console.log(
      `${this.#count}${kind} records sent, ${rate} records/sec (${megabytes} MB/sec), ${(this.#total / this.#count).toFixed(2)} ms avg latency, ${this.#max.toFixed(2)} ms max latency, ${p50} ms 50th, ${p95} ms 95th, ${p99} ms 99th, ${p999} ms 99.9th.`,
    );
  }
}
