import { fromUtf8, type LeaderEpoch, type Uuid } from "@samsa/base";
import { BatchCursor, RecordCursor } from "@samsa/records";
import { CALLS } from "../stage/calls.ts";
import type { Client } from "../stage/client.ts";
import { committedBatches } from "./committed-reader.ts";
import type { Prng } from "../world/prng.ts";
import { Violation } from "../ledgers/rules.ts";
import { type Actor, MOVING, OUT_OF_RANGE, type Stage } from "../stage/stage.ts";

/** Parts of a `Stage` that writers and readers of tables need. */
export type TableStage = Pick<Stage, "clocks" | "note">;

/** Keys of every table. */
export const KEYS = ["a", "b", "c", "d", "e", "f"] as const;

/** Options of `Table`. */
export interface TableOptions {
  readonly name: string;
  /** Written in transactions and read with read_committed. */
  readonly transactional: boolean;
  /** `cleanup.policy` includes delete, and the keeper deletes records from the beginning. */
  readonly trimmed: boolean;
  /** `delete.retention.ms` */
  readonly retentionMs: number;
  /** Replication factor; with 3, `min.insync.replicas` is 2. */
  readonly replicas: number;
}

/** Key and value of one record. Values are increasing numbers; 0 is a tombstone. */
export interface Row {
  readonly key: string;
  readonly value: number;
}

/** Time that no replica is away. */
const LONG_RETENTION_MS = 60_000;

/** Values written under a key. */
interface Cell {
  /** Acknowledged values in order; begins with 0. */
  readonly sure: number[];
  /** Offset of the last acknowledged value. */
  at: number;
  /** Values without an answer: each may be appended last, even much later. */
  doubtful: number[];
}

/** Compacted topic as its writer and readers know it: the last value of each key must be kept. */
export class Table {
  readonly name: string;
  readonly transactional: boolean;
  readonly trimmed: boolean;
  readonly retentionMs: number;
  readonly replicas: number;
  id: Uuid | undefined;
  /** Records before this offset may have been deleted. */
  trimmedTo = 0;
  /** Offset after the last acknowledged record. */
  end = 0;
  /** Number of records that compaction had removed when the table was read. */
  compacted = 0;
  readonly #cells = new Map<string, Cell>(KEYS.map(key => [key, { sure: [0], at: -1, doubtful: [] }]));

  constructor({ name, transactional, trimmed, retentionMs, replicas }: TableOptions) {
    this.replicas = replicas;
    this.name = name;
    this.transactional = transactional;
    this.trimmed = trimmed;
    this.retentionMs = retentionMs;
  }

  #cell(key: string): Cell {
    const cell = this.#cells.get(key);
    if (cell === undefined) throw new Violation("a record was made up", `${this.name}: nobody wrote ${key}`);
    return cell;
  }

  attempted(rows: readonly Row[]): void {
    for (const { key, value } of rows) this.#cell(key).doubtful.push(value);
  }

  /** Records acknowledged rows. `alone`: no earlier row without an answer can be appended any more. */
  wrote(rows: readonly Row[], firstOffset: number, alone: boolean): void {
    rows.forEach(({ key, value }, i) => {
      const cell = this.#cell(key);
      if (alone) cell.doubtful = [];
      else this.#doubtless(cell, value);
      cell.sure.push(value);
      cell.at = firstOffset + i;
    });
    this.end = Math.max(this.end, firstOffset + rows.length);
  }

  /** Drops rows that were aborted. */
  dropped(rows: readonly Row[]): void {
    for (const { key, value } of rows) this.#doubtless(this.#cell(key), value);
  }

  #doubtless(cell: Cell, value: number): void {
    const at = cell.doubtful.indexOf(value);
    if (at >= 0) cell.doubtful.splice(at, 1);
  }

  /** Index of each key's last acknowledged value. */
  mark(): ReadonlyMap<string, number> {
    return new Map([...this.#cells].map(([key, { sure }]) => [key, sure.length - 1]));
  }

  /**
   * True if a replica may keep what tombstones delete: after it was away for longer than they are kept, it gets the log of
   * its leader without them (as in Kafka).
   */
  get #mayKeepDeleted(): boolean {
    return this.replicas > 1 && this.retentionMs < LONG_RETENTION_MS;
  }

  /**
   * Checks the values that a reader has found when it reached the end of the log, which was taken after `mark`.
   * `missedTombstones`: the reader took so long that tombstones may have been removed before it passed them.
   */
  judge(found: ReadonlyMap<string, number>, mark: ReadonlyMap<string, number>, missedTombstones: boolean): void {
    for (const [key, { sure, at, doubtful }] of this.#cells) {
      const value = found.get(key) ?? 0;
      const possible = [...sure.slice(mark.get(key) ?? 0), ...doubtful];
      if (possible.includes(value) || (value === 0 && at < this.trimmedTo)) continue;
      if ((missedTombstones || this.#mayKeepDeleted) && possible.includes(0)) continue;
      const detail = `${this.name} says ${found.get(key) ?? "nothing"} of ${key}, not ${possible.join(" or ")}`;
      throw new Violation("compaction took a key's last record", detail);
    }
  }
}

interface Step {
  readonly next: number;
  readonly end: number;
}

/** Reads a table from its beginning, one fetch per step. */
export class TableReading {
  readonly #table: Table;
  readonly #client: Client;
  readonly #found = new Map<string, number>();
  #position: number | undefined;
  #count = 0;

  constructor(table: Table, client: Client) {
    this.#table = table;
    this.#client = client;
  }

  /** Fetches once; undefined without an answer, or when the reading must restart. */
  async step(partitionMaxBytes: number): Promise<Step | undefined> {
    const { name, transactional } = this.#table;
    this.#position ??= await this.#start();
    if (this.#position === undefined) return undefined;
    const fetchOffset = this.#position;
    const currentLeaderEpoch = this.#leaderEpoch;
    const topics = [
      { topic: name, partitions: [{ partition: 0, currentLeaderEpoch, fetchOffset, partitionMaxBytes }] },
    ];
    const isolationLevel = transactional ? 1 : 0;
    const answer = await this.#client.ask(CALLS.fetchByName, { maxWaitMs: 0, minBytes: 0, isolationLevel, topics });
    const part = answer?.responses[0]?.partitions[0];
    if (part === undefined || MOVING.has(part.errorCode)) return undefined;
    if (part.errorCode === OUT_OF_RANGE && fetchOffset < this.#table.trimmedTo) return undefined;
    if (part.errorCode !== 0) {
      throw new Violation("a good request was refused", `${part.errorCode} reading ${name} at ${fetchOffset}`);
    }
    const end = Number(transactional ? part.lastStableOffset : part.highWatermark);
    const next = this.#take(part, fetchOffset);
    if (next > fetchOffset || next >= end) {
      this.#position = next;
      return { next, end };
    }
    const base = await this.#firstBase(fetchOffset);
    if (base === undefined) return undefined;
    // Compaction removes aborted records and old tombstones: the first batch that is left may belong to an open transaction.
    if (!transactional || base < end) throw new Violation("offsets have a gap", `${name}: nothing at ${next}`);
    this.#position = end;
    return { next: end, end };
  }

  /** A follower, which may lack what the leader has, does not answer a request with an epoch of its own accord. */
  get #leaderEpoch(): LeaderEpoch {
    const { id } = this.#table;
    return id === undefined ? -1 : this.#client.leaderEpoch(id, 0);
  }

  /** Base offset of the first batch at `fetchOffset` or later, decided or not; Infinity if there is none. */
  async #firstBase(fetchOffset: number): Promise<number | undefined> {
    const currentLeaderEpoch = this.#leaderEpoch;
    const partitions = [{ partition: 0, currentLeaderEpoch, fetchOffset, partitionMaxBytes: 5000 }];
    const topics = [{ topic: this.#table.name, partitions }];
    const answer = await this.#client.ask(CALLS.fetchByName, { maxWaitMs: 0, minBytes: 0, isolationLevel: 0, topics });
    const part = answer?.responses[0]?.partitions[0];
    if (part === undefined || part.errorCode !== 0) return undefined;
    const batch = new BatchCursor(part.records?.[0] ?? new Uint8Array(0));
    return batch.next() ? batch.baseOffset : Infinity;
  }

  async #start(): Promise<number | undefined> {
    if (!this.#table.trimmed) return 0;
    const topics = [{ name: this.#table.name, partitions: [{ partitionIndex: 0, timestamp: -2 }] }];
    const answer = await this.#client.ask(CALLS.listOffsets, { replicaId: -1, isolationLevel: 0, topics });
    const found = answer?.topics[0]?.partitions[0];
    return found?.errorCode === 0 ? Number(found.offset) : undefined;
  }

  #take(answer: Parameters<typeof committedBatches>[0], from: number): number {
    const { name } = this.#table;
    const { env } = this.#client;
    const record = new RecordCursor();
    let next = from;
    for (const { batch, counts } of committedBatches(answer, env.crypto.crc32c)) {
      if (batch.lastOffset < next) throw new Violation("offsets have a gap", `${name}: ${batch.lastOffset} at ${next}`);
      if (counts) {
        record.open(batch, env.codecs);
        while (record.next()) {
          if (record.offset < from) continue;
          this.#count++;
          const value = record.value();
          this.#note(fromUtf8(record.key() as Uint8Array), value === null ? 0 : Number(fromUtf8(value)));
        }
      }
      next = batch.lastOffset + 1;
    }
    return next;
  }

  /** Checks that the values of a key only increase: a reader never sees an older value after a newer one. */
  #note(key: string, value: number): void {
    const before = this.#found.get(key) ?? 0;
    if (value !== 0 && value < before) {
      throw new Violation("an offset changed its content", `${this.#table.name}: ${key} is ${before}, then ${value}`);
    }
    this.#found.set(key, value);
  }

  /** Checks the table once the reader has reached the end. */
  finish(mark: ReadonlyMap<string, number>, missedTombstones: boolean): void {
    this.#table.judge(this.#found, mark, missedTombstones);
    this.#table.compacted += Math.max(0, (this.#position ?? 0) - this.#count);
  }
}

/** Reads a whole table and checks it; false when an answer is missing. */
export async function auditTable(stage: TableStage, table: Table, client: Client): Promise<boolean> {
  if (table.id === undefined) return true;
  const reading = new TableReading(table, client);
  const mark = table.mark();
  const wanted = table.end;
  for (;;) {
    const step = await reading.step(5000);
    if (step === undefined) return false;
    if (step.next < step.end) continue;
    // The last stable offset advances some time after the commit is acknowledged.
    if (step.end < wanted) return false;
    reading.finish(mark, false);
    stage.note(`read ${table.name} to ${step.end}`);
    return true;
  }
}

/** Reads tables in small fetches, with long pauses in between at times. */
export class TableReader implements Actor {
  readonly client: Client;
  readonly #stage: TableStage;
  readonly #rng: Prng;
  readonly #tables: readonly Table[];
  #reading:
    | { readonly table: Table; readonly reading: TableReading; readonly since: number; readonly clocks: number }
    | undefined;
  #still = 0;

  constructor(stage: TableStage, client: Client, rng: Prng, tables: readonly Table[]) {
    this.#stage = stage;
    this.client = client;
    this.#rng = rng;
    this.#tables = tables;
  }

  async step(): Promise<void> {
    if (this.#still-- > 0) return;
    const rng = this.#rng;
    this.#reading ??= this.#begin(rng.oneOf(this.#tables));
    const { table, reading, since, clocks } = this.#reading;
    if (table.id === undefined) return void (this.#reading = undefined);
    const mark = table.mark();
    const wanted = table.end;
    const step = await reading.step(rng.int(80, 400));
    if (step === undefined) {
      this.#reading = undefined;
      return;
    }
    this.#still = rng.chance(0.15) ? rng.int(5, 60) : 0;
    if (step.next < step.end || step.end < wanted) return;
    this.#reading = undefined;
    const ms = this.client.env.clock.monotonic() - since;
    reading.finish(mark, ms >= table.retentionMs || clocks !== this.#stage.clocks);
  }

  #begin(table: Table) {
    const since = this.client.env.clock.monotonic();
    return { table, reading: new TableReading(table, this.client), since, clocks: this.#stage.clocks };
  }
}
