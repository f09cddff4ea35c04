import type { AnyMessage, Field } from "@samsa/protocol";
import { expect, test } from "vitest";
import { type KafkaSchema, readSchemas } from "../src/schemas/kafka-schemas.ts";
import { ourProtocol } from "../src/schemas/our-protocol.ts";
import { findJars, KAFKA_VERSION } from "../src/processes/runtimes.ts";
import { compareSchemas } from "../src/schemas/schema-compare.ts";
import { need } from "./scenarios.ts";

test("every message is declared as Kafka declares it", async context => {
  const schemas = readSchemas(need(await findJars(), context), KAFKA_VERSION);
  expect(schemas.length).toBe(286);
  expect(compareSchemas(schemas, ourProtocol())).toEqual([]);
});

const SCHEMA: KafkaSchema = {
  name: "FetchRequest",
  type: "request",
  apiKey: 7,
  listeners: ["broker"],
  validVersions: "1-3",
  flexibleVersions: "2+",
  javaClass: undefined,
  fields: [
    { name: "First", type: "int32", versions: "0+", default: "-1" },
    {
      name: "Second",
      type: "[]Inner",
      versions: "1+",
      nullableVersions: "2+",
      fields: [{ name: "Name", type: "string", versions: "2+", ignorable: true }],
    },
    { name: "Third", type: "string", versions: "2+", taggedVersions: "2+", tag: 0, default: "null" },
    { name: "Gone", type: "int8", versions: "0" },
  ],
};

function field(options: Partial<Field>): Field {
  const since = { since: 0, until: Infinity, nullableSince: Infinity, tag: -1, taggedSince: Infinity };
  return { type: { kind: "i32" }, ...since, initial: 0, ignorable: false, inflexible: false, ...options };
}

const name = field({ type: { kind: "string" }, since: 2, initial: "", ignorable: true });
const FIELDS: Readonly<Record<string, Field>> = {
  first: field({ initial: -1 }),
  second: field({
    type: { kind: "array", element: { kind: "struct", fields: { name } } },
    nullableSince: 2,
    initial: [],
  }),
  third: field({ type: { kind: "string" }, since: 2, tag: 0, taggedSince: 2, initial: null }),
};

function compared(fields: Readonly<Record<string, Field>>, more: Partial<AnyMessage> = {}): string[] {
  const message: AnyMessage = {
    name: "FetchRequest",
    first: 1,
    last: 3,
    flexible: 2,
    fields,
    decode: () => ({}),
    encode: () => {},
    defaults: () => ({}),
    ...more,
  };
  const { first, last, flexible } = message;
  const api = { key: 7, name: "Fetch", request: message, response: message, first, last, lastStable: last, flexible };
  const apis = [{ ...api, listeners: ["broker" as const], forwardable: false }];
  return compareSchemas([SCHEMA], { messages: [message], apis, recordIds: new Map() });
}

function changed(which: string, options: Partial<Field>): Readonly<Record<string, Field>> {
  return { ...FIELDS, [which]: { ...FIELDS[which], ...options } };
}

function without(which: string): Readonly<Record<string, Field>> {
  return Object.fromEntries(Object.entries(FIELDS).filter(([key]) => key !== which));
}

const BROKEN: readonly (readonly [what: string, fields: Readonly<Record<string, Field>>, said: RegExp])[] = [
  ["type", changed("first", { type: { kind: "i16" } }), /first: type is int16, in Kafka int32 \(versions 1, 2, 3\)/],
  ["default", changed("first", { initial: 0 }), /first: default is 0, in Kafka -1/],
  ["versions", changed("first", { since: 2 }), /first: present is false, in Kafka true \(versions 1\)/],
  ["nullable versions", changed("second", { nullableSince: 3 }), /second: nullable is false, in Kafka true/],
  ["tag", changed("third", { tag: 1 }), /third: tag is 1, in Kafka 0 \(versions 2, 3\)/],
  ["tagged versions", changed("third", { taggedSince: 3 }), /third: tag is none, in Kafka 0 \(versions 2\)/],
  ["ignorable", changed("third", { ignorable: true }), /third: ignorable is true, in Kafka false/],
  ["flexible versions", changed("first", { inflexible: true }), /first: flexible is false, in Kafka true/],
  ["nested field", changed("second", { type: { kind: "array", element: { kind: "struct", fields: {} } } }), /missing/],
  ["missing field", without("third"), /third: missing/],
  ["extra field", { ...FIELDS, fourth: field({}) }, /fourth: unknown to Kafka/],
  ["order", { second: FIELDS.second, first: FIELDS.first, third: FIELDS.third }, /\(order\): order is second first/],
];

test("what equals Kafka's declaration is not reported", () => {
  expect(compared(FIELDS)).toEqual([]);
});

test.for(BROKEN)("a wrong %s is reported", ([, fields, said]) => {
  expect(compared(fields).join("\n")).toMatch(said);
});

test("wrong versions, keys and messages are reported", () => {
  expect(compared(FIELDS, { last: 4 })[0]).toMatch(/versions is 1-4, in Kafka 1-3/);
  expect(compared(FIELDS, { flexible: 3 })[0]).toMatch(/flexible is 3, in Kafka 2/);
  expect(compared(FIELDS, { name: "Other" })).toEqual(["FetchRequest: missing", "Other: unknown to Kafka"]);
  const broken = ourProtocol();
  const { messages, recordIds } = broken;
  const [api, ...apis] = broken.apis;
  const schema: KafkaSchema = {
    ...SCHEMA,
    name: api.request.name,
    apiKey: api.key,
    listeners: [...api.listeners],
    validVersions: `${api.first}-${api.last}`,
    flexibleVersions: `${api.flexible}+`,
  };
  const top = (changes: Partial<typeof api>): string =>
    compareSchemas([schema], { messages, recordIds, apis: [{ ...api, ...changes }, ...apis] }).join("\n");
  expect(top({})).not.toMatch(/message:/);
  expect(top({ key: 99 })).toMatch(/message: apiKey is 99, in Kafka 0/);
  expect(top({ listeners: ["controller"] })).toMatch(/listeners is controller, in Kafka broker/);
  expect(top({ lastStable: api.last - 1 })).toMatch(/message: stable is/);
});
