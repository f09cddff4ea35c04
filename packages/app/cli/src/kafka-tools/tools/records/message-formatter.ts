import type { ConsumedRecord } from "@samsa/client-runtime";
import type { ByteOutput } from "../../../terminal/output.ts";
import { ToolError } from "../../java/exits.ts";
import { type Deserializer, deserializerOf } from "../../java/deserializers.ts";

/** Prints a record (`MessageFormatter`). Throws `ToolError` for one that it cannot read. */
export type MessageFormatter = (record: ConsumedRecord, output: ByteOutput) => void;

/** Parts of a record that the default formatter prints, in this order. */
const PARTS = ["timestamp", "partition", "offset", "delivery", "epoch", "headers", "key", "value"] as const;
type Part = (typeof PARTS)[number];

interface Settings {
  readonly separator: Uint8Array;
  readonly lineEnd: Uint8Array;
  readonly headersSeparator: Uint8Array;
  readonly nullLiteral: Uint8Array;
  readonly keys: Deserializer | undefined;
  readonly values: Deserializer | undefined;
  readonly headers: Deserializer | undefined;
}

function deserializerIn(properties: ReadonlyMap<string, string>, name: string): Deserializer | undefined {
  const className = properties.get(name);
  if (className === undefined) return undefined;
  const found = deserializerOf(className);
  if (found === undefined) console.error(`ERROR Unable to instantiate a deserializer from ${className}`);
  return found;
}

const BY_PART: Readonly<Record<Part, (record: ConsumedRecord, output: ByteOutput, settings: Settings) => void>> = {
  timestamp: ({ timestamp, timestampType }, output) => {
    output.text(timestamp === -1 ? "NO_TIMESTAMP" : `${timestampType}:${timestamp}`);
  },
  partition: ({ partition }, output) => output.text(`Partition:${partition}`),
  offset: ({ offset }, output) => output.text(`Offset:${offset}`),
  // The tool makes records without these two.
  delivery: (_record, output) => output.text("Delivery:NOT_PRESENT"),
  epoch: (_record, output) => output.text("Epoch:NOT_PRESENT"),
  headers: ({ headers }, output, settings) => {
    if (headers.length === 0) output.text("NO_HEADERS");
    headers.forEach(({ key, value }, i) => {
      if (i > 0) output.bytes(settings.headersSeparator);
      output.text(`${key}:`);
      print(value, settings.headers, output, settings.nullLiteral);
    });
  },
  key: ({ key }, output, { keys, nullLiteral }) => print(key, keys, output, nullLiteral),
  value: ({ value }, output, { values, nullLiteral }) => print(value, values, output, nullLiteral),
};

function print(
  value: Uint8Array | null,
  read: Deserializer | undefined,
  output: ByteOutput,
  nullLiteral: Uint8Array,
): void {
  const bytes = value ?? nullLiteral;
  if (read === undefined) output.bytes(bytes);
  else output.text(read(bytes));
}

/** Formatter that prints the parts that its settings name (`DefaultMessageFormatter`). */
function defaultFormatter(properties: ReadonlyMap<string, string>): MessageFormatter {
  const isOn = (part: Part): boolean => {
    const text = properties.get(`print.${part}`);
    return text === undefined ? part === "value" : text.trim().toLowerCase() === "true";
  };
  const bytesOf = (name: string, preset: string): Uint8Array => Buffer.from(properties.get(name) ?? preset);
  const settings: Settings = {
    separator: bytesOf("key.separator", "\t"),
    lineEnd: bytesOf("line.separator", "\n"),
    headersSeparator: bytesOf("headers.separator", ","),
    nullLiteral: bytesOf("null.literal", "null"),
    keys: deserializerIn(properties, "key.deserializer"),
    values: deserializerIn(properties, "value.deserializer"),
    headers: deserializerIn(properties, "headers.deserializer"),
  };
  const parts = PARTS.filter(isOn);
  return (record, output) => {
    parts.forEach((part, i) => {
      BY_PART[part](record, output, settings);
      output.bytes(i < parts.length - 1 ? settings.separator : settings.lineEnd);
    });
  };
}

const PACKAGE = "org.apache.kafka.tools.consumer.";

/** Name of the formatter without another choice. */
export const DEFAULT_FORMATTER = `${PACKAGE}DefaultMessageFormatter`;

const FORMATTERS: Readonly<Record<string, (properties: ReadonlyMap<string, string>) => MessageFormatter>> = {
  [DEFAULT_FORMATTER]: defaultFormatter,
  [`${PACKAGE}LoggingMessageFormatter`]: properties => {
    const write = defaultFormatter(properties);
    return (record, output) => {
      write(record, output);
      const { key, value, timestamp, timestampType } = record;
      const time = timestamp === -1 ? "" : `${timestampType}:${timestamp}, `;
      const keyText = key === null ? "null " : `${Buffer.from(key).toString()}, `;
      const text = value === null ? "null" : Buffer.from(value).toString();
      console.error(`INFO ${time}key:${keyText}value:${text}`);
    };
  },
  [`${PACKAGE}NoOpMessageFormatter`]: () => () => undefined,
};

/** Formatter of a class of Kafka's. Throws `ToolError` if there is none of this name here. */
export function messageFormatter(className: string, properties: ReadonlyMap<string, string>): MessageFormatter {
  const make = Object.hasOwn(FORMATTERS, className) ? FORMATTERS[className] : undefined;
  if (make === undefined) throw new ToolError(className, "java.lang.ClassNotFoundException");
  return make(properties);
}
