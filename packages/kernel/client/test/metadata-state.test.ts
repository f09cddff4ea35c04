import { randomUuid, type Uuid } from "@samsa/base";
import { Apis, type MetadataResponse } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { type MetadataQuestion, MetadataState } from "../src/index.ts";

const SETTINGS = {
  maxAgeMs: 10_000,
  maxIdleMs: 5000,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1000,
  rebootstrapTriggerMs: 3000,
};
const NODES = [1, 2, 3].map(nodeId => ({ nodeId, host: `n${nodeId}`, port: 9092, rack: null }));
let seed = 0;
const uuid = (): Uuid => randomUuid(length => Uint8Array.from({ length }, () => (seed = (seed * 5 + 17) % 251)));
const A = uuid();
const B = uuid();

interface Told {
  readonly errorCode?: number;
  readonly id?: Uuid;
  /** Leader and leader epoch of each partition. */
  readonly leaders?: readonly (readonly [number, number])[];
}

const answer = (topics: Record<string, Told>, brokers = NODES): MetadataResponse =>
  Apis.Metadata.response.defaults({
    brokers,
    clusterId: "c",
    controllerId: 1,
    topics: Object.entries(topics).map(([name, { errorCode = 0, id = A, leaders = [[1, 5]] }]) => ({
      name,
      errorCode,
      topicId: id,
      partitions: leaders.map(([leaderId, leaderEpoch], partitionIndex) => ({
        errorCode: 0,
        partitionIndex,
        leaderId,
        leaderEpoch,
        replicaNodes: [1, 2, 3],
        isrNodes: [1, 2],
      })),
    })),
  });

/** Answers the question that is due at `now`, which must be about these topics. */
function answered(state: MetadataState, now: number, response: MetadataResponse): MetadataQuestion {
  const step = state.next(now);
  if (step.type !== "ask") throw new Error(`no question is due but ${JSON.stringify(step)}`);
  state.asked(step, now);
  state.received(response, now, 0.5);
  return step;
}

const leaderOf = (state: MetadataState, topic: string) => state.topic(topic)?.partitions[0].leaderId;

describe("questions", () => {
  test("nothing is asked before something is wanted", () => {
    expect(new MetadataState(SETTINGS).next(0)).toEqual({ type: "wait", until: Infinity });
  });

  test("a new topic is asked for alone, and at once; the others keep their age", () => {
    const state = new MetadataState(SETTINGS);
    state.use("a", 0);
    expect(answered(state, 0, answer({ a: {} }))).toEqual({ type: "ask", topics: ["a"], isPartial: false });
    expect(state.next(0)).toEqual({ type: "wait", until: 10_000 });
    state.use("b", 4000);
    state.use("a", 4000);
    expect(answered(state, 4000, answer({ b: { id: B } }))).toEqual({ type: "ask", topics: ["b"], isPartial: true });
    expect([leaderOf(state, "a"), leaderOf(state, "b")]).toEqual([1, 1]);
    state.use("a", 9000);
    state.use("b", 9000);
    expect(state.next(9999)).toEqual({ type: "wait", until: 10_000 });
    expect(state.next(10_000)).toEqual({ type: "ask", topics: ["a", "b"], isPartial: false });
  });

  test("one is on its way at a time; what is wanted meanwhile comes next", () => {
    const state = new MetadataState(SETTINGS);
    state.use("a", 0);
    const step = state.next(0) as MetadataQuestion;
    state.asked(step, 0);
    state.use("b", 1);
    expect(state.next(1)).toEqual({ type: "wait", until: Infinity });
    state.received(answer({ a: {} }), 2, 0.5);
    expect(state.next(2)).toMatchObject({ type: "ask", topics: ["b"] });
  });

  test("topics that are idle are forgotten; those of a subscription are not", () => {
    const state = new MetadataState(SETTINGS);
    state.hold(new Set(["held"]));
    state.use("used", 0);
    answered(state, 0, answer({ held: {}, used: { id: B } }));
    expect(state.next(10_000)).toMatchObject({ type: "ask", topics: ["held"] });
    expect(state.topic("used")).toBeUndefined();
    expect(state.topicOf(B)).toBeUndefined();
    expect(state.topic("held")?.name).toBe("held");
  });

  test("a pattern asks for all topics, and forgets those that are gone", () => {
    const state = new MetadataState(SETTINGS);
    state.hold(null);
    expect(answered(state, 0, answer({ a: {}, b: { id: B } })).topics).toBeNull();
    state.requestUpdate();
    answered(state, 100, answer({ b: { id: B } }));
    expect([state.topic("a"), state.topic("b")?.id]).toEqual([undefined, B]);
  });
});

describe("failures", () => {
  test("are followed by pauses that double, and lose no topic", () => {
    const state = new MetadataState({ ...SETTINGS, rebootstrapTriggerMs: undefined });
    state.use("a", 0);
    const times: number[] = [];
    for (let now = 0; now < 4000; now++) {
      const step = state.next(now);
      if (step.type !== "ask") continue;
      expect(step.topics).toEqual(["a"]);
      times.push(now);
      state.asked(step, now);
      state.failed(now, 0.5);
    }
    expect(times).toEqual([0, 100, 300, 700, 1500, 2500, 3500]);
  });

  test("the client goes back to its bootstrap servers after a while (KIP-1102), and when a broker says so", () => {
    const state = new MetadataState(SETTINGS);
    state.use("a", 0);
    answered(state, 0, answer({ a: {} }));
    state.requestUpdate();
    state.asked(state.next(100) as MetadataQuestion, 100);
    state.failed(100, 0.5);
    state.use("a", 3000);
    expect(state.next(3099).type).toBe("ask");
    expect(state.next(3100)).toEqual({ type: "rebootstrap" });
    state.rebootstrapped(3100);
    expect(state.brokers.size).toBe(0);
    expect(leaderOf(state, "a")).toBe(1);
    answered(state, 3100, answer({ a: {} }));
    state.requestUpdate();
    const refusal = Apis.Metadata.response.defaults({ errorCode: 129 });
    answered(state, 3300, refusal);
    expect(state.next(3300)).toEqual({ type: "rebootstrap" });
  });

  test("an answer without brokers is none", () => {
    const state = new MetadataState(SETTINGS);
    state.use("a", 0);
    answered(state, 0, answer({ a: {} }, []));
    expect(state.topic("a")).toBeUndefined();
    expect(state.next(99)).toEqual({ type: "wait", until: 100 });
  });

  test("a topic without a leader is asked for again; one that is not allowed is not", () => {
    const state = new MetadataState(SETTINGS);
    state.use("a", 0);
    answered(state, 0, answer({ a: { errorCode: 5 } }));
    expect([state.topicError("a"), state.topic("a")]).toEqual([5, undefined]);
    expect(state.next(0)).toEqual({ type: "wait", until: 100 });
    answered(state, 100, answer({ a: { errorCode: 29 } }));
    expect(state.topicError("a")).toBe(29);
    expect(state.next(100)).toEqual({ type: "wait", until: 10_100 });
  });

  test("an update that mends nothing is not repeated without a pause", () => {
    const state = new MetadataState(SETTINGS);
    state.use("a", 0);
    answered(state, 0, answer({ a: {} }));
    state.requestUpdate();
    expect(state.next(0)).toEqual({ type: "wait", until: 100 });
  });
});

describe("leaders", () => {
  test("of an earlier epoch are not taken, unless the topic is another one", () => {
    const state = new MetadataState(SETTINGS);
    state.use("a", 0);
    answered(state, 0, answer({ a: { leaders: [[1, 5]] } }));
    state.requestUpdate();
    answered(state, 200, answer({ a: { leaders: [[2, 4]] } }));
    expect(leaderOf(state, "a")).toBe(1);
    state.requestUpdate();
    answered(state, 400, answer({ a: { id: B, leaders: [[2, 0]] } }));
    expect([leaderOf(state, "a"), state.topicOf(A), state.topicOf(B)?.name]).toEqual([2, undefined, "a"]);
  });

  test("that an answer names are taken if they are newer and their brokers known (KIP-951)", () => {
    const state = new MetadataState(SETTINGS);
    state.use("a", 0);
    answered(state, 0, answer({ a: { leaders: [[1, 5]] } }, NODES.slice(0, 1)));
    const { version } = state;
    const hint = (leaderId: number, leaderEpoch: number, nodes = NODES) =>
      state.hint([{ topic: "a", partition: 0, leaderId, leaderEpoch }], nodes);
    hint(2, 5);
    hint(2, 6, []);
    state.hint([{ topic: "other", partition: 0, leaderId: 2, leaderEpoch: 9 }], NODES);
    state.hint([{ topic: "a", partition: 7, leaderId: 2, leaderEpoch: 9 }], NODES);
    expect([leaderOf(state, "a"), state.version]).toEqual([1, version]);
    hint(2, 6);
    expect([leaderOf(state, "a"), state.broker(2)?.host, state.version]).toEqual([2, "n2", version + 1]);
  });

  test("partitions that an answer leaves out have none, and an index out of range is ignored", () => {
    const state = new MetadataState(SETTINGS);
    state.use("a", 0);
    const response = answer({
      a: {
        leaders: [
          [1, 5],
          [1, 5],
        ],
      },
    });
    const [topic] = response.topics;
    const partitions = topic.partitions.map(partition => ({
      ...partition,
      partitionIndex: partition.partitionIndex * 1e9,
    }));
    answered(state, 0, { ...response, topics: [{ ...topic, partitions }] });
    expect(state.topic("a")?.partitions.map(({ leaderId }) => leaderId)).toEqual([1, -1]);
  });
});
