import { type BrokerId, guardEach, type Offset, type Report } from "@samsa/base";

/** Partition as its readers see it. */
export interface Watched {
  /** Offset below which a consumer may read: the last stable offset if `committedOnly`, else the high watermark. */
  limit(committedOnly: boolean): Offset;
}

/** Observes a partition for readable records. */
export interface Watcher {
  /** Called when `bytes` more of `partition` are below the high watermark. */
  advanced(bytes: number, partition: Watched): void;
  /** Called when the partition has been deleted or has failed, or its role has changed: look again at once. */
  changed(): void;
}

/** Observes a partition for a replica that fetches from it. */
export interface ReplicaWatcher {
  readonly replicaId: BrokerId;
  /** Called when `bytes` more are in the log. */
  appended(bytes: number): void;
  /** Called when the high watermark or the start of the log has moved. */
  moved(): void;
  /** Called when the role or the epoch has changed: look again at once. */
  changed(): void;
}

/** Readers of a partition, and the bytes that they have not been told of (`DelayedFetch`). */
export class Readers {
  readonly #report: Report;
  /** Undefined before the first one comes, like `#replicas`. */
  #watchers: Set<Watcher> | undefined;
  #replicas: Set<ReplicaWatcher> | undefined;
  /** Bytes appended and not yet below the high watermark. */
  #unseen = 0;
  /** Bytes appended in this turn. */
  #added = 0;

  constructor(report: Report) {
    this.#report = report;
  }

  watch(watcher: Watcher): void {
    this.#watchers ??= new Set();
    this.#watchers.add(watcher);
  }

  unwatch(watcher: Watcher): void {
    this.#watchers?.delete(watcher);
  }

  /** Adds a replica that fetches from the partition. */
  join(replica: ReplicaWatcher): void {
    this.#replicas ??= new Set();
    this.#replicas.add(replica);
  }

  leave(replica: ReplicaWatcher): void {
    this.#replicas?.delete(replica);
  }

  /** Counts bytes that were appended. */
  add(bytes: number): void {
    this.#unseen += bytes;
    this.#added += bytes;
  }

  /** Forgets the bytes beyond the high watermark: the log was truncated. */
  truncated(): void {
    this.#unseen = 0;
    this.#added = 0;
  }

  /** Tells the replicas of the bytes of this turn, which are written. */
  written(): void {
    const bytes = this.#added;
    this.#added = 0;
    if (bytes > 0 && this.#replicas !== undefined)
      guardEach(this.#replicas, reader => reader.appended(bytes), this.#report);
  }

  /** Tells all that the high watermark has risen by `risen` of the `beyond` records that were beyond it. */
  advanced(partition: Watched, risen: number, beyond: number): void {
    const bytes = risen >= beyond ? this.#unseen : Math.ceil((this.#unseen * risen) / beyond);
    this.#unseen -= bytes;
    if (this.#watchers !== undefined)
      guardEach(this.#watchers, watcher => watcher.advanced(bytes, partition), this.#report);
    this.moved();
  }

  moved(): void {
    if (this.#replicas !== undefined) guardEach(this.#replicas, reader => reader.moved(), this.#report);
  }

  changed(): void {
    if (this.#watchers !== undefined) guardEach([...this.#watchers], watcher => watcher.changed(), this.#report);
    if (this.#replicas !== undefined) guardEach([...this.#replicas], reader => reader.changed(), this.#report);
  }
}
