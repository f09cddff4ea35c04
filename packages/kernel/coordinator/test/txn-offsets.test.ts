import { Errors } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { append } from "./append.ts";
import { type GroupEffect, GroupShard } from "../src/index.ts";
import { NO_TOPICS } from "../src/group/topics.ts";
import { config as shared, noShares } from "./bench.ts";

const NIL = "AAAAAAAAAAAAAAAAAAAAAA" as never;
const RETENTION_MS = 1000_000;
const config = {
  ...shared,
  initialRebalanceDelayMs: 0,
  maxSize: 100,
  offsetMetadataMaxLength: 16,
  offsetsRetentionMs: RETENTION_MS,
};
const { code: UNSTABLE } = Errors.UNSTABLE_OFFSET_COMMIT;

type Producer = { readonly id: bigint; readonly epoch: number };
type Logged =
  | { readonly key: Uint8Array; readonly value: Uint8Array | null; readonly producer?: Producer }
  | { readonly ended: Producer; readonly committed: boolean };

interface Commit {
  readonly offset: number;
  readonly partition?: number;
  readonly version?: number;
  readonly generation?: number;
  readonly memberId?: string;
  readonly metadata?: string;
}

class Bench {
  now = 1_000_000;
  tickets = 0;
  guard: number | undefined;
  readonly log: Logged[] = [];
  readonly replies = new Map<number, { topics: { partitions: { errorCode: number }[] }[] }>();
  shard = new GroupShard(config, () => "id", noShares);

  constructor() {
    this.shard.loaded(this.now, []);
  }

  run(action: (out: GroupEffect[]) => void): void {
    const out: GroupEffect[] = [];
    action(out);
    for (let next = out.shift(); next !== undefined; next = out.shift()) {
      if (next.type === "reply") {
        this.replies.set(next.ticket, next.response as never);
        continue;
      }
      if (next.type === "warn" || next.type === "note" || next.type === "initialize") continue;
      this.guard = next.guard;
      const { producer } = next;
      const records = next.records.map(record => (producer === undefined ? record : { ...record, producer }));
      append(this.shard, this.now, { records, log: this.log, isWritten: true });
      this.shard.appended(this.now, next.token, 0, out);
    }
  }

  private put(request: Parameters<GroupShard["request"]>[2]): number {
    const ticket = ++this.tickets;
    this.run(out => this.shard.request(this.now, ticket, request, out));
    return this.replies.get(ticket)?.topics[0].partitions[0].errorCode ?? -1;
  }

  private body({ offset, partition = 0, generation = -1, memberId = "", metadata = "" }: Commit) {
    const partitions = [
      { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: metadata },
    ];
    const topics = [{ name: "t", topicId: NIL, partitions }];
    return { groupId: "g", generationIdOrMemberEpoch: generation, memberId, groupInstanceId: null, topics };
  }

  commit(commit: Commit): number {
    return this.put({ type: "commit", version: 8, body: { ...this.body(commit), retentionTimeMs: -1 } });
  }

  txnCommit(producerId: bigint, commit: Commit, guard?: number): number {
    const body = { ...this.body(commit), transactionalId: "x", producerId, producerEpoch: 0 };
    const { version = 5 } = commit;
    return this.put({ type: "txnCommit", version, body, ...(guard === undefined ? {} : { guard }) });
  }

  end(id: bigint, committed: boolean): void {
    const producer = { id, epoch: 0 };
    this.log.push({ ended: producer, committed });
    this.shard.ended(this.now, { producer, committed });
    this.shard.timeline.written(this.log.length);
    this.shard.timeline.committed(this.log.length);
  }

  /** Committed offset of a partition, or its error. */
  fetch(stable = false, partition = 0): number | string {
    const topics = [{ name: "t", topicId: NIL, partitionIndexes: [partition] }];
    const [found] = this.shard.committed.fetch("g", topics, stable)[0].partitions;
    return found.errorCode === 0 ? Number(found.committedOffset) : `error ${found.errorCode}`;
  }

  reload(): void {
    const loaded = new GroupShard(config, () => "id", noShares);
    for (const entry of this.log) {
      if ("ended" in entry) loaded.ended(this.now, { producer: entry.ended, committed: entry.committed });
      else loaded.replay(this.now, entry);
    }
    loaded.loaded(this.now, []);
    this.shard = loaded;
  }
}

describe("offsets in a transaction", () => {
  test.each([true, false])("count when it has ended (committed: %s)", committed => {
    const bench = new Bench();
    bench.commit({ offset: 5 });
    expect(bench.txnCommit(1n, { offset: 9 }, 77)).toBe(0);
    expect(bench.guard).toBe(77);
    expect([bench.fetch(), bench.fetch(true)]).toEqual([5, `error ${UNSTABLE}`]);
    bench.end(2n, true);
    expect(bench.fetch(true)).toBe(`error ${UNSTABLE}`);
    bench.end(1n, committed);
    expect([bench.fetch(), bench.fetch(true)]).toEqual(committed ? [9, 9] : [5, 5]);
    bench.reload();
    expect(bench.fetch()).toBe(committed ? 9 : 5);
  });

  test("an offset that was committed later stays, whatever ends when", () => {
    const bench = new Bench();
    bench.txnCommit(1n, { offset: 1 });
    bench.txnCommit(2n, { offset: 2 });
    bench.commit({ offset: 3 });
    bench.txnCommit(3n, { offset: 4 });
    for (const [id, offset] of [
      [2n, 3],
      [3n, 4],
      [1n, 4],
    ] as const) {
      bench.end(id, true);
      expect(bench.fetch()).toBe(offset);
    }
    expect(bench.fetch(true)).toBe(4);
  });

  test.each([
    [{ generation: 3 }, 5, Errors.ILLEGAL_GENERATION.code],
    [{ generation: 3 }, 6, Errors.GROUP_ID_NOT_FOUND.code],
    [{ metadata: "longer than sixteen" }, 5, Errors.OFFSET_METADATA_TOO_LARGE.code],
    [{ memberId: "m" }, 5, 0],
  ])("of a group that is not there: %j in version %d is %d", (commit, version, errorCode) => {
    expect(new Bench().txnCommit(1n, { offset: 1, version, ...commit })).toBe(errorCode);
  });

  test("of a group with members: theirs, or those of a producer of old", () => {
    const bench = new Bench();
    const ticket = ++bench.tickets;
    const protocols = [{ name: "range", metadata: new Uint8Array(0) }];
    const timeouts = { sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000 };
    const body = { groupId: "g", memberId: "", groupInstanceId: null, protocolType: "c", protocols, reason: null };
    const client = { id: "c", host: "h" };
    bench.run(out =>
      bench.shard.request(bench.now, ticket, { type: "join", version: 3, client, body: { ...body, ...timeouts } }, out),
    );
    bench.run(out => bench.shard.tick(bench.shard.nextDeadline(), out));
    const { memberId } = bench.replies.get(ticket) as unknown as { memberId: string };
    expect(bench.txnCommit(1n, { offset: 1 })).toBe(0);
    expect(bench.txnCommit(1n, { offset: 1, memberId, generation: 1 })).toBe(0);
    expect(bench.txnCommit(1n, { offset: 1, memberId, generation: 2 })).toBe(Errors.ILLEGAL_GENERATION.code);
    expect(bench.txnCommit(1n, { offset: 1, memberId: "other", generation: 1 })).toBe(Errors.UNKNOWN_MEMBER_ID.code);
  });

  test("do not expire, and keep their group", () => {
    const bench = new Bench();
    bench.commit({ offset: 5 });
    bench.txnCommit(1n, { offset: 9 });
    bench.now += RETENTION_MS;
    bench.run(out => bench.shard.cleanUp(bench.now, out));
    expect(bench.fetch()).toBe(5);
    bench.end(1n, false);
    bench.run(out => bench.shard.cleanUp(bench.now, out));
    expect(bench.fetch()).toBe(-1);
    expect(bench.shard.list()).toEqual([]);
  });

  test.each(["group", "offset", "topic"])("go with their %s", what => {
    const bench = new Bench();
    bench.txnCommit(1n, { offset: 9 });
    const topics = [{ name: "t", partitions: [{ partitionIndex: 0 }] }];
    bench.run(out => {
      if (what === "group") bench.shard.delete(bench.now, "g", out, code => expect(code).toBe(0));
      else if (what === "topic") {
        bench.shard.topicsChanged({ ...NO_TOPICS, version: 1 }, new Set(["t"]), false);
        bench.shard.topicsDeleted(bench.now, new Set(["t"]), out);
      } else bench.shard.deleteOffsets(bench.now, { groupId: "g", topics }, out, code => expect(code).toBe(0));
    });
    expect(bench.fetch(true)).toBe(-1);
    bench.end(1n, true);
    expect(bench.fetch()).toBe(-1);
    bench.reload();
    expect(bench.fetch(true)).toBe(-1);
  });

  test("against a model: the last in the log of those that count", () => {
    const producers = [undefined, 1n, 2n, 3n];
    const step = fc.oneof(
      fc.record({ type: fc.constant("commit" as const), by: fc.nat(3), partition: fc.nat(1) }),
      fc.record({ type: fc.constant("end" as const), by: fc.integer({ min: 1, max: 3 }), committed: fc.boolean() }),
      fc.record({ type: fc.constant("reload" as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), steps => {
        const bench = new Bench();
        let commits: { offset: number; partition: number; by: number; counts: boolean }[] = [];
        steps.forEach((action, i) => {
          if (action.type === "reload") return bench.reload();
          if (action.type === "end") {
            bench.end(BigInt(action.by), action.committed);
            commits = commits.filter(c => c.by !== action.by || c.counts || action.committed);
            for (const c of commits) if (c.by === action.by) c.counts = true;
            return;
          }
          const { by, partition } = action;
          const producer = producers[by];
          if (producer === undefined) bench.commit({ offset: i, partition });
          else bench.txnCommit(producer, { offset: i, partition });
          // Within a transaction, the last commit wins.
          commits = commits.filter(c => c.by !== by || c.partition !== partition || c.counts);
          commits.push({ offset: i, partition, by, counts: producer === undefined });
        });
        for (const partition of [0, 1]) {
          const here = commits.filter(c => c.partition === partition);
          const offset = here.findLast(c => c.counts)?.offset ?? -1;
          expect(bench.fetch(false, partition)).toBe(offset);
          expect(bench.fetch(true, partition)).toBe(here.every(c => c.counts) ? offset : `error ${UNSTABLE}`);
        }
      }),
      { numRuns: 300 },
    );
  });
});
