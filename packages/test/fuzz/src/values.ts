import { type Int64, uuidFromBytes } from "@samsa/base";
import type { AnyMessage, Field, Fields, Type } from "@samsa/protocol";
import type { Prng } from "@samsa/sim";

/** Names, topic ids and batches that are valid for the broker, so that requests pass the first lookup. */
export interface Surroundings {
  readonly names: readonly string[];
  readonly topicIds: readonly string[];
  readonly batches: (rng: Prng) => Uint8Array;
}

interface At {
  readonly version: number;
  readonly rng: Prng;
  readonly around: Surroundings;
  readonly depth: number;
}

const EDGES: Readonly<Record<string, readonly Int64[]>> = {
  i8: [-128, -1, 0, 1, 127],
  i16: [-32768, -1, 0, 1, 32767],
  u16: [0, 1, 65535],
  i32: [-2147483648, -2, -1, 0, 1, 1000, 2147483647],
  u32: [0, 1, 4294967295],
  i64: [
    -(2n ** 63n),
    Number.MIN_SAFE_INTEGER,
    -3,
    -2,
    -1,
    0,
    1,
    1 << 30,
    Number.MAX_SAFE_INTEGER,
    2n ** 53n,
    2n ** 63n - 1n,
  ],
  f64: [Number.NaN, -1, 0, 0.5, Infinity],
};

function text(rng: Prng, around: Surroundings): string {
  if (rng.chance(0.6)) return rng.oneOf(around.names);
  const length = rng.oneOf([0, 1, 10, 249, 250, 3000]);
  return String.fromCodePoint(...Array.from({ length }, () => rng.int(1, rng.chance(0.9) ? 0x7e : 0xd7ff)));
}

function scalar(kind: string, at: At): unknown {
  const { rng, around } = at;
  const edges = EDGES[kind];
  if (edges !== undefined)
    return rng.chance(0.5) ? rng.oneOf(edges) : edges.at(-1) === 127 ? rng.int(-128, 127) : rng.int(0, 120);
  switch (kind) {
    case "bool":
      return rng.chance(0.5);
    case "long":
      return rng.oneOf([-1n, 0n, 1n, 2n ** 63n - 1n, -(2n ** 63n), BigInt(rng.int(0, 2000))]);
    case "uuid":
      return rng.chance(0.5) ? rng.oneOf(around.topicIds) : uuidFromBytes(rng.bytes(16));
    case "string":
      return text(rng, around);
    case "records":
      return [around.batches(rng)];
    default:
      return rng.bytes(rng.oneOf([0, 1, 20, 2000]));
  }
}

function value(type: Type, at: At): unknown {
  if (type.kind === "struct") return struct(type.fields, at);
  if (type.kind !== "array") return scalar(type.kind, at);
  const length = at.rng.chance(0.05) && at.depth < 2 ? 300 : at.rng.int(0, 3);
  return Array.from({ length }, () => value(type.element, { ...at, depth: at.depth + 1 }));
}

function isNullable(field: Field, version: number): boolean {
  return field.nullableSince <= version;
}

function struct(fields: Fields, at: At): object {
  const made: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (at.version < field.since || at.version > field.until) continue;
    if (at.rng.chance(0.1) && isNullable(field, at.version)) made[name] = null;
    else made[name] = value(field.type, at);
  }
  return made;
}

/** Random body that the schema of `message` allows at `version`, with or without meaning. */
export function wildBody(message: AnyMessage, version: number, rng: Prng, around: Surroundings): object {
  return struct(message.fields, { version, rng, around, depth: 0 });
}
