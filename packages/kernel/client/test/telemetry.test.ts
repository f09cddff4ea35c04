import { uuidFromBytes, ZERO_UUID } from "@samsa/base";
import { Errors, type GetTelemetrySubscriptionsResponse } from "@samsa/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ClientMetrics, type Measurement, selected, SumDeltas, TelemetrySession } from "../src/index.ts";
import { SampledStat } from "../src/telemetry/sampled-stat.ts";

const ID = uuidFromBytes(new Uint8Array(16).fill(5));

const answer = (given: Partial<GetTelemetrySubscriptionsResponse> = {}): GetTelemetrySubscriptionsResponse => ({
  ...{ throttleTimeMs: 0, errorCode: 0, clientInstanceId: ID, subscriptionId: 7, acceptedCompressionTypes: [4, 3] },
  ...{ pushIntervalMs: 1000, telemetryMaxBytes: 1_000_000, deltaTemporality: true, requestedMetrics: ["*"] },
  ...given,
});

/** A session that has asked for its subscription at time 0, and the answer. */
function subscribed(given: Partial<GetTelemetrySubscriptionsResponse> = {}, chance = 0.5): TelemetrySession {
  const session = new TelemetrySession();
  expect(session.next(0)).toEqual({ type: "subscribe", clientInstanceId: ZERO_UUID });
  expect(session.next(0)).toEqual({ type: "wait", until: Infinity });
  session.subscribed(answer(given), 0, chance);
  return session;
}

test("asks, pushes at the interval, and pushes for the last time", () => {
  const session = subscribed();
  expect(session.clientInstanceId).toBe(ID);
  expect(session.next(0)).toEqual({ type: "wait", until: 1000 });
  expect(session.next(1000)).toMatchObject({ type: "push", isTerminating: false, subscription: { subscriptionId: 7 } });
  session.pushed(0, 1010);
  expect(session.next(1500)).toEqual({ type: "wait", until: 2010 });
  session.terminate();
  expect(session.next(1500)).toMatchObject({ type: "push", isTerminating: true });
  expect(session.next(9000)).toEqual({ type: "wait", until: Infinity });
  expect(session.isOver).toBe(true);
});

test("the first push comes after half to one and a half intervals", () => {
  expect(subscribed({}, 0).next(0)).toEqual({ type: "wait", until: 500 });
  expect(subscribed({}, 1).next(0)).toEqual({ type: "wait", until: 1500 });
});

test("a broker that wants no metrics is asked again, with the id that it gave, and gets no last push", () => {
  const session = subscribed({ requestedMetrics: [] });
  expect(session.next(999)).toEqual({ type: "wait", until: 1000 });
  expect(session.next(1000)).toEqual({ type: "subscribe", clientInstanceId: ID });
  session.terminate();
  session.subscribed(answer(), 1001, 0);
  expect(session.next(1001)).toEqual({ type: "wait", until: Infinity });
});

test("an interval that cannot be is five minutes", () => {
  expect(subscribed({ pushIntervalMs: 0, requestedMetrics: [] }).next(0)).toEqual({ type: "wait", until: 300_000 });
});

test.each([
  [Errors.UNKNOWN_SUBSCRIPTION_ID, 1000],
  [Errors.UNSUPPORTED_COMPRESSION_TYPE, 1000],
  [Errors.TELEMETRY_TOO_LARGE, 2000],
  [Errors.THROTTLING_QUOTA_EXCEEDED, 2000],
  [Errors.INVALID_REQUEST, Infinity],
  [Errors.INVALID_RECORD, Infinity],
  [Errors.UNSUPPORTED_VERSION, Infinity],
  [Errors.CLUSTER_AUTHORIZATION_FAILED, Infinity],
])("a push that is refused with %o is followed by a question at %d", ({ code }, at) => {
  const session = subscribed();
  session.next(1000);
  session.pushed(code, 1000);
  if (at > 1000) expect(session.next(1000)).toEqual({ type: "wait", until: at });
  expect(session.isOver).toBe(at === Infinity);
  if (at < Infinity) expect(session.next(at)).toEqual({ type: "subscribe", clientInstanceId: ID });
});

test("a question that is refused is asked again after a second at the earliest", () => {
  const session = new TelemetrySession();
  session.next(0);
  session.subscribed(answer({ errorCode: Errors.UNKNOWN_SUBSCRIPTION_ID.code }), 0, 0);
  expect(session.next(0)).toEqual({ type: "wait", until: 1000 });
});

test("a request without an answer is repeated after five minutes, or not at all", () => {
  const lost = new TelemetrySession();
  lost.next(0);
  lost.failed(true, 10);
  expect(lost.next(10)).toEqual({ type: "wait", until: 300_010 });
  const refused = new TelemetrySession();
  refused.next(0);
  refused.failed(false, 10);
  expect(refused.isOver).toBe(true);
});

test("a client that closes while a push is under way pushes again, and drops the answer", () => {
  const session = subscribed();
  session.next(1000);
  session.terminate();
  session.pushed(0, 1001);
  expect(session.next(1001)).toMatchObject({ type: "push", isTerminating: true });
});

test("the beginnings of names select metrics", () => {
  const of = (name: string): Measurement => ({ name, kind: "gauge", value: 1, labels: {} });
  const session = subscribed({ requestedMetrics: ["a.b", "c", "a"] });
  const step = session.next(2000);
  if (step.type !== "push") throw new Error("it pushes");
  const all = ["a.b.x", "a", "b", "cc"].map(of);
  expect(selected(all, step.subscription).map(({ name }) => name)).toEqual(["a.b.x", "a", "cc"]);
});

test("sums are told as their growth", () => {
  const deltas = new SumDeltas();
  const sum = (value: number): Measurement => ({ name: "s", kind: "sum", value, labels: {} });
  const gauge: Measurement = { name: "g", kind: "gauge", value: 5, labels: {} };
  expect(deltas.of([sum(3), gauge]).map(({ value }) => value)).toEqual([3, 5]);
  expect(deltas.of([sum(10), gauge]).map(({ value }) => value)).toEqual([7, 5]);
});

test("a client measures what KIP-714 asks of it", () => {
  const metrics = new ClientMetrics("consumer", 0);
  metrics.connected(0);
  metrics.answered(3, "Fetch", { tookMs: 40, throttledMs: 0 }, 10);
  metrics.answered(3, "Fetch", { tookMs: 20, throttledMs: 4 }, 20);
  metrics.answered(1, "OffsetCommit", { tookMs: 6, throttledMs: 0 }, 30);
  metrics.rebalanced(100, 40);
  metrics.asked(40);
  metrics.given(50);
  const found = metrics
    .measure(1000, 2)
    .map(({ name, value, labels }) => [
      [name.replace("org.apache.kafka.consumer.", ""), ...Object.values(labels)].join(" "),
      value,
    ]);
  expect(Object.fromEntries(found)).toEqual({
    "connection.creation.rate": 1 / 30,
    "connection.creation.total": 1,
    "node.request.latency.avg node-3": 30,
    "node.request.latency.max node-3": 40,
    "node.request.latency.avg node-1": 6,
    "node.request.latency.max node-1": 6,
    "fetch.manager.fetch.latency.avg": 30,
    "fetch.manager.fetch.latency.max": 40,
    "fetch.manager.fetch.throttle.time.avg": 2,
    "fetch.manager.fetch.throttle.time.max": 4,
    "coordinator.commit.latency.avg": 6,
    "coordinator.commit.latency.max": 6,
    "coordinator.rebalance.latency.avg": 100,
    "coordinator.rebalance.latency.max": 100,
    "coordinator.rebalance.latency.total": 100,
    "coordinator.assigned.partitions": 2,
    "poll.idle.ratio.avg": 0.2,
  });
});

const steps = fc.array(fc.record({ after: fc.nat(50_000), value: fc.integer({ min: 0, max: 1000 }) }), {
  minLength: 1,
});

test("a statistic knows all values of the last 30 s, and none of more than 60 s ago", () => {
  fc.assert(
    fc.property(steps, all => {
      const stat = new SampledStat(0);
      const recorded: { at: number; value: number }[] = [];
      let now = 0;
      for (const { after, value } of all) {
        now += after;
        stat.record(value, now);
        recorded.push({ at: now, value });
        const within = (ms: number): number[] => recorded.filter(({ at }) => at > now - ms).map(one => one.value);
        const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
        const max = stat.max(now) ?? -1;
        expect(max).toBeGreaterThanOrEqual(Math.max(...within(30_000)));
        expect(max).toBeLessThanOrEqual(Math.max(...within(60_001)));
        // The rate is over 30 to 60 s.
        expect(stat.rate(now) * 60).toBeGreaterThanOrEqual(sum(within(30_000)) - 1e-6);
        expect(stat.rate(now) * 30).toBeLessThanOrEqual(sum(within(60_001)) + 1e-6);
      }
      expect(stat.max(now + 120_000)).toBeUndefined();
      expect(stat.average(now + 120_000)).toBeUndefined();
      expect(stat.rate(now + 120_000)).toBe(0);
    }),
  );
});
