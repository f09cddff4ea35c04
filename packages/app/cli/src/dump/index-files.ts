import type { DiskFile, Env, Int64, Offset } from "@samsa/base";
import { OffsetIndex, TimeIndex, TxnIndex } from "@samsa/log";
import { batchesOf, type Step } from "./batches.ts";
import { type Entry, problem, reasonOf } from "./entry.ts";
import { abortsFor } from "./log-file.ts";

/** Bytes of an index, the base offset of its segment, and the log to check against; undefined for no check. */
export interface IndexSource {
  readonly bytes: Uint8Array;
  readonly base: Offset;
  readonly env: Env;
  readonly log: DiskFile | undefined;
}

/** Index without its trailing zeros: a running broker preallocates index files. */
function filled(bytes: Uint8Array, entrySize: number): Uint8Array {
  let end = bytes.length - (bytes.length % entrySize);
  while (end > 0 && bytes.subarray(end - entrySize, end).every(byte => byte === 0)) end -= entrySize;
  return bytes.subarray(0, end);
}

function* leftOver(bytes: Uint8Array, entrySize: number): Generator<Entry> {
  const over = bytes.length % entrySize;
  if (over > 0) {
    yield problem(`${over} bytes at the end that are no whole entry of ${entrySize}`, {
      position: bytes.length - over,
    });
  }
}

/** Result of `read`, or the reason of its error: numbers in a damaged file may be out of range. */
function readable<T extends object>(read: () => T): T | { readonly reason: string } {
  try {
    return read();
  } catch (error) {
    return { reason: reasonOf(error) };
  }
}

interface Found {
  readonly position: number;
  readonly lastOffset: Offset;
  readonly maxTimestamp: Int64;
}

/** Single pass over a log. Entries and batches both ascend, so one pass serves all entries of an index. */
class Walk {
  readonly #steps: Generator<Step>;
  #found: Found | undefined;

  constructor(log: DiskFile, env: Env) {
    this.#steps = batchesOf(log, log.size(), env.crypto.crc32c);
  }

  /** Finds the first batch for which `there` holds, from the last found batch on. */
  until(there: (batch: Found) => boolean): Found | undefined {
    while (this.#found === undefined || !there(this.#found)) {
      const next = this.#steps.next();
      if (next.done === true) return undefined;
      if (next.value.kind === "gap") continue;
      const { position, batch } = next.value;
      this.#found = { position, lastOffset: batch.lastOffset, maxTimestamp: batch.maxTimestamp };
    }
    return this.#found;
  }
}

/** Yields the entries of an offset index (`.index`). */
export function* offsetIndexEntries({ bytes, base, log, env }: IndexSource): Generator<Entry> {
  const index = new OffsetIndex(base, filled(bytes, 8));
  const walk = log === undefined ? undefined : new Walk(log, env);
  let before = -1;
  for (let i = 0; i < index.count; i++) {
    const [offset, position] = [index.offsetAt(i), index.positionAt(i)];
    yield { kind: "index", facts: { offset, position } };
    if (walk === undefined) continue;
    const at = { position: i * 8 };
    if (offset <= before) yield problem(`offset ${offset} after ${before}`, at);
    before = offset;
    const found = walk.until(batch => batch.position >= position);
    if (found?.position !== position) yield problem(`the log has no batch at ${position}`, at);
    else if (found.lastOffset !== offset) {
      yield problem(`the batch at ${position} ends with offset ${found.lastOffset}, not ${offset}`, at);
    }
  }
  yield* leftOver(bytes, 8);
}

/** Yields the entries of a time index (`.timeindex`). */
export function* timeIndexEntries({ bytes, base, log, env }: IndexSource): Generator<Entry> {
  const index = new TimeIndex(base, filled(bytes, 12));
  const walk = log === undefined ? undefined : new Walk(log, env);
  let before: Int64 = -1;
  for (let i = 0; i < index.count; i++) {
    const at = { position: i * 12 };
    const entry = readable(() => ({ timestamp: index.timestampAt(i), offset: index.offsetAt(i) }));
    if ("reason" in entry) {
      yield problem(entry.reason, at);
      continue;
    }
    yield { kind: "timeIndex", facts: entry };
    if (walk === undefined) continue;
    const { timestamp, offset } = entry;
    if (timestamp <= before) yield problem(`time ${timestamp} after ${before}`, at);
    before = timestamp;
    const found = walk.until(batch => batch.lastOffset >= offset);
    if (found?.lastOffset !== offset) yield problem(`the log has no batch that ends with offset ${offset}`, at);
    else if (found.maxTimestamp !== timestamp) {
      yield problem(`the batch of offset ${offset} has time ${found.maxTimestamp}, not ${timestamp}`, at);
    }
  }
  yield* leftOver(bytes, 12);
}

/** Yields the entries of a transaction index (`.txnindex`). */
export function* txnIndexEntries({ bytes, log, env }: IndexSource): Generator<Entry> {
  const index = new TxnIndex(filled(bytes, 34));
  const steps = log === undefined ? undefined : batchesOf(log, log.size(), env.crypto.crc32c);
  for (let i = 0; i < index.count; i++) {
    const txn = readable(() => index.at(i));
    if ("reason" in txn) {
      yield problem(txn.reason, { position: i * 34 });
      continue;
    }
    yield { kind: "abortedTransaction", facts: { ...txn } };
    if (steps === undefined) continue;
    let aborted = false;
    try {
      for (let step = steps.next(); step.done !== true; step = steps.next()) {
        if (step.value.kind !== "batch" || step.value.batch.lastOffset < txn.lastOffset) continue;
        const { batch } = step.value;
        aborted = batch.baseOffset === txn.lastOffset && abortsFor(batch, txn.producerId, env);
        break;
      }
    } catch (error) {
      yield problem(reasonOf(error), { position: i * 34 });
    }
    if (!aborted) {
      const marker = `no marker at offset ${txn.lastOffset} that aborts a transaction of producer ${txn.producerId}`;
      yield problem(`the log has ${marker}`, { position: i * 34 });
    }
  }
  yield* leftOver(bytes, 34);
}
