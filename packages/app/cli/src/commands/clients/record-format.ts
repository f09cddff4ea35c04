import { compileFunction } from "node:vm";
import type { RecordCursor, RecordHeader } from "@samsa/records";
import { Failure } from "../../terminal/failure.ts";
import { textOrBase64, toJson } from "../../terminal/json.ts";
import type { ByteOutput } from "../../terminal/output.ts";

/** A record to print, and where it is from. */
export interface Shown {
  readonly topic: string;
  readonly partition: number;
  readonly record: RecordCursor;
}

/** Prints a record. */
export type RecordFormat = (shown: Shown, output: ByteOutput) => void;

const NEWLINE = Buffer.from("\n");
const TAB = Buffer.from("\t");
const NULL = Buffer.from("null");

/** Options about the form of records. */
export interface FormatOptions {
  readonly json?: boolean;
  readonly keys?: boolean;
  readonly headers?: boolean;
  /** Text with %t topic, %p partition, %o offset, %T timestamp, %k key, %v value, %h headers, %s size of the value. */
  readonly format?: string;
}

/** Format that the options name: values, one in each line, by default. */
export function recordFormat(options: FormatOptions): RecordFormat {
  if (options.json === true) return (shown, output) => output.text(`${toJson(factsOf(shown))}\n`);
  if (options.format !== undefined) return templated(options.format);
  return ({ record }, output) => {
    if (options.headers === true) output.text(`${headerText(record.headers())}\t`);
    if (options.keys === true) {
      output.bytes(record.key() ?? NULL);
      output.bytes(TAB);
    }
    output.bytes(record.value() ?? NULL);
    output.bytes(NEWLINE);
  };
}

function headerText(headers: readonly RecordHeader[]): string {
  return headers.map(({ key, value }) => `${key}:${value === null ? "null" : Buffer.from(value).toString()}`).join(",");
}

/** Fields of a record, as JSON shows them. */
function factsOf({ topic, partition, record }: Shown) {
  return {
    ...{ topic, partition, offset: record.offset, timestamp: record.timestamp },
    key: textOrBase64(record.key()),
    value: textOrBase64(record.value()),
    headers: record.headers().map(({ key, value }) => ({ key, value: textOrBase64(value) })),
  };
}

type Part = (shown: Shown, output: ByteOutput) => void;

const PARTS: Readonly<Record<string, Part>> = {
  t: ({ topic }, output) => output.text(topic),
  p: ({ partition }, output) => output.text(String(partition)),
  o: ({ record }, output) => output.text(String(record.offset)),
  T: ({ record }, output) => output.text(String(record.timestamp)),
  k: ({ record }, output) => output.bytes(record.key() ?? NULL),
  v: ({ record }, output) => output.bytes(record.value() ?? NULL),
  h: ({ record }, output) => output.text(headerText(record.headers())),
  s: ({ record }, output) => output.text(String(record.valueLength)),
  "%": (_shown, output) => output.text("%"),
};

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "0": "\0", "\\": "\\" };

function templated(template: string): RecordFormat {
  const parts = [...template.matchAll(/%(.)|\\(.)|([^%\\]+)|(.)/gsu)].map(([, field, escape, text, rest]): Part => {
    if (field !== undefined) {
      const part = PARTS[field];
      if (part !== undefined) return part;
      throw new Failure(`--format has no %${field}: there are %${Object.keys(PARTS).join(" %")}`);
    }
    const bytes = Buffer.from(escape === undefined ? (text ?? rest ?? "") : (ESCAPES[escape] ?? `\\${escape}`));
    return (_shown, output) => output.bytes(bytes);
  });
  return (shown, output) => {
    for (const part of parts) part(shown, output);
  };
}

/** Names that an expression of `--filter` may use. */
const NAMES = ["topic", "partition", "offset", "timestamp", "key", "value", "headers"] as const;

/** Condition on records, from a JavaScript expression over `NAMES`. JSON values are parsed. Throws `Failure`. */
export function recordFilter(expression: string | undefined): (shown: Shown) => boolean {
  if (expression === undefined) return () => true;
  let matches: (...values: unknown[]) => unknown;
  try {
    matches = compileFunction(`return (${expression});`, [...NAMES]) as typeof matches;
  } catch (error) {
    throw new Failure(
      `--filter is no JavaScript expression: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  return shown => {
    const { topic, partition, offset, timestamp, key, value, headers } = factsOf(shown);
    const named = Object.fromEntries(headers.map(header => [header.key, header.value]));
    try {
      return Boolean(matches(topic, partition, offset, timestamp, key, parsed(value), named));
    } catch {
      // A record that lacks what the expression looks at does not match.
      return false;
    }
  };
}

function parsed(value: ReturnType<typeof textOrBase64>): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}
