import type { Serde } from "./serde.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function sized(bytes: Uint8Array, size: number, type: string): DataView {
  if (bytes.length !== size) throw new TypeError(`${type} takes ${size} bytes, not ${bytes.length}`);
  return new DataView(bytes.buffer, bytes.byteOffset, size);
}

function written(size: number, write: (view: DataView) => void): Uint8Array {
  const view = new DataView(new ArrayBuffer(size));
  write(view);
  return new Uint8Array(view.buffer);
}

/** Texts in UTF-8 (`StringSerializer`). Invalid bytes are an error, not a replacement character. */
export const string: Serde<string> = {
  serialize: value => {
    if (typeof value !== "string") throw new TypeError(`a string is wanted, not ${typeof value}`);
    return value;
  },
  deserialize: bytes => strict.decode(bytes),
};

/** Bytes as they are (`ByteArraySerializer`). Those that are read belong to the caller. */
export const bytes: Serde<Uint8Array> = {
  serialize: value => {
    if (!(value instanceof Uint8Array)) throw new TypeError(`a Uint8Array is wanted, not ${typeof value}`);
    return value;
  },
  deserialize: value => value,
};

/** 32-bit integers, big-endian (`IntegerSerializer`). */
export const int32: Serde<number> = {
  serialize: value => {
    if (!Number.isInteger(value) || value !== (value | 0)) throw new TypeError(`${value} is not a 32-bit integer`);
    return written(4, view => view.setInt32(0, value));
  },
  deserialize: value => sized(value, 4, "an int32").getInt32(0),
};

/** 64-bit integers, big-endian (`LongSerializer`). */
export const int64: Serde<bigint> = {
  serialize: value => {
    if (BigInt.asIntN(64, value) !== value) throw new TypeError(`${value} is not a 64-bit integer`);
    return written(8, view => view.setBigInt64(0, value));
  },
  deserialize: value => sized(value, 8, "an int64").getBigInt64(0),
};

/** Doubles, big-endian (`DoubleSerializer`). */
export const float64: Serde<number> = {
  serialize: value => {
    if (typeof value !== "number") throw new TypeError(`a number is wanted, not ${typeof value}`);
    return written(8, view => view.setFloat64(0, value));
  },
  deserialize: value => sized(value, 8, "a float64").getFloat64(0),
};

/**
 * Part of Standard Schema (standardschema.dev) that the client uses; schemas of zod, valibot, arktype and others have it.
 */
export interface StandardSchema<Output> {
  readonly "~standard": {
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
  };
}

/** Result of a schema. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[] };

function checked<T>(schema: StandardSchema<T> | undefined, value: unknown): T {
  // Without a schema the caller answers for the type, as with `JSON.parse`.
  if (schema === undefined) return value as T;
  const result = schema["~standard"].validate(value);
  if (result instanceof Promise) throw new TypeError("the schema validates asynchronously, which a serde cannot await");
  if (result.issues === undefined) return result.value;
  const told = result.issues.map(({ message, path = [] }) => {
    const keys = path.map(part => String(typeof part === "object" && part !== null && "key" in part ? part.key : part));
    return keys.length === 0 ? message : `${keys.join(".")}: ${message}`;
  });
  throw new TypeError(told.join("; "));
}

/** JSON in UTF-8. With a schema, what is written and what is read must match it. */
export function json<T = unknown>(schema?: StandardSchema<T>): Serde<T> {
  return {
    serialize: value => {
      const text = JSON.stringify(schema === undefined ? value : checked(schema, value)) as string | undefined;
      if (text === undefined) throw new TypeError(`a ${typeof value} has no JSON`);
      return text;
    },
    deserialize: value => checked(schema, JSON.parse(strict.decode(value))),
  };
}
