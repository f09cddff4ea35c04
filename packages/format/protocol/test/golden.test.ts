/**
 * Golden vectors: bytes from Apache Kafka 4.4.0's own classes, with the JSON of its converters (`golden/Golden.java`).
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ByteReader } from "@samsa/base";
import { describe, expect, it } from "vitest";
import { MESSAGES } from "../src/declared.ts";
import { GatherWriter } from "../src/codec/gather.ts";
import { interpretDecode } from "../src/codec/interpret.ts";
import { type Fields, presentAt, type Type } from "../src/codec/schema.ts";

interface Vector {
  readonly message: string;
  readonly version: number;
  readonly hex: string;
  readonly json: unknown;
}

const VECTORS = readFileSync(join(import.meta.dirname, "golden", "vectors.jsonl"), "utf8")
  .trimEnd()
  .split("\n")
  .map(line => JSON.parse(line) as Vector);

/** JSON as Kafka's JsonConverter prints it. */
function kafkaJson(type: Type, value: unknown, version: number): unknown {
  if (value === null) return null;
  switch (type.kind) {
    case "long":
      return Number(value);
    case "bytes":
      return Buffer.from(value as Uint8Array).toString("base64");
    case "records":
      return "";
    case "array":
      return (value as unknown[]).map(item => kafkaJson(type.element, item, version));
    case "struct":
      return structJson(type.fields, value as Record<string, unknown>, version);
    default:
      return value;
  }
}

function structJson(fields: Fields, value: Record<string, unknown>, version: number): Record<string, unknown> {
  const json: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (!presentAt(field, version)) continue;
    // A tag with its default is not on the wire; the decoder then returns the declared default object itself.
    if (field.tag >= 0 && value[name] === field.initial) continue;
    json[name] = kafkaJson(field.type, value[name], version);
  }
  return json;
}

describe("bytes written by Apache Kafka", () => {
  const byName = new Map(MESSAGES.map(message => [message.name, message]));

  it("are of many messages", () => {
    expect(new Set(VECTORS.map(vector => vector.message)).size).toBeGreaterThan(60);
  });

  for (const { message: name, version, hex, json } of VECTORS) {
    it(`${name} version ${version}`, () => {
      const message = byName.get(name.replace(/HeaderData$/, "Header"));
      if (message === undefined) throw new Error(`no message ${name}`);
      const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
      const reader = new ByteReader(bytes);
      const value = message.decode(reader, version) as Record<string, unknown>;
      expect(reader.remaining()).toBe(0);
      expect(structJson(message.fields, value, version)).toEqual(json);
      expect(interpretDecode(message, bytes, version)).toEqual(value);
      const writer = new GatherWriter();
      message.encode(writer, value, version);
      expect(Buffer.from(writer.finish()).toString("hex")).toBe(hex);
    });
  }
});
