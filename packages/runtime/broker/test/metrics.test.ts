import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { ErrorCounts } from "../src/turn/error-counts.ts";
import { BoundedSeries } from "../src/turn/bounded-series.ts";
import { Histogram, microseconds, QUANTILES } from "../src/turn/histogram.ts";
import { BrokerMetrics } from "../src/turn/metrics.ts";
import { ScrapeRate } from "../src/turn/scrape-rate.ts";
import { Apis, Errors } from "@samsa/protocol";

const MOST = 0x7fffffff;

describe("a histogram", () => {
  const value = fc.oneof(fc.nat(20), fc.nat(5000), fc.nat(MOST));

  test("has each value in a bucket that is at most an eighth wide", () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 200 }), values => {
        const histogram = new Histogram();
        for (const one of values) histogram.record(one);
        const sorted = values.toSorted((a, b) => a - b);
        expect([histogram.count, histogram.sum]).toEqual([values.length, values.reduce((sum, one) => sum + one, 0)]);
        const found = histogram.quantiles(0);
        for (const [i, quantile] of QUANTILES.entries()) {
          const exact = sorted[Math.max(0, Math.ceil(quantile * values.length) - 1)];
          expect(found[i]).toBeGreaterThanOrEqual(exact * (1 - 1 / 8));
          expect(found[i]).toBeLessThanOrEqual(exact * (1 + 1 / 8) + 1);
        }
        for (const limit of [1, 256, 65_536]) {
          expect(histogram.below(limit)).toBe(values.filter(one => one < limit).length);
        }
      }),
    );
  });

  test("cuts what is no value to the nearest one", () => {
    const histogram = new Histogram();
    for (const one of [-5, NaN, 0.9, 2 ** 40, Infinity]) histogram.record(one);
    expect([histogram.count, histogram.sum]).toEqual([5, 2 * MOST]);
    expect([-1, NaN, 0.0015, 1e12].map(microseconds)).toEqual([0, 0, 1, MOST]);
  });

  test("forgets in its quantiles what is older than five minutes", () => {
    const histogram = new Histogram();
    histogram.record(1000);
    expect(histogram.quantiles(0)[0]).toBeCloseTo(1000, -2);
    for (const now of [150_000, 300_000]) histogram.quantiles(now);
    expect(histogram.quantiles(300_001)).toEqual(QUANTILES.map(() => NaN));
    histogram.record(10);
    expect(histogram.quantiles(300_002)[0]).toBeGreaterThanOrEqual(10);
    expect(histogram.quantiles(300_002)[5]).toBeLessThanOrEqual(11);
    expect(histogram.count).toBe(2);
  });
});

describe("error codes in responses", () => {
  test("are counted wherever the schema has them", () => {
    const counts = new ErrorCounts(Apis.Produce.response.fields);
    const { NOT_LEADER_OR_FOLLOWER } = Errors;
    const partitionResponses = [{ errorCode: 0 }, { errorCode: NOT_LEADER_OR_FOLLOWER.code }, {}];
    counts.add({ responses: [{ name: "t", partitionResponses }] });
    counts.add(null);
    expect(Object.fromEntries(counts)).toEqual({ NONE: 3, NOT_LEADER_OR_FOLLOWER: 1 });
  });

  test("of unknown numbers keep them", () => {
    const counts = new ErrorCounts(Apis.Heartbeat.response.fields);
    counts.add({ errorCode: 9999 });
    expect([...counts]).toEqual([["9999", 1]]);
  });
});

test("times of requests become a summary and a histogram", () => {
  const metrics = new BrokerMetrics();
  const heartbeat = metrics.requests.of("Heartbeat");
  heartbeat.answered(4, { errorCode: 0 });
  const times = { queueUs: 100, localUs: 200, remoteUs: 300, responseQueueUs: 0, sendUs: 0, throttleUs: 0 };
  heartbeat.sent({ ...times, bytes: 64 });
  const families = metrics.families(() => 0);
  const valueOf = (name: string, labels: object, suffix?: string) =>
    families
      .find(family => family.name === name)
      ?.samples.find(sample => sample.suffix === suffix && JSON.stringify(sample.labels) === JSON.stringify(labels))
      ?.value;
  const request = "Heartbeat";
  const prefix = "kafka_network_requestmetrics_";
  expect(valueOf(`${prefix}requests_total`, { request, version: "4" })).toBe(1);
  expect(valueOf(`${prefix}errors_total`, { request, error: "NONE" })).toBe(1);
  expect(valueOf(`${prefix}totaltimems`, { request }, "_sum")).toBeCloseTo(0.6);
  expect(valueOf(`${prefix}remotetimems`, { request, quantile: "0.99" })).toBeCloseTo(0.3, 1);
  expect(valueOf(`${prefix}requestbytes`, { request }, "_sum")).toBe(64);
  const bucket = (le: string) => valueOf("samsa_request_duration_seconds", { request, le }, "_bucket");
  expect(["0.000256", "0.000512", "0.001024", "+Inf"].map(bucket)).toEqual([0, 0, 1, 1]);
});

test("topics are counted each and together, until they are deleted", () => {
  const { topics } = new BrokerMetrics();
  topics.produced("a", 10, 2);
  topics.produced("b", 5, 1);
  topics.produceFailed("a", Errors.MESSAGE_TOO_LARGE.code, 99);
  topics.produceFailed("a", Errors.NOT_ENOUGH_REPLICAS.code, 7);
  topics.fetchFailed("a", Errors.OFFSET_OUT_OF_RANGE.code);
  topics.fetchFailed("a", Errors.UNKNOWN_SERVER_ERROR.code);
  const counts = () =>
    Object.fromEntries(
      [...topics.sources()].map(({ name, samples }) => [
        name.replace(/^kafka_server_brokertopicmetrics_(.*)_total$/, "$1"),
        [...samples()].map(({ labels, value }) => [labels["topic"], value]),
      ]),
    );
  expect(counts()["messagesin"]).toEqual([
    [undefined, 3],
    ["a", 2],
    ["b", 1],
  ]);
  topics.topicDeleted("b");
  expect(counts()["bytesin"]).toEqual([
    [undefined, 15],
    ["a", 10],
  ]);
  expect(counts()["bytesrejected"]?.[0]).toEqual([undefined, 99]);
  expect(counts()["failedproducerequests"]?.[0]).toEqual([undefined, 1]);
  expect(counts()["failedfetchrequests"]?.[0]).toEqual([undefined, 1]);
});

test("connections are counted by listener, and by few kinds of software", () => {
  const { connections } = new BrokerMetrics();
  connections.listener("A", 0);
  for (const what of ["opened", "opened", "closed", "refused"] as const) connections.count("A", what);
  connections.addOpen(() =>
    Array.from({ length: 150 }, (_, i) => ({
      listener: "A",
      software: { name: `client-${i}`, version: "1" },
      requests: 2,
      responses: 1,
    })),
  );
  const samplesOf = (end: string) => [
    ...([...connections.sources(() => 10_000)].find(({ name }) => name.endsWith(end))?.samples() ?? []),
  ];
  const labels = { listener: "A", networkProcessor: "0" };
  expect(samplesOf("connection_count")).toEqual([{ labels, value: 1 }]);
  expect(samplesOf("connection_creation_rate")).toEqual([{ labels, value: 0.2 }]);
  expect(samplesOf("requestqueuesize")).toEqual([{ labels: {}, value: 300 }]);
  const software = samplesOf("_connections");
  expect(software).toHaveLength(101);
  expect(software.at(-1)).toMatchObject({ labels: { client_software_name: "other" }, value: 50 });
});

test("throttle times are averages of each client, of those that were throttled last", () => {
  const { throttles } = new BrokerMetrics();
  for (let i = 0; i < 1001; i++) throttles.add("produce", { user: "u", clientId: `c${i}` }, 10, 0);
  throttles.add("produce", { user: "u", clientId: "c1" }, 30, 1);
  const samplesAt = (now: number) =>
    [...throttles.sources(() => now)].map(({ name, samples }) => [name, [...samples()]] as const);
  const [[name, samples], [, fetches]] = samplesAt(2);
  expect([name, samples.length, fetches]).toEqual(["kafka_server_produce_throttle_time", 1000, []]);
  expect(samples[0]?.labels["client_id"]).toBe("c2");
  expect(samples.at(-1)).toEqual({ labels: { user: "u", client_id: "c1" }, value: 20 });
  expect(samplesAt(90_000)[0]?.[1].at(-1)?.value).toBe(0);
});

test("a rate is that of the last minute", () => {
  const rate = new ScrapeRate(0);
  expect(rate.read(10, 10_000)).toBe(1);
  expect(rate.read(60, 30_000)).toBe(2);
  expect(rate.read(60, 60_000)).toBe(0);
});

test("a metric asks for no sample beyond its limit, and reads no more items than it has to count", () => {
  const metrics = new BrokerMetrics();
  const series = new BoundedSeries(metrics, 2);
  let [read, asked] = [0, 0];
  const items = function* items() {
    for (;;) yield ++read;
  };
  const found = [...series.limit("m", items(), value => ({ labels: { n: String(value) }, value: ++asked }))];
  expect(found).toHaveLength(2);
  expect([asked, read]).toEqual([2, 20_002]);
});

test("a metric has no more series than its limit, and the rest is counted", () => {
  const metrics = new BrokerMetrics();
  const series = new BoundedSeries(metrics, 2);
  const samples = [1, 2, 3, 4, 5].map(value => ({ labels: { n: String(value) }, value }));
  expect([...series.limit("m", samples, one => one)]).toEqual(samples.slice(0, 2));
  const leftOut = () => metrics.families(() => 0).find(({ name }) => name === "samsa_metrics_left_out")?.samples;
  expect(leftOut()).toEqual([{ labels: { metric: "m" }, value: 3 }]);
  expect([...series.limit("m", samples, () => undefined)]).toEqual([]);
  expect([...series.limit("m", samples.slice(0, 1), one => one)]).toHaveLength(1);
  expect(leftOut()).toEqual([]);
});
