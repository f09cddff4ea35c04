/** Client operation on one log, in order of completion. `offset` is the offset of the first value. */
export type Operation =
  | {
      readonly type: "send";
      readonly process: string;
      readonly log: string;
      readonly values: readonly string[];
      /** Undefined if the outcome is unknown. */
      readonly offset: number | undefined;
    }
  | {
      readonly type: "poll";
      readonly process: string;
      readonly log: string;
      /** Requested position. */
      readonly from: number;
      readonly records: readonly (readonly [offset: number, value: string])[];
    }
  /** The process looks up its position again. */
  | { readonly type: "seek"; readonly process: string; readonly log: string }
  /** Records at and after the offset may be lost, and the offsets reused. */
  | { readonly type: "cut"; readonly log: string; readonly at: number }
  /** Records before the offset may be deleted. */
  | { readonly type: "trim"; readonly log: string; readonly to: number }
  /** All remaining records have been polled. */
  | { readonly type: "read through"; readonly log: string };

/** Anomaly of a log without transactions, as Jepsen's Kafka checker defines them. */
export interface Anomaly {
  readonly type:
    | "inconsistent-offsets"
    | "duplicate"
    | "lost-write"
    | "unseen"
    | "poll-skip"
    | "nonmonotonic-poll"
    | "int-poll-skip"
    | "int-nonmonotonic-poll"
    | "nonmonotonic-send";
  readonly log: string;
  readonly detail: string;
}

/** State of the check for one log. */
class LogHistory {
  readonly log: string;
  readonly anomalies: Anomaly[] = [];
  readonly #values = new Map<number, string>();
  readonly #offsets = new Map<string, number>();
  /** Acknowledged values that have not been polled yet, with their offsets. */
  readonly #unpolled = new Map<string, number>();
  readonly #polled = new Set<number>();
  readonly #lastSent = new Map<string, number>();
  /** Expected start of each process's next poll; absent after a seek. */
  readonly #next = new Map<string, number>();
  #start = 0;

  constructor(log: string) {
    this.log = log;
  }

  #found(type: Anomaly["type"], detail: string): void {
    this.anomalies.push({ type, log: this.log, detail });
  }

  #place(offset: number, value: string): void {
    const there = this.#values.get(offset);
    if (there !== undefined && there !== value) this.#found("inconsistent-offsets", `${offset}: ${there} and ${value}`);
    const known = this.#offsets.get(value);
    if (known !== undefined && known !== offset) this.#found("duplicate", `${value} at ${known} and at ${offset}`);
    this.#values.set(offset, value);
    this.#offsets.set(value, offset);
  }

  send(process: string, values: readonly string[], first: number | undefined): void {
    if (first === undefined) return;
    const last = this.#lastSent.get(process) ?? -1;
    if (first <= last) this.#found("nonmonotonic-send", `${process} has ${first} after ${last}`);
    this.#lastSent.set(process, first + values.length - 1);
    values.forEach((value, i) => {
      this.#place(first + i, value);
      if (first + i >= this.#start && !this.#polled.has(first + i)) this.#unpolled.set(value, first + i);
    });
  }

  poll(process: string, from: number, records: readonly (readonly [number, string])[]): void {
    const next = this.#next.get(process);
    if (next !== undefined && from < next) this.#found("nonmonotonic-poll", `${process} is at ${from} after ${next}`);
    if (next !== undefined) this.#skipped("poll-skip", process, next, records[0]?.[0] ?? from);
    let before = from - 1;
    for (const [offset, value] of records) {
      if (offset <= before) this.#found("int-nonmonotonic-poll", `${process} reads ${offset} after ${before}`);
      this.#skipped("int-poll-skip", process, before + 1, offset);
      before = offset;
      this.#place(offset, value);
      this.#polled.add(offset);
      this.#unpolled.delete(value);
    }
    this.#next.set(process, before + 1);
  }

  /** Reports the first known record in [from, to), which the process skipped. */
  #skipped(type: "poll-skip" | "int-poll-skip", process: string, from: number, to: number): void {
    for (let offset = Math.max(from, this.#start); offset < to; offset++) {
      const value = this.#values.get(offset);
      if (value === undefined) continue;
      this.#found(type, `${process} passes ${value} at ${offset}`);
      return;
    }
  }

  seek(process: string): void {
    this.#next.delete(process);
  }

  cut(at: number): void {
    for (const [offset, value] of this.#values) {
      if (offset < at) continue;
      this.#values.delete(offset);
      this.#offsets.delete(value);
      this.#unpolled.delete(value);
      this.#polled.delete(offset);
    }
    for (const [process, offset] of this.#next) if (offset > at) this.#next.delete(process);
    for (const [process, offset] of this.#lastSent) if (offset >= at) this.#lastSent.delete(process);
  }

  trim(to: number): void {
    this.#start = Math.max(this.#start, to);
    for (const [value, offset] of this.#unpolled) if (offset < to) this.#unpolled.delete(value);
  }

  /** Reports acknowledged values that were never polled. */
  readThrough(): void {
    const highest = Math.max(-1, ...this.#polled);
    for (const [value, offset] of this.#unpolled) {
      if (offset < highest) this.#found("lost-write", `${value} at ${offset}, below ${highest}`);
      else this.#found("unseen", `${value} at ${offset}`);
    }
  }
}

/** Finds the anomalies in a history, in which each value is sent once. */
export function anomaliesOf(history: readonly Operation[]): Anomaly[] {
  const logs = new Map<string, LogHistory>();
  for (const operation of history) {
    const log = logs.get(operation.log) ?? new LogHistory(operation.log);
    logs.set(operation.log, log);
    switch (operation.type) {
      case "send":
        log.send(operation.process, operation.values, operation.offset);
        break;
      case "poll":
        log.poll(operation.process, operation.from, operation.records);
        break;
      case "seek":
        log.seek(operation.process);
        break;
      case "cut":
        log.cut(operation.at);
        break;
      case "trim":
        log.trim(operation.to);
        break;
      case "read through":
        log.readThrough();
    }
  }
  return [...logs.values()].flatMap(({ anomalies }) => anomalies);
}
