import { fromUtf8, ignored, utf8 } from "@samsa/base";
import { type Cleanable, OffsetMap } from "@samsa/log";
import { BatchCursor, buildBatch, type Codec, defaultCompression, endTxnBatch, RecordCursor } from "@samsa/records";
import fc from "fast-check";
import { expect } from "vitest";
import { compact } from "../src/compact.ts";
import { Fixture, NOW } from "./fixture.ts";

interface Written {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
  /** -1 if the record is not transactional. */
  readonly producer: number;
  /** Undefined until the transaction ends. */
  state: "committed" | "aborted" | undefined;
}

/** A step of a random history. */
export type Op =
  | { readonly kind: "data"; readonly producer: number; readonly codec: Codec; readonly rows: readonly Row[] }
  | { readonly kind: "end"; readonly producer: number; readonly commit: boolean }
  | { readonly kind: "roll" | "compact" | "restart" }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "crash"; readonly unsynced: Unsynced; readonly compacting: number };
type Unsynced = "random" | "lost" | "kept";

interface Row {
  readonly key: string;
  readonly value: string | null;
}

export const RETENTION_MS = 10_000;

/** A log that is compacted now and then, and the model of all that was written to it. */
export class Compacted {
  readonly fixture: Fixture;
  readonly written: Written[] = [];
  readonly open = new Map<number, number>();
  readonly sequences = new Map<number, number>();
  readonly mapBytes: number;
  /** Offsets below this may have been compacted, in part, when the machine died. */
  begunTo = 0;

  constructor(seed: number, mapBytes: number) {
    this.mapBytes = mapBytes;
    this.fixture = new Fixture(seed, { segmentBytes: 700 });
    this.configure();
  }

  /** Sets the topic's settings, which are lost on restart. */
  configure(): void {
    const { log } = this;
    log.config = { ...log.config, cleanupPolicy: new Set(["compact"]), deleteRetentionMs: RETENTION_MS };
  }

  get log() {
    return this.fixture.log;
  }

  data(producer: number, codec: Codec, rows: readonly Row[]): void {
    const timestamp = NOW + this.written.length;
    const sequence = this.sequences.get(producer) ?? 0;
    const transactional = producer >= 2;
    const options = {
      compression: defaultCompression(codec),
      ...(producer < 0
        ? {}
        : { producerId: BigInt(producer), producerEpoch: 0, baseSequence: sequence, transactional }),
    };
    const records = rows.map(({ key, value }, i) => ({
      timestamp: timestamp + i,
      key: utf8(key),
      value: value === null ? null : utf8(value),
    }));
    const bytes = buildBatch(records, options, this.fixture.tools);
    const added = this.log.append(bytes, { origin: "client", now: timestamp, leaderEpoch: 0 });
    expect([added.error, added.firstOffset]).toEqual([0, this.written.length]);
    if (producer >= 0) this.sequences.set(producer, sequence + rows.length);
    if (transactional && !this.open.has(producer)) this.open.set(producer, added.firstOffset);
    for (const [i, { key, value }] of rows.entries()) {
      const state = transactional ? undefined : "committed";
      this.written.push({ key, value, timestamp: timestamp + i, producer: transactional ? producer : -1, state });
    }
  }

  end(producer: number, commit: boolean): void {
    const first = this.open.get(producer);
    if (first === undefined) return;
    const timestamp = NOW + this.written.length;
    const marker = { producerId: BigInt(producer), producerEpoch: 0, timestamp, coordinatorEpoch: 0, commit };
    const bytes = endTxnBatch(marker, this.fixture.tools);
    expect(this.log.append(bytes, { origin: "coordinator", now: timestamp, leaderEpoch: 0 }).error).toBe(0);
    for (const record of this.written.slice(first)) {
      if (record.producer === producer) record.state ??= commit ? "committed" : "aborted";
    }
    this.open.delete(producer);
    this.written.push({ key: null, value: null, timestamp, producer: -1, state: "committed" });
  }

  async settle(): Promise<void> {
    await this.fixture.flush();
    this.log.highWatermark = this.log.endOffset;
  }

  /** Starts a compaction; undefined if nothing can be compacted. */
  compaction(): { range: Cleanable; now: number; done: Promise<number | undefined> } | undefined {
    const { env } = this.fixture.node;
    const { log } = this;
    const now = env.clock.now();
    const range = log.cleanable(now);
    if (range.dirtyBytes === 0) return undefined;
    this.begunTo = Math.max(this.begunTo, range.firstUncleanable);
    const done = compact(log, range, {
      map: new OffsetMap(this.mapBytes, 0.9, env.crypto.digest),
      bufferBytes: 200,
      pause: () => new Promise(resolve => env.timers.after(1, resolve)),
      stopped: () => false,
    });
    return { range, now, done };
  }

  async compact(): Promise<{ now: number; firstUncleanable: number } | undefined> {
    await this.settle();
    const begun = this.compaction();
    if (begun === undefined) return undefined;
    const { now, range, done } = begun;
    const cleanedTo = await this.fixture.settle(done);
    expect(cleanedTo).toBeGreaterThan(range.firstDirty);
    this.log.cleanedTo = cleanedTo ?? 0;
    this.check();
    return { now, firstUncleanable: range.firstUncleanable };
  }

  /** Records in the log, and for each if a read_committed consumer sees it. */
  readable(): Map<number, { key: string; value: string | null; timestamp: number; visible: boolean }> {
    const { log } = this;
    const found = new Map<number, { key: string; value: string | null; timestamp: number; visible: boolean }>();
    const aborted = log
      .abortedTransactions(log.startOffset, log.endOffset)
      .sort((a, b) => a.firstOffset - b.firstOffset);
    const under = new Set<bigint>();
    const record = new RecordCursor();
    for (let offset = log.startOffset; offset < log.endOffset; ) {
      const read = log.read({ offset, maxBytes: 300, minOneMessage: true, limitOffset: log.endOffset });
      expect(read.error).toBe(0);
      if (read.chunks.length === 0) break;
      for (const chunk of read.chunks) {
        const batch = new BatchCursor(chunk);
        while (batch.next()) {
          expect(batch.intact(this.fixture.tools.crc32c)).toBe(true);
          while (aborted.length > 0 && aborted[0].firstOffset <= batch.lastOffset)
            under.add(aborted.shift()!.producerId);
          if (batch.isControl) {
            under.delete(batch.producerId);
            continue;
          }
          const visible = !(batch.isTransactional && under.has(batch.producerId));
          record.open(batch, this.fixture.tools.codecs);
          while (record.next()) {
            const value = record.value();
            found.set(record.offset, {
              key: fromUtf8(record.key() as Uint8Array),
              value: value === null ? null : fromUtf8(value),
              timestamp: Number(record.timestamp),
              visible,
            });
          }
        }
      }
      offset = read.nextOffset;
      read.release?.();
    }
    return found;
  }

  check(): void {
    const { log, written } = this;
    expect(log.endOffset).toBe(written.length);
    const found = this.readable();
    const last = new Map<string, number>();
    const seen = new Map<string, number>();
    for (const [offset, { key, value, timestamp, visible }] of found) {
      const was = written[offset];
      expect([key, value, timestamp]).toEqual([was.key, was.value, was.timestamp]);
      if (was.state !== undefined) expect(visible, `offset ${offset}`).toBe(was.state === "committed");
      if (!visible || was.state === undefined) continue;
      last.set(key, offset);
      // The compacted part has each key once.
      if (offset >= log.cleanedTo) continue;
      expect(seen.has(key), `offset ${offset} of ${key}`).toBe(false);
      seen.set(key, offset);
    }
    const wanted = new Map<string, number>();
    for (const [offset, { key, state }] of written.entries()) {
      if (key === null) continue;
      if (state === "committed") wanted.set(key, offset);
      if (offset >= this.begunTo) expect(found.has(offset), `offset ${offset}`).toBe(true);
      // Compaction removes records of aborted transactions.
      if (offset < log.cleanedTo && state === "aborted") expect(found.has(offset), `offset ${offset}`).toBe(false);
    }
    for (const [key, offset] of wanted) {
      // A tombstone may be gone, together with the record that it deleted.
      if (written[offset].value === null && !last.has(key)) continue;
      expect(last.get(key), `last of ${key}`).toBe(offset);
    }
  }

  producers(): unknown {
    return [...this.log.producers.values()]
      .map(({ producerId, epoch, batches, txnFirstOffset }) => [
        producerId,
        epoch,
        batches.at(-1)?.lastSequence,
        batches.at(-1)?.lastOffset,
        txnFirstOffset,
      ])
      .sort(([a], [b]) => Number(a) - Number(b));
  }

  async restart(how: () => Promise<void> | void): Promise<void> {
    await this.settle();
    const before = this.producers();
    const { cleanedTo } = this.log;
    await this.fixture.settle(this.fixture.dir.checkpoint());
    await how();
    this.configure();
    this.log.highWatermark = this.log.endOffset;
    expect(this.log.cleanedTo).toBe(cleanedTo);
    this.check();
    expect(this.producers()).toEqual(before);
  }

  async run(op: Op): Promise<void> {
    switch (op.kind) {
      case "data":
        return this.data(op.producer, op.codec, op.rows);
      case "end":
        return this.end(op.producer, op.commit);
      case "roll":
        return this.log.roll();
      case "compact":
        await this.compact();
        return;
      case "wait":
        await this.fixture.world.runFor(op.ms);
        return;
      case "restart":
        return this.restart(() => this.fixture.restart());
      case "crash":
        return this.restart(async () => {
          if (op.compacting > 0) this.compaction()?.done.catch(ignored("the crash interrupts the compaction"));
          await this.fixture.world.runFor(op.compacting);
          this.fixture.crash(op.unsynced);
        });
    }
  }
}

const row = fc.record({
  key: fc.constantFrom("a", "b", "c", "d", "e"),
  value: fc.option(fc.string({ maxLength: 20 }), { freq: 4 }),
});
export const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("data" as const),
      producer: fc.integer({ min: -1, max: 3 }),
      codec: fc.constantFrom<Codec>(0, 0, 1, 4),
      rows: fc.array(row, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("end" as const), producer: fc.constantFrom(2, 3), commit: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: "roll" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "compact" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(1000, RETENTION_MS) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("crash" as const),
      unsynced: fc.constantFrom("random" as const, "lost" as const, "kept" as const),
      compacting: fc.nat(60),
    }),
  },
);
