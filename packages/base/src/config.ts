/**
 * The configuration DSL: a setting is declared once, with Kafka's name, type, default, bounds and a sentence, and that
 * declaration feeds parsing, DescribeConfigs and the reference page.
 */

/** Ids of Kafka's `ConfigDef.Type` as DescribeConfigs sends them. */
export const CONFIG_TYPE_IDS = {
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7,
  class: 8,
  password: 9,
} as const;

export type ConfigType = keyof typeof CONFIG_TYPE_IDS;

/** When a change takes effect: after a restart, per broker at once, or for the whole cluster at once. */
export type UpdateMode = "read-only" | "per-broker" | "cluster-wide";

type ValueOf<T extends ConfigType> = T extends "boolean"
  ? boolean
  : T extends "int" | "short" | "long" | "double"
    ? number
    : T extends "list"
      ? readonly string[]
      : string;

export interface ConfigSpec<T extends ConfigType = ConfigType, V = ValueOf<T>> {
  readonly type: T;
  /** As a user would write it; null: none, the setting may be absent. */
  readonly default: string | null;
  readonly doc: string;
  readonly update?: UpdateMode;
  readonly min?: number;
  readonly max?: number;
  /** The values allowed (for lists: of each element). */
  readonly oneOf?: readonly string[];
  /** Settings consulted, in order, when this one is absent: the broker's names behind a topic's. */
  readonly synonyms?: readonly string[];
  /** Says what is wrong with a parsed value, or undefined. */
  readonly check?: (value: V) => string | undefined;
}

// biome-ignore-start format: one line each
export type AnyConfigSpec =
  | ConfigSpec<"boolean">
  | ConfigSpec<"int">
  | ConfigSpec<"short">
  | ConfigSpec<"long">
  | ConfigSpec<"double">
  | ConfigSpec<"list">
  | ConfigSpec<"string">
  | ConfigSpec<"class">
  | ConfigSpec<"password">;
// biome-ignore-end format: one line each

export type ConfigSpecs = Readonly<Record<string, AnyConfigSpec>>;

/** The parsed values of a set of declarations: a setting without a default may be undefined. */
export type ConfigValues<S extends ConfigSpecs> = {
  readonly [K in keyof S]: S[K]["default"] extends null ? ValueOf<S[K]["type"]> | undefined : ValueOf<S[K]["type"]>;
};

const RANGES = {
  int: [-2147483648, 2147483647],
  short: [-32768, 32767],
  // Kafka's longs reach 2^63 - 1; beyond 2^53 a number is "no limit", and is kept as the nearest double.
  long: [-(2 ** 63), 2 ** 63],
} as const;

/** Keeps the literal keys and defaults of a set of declarations. */
export function configSpecs<const S extends ConfigSpecs>(specs: S): S {
  return specs;
}

/** One value that does not fit its declaration; the message is Kafka's (`ConfigException`). */
export class ConfigError extends Error {
  readonly setting: string;
  constructor(setting: string, text: string, reason: string) {
    super(`Invalid value ${text} for configuration ${setting}${reason === "" ? "" : `: ${reason}`}`);
    this.name = "ConfigError";
    this.setting = setting;
  }
}

function parseNumber(name: string, spec: AnyConfigSpec, text: string): number {
  const trimmed = text.trim();
  if (spec.type === "double") {
    const value = Number(trimmed);
    if (trimmed === "" || Number.isNaN(value)) throw new ConfigError(name, text, "Not a number of type DOUBLE");
    return value;
  }
  const type = spec.type as "int" | "short" | "long";
  const value = Number(trimmed);
  const [low, high] = RANGES[type];
  if (!/^[+-]?\d+$/.test(trimmed) || value < low || value > high) {
    throw new ConfigError(name, text, `Not a number of type ${type.toUpperCase()}`);
  }
  return value;
}

/** What is said twice counts once, as in Kafka. */
function listOf(text: string): readonly string[] {
  const trimmed = text.trim();
  return trimmed === "" ? [] : [...new Set(trimmed.split(",").map(part => part.trim()))];
}

function parseRaw(name: string, spec: AnyConfigSpec, text: string): string | number | boolean | readonly string[] {
  switch (spec.type) {
    case "boolean": {
      const lower = text.trim().toLowerCase();
      if (lower !== "true" && lower !== "false") {
        throw new ConfigError(name, text, "Expected value to be either true or false");
      }
      return lower === "true";
    }
    case "int":
    case "short":
    case "long":
    case "double":
      return parseNumber(name, spec, text);
    case "list":
      return listOf(text);
    default:
      return text.trim();
  }
}

function checkBounds(name: string, spec: AnyConfigSpec, value: string | number | boolean | readonly string[]): void {
  if (typeof value === "number") {
    if (spec.min !== undefined && value < spec.min) {
      throw new ConfigError(name, String(value), `Value must be at least ${spec.min}`);
    }
    if (spec.max !== undefined && value > spec.max) {
      throw new ConfigError(name, String(value), `Value must be no more than ${spec.max}`);
    }
  }
  if (spec.oneOf !== undefined) {
    for (const part of typeof value === "object" ? value : [String(value)]) {
      if (!spec.oneOf.includes(part)) {
        throw new ConfigError(name, part, `String must be one of: ${spec.oneOf.join(", ")}`);
      }
    }
  }
}

/** Parses and checks one value; throws `ConfigError`. */
export function parseConfigValue(name: string, spec: AnyConfigSpec, text: string) {
  const value = parseRaw(name, spec, text);
  checkBounds(name, spec, value);
  const check = spec.check as ((value: unknown) => string | undefined) | undefined;
  const complaint = check?.(value);
  if (complaint !== undefined) {
    throw new ConfigError(name, typeof value === "object" ? `[${value.join(", ")}]` : text, complaint);
  }
  return value;
}

/** A value as Kafka shows it: of a list its parts without blanks, of a boolean lower case. It must be valid. */
export function shownConfigValue(spec: AnyConfigSpec, text: string): string {
  if (spec.type === "list") return listOf(text).join(",");
  return spec.type === "boolean" ? text.trim().toLowerCase() : text.trim();
}

/** All values of `specs`, from what `lookup` finds or the defaults; throws the first `ConfigError`. */
export function parseConfig<S extends ConfigSpecs>(
  specs: S,
  lookup: (name: string) => string | undefined,
): ConfigValues<S> {
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) {
    const text = lookup(name) ?? spec.default;
    values[name] = text === null ? undefined : parseConfigValue(name, spec, text);
  }
  return values as ConfigValues<S>;
}
