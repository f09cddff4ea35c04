/** Compares our message schemas with Kafka's, field by field at every version. */
import type { AnyMessage, Api, Field, Fields, Type } from "@samsa/protocol";
import { type KafkaField, type KafkaSchema, type KafkaStruct, versionRange } from "./kafka-schemas.ts";

/** Compared properties as text, by path (`topics.partitions`), then by property. */
type Facts = Map<string, Record<string, string>>;

/** Our message schemas and APIs. */
export interface OurProtocol {
  readonly messages: readonly AnyMessage[];
  readonly apis: readonly Api[];
  /** API keys of records in their frames, by message. */
  readonly recordIds: ReadonlyMap<AnyMessage, number>;
}

const OUR_TYPES: Readonly<Record<Exclude<Type["kind"], "array">, string>> = {
  bool: "bool",
  i8: "int8",
  i16: "int16",
  u16: "uint16",
  i32: "int32",
  u32: "uint32",
  i64: "int64",
  long: "int64",
  f64: "float64",
  string: "string",
  bytes: "bytes",
  uuid: "uuid",
  records: "records",
  struct: "struct",
};
const SCALARS: ReadonlySet<string> = new Set(Object.values(OUR_TYPES).filter(type => type !== "struct"));

function ourType(type: Type): string {
  return type.kind === "array" ? `[]${ourType(type.element)}` : OUR_TYPES[type.kind];
}

function ourFields(type: Type): Fields | undefined {
  if (type.kind === "array") return ourFields(type.element);
  return type.kind === "struct" ? type.fields : undefined;
}

function ourDefault({ type, initial }: Field): string {
  if (initial === null || type.kind === "records") return "null";
  if (type.kind === "struct" || type.kind === "uuid") return type.kind;
  if (type.kind === "array" || type.kind === "bytes")
    return (initial as ArrayLike<unknown>).length === 0 ? "empty" : "?";
  if (type.kind === "string") return JSON.stringify(initial);
  return `${initial as string | number | bigint | boolean}`;
}

interface At {
  readonly path: string;
  readonly version: number;
  readonly flexible: boolean;
}

function place(at: At, name: string): string {
  return at.path === "" ? name : `${at.path}.${name}`;
}

/** Names of untagged fields in wire order. */
function orderOf(fields: readonly (readonly [name: string, plain: boolean])[]): string {
  return fields
    .filter(([, plain]) => plain)
    .map(([name]) => name)
    .join(" ");
}

function ourFacts(fields: Fields, at: At, facts: Facts): Facts {
  const order: (readonly [string, boolean])[] = [];
  for (const [name, field] of Object.entries(fields)) {
    const path = place(at, name);
    const present = at.version >= field.since && at.version <= field.until;
    const tagged = present && at.flexible && at.version >= field.taggedSince;
    order.push([name, present && !tagged]);
    facts.set(path, {
      type: ourType(field.type),
      default: ourDefault(field),
      ignorable: String(field.ignorable),
      present: String(present),
      ...(present && {
        tag: tagged ? String(field.tag) : "none",
        nullable: String(at.version >= field.nullableSince),
        flexible: String(at.flexible && !field.inflexible),
      }),
    });
    const nested = ourFields(field.type);
    if (present && nested !== undefined) ourFacts(nested, { ...at, path }, facts);
  }
  facts.set(place(at, "(order)"), { order: orderOf(order) });
  return facts;
}

function within(range: string | undefined, version: number): boolean {
  const found = versionRange(range);
  return found !== undefined && version >= found[0] && version <= found[1];
}

/** Default in comparable form. JSON null means no default; only the text "null" means null. */
function kafkaDefault(type: string, value: KafkaField["default"]): string {
  if (type === "records" || value === "null") return "null";
  if (type === "struct" || type === "uuid") return type;
  if (type === "bool") return String(value ?? false);
  if (type === "string") return JSON.stringify(value ?? "");
  if (type === "bytes" || type.startsWith("[]")) return (value ?? "") === "" ? "empty" : String(value);
  if (type === "float64") return String(Number(value ?? 0));
  return String(BigInt(value ?? 0));
}

/** Type without the names of structs, which ours do not have. */
function kafkaType(type: string): string {
  const element = type.replace(/^\[\]/, "");
  return type.slice(0, type.length - element.length) + (SCALARS.has(element) ? element : "struct");
}

function fieldName(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

/** Fields of a struct, declared inline or as a common struct. */
function kafkaFields(field: KafkaField, structs: readonly KafkaStruct[]): readonly KafkaField[] | undefined {
  return field.fields ?? structs.find(({ name }) => name === field.type.replace(/^\[\]/, ""))?.fields;
}

function kafkaFacts(schema: KafkaSchema, fields: readonly KafkaField[], at: At, facts: Facts): Facts {
  const order: (readonly [string, boolean])[] = [];
  for (const field of fields) {
    const name = fieldName(field.name);
    const path = place(at, name);
    const type = kafkaType(field.type);
    const tagged = within(field.taggedVersions, at.version);
    const present = tagged || within(field.versions ?? field.taggedVersions, at.version);
    order.push([name, present && !tagged]);
    facts.set(path, {
      type,
      default: kafkaDefault(type, field.default),
      ignorable: String(field.ignorable === true),
      present: String(present),
      ...(present && {
        tag: tagged ? String(field.tag) : "none",
        nullable: String(within(field.nullableVersions, at.version)),
        flexible: String(at.flexible && field.flexibleVersions !== "none"),
      }),
    });
    const nested = kafkaFields(field, schema.commonStructs ?? []);
    if (present && nested !== undefined) kafkaFacts(schema, nested, { ...at, path }, facts);
  }
  facts.set(place(at, "(order)"), { order: orderOf(order) });
  return facts;
}

function differences(ours: Facts, kafkas: Facts): string[] {
  const found: string[] = [];
  for (const path of new Set([...kafkas.keys(), ...ours.keys()])) {
    const [our, kafka] = [ours.get(path), kafkas.get(path)];
    // Kafka still declares fields of removed versions; ours may lack them.
    if (our === undefined && kafka?.present === "false") continue;
    if (our === undefined) found.push(`${path}: missing`);
    else if (kafka === undefined) found.push(`${path}: unknown to Kafka`);
    else {
      for (const [property, value] of Object.entries(kafka)) {
        if (our[property] !== value) found.push(`${path}: ${property} is ${our[property]}, in Kafka ${value}`);
      }
    }
  }
  return found;
}

function topFacts(message: AnyMessage, protocol: OurProtocol): Record<string, string> {
  const api = protocol.apis.find(one => one.request === message || one.response === message);
  const id = api?.key ?? protocol.recordIds.get(message);
  return {
    versions: `${message.first}-${message.last}`,
    flexible: message.flexible > message.last ? "none" : String(Math.max(message.flexible, message.first)),
    apiKey: String(id ?? "none"),
    ...(api?.request === message && {
      listeners: api.listeners.toSorted().join(),
      stable: String(api.lastStable),
    }),
  };
}

function kafkaTopFacts(schema: KafkaSchema, [first, last]: readonly [number, number]): Record<string, string> {
  const flexible = versionRange(schema.flexibleVersions)?.[0] ?? Infinity;
  return {
    versions: `${first}-${last}`,
    flexible: flexible > last ? "none" : String(Math.max(flexible, first)),
    apiKey: String(schema.apiKey ?? "none"),
    ...(schema.type === "request" && {
      listeners: (schema.listeners ?? []).toSorted().join(),
      stable: String(schema.latestVersionUnstable === true ? last - 1 : last),
    }),
  };
}

function compareMessage(schema: KafkaSchema, message: AnyMessage, protocol: OurProtocol): string[] {
  const range = versionRange(schema.validVersions);
  if (range === undefined) return ["gone from Kafka"];
  const top = (facts: Record<string, string>): Facts => new Map([["message", facts]]);
  const found = differences(top(topFacts(message, protocol)), top(kafkaTopFacts(schema, range)));
  const versions = new Map<string, number[]>();
  for (let version = Math.max(range[0], message.first); version <= Math.min(range[1], message.last); version++) {
    const ours = ourFacts(message.fields, { path: "", version, flexible: version >= message.flexible }, new Map());
    const flexible = within(schema.flexibleVersions, version);
    const kafkas = kafkaFacts(schema, schema.fields, { path: "", version, flexible }, new Map());
    for (const difference of differences(ours, kafkas)) {
      versions.set(difference, [...(versions.get(difference) ?? []), version]);
    }
  }
  return [...found, ...[...versions].map(([difference, where]) => `${difference} (versions ${where.join(", ")})`)];
}

/** Describes every difference between our schemas and Kafka's in a sentence; empty if they are equal. */
export function compareSchemas(schemas: readonly KafkaSchema[], protocol: OurProtocol): string[] {
  const ours = new Map(protocol.messages.map(message => [message.name, message]));
  const found: string[] = [];
  for (const schema of schemas) {
    const message = ours.get(schema.name);
    ours.delete(schema.name);
    if (message !== undefined) {
      found.push(...compareMessage(schema, message, protocol).map(difference => `${schema.name}: ${difference}`));
    } else if (schema.validVersions !== "none") found.push(`${schema.name}: missing`);
  }
  return [...found, ...[...ours.keys()].map(name => `${name}: unknown to Kafka`)];
}
