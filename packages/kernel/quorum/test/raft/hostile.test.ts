import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ElectionState } from "../../src/raft/effects.ts";
import type { LogEnd, RaftAnswer, RaftCall, Run } from "../../src/raft/messages.ts";
import { keyOf, Replica, voterOf } from "./replica.ts";

const epochs = fc.integer({ min: -1, max: 6 });
const nodes = fc.integer({ min: -1, max: 4 });
const ends: fc.Arbitrary<LogEnd> = fc.record({ offset: fc.integer({ min: -1, max: 8 }), epoch: epochs });
const keys = nodes.map(id => keyOf(Math.max(0, id))).chain(key => nodes.map(id => ({ ...key, id })));

const calls: fc.Arbitrary<RaftCall> = fc.oneof(
  fc.record({
    type: fc.constant("vote" as const),
    preVote: fc.boolean(),
    epoch: epochs,
    candidate: keys,
    voter: fc.constantFrom(keyOf(1), keyOf(1), keyOf(2)),
    end: ends,
  }),
  fc.record({ type: fc.constant("begin" as const), epoch: epochs, leaderId: nodes, voter: fc.constant(keyOf(1)) }),
  fc.record({
    type: fc.constant("end" as const),
    epoch: epochs,
    leaderId: nodes,
    successors: fc.array(keys, { maxLength: 3 }),
  }),
  fc.record({
    type: fc.constant("fetch" as const),
    epoch: epochs,
    replica: keys,
    end: ends,
    highWatermark: fc.integer({ min: -1, max: 8 }),
    maxWaitMs: fc.constantFrom(0, 500, 100_000),
  }),
  fc.record({ type: fc.constant("snapshot" as const), epoch: epochs, replica: keys, id: ends, position: fc.nat(9) }),
  fc.record({
    type: fc.constant("add" as const),
    voter: nodes.map(id => voterOf(Math.max(0, id))),
    ackWhenCommitted: fc.boolean(),
  }),
  fc.record({ type: fc.constant("remove" as const), voter: keys }),
  fc.record({
    type: fc.constant("update" as const),
    epoch: epochs,
    voter: nodes.map(id => voterOf(Math.max(0, id), "elsewhere")),
  }),
);

const runs: fc.Arbitrary<Run> = fc
  .record({ epoch: epochs, baseOffset: fc.nat(6), count: fc.integer({ min: 1, max: 3 }) })
  .map(({ epoch, baseOffset, count }) => ({ epoch, baseOffset, endOffset: baseOffset + count }));
const common = { errorCode: fc.constantFrom(0, 0, 0, 6, 74, 98), epoch: epochs, leaderId: nodes };
const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined, freq: 2 });
const answers: fc.Arbitrary<RaftAnswer> = fc.oneof(
  fc.record({ type: fc.constant("vote" as const), ...common, granted: fc.boolean() }),
  fc.record({ type: fc.constantFrom("begin" as const, "end" as const), ...common }),
  fc.record({
    type: fc.constant("fetch" as const),
    ...common,
    highWatermark: fc.integer({ min: -1, max: 9 }),
    diverging: optional(ends),
    snapshot: optional(ends),
    runs: optional(fc.array(runs, { maxLength: 3 })),
  }),
  fc.record({
    type: fc.constant("snapshot" as const),
    ...common,
    id: optional(ends),
    size: optional(fc.integer({ min: -1, max: 9 })),
    position: optional(fc.integer({ min: -1, max: 9 })),
    length: optional(fc.integer({ min: -1, max: 9 })),
  }),
  fc.record({ type: fc.constant("change" as const), ...common }),
);

type Step =
  | { readonly do: "call"; readonly call: RaftCall }
  | { readonly do: "answer"; readonly at: number; readonly answer: RaftAnswer; readonly isTrue: boolean }
  | { readonly do: "fail"; readonly at: number; readonly isRefused: boolean; readonly isUnsupported: boolean }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "flush" | "resign" | "propose" | "receive" | "reject" | "probe" };

const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ do: fc.constant("call" as const), call: calls }),
    fc.record({ do: fc.constant("answer" as const), at: fc.nat(3), answer: answers, isTrue: fc.boolean() }),
    fc.record({ do: fc.constant("answer" as const), at: fc.nat(3), answer: answers, isTrue: fc.constant(true) }),
    fc.record({
      do: fc.constant("fail" as const),
      at: fc.nat(3),
      isRefused: fc.boolean(),
      isUnsupported: fc.boolean(),
    }),
    fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(0, 20, 500, 1000, 3000) }),
    fc.record({ do: fc.constantFrom("flush", "flush", "resign", "propose", "receive", "reject", "probe") }),
  ),
  { maxLength: 40, size: "max" },
);

/** A replica, all calls that it has sent, and what may never change. */
class Watched {
  readonly replica = new Replica({ voters: [1, 2, 3] });
  readonly #sent: { readonly call: number; readonly to: number }[] = [];
  readonly #flushes: { readonly generation: number; readonly offset: number }[] = [];
  readonly #votes = new Map<number, number>();
  readonly #leaders = new Map<number, number>();
  readonly #open = new Set<number>();
  #part: LogEnd | undefined;
  #saved: ElectionState | undefined;
  #epoch = 0;
  #highWatermark = -1;
  #tickets = 0;

  play(step: Step): void {
    const { replica } = this;
    replica.effects = [];
    switch (step.do) {
      case "call":
        this.#open.add(++this.#tickets);
        replica.step({ type: "call", ticket: this.#tickets, call: step.call });
        break;
      case "answer": {
        const sent = this.#sent.at(-1 - step.at);
        if (sent === undefined) return;
        // A true answer is of the epoch in which the replica is.
        const { epoch } = replica.node;
        const answer = step.isTrue ? { ...step.answer, errorCode: 0, epoch } : step.answer;
        replica.step({ type: "answer", call: sent.call, from: sent.to, answer });
        break;
      }
      case "fail": {
        const { isRefused, isUnsupported } = step;
        replica.step({ type: "failed", call: this.#sent.at(-1 - step.at)?.call ?? 0, isRefused, isUnsupported });
        break;
      }
      case "pass":
        replica.pass(step.ms);
        break;
      case "flush": {
        const flush = this.#flushes.shift();
        if (flush !== undefined) replica.step({ type: "flushed", ...flush });
        break;
      }
      case "resign":
        replica.step({ type: "resign" });
        break;
      case "propose":
        replica.step({ type: "propose", epoch: replica.node.epoch, token: 1, count: 1 });
        break;
      case "receive":
        if (this.#part !== undefined) replica.step({ type: "received", id: this.#part, voters: undefined });
        break;
      case "reject":
        if (this.#part !== undefined) replica.step({ type: "rejected", id: this.#part });
        break;
      case "probe":
        replica.step({ type: "probed", voter: keyOf(4), range: { min: 0, max: 1 } });
        break;
    }
    this.#check();
  }

  #check(): void {
    const { node, log, effects } = this.replica;
    for (const effect of effects) {
      if (effect.type === "send") {
        this.#sent.push(effect);
        expect(effect.to).not.toBe(1);
        if (effect.request.type === "vote" && !effect.request.preVote) {
          expect(this.#saved?.votedKey?.id, "its own vote is saved before it asks").toBe(1);
        }
      } else if (effect.type === "flush") this.#flushes.push(effect);
      else if (effect.type === "complete") this.#part = effect.id;
      else if (effect.type === "abandon" || effect.type === "install") this.#part = undefined;
      else if (effect.type === "reply") {
        expect(this.#open.delete(effect.ticket), "one answer to a call").toBe(true);
      } else if (effect.type === "save") this.#save(effect.state);
      else if (effect.type === "highWatermark") {
        expect(effect.offset).toBeGreaterThan(this.#highWatermark);
        this.#highWatermark = effect.offset;
      } else if (effect.type === "truncate") expect(effect.offset).toBeGreaterThanOrEqual(this.#highWatermark);
    }
    expect(node.epoch).toBeGreaterThanOrEqual(this.#epoch);
    this.#epoch = node.epoch;
    expect(node.highWatermark).toBeLessThanOrEqual(log.endOffset);
    expect(log.end.epoch).toBeLessThanOrEqual(node.epoch);
    if (this.#saved !== undefined) expect(this.#saved.epoch).toBe(node.epoch);
    if (node.role !== "LEADER")
      for (const ticket of this.#open) expect(ticket, "nobody waits for one that leads not").toBe(0);
    expect(node.nextDeadline(), "a tick does all that is due").toBeGreaterThanOrEqual(this.replica.now);
  }

  #save(state: ElectionState): void {
    const { epoch, votedKey, leaderId } = state;
    expect(epoch).toBeGreaterThanOrEqual(this.#saved?.epoch ?? 0);
    if (votedKey !== undefined) {
      expect(this.#votes.get(epoch) ?? votedKey.id, "one vote in an epoch").toBe(votedKey.id);
      this.#votes.set(epoch, votedKey.id);
    }
    if (leaderId !== undefined) {
      expect(this.#leaders.get(epoch) ?? leaderId, "one leader of an epoch").toBe(leaderId);
      this.#leaders.set(epoch, leaderId);
    }
    this.#saved = state;
  }
}

describe("whatever its peers say", () => {
  test("a replica keeps its promises", () => {
    fc.assert(
      fc.property(steps, all => {
        const watched = new Watched();
        for (const step of all) watched.play(step);
      }),
      { numRuns: 500 },
    );
  });
});
