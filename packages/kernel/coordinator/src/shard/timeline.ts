import { invariant, type Offset } from "@samsa/base";

/** A state of a shard: that of all records in its log, or that of the records below the high watermark. */
export type View = "latest" | "committed";

/** Holder of versioned values that derives other state from them. */
export interface Derived {
  /** Derives that state again: values were taken back. */
  reverted(): void;
}

/** An uncommitted change of a key. */
interface Change {
  readonly owner: Derived | undefined;
  /** Makes it part of the committed state. It is the oldest change of its key. */
  commit(): void;
  /** Restores the value before it. It is the latest change of its key. */
  undo(): void;
}

interface Batch {
  /** Offset of the record after the batch. */
  readonly endOffset: Offset;
  /** Number of changes up to its end, since the timeline began. */
  readonly changes: number;
}

/**
 * Uncommitted changes of a shard's state, in the order of its log (`SnapshotRegistry`, `SnapshottableCoordinator`). A
 * change costs as much until it is committed as the value that it replaces; committed state costs nothing.
 */
export class Timeline {
  #changes: Change[] = [];
  /** Number of changes that are committed. */
  #committed = 0;
  readonly #batches: Batch[] = [];
  #isRecording = false;
  /** Number of changes before the current batch; undefined outside of a batch. */
  #begun: number | undefined;
  #whenWritten: (() => void)[] = [];

  /** Number of changes that are not committed. */
  get size(): number {
    return this.#changes.length;
  }

  /** Ends the load: what was replayed so far is committed. */
  start(): void {
    this.#isRecording = true;
  }

  /** Begins a batch; its records are replayed before it is appended. */
  begin(): void {
    invariant(this.#begun === undefined, "batches are appended one after the other");
    this.#begun = this.#committed + this.#changes.length;
  }

  /** Ends the batch: the log has it, and ends at `endOffset`. */
  written(endOffset: Offset): void {
    this.#begun = undefined;
    this.#batches.push({ endOffset, changes: this.#committed + this.#changes.length });
    const tasks = this.#whenWritten;
    this.#whenWritten = [];
    for (const task of tasks) task();
  }

  /** Takes the batch back: the log does not have it (`revertLastWrittenOffset`). */
  revert(): void {
    invariant(this.#begun !== undefined, "a batch that is taken back has begun");
    const undone = this.#changes.splice(this.#begun - this.#committed);
    this.#begun = undefined;
    this.#whenWritten = [];
    const owners = new Set<Derived>();
    for (const change of undone.reverse()) {
      change.undo();
      if (change.owner !== undefined) owners.add(change.owner);
    }
    for (const owner of owners) owner.reverted();
  }

  /** Commits the batches up to the offset, the high watermark (`updateLastCommittedOffset`). */
  committed(offset: Offset): void {
    let count = 0;
    let until = this.#committed;
    for (const { endOffset, changes } of this.#batches) {
      if (endOffset > offset) break;
      until = changes;
      count++;
    }
    if (count === 0) return;
    this.#batches.splice(0, count);
    const settled = this.#changes.splice(0, until - this.#committed);
    this.#committed = until;
    for (const change of settled) change.commit();
  }

  /**
   * Runs `task` when the current batch is written, and never if it is taken back; at once outside of a batch. A task
   * does what cannot be taken back.
   */
  whenWritten(task: () => void): void {
    if (this.#begun === undefined) task();
    else this.#whenWritten.push(task);
  }

  /**
   * Returns what `make` makes. Its values have no earlier versions: nobody sees them until a change leads to them, such as
   * that of the table of groups.
   */
  make<T>(make: () => T): T {
    const isRecording = this.#isRecording;
    this.#isRecording = false;
    try {
      return make();
    } finally {
      this.#isRecording = isRecording;
    }
  }

  /** False while changes need not be added: during the load, and for values that are being made. */
  get isRecording(): boolean {
    return this.#isRecording;
  }

  add(change: Change): void {
    this.#changes.push(change);
  }
}

class MapChange<K, V> implements Change {
  readonly owner: Derived | undefined;
  readonly #values: Map<K, V>;
  /** Oldest change of each key that has uncommitted ones. */
  readonly #oldest: Map<K, MapChange<K, V>>;
  readonly #key: K;
  /** Value before the change; undefined: absent. */
  readonly before: V | undefined;
  #next: MapChange<K, V> | undefined;
  /** Latest change of the key; kept by the oldest. */
  #latest: MapChange<K, V> = this;

  constructor(values: Map<K, V>, oldest: Map<K, MapChange<K, V>>, key: K, owner: Derived | undefined) {
    this.#values = values;
    this.#oldest = oldest;
    this.#key = key;
    this.owner = owner;
    this.before = values.get(key);
    const first = oldest.get(key);
    if (first === undefined) oldest.set(key, this);
    else {
      first.#latest.#next = this;
      first.#latest = this;
    }
  }

  commit(): void {
    const next = this.#next;
    if (next === undefined) {
      this.#oldest.delete(this.#key);
      return;
    }
    next.#latest = this.#latest;
    this.#oldest.set(this.#key, next);
  }

  undo(): void {
    if (this.before === undefined) this.#values.delete(this.#key);
    else this.#values.set(this.#key, this.before);
    let last = this.#oldest.get(this.#key);
    if (last === this) {
      this.#oldest.delete(this.#key);
      return;
    }
    const first = last;
    while (last !== undefined && last.#next !== this) last = last.#next;
    invariant(first !== undefined && last !== undefined, "a change follows the earlier changes of its key");
    last.#next = undefined;
    first.#latest = last;
  }
}

/** Map whose committed state can be read while it changes (`TimelineHashMap`). A value is never undefined. */
export class TimelineMap<K, V> implements Iterable<[K, V]> {
  readonly #timeline: Timeline;
  readonly #owner: Derived | undefined;
  readonly #values = new Map<K, V>();
  /** Oldest uncommitted change of each key that has one. */
  #oldest: Map<K, MapChange<K, V>> | undefined;

  constructor(timeline: Timeline, owner?: Derived) {
    this.#timeline = timeline;
    this.#owner = owner;
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: K, view: View = "latest"): V | undefined {
    const change = view === "committed" ? this.#oldest?.get(key) : undefined;
    return change === undefined ? this.#values.get(key) : change.before;
  }

  has(key: K): boolean {
    return this.#values.has(key);
  }

  set(key: K, value: V): void {
    this.#note(key);
    this.#values.set(key, value);
  }

  /** Removes a key, if it is there. */
  delete(key: K): void {
    if (!this.#values.has(key)) return;
    this.#note(key);
    this.#values.delete(key);
  }

  #note(key: K): void {
    if (!this.#timeline.isRecording) return;
    this.#oldest ??= new Map();
    this.#timeline.add(new MapChange(this.#values, this.#oldest, key, this.#owner));
  }

  keys(): IterableIterator<K> {
    return this.#values.keys();
  }

  values(view: View = "latest"): IterableIterator<V> {
    return view === "committed" && this.#isAhead ? this.#committedValues() : this.#values.values();
  }

  entries(view: View = "latest"): IterableIterator<[K, V]> {
    return view === "committed" && this.#isAhead ? this.#committedEntries() : this.#values.entries();
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.#values.entries();
  }

  get #isAhead(): boolean {
    return this.#oldest !== undefined && this.#oldest.size > 0;
  }

  *#committedEntries(): IterableIterator<[K, V]> {
    for (const key of this.#values.keys()) {
      const value = this.get(key, "committed");
      if (value !== undefined) yield [key, value];
    }
    for (const [key, { before }] of this.#oldest ?? []) {
      if (before !== undefined && !this.#values.has(key)) yield [key, before];
    }
  }

  *#committedValues(): IterableIterator<V> {
    for (const [, value] of this.#committedEntries()) yield value;
  }
}

/** Value whose committed state can be read while it changes (`TimelineObject`). */
export class TimelineValue<V> {
  readonly #initial: V;
  readonly #values: TimelineMap<"", V>;

  /** The initial value counts as committed. */
  constructor(timeline: Timeline, initial: V, owner?: Derived) {
    this.#initial = initial;
    this.#values = new TimelineMap(timeline, owner);
  }

  get(view: View = "latest"): V {
    return this.#values.get("", view) ?? this.#initial;
  }

  set(value: V): void {
    this.#values.set("", value);
  }
}
