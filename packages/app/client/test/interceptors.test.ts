import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { context, metrics, propagation, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { clusterFixture } from "@samsa/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
  KafkaClient,
  KafkaError,
  openTelemetry,
  type OutgoingTypedRecord,
  type ProducerInterceptor,
  string,
} from "../src/index.ts";

const topics = { plain: 1, seen: 1, refused: 1, streamed: 1, traced: 1 };
const cluster = clusterFixture({ beforeAll, afterAll }, { topics });
let client: KafkaClient;
const logged: string[] = [];

beforeEach(() => {
  logged.length = 0;
  const note = (message: string, fields?: object): void =>
    void logged.push(`${message} ${JSON.stringify(fields ?? {})}`);
  const logger = { debug: () => undefined, info: () => undefined, warn: note, error: note };
  client = new KafkaClient({ bootstrapServers: cluster().bootstrapServers, logger });
});

afterEach(() => client.close());

async function read(topic: string, count: number): Promise<(string | null)[]> {
  const consumer = client.consumer({ value: string });
  consumer.assign([{ topic, partition: 0, offset: "beginning" }]);
  const values: (string | null)[] = [];
  for await (const record of consumer.records()) if (values.push(record.value) === count) break;
  await consumer.close();
  return values;
}

type Outgoing = OutgoingTypedRecord<string, string>;

test("interceptors change records and see their end, one after the other; what they throw is logged", async () => {
  const ends: string[] = [];
  const marking = (mark: string): ProducerInterceptor<string, string> => ({
    send: record => ({ ...record, value: `${record.value} ${mark}` }),
    acknowledged: (record, outcome) =>
      ends.push(`${mark}: ${record.value} ${"metadata" in outcome ? outcome.metadata.offset : outcome.error.name}`),
  });
  const broken: ProducerInterceptor<string, string> = {
    send: () => {
      throw new Error("no send");
    },
    acknowledged: () => {
      throw new Error("no end");
    },
  };
  const interceptors = [marking("a"), broken, marking("b")];
  await using producer = client.producer<string, string>({ value: string, interceptors });
  await producer.send({ topic: "seen", value: "1" });
  const { failures } = await producer.sendBatch([{ topic: "seen", value: "2" }]);
  const offered = new Promise(resolve => producer.offer({ topic: "seen", value: "3" }, resolve));
  expect([failures.size, await offered]).toEqual([0, undefined]);
  expect(await read("seen", 3)).toEqual(["1 a b", "2 a b", "3 a b"]);
  expect(ends).toEqual(["a: 1 a 0", "b: 1 a b 0", "a: 2 a 1", "b: 2 a b 1", "a: 3 a 2", "b: 3 a b 2"]);
  expect(logged.length).toBe(6);
});

test("a record that is not written ends for the interceptors as for the caller; a refused offer is seen once", async () => {
  let sends = 0;
  const ends: string[] = [];
  const interceptor: ProducerInterceptor<string, string> = {
    send(record) {
      sends++;
      return record;
    },
    acknowledged: (_, outcome) => ends.push("error" in outcome ? outcome.error.name : "written"),
  };
  await using producer = client.producer<string, string>({
    ...{ value: string, interceptors: [interceptor], maxRequestBytes: 2000 },
  });
  const large = { topic: "refused", value: "x".repeat(3000) };
  await expect(producer.send(large)).rejects.toThrow(KafkaError);
  expect((await producer.sendBatch([large])).failures.size).toBe(1);
  expect(() => producer.offer(large)).toThrow(KafkaError);
  expect([sends, ends]).toEqual([3, ["RECORD_TOO_LARGE", "RECORD_TOO_LARGE", "RECORD_TOO_LARGE"]]);
  // The metadata of the topic is not known to another producer: its first offers are refused.
  await using second = client.producer<string, string>({ value: string, interceptors: [interceptor] });
  const record = { topic: "refused", value: "small" };
  while (!second.offer(record)) await second.drained();
  await second.flush();
  expect([sends, ends.at(-1)]).toEqual([4, "written"]);
});

test("a stream sends what is written to it, and fails with the first record that is not", async () => {
  const values = Array.from({ length: 500 }, (_, i) => `line ${i}`);
  await using producer = client.producer<string, string>({ value: string, maxRequestBytes: 2000 });
  const records = Readable.from(values.map((value): Outgoing => ({ topic: "streamed", value })));
  await pipeline(records, Writable.fromWeb(producer.writable(), { objectMode: true }));
  expect(await read("streamed", 500)).toEqual(values);
  const writer = producer.writable().getWriter();
  await writer.write({ topic: "streamed", value: "again" });
  await expect(writer.write({ topic: "streamed", value: "x".repeat(3000) })).rejects.toThrow(KafkaError);
  await expect(writer.closed).rejects.toThrow(KafkaError);
});

test("a process that exits says how many records have no outcome", async () => {
  const folder = mkdtempSync(join(tmpdir(), "samsa-exits-"));
  const file = join(folder, "exits.ts");
  const source = `import { KafkaClient } from "${join(import.meta.dirname, "../src/index.ts")}";
    const client = new KafkaClient(process.argv[2]);
    const producer = client.producer();
    await producer.send({ topic: "plain", value: "first" });
    if (process.argv[3] === "lost") for (let i = 0; i < 1200; i++) producer.offer({ topic: "plain", value: "x" });
    else await client.close();
    process.exit();`;
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(file, source);
  const said = (how: string): Promise<string> =>
    new Promise(resolve => {
      execFile(process.execPath, [file, cluster().bootstrapServers, how], (_, __, stderr) => resolve(stderr));
    });
  try {
    expect(await said("lost")).toBe(
      "samsa: the process ended before 1,200 records of producer samsa-client-producer were acknowledged; await close() first\n",
    );
    expect(await said("closed")).toBe("");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("OpenTelemetry: a handler's span is the child of its record's, and both are counted", async () => {
  const spans = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  const measured = new InMemoryMetricExporter(0);
  const reader = new PeriodicExportingMetricReader({ exporter: measured });
  trace.setGlobalTracerProvider(provider);
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const api = { context, metrics, propagation, trace, SpanKind, SpanStatusCode };
  const telemetry = openTelemetry<ReturnType<typeof context.active>, string, string>(api, { group: "traced" });
  await using producer = client.producer({ value: string, key: string, interceptors: [telemetry.producer] });
  await producer.send({ topic: "traced", key: "k", value: "good" });
  await producer.send({ topic: "traced", value: "bad" });
  const interceptors = [telemetry.consumer];
  const consumer = client.consumer({ group: "traced", key: string, value: string, reset: "earliest", interceptors });
  await consumer.subscribe(["traced"]);
  const active: (string | undefined)[] = [];
  const end = new AbortController();
  await consumer.run(
    record => {
      active.push(trace.getActiveSpan()?.spanContext().traceId);
      if (record.value === "bad") throw new RangeError("bad value");
    },
    { signal: end.signal, failed: () => end.abort() },
  );
  await consumer.close();
  const told = spans.getFinishedSpans().map(span => ({
    ...{ name: span.name, kind: span.kind, code: span.status.code, offset: span.attributes["messaging.kafka.offset"] },
    ...{ trace: span.spanContext().traceId, id: span.spanContext().spanId, parent: span.parentSpanContext?.spanId },
  }));
  const [first, second] = told;
  expect(told).toMatchObject([
    { name: "send traced", kind: SpanKind.PRODUCER, code: SpanStatusCode.UNSET, offset: 0, parent: undefined },
    { name: "send traced", kind: SpanKind.PRODUCER, offset: 1 },
    { name: "process traced", kind: SpanKind.CONSUMER, offset: 0, parent: first?.id, trace: first?.trace },
    { name: "process traced", code: SpanStatusCode.ERROR, offset: 1, parent: second?.id, trace: second?.trace },
  ]);
  expect(active).toEqual([first?.trace, second?.trace]);
  await reader.forceFlush();
  const figures = measured.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(scope => scope.metrics));
  const sum = (name: string): number =>
    figures
      .filter(({ descriptor }) => descriptor.name === name)
      .flatMap(({ dataPoints }) => dataPoints.map(({ value }) => Number(value)))
      .reduce((a, b) => a + b, 0);
  expect([sum("messaging.client.sent.messages"), sum("messaging.client.consumed.messages")]).toEqual([2, 2]);
  expect(figures.map(({ descriptor }) => descriptor.name)).toContain("messaging.process.duration");
});
