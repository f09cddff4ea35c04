/**
 * Declarations of settings: Kafka's name, type, default, bounds and a sentence. Each setting is declared once; parsing,
 * DescribeConfigs and the reference page use the declaration.
 */

import { invariant } from "./assert.ts";

/** Ids of `ConfigDef.Type` in DescribeConfigs. */
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

/** Types of settings (`ConfigDef.Type`). */
export type ConfigType = keyof typeof CONFIG_TYPE_IDS;

/** When a change takes effect: after a restart, at once on a single broker, or at once in the whole cluster. */
export type UpdateMode = "read-only" | "per-broker" | "cluster-wide";

type ValueOf<T extends ConfigType> = T extends "boolean"
  ? boolean
  : T extends "int" | "short" | "long" | "double"
    ? number
    : T extends "list"
      ? readonly string[]
      : string;

/** Declaration of a setting (`ConfigDef.ConfigKey`). */
export interface ConfigSpec<T extends ConfigType = ConfigType, V = ValueOf<T>> {
  readonly type: T;
  /** Default, in the syntax of a properties file; null if there is none and the setting may be absent. */
  readonly default: string | null;
  readonly doc: string;
  readonly update?: UpdateMode;
  readonly min?: number;
  readonly max?: number;
  /** Allowed values, of a list's elements if it is a list. */
  readonly oneOf?: readonly string[];
  /** Accepts the values of `oneOf` in any case. */
  readonly ignoreCase?: true;
  /** Internal setting (`ConfigDef.defineInternal`), which DescribeConfigs does not show. */
  readonly internal?: true;
  /** Requires a text of at least one character, or a list of at least one element. */
  readonly nonEmpty?: true;
  /** Settings consulted in order if this one is absent, such as the broker's names of a topic's setting. */
  readonly synonyms?: readonly string[];
  /** Returns what is wrong with a parsed value, or undefined if it is valid. */
  readonly check?: (value: V) => string | undefined;
}

// biome-ignore-start format: one line each
/** Declaration of a setting of any type. */
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

/** Declarations by name. */
export type ConfigSpecs = Readonly<Record<string, AnyConfigSpec>>;

/** Parsed values of declarations. A setting without a default may be undefined. */
export type ConfigValues<S extends ConfigSpecs> = {
  readonly [K in keyof S]: S[K]["default"] extends null ? ValueOf<S[K]["type"]> | undefined : ValueOf<S[K]["type"]>;
};

/** A whole number with at most as many digits as 64 bits can have. */
const WHOLE = /^([+-]?)0*(\d{1,19})$/;
const BITS = { int: 32, short: 16, long: 64 } as const;
/** Syntax of Java's `Double.parseDouble`, without hexadecimal numbers and without NaN. */
const DOUBLE = /^[+-]?(?:Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[fFdD]?$/;
/** Characters that Java's `trim` removes. */
const MARGINS = /^[\0- ]+|[\0- ]+$/g;
const COMMA = /[ \t\n\v\f\r]*,[ \t\n\v\f\r]*/;

const trim = (text: string): string => text.replace(MARGINS, "");

/** Returns `specs` with a type that keeps the literal names and defaults. */
export function configSpecs<const S extends ConfigSpecs>(specs: S): S {
  return specs;
}

/** An invalid value of a setting; the message is Kafka's (`ConfigException`). */
export class ConfigError extends Error {
  readonly setting: string;
  constructor(setting: string, text: string, reason: string) {
    super(`Invalid value ${text} for configuration ${setting}${reason === "" ? "" : `: ${reason}`}`);
    this.name = "ConfigError";
    this.setting = setting;
  }

  /** An error whose whole message is `message`, where Kafka does not use the usual wording. */
  static worded(setting: string, message: string): ConfigError {
    const error = new ConfigError(setting, "", "");
    error.message = message;
    return error;
  }
}

function parseNumber(name: string, spec: AnyConfigSpec, text: string): number {
  const trimmed = trim(text);
  if (spec.type === "double") {
    if (!DOUBLE.test(trimmed)) throw new ConfigError(name, text, "Not a number of type DOUBLE");
    return Number(trimmed.replace(/(?<!Infinit)[fFdD]$/, ""));
  }
  const type = spec.type as "int" | "short" | "long";
  // A number from 2^53 on means "no limit" and is kept as the nearest double; its bounds are checked exactly.
  const [, sign, digits] = WHOLE.exec(trimmed) ?? [];
  const value = sign === "-" ? -BigInt(digits ?? 0) : BigInt(digits ?? 0);
  if (digits === undefined || BigInt.asIntN(BITS[type], value) !== value) {
    throw new ConfigError(name, text, `Not a number of type ${type.toUpperCase()}`);
  }
  return Number(value);
}

/** Elements of a list, without duplicates, as in Kafka. */
function listOf(text: string): readonly string[] {
  const trimmed = trim(text);
  return trimmed === "" ? [] : [...new Set(trimmed.split(COMMA))];
}

function parseRaw(name: string, spec: AnyConfigSpec, text: string): string | number | boolean | readonly string[] {
  switch (spec.type) {
    case "boolean": {
      const lower = trim(text).toLowerCase();
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
      return trim(text);
  }
}

/** Checks the elements of a list, or a text, against `nonEmpty` and `oneOf`. */
function checkParts(name: string, spec: AnyConfigSpec, value: string | readonly string[]): void {
  const { oneOf, ignoreCase } = spec;
  if (spec.nonEmpty === true && value.length === 0) {
    if (typeof value === "string") throw new ConfigError(name, value, "String must be non-empty");
    const choice = oneOf === undefined ? "any non-empty value" : `[${oneOf.join(", ")}]`;
    throw ConfigError.worded(name, `Configuration '${name}' must not be empty. Valid values include: ${choice}`);
  }
  if (typeof value === "object" && value.includes("")) {
    throw ConfigError.worded(name, `Configuration '${name}' values must not be empty.`);
  }
  if (oneOf === undefined) return;
  for (const part of typeof value === "object" ? value : [value]) {
    const isAllowed = ignoreCase === true ? oneOf.includes(part.toUpperCase()) : oneOf.includes(part);
    if (isAllowed) continue;
    const how = ignoreCase === true ? " (case insensitive)" : "";
    throw new ConfigError(name, part, `String must be one of${how}: ${oneOf.join(", ")}`);
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
  if (typeof value === "string" || typeof value === "object") checkParts(name, spec, value);
}

/** Parses and checks a value. Throws `ConfigError`. */
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

/** A valid value as Kafka shows it: a list without blanks, a boolean in lower case. */
export function shownConfigValue(spec: AnyConfigSpec, text: string): string {
  if (spec.type === "list") return listOf(text).join(",");
  return spec.type === "boolean" ? trim(text).toLowerCase() : trim(text);
}

/** Values of all settings, from `lookup` or the defaults. Throws the first `ConfigError`. */
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

/** Declaration of a setting that `specs` has; throws `InvariantError` if it has not. */
export function specOf(specs: ConfigSpecs, name: string): AnyConfigSpec {
  const spec = specs[name];
  invariant(spec !== undefined, "the setting is declared");
  return spec;
}

/**
 * Returns `values` with those of `overrides` in place. Unknown names and invalid values are ignored, as other versions
 * and programs may have stored them.
 */
export function overrideConfig<S extends ConfigSpecs>(
  specs: S,
  values: ConfigValues<S>,
  overrides: ReadonlyMap<string, string>,
): ConfigValues<S> {
  if (overrides.size === 0) return values;
  const own: Record<string, unknown> = {};
  for (const [name, text] of overrides) {
    if (!Object.hasOwn(specs, name)) continue;
    try {
      own[name] = parseConfigValue(name, specOf(specs, name), text);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
    }
  }
  return { ...values, ...own };
}
