import { imageRecords, MetadataDelta, EMPTY_IMAGE, quotaKey } from "@samsa/metadata";
import { Errors } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { topicNameFault } from "../src/topic-names.ts";
import { Fixture } from "./fixture.ts";

interface Part {
  readonly entityType: string;
  readonly entityName: string | null;
}
interface Operation {
  readonly key: string;
  readonly value: number;
  readonly remove: boolean;
}
interface Entry {
  readonly entity: readonly Part[];
  readonly ops: readonly Operation[];
}

const USER: readonly Part[] = [{ entityType: "user", entityName: "alice" }];
const IP: readonly Part[] = [{ entityType: "ip", entityName: "10.0.0.1" }];
const set = (key: string, value: number): Operation => ({ key, value, remove: false });

function alter(
  fixture: Fixture,
  entries: readonly Entry[],
  { validateOnly = false, unresolved = [] as string[] } = {},
) {
  const request = { entries: entries as never, validateOnly, unresolved: new Set(unresolved) };
  return fixture
    .run("AlterClientQuotas", request)
    .entries.map(({ errorCode, errorMessage }) => [errorCode, errorMessage]);
}

const OK = [0, null];
const refused = (message: string): unknown => [Errors.INVALID_REQUEST.code, message];

describe("AlterClientQuotas", () => {
  // Messages are those of ClientQuotaControlManager.
  test.each<[string, readonly Part[], readonly Operation[], string]>([
    ["nobody", [], [set("producer_byte_rate", 1)], "Invalid empty client quota entity"],
    [
      "a type twice",
      [...USER, { entityType: "user", entityName: "bob" }],
      [set("producer_byte_rate", 1)],
      "Invalid client quota entity, duplicate entity entry user",
    ],
    ["another type", [{ entityType: "group", entityName: "g" }], [], "Unhandled client quota entity type: group"],
    ["an empty name", [{ entityType: "client-id", entityName: "" }], [], "Empty client-id not supported"],
    [
      "an address and a user",
      [...IP, ...USER],
      [set("connection_creation_rate", 1)],
      "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
    ],
    [
      "a key of addresses for a user",
      USER,
      [set("connection_creation_rate", 1)],
      "Invalid configuration key connection_creation_rate",
    ],
    [
      "a key of users for an address",
      IP,
      [set("producer_byte_rate", 1)],
      "Invalid configuration key producer_byte_rate",
    ],
    ["nothing at all", USER, [set("producer_byte_rate", 0)], "Quota producer_byte_rate must be greater than 0"],
    ["less than nothing", USER, [set("request_percentage", -0.5)], "Quota request_percentage must be greater than 0"],
    ["half a byte", USER, [set("consumer_byte_rate", 1.5)], "consumer_byte_rate cannot be a fractional value."],
    [
      "too much",
      USER,
      [set("consumer_byte_rate", 2 ** 63 * 1.1)],
      "Proposed value for consumer_byte_rate is too large for a LONG.",
    ],
    [
      "too many connections",
      IP,
      [set("connection_creation_rate", 2 ** 31)],
      "Proposed value for connection_creation_rate is too large for an INT.",
    ],
    ["no number", USER, [set("request_percentage", Number.NaN)], "Quota request_percentage must be a finite number"],
    [
      "a key twice",
      USER,
      [set("request_percentage", 1), set("request_percentage", 2)],
      "Duplicate quota key request_percentage not updating quota for this entity ClientQuotaEntity(entries={user=alice})",
    ],
  ])("refuses %s, and changes nothing", (_what, entity, ops, message) => {
    const fixture = new Fixture();
    expect(alter(fixture, [{ entity, ops: ops.length === 0 ? [set("producer_byte_rate", 5)] : ops }])).toEqual([
      refused(message),
    ]);
    expect(fixture.log).toEqual([]);
  });

  test("takes what looks odd and is valid", () => {
    const fixture = new Fixture();
    const anyone = [
      { entityType: "client-id", entityName: null },
      { entityType: "user", entityName: null },
    ];
    const odd: readonly Entry[] = [
      {
        entity: USER,
        ops: [
          set("request_percentage", 0.001),
          set("producer_byte_rate", 2 ** 62),
          set("controller_mutation_rate", 1e300),
        ],
      },
      { entity: anyone, ops: [set("consumer_byte_rate", 1)] },
      { entity: IP, ops: [set("connection_creation_rate", 2 ** 31 - 1)] },
      { entity: [{ entityType: "ip", entityName: null }], ops: [set("connection_creation_rate", 1)] },
      // Within the error of a sum in floating point.
      { entity: [{ entityType: "user", entityName: "bob" }], ops: [set("producer_byte_rate", 7.000_000_1)] },
    ];
    expect(alter(fixture, odd)).toEqual(odd.map(() => OK));
  });

  test("refuses an address that is none, an entity that comes again, and goes on with the others", () => {
    const fixture = new Fixture();
    const nowhere = [{ entityType: "ip", entityName: "nowhere" }];
    const ops = [set("connection_creation_rate", 3)];
    expect(
      alter(
        fixture,
        [
          { entity: nowhere, ops },
          { entity: IP, ops },
          { entity: IP, ops },
        ],
        { unresolved: ["nowhere"] },
      ),
    ).toEqual([
      refused("nowhere is not a valid IP or resolvable host."),
      OK,
      refused("Ignoring duplicate entity ClientQuotaEntity(entries={ip=10.0.0.1})"),
    ]);
    expect(fixture.log).toHaveLength(1);
  });

  test("writes nothing that is so already, nor for a request that only asks", () => {
    const fixture = new Fixture();
    const entries = [{ entity: USER, ops: [set("producer_byte_rate", 5)] }];
    expect(alter(fixture, entries, { validateOnly: true })).toEqual([OK]);
    expect(fixture.log).toHaveLength(0);
    alter(fixture, entries);
    alter(fixture, entries);
    alter(fixture, [{ entity: USER, ops: [{ key: "consumer_byte_rate", value: 0, remove: true }] }]);
    expect(fixture.log).toHaveLength(1);
  });

  test("keeps what a map of all requests would, also after a snapshot", () => {
    const entities: readonly (readonly Part[])[] = [
      USER,
      [...USER, { entityType: "client-id", entityName: "c" }],
      [{ entityType: "client-id", entityName: "c" }, ...USER],
      [{ entityType: "user", entityName: null }],
    ];
    const operation = fc.record({
      key: fc.constantFrom("producer_byte_rate", "consumer_byte_rate", "bogus"),
      value: fc.constantFrom(1, 2, 0, 1.5),
      remove: fc.boolean(),
    });
    const entry = fc.record({
      entity: fc.constantFrom(...entities),
      ops: fc.uniqueArray(operation, { selector: ({ key }) => key, maxLength: 2 }),
    });
    fc.assert(
      fc.property(fc.array(fc.array(entry, { maxLength: 3 }), { maxLength: 10, size: "max" }), requests => {
        const fixture = new Fixture();
        const model = new Map<string, Map<string, number>>();
        for (const entries of requests) {
          const seen = new Set<string>();
          const expected = entries.map(({ entity, ops }) => {
            const name = quotaKey(entity as never);
            if (seen.has(name)) return false;
            seen.add(name);
            const quotas = new Map(model.get(name));
            for (const { key, value, remove } of ops) {
              if (!remove && (key === "bogus" || value <= 0 || value % 1 > 0)) return false;
              if (remove) quotas.delete(key);
              else quotas.set(key, value);
            }
            // An entity changes as a whole, or not at all.
            if (quotas.size === 0) model.delete(name);
            else model.set(name, quotas);
            return true;
          });
          expect(alter(fixture, entries).map(([errorCode]) => errorCode === 0)).toEqual(expected);
        }
        const { image } = fixture.controller;
        const quotasOf = (of: typeof image) =>
          new Map([...of.quotas].map(([key, { quotas }]) => [key, new Map(quotas)]));
        expect(quotasOf(image)).toEqual(model);
        const delta = new MetadataDelta(EMPTY_IMAGE);
        for (const record of imageRecords(image)) delta.replay(record);
        expect(quotasOf(delta.apply(image.provenance))).toEqual(model);
      }),
      { numRuns: 200 },
    );
  });
});

test("names of topics are of letters, digits, dots, underscores and dashes, and not too long", () => {
  const invalid = "Topic name is invalid: ";
  expect(topicNameFault("")).toBe(`${invalid}the empty string is not allowed`);
  for (const name of [".", ".."]) expect(topicNameFault(name)).toBe(`${invalid}'${name}' is not allowed`);
  for (const name of ["...", "a", "A-b_c.9", "x".repeat(249)]) expect(topicNameFault(name)).toBeUndefined();
  expect(topicNameFault("x".repeat(250))).toContain("is longer than the max allowed length 249");
  fc.assert(
    fc.property(
      fc.string({
        minLength: 3,
        maxLength: 10,
        unit: fc.constantFrom("a", "Z", "0", ".", "_", "-", "ä", " ", "/", "\n"),
      }),
      name => {
        const isValid = Array.from(name).every(letter => "aZ0._-".includes(letter));
        expect(topicNameFault(name) === undefined).toBe(isValid);
      },
    ),
    { numRuns: 300 },
  );
});
