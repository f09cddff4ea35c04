/** Length of a window, in ms, and their number (`metrics.sample.window.ms`, `metrics.num.samples`). */
export interface LatencyWindows {
  readonly ms: number;
  readonly count: number;
}

interface Window {
  readonly from: number;
  count: number;
  total: number;
  most: number;
}

/** Average and maximum of durations in ms over the last windows. Times are monotonic. */
export class LatencyWindow {
  readonly #of: LatencyWindows;
  #windows: Window[] = [];

  constructor(windows: LatencyWindows) {
    this.#of = windows;
  }

  add(now: number, ms: number): void {
    this.#expire(now);
    let last = this.#windows.at(-1);
    if (last === undefined || now >= last.from + this.#of.ms) {
      last = { from: now, count: 0, total: 0, most: 0 };
      this.#windows.push(last);
    }
    last.count++;
    last.total += ms;
    last.most = Math.max(last.most, ms);
  }

  /** Average; NaN without durations. */
  average(now: number): number {
    this.#expire(now);
    const sum = (field: "count" | "total"): number => this.#windows.reduce((total, window) => total + window[field], 0);
    return sum("total") / sum("count");
  }

  /** Maximum; NaN without durations. */
  maximum(now: number): number {
    this.#expire(now);
    return this.#windows.length === 0 ? NaN : Math.max(...this.#windows.map(({ most }) => most));
  }

  #expire(now: number): void {
    const { ms, count } = this.#of;
    this.#windows = this.#windows.filter(({ from }) => from > now - count * ms).slice(-count);
  }
}
