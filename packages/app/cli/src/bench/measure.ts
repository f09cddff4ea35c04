import { toJson } from "../terminal/json.ts";
import { printTable } from "../terminal/table.ts";
import { Histogram } from "./histogram.ts";

const SHOW_MS = 500;
const CLEAR_LINE = "\r\u001b[K";
const MB = 1024 * 1024;
const SHARES = [
  ["p50", 0.5],
  ["p90", 0.9],
  ["p99", 0.99],
  ["p999", 0.999],
] as const;

const rounded = (value: number): number => Math.round(value * 100) / 100;

/** Counts of a run, with a line on a terminal while it lasts. */
export class Measure {
  readonly latencies = new Histogram();
  records = 0;
  bytes = 0;
  readonly #verb: string;
  readonly #began = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #lastRecords = 0;
  #lastBytes = 0;
  #lastAt = this.#began;

  /** `verb` is what happens to records, as in "written". */
  constructor(verb: string, isQuiet: boolean) {
    this.#verb = verb;
    const isSeen = process.stderr.isTTY && !isQuiet;
    this.#timer = isSeen ? setInterval(() => this.#show(), SHOW_MS) : undefined;
    this.#timer?.unref();
  }

  get seconds(): number {
    return Math.max(0.001, (performance.now() - this.#began) / 1000);
  }

  #percentiles(): Record<string, number> {
    const { latencies } = this;
    const shares = SHARES.map(([name, share]) => [name, rounded(latencies.quantile(share) / 1000)] as const);
    return { ...Object.fromEntries(shares), max: rounded(latencies.max / 1000) };
  }

  #show(): void {
    const now = performance.now();
    const seconds = (now - this.#lastAt) / 1000;
    const rate = Math.round((this.records - this.#lastRecords) / seconds);
    const megabytes = ((this.bytes - this.#lastBytes) / MB / seconds).toFixed(1);
    const { p50, p99, p999 } = this.#percentiles();
    const times = this.latencies.count === 0 ? "" : `, ${p50} ms p50, ${p99} ms p99, ${p999} ms p99.9`;
    process.stderr.write(`${CLEAR_LINE}${this.records} ${this.#verb}, ${rate}/s, ${megabytes} MB/s${times}`);
    [this.#lastRecords, this.#lastBytes, this.#lastAt] = [this.records, this.bytes, now];
  }

  /** Removes the line. */
  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    process.stderr.write(CLEAR_LINE);
  }

  /** Prints the result. `more` has further facts. */
  report(isJson: boolean, more: Readonly<Record<string, unknown>> = {}): void {
    this.stop();
    const { seconds, records, bytes, latencies } = this;
    const latencyMs = latencies.count === 0 ? null : this.#percentiles();
    const [recordsPerSecond, megabytes] = [Math.round(records / seconds), rounded(bytes / MB / seconds)];
    if (isJson) {
      const facts = { records, bytes, seconds: rounded(seconds), recordsPerSecond, mbPerSecond: megabytes, latencyMs };
      console.log(toJson({ ...facts, ...more }));
      return;
    }
    const times = latencyMs === null ? [] : Object.values(latencyMs).map(String);
    const heads = latencyMs === null ? [] : ["P50 MS", "P90 MS", "P99 MS", "P99.9 MS", "MAX MS"];
    printTable(
      ["RECORDS", "SECONDS", "RECORDS/S", "MB/S", ...heads],
      [[String(records), seconds.toFixed(2), String(recordsPerSecond), megabytes.toFixed(2), ...times]],
    );
  }
}
