import { Errors } from "@samsa/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { FetchedBatch, SharePartitionSettings } from "../src/index.ts";
import {
  ACCEPT,
  ACKNOWLEDGED,
  ACQUIRED,
  ARCHIVED,
  ARCHIVING,
  AVAILABLE,
  Bench,
  GAP,
  INVALID_REQUEST,
  INVALID_STATE,
  LOCK_MS,
  REJECT,
  RELEASE,
  RENEW,
  batch,
  settings,
} from "./share-bench.ts";

/** Record in flight in the model. */
interface Known {
  state: number;
  count: number;
  member: string;
  expiresAt: number;
  before: { state: number; member: string } | undefined;
}

/** Model: the rules of KIP-932 for single records, without batches. */
class Model {
  readonly records = new Map<number, Known>();
  start = 0;
  readonly writes: { token: number; offsets: number[]; archiving: number[] }[] = [];
  /** Offsets whose dead letters are on their way. */
  readonly letters = new Set<number>();
  readonly last: number;
  readonly deliveryCountLimit: number;

  constructor({ deadLetters, deliveryCountLimit }: SharePartitionSettings) {
    this.last = deadLetters ? ARCHIVING : ARCHIVED;
    this.deliveryCountLimit = deliveryCountLimit;
  }

  get(offset: number): Known {
    const known = this.records.get(offset);
    if (known === undefined) throw new Error(`${offset} is not in flight`);
    return known;
  }

  freed(offset: number, { count }: Known): number {
    if (offset < this.start) return ARCHIVED;
    return count >= this.deliveryCountLimit ? this.last : AVAILABLE;
  }

  /** Dead letters of those that are ARCHIVING begin. */
  bury(offsets: readonly number[]): void {
    for (const offset of offsets) {
      const known = this.records.get(offset);
      if (known?.state === ARCHIVING && known.before === undefined) this.letters.add(offset);
    }
  }

  change(offset: number, state: number): void {
    const known = this.get(offset);
    known.before = { state: known.state, member: known.member };
    known.state = state === AVAILABLE ? this.freed(offset, known) : state;
    known.member = "";
  }

  finish(now: number, offsets: readonly number[], failed: boolean): void {
    for (const offset of offsets) {
      const known = this.get(offset);
      const { before } = known;
      known.before = undefined;
      if (!failed) known.expiresAt = Infinity;
      else if (before !== undefined && known.expiresAt <= now) {
        known.state = this.freed(offset, known);
        known.expiresAt = Infinity;
      } else if (before !== undefined) Object.assign(known, before);
    }
    this.bury(offsets);
    this.move();
  }

  expire(now: number): void {
    for (const [offset, known] of this.records) {
      if (known.state !== ACQUIRED || known.expiresAt > now) continue;
      Object.assign(known, { state: this.freed(offset, known), member: "", expiresAt: Infinity });
    }
  }

  move(): void {
    for (const [offset, { state, before }] of this.records) {
      if (before !== undefined || (state !== ACKNOWLEDGED && state !== ARCHIVED)) break;
      this.records.delete(offset);
      const [next] = this.records.keys();
      this.start = Math.max(this.start, next ?? offset + 1);
    }
  }

  /** True if the member has acquired all these records; those before the start offset do not count. */
  owns(member: string, first: number, last: number): boolean {
    for (let offset = Math.max(first, this.start); offset <= last; offset++) {
      const known = this.records.get(offset);
      if (known?.state !== ACQUIRED || known.member !== member) return false;
    }
    return true;
  }

  /** Offset of the first available record. */
  get free(): number | undefined {
    for (const [offset, { state, before }] of this.records) {
      if (state === AVAILABLE && before === undefined) return offset;
    }
    return undefined;
  }
}

const MEMBERS = ["a", "b", "c"];
const LOG_END = 400;

/** Log of batches without gaps, in a repeating sequence of sizes. */
function logOf(sizes: readonly number[]): FetchedBatch[] {
  const log: FetchedBatch[] = [];
  for (let offset = 0, i = 0; offset < LOG_END; i++) {
    const size = sizes[i % sizes.length];
    log.push(batch(offset, offset + size - 1));
    offset += size;
  }
  return log;
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("fetch" as const),
      member: fc.constantFrom(...MEMBERS),
      recordLimit: fc.boolean(),
      maxRecords: fc.integer({ min: 1, max: 20 }),
      batchSize: fc.integer({ min: 1, max: 8 }),
      reads: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("say" as const),
      member: fc.constantFrom(...MEMBERS),
      skip: fc.nat(12),
      size: fc.integer({ min: 1, max: 8 }),
      types: fc.array(fc.constantFrom(GAP, ACCEPT, ACCEPT, RELEASE, RELEASE, REJECT, RENEW), {
        minLength: 8,
        maxLength: 8,
      }),
      one: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("release" as const), member: fc.constantFrom(...MEMBERS) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: LOCK_MS }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("trim" as const), by: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("finish" as const), which: fc.nat(3), fails: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("bury" as const), which: fc.nat(3) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Runs the share partition and its model side by side. */
class Pair {
  readonly model: Model;
  readonly bench: Bench;

  constructor(sizes: readonly number[], deadLetters: boolean) {
    // Few deliveries are allowed, so that many records use them up.
    const own = deadLetters ? { ...settings, deadLetters, deliveryCountLimit: 2 } : settings;
    this.model = new Model(own);
    this.bench = new Bench(logOf(sizes));
    this.bench.settings = own;
    this.bench.hold = true;
    this.bench.holdLetters = true;
  }

  /** Records a write that has begun for `offsets`, and compares it with the model. */
  #began(offsets: number[]): void {
    const [write] = this.bench.persisted.splice(0);
    if (offsets.length === 0) return expect(write).toBeUndefined();
    const { model } = this;
    model.writes.push({ token: write.token, offsets, archiving: [] });
    const told = new Map<number, string>();
    for (const { firstOffset, lastOffset, deliveryState, deliveryCount } of write.batches) {
      for (let o = firstOffset; o <= lastOffset; o++) told.set(o, `${deliveryState}×${deliveryCount}`);
    }
    expect(told).toEqual(new Map(offsets.map(o => [o, `${model.get(o).state}×${model.get(o).count}`])));
    expect(write.startOffset).toBe(model.start);
  }

  run(next: Step): void {
    const { bench, model } = this;
    switch (next.type) {
      case "fetch":
        return this.#fetch(next);
      case "say":
        return this.#say(next);
      case "release": {
        const offsets = [...model.records].filter(([, { member }]) => member === next.member).map(([offset]) => offset);
        for (const offset of offsets) model.change(offset, offset < model.start ? ARCHIVED : AVAILABLE);
        bench.release(next.member);
        return this.#began(offsets);
      }
      case "pass":
        return this.#pass(bench.now + next.ms);
      case "trim":
        return this.#trim(model.start + next.by);
      case "finish": {
        const [write] = bench.held.splice(next.which % Math.max(1, bench.held.length), 1);
        if (write === undefined) return;
        const at = model.writes.findIndex(({ token }) => token === write.token);
        const [{ offsets, archiving }] = model.writes.splice(at, 1);
        model.finish(bench.now, offsets, next.fails);
        model.bury(archiving);
        bench.finish(write, next.fails ? Errors.COORDINATOR_NOT_AVAILABLE.code : 0);
        return;
      }
      case "bury":
        return this.#bury(next.which);
    }
  }

  #bury(which: number): void {
    const { bench, model } = this;
    const ended = bench.letters.splice(which % Math.max(1, bench.letters.length), 1 + (which % 3));
    if (ended.length === 0) return;
    const offsets: number[] = [];
    for (const { records } of ended) for (let o = records.firstOffset; o <= records.lastOffset; o++) offsets.push(o);
    for (const offset of offsets) {
      model.get(offset).state = ARCHIVED;
      model.letters.delete(offset);
    }
    bench.bury(...ended);
    this.#began(offsets);
    model.writes.at(-1)?.offsets.splice(0);
  }

  #trim(to: number): void {
    const { bench, model } = this;
    for (const [offset, known] of model.records) {
      if (offset >= to || known.state !== AVAILABLE) continue;
      known.state = ARCHIVED;
      // The record stays archived whatever the outcome of a pending change.
      if (known.before !== undefined) known.before = { state: ARCHIVED, member: "" };
    }
    model.start = to;
    bench.partition.logStartMoved(to);
    model.move();
  }

  #pass(until: number): void {
    const { bench, model } = this;
    for (let at = bench.partition.nextDeadline(); at <= until; at = bench.partition.nextDeadline()) {
      const due = [...model.records].filter(([, { state, expiresAt }]) => state === ACQUIRED && expiresAt <= at);
      model.expire(at);
      bench.pass(Math.max(0, at - bench.now));
      const offsets = due.map(([offset]) => offset);
      this.#began(offsets);
      // The outcome of this write may only move the start offset.
      const write = model.writes.at(-1);
      if (offsets.length === 0 || write === undefined) continue;
      write.archiving = offsets.filter(offset => model.get(offset).state === ARCHIVING);
      write.offsets.length = 0;
    }
    bench.now = until;
    for (const { state, expiresAt } of model.records.values()) {
      if (state === ACQUIRED) expect(expiresAt, "nobody holds a record for too long").toBeGreaterThan(until);
    }
  }

  #say(next: Extract<Step, { type: "say" }>): void {
    const { bench, model } = this;
    const held = [...model.records].filter(([, { member }]) => member === next.member).map(([offset]) => offset);
    const firstOffset = held[next.skip % Math.max(1, held.length)] ?? next.skip;
    const lastOffset = firstOffset + next.size - 1;
    const acknowledgeTypes = next.types.slice(0, next.one ? 1 : next.size);
    const owns = model.owns(next.member, firstOffset, lastOffset);
    const typeOf = (offset: number) => acknowledgeTypes[next.one ? 0 : offset - firstOffset];
    const renewed: number[] = [];
    const changed: number[] = [];
    for (let offset = Math.max(firstOffset, model.start); owns && offset <= lastOffset; offset++) {
      const type = typeOf(offset);
      if (type === RENEW) renewed.push(offset);
      else changed.push(offset);
    }
    for (const offset of changed) {
      const turnsInto = [ARCHIVED, ACKNOWLEDGED, AVAILABLE, model.last][typeOf(offset)];
      model.change(offset, turnsInto);
    }
    for (const offset of renewed) model.get(offset).expiresAt = bench.now + LOCK_MS;
    const error = bench.acknowledge(next.member, { firstOffset, lastOffset, acknowledgeTypes });
    if (!owns) {
      expect(error === INVALID_STATE || error === INVALID_REQUEST).toBe(true);
      return this.#began([]);
    }
    expect(error).toBe(changed.length === 0 ? 0 : undefined);
    this.#began(changed);
  }

  #fetch({ member, ...options }: Extract<Step, { type: "fetch" }>): void {
    const { bench, model } = this;
    const end = Math.max(model.start - 1, ...model.records.keys());
    const from = bench.partition.nextFetchOffset();
    expect(from).toBe(model.free ?? Math.max(end + 1, model.start));
    const wasFree = model.free !== undefined;
    const room = bench.partition.canAcquire();
    const reach = bench.partition.reach(options.maxRecords);
    const at = bench.log.findIndex(({ lastOffset }) => lastOffset >= from);
    const readTo = at === -1 ? undefined : bench.log.slice(at, at + options.reads).at(-1)?.lastOffset;
    const fresh = readTo === undefined ? 0 : bench.partition.fresh(readTo + 1);
    const { records, count } = bench.fetch(member, options);
    const lastOffset = records.at(-1)?.lastOffset ?? -1;
    const { baseOffset = -1 } = bench.log.find(found => found.lastOffset >= lastOffset) ?? {};
    expect(baseOffset, "more need not be read").toBeLessThan(reach);
    if (!wasFree)
      expect(count, "what is fresh is delivered").toBeGreaterThanOrEqual(Math.min(fresh, options.maxRecords));
    let sum = 0;
    for (const { firstOffset, lastOffset, deliveryCount } of records) {
      for (let offset = firstOffset; offset <= lastOffset; offset++, sum++) {
        const known = model.records.get(offset) ?? { state: AVAILABLE, count: 0, before: undefined };
        if (!model.records.has(offset)) expect(offset, "nothing is left out").toBeGreaterThan(end);
        expect(known.state === AVAILABLE && known.before === undefined, "only what is free is delivered").toBe(true);
        expect(deliveryCount).toBe(known.count + 1);
        const expiresAt = bench.now + LOCK_MS;
        model.records.set(offset, { state: ACQUIRED, count: deliveryCount, member, expiresAt, before: undefined });
      }
    }
    expect(count).toBe(sum);
    if (options.recordLimit) expect(count).toBeLessThanOrEqual(options.maxRecords);
    expect(count > 0, "whoever may have something gets something").toBe(from < LOG_END && (wasFree || room));
    // The rest of a batch that `recordLimit` has cut is in flight and available.
    for (const { firstOffset, deliveryState, deliveryCount } of bench.partition.inFlight) {
      if (model.records.has(firstOffset) || firstOffset <= end) continue;
      expect([options.recordLimit, deliveryState, deliveryCount]).toEqual([true, AVAILABLE, 0]);
      const free = { state: AVAILABLE, count: 0, member: "", expiresAt: Infinity, before: undefined };
      model.records.set(firstOffset, free);
    }
  }

  agree(): void {
    const { bench, model } = this;
    const shown = new Map<number, string>();
    for (const { firstOffset, lastOffset, deliveryState, deliveryCount } of bench.partition.inFlight) {
      for (let o = Math.max(firstOffset, model.start); o <= lastOffset; o++) {
        shown.set(o, `${deliveryState}×${deliveryCount}`);
      }
    }
    const wanted = [...model.records].filter(([offset]) => offset >= model.start);
    expect(bench.partition.startOffset).toBe(model.start);
    expect(shown).toEqual(new Map(wanted.map(([offset, { state, count }]) => [offset, `${state}×${count}`])));
    const done = wanted.filter(([, { state }]) => state === ACKNOWLEDGED || state === ARCHIVED).length;
    expect(bench.partition.deliveryCompleteCount).toBe(done);
    const letters = bench.letters.flatMap(({ records: { firstOffset, lastOffset, deliveryCount } }) =>
      Array.from({ length: lastOffset - firstOffset + 1 }, (_, i) => [firstOffset + i, deliveryCount] as const),
    );
    expect(new Map(letters)).toEqual(new Map([...model.letters].map(offset => [offset, model.get(offset).count])));
    expect(letters, "each once").toHaveLength(model.letters.size);
  }
}

test("a share partition does what its records do one by one", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(
      sizes,
      fc.boolean(),
      fc.array(step, { maxLength: 60, size: "max" }),
      (batchSizes, deadLetters, steps) => {
        const pair = new Pair(batchSizes, deadLetters);
        for (const next of steps) {
          pair.run(next);
          pair.agree();
        }
      },
    ),
    { numRuns: 300 },
  );
});
