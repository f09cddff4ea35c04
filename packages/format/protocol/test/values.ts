/** All messages, and random values for them. */
import fc from "fast-check";
import { toInt64, uuidFromBytes } from "@samsa/base";
import { MESSAGES } from "../src/declared.ts";
import type { AnyMessage } from "../src/codec/message.ts";
import { type Field, type Fields, nullableAt, presentAt, type Type } from "../src/codec/schema.ts";

export interface MessageAt {
  readonly message: AnyMessage;
  readonly version: number;
}

export function everyVersion(): MessageAt[] {
  return MESSAGES.flatMap(message =>
    Array.from({ length: message.last - message.first + 1 }, (_, i) => ({ message, version: message.first + i })),
  );
}

interface At {
  readonly version: number;
  readonly flexible: boolean;
}

/** Random values for the fields of `version`, defaults for all other fields. */
export function valueOf({ message, version }: MessageAt): fc.Arbitrary<object> {
  return structOf(message.fields, { version, flexible: version >= message.flexible });
}

const bytes = fc.uint8Array({ maxLength: 12 });

function scalarOf(kind: string): fc.Arbitrary<unknown> {
  switch (kind) {
    case "bool":
      return fc.boolean();
    case "i8":
      return fc.integer({ min: -128, max: 127 });
    case "i16":
      return fc.integer({ min: -32768, max: 32767 });
    case "u16":
      return fc.integer({ min: 0, max: 65535 });
    case "i32":
      return fc.oneof(fc.integer(), fc.integer({ min: -2, max: 2 }));
    case "u32":
      return fc.integer({ min: 0, max: 0xffffffff });
    case "i64":
      return fc.oneof(
        fc.maxSafeInteger(),
        fc.integer({ min: -2, max: 2 }),
        fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(toInt64),
      );
    case "long":
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case "f64":
      return fc.double();
    case "uuid":
      return fc.uint8Array({ minLength: 16, maxLength: 16 }).map(raw => uuidFromBytes(raw));
    case "records":
      return fc.oneof(
        fc.constant([]),
        fc.uint8Array({ minLength: 1, maxLength: 12 }).map(chunk => [chunk]),
      );
    case "string":
      return fc.string({ unit: "grapheme", maxLength: 10 });
    default:
      return bytes;
  }
}

function typeOf(type: Type, at: At): fc.Arbitrary<unknown> {
  if (type.kind === "struct") return structOf(type.fields, at);
  if (type.kind === "array") return fc.array(typeOf(type.element, at), { maxLength: 2 });
  return scalarOf(type.kind);
}

function fieldOf(field: Field, at: At): fc.Arbitrary<unknown> {
  const choices = [fc.constant(field.initial), typeOf(field.type, at)];
  if (nullableAt(field, at.version)) choices.push(fc.constant(null));
  // If the version cannot carry the default null, leave the default out.
  else if (field.initial === null) choices.shift();
  return fc.oneof(...choices);
}

const unknownTags = fc.uniqueArray(
  fc.record({ tag: fc.integer({ min: 1000, max: 100000 }), bytes }, { noNullPrototype: true }),
  {
    minLength: 1,
    maxLength: 3,
    selector: one => one.tag,
  },
);

function structOf(fields: Fields, at: At): fc.Arbitrary<object> {
  const members: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [name, field] of Object.entries(fields)) {
    members[name] = presentAt(field, at.version) ? fieldOf(field, at) : fc.constant(field.initial);
  }
  const plain: fc.Arbitrary<object> = fc.record(members, { noNullPrototype: true });
  if (!at.flexible) return plain;
  const tagged = fc
    .tuple(plain, unknownTags)
    .map(([value, tags]) => ({ ...value, unknownTags: tags.toSorted((a, b) => a.tag - b.tag) }));
  return fc.oneof({ weight: 5, arbitrary: plain }, { weight: 1, arbitrary: tagged });
}
