const INT = 2_147_483_647;
const LONG = 9_223_372_036_854_775_807n;

/** `Integer.parseInt`; undefined for a text that is no int. */
export function parseInteger(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const value = Number(text);
  return value <= INT && value >= -INT - 1 ? value : undefined;
}

/** `Long.parseLong`, as the nearest number; undefined for a text that is no long. */
export function parseLong(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const value = BigInt(text.replace(/^\+/, ""));
  return value <= LONG && value >= -LONG - 1n ? Number(value) : undefined;
}

/** `String.split` with one character: without the empty texts at the end. */
export function splitJava(text: string, separator: string | RegExp): string[] {
  const parts = text.split(separator);
  while (parts.length > 1 && parts.at(-1) === "") parts.pop();
  return parts;
}

/** Name such as DESCRIBE_CONFIGS as classes and Kafka's tools write it: DescribeConfigs (`SecurityUtils`). */
export function pascalCase(name: string): string {
  return name
    .split("_")
    .map(word => word.slice(0, 1) + word.slice(1).toLowerCase())
    .join("");
}

/** `Double.toString`. */
export function doubleText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-3 && size < 1e7)) return Number.isInteger(value) ? `${value}.0` : String(value);
  const [digits = "", exponent = "0"] = value.toExponential().split("e");
  return `${digits.includes(".") ? digits : `${digits}.0`}E${Number(exponent)}`;
}

/** Name of a partition, as `TopicPartition.toString` gives it. */
export function partitionText({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}-${partition}`;
}

/** Text of columns with these widths, as `%-10s %-15s %s` makes it; 0: not padded. */
export function columns(widths: readonly number[], cells: readonly string[]): string {
  return cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" ");
}
