/**
 * The language in which messages are declared. One declaration serves all versions of a message; what differs between
 * versions is data on its fields. TypeScript types, codecs, defaults and test values all follow from it.
 */
import type {
  BrokerEpoch,
  BrokerId,
  Int64,
  LeaderEpoch,
  PartitionEpoch,
  PartitionIndex,
  ProducerEpoch,
  ProducerId,
  Uuid,
  WireOffset,
} from "@samsa/base";
import { ZERO_UUID } from "@samsa/base";

/** `i64` is an `Int64`, `long` always a `bigint`, for ids and hashes that use all 64 bits. */
export type ScalarKind =
  | "bool"
  | "i8"
  | "i16"
  | "u16"
  | "i32"
  | "u32"
  | "i64"
  | "long"
  | "f64"
  | "string"
  | "bytes"
  | "uuid"
  | "records";

/** Type of a field. */
export type Type =
  | { readonly kind: ScalarKind }
  | { readonly kind: "array"; readonly element: Type }
  | { readonly kind: "struct"; readonly fields: Fields };

export interface FieldOptions<T> {
  /** First and last version that has the field; default: every version of what encloses it. */
  readonly since?: number;
  readonly until?: number;
  /** May be null: at every version, or from this version on. */
  readonly nullable?: true | number;
  /** Number of the tag that carries the field, and the first version where it does (default: `since`). */
  readonly tag?: number;
  readonly taggedSince?: number;
  /** Default: zero, false, empty, the nil id, or a struct of defaults. */
  readonly default?: T | null;
  /** At a version without the field its value is dropped; otherwise only the default may be "sent" there. */
  readonly ignorable?: true;
  /** Keeps its old, not compact, form at flexible versions too. */
  readonly inflexible?: true;
}

/** Field of a message: decodes to `T`, encodes from `D`; a draft may leave it out if `Omissible`. */
export interface Field<T = unknown, Omissible extends boolean = boolean, D = T> {
  readonly type: Type;
  readonly since: number;
  readonly until: number;
  readonly nullableSince: number;
  /** −1: never in a tag. */
  readonly tag: number;
  readonly taggedSince: number;
  readonly initial: unknown;
  readonly ignorable: boolean;
  readonly inflexible: boolean;
  /** Never set; these only carry the types. */
  readonly phantom?: { readonly value: T; readonly omissible: Omissible; readonly draft: D };
}

/** Fields of a message or struct by name, in the order of the wire. */
export type Fields = { readonly [name: string]: Field };

/** A tag that this schema does not know, kept so that it can be passed on. */
export interface UnknownTag {
  readonly tag: number;
  readonly bytes: Uint8Array;
}

/** Decoded message or struct of a flexible version (KIP-482). */
export interface Tagged {
  readonly unknownTags?: readonly UnknownTag[];
}

type ValueOf<F> = F extends { readonly phantom?: { readonly value: infer T } } ? T : never;
type DraftOf<F> = F extends { readonly phantom?: { readonly draft: infer D } } ? D : never;
type OmissibleKeys<F> = {
  [K in keyof F]: F[K] extends { readonly phantom?: { readonly omissible: true } } ? K : never;
}[keyof F];

/** The decoded form: every field is there, those absent at the version with their defaults. */
export type Infer<M> = M extends { readonly fields: infer F }
  ? { readonly [K in keyof F]: ValueOf<F[K]> } & Tagged
  : { readonly [K in keyof M]: ValueOf<M[K]> } & Tagged;

/** Form that encoding takes: fields with a default, a tag or a limited range of versions may be left out. */
export type Draft<M> = M extends { readonly fields: infer F } ? DraftFields<F> : DraftFields<M>;

type DraftFields<F> = { readonly [K in Exclude<keyof F, OmissibleKeys<F>>]: DraftOf<F[K]> } & {
  readonly [K in OmissibleKeys<F>]?: DraftOf<F[K]> | undefined;
} & Tagged;

/**
 * `T`, with `never` for every field, at any depth, that `D` does not have: TypeScript itself looks for these in literals
 * only, and not in what a function has returned.
 */
export type Exact<T, D> = T extends readonly (infer E)[]
  ? NonNullable<D> extends readonly (infer F)[]
    ? readonly Exact<E, F>[]
    : T
  : T extends Uint8Array | Function | string | number | bigint
    ? T
    : T extends object
      ? { readonly [K in keyof T]: K extends keyof NonNullable<D> ? Exact<T[K], NonNullable<D>[K]> : never }
      : T;

type OrNull<T, O> = O extends { readonly nullable: true | number } ? T | null : T;
type Omissible<O> = O extends
  | { readonly default: unknown }
  | { readonly tag: number }
  | { readonly since: number }
  | { readonly until: number }
  ? true
  : false;
type FieldOf<T, O, D = T> = Field<OrNull<T, O>, Omissible<O>, OrNull<D, O>>;
type None = Record<never, never>;

const EMPTY: readonly never[] = Object.freeze([]);
const EMPTY_BYTES = new Uint8Array(0);

function zeroOf(type: Type, nullable: boolean): unknown {
  switch (type.kind) {
    case "bool":
      return false;
    case "long":
      return 0n;
    case "string":
      return "";
    case "bytes":
      return EMPTY_BYTES;
    case "uuid":
      return ZERO_UUID;
    case "records":
      return nullable ? null : EMPTY;
    case "array":
      return EMPTY;
    case "struct":
      return Object.freeze(initialValues(type.fields));
    default:
      return 0;
  }
}

/** A value of the struct with every field at its default. */
export function initialValues(fields: Fields): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) value[name] = field.initial;
  return value;
}

function field(type: Type, options: FieldOptions<unknown> = {}): Field {
  const { since = 0, until = Infinity, nullable, tag = -1, ignorable = false, inflexible = false } = options;
  return {
    type,
    since,
    until,
    nullableSince: nullable === true ? 0 : (nullable ?? Infinity),
    tag,
    taggedSince: tag < 0 ? Infinity : (options.taggedSince ?? since),
    initial: options.default === undefined ? zeroOf(type, nullable !== undefined) : options.default,
    ignorable,
    inflexible,
  };
}

type Scalar<T> = <const O extends FieldOptions<T> = None>(options?: O) => FieldOf<T, O>;

function scalar<T>(kind: ScalarKind): Scalar<T> {
  // The phantom types exist only for the compiler, so no value could prove them.
  return (options => field({ kind }, options)) as Scalar<T>;
}

export const bool = scalar<boolean>("bool");
export const i8 = scalar<number>("i8");
export const i16 = scalar<number>("i16");
export const u16 = scalar<number>("u16");
export const i32 = scalar<number>("i32");
export const u32 = scalar<number>("u32");
export const i64 = scalar<Int64>("i64");
export const long = scalar<bigint>("long");
export const f64 = scalar<number>("f64");
export const string = scalar<string>("string");
export const bytes = scalar<Uint8Array>("bytes");
export const uuid = scalar<Uuid>("uuid");
// Kinds with the name of a brand: the same on the wire, another type for the compiler.
export const brokerEpoch = scalar<BrokerEpoch>("i64");
export const brokerId = scalar<BrokerId>("i32");
export const leaderEpoch = scalar<LeaderEpoch>("i32");
export const offset = scalar<WireOffset>("i64");
export const partitionEpoch = scalar<PartitionEpoch>("i32");
export const partitionIndex = scalar<PartitionIndex>("i32");
export const producerEpoch = scalar<ProducerEpoch>("i16");
export const producerId = scalar<ProducerId>("long");
/** Record batches: decoding gives one slice in an array (none when empty), encoding references every chunk. */
export const records = scalar<readonly Uint8Array[]>("records");

export function struct<const F extends Fields, const O extends FieldOptions<never> = None>(
  fields: F,
  options?: O,
): FieldOf<Infer<F>, O, DraftFields<F>> {
  return field({ kind: "struct", fields }, options) as FieldOf<Infer<F>, O, DraftFields<F>>;
}

type ElementValue<E> = E extends Field ? ValueOf<E> : Infer<E>;
type ElementDraft<E> = E extends Field ? DraftOf<E> : DraftFields<E>;

/** An array of scalars (`array(i32())`) or of structs (`array({ … })`). */
export function array<const E extends Field | Fields, const O extends FieldOptions<readonly never[]> = None>(
  element: E,
  options?: O,
): FieldOf<readonly ElementValue<E>[], O, readonly ElementDraft<E>[]> {
  const type: Type = isField(element) ? element.type : { kind: "struct", fields: element };
  return field({ kind: "array", element: type }, options) as FieldOf<
    readonly ElementValue<E>[],
    O,
    readonly ElementDraft<E>[]
  >;
}

function isField(element: Field | Fields): element is Field {
  return typeof element.since === "number";
}

/** True if the field exists at `version`. */
export function presentAt(field: Field, version: number): boolean {
  return version >= field.since && version <= field.until;
}

/** True if the field travels in a tag at `version`, which must be flexible. */
export function taggedAt(field: Field, version: number): boolean {
  return version >= field.taggedSince && presentAt(field, version);
}

export function nullableAt(field: Field, version: number): boolean {
  return version >= field.nullableSince;
}
