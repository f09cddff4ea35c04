import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** Data point of a metric. */
export interface DataPoint {
  /** Attributes of type text, number or boolean, at most `MOST_ATTRIBUTES`. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly value: number;
}

/** Metric of OTLP's `MetricsData` (opentelemetry/proto/metrics/v1). A histogram becomes two: its count and its sum. */
export interface OtlpMetric {
  readonly name: string;
  /** The value never decreases, except by a restart. */
  readonly monotonic: boolean;
  /** Values are increments since the previous push. */
  readonly delta: boolean;
  readonly points: readonly DataPoint[];
}

const MOST_ATTRIBUTES = 16;

/** Tag of protobuf: field number and wire type. */
const key = (field: number, type: WireType): number => field * 8 + type;
const message = (field: number): number => key(field, WireType.LengthDelimited);

const RESOURCE_METRICS = message(1);
const SCOPE_METRICS = message(2);
const METRICS = message(2);
const NAME = message(1);
const GAUGE = message(5);
const SUM = message(7);
const HISTOGRAM = message(9);
const DATA_POINTS = message(1);
const TEMPORALITY = key(2, WireType.Varint);
const IS_MONOTONIC = key(3, WireType.Varint);
const DELTA = 1;

const NUMBER = {
  attributes: message(7),
  double: key(4, WireType.Bit64),
  integer: key(6, WireType.Bit64),
  flags: key(8, WireType.Varint),
} as const;
const DISTRIBUTION = {
  attributes: message(9),
  count: key(4, WireType.Bit64),
  sum: key(5, WireType.Bit64),
  flags: key(10, WireType.Varint),
} as const;
/** Flag of a data point without a value. */
const NO_VALUE = 1;

const ATTRIBUTE_KEY = message(1);
const ATTRIBUTE_VALUE = message(2);
const TEXT = message(1);
const BOOLEAN = key(2, WireType.Varint);
const INTEGER = key(3, WireType.Varint);
const DOUBLE = key(4, WireType.Bit64);

const UTF8 = new TextDecoder();

/** Reads the fields of a message in order, and skips those that `take` does not read. Throws at invalid bytes. */
function fields(bytes: Uint8Array, take: (key: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (!take(key(field, type), reader)) reader.skip(type, field);
  }
}

function readValue(bytes: Uint8Array): string | undefined {
  let text: string | undefined;
  fields(bytes, (at, reader) => {
    if (at === TEXT) text = UTF8.decode(reader.bytes());
    else if (at === BOOLEAN) text = String(reader.bool());
    else if (at === INTEGER) text = String(reader.int64());
    else if (at === DOUBLE) text = String(reader.double());
    else return false;
    return true;
  });
  return text;
}

function readAttribute(bytes: Uint8Array, into: Map<string, string>): void {
  let name = "";
  let value: string | undefined;
  fields(bytes, (at, reader) => {
    if (at === ATTRIBUTE_KEY) name = UTF8.decode(reader.bytes());
    else if (at === ATTRIBUTE_VALUE) value = readValue(reader.bytes());
    else return false;
    return true;
  });
  if (value !== undefined) into.set(name, value);
}

function readNumber(bytes: Uint8Array): DataPoint | undefined {
  const attributes = new Map<string, string>();
  let value: number | undefined;
  let flags = 0;
  fields(bytes, (at, reader) => {
    if (at === NUMBER.double) value = reader.double();
    else if (at === NUMBER.integer) value = Number(reader.sfixed64());
    else if (at === NUMBER.flags) flags = reader.uint32();
    else if (at === NUMBER.attributes && attributes.size < MOST_ATTRIBUTES) readAttribute(reader.bytes(), attributes);
    else return false;
    return true;
  });
  return value === undefined || (flags & NO_VALUE) !== 0 ? undefined : { attributes, value };
}

interface Distribution {
  readonly attributes: ReadonlyMap<string, string>;
  readonly count: number;
  readonly sum: number | undefined;
}

function readDistribution(bytes: Uint8Array): Distribution | undefined {
  const attributes = new Map<string, string>();
  let count = 0;
  let sum: number | undefined;
  let flags = 0;
  fields(bytes, (at, reader) => {
    if (at === DISTRIBUTION.count) count = Number(reader.fixed64());
    else if (at === DISTRIBUTION.sum) sum = reader.double();
    else if (at === DISTRIBUTION.flags) flags = reader.uint32();
    else if (at === DISTRIBUTION.attributes && attributes.size < MOST_ATTRIBUTES) {
      readAttribute(reader.bytes(), attributes);
    } else return false;
    return true;
  });
  return (flags & NO_VALUE) !== 0 ? undefined : { attributes, count, sum };
}

/** Reads the common fields of gauges, sums and histograms, with at most `most` points. */
function readData<P>(bytes: Uint8Array, readPoint: (bytes: Uint8Array) => P | undefined, most: number) {
  const points: P[] = [];
  let delta = false;
  let monotonic = false;
  fields(bytes, (at, reader) => {
    if (at === TEMPORALITY) delta = reader.uint32() === DELTA;
    else if (at === IS_MONOTONIC) monotonic = reader.bool();
    else if (at === DATA_POINTS && points.length < most) {
      const point = readPoint(reader.bytes());
      if (point !== undefined) points.push(point);
    } else return false;
    return true;
  });
  return { points, delta, monotonic };
}

function readHistogram(name: string, bytes: Uint8Array, most: number): OtlpMetric[] {
  const { points, delta } = readData(bytes, readDistribution, most);
  const counts = points.map(({ attributes, count }) => ({ attributes, value: count }));
  const sums = points.flatMap(({ attributes, sum }) => (sum === undefined ? [] : [{ attributes, value: sum }]));
  return [
    { name: `${name}.count`, monotonic: true, delta, points: counts },
    // Measured values may be negative, so the sum is not monotonic.
    { name: `${name}.sum`, monotonic: false, delta, points: sums },
  ];
}

function readMetric(bytes: Uint8Array, most: number): OtlpMetric[] {
  let name = "";
  let read: () => OtlpMetric[] = () => [];
  // The name may follow the data: read the data at the end.
  fields(bytes, (at, reader) => {
    if (at === NAME) name = UTF8.decode(reader.bytes());
    else if (at === GAUGE) {
      const data = reader.bytes();
      read = () => [{ name, monotonic: false, delta: false, points: readData(data, readNumber, most).points }];
    } else if (at === SUM) {
      const data = reader.bytes();
      read = () => [{ name, ...readData(data, readNumber, most) }];
    } else if (at === HISTOGRAM) {
      const data = reader.bytes();
      read = () => readHistogram(name, data, most);
    } else return false;
    return true;
  });
  return read();
}

/** Reads all metrics of a `MetricsData`, with at most `most` data points. Throws at invalid bytes. */
export function readMetricsData(bytes: Uint8Array, most: number): OtlpMetric[] {
  const metrics: OtlpMetric[] = [];
  let left = most;
  const nested = (within: Uint8Array, wanted: number, read: (bytes: Uint8Array) => void): void =>
    fields(within, (at, reader) => {
      if (at !== wanted) return false;
      read(reader.bytes());
      return true;
    });
  nested(bytes, RESOURCE_METRICS, resource =>
    nested(resource, SCOPE_METRICS, scope =>
      nested(scope, METRICS, metric => {
        for (const found of readMetric(metric, left)) {
          if (found.points.length === 0) continue;
          left = Math.max(0, left - found.points.length);
          metrics.push(found);
        }
      }),
    ),
  );
  return metrics;
}
