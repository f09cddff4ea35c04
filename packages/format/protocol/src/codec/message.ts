import { type ByteReader, type ByteWriter, invariant } from "@samsa/base";
import { type Codec, compile } from "./compile.ts";
import { type Draft, type Field, type Fields, type Infer, initialValues, type Type } from "./schema.ts";
import { UnsupportedVersionError } from "./wire.ts";

/** Versions of a message. */
export interface MessageSpec {
  /** First and last version. */
  readonly versions: readonly [number, number];
  /** First flexible version (KIP-482); none by default. */
  readonly flexible?: number;
}

/** A message whose fields TypeScript does not know. */
export interface AnyMessage {
  readonly name: string;
  readonly first: number;
  readonly last: number;
  readonly flexible: number;
  readonly fields: Fields;
  decode(reader: ByteReader, version: number): unknown;
  encode(writer: ByteWriter, value: object, version: number): void;
  defaults(draft?: object): unknown;
}

/**
 * A message at all its versions. `decode` throws `MalformedError` on bad input; `encode` throws
 * `UnsupportedVersionError` if the version cannot carry a value. Both throw `UnsupportedVersionError` for versions out
 * of range.
 */
export interface Message<F extends Fields> extends AnyMessage {
  readonly name: string;
  readonly first: number;
  readonly last: number;
  /** First flexible version; Infinity if there is none. */
  readonly flexible: number;
  readonly fields: F;
  decode(reader: ByteReader, version: number): Infer<F>;
  encode(writer: ByteWriter, value: Draft<F>, version: number): void;
  /** A complete value: fields that `draft` lacks, at any depth, get their defaults. */
  defaults(draft?: Partial<Draft<F>>): Infer<F>;
}

/** Declares a message. */
export function message<const F extends Fields>(name: string, spec: MessageSpec, fields: F): Message<F> {
  const [first, last] = spec.versions;
  const flexible = spec.flexible ?? Infinity;
  // A codec is compiled at the first use of its version, and garbage collected with the message.
  const codecs: (Codec | undefined)[] = [];
  function codec(version: number): Codec {
    const known = codecs[version];
    if (known !== undefined) return known;
    if (!(version >= first && version <= last)) {
      throw new UnsupportedVersionError(`${name} has no version ${version}, only ${first} to ${last}`);
    }
    return (codecs[version] = compile({ name, fields, version, flexible: version >= flexible }));
  }
  invariant(first <= last, `versions of ${name} ascend`);
  // Copied for each value: that is cheaper than to go through the fields again.
  let initial: Record<string, unknown> | undefined;
  return {
    name,
    first,
    last,
    flexible,
    fields,
    decode: (reader, version) => codec(version).decode(reader) as Infer<F>,
    encode: (writer, value, version) => codec(version).encode(writer, value),
    defaults: draft => filled(fields, draft, (initial ??= initialValues(fields))) as Infer<F>,
  };
}

function filled(
  fields: Fields,
  draft: object | undefined,
  initial: Readonly<Record<string, unknown>> = initialValues(fields),
): Record<string, unknown> {
  const value = { ...initial };
  if (draft === undefined) return value;
  for (const name of Object.keys(draft)) {
    const given = (draft as Record<string, unknown>)[name];
    if (given === undefined) continue;
    const field: Field | undefined = fields[name];
    invariant(field !== undefined || name === "unknownTags", `the message has a field ${name}`);
    value[name] = field === undefined ? given : filledValue(field.type, given);
  }
  return value;
}

function filledValue(type: Type, given: unknown): unknown {
  if (given === null) return null;
  if (type.kind === "struct") return filled(type.fields, given as object);
  if (type.kind !== "array") return given;
  const { element } = type;
  return element.kind === "struct" ? (given as object[]).map(item => filled(element.fields, item)) : given;
}
