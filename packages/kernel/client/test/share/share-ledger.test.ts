import { utf8, uuidFromBytes } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Outbox } from "../../src/fetch/outbox.ts";
import { KafkaError } from "../../src/index.ts";
import { AcquiredRecords } from "../../src/share/acquired-records.ts";
import type { ShareEffect } from "../../src/share/share-effects.ts";
import { ShareLedger } from "../../src/share/share-ledger.ts";
import { tools } from "../fetch/model-log.ts";

const VIEW = { version: 1, topic: () => undefined, topicOf: () => undefined, broker: () => undefined };
const LOCK = 1000;

type Step =
  | { readonly do: "acquire"; readonly partition: number; readonly count: number }
  | { readonly do: "acknowledge" | "send" | "lose"; readonly at: number }
  | { readonly do: "answer"; readonly at: number; readonly outcome: "done" | "error" | "retry" }
  | { readonly do: "commit" }
  | { readonly do: "sweep"; readonly ms: number };
const at = fc.nat(5);
const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ do: fc.constant("acquire" as const), partition: fc.nat(1), count: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ do: fc.constantFrom("acknowledge", "acknowledge", "send", "send", "lose"), at }),
    fc.record({ do: fc.constantFrom("acknowledge", "send"), at }),
    fc.record({ do: fc.constant("answer" as const), at, outcome: fc.constantFrom("done", "done", "error", "retry") }),
    fc.constant({ do: "commit" as const }),
    fc.record({ do: fc.constant("sweep" as const), ms: fc.constantFrom(0, 100, 600) }),
  ),
  { maxLength: 50, size: "max" },
);

/** A ledger with all that it was given, and what it has told. */
class World {
  readonly #outbox = new Outbox<ShareEffect>(VIEW, 100);
  readonly #ledger = new ShareLedger(this.#outbox);
  readonly #acquired: AcquiredRecords[] = [];
  /** Slots of each acquisition that are not acknowledged. */
  readonly #open = new Map<AcquiredRecords, number[]>();
  readonly #commits = new Set<number>();
  #now = 0;
  #offset = 0;
  #acknowledged = 0;
  #ended = 0;

  play(step: Step): void {
    const some = "at" in step ? this.#acquired[step.at % Math.max(1, this.#acquired.length)] : undefined;
    if (step.do === "acquire") this.#acquire(step.partition, step.count);
    else if (step.do === "commit") this.#commits.add(this.#ledger.commit());
    else if (step.do === "sweep") {
      this.#now += step.ms;
      expect(this.#ledger.sweep(this.#now), "it looks again when a lock ends").toBeGreaterThan(this.#now);
    } else if (some !== undefined && step.do === "acknowledge") this.#acknowledge(some);
    else if (some !== undefined && step.do === "send" && some.asked === undefined && some.loss === undefined)
      some.sendPending();
    else if (some !== undefined && step.do === "lose") this.#ledger.lose(some, new KafkaError("DISCONNECTED", "lost"));
    else if (some !== undefined && step.do === "answer" && some.asked !== undefined) {
      const error = step.outcome === "error" ? KafkaError.of(Errors.INVALID_RECORD_STATE.code, "t") : undefined;
      this.#ledger.answered(some, error, step.outcome === "retry" ? this.#now + 50 : undefined);
    }
    this.#check();
  }

  #acquire(partition: number, count: number): void {
    const place = { topic: "t", topicId: uuidFromBytes(new Uint8Array(16).fill(3)), partition };
    const records = Array.from({ length: count }, () => ({ timestamp: 1, key: null, value: utf8("x") }));
    const bytes = buildBatch(records, { baseOffset: this.#offset }, tools);
    const runs = [{ firstOffset: this.#offset, lastOffset: this.#offset + count - 1, deliveryCount: 1 }];
    this.#offset += count;
    const unreadable = (error: Error): void => expect.unreachable(error.message);
    const acquired = new AcquiredRecords(
      { place, brokerId: 1, runs, bytes, checkCrcs: true, tools, unreadable } as never,
      this.#now,
      LOCK,
    );
    this.#ledger.add(acquired);
    const slots: number[] = [];
    while (acquired.next(this.#now)) slots.push(acquired.slot);
    expect(slots).toHaveLength(count);
    this.#acquired.push(acquired);
    this.#open.set(acquired, slots);
  }

  #acknowledge(acquired: AcquiredRecords): void {
    const slot = this.#open.get(acquired)?.shift();
    if (slot === undefined) return;
    const isLost = acquired.isLost(slot, this.#now);
    const error = acquired.acknowledge(slot, "accept", this.#now);
    expect(error !== undefined, "a record is this member's until its lock ends").toBe(isLost);
    this.#acknowledged++;
    if (error !== undefined) this.#ledger.late(acquired, error);
  }

  #check(): void {
    for (const effect of this.#outbox.take()) {
      if (effect.type === "acknowledged") this.#ended += effect.count;
      else if (effect.type === "committed") expect(this.#commits.delete(effect.token), "a commit ends once").toBe(true);
    }
    const underWay = this.#acquired.reduce((sum, { pending, asked }) => sum + pending.size + (asked?.size ?? 0), 0);
    expect(this.#ended + underWay, "each acknowledgement ends once").toBe(this.#acknowledged);
    const held = this.#acquired.filter(({ loss }) => loss === undefined);
    expect(this.#ledger.unacknowledged).toBe(held.reduce((sum, one) => sum + (this.#open.get(one)?.length ?? 0), 0));
    expect(this.#ledger.first(), "all are read").toBeUndefined();
  }

  /** Ends all that is under way; then no commit may wait. */
  settle(): void {
    for (const acquired of this.#acquired) {
      if (acquired.asked !== undefined) this.#ledger.answered(acquired, undefined, undefined);
      if (acquired.loss === undefined) acquired.sendPending();
      if (acquired.asked !== undefined) this.#ledger.answered(acquired, undefined, undefined);
    }
    this.#check();
    expect(this.#commits.size).toBe(0);
    this.#now += 2 * LOCK;
    this.#ledger.sweep(this.#now);
    expect([...this.#ledger.all], "nothing is kept of what is over").toEqual([]);
  }
}

describe("a ledger of acquired records", () => {
  test("ends each acknowledgement and each commit once, whatever answers and locks do", () => {
    fc.assert(
      fc.property(steps, all => {
        const world = new World();
        for (const step of all) world.play(step);
        world.settle();
      }),
      { numRuns: 200 },
    );
  });

  test("tells an error that no commit has waited for to the next one, once", () => {
    const outbox = new Outbox<ShareEffect>(VIEW, 100);
    const ledger = new ShareLedger(outbox);
    const place = { topic: "t", topicId: uuidFromBytes(new Uint8Array(16).fill(3)), partition: 4 };
    const late = new KafkaError("TIMED_OUT", "late");
    ledger.late({ ...place } as never, late);
    const results = (): unknown => {
      ledger.commit();
      return outbox.take().flatMap(effect => (effect.type === "committed" ? [...effect.results] : []));
    };
    expect(results()).toEqual([["t/4", late]]);
    expect(results()).toEqual([]);
  });
});
