import { lastEntry, type Offset } from "@samsa/base";
import type { MetadataBatch, Snapshot, SnapshotId } from "@samsa/quorum";
import type { Provenance } from "@samsa/metadata";
import type { MetadataRecord } from "@samsa/protocol";
import type { RaftListener } from "./raft-listener.ts";
import type { RaftStorage } from "./raft-storage.ts";

/** Batch of the log as the listener gets it. */
export type FedBatch = Omit<MetadataBatch, "control">;

/** Most bytes of batches that are kept decoded until they are committed. */
const MOST_KEPT_BYTES = 32 * 1024 * 1024;
/** Most bytes that are read and replayed at once, so that other work gets its turn. */
const SLICE_BYTES = 4 * 1024 * 1024;
/** Records of a snapshot that are replayed at once. */
const SLICE_RECORDS = 1000;

/** Snapshot that is given to the listener in slices. */
interface Loading {
  readonly records: readonly MetadataRecord[];
  readonly last: Provenance;
  at: number;
}

/** Gives committed batches to the listener, in order (`KafkaRaftClient.ListenerContext`). */
export class RecordFeed {
  readonly #listener: RaftListener;
  readonly #storage: RaftStorage;
  /** Batches that were decoded before they were committed, in the order of the log. */
  #kept: FedBatch[] = [];
  /** Index in `#kept` of the first batch that was not replayed. */
  #first = 0;
  #keptBytes = 0;
  #next: Offset = 0;
  #loading: Loading | undefined;
  #bytesSinceSnapshot = 0;

  constructor(listener: RaftListener, storage: RaftStorage) {
    this.#listener = listener;
    this.#storage = storage;
  }

  /** Offset of the record that the listener gets next. */
  get next(): Offset {
    return this.#next;
  }

  /** Bytes of the log that a start would replay after the newest snapshot. */
  get bytesSinceSnapshot(): number {
    return this.#bytesSinceSnapshot;
  }

  /** Counts the bytes that a snapshot has made superfluous. */
  snapshotted(bytes: number): void {
    // A snapshot of the leader may have come meanwhile.
    this.#bytesSinceSnapshot = Math.max(0, this.#bytesSinceSnapshot - bytes);
  }

  /** Begins to give a snapshot to the listener, which forgets all before; `loadSlice` does the work. */
  load(id: SnapshotId, { records, lastContainedLogTimestamp: timestamp }: Snapshot): void {
    this.#drop();
    this.#next = id.offset;
    this.#bytesSinceSnapshot = 0;
    // The bootstrap snapshot precedes offset 0, and the leader appends its records to the log again.
    this.#loading = { records, last: { offset: id.offset - 1, epoch: id.epoch, timestamp }, at: 0 };
  }

  /** True while the listener does not have all of a snapshot. */
  get isLoading(): boolean {
    return this.#loading !== undefined;
  }

  /** Gives a slice of the snapshot to the listener; false if some of it is left for the next turn. */
  loadSlice(): boolean {
    const loading = this.#loading;
    if (loading === undefined) return true;
    const { records, last, at } = loading;
    loading.at += SLICE_RECORDS;
    const slice = records.slice(at, loading.at);
    if (at === 0) this.#listener.loadSnapshot(slice, last);
    else this.#listener.replay(slice, last);
    if (loading.at < records.length) return false;
    this.#loading = undefined;
    return true;
  }

  /** Keeps a decoded batch of the end of the log, so that it need not be read again once it is committed. */
  keep(batch: FedBatch): void {
    if (this.#keptBytes + batch.size > MOST_KEPT_BYTES) return;
    this.#kept.push(batch);
    this.#keptBytes += batch.size;
  }

  /** Drops kept batches from `offset` on. */
  truncate(offset: Offset): void {
    while (this.#kept.length > this.#first) {
      const last = lastEntry(this.#kept);
      if (last.lastOffset < offset) return;
      this.#kept.pop();
      this.#keptBytes -= last.size;
    }
  }

  #drop(): void {
    this.#kept = [];
    this.#first = 0;
    this.#keptBytes = 0;
  }

  /** Replays batches below `highWatermark`; false if some are left for the next turn. */
  replayTo(highWatermark: Offset): boolean {
    let replayed = 0;
    while (this.#next < highWatermark) {
      if (replayed >= SLICE_BYTES) return false;
      const batch = this.#kept[this.#first];
      const isKept = batch !== undefined && batch.baseOffset <= this.#next;
      const until = isKept ? batch.lastOffset + 1 : Math.min(highWatermark, batch?.baseOffset ?? highWatermark);
      if (until > highWatermark) return true;
      const size = isKept ? this.#replayKept(batch) : this.#readTo(until);
      // A batch that ends above the high watermark is not committed.
      if (size < SLICE_BYTES && this.#next < until) return true;
      replayed += size;
    }
    return true;
  }

  #replayKept(batch: FedBatch): number {
    if (++this.#first === this.#kept.length) this.#drop();
    else this.#keptBytes -= batch.size;
    this.#replay(batch);
    return batch.size;
  }

  /** Reads and replays batches up to `until`, or a slice of them. Returns their bytes. */
  #readTo(until: Offset): number {
    let read = 0;
    for (const batch of this.#storage.batches(this.#next, until)) {
      if (batch.lastOffset >= until) break;
      this.#replay(batch);
      read += batch.size;
      if (read >= SLICE_BYTES) break;
    }
    return read;
  }

  #replay({ records, lastOffset, epoch, timestamp, size }: FedBatch): void {
    this.#next = lastOffset + 1;
    this.#bytesSinceSnapshot += size;
    if (records.length > 0) this.#listener.replay(records, { offset: lastOffset, epoch, timestamp });
  }
}
