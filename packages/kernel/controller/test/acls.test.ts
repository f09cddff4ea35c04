import { bootstrapRecords } from "@samsa/controller";
import {
  changesBetween,
  changesOf,
  EMPTY_IMAGE,
  imageRecords,
  METADATA_VERSION,
  MetadataDelta,
  type MetadataImage,
} from "@samsa/metadata";
import { type CreateAclsRequest, type DeleteAclsRequest, errorOf, type MetadataRecord } from "@samsa/protocol";
import { type Acl, type AclFilter, matchesFilter } from "@samsa/security";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { FEATURES, Fixture } from "./fixture.ts";

let cluster: Fixture;

function begin(metadataVersion: number = METADATA_VERSION.latest): void {
  cluster = new Fixture();
  cluster.append(bootstrapRecords({ metadataVersion, features: FEATURES }));
}

beforeEach(() => begin());

const READ_T: Acl = {
  ...{ resourceType: 2, resourceName: "t", patternType: 3, principal: "User:a", host: "*" },
  ...{ operation: 3, permissionType: 3 },
};
const ANY: AclFilter = {
  ...{ resourceType: 1, resourceName: null, patternType: 1, principal: null, host: null },
  ...{ operation: 1, permissionType: 1 },
};

function create(...acls: Acl[]) {
  const creations = acls.map(({ patternType, ...acl }) => ({ ...acl, resourcePatternType: patternType }));
  const { results } = cluster.run("CreateAcls", { creations } as unknown as CreateAclsRequest);
  return results.map(({ errorCode, errorMessage }) => [errorOf(errorCode).name, errorMessage]);
}

function remove(...wanted: AclFilter[]) {
  const filters = wanted.map(({ resourceType, resourceName, patternType, principal, host, ...entry }) => ({
    ...{ resourceTypeFilter: resourceType, resourceNameFilter: resourceName, patternTypeFilter: patternType },
    ...{ principalFilter: principal, hostFilter: host, ...entry },
  }));
  const { filterResults } = cluster.run("DeleteAcls", { filters } as unknown as DeleteAclsRequest);
  return filterResults.map(({ errorCode, errorMessage, matchingAcls }) => {
    return { error: errorOf(errorCode).name, errorMessage, matchingAcls };
  });
}

const textOf = ({ resourceType, resourceName, patternType, principal, host, operation, permissionType }: Acl): string =>
  [resourceType, resourceName, patternType, principal, host, operation, permissionType].join(" ");
const aclsOf = ({ acls }: MetadataImage): string[] => [...acls.values()].map(textOf).sort();
const now = (): string[] => aclsOf(cluster.controller.image);

describe("CreateAcls", () => {
  test("writes each ACL once, whatever requests repeat", () => {
    const written = cluster.log.length;
    const deny = { ...READ_T, permissionType: 2 };
    expect(create(READ_T, deny, READ_T)).toEqual([
      ["NONE", ""],
      ["NONE", ""],
      ["NONE", ""],
    ]);
    expect(create(READ_T)).toEqual([["NONE", ""]]);
    expect(now()).toEqual([READ_T, deny].map(textOf).sort());
    expect(cluster.log.length - written).toBe(2);
    expect([...cluster.controller.image.acls.keys()].length).toBe(2);
  });

  const CLUSTER = { resourceType: 4, resourceName: "kafka-cluster" };
  test.each<[Partial<Acl>, string]>([
    [{ ...CLUSTER, resourceName: "other" }, "The only valid name for the CLUSTER resource is kafka-cluster"],
    [{ resourceName: "" }, "Invalid empty resource name"],
    [{ resourceType: 1 }, "Invalid resourceType ANY"],
    [{ resourceType: 99 }, "Invalid resourceType UNKNOWN"],
    [{ patternType: 1 }, "Invalid patternType ANY"],
    [{ patternType: 2 }, "Invalid patternType MATCH"],
    [{ patternType: 77 }, "Invalid patternType UNKNOWN"],
    [{ operation: 1 }, "Invalid operation ANY"],
    [{ operation: 99 }, "Invalid operation UNKNOWN"],
    [{ permissionType: 1 }, "Invalid permissionType ANY"],
    [{ permissionType: 4 }, "Invalid permissionType UNKNOWN"],
    [{ host: "" }, "Host pattern cannot be null or empty"],
    [{ host: "10.0.0.0/33" }, "Invalid CIDR notation '10.0.0.0/33': Could not parse [10.0.0.0/33]"],
    [
      { principal: "alice" },
      "Could not parse principal from `alice` (no colon is present separating the principal type from the principal name)",
    ],
  ])("refuses %o", (change, message) => {
    expect(create({ ...READ_T, ...change }, READ_T)).toEqual([
      ["INVALID_REQUEST", message],
      ["NONE", ""],
    ]);
    expect(now()).toEqual([textOf(READ_T)]);
  });

  test("takes what looks odd and is valid", () => {
    const odd: Acl[] = [
      { ...READ_T, ...CLUSTER },
      { ...READ_T, resourceName: "*", patternType: 4 },
      { ...READ_T, principal: "User:" },
      { ...READ_T, principal: "Group:x:y" },
      { ...READ_T, host: "no address" },
      { ...READ_T, operation: 2 },
      { ...READ_T, resourceType: 7, operation: 13 },
    ];
    expect(create(...odd).every(([error]) => error === "NONE")).toBe(true);
    expect(now()).toEqual(odd.map(textOf).sort());
  });

  test("takes ranges of addresses from 4.4-IV1 on", () => {
    const ranges = ["10.0.0.0/8", "fd00::/8"].map(host => ({ ...READ_T, host }));
    begin(METADATA_VERSION.hostRanges - 1);
    const message = "CIDR-based ACL host patterns require metadata version 4.4-IV1 or higher.";
    expect(create(...ranges, READ_T)).toEqual([
      ["UNSUPPORTED_VERSION", message],
      ["UNSUPPORTED_VERSION", message],
      ["NONE", ""],
    ]);
    begin(METADATA_VERSION.hostRanges);
    expect(create(...ranges)).toEqual([
      ["NONE", ""],
      ["NONE", ""],
    ]);
  });

  test("writes 10,000 at once, and no more", () => {
    const many = (count: number): Acl[] =>
      Array.from({ length: count }, (_, i) => ({ ...READ_T, resourceName: `t${i}` }));
    const refused = create(...many(10_001), { ...READ_T, host: "" });
    expect(new Set(refused.map(String))).toEqual(
      new Set(["POLICY_VIOLATION,Unable to perform excessively large batch operation."]),
    );
    expect(now()).toEqual([]);
    expect(create(...many(10_000)).every(([error]) => error === "NONE")).toBe(true);
    // The same again need no records, so they are not too many.
    expect(create(...many(10_000), READ_T).every(([error]) => error === "NONE")).toBe(true);
    expect(now().length).toBe(10_001);
  });
});

describe("DeleteAcls", () => {
  const named = (resourceName: string, patternType = 3): Acl => ({ ...READ_T, resourceName, patternType });

  test("deletes what any filter selects, and tells each filter all that it selects", () => {
    create(named("a"), named("b"), named("ab", 4), named("*"));
    const [first, second, third] = remove(
      { ...ANY, resourceName: "a" },
      { ...ANY, patternType: 2, resourceName: "abc" },
      { ...ANY, resourceName: "none" },
    );
    expect(first?.matchingAcls.map(({ resourceName }) => resourceName)).toEqual(["a"]);
    expect(second?.matchingAcls.map(({ resourceName }) => resourceName).sort()).toEqual(["*", "ab"]);
    expect(third).toEqual({ error: "NONE", errorMessage: null, matchingAcls: [] });
    expect(first?.matchingAcls).toEqual([{ errorCode: 0, errorMessage: null, ...named("a") }]);
    expect(now()).toEqual([textOf(named("b"))]);
  });

  test("deletes an ACL once that two filters select", () => {
    create(READ_T);
    const written = cluster.log.length;
    expect(remove(ANY, ANY).map(({ matchingAcls }) => matchingAcls.length)).toEqual([1, 1]);
    expect(cluster.log.length - written).toBe(1);
    expect(remove(ANY)[0]?.matchingAcls).toEqual([]);
    expect(create(READ_T)).toEqual([["NONE", ""]]);
    expect(now()).toEqual([textOf(READ_T)]);
  });

  test.each<[Partial<AclFilter>, string]>([
    [{ resourceType: 88 }, "Unknown patternFilter."],
    [{ patternType: 88 }, "Unknown patternFilter."],
    [{ operation: 88 }, "Unknown entryFilter."],
    [{ permissionType: 88 }, "Unknown entryFilter."],
  ])("refuses the filter %o alone", (change, errorMessage) => {
    create(READ_T);
    const [wrong, right] = remove({ ...ANY, ...change }, { ...ANY, resourceName: "t" });
    expect(wrong).toEqual({ error: "INVALID_REQUEST", errorMessage, matchingAcls: [] });
    expect(right?.matchingAcls.length).toBe(1);
    expect(now()).toEqual([]);
  });

  test("deletes 10,000 at once, and no more", () => {
    for (const half of [0, 1]) {
      create(...Array.from({ length: 5000 + half }, (_, i) => named(`${half}-${i}`)));
    }
    const before = now();
    expect(remove(ANY, { ...ANY, resourceName: "none" })).toEqual(
      [0, 1].map(() => ({
        error: "INVALID_REQUEST",
        errorMessage: "Cannot remove more than 10000 acls in a single delete operation.",
        matchingAcls: [],
      })),
    );
    expect(now()).toEqual(before);
    expect(remove({ ...ANY, resourceName: "0-0" })[0]?.matchingAcls.length).toBe(1);
    expect(remove(ANY)[0]?.matchingAcls.length).toBe(10_000);
    expect(now()).toEqual([]);
  });
});

const acl = fc.record({
  resourceType: fc.constantFrom(2, 3),
  resourceName: fc.constantFrom("a", "ab", "*", "b"),
  patternType: fc.constantFrom(3, 4),
  principal: fc.constantFrom("User:a", "User:*"),
  host: fc.constantFrom("*", "10.0.0.1", "10.0.0.0/8"),
  operation: fc.constantFrom(2, 3, 8),
  permissionType: fc.constantFrom(2, 3),
});
const filter = fc.record({
  resourceType: fc.constantFrom(1, 2, 3),
  resourceName: fc.constantFrom(null, "a", "abc", "*"),
  patternType: fc.constantFrom(1, 2, 3, 4),
  principal: fc.constantFrom(null, "User:a"),
  host: fc.constantFrom(null, "*"),
  operation: fc.constantFrom(1, 3),
  permissionType: fc.constantFrom(1, 2),
});
const step = fc.oneof(
  fc.record({ create: fc.array(acl, { maxLength: 4 }) }),
  fc.record({ remove: fc.array(filter, { maxLength: 2 }) }),
);

const NOWHERE = { offset: 0, epoch: 0, timestamp: 0 };

function replayed(base: MetadataImage, records: readonly MetadataRecord[]): MetadataDelta {
  const delta = new MetadataDelta(base);
  for (const record of records) delta.replay(record);
  return delta;
}

test("ACLs are those of a set, also after a replay in parts, a snapshot, and for those who follow changes", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), steps => {
      begin();
      const model = new Map<string, Acl>();
      let image = replayed(EMPTY_IMAGE, cluster.log).apply(NOWHERE);
      // ACLs of a reader that follows the changes of each part.
      const followed = new Map<string, Acl>();
      for (const one of steps) {
        const from = cluster.log.length;
        if ("create" in one) {
          create(...one.create);
          for (const made of one.create) model.set(textOf(made), made);
        } else {
          const selected = [...model.values()].filter(made => one.remove.some(wanted => matchesFilter(wanted, made)));
          const told = remove(...one.remove).flatMap(({ matchingAcls }) => matchingAcls.map(textOf));
          expect(new Set(told)).toEqual(new Set(selected.map(textOf)));
          for (const made of selected) model.delete(textOf(made));
        }
        const delta = replayed(image, cluster.log.slice(from));
        const after = delta.apply(NOWHERE);
        const { changedAcls } = delta;
        for (const id of changedAcls) followed.delete(textOf(image.acls.get(id) ?? READ_T));
        for (const id of changedAcls) {
          const added = after.acls.get(id);
          if (added !== undefined) followed.set(textOf(added), added);
        }
        image = after;
        const expected = [...model.keys()].sort();
        expect(now()).toEqual(expected);
        expect(aclsOf(image)).toEqual(expected);
        expect([...followed.keys()].sort()).toEqual(expected);
        expect(image.aclIds.size).toBe(model.size);
      }
      const copy = replayed(EMPTY_IMAGE, imageRecords(image)).apply(NOWHERE);
      expect(aclsOf(copy)).toEqual(aclsOf(image));
      expect([...copy.aclIds]).toEqual([...image.aclIds]);
      expect(changesOf(copy).changedAcls.size).toBe(model.size);
      const gone = changesBetween(image, EMPTY_IMAGE).changedAcls;
      expect(gone).toEqual(new Set(image.acls.keys()));
    }),
    { numRuns: 60 },
  );
});
