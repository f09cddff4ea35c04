import { type LeaderEpoch, type Offset, utf8 } from "@samsa/base";
import { nodeCodecs, nodeCrc32c } from "@samsa/node";
import { assignOffsets, BatchBuilder, BatchCursor, endTxnBatch, type Tools } from "@samsa/records";

export const tools: Tools = { crc32c: nodeCrc32c(), codecs: nodeCodecs() };

export interface ModelRecord {
  readonly offset: Offset;
  readonly value: number;
}

/** Batch of a model's log. */
export interface ModelBatch {
  readonly base: Offset;
  readonly last: Offset;
  readonly epoch: LeaderEpoch;
  /** Records that compaction has left. */
  records: ModelRecord[];
  /** Producer of a transaction; −1: none. */
  readonly producer: number;
  /** Marker that ends a transaction. */
  readonly marker: "commit" | "abort" | undefined;
  readonly codec: 0 | 1 | 2 | 3 | 4;
}

const CODECS = [0, 0, 1, 2, 3, 4] as const;

/** Log of a partition as a list of batches. All of it is below the high watermark. */
export class ModelLog {
  batches: ModelBatch[] = [];
  epochs: { readonly epoch: LeaderEpoch; start: Offset }[] = [{ epoch: 0, start: 0 }];
  start: Offset = 0;
  end: Offset = 0;
  leaderEpoch: LeaderEpoch = 0;
  /** Records that were ever in the log, as `offset=value`. */
  readonly history = new Set<string>();
  /** Ends to which unclean elections have cut the log. */
  readonly cuts: Offset[] = [];
  #values = 0;
  readonly #name: number;

  constructor(name: number) {
    this.#name = name;
  }

  append(count: number, producer = -1, codec = 0): void {
    if (count === 0) return;
    const records = Array.from({ length: count }, (_, i) => {
      return { offset: this.end + i, value: this.#name * 1_000_000 + this.#values++ };
    });
    for (const { offset, value } of records) this.history.add(`${offset}=${value}`);
    this.#add({ records, producer, marker: undefined, codec: CODECS[codec % CODECS.length], count });
  }

  /** Ends the oldest transaction that is open. */
  mark(marker: "commit" | "abort"): void {
    const [producer] = this.openProducers();
    if (producer !== undefined) this.#mark(producer, marker);
  }

  #mark(producer: number, marker: "commit" | "abort"): void {
    this.#add({ records: [], producer, marker, codec: 0, count: 1 });
  }

  #add({ count, ...batch }: Omit<ModelBatch, "base" | "last" | "epoch"> & { count: number }): void {
    this.batches.push({ ...batch, base: this.end, last: this.end + count - 1, epoch: this.leaderEpoch });
    this.end += count;
  }

  /** Begins an epoch, after the log was cut to `end` in an unclean election. */
  elect(end: Offset = this.end): void {
    this.leaderEpoch++;
    const before = this.end;
    const cut = this.batches.filter(({ base }) => base >= end);
    this.batches = this.batches.filter(({ base }) => base < end);
    const last = this.batches.at(-1);
    this.end = last === undefined ? this.start : Math.max(last.last + 1, this.start);
    if (this.end < before) this.cuts.push(this.end);
    this.epochs = this.epochs.filter(({ start }, i) => i === 0 || start < this.end);
    this.epochs.push({ epoch: this.leaderEpoch, start: this.end });
    // Transactions end as before; readers cannot know of another outcome.
    for (const { producer, marker } of cut) {
      if (marker !== undefined && this.openProducers().has(producer)) this.#mark(producer, marker);
    }
  }

  /** Leaves out some records that are not the last of the log. */
  compact(seed: number): void {
    const kept = this.batches.slice(0, -1);
    for (const batch of kept) batch.records = batch.records.filter(({ value }) => (value * 7 + seed) % 3 !== 0);
    this.batches = this.batches.filter((batch, i) => {
      return (
        i >= kept.length || batch.records.length > 0 || batch.marker !== undefined || (batch.base + seed) % 2 === 0
      );
    });
  }

  trim(start: Offset): void {
    this.start = Math.min(Math.max(start, this.start), this.end);
    this.batches = this.batches.filter(({ last }) => last >= this.start);
    const first = this.epochs.findLastIndex(epoch => epoch.start <= this.start);
    this.epochs = this.epochs.slice(Math.max(0, first));
    this.epochs[0].start = Math.max(this.epochs[0].start, this.start);
  }

  /** Largest epoch up to `epoch`, and where it ends. */
  endOf(epoch: LeaderEpoch): { epoch: LeaderEpoch; end: Offset } {
    if (epoch === this.leaderEpoch) return { epoch, end: this.end };
    if (epoch > this.leaderEpoch) return { epoch: -1, end: -1 };
    const next = this.epochs.findIndex(entry => entry.epoch > epoch);
    if (next < 0) return { epoch: -1, end: -1 };
    return { epoch: next === 0 ? epoch : this.epochs[next - 1].epoch, end: this.epochs[next].start };
  }

  openProducers(): Set<number> {
    const open = new Set<number>();
    for (const { producer, marker } of this.batches) {
      if (producer < 0) continue;
      if (marker === undefined) open.add(producer);
      else open.delete(producer);
    }
    return open;
  }

  /** First offset of an open transaction, or the end. */
  get lastStable(): Offset {
    const open = this.openProducers();
    let first = this.end;
    for (const producer of open) {
      const since = this.batches.findLastIndex(batch => batch.producer === producer && batch.marker !== undefined);
      const begin = this.batches.find((batch, i) => i > since && batch.producer === producer);
      first = Math.min(first, begin?.base ?? first);
    }
    return first;
  }

  /** Aborted transactions: producer, first offset and offset of the marker. */
  aborted(): { producer: number; first: Offset; last: Offset }[] {
    const begun = new Map<number, Offset>();
    const aborted: { producer: number; first: Offset; last: Offset }[] = [];
    for (const { producer, marker, base } of this.batches) {
      if (producer < 0) continue;
      if (marker === undefined) {
        if (!begun.has(producer)) begun.set(producer, base);
        continue;
      }
      const first = begun.get(producer);
      begun.delete(producer);
      if (marker === "abort" && first !== undefined) aborted.push({ producer, first, last: base });
    }
    return aborted;
  }

  /** Offsets of records of aborted transactions. */
  hidden(): Set<Offset> {
    const aborted = this.aborted();
    const batches = this.batches.filter(({ producer, base }) =>
      aborted.some(txn => txn.producer === producer && base >= txn.first && base <= txn.last),
    );
    return new Set(batches.flatMap(({ records }) => records.map(({ offset }) => offset)));
  }

  /** Records from `from` on that a consumer is to see. */
  visible(from: Offset, isCommitted: boolean): ModelRecord[] {
    const limit = isCommitted ? this.lastStable : this.end;
    const hidden = isCommitted ? this.hidden() : new Set<Offset>();
    return this.batches
      .flatMap(({ records }) => records)
      .filter(({ offset }) => offset >= Math.max(from, this.start) && offset < limit && !hidden.has(offset));
  }
}

const encoded = new WeakMap<readonly ModelRecord[], Uint8Array>();

/** Batch as a broker has it. */
export function encodeBatch(batch: ModelBatch): Uint8Array {
  const known = encoded.get(batch.records) ?? encode(batch);
  encoded.set(batch.records, known);
  return known;
}

function encode({ base, last, epoch, records, producer, marker, codec }: ModelBatch): Uint8Array {
  const who = { producerId: BigInt(producer), producerEpoch: producer < 0 ? -1 : 0 };
  if (marker !== undefined) {
    const bytes = endTxnBatch({ ...who, timestamp: 1, commit: marker === "commit", coordinatorEpoch: 0 }, tools);
    const batch = new BatchCursor(bytes);
    const place = { baseOffset: base, leaderEpoch: epoch, maxTimestamp: 1, timestampType: "CreateTime" } as const;
    if (batch.next()) assignOffsets(batch, place, tools.crc32c);
    return bytes;
  }
  const compression = { codec, level: codec === 4 ? 3 : -1 };
  const options = { baseOffset: base, leaderEpoch: epoch, compression, transactional: producer >= 0, ...who };
  const builder = new BatchBuilder(options, tools);
  for (const { offset, value } of records) {
    builder.append({ timestamp: 1, key: null, value: utf8(String(value)) }, offset - base);
  }
  return builder.build(last - base);
}
