import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Measurement } from "@samsa/client-kernel";

/** Metrics with what they have in common. Times are in ms since the epoch. */
export interface MetricsData {
  readonly measurements: readonly Measurement[];
  /** Attributes of the client (`OTLP Resource`). */
  readonly resource: Readonly<Record<string, string>>;
  readonly time: number;
  /** Time at which the counting of sums has begun. */
  readonly since: number;
  /** Sums are their growth since `since`. */
  readonly isDelta: boolean;
}

const NANOS = 1_000_000n;
const [DELTA, CUMULATIVE] = [1, 2];

/** Field numbers of OTLP's messages (opentelemetry/proto/metrics/v1, common/v1, resource/v1). */
const FIELD = {
  metricsData: { resourceMetrics: 1 },
  resourceMetrics: { resource: 1, scopeMetrics: 2 },
  resource: { attributes: 1 },
  scopeMetrics: { metrics: 2 },
  metric: { name: 1, gauge: 5, sum: 7 },
  gauge: { points: 1 },
  sum: { points: 1, temporality: 2, isMonotonic: 3 },
  point: { startTime: 2, time: 3, double: 4, attributes: 7 },
  attribute: { key: 1, value: 2 },
  value: { text: 1 },
} as const;

/** Writes a message as the field of another. */
function nested(writer: BinaryWriter, field: number, write: (writer: BinaryWriter) => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write(writer);
  writer.join();
}

function writeAttributes(writer: BinaryWriter, field: number, all: Readonly<Record<string, string>>): void {
  for (const [key, text] of Object.entries(all)) {
    nested(writer, field, attribute => {
      attribute.tag(FIELD.attribute.key, WireType.LengthDelimited).string(key);
      nested(attribute, FIELD.attribute.value, value => {
        value.tag(FIELD.value.text, WireType.LengthDelimited).string(text);
      });
    });
  }
}

function writeMetric(writer: BinaryWriter, { kind, name, value, labels }: Measurement, data: MetricsData): void {
  const writePoint = (point: BinaryWriter): void => {
    if (kind === "sum")
      point.tag(FIELD.point.startTime, WireType.Bit64).fixed64(BigInt(Math.round(data.since)) * NANOS);
    point.tag(FIELD.point.time, WireType.Bit64).fixed64(BigInt(Math.round(data.time)) * NANOS);
    point.tag(FIELD.point.double, WireType.Bit64).double(value);
    writeAttributes(point, FIELD.point.attributes, labels);
  };
  writer.tag(FIELD.metric.name, WireType.LengthDelimited).string(name);
  if (kind === "gauge") {
    nested(writer, FIELD.metric.gauge, gauge => nested(gauge, FIELD.gauge.points, writePoint));
    return;
  }
  nested(writer, FIELD.metric.sum, sum => {
    nested(sum, FIELD.sum.points, writePoint);
    sum.tag(FIELD.sum.temporality, WireType.Varint).int32(data.isDelta ? DELTA : CUMULATIVE);
    sum.tag(FIELD.sum.isMonotonic, WireType.Varint).bool(true);
  });
}

/** Encodes metrics as OTLP's `MetricsData`, which PushTelemetry carries. */
export function metricsData(data: MetricsData): Uint8Array {
  const writer = new BinaryWriter();
  nested(writer, FIELD.metricsData.resourceMetrics, all => {
    nested(all, FIELD.resourceMetrics.resource, resource => {
      writeAttributes(resource, FIELD.resource.attributes, data.resource);
    });
    nested(all, FIELD.resourceMetrics.scopeMetrics, scope => {
      for (const one of data.measurements) {
        nested(scope, FIELD.scopeMetrics.metrics, metric => writeMetric(metric, one, data));
      }
    });
  });
  return writer.finish();
}
