import { uuidFromBytes, type Uuid, ZERO_UUID } from "@samsa/base";
import { Apis, Errors, type MetadataResponse } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type MetadataQuestion, MetadataState } from "../src/index.ts";

const SETTINGS = {
  ...{ maxAgeMs: 10_000, maxIdleMs: 5000, retryBackoffMs: 100, retryBackoffMaxMs: 1000 },
  rebootstrapTriggerMs: 3000,
};
const TOPICS = ["a", "b", "c"];
const idOf = (name: string, generation: number): Uuid =>
  uuidFromBytes(new Uint8Array(16).fill(name.charCodeAt(0) + 10 * generation));

interface Topic {
  readonly errorCode: number;
  readonly generation: number;
  readonly hasId: boolean;
  readonly partitions: readonly {
    readonly leaderId: number;
    readonly leaderEpoch: number;
    readonly errorCode: number;
  }[];
}

const { UNKNOWN_TOPIC_OR_PARTITION, TOPIC_AUTHORIZATION_FAILED, LEADER_NOT_AVAILABLE, REBOOTSTRAP_REQUIRED } = Errors;
const topics: fc.Arbitrary<Topic> = fc.record({
  errorCode: fc.constantFrom(0, 0, 0, 0, UNKNOWN_TOPIC_OR_PARTITION.code, TOPIC_AUTHORIZATION_FAILED.code),
  generation: fc.constantFrom(0, 0, 0, 1),
  hasId: fc.constantFrom(true, true, true, false),
  partitions: fc.array(
    fc.record({
      leaderId: fc.integer({ min: -1, max: 3 }),
      leaderEpoch: fc.integer({ min: -1, max: 5 }),
      errorCode: fc.constantFrom(0, 0, 0, LEADER_NOT_AVAILABLE.code),
    }),
    { minLength: 1, maxLength: 3 },
  ),
});

type Step =
  | { readonly do: "use"; readonly topic: string }
  | { readonly do: "hold"; readonly topics: readonly string[] | null }
  | { readonly do: "update" }
  | { readonly do: "answer"; readonly topics: readonly Topic[]; readonly leavesOut: boolean }
  | { readonly do: "fail"; readonly how: "lost" | "empty" | "rebootstrap" }
  | {
      readonly do: "hint";
      readonly topic: string;
      readonly partition: number;
      readonly leaderId: number;
      readonly leaderEpoch: number;
    }
  | { readonly do: "pass"; readonly ms: number };

const topic = fc.constantFrom(...TOPICS);
const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ do: fc.constant("use" as const), topic }),
    fc.record({
      do: fc.constant("hold" as const),
      topics: fc.oneof(fc.subarray(TOPICS), fc.subarray(TOPICS), fc.constant(null)),
    }),
    fc.constant({ do: "update" as const }),
    fc.record({
      do: fc.constant("answer" as const),
      topics: fc.tuple(topics, topics, topics),
      leavesOut: fc.constantFrom(false, false, false, true),
    }),
    fc.record({
      do: fc.constant("answer" as const),
      topics: fc.tuple(topics, topics, topics),
      leavesOut: fc.constant(false),
    }),
    fc.record({ do: fc.constant("fail" as const), how: fc.constantFrom("lost", "lost", "empty", "rebootstrap") }),
    fc.record({
      do: fc.constant("hint" as const),
      topic,
      partition: fc.nat(2),
      leaderId: fc.integer({ min: 1, max: 5 }),
      leaderEpoch: fc.nat(7),
    }),
    fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(0, 50, 150, 1500, 6000, 10_000) }),
  ),
  { maxLength: 40, size: "max" },
);

const NODES = [1, 2, 3].map(nodeId => ({ nodeId, host: `n${nodeId}`, port: 9092, rack: null }));

/** Beliefs of a client: leaders of each topic by the last answer, but for epochs that go back. */
interface Known {
  readonly id: Uuid;
  readonly partitions: readonly { readonly leaderId: number; readonly leaderEpoch: number }[];
}

/** The state machine beside maps, and what it has asked. */
class Pair {
  readonly #state = new MetadataState(SETTINGS);
  readonly #known = new Map<string, Known>();
  readonly #errors = new Map<string, number>();
  readonly #used = new Map<string, number>();
  /** Topics of which some answer has told. */
  readonly #told = new Set<string>();
  #brokers = new Set<number>();
  #held: ReadonlySet<string> | null = new Set();
  #version = 0;
  #now = 0;
  /** Time before which nothing is asked, for the last attempt has failed. */
  #quietUntil = -Infinity;
  #attemptsSince: number | undefined;
  #mustRebootstrap = false;
  #failures = 0;

  play(step: Step): void {
    const state = this.#state;
    switch (step.do) {
      case "use":
        state.use(step.topic, this.#now);
        this.#used.set(step.topic, this.#now + SETTINGS.maxIdleMs);
        return;
      case "hold":
        this.#held = step.topics === null ? null : new Set(step.topics);
        return state.hold(this.#held);
      case "update":
        return state.requestUpdate();
      case "pass":
        this.#now += step.ms;
        return;
      case "hint":
        return this.#hint(step);
      case "answer":
      case "fail":
        return this.#ask(step);
    }
  }

  #ask(step: Extract<Step, { do: "answer" | "fail" }>): void {
    const state = this.#state;
    const next = state.next(this.#now);
    for (const [name, idleAt] of this.#used) {
      if (idleAt > this.#now || next.type === "rebootstrap") continue;
      this.#used.delete(name);
      if (this.#held === null || this.#held.has(name)) continue;
      this.#known.delete(name);
      this.#errors.delete(name);
      this.#told.delete(name);
    }
    const isLate =
      this.#attemptsSince !== undefined && this.#now >= this.#attemptsSince + SETTINGS.rebootstrapTriggerMs;
    expect(next.type === "rebootstrap").toBe(this.#mustRebootstrap || isLate);
    if (next.type === "rebootstrap") {
      state.rebootstrapped(this.#now);
      this.#mustRebootstrap = false;
      this.#attemptsSince = this.#now;
      this.#brokers = new Set();
      this.#version++;
      return;
    }
    if (next.type === "wait") {
      expect(next.until, "it waits for something to come").toBeGreaterThan(this.#now);
      // A topic that nobody has asked for waits for a back-off at most.
      const wanted = [...this.#used.keys(), ...(this.#held ?? [])];
      const isNew = wanted.some(name => !this.#told.has(name));
      if (isNew) expect(next.until).toBeLessThanOrEqual(this.#now + SETTINGS.retryBackoffMaxMs);
      return;
    }
    expect(this.#now, "the back-off is over").toBeGreaterThanOrEqual(this.#quietUntil);
    const asked = new Set(next.topics ?? TOPICS);
    for (const name of asked)
      expect(this.#held === null || this.#held.has(name) || this.#used.has(name) || next.isPartial).toBe(true);
    if (!next.isPartial) {
      const wanted = this.#held === null ? null : [...new Set([...this.#held, ...this.#used.keys()])];
      expect(next.topics === null ? null : next.topics.toSorted()).toEqual(wanted === null ? null : wanted.toSorted());
    }
    state.asked(next, this.#now);
    this.#attemptsSince ??= this.#now;
    expect(state.next(this.#now), "one at a time").toEqual({ type: "wait", until: Infinity });
    if (step.do === "fail") this.#fail(step.how);
    else this.#answer(next, step);
  }

  #fail(how: "lost" | "empty" | "rebootstrap"): void {
    const state = this.#state;
    if (how === "lost") state.failed(this.#now, 0.5);
    else {
      const errorCode = how === "rebootstrap" ? REBOOTSTRAP_REQUIRED.code : 0;
      state.received(
        Apis.Metadata.response.defaults({ brokers: how === "empty" ? [] : NODES, errorCode }),
        this.#now,
        0.5,
      );
      if (how === "rebootstrap") this.#mustRebootstrap = true;
    }
    // Half of the jitter of 20 percent is none.
    this.#quietUntil = this.#now + Math.min(1000, 100 * 2 ** this.#failures++);
  }

  #answer(asked: MetadataQuestion, { topics: told, leavesOut }: Extract<Step, { do: "answer" }>): void {
    const names = TOPICS.filter(
      (name, at) => (asked.topics === null || asked.topics.includes(name)) && !(leavesOut && at === 0),
    );
    const response: MetadataResponse = Apis.Metadata.response.defaults({
      ...{ brokers: NODES, clusterId: "k", controllerId: 2 },
      topics: names.map(name => {
        const { errorCode, generation, hasId, partitions } = told[TOPICS.indexOf(name)];
        return {
          ...{ name, errorCode, topicId: hasId ? idOf(name, generation) : ZERO_UUID },
          partitions: partitions.map((one, partitionIndex) => ({
            ...one,
            partitionIndex,
            replicaNodes: [1],
            isrNodes: [1],
          })),
        };
      }),
    });
    for (const name of asked.topics ?? TOPICS) this.#told.add(name);
    this.#state.received(response, this.#now, 0.5);
    this.#attemptsSince = undefined;
    this.#version++;
    this.#brokers = new Set([1, 2, 3]);
    let isTransient = false;
    for (const name of names) {
      const { errorCode, generation, hasId, partitions } = told[TOPICS.indexOf(name)];
      const before = this.#known.get(name);
      if (errorCode !== 0) {
        this.#known.delete(name);
        this.#errors.set(name, errorCode);
        isTransient ||= errorCode === UNKNOWN_TOPIC_OR_PARTITION.code;
        continue;
      }
      this.#errors.delete(name);
      isTransient ||= partitions.some(one => one.errorCode !== 0);
      const id = hasId ? idOf(name, generation) : ZERO_UUID;
      const isSame = before !== undefined && (before.id === id || id === ZERO_UUID);
      this.#known.set(name, {
        id,
        partitions: partitions.map(({ leaderId, leaderEpoch }, at) => {
          const known = isSame ? before.partitions[at] : undefined;
          // An answer of a broker that is behind says nothing new; one without epochs is believed.
          return known !== undefined && leaderEpoch >= 0 && leaderEpoch < known.leaderEpoch
            ? known
            : { leaderId, leaderEpoch };
        }),
      });
    }
    if (asked.topics === null)
      for (const name of this.#known.keys()) if (!names.includes(name)) this.#known.delete(name);
    if (asked.topics === null)
      for (const name of this.#errors.keys()) if (!names.includes(name)) this.#errors.delete(name);
    if (isTransient) this.#failures++;
    else this.#failures = 0;
    this.#quietUntil = -Infinity;
  }

  #hint({ topic: name, partition, leaderId, leaderEpoch }: Extract<Step, { do: "hint" }>): void {
    const nodes = leaderId === 4 ? [{ nodeId: 4, host: "n4", port: 9092, rack: null }] : [];
    this.#state.hint([{ topic: name, partition, leaderId, leaderEpoch }], nodes);
    const known = this.#known.get(name);
    const before = known?.partitions[partition];
    const isThere = this.#brokers.has(leaderId) || leaderId === 4;
    if (known === undefined || before === undefined || !isThere || leaderEpoch <= before.leaderEpoch) return;
    const partitions = known.partitions.with(partition, { leaderId, leaderEpoch });
    this.#known.set(name, { ...known, partitions });
    if (leaderId === 4) this.#brokers.add(4);
    this.#version++;
  }

  check(): void {
    const state = this.#state;
    expect([state.version, new Set(state.brokers.keys())]).toEqual([this.#version, this.#brokers]);
    for (const name of TOPICS) {
      const expected = this.#known.get(name);
      const found = state.topic(name);
      expect(
        found && {
          id: found.id,
          partitions: found.partitions.map(({ leaderId, leaderEpoch }) => ({ leaderId, leaderEpoch })),
        },
      ).toEqual(expected);
      expect(state.topicError(name)).toBe(this.#errors.get(name) ?? 0);
      for (const generation of [0, 1]) {
        const isKnown = expected?.id === idOf(name, generation);
        expect(state.topicOf(idOf(name, generation))?.name).toBe(isKnown ? name : undefined);
      }
      found?.partitions.forEach(({ index }, at) => expect(index).toBe(at));
    }
    expect([...state.topics.keys()].toSorted()).toEqual([...this.#known.keys()].toSorted());
  }
}

describe("metadata beside maps", () => {
  test("is what the last answers say, but for leaders that go back, and is asked for as it must be", () => {
    fc.assert(
      fc.property(steps, all => {
        const pair = new Pair();
        for (const step of all) {
          pair.play(step);
          pair.check();
        }
      }),
      { numRuns: 200 },
    );
  });
});
