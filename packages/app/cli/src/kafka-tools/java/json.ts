import { readFileSync } from "node:fs";
import { ToolError } from "./exits.ts";
import { hashOrderOfTexts } from "./hash-order.ts";
import { parseInteger } from "./text.ts";

const JSON_ERROR = "com.fasterxml.jackson.databind.JsonMappingException";

/** Object of JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Reads a file. Throws `ToolError` with the message that Java has for a file that is not there. */
export function readText(file: string, wrapped = false): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    const message = `Unable to read file ${file}`;
    if (!wrapped) throw new ToolError(message, "java.io.IOException");
    throw new ToolError(`java.io.IOException: ${message}`, "java.lang.RuntimeException");
  }
}

/** Parses JSON; undefined: the text is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Throws `ToolError` unless a value is an object. */
export function objectOf(value: unknown): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new ToolError(`Expected JSON object, received ${JSON.stringify(value)}`, JSON_ERROR);
}

/** Throws `ToolError` unless a value is an array. */
export function arrayOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  throw new ToolError(`Expected JSON array, received ${JSON.stringify(value)}`, JSON_ERROR);
}

function fieldOf(object: JsonObject, name: string): unknown {
  if (Object.hasOwn(object, name)) return object[name];
  throw new ToolError(`No such field exists: \`${name}\``, JSON_ERROR);
}

/** Text in a field. Throws `ToolError`. */
export function textIn(object: JsonObject, name: string): string {
  const value = fieldOf(object, name);
  if (typeof value === "string") return value;
  throw new ToolError(`Expected \`String\` value, received ${JSON.stringify(value)}`, JSON_ERROR);
}

/** Whole number in a field. Throws `ToolError`. */
export function wholeIn(object: JsonObject, name: string, type: "Integer" | "Long" = "Integer"): number {
  return wholeOf(fieldOf(object, name), type);
}

/** Whole number. Throws `ToolError`. */
export function wholeOf(value: unknown, type: "Integer" | "Long" = "Integer"): number {
  const isWhole = typeof value === "number" && Number.isInteger(value);
  if (isWhole && (type === "Long" || parseInteger(String(value)) !== undefined)) return value;
  throw new ToolError(`Expected \`${type}\` value, received ${JSON.stringify(value)}`, JSON_ERROR);
}

/** Object whose fields are in the order of a `HashMap` of Java, as Jackson writes it. */
export function hashObject(fields: JsonObject): JsonObject {
  return Object.fromEntries(hashOrderOfTexts(Object.keys(fields)).map(name => [name, fields[name]]));
}
