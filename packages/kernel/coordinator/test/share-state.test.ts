import type { Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  coordinatorKey,
  type ShardRecord,
  type ShareStateConfig,
  type ShareStateEffect,
  type ShareStateRequest,
  ShareStateShard,
} from "../src/index.ts";
import { combineBatches, type StateBatch } from "../src/share-state/batches.ts";

const TOPIC = "AAAAAAAAAAAAAAAAAAAAZA" as Uuid;
const GONE = "AAAAAAAAAAAAAAAAAAAAZQ" as Uuid;

type Reply = Record<string, unknown> & { errorCode: number };

/** Shard with a log that keeps offsets: pruned records are not loaded again. */
class Bench {
  now = 1_000_000;
  failing = 0;
  topics = new Map<Uuid, number>([[TOPIC, 3]]);
  log: (ShardRecord & { offset: number })[] = [];
  #end = 0;
  readonly replies: Reply[] = [];
  readonly held: Extract<ShareStateEffect, { type: "append" }>[] = [];
  hold = false;
  /** True while the high watermark stays where it is. */
  lags = false;
  readonly config: ShareStateConfig;
  shard: ShareStateShard;

  constructor(config: Partial<ShareStateConfig> = {}) {
    this.config = {
      updatesPerSnapshot: 2,
      pruneIntervalMs: 1000,
      coldSnapshotIntervalMs: 5000,
      partitionCount: id => this.topics.get(id),
      ...config,
    };
    this.shard = new ShareStateShard(this.config);
    this.run(out => this.shard.loaded(this.now, out));
  }

  run(action: (out: ShareStateEffect[]) => void): void {
    const out: ShareStateEffect[] = [];
    action(out);
    this.settle(out);
  }

  write(records: readonly ShardRecord[]): void {
    const { timeline } = this.shard;
    const logged = records.map((record, i) => ({ ...record, offset: this.#end + i }));
    timeline.begin();
    for (const record of logged) this.shard.replay(this.now, record, record.offset);
    if (this.failing !== 0) return timeline.revert();
    this.log.push(...logged);
    this.#end += records.length;
    timeline.written(this.#end);
    if (!this.lags) timeline.committed(this.#end);
  }

  settle(effects: ShareStateEffect[]): void {
    for (let next = effects.shift(); next !== undefined; next = effects.shift()) {
      if (next.type === "reply") this.replies.push(next.response as Reply);
      else if (next.type === "prune") {
        const { offset } = next;
        this.log = this.log.filter(record => record.offset >= offset);
      } else if (next.type === "append") {
        this.write(next.records);
        if (this.hold) this.held.push(next);
        else this.shard.appended(this.now, next.token, this.failing, effects);
      }
    }
  }

  ask(request: ShareStateRequest, topicId = TOPIC): Reply | undefined {
    const out: ShareStateEffect[] = [];
    const before = this.replies.length;
    const key = { groupId: "g", topicId, partition: request.body.partition };
    this.shard.request(this.now, 1, { key, request }, out);
    this.settle(out);
    return this.replies[before];
  }

  initialize(partition = 0, stateEpoch = 1, startOffset = 0, topicId = TOPIC): Reply | undefined {
    return this.ask({ type: "initialize", body: { partition, stateEpoch, startOffset } }, topicId);
  }

  read(leaderEpoch = 0, partition = 0): Reply | undefined {
    return this.ask({ type: "read", body: { partition, leaderEpoch } });
  }

  summary(partition = 0): Reply | undefined {
    return this.ask({ type: "summary", body: { partition, leaderEpoch: 0 } });
  }

  update(change: Partial<Extract<ShareStateRequest, { type: "write" }>["body"]> = {}): Reply | undefined {
    const defaults = { stateEpoch: 1, leaderEpoch: 0, startOffset: 0, deliveryCompleteCount: 0, stateBatches: [] };
    return this.ask({ type: "write", body: { partition: 0, ...defaults, ...change } });
  }

  pass(ms: number): void {
    const until = this.now + ms;
    while (this.shard.nextDeadline() <= until) {
      this.now = Math.max(this.now, this.shard.nextDeadline());
      const out: ShareStateEffect[] = [];
      this.shard.tick(this.now, out);
      this.settle(out);
    }
    this.now = until;
  }

  reload(): void {
    this.shard = new ShareStateShard(this.config);
    for (const record of this.log) this.shard.replay(this.now, record, record.offset);
    this.run(out => this.shard.loaded(this.now, out));
  }
}

const batch = (firstOffset: number, lastOffset: number, deliveryState: number, deliveryCount: number): StateBatch => ({
  firstOffset,
  lastOffset,
  deliveryState,
  deliveryCount,
});

const batches = (last: number) =>
  fc.array(
    fc
      .tuple(fc.nat(last), fc.nat(5), fc.constantFrom(0, 2, 3, 4), fc.integer({ min: 1, max: 3 }))
      .map(([first, more, state, count]) => batch(first, first + more, state, count)),
    { maxLength: 8 },
  );

/** Model of merged batches, offset by offset: the highest delivery count wins, then the highest state. */
class Offsets {
  readonly states = new Map<number, { state: number; count: number }>();

  merge(list: readonly StateBatch[], startOffset: number): void {
    for (const { firstOffset, lastOffset, deliveryState: state, deliveryCount: count } of list) {
      for (let offset = Number(firstOffset); offset <= lastOffset; offset++) {
        const known = this.states.get(offset);
        if (known !== undefined && (known.count > count || (known.count === count && known.state >= state))) continue;
        this.states.set(offset, { state, count });
      }
    }
    for (const offset of [...this.states.keys()]) if (offset < startOffset) this.states.delete(offset);
  }
}

function spread(list: readonly StateBatch[]): Map<number, { state: number; count: number }> {
  const offsets = new Map<number, { state: number; count: number }>();
  let last = -1;
  for (const { firstOffset, lastOffset, deliveryState: state, deliveryCount: count } of list) {
    expect(Number(firstOffset), "batches are in order and do not overlap").toBeGreaterThan(last);
    for (let offset = Number(firstOffset); offset <= lastOffset; offset++) offsets.set(offset, { state, count });
    last = Number(lastOffset);
  }
  return offsets;
}

describe("state batches", () => {
  test("each offset is in its newest state", () => {
    fc.assert(
      fc.property(batches(20), fc.integer({ min: -1, max: 25 }), (list, startOffset) => {
        const model = new Offsets();
        model.merge(list, startOffset);
        expect(new Map([...spread(combineBatches(list, startOffset))])).toEqual(
          new Map([...model.states].sort(([a], [b]) => a - b)),
        );
      }),
    );
  });

  test("neighbours that agree are one batch", () => {
    expect(combineBatches([batch(0, 4, 0, 1), batch(5, 9, 0, 1), batch(10, 12, 2, 1)], -1)).toEqual([
      batch(0, 9, 0, 1),
      batch(10, 12, 2, 1),
    ]);
  });
});

describe("share state", () => {
  test("what was never initialized is neither read nor written, and has an empty summary", () => {
    const bench = new Bench();
    const invalid = Errors.INVALID_REQUEST.code;
    const sentence = (what: string) => `${what} operation on uninitialized share partition not allowed.`;
    expect(bench.read()).toMatchObject({ errorCode: invalid, errorMessage: sentence("Read") });
    expect(bench.update()).toMatchObject({ errorCode: invalid, errorMessage: sentence("Write") });
    expect(bench.summary()).toMatchObject({ errorCode: 0, startOffset: -1, stateEpoch: 0, deliveryCompleteCount: -1 });
    expect(bench.ask({ type: "delete", body: { partition: 0 } })).toMatchObject({ errorCode: 0 });
    expect(bench.log).toEqual([]);
  });

  test("negative numbers, unknown topics and batches that run backwards are refused", () => {
    const bench = new Bench();
    const invalid = Errors.INVALID_REQUEST.code;
    const unknown = Errors.UNKNOWN_TOPIC_OR_PARTITION.code;
    expect(bench.initialize(-1)).toMatchObject({
      errorCode: invalid,
      errorMessage: "The partition id cannot be a negative number.",
    });
    expect(bench.initialize(0, -1)).toMatchObject({
      errorCode: invalid,
      errorMessage: "The state epoch cannot be a negative number.",
    });
    expect(bench.initialize(3)).toMatchObject({ errorCode: unknown });
    expect(bench.initialize(0, 1, 0, GONE)).toMatchObject({ errorCode: unknown });
    bench.initialize();
    expect(bench.read(-1)).toMatchObject({
      errorCode: invalid,
      errorMessage: "The leader epoch cannot be a negative number.",
    });
    expect(bench.update({ leaderEpoch: -1 })).toMatchObject({ errorCode: invalid });
    expect(bench.update({ stateEpoch: -1 })).toMatchObject({ errorCode: invalid });
    expect(bench.update({ stateBatches: [batch(5, 4, 0, 1)] })).toMatchObject({ errorCode: invalid });
    bench.topics.delete(TOPIC);
    expect(bench.read()).toMatchObject({ errorCode: unknown });
  });

  test("lower epochs are fenced", () => {
    const bench = new Bench();
    bench.initialize(0, 5);
    expect(bench.initialize(0, 4)).toMatchObject({ errorCode: Errors.FENCED_STATE_EPOCH.code });
    expect(bench.update({ stateEpoch: 4 })).toMatchObject({ errorCode: Errors.FENCED_STATE_EPOCH.code });
    expect(bench.read(7)).toMatchObject({ errorCode: 0, stateEpoch: 5 });
    expect(bench.read(6)).toMatchObject({ errorCode: Errors.FENCED_LEADER_EPOCH.code });
    expect(bench.update({ stateEpoch: 5, leaderEpoch: 6 })).toMatchObject({
      errorCode: Errors.FENCED_LEADER_EPOCH.code,
    });
    const written = bench.log.length;
    expect(bench.read(7)).toMatchObject({ errorCode: 0 });
    expect(bench.log, "an epoch that is known is not written again").toHaveLength(written);
    bench.reload();
    expect(bench.read(6)).toMatchObject({ errorCode: Errors.FENCED_LEADER_EPOCH.code });
    expect(bench.summary()).toMatchObject({ leaderEpoch: 7, stateEpoch: 5 });
  });

  test("the start offset never goes back, and takes its count of complete deliveries along", () => {
    const bench = new Bench();
    bench.initialize(0, 1, 10);
    expect(bench.summary()).toMatchObject({ startOffset: 10, deliveryCompleteCount: 0 });
    bench.update({ startOffset: 10, deliveryCompleteCount: 4 });
    bench.update({ startOffset: 10, deliveryCompleteCount: 3 });
    expect(bench.summary()).toMatchObject({ startOffset: 10, deliveryCompleteCount: 4 });
    bench.update({ startOffset: 5, deliveryCompleteCount: 9 });
    expect(bench.summary()).toMatchObject({ startOffset: 10, deliveryCompleteCount: 4 });
    bench.update({ startOffset: 12, deliveryCompleteCount: 1 });
    expect(bench.summary()).toMatchObject({ startOffset: 12, deliveryCompleteCount: 1 });
  });

  test("a state that is initialized again begins anew, of a later snapshot epoch", () => {
    const bench = new Bench();
    bench.initialize(0, 1, 0);
    bench.update({ stateBatches: [batch(0, 3, 2, 1)] });
    expect(bench.initialize(0, 2, -1)).toMatchObject({ errorCode: 0 });
    expect(bench.read()).toMatchObject({ stateEpoch: 2, startOffset: -1, stateBatches: [] });
    expect(bench.summary()).toMatchObject({ deliveryCompleteCount: -1 });
  });

  test("a request is answered once its record is committed, and a failure is told", () => {
    const bench = new Bench();
    bench.initialize();
    bench.hold = true;
    expect(bench.update({ stateBatches: [batch(0, 1, 2, 1)] })).toBeUndefined();
    const [held] = bench.held.splice(0);
    const out: ShareStateEffect[] = [];
    bench.shard.appended(bench.now, held.token, 0, out);
    expect(out).toHaveLength(1);
    bench.hold = false;
    bench.failing = Errors.NOT_COORDINATOR.code;
    expect(bench.update()).toMatchObject({ errorCode: Errors.NOT_COORDINATOR.code });
    bench.failing = 0;
    bench.hold = true;
    bench.update();
    bench.shard.unload(bench.now, Errors.NOT_COORDINATOR.code, out);
    expect(out.at(-1)).toMatchObject({ type: "reply", response: { errorCode: Errors.NOT_COORDINATOR.code } });
  });

  test("the log is cut off before the oldest snapshot that counts; a cold one is written anew", () => {
    const bench = new Bench();
    bench.initialize(0);
    bench.initialize(1);
    for (let i = 0; i < 9; i++) bench.update();
    bench.pass(1000);
    expect(bench.log[0].offset, "partition 1 holds it back").toBe(1);
    bench.pass(5000);
    expect(bench.log[0].offset).toBeGreaterThan(1);
    bench.reload();
    expect(bench.summary(1)).toMatchObject({ stateEpoch: 1, startOffset: 0 });
    bench.ask({ type: "delete", body: { partition: 0 } });
    bench.ask({ type: "delete", body: { partition: 1 } });
    bench.pass(2000);
    expect(bench.log, "of what is deleted the last tombstone is left").toHaveLength(1);
  });

  test("the log is not cut off before snapshots that are not committed, but once they are", () => {
    const bench = new Bench();
    bench.initialize();
    bench.lags = true;
    bench.pass(6000);
    expect(
      bench.log.map(({ offset }) => offset),
      "a cold snapshot is written",
    ).toEqual([0, 1]);
    bench.shard.timeline.committed(2);
    bench.pass(1000);
    expect(bench.log.map(({ offset }) => offset)).toEqual([1]);
  });

  test("a topic that is no more takes its states along", () => {
    const bench = new Bench();
    bench.initialize(0);
    const before = [...bench.log];
    bench.run(out => bench.shard.topicsDeleted(bench.now, out));
    expect(bench.log, "its topic is there").toEqual(before);
    bench.topics.delete(TOPIC);
    bench.run(out => bench.shard.topicsDeleted(bench.now, out));
    expect(bench.log).toHaveLength(before.length + 1);
    // The broker is killed before the tombstone is written.
    bench.log = [...before];
    bench.reload();
    expect(bench.log).toHaveLength(before.length + 1);
    bench.topics.set(TOPIC, 3);
    bench.reload();
    expect(bench.summary()).toMatchObject({ startOffset: -1 });
  });

  test("reads give what writes gave, offset by offset, after any number of snapshots, cuts and loads", () => {
    const step = fc.oneof(
      fc.record({ type: fc.constant("write" as const), list: batches(30), startOffset: fc.nat(12) }),
      fc.record({ type: fc.constant("reload" as const) }),
      fc.record({ type: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 7000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.integer({ min: 0, max: 4 }), (steps, updatesPerSnapshot) => {
        const bench = new Bench({ updatesPerSnapshot });
        const model = new Offsets();
        let start = 0;
        bench.initialize();
        for (const next of steps) {
          if (next.type === "reload") bench.reload();
          else if (next.type === "pass") bench.pass(next.ms);
          else {
            expect(bench.update({ startOffset: next.startOffset, stateBatches: next.list })?.errorCode).toBe(0);
            start = Math.max(start, next.startOffset);
            model.merge(next.list, start);
          }
          const read = bench.read() as unknown as { startOffset: number; stateBatches: StateBatch[] };
          expect(read.startOffset).toBe(start);
          expect(spread(read.stateBatches)).toEqual(new Map([...model.states].sort(([a], [b]) => a - b)));
        }
      }),
    );
  });

  test("the partition of the internal topic is chosen by all of the key", () => {
    expect(coordinatorKey({ groupId: "g", topicId: TOPIC, partition: 2 })).toBe(`g:${TOPIC}:2`);
  });
});
