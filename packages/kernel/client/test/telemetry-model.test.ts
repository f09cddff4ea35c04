import { uuidFromBytes, ZERO_UUID } from "@samsa/base";
import { Errors, type GetTelemetrySubscriptionsResponse } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ClientMetrics, KafkaError, type Measurement, selected, SumDeltas, TelemetrySession } from "../src/index.ts";
import { SampledStat } from "../src/telemetry/sampled-stat.ts";

const WINDOW = 30_000;

describe("a statistic of the last windows beside a list of values", () => {
  const values = fc.array(
    fc.tuple(
      fc.constantFrom(0, 1, 999, 15_000, 29_999, 30_000, 45_000, 60_000, 100_000),
      fc.integer({ min: -5, max: 50 }),
    ),
    {
      ...{ maxLength: 25, size: "max" as const },
    },
  );

  test("has the values of the present window and of the one before", () => {
    fc.assert(
      fc.property(values, all => {
        const stat = new SampledStat(0);
        let now = 0;
        // Windows follow each other without a gap, unless nothing has come for two of them.
        let since = 0;
        let before = 0;
        let list: { readonly at: number; readonly value: number }[] = [];
        for (const [wait, value] of all) {
          now += wait;
          if (now - since >= WINDOW) {
            const isRecent = now - since < 2 * WINDOW;
            before = isRecent ? since : now - WINDOW;
            since = isRecent ? since + WINDOW : now;
            list = list.filter(({ at }) => at >= before && isRecent);
          }
          stat.record(value, now);
          list.push({ at: now, value });
          const kept = list.map(one => one.value);
          const sum = kept.reduce((total, one) => total + one, 0);
          expect(stat.average(now)).toBeCloseTo(sum / kept.length, 8);
          expect(stat.max(now)).toBe(Math.max(...kept));
          expect(stat.rate(now)).toBeCloseTo(sum / (Math.max(now - before, WINDOW) / 1000), 8);
        }
        expect(stat.average(now + 100_000)).toBeUndefined();
        expect([stat.max(now + 100_000), stat.rate(now + 100_000)]).toEqual([undefined, 0]);
      }),
      { numRuns: 300 },
    );
  });
});

test("growths of sums add up to the sums, and gauges stay as they are", () => {
  const pushes = fc.array(fc.array(fc.tuple(fc.constantFrom("a", "b"), fc.nat(9)), { maxLength: 3 }), {
    maxLength: 10,
  });
  fc.assert(
    fc.property(pushes, all => {
      const deltas = new SumDeltas();
      const totals = new Map<string, number>();
      const told = new Map<string, number>();
      for (const push of all) {
        const names = [...new Map(push)];
        const measured = names.map(([name, growth]): Measurement => {
          totals.set(name, (totals.get(name) ?? 0) + growth);
          return { name, kind: "sum", value: totals.get(name) ?? 0, labels: {} };
        });
        const gauge: Measurement = { name: "a", kind: "gauge", value: 42, labels: {} };
        const sent = deltas.of([...measured, gauge]);
        expect(sent.at(-1)).toEqual(gauge);
        for (const { name, value } of sent.slice(0, -1)) told.set(name, (told.get(name) ?? 0) + value);
      }
      expect(told).toEqual(totals);
    }),
    { numRuns: 200 },
  );
});

describe("a session of telemetry", () => {
  const ID = uuidFromBytes(new Uint8Array(16).fill(5));
  const answer = (given: Partial<GetTelemetrySubscriptionsResponse> = {}): GetTelemetrySubscriptionsResponse => ({
    ...{ throttleTimeMs: 0, errorCode: 0, clientInstanceId: ID, subscriptionId: 7, acceptedCompressionTypes: [4] },
    ...{ pushIntervalMs: 1000, telemetryMaxBytes: 1_000_000, deltaTemporality: true, requestedMetrics: ["*"] },
    ...given,
  });
  type Step =
    | { readonly do: "pass"; readonly ms: number }
    | {
        readonly do: "answer";
        readonly errorCode: number;
        readonly metrics: readonly string[];
        readonly hasId: boolean;
      }
    | { readonly do: "fail"; readonly isRetriable: boolean }
    | { readonly do: "terminate" };
  const { UNKNOWN_SUBSCRIPTION_ID, TELEMETRY_TOO_LARGE, INVALID_RECORD } = Errors;
  const steps = fc.array(
    fc.oneof<fc.Arbitrary<Step>[]>(
      fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(0, 500, 1000, 1500, 300_000) }),
      fc.record({
        ...{ do: fc.constant("answer" as const), hasId: fc.constantFrom(true, true, true, true, false) },
        errorCode: fc.constantFrom(
          0,
          0,
          0,
          0,
          UNKNOWN_SUBSCRIPTION_ID.code,
          TELEMETRY_TOO_LARGE.code,
          INVALID_RECORD.code,
        ),
        metrics: fc.constantFrom(["*"], ["*"], ["a.", "b"], []),
      }),
      fc.record({ do: fc.constant("fail" as const), isRetriable: fc.constantFrom(true, true, false) }),
      fc.constantFrom<Step>({ do: "pass", ms: 1000 }, { do: "terminate" }),
    ),
    { maxLength: 40, size: "max" },
  );

  test("asks first, pushes only what is wanted, one at a time, and nothing after its end", () => {
    fc.assert(
      fc.property(steps, all => {
        const session = new TelemetrySession();
        let now = 0;
        let underWay: "subscribe" | "push" | undefined;
        let prefixes: readonly string[] | undefined;
        let hasId = false;
        let isTerminated = false;
        let lastPushes = 0;
        for (const step of all) {
          if (step.do === "pass") now += step.ms;
          else if (step.do === "terminate") {
            session.terminate();
            isTerminated = true;
            underWay = undefined;
          } else if (step.do === "fail") {
            session.failed(step.isRetriable, now);
            if (underWay !== undefined && !step.isRetriable) expect(session.isOver).toBe(true);
            underWay = undefined;
          } else if (underWay === "push") {
            session.pushed(step.errorCode, now);
            expect(session.isOver).toBe(step.errorCode === INVALID_RECORD.code);
            underWay = undefined;
          } else if (underWay === "subscribe") {
            const given = { errorCode: step.errorCode, requestedMetrics: [...step.metrics] };
            session.subscribed(answer(step.hasId ? given : { ...given, clientInstanceId: ZERO_UUID }), now, 0.5);
            underWay = undefined;
            if (step.errorCode === 0 && step.hasId) {
              prefixes = step.metrics[0] === "*" ? [""] : step.metrics;
              hasId = true;
            } else if (step.errorCode === 0)
              expect(session.isOver, "the broker wants nothing of this client").toBe(true);
          }
          const next = session.next(now);
          if (session.isOver && next.type !== "push") expect(next).toEqual({ type: "wait", until: Infinity });
          if (underWay !== undefined) expect(next).toEqual({ type: "wait", until: Infinity });
          else if (next.type === "wait") expect(next.until).toBeGreaterThan(now);
          else if (next.type === "subscribe") {
            expect(isTerminated).toBe(false);
            expect(next.clientInstanceId).toBe(hasId ? ID : ZERO_UUID);
            underWay = "subscribe";
          } else {
            expect(prefixes?.length, "a broker wants it").toBeGreaterThan(0);
            expect(next.subscription.prefixes).toEqual(prefixes);
            expect(next.isTerminating).toBe(isTerminated);
            if (isTerminated) expect(++lastPushes, "once").toBe(1);
            else underWay = "push";
          }
        }
        expect(session.clientInstanceId).toBe(hasId ? ID : undefined);
      }),
      { numRuns: 300 },
    );
  });

  test("pushes the metrics whose names begin as the broker says", () => {
    const measured = ["a.x", "a.y", "b", "c"].map(
      (name): Measurement => ({ name, kind: "gauge", value: 1, labels: {} }),
    );
    const names = (prefixes: readonly string[]): string[] =>
      selected(measured, { prefixes } as never).map(({ name }) => name);
    expect(names([""])).toEqual(["a.x", "a.y", "b", "c"]);
    expect(names(["a.", "c"])).toEqual(["a.x", "a.y", "c"]);
    expect(names(["a", "a.x"]), "each once").toEqual(["a.x", "a.y"]);
    expect(names(["x"])).toEqual([]);
  });
});

describe("metrics of a client", () => {
  const measured = (metrics: ClientMetrics, now: number, assigned?: number) =>
    Object.fromEntries(
      metrics
        .measure(now, assigned)
        .map(({ name, value, labels }) => [name.replace("org.apache.kafka.", "") + (labels["node_id"] ?? ""), value]),
    );

  test("of a consumer tell how long it is idle, and how long rebalances take", () => {
    const metrics = new ClientMetrics("consumer", 0);
    metrics.asked(600);
    metrics.given(1000);
    metrics.asked(1000);
    metrics.given(1000);
    metrics.asked(1000);
    metrics.given(2000);
    metrics.rebalanced(30, 2000);
    metrics.rebalanced(10, 2000);
    const all = measured(metrics, 2000, 3);
    expect(all["consumer.poll.idle.ratio.avg"]).toBeCloseTo(0.7);
    expect(all).toMatchObject({
      ...{ "consumer.coordinator.assigned.partitions": 3, "consumer.coordinator.rebalance.latency.total": 40 },
      ...{ "consumer.coordinator.rebalance.latency.avg": 20, "consumer.coordinator.rebalance.latency.max": 30 },
    });
    expect(measured(metrics, 2000)).not.toHaveProperty(["consumer.coordinator.assigned.partitions"]);
  });

  test("of requests are those of their node, and of what they ask for", () => {
    const metrics = new ClientMetrics("consumer", 0);
    metrics.answered(1, "Fetch", { tookMs: 10, throttledMs: 5 }, 0);
    metrics.answered(2, "OffsetCommit", { tookMs: 30, throttledMs: 0 }, 0);
    metrics.answered(1, "Metadata", { tookMs: 20, throttledMs: 0 }, 0);
    metrics.connected(0);
    expect(measured(metrics, 0)).toMatchObject({
      ...{ "consumer.node.request.latency.avgnode-1": 15, "consumer.node.request.latency.maxnode-1": 20 },
      ...{ "consumer.node.request.latency.avgnode-2": 30, "consumer.fetch.manager.fetch.latency.max": 10 },
      ...{ "consumer.fetch.manager.fetch.throttle.time.avg": 5, "consumer.coordinator.commit.latency.avg": 30 },
      ...{ "consumer.connection.creation.total": 1, "consumer.connection.creation.rate": 1 / 30 },
    });
    const producer = new ClientMetrics("producer", 0);
    producer.answered(1, "Produce", { tookMs: 1, throttledMs: 7 }, 0);
    producer.queued(4, 0);
    expect(measured(producer, 0)).toMatchObject({
      ...{ "producer.produce.throttle.time.max": 7, "producer.record.queue.time.avg": 4 },
    });
  });

  test("are of a thousand nodes at most", () => {
    const metrics = new ClientMetrics("producer", 0);
    for (let node = 0; node < 1100; node++) metrics.answered(node, "Produce", { tookMs: 1, throttledMs: 0 }, 0);
    const nodes = new Set(metrics.measure(0).flatMap(({ labels }) => labels["node_id"] ?? []));
    expect(nodes.size).toBe(1000);
  });
});

describe("an error", () => {
  test("of a broker says what was refused and why, and keeps the broker's words", () => {
    const error = KafkaError.of(Errors.NOT_LEADER_OR_FOLLOWER.code, "topic t", "gone", { broker: "h:1" });
    expect(error).toMatchObject({
      ...{ name: "NOT_LEADER_OR_FOLLOWER", code: 6, retriable: true, abortable: false, fatal: false },
      ...{ message: "topic t: gone (NOT_LEADER_OR_FOLLOWER) (broker h:1)", detail: "gone", broker: "h:1" },
    });
    for (const detail of [undefined, null, ""]) {
      const silent = KafkaError.of(Errors.INVALID_RECORD.code, "x", detail);
      expect([silent.detail, silent.retriable]).toEqual([undefined, false]);
      expect(silent.message).toBe(`x: ${Errors.INVALID_RECORD.message} (INVALID_RECORD)`);
    }
    expect(KafkaError.of(12_345, "x").name).toBe("UNKNOWN_SERVER_ERROR");
  });

  test("of the client itself has no code, and may be retried if time or the network is to blame", () => {
    const names = [
      "TIMED_OUT",
      "DISCONNECTED",
      "BROKERS_UNREACHABLE",
      "BUFFER_EXHAUSTED",
      "TOKEN_UNAVAILABLE",
    ] as const;
    for (const name of names) expect(new KafkaError(name, "x")).toMatchObject({ code: undefined, retriable: true });
    const finals = ["ABORTED", "CLOSED", "TLS_FAILED", "DELIVERY_TIMED_OUT", "COMMIT_FAILED", "LOG_TRUNCATED"] as const;
    for (const name of finals) expect(new KafkaError(name, "x").retriable).toBe(false);
    const cause = new Error("why");
    const error = new KafkaError("ABORTED", "x", { cause, abortable: true, fatal: true });
    expect([error.cause, error.abortable, error.fatal, error.message]).toEqual([cause, true, true, "x"]);
  });
});
