import { VERSION } from "@samsa/base";
import type { ConsumerInterceptor, ProducerInterceptor } from "./interceptors.ts";
import type { TypedRecord } from "./typed-record.ts";
import type { OutgoingTypedRecord } from "./outgoing-record.ts";

type Attributes = Record<string, string | number | boolean>;

interface Span {
  setAttributes(attributes: Attributes): unknown;
  setStatus(status: { readonly code: number; readonly message?: string }): unknown;
  recordException(error: Error): void;
  end(): void;
}

interface Instrument {
  add(value: number, attributes: Attributes): void;
}

interface Histogram {
  record(value: number, attributes: Attributes): void;
}

/** The parts of `@opentelemetry/api` (version 1) that are used. `C` is its `Context`. */
export interface OpenTelemetryApi<C> {
  readonly SpanKind: { readonly PRODUCER: number; readonly CONSUMER: number };
  readonly SpanStatusCode: { readonly ERROR: number };
  readonly context: {
    active(): C;
    with<R>(context: C, work: () => R): R;
  };
  readonly propagation: {
    inject(context: C, carrier: object): void;
    extract(context: C, carrier: object): C;
  };
  readonly trace: {
    getTracer(
      name: string,
      version?: string,
    ): { startSpan(name: string, options: { kind: number; attributes: Attributes }, context?: C): Span };
    setSpan(context: C, span: Span): C;
  };
  readonly metrics: {
    getMeter(
      name: string,
      version?: string,
    ): {
      createCounter(name: string, options: { description: string; unit: string }): Instrument;
      createHistogram(name: string, options: { description: string; unit: string }): Histogram;
    };
  };
}

/** Interceptors that trace and count. */
export interface Instrumentation<K, V> {
  readonly producer: ProducerInterceptor<K, V>;
  readonly consumer: ConsumerInterceptor<K, V>;
}

const NAME = "@samsa/client";
const seconds = (since: number): number => (performance.now() - since) / 1000;

function attributesOf(operation: string, topic: string, group?: string): Attributes {
  return {
    "messaging.system": "kafka",
    "messaging.operation.name": operation,
    "messaging.operation.type": operation,
    "messaging.destination.name": topic,
    ...(group === undefined ? {} : { "messaging.consumer.group.name": group }),
  };
}

/** Carrier of the propagator: headers whose values are texts. */
function carrierOf(record: TypedRecord<unknown, unknown>): Record<string, string> {
  const texts = record.headers.flatMap(({ key, value }) =>
    value === null ? [] : [[key, Buffer.from(value).toString()]],
  );
  return Object.fromEntries(texts) as Record<string, string>;
}

const failed = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/**
 * Spans and metrics by OpenTelemetry's semantic conventions for messaging: `send` spans of producers, whose context travels
 * in the headers of the record, and `process` spans around the handler of `run`, which are their children. `api` is the
 * module `@opentelemetry/api` of the program, so that it reports where the program does.
 */
export function openTelemetry<C, K = unknown, V = unknown>(
  api: OpenTelemetryApi<C>,
  { group }: { readonly group?: string } = {},
): Instrumentation<K, V> {
  const tracer = api.trace.getTracer(NAME, VERSION);
  const meter = api.metrics.getMeter(NAME, VERSION);
  const counter = (name: string, description: string): Instrument =>
    meter.createCounter(name, { description, unit: "{message}" });
  const histogram = (name: string, description: string): Histogram =>
    meter.createHistogram(name, { description, unit: "s" });
  const sent = counter("messaging.client.sent.messages", "Records that were sent");
  const consumed = counter("messaging.client.consumed.messages", "Records that were read");
  const sendTime = histogram("messaging.client.operation.duration", "Time until a record is acknowledged");
  const processTime = histogram("messaging.process.duration", "Time of the handler of a record");

  const end = (span: Span, attributes: Attributes, error: unknown): Attributes => {
    if (error === undefined) {
      span.end();
      return attributes;
    }
    const { name, message } = failed(error);
    span.recordException(failed(error));
    span.setStatus({ code: api.SpanStatusCode.ERROR, message });
    span.setAttributes({ "error.type": name });
    span.end();
    return { ...attributes, "error.type": name };
  };

  const open = new WeakMap<OutgoingTypedRecord<K, V>, { readonly span: Span; readonly since: number }>();
  const producer: ProducerInterceptor<K, V> = {
    send(record) {
      const { topic, key, value } = record;
      const span = tracer.startSpan(`send ${topic}`, {
        kind: api.SpanKind.PRODUCER,
        attributes: {
          ...attributesOf("send", topic),
          ...(typeof key === "string" ? { "messaging.kafka.message.key": key } : {}),
          ...(value === null ? { "messaging.kafka.message.tombstone": true } : {}),
        },
      });
      const carrier: Record<string, string> = {};
      api.propagation.inject(api.trace.setSpan(api.context.active(), span), carrier);
      const traced = { ...record, headers: { ...record.headers, ...carrier } };
      open.set(traced, { span, since: performance.now() });
      return traced;
    },
    acknowledged(record, outcome) {
      const found = open.get(record);
      if (found === undefined) return;
      open.delete(record);
      if ("metadata" in outcome) {
        const { partition, offset } = outcome.metadata;
        found.span.setAttributes({
          "messaging.destination.partition.id": String(partition),
          "messaging.kafka.offset": offset,
        });
      }
      const attributes = attributesOf("send", record.topic);
      const told = end(found.span, attributes, "error" in outcome ? outcome.error : undefined);
      sent.add(1, told);
      sendTime.record(seconds(found.since), told);
    },
  };

  const consumer: ConsumerInterceptor<K, V> = {
    consume: record => consumed.add(1, attributesOf("receive", record.topic, group)),
    async handle(record, work) {
      const { topic, partition, offset } = record;
      const attributes = attributesOf("process", topic, group);
      const parent = api.propagation.extract(api.context.active(), carrierOf(record));
      const options = {
        kind: api.SpanKind.CONSUMER,
        attributes: {
          ...attributes,
          "messaging.destination.partition.id": String(partition),
          "messaging.kafka.offset": offset,
        },
      };
      const span = tracer.startSpan(`process ${topic}`, options, parent);
      const since = performance.now();
      let error: unknown;
      try {
        await api.context.with(api.trace.setSpan(parent, span), work);
      } catch (thrown) {
        error = failed(thrown);
        throw thrown;
      } finally {
        processTime.record(seconds(since), end(span, attributes, error));
      }
    },
  };
  return { producer, consumer };
}
