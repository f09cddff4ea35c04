import type { Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type DeadLetterEffect,
  type DeadLetterOutcome,
  DeadLetterQueue,
  type DeadLetters,
  type DeadLetterView,
} from "../src/index.ts";

type Write = Extract<DeadLetterEffect, { type: "write" }>;

const SOURCE = "AAAAAAAAAAAAAAAAAAAAZQ" as Uuid;
const TARGET = "AAAAAAAAAAAAAAAAAAAAZg" as Uuid;
/** Errors after which a write is repeated, and others. */
const AGAIN = [Errors.NOT_LEADER_OR_FOLLOWER, Errors.NETWORK_EXCEPTION, Errors.UNKNOWN_TOPIC_ID].map(
  ({ code }) => code,
);
const NEVER = [Errors.MESSAGE_TOO_LARGE, Errors.TOPIC_AUTHORIZATION_FAILED].map(({ code }) => code);

/** Queue in a cluster whose topics, leaders and answers a test decides on. */
class Bench {
  now = 1000;
  name = "dlq.t";
  createsTopics = true;
  /** Leaders of the partitions of the topic; undefined: there is no topic. */
  leaders: number[] | undefined = [1, 2];
  readonly queue: DeadLetterQueue;
  readonly writes: Write[] = [];
  readonly creations: string[] = [];
  /** Ends by ticket: the fault, or undefined. */
  readonly ends = new Map<number, string | undefined>();
  #tickets = 0;

  constructor() {
    const createsTopics = (): boolean => this.createsTopics;
    const view: DeadLetterView = {
      prefix: "",
      get createsTopics() {
        return createsTopics();
      },
      topicNameOf: () => this.name,
      topic: () => {
        const { leaders } = this;
        if (leaders === undefined) return undefined;
        const leaderOf = (index: number) => leaders[index];
        return { id: TARGET, partitionCount: leaders.length, isEnabled: true, maxMessageBytes: 1000, leaderOf };
      },
    };
    this.queue = new DeadLetterQueue(view);
  }

  take(out: readonly DeadLetterEffect[]): void {
    for (const effect of out) {
      if (effect.type === "write") this.writes.push(effect);
      else if (effect.type === "create") this.creations.push(effect.topic);
      else {
        expect(this.ends.has(effect.ticket), "an end comes once").toBe(false);
        this.ends.set(effect.ticket, effect.fault);
      }
    }
  }

  add(partition = 0, firstOffset = 0, lastOffset = firstOffset): number {
    const ticket = ++this.#tickets;
    const letters: DeadLetters = {
      ...{ groupId: "g", topicId: SOURCE, topic: "t", partition, firstOffset, lastOffset },
      ...{ deliveryCount: 1, cause: "REJECTED" },
    };
    const out: DeadLetterEffect[] = [];
    this.queue.add(this.now, 0.5, { ticket, letters }, out);
    this.take(out);
    return ticket;
  }

  /** Answers the first write. */
  answer(errorCode: number, { count = Infinity, upTo = Infinity } = {}): Write {
    const write = this.writes.shift()!;
    const outcomes: DeadLetterOutcome[] = write.writes.slice(0, count).map(({ ticket, letters }) => {
      return { ticket, errorCode, lastOffset: Math.min(letters.lastOffset, upTo) };
    });
    const out: DeadLetterEffect[] = [];
    this.queue.written(this.now, 0.5, { leader: write.leader, outcomes }, out);
    this.take(out);
    return write;
  }

  created(errorCode: number): void {
    const topic = this.creations.shift()!;
    const out: DeadLetterEffect[] = [];
    this.queue.created(this.now, 0.5, { topic, errorCode }, out);
    this.take(out);
  }

  /** Lets time pass to the next attempt; returns how long it was. */
  wait(): number {
    const at = this.queue.nextDeadline();
    const ms = at - this.now;
    this.now = Math.max(at, this.now);
    const out: DeadLetterEffect[] = [];
    this.queue.tick(this.now, 0.5, out);
    this.take(out);
    return ms;
  }
}

/** Leader, partition and offsets of a write. */
function shown({ leader, writes }: Write): string[] {
  return writes.map(
    ({ partition, letters: { firstOffset, lastOffset } }) => `${leader}/${partition}: ${firstOffset}-${lastOffset}`,
  );
}

describe("dead letters", () => {
  test("go to the partition of the same index, modulo the number of partitions; one request at a time to a leader", () => {
    const bench = new Bench();
    for (const partition of [0, 1, 2, 3, 4]) bench.add(partition, partition);
    expect(bench.writes.map(shown)).toEqual([["1/0: 0-0"], ["2/1: 1-1"]]);
    expect(shown(bench.answer(0))).toEqual(["1/0: 0-0"]);
    expect(bench.writes.map(shown)).toEqual([["2/1: 1-1"], ["1/0: 2-2", "1/0: 4-4"]]);
    bench.answer(0);
    bench.answer(0);
    bench.answer(0);
    expect([...bench.ends.values()]).toEqual([undefined, undefined, undefined, undefined, undefined]);
    expect(bench.queue.size).toBe(0);
    expect(bench.queue.nextDeadline()).toBe(Infinity);
  });

  test("that do not fit into a request are first in the next", () => {
    const bench = new Bench();
    bench.add();
    for (const offset of [1, 2, 3]) bench.add(0, 10 * offset, 10 * offset + 5);
    bench.answer(0);
    bench.add(0, 90);
    bench.answer(0, { count: 2, upTo: 23 });
    expect(bench.writes.map(shown)).toEqual([["1/0: 24-25", "1/0: 30-35", "1/0: 90-90"]]);
    bench.answer(0);
    expect(bench.ends.size).toBe(5);
  });

  test("are tried five times, ever later", () => {
    const bench = new Bench();
    const ticket = bench.add();
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      bench.answer(Errors.NOT_LEADER_OR_FOLLOWER.code);
      waits.push(bench.wait());
    }
    expect(waits).toEqual([2000, 4000, 8000, 16_000]);
    bench.answer(Errors.NETWORK_EXCEPTION.code);
    expect(bench.ends.get(ticket)).toMatch(/refused the dead letters/);
    expect(bench.queue.nextDeadline()).toBe(Infinity);
  });

  test("that are in part written have all their attempts again", () => {
    const bench = new Bench();
    const ticket = bench.add(0, 0, 9);
    for (let i = 0; i < 4; i++) {
      bench.answer(Errors.NETWORK_EXCEPTION.code);
      bench.wait();
    }
    bench.answer(0, { upTo: 4 });
    for (let i = 0; i < 4; i++) {
      expect(shown(bench.answer(Errors.NETWORK_EXCEPTION.code))).toEqual(["1/0: 5-9"]);
      bench.wait();
    }
    bench.answer(0);
    expect([...bench.ends]).toEqual([[ticket, undefined]]);
  });

  test("that the leader refuses for good are given up", () => {
    const bench = new Bench();
    const ticket = bench.add();
    bench.answer(Errors.MESSAGE_TOO_LARGE.code);
    expect(bench.ends.get(ticket)).toContain(Errors.MESSAGE_TOO_LARGE.message);
  });

  test("follow the leader, and a change of the settings", () => {
    const bench = new Bench();
    bench.add();
    bench.leaders = [3];
    bench.answer(Errors.NOT_LEADER_OR_FOLLOWER.code);
    bench.wait();
    expect(bench.writes.map(shown)).toEqual([["3/0: 0-0"]]);
    bench.name = "";
    bench.answer(Errors.NOT_LEADER_OR_FOLLOWER.code);
    bench.wait();
    expect([...bench.ends.values()]).toEqual(["The group g has no topic for dead letters."]);
  });

  test("wait for a topic that is created, once for all", () => {
    const bench = new Bench();
    bench.leaders = undefined;
    for (const offset of [0, 1]) bench.add(0, offset);
    expect(bench.creations).toEqual(["dlq.t"]);
    bench.created(0);
    expect(bench.writes, "the metadata are not there yet").toEqual([]);
    bench.leaders = [1];
    expect(bench.wait()).toBe(2000);
    expect(bench.writes.map(shown)).toEqual([["1/0: 0-0"]]);
    bench.answer(0);
    expect(bench.writes.map(shown)).toEqual([["1/0: 1-1"]]);
  });

  test("go on once a topic exists, and are given up if it cannot be created or has no leader", () => {
    const bench = new Bench();
    bench.leaders = undefined;
    bench.add();
    bench.leaders = [1];
    bench.created(Errors.TOPIC_ALREADY_EXISTS.code);
    expect(bench.writes.map(shown)).toEqual([["1/0: 0-0"]]);
    bench.leaders = undefined;
    const refused = bench.add(0, 1);
    bench.created(Errors.INVALID_REPLICATION_FACTOR.code);
    expect(bench.ends.get(refused)).toMatch(/could not be created/);
    bench.leaders = [-1];
    const leaderless = bench.add(0, 2);
    for (let i = 0; i < 4; i++) bench.wait();
    expect(bench.ends.get(leaderless)).toMatch(/not available/);
    expect(bench.creations, "a topic that exists is not created").toEqual([]);
    bench.createsTopics = false;
    bench.leaders = undefined;
    expect(bench.ends.get(bench.add(0, 3))).toMatch(/does not exist/);
  });

  test("are refused if too many wait", () => {
    const bench = new Bench();
    for (let i = 0; i < 100_000; i++) bench.add(0, i);
    expect(bench.ends.size).toBe(0);
    expect(bench.ends.get(bench.add())).toBe("Too many dead letters wait to be written.");
  });
});

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("add" as const),
      partition: fc.nat(4),
      size: fc.integer({ min: 1, max: 9 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("answer" as const),
      error: fc.constantFrom(0, 0, 0, ...AGAIN, ...NEVER),
      count: fc.integer({ min: 1, max: 4 }),
      part: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("created" as const), error: fc.constantFrom(0, 36, 7, 41) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("wait" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("leaders" as const),
      leaders: fc.option(fc.array(fc.constantFrom(-1, 1, 2, 3), { minLength: 1, maxLength: 3 }), { nil: undefined }),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Model: what of each ticket is written, and how often it has failed in a row. */
class Model {
  readonly bench = new Bench();
  /** Offsets that are not written, by ticket. */
  readonly left = new Map<number, number[]>();
  readonly failures = new Map<number, number>();
  #next = 0;

  run(next: Step): void {
    const { bench } = this;
    if (next.type === "add") {
      const first = this.#next;
      this.#next += next.size;
      const offsets = Array.from({ length: next.size }, (_, i) => first + i);
      this.left.set(bench.add(next.partition, first, first + next.size - 1), offsets);
    } else if (next.type === "answer") this.#answer(next);
    else if (next.type === "created" && bench.creations.length > 0) bench.created(next.error);
    else if (next.type === "wait" && bench.queue.nextDeadline() < Infinity) bench.wait();
    else if (next.type === "leaders") bench.leaders = next.leaders;
  }

  #answer({ error, count, part }: Extract<Step, { type: "answer" }>): void {
    const { bench } = this;
    const [write] = bench.writes;
    if (write === undefined) return;
    const sent = write.writes.slice(0, count);
    const upTo = sent[0].letters.firstOffset + part - 1;
    for (const { ticket, letters } of sent) {
      const offsets = this.left.get(ticket) ?? [];
      expect([letters.firstOffset, letters.lastOffset]).toEqual([offsets[0], offsets.at(-1)]);
      if (error !== 0) this.failures.set(ticket, (this.failures.get(ticket) ?? 0) + 1);
      else this.failures.set(ticket, 0);
    }
    // Only the last letters of a request may be in part in it.
    const whole = sent.slice(0, -1).every(({ letters }) => letters.lastOffset <= upTo);
    const limit = whole ? Math.max(upTo, sent.at(-1)!.letters.firstOffset) : Infinity;
    if (error === 0) {
      for (const { ticket } of sent)
        this.left.set(
          ticket,
          (this.left.get(ticket) ?? []).filter(o => o > limit),
        );
    }
    bench.answer(error, { count, upTo: limit });
    for (const { ticket } of sent) {
      const gone = (this.left.get(ticket) ?? []).length === 0;
      const isOver = error === 0 ? gone : NEVER.includes(error) || this.failures.get(ticket) === 5;
      expect(bench.ends.has(ticket)).toBe(isOver);
      if (isOver) expect(bench.ends.get(ticket) === undefined).toBe(error === 0);
    }
  }

  /** Checks that the letters which have not ended are counted, and that no leader has two requests. */
  agree(): void {
    const { bench } = this;
    expect(bench.queue.size).toBe(this.left.size - bench.ends.size);
    const leaders = bench.writes.map(({ leader }) => leader);
    expect(new Set(leaders).size).toBe(leaders.length);
  }

  /** Ends everything: the cluster is well from now on. */
  settle(): void {
    const { bench } = this;
    bench.leaders = [1];
    for (let turns = 0; turns < 1000 && bench.queue.size > 0; turns++) {
      if (bench.writes.length > 0) bench.answer(0);
      else if (bench.creations.length > 0) bench.created(0);
      else bench.wait();
    }
    expect(bench.queue.size).toBe(0);
    expect(bench.ends.size).toBe(this.left.size);
  }
}

test("each letter ends once, in a cluster where anything fails", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: "max" }), steps => {
      const model = new Model();
      for (const next of steps) {
        model.run(next);
        model.agree();
      }
      model.settle();
    }),
    { numRuns: 500 },
  );
});
