import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Acl,
  type AclFilter,
  type AclOperation,
  codeName,
  matchesFilter,
  OPERATION_CODES,
  operationBits,
  PATTERN_TYPE_CODES,
  PERMISSION_CODES,
  type ResourceType,
  RESOURCE_TYPE_CODES,
} from "../src/acl.ts";
import { auditText } from "../src/audit.ts";
import {
  type Action,
  ALLOW_ALL,
  AuthorizerNotReadyError,
  type Client,
  type Judgement,
  StandardAuthorizer,
} from "../src/authorizer.ts";

const { LITERAL, PREFIXED, ANY, MATCH } = PATTERN_TYPE_CODES;
const { ALLOW, DENY } = PERMISSION_CODES;

const acl = (change: Partial<Acl> = {}): Acl => ({
  resourceType: RESOURCE_TYPE_CODES.TOPIC,
  resourceName: "foo",
  patternType: LITERAL,
  principal: "User:alice",
  host: "*",
  operation: OPERATION_CODES.READ,
  permissionType: ALLOW,
  ...change,
});

const ALICE: Client = { user: "alice", host: "10.0.0.1", api: "Fetch" };
const READ_FOO: Action = { operation: "READ", resource: "TOPIC", name: "foo" };

interface Setup {
  readonly allowsUnlisted?: boolean;
  readonly superUsers?: readonly string[];
  readonly audit?: (client: Client, action: Action, judgement: Judgement) => void;
}

function authorizer(
  acls: readonly Acl[],
  { allowsUnlisted = false, superUsers = [], audit }: Setup = {},
): StandardAuthorizer {
  const made = new StandardAuthorizer({
    superUsers: new Set(superUsers),
    allowsUnlisted,
    ...(audit === undefined ? {} : { audit }),
  });
  made.change([], acls);
  made.complete();
  return made;
}

/** The rules of an authorizer, told as plainly as possible. */
class Model {
  readonly #acls: readonly Acl[];
  readonly #allowsUnlisted: boolean;

  constructor(acls: readonly Acl[], allowsUnlisted: boolean) {
    this.#acls = acls;
    this.#allowsUnlisted = allowsUnlisted;
  }

  allows({ user, host }: Client, { operation, resource, name }: Action): boolean {
    const onResource = this.#acls.filter(
      one =>
        one.resourceType === RESOURCE_TYPE_CODES[resource] &&
        (one.patternType === PREFIXED
          ? name.startsWith(one.resourceName)
          : one.resourceName === "*" || one.resourceName === name),
    );
    if (onResource.length === 0) return this.#allowsUnlisted;
    const onClient = onResource.filter(
      one =>
        (one.principal === `User:${user}` || one.principal === "User:*") &&
        (one.host === "*" || one.host === host || (one.host === "10.0.0.0/24" && host.startsWith("10.0.0."))),
    );
    const named = (one: Acl, ...operations: AclOperation[]): boolean =>
      one.operation === OPERATION_CODES.ALL || operations.some(each => one.operation === OPERATION_CODES[each]);
    if (onClient.some(one => one.permissionType === DENY && named(one, operation))) return false;
    const sufficient: readonly AclOperation[] =
      operation === "DESCRIBE"
        ? ["DESCRIBE", "READ", "WRITE", "DELETE", "ALTER"]
        : operation === "DESCRIBE_CONFIGS"
          ? ["DESCRIBE_CONFIGS", "ALTER_CONFIGS"]
          : [operation];
    return onClient.some(one => one.permissionType === ALLOW && named(one, ...sufficient));
  }

  /** Tries each name that an ACL mentions, one below each prefix, and one that none mentions. */
  allowsSome({ user, host }: Client, operation: AclOperation, resource: ResourceType): boolean {
    if (this.allows({ user, host, api: "" }, { operation, resource, name: "hardcode" })) return true;
    const exact = this.#acls.map(one => ({
      ...one,
      // Implied operations do not count here.
      operation: one.operation === OPERATION_CODES.ALL ? OPERATION_CODES[operation] : one.operation,
    }));
    const same = new Model(
      exact.filter(one => one.operation === OPERATION_CODES[operation]),
      false,
    );
    const names = exact.map(one =>
      one.resourceName === "*" && one.patternType === LITERAL ? "hardcode" : one.resourceName,
    );
    return names.some(name => {
      const isPrefix = exact.some(
        one => one.resourceName === name && one.patternType === PREFIXED && one.permissionType === ALLOW,
      );
      return [name, ...(isPrefix ? [`${name}\uffff`] : [])].some(each =>
        same.allows({ user, host, api: "" }, { operation, resource, name: each }),
      );
    });
  }
}

const names = fc.constantFrom("f", "fo", "foo", "foob", "foobar", "bar", "b");
const resources = fc.constantFrom<ResourceType>("TOPIC", "GROUP");
const operations = fc.constantFrom<AclOperation>(
  "READ",
  "WRITE",
  "DESCRIBE",
  "ALTER_CONFIGS",
  "DESCRIBE_CONFIGS",
  "ALTER",
);
const acls: fc.Arbitrary<Acl> = fc.record({
  resourceType: resources.map(type => RESOURCE_TYPE_CODES[type]),
  resourceName: fc.oneof(names, fc.constant("*")),
  patternType: fc.constantFrom(LITERAL, LITERAL, PREFIXED),
  principal: fc.constantFrom("User:alice", "User:bob", "User:*"),
  host: fc.constantFrom("*", "10.0.0.1", "10.0.0.0/24"),
  operation: fc.oneof(
    operations.map(operation => OPERATION_CODES[operation]),
    fc.constant(OPERATION_CODES.ALL),
  ),
  permissionType: fc.constantFrom(ALLOW, ALLOW, DENY),
});
const clients: fc.Arbitrary<Client> = fc.record({
  user: fc.constantFrom("alice", "bob", "carol"),
  host: fc.constantFrom("10.0.0.1", "10.0.0.2", "192.168.0.1"),
  api: fc.constant("Fetch"),
});
const unique = fc.uniqueArray(acls, { maxLength: 12, selector: one => JSON.stringify(one) });

describe("the authorizer", () => {
  test("judges as a plain model does, while ACLs come and go", () => {
    const questions = fc.array(fc.tuple(clients, operations, resources, names), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(unique, unique, fc.boolean(), questions, (first, second, allowsUnlisted, asked) => {
        const real = authorizer(first, { allowsUnlisted });
        const keys = new Set(second.map(one => JSON.stringify(one)));
        for (const [at, current] of [first, second].entries()) {
          if (at === 1) {
            const before = new Set(first.map(one => JSON.stringify(one)));
            real.change(
              first.filter(one => !keys.has(JSON.stringify(one))),
              second.filter(one => !before.has(JSON.stringify(one))),
            );
          }
          const model = new Model(current, allowsUnlisted);
          for (const [client, operation, resource, name] of [...asked, ...asked]) {
            const action = { operation, resource, name };
            expect(real.allows(client, action)).toBe(model.allows(client, action));
            expect(real.allowsSome(client, operation, resource)).toBe(model.allowsSome(client, operation, resource));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test("lets nobody but super users pass before the ACLs are known", () => {
    const early = new StandardAuthorizer({ superUsers: new Set(["User:root"]), allowsUnlisted: true });
    expect(early.allows({ ...ALICE, user: "root" }, READ_FOO)).toBe(true);
    expect(early.allowsSome({ ...ALICE, user: "root" }, "WRITE", "TOPIC")).toBe(true);
    expect(() => early.allows(ALICE, READ_FOO)).toThrow(AuthorizerNotReadyError);
    expect(() => early.allowsSome(ALICE, "WRITE", "TOPIC")).toThrow(AuthorizerNotReadyError);
    early.complete();
    expect(early.allows(ALICE, READ_FOO)).toBe(true);
  });

  test("permits super users what an ACL denies", () => {
    const denying = authorizer([acl({ principal: "User:*", permissionType: DENY })], { superUsers: ["User:alice"] });
    expect(denying.allows(ALICE, READ_FOO)).toBe(true);
    expect(denying.allows({ ...ALICE, user: "bob" }, READ_FOO)).toBe(false);
  });

  test("compares addresses as Java writes them", () => {
    const local = authorizer([acl({ host: "0:0:0:0:0:0:0:1" }), acl({ host: "10.0.0.1" })]);
    expect(local.allows({ ...ALICE, host: "::1" }, READ_FOO)).toBe(true);
    expect(local.allows({ ...ALICE, host: "::ffff:10.0.0.1" }, READ_FOO)).toBe(true);
    expect(local.allows({ ...ALICE, host: "::2" }, READ_FOO)).toBe(false);
  });

  test("judges more clients and names than it keeps", () => {
    const wide = authorizer([acl({ resourceName: "t7", principal: "User:*" })]);
    for (let i = 0; i < 50_000; i++) {
      const client = { ...ALICE, user: `user${i % 100}` };
      expect(wide.allows(client, { ...READ_FOO, name: `t${i % 700}` })).toBe(i % 700 === 7);
    }
  });

  test("forgets many ACLs on one resource", () => {
    const of = (i: number): Acl => acl({ principal: `User:${i}`, patternType: PREFIXED });
    const many = Array.from({ length: 50_000 }, (_, i) => of(i));
    const changed = authorizer([...many, acl()]);
    expect(changed.allows({ ...ALICE, user: "7" }, READ_FOO)).toBe(true);
    changed.change(many, []);
    expect(changed.allows({ ...ALICE, user: "7" }, READ_FOO)).toBe(false);
    expect(changed.allows(ALICE, READ_FOO)).toBe(true);
  });

  test("tells the audit log of each decision but probes", () => {
    const lines: string[] = [];
    const audited = authorizer([acl(), acl({ operation: OPERATION_CODES.WRITE, permissionType: DENY })], {
      superUsers: ["User:root"],
      audit: (client, action, judgement) => lines.push(auditText(client, action, judgement)),
    });
    audited.allows(ALICE, READ_FOO);
    audited.allows(ALICE, { ...READ_FOO, operation: "WRITE" });
    audited.allows(ALICE, { ...READ_FOO, name: "bar", isProbe: true });
    audited.allows(ALICE, { ...READ_FOO, name: "bar" });
    audited.allows({ ...ALICE, user: "root" }, READ_FOO);
    const start = (user: string, verdict: string, operation: string, name: string): string =>
      `Principal = User:${user} is ${verdict} operation = ${operation} from host = 10.0.0.1 on resource = Topic:LITERAL:${name} for request = Fetch based on rule`;
    expect(lines).toEqual([
      `${start("alice", "Allowed", "READ", "foo")} MatchingAcl(acl=StandardAcl[resourceType=TOPIC, resourceName=foo, patternType=LITERAL, principal=User:alice, host=*, operation=READ, permissionType=ALLOW])`,
      `${start("alice", "Denied", "WRITE", "foo")} MatchingAcl(acl=StandardAcl[resourceType=TOPIC, resourceName=foo, patternType=LITERAL, principal=User:alice, host=*, operation=WRITE, permissionType=DENY])`,
      `${start("alice", "Denied", "READ", "bar")} DefaultDeny`,
      `${start("root", "Allowed", "READ", "foo")} SuperUser`,
    ]);
  });
});

describe("filters", () => {
  const filter = (change: Partial<AclFilter>): AclFilter => ({
    resourceType: 1,
    resourceName: null,
    patternType: ANY,
    principal: null,
    host: null,
    operation: 1,
    permissionType: 1,
    ...change,
  });
  const literal = acl();
  const prefixed = acl({ resourceName: "fo", patternType: PREFIXED });
  const wild = acl({ resourceName: "*" });

  test.each<[string, Partial<AclFilter>, readonly boolean[]]>([
    ["everything", {}, [true, true, true]],
    ["a name", { resourceName: "foo" }, [true, false, false]],
    ["a name of a prefix", { resourceName: "fo", patternType: PREFIXED }, [false, true, false]],
    ["literal names", { patternType: LITERAL }, [true, false, true]],
    ["whatever matches a name", { resourceName: "foo", patternType: MATCH }, [true, true, true]],
    ["whatever matches another name", { resourceName: "fox", patternType: MATCH }, [false, true, true]],
    ["whatever matches no name", { patternType: MATCH }, [true, true, true]],
    ["a principal", { principal: "User:bob" }, [false, false, false]],
    ["a host", { host: "*" }, [true, true, true]],
    ["an operation", { operation: OPERATION_CODES.READ }, [true, true, true]],
    ["another operation", { operation: OPERATION_CODES.ALL }, [false, false, false]],
    ["denial", { permissionType: DENY }, [false, false, false]],
    ["names that begin with a star", { resourceName: "*", patternType: PREFIXED }, [false, false, false]],
    ["what matches the name of all", { resourceName: "*", patternType: MATCH }, [false, false, true]],
    ["the name of all", { resourceName: "*" }, [false, false, true]],
    ["what matches a longer name", { resourceName: "foo2", patternType: MATCH }, [false, true, true]],
    ["another host", { host: "10.0.0.1" }, [false, false, false]],
    ["an unknown way", { patternType: PATTERN_TYPE_CODES.UNKNOWN }, [false, false, false]],
    ["a type", { resourceType: RESOURCE_TYPE_CODES.GROUP }, [false, false, false]],
  ])("select %s", (_what, change, expected) => {
    expect([literal, prefixed, wild].map(one => matchesFilter(filter(change), one))).toEqual(expected);
  });
});

test("of all operations, these imply to describe, and these to describe settings", () => {
  const implying = (operation: AclOperation): string[] =>
    Object.entries(OPERATION_CODES).flatMap(([given, code]) => {
      const made = authorizer([acl({ operation: code })]);
      const isImplied = given !== operation && made.allows(ALICE, { ...READ_FOO, operation });
      return isImplied ? [given] : [];
    });
  expect(implying("DESCRIBE").toSorted()).toEqual(["ALL", "ALTER", "DELETE", "READ", "WRITE"]);
  expect(implying("DESCRIBE_CONFIGS").toSorted()).toEqual(["ALL", "ALTER_CONFIGS"]);
  for (const other of ["READ", "WRITE", "CREATE", "ALTER", "DELETE"] as const) expect(implying(other)).toEqual(["ALL"]);
});

describe("kept verdicts", () => {
  test("are forgotten when the ACLs change, also those about any resource and those of other clients", () => {
    const made = authorizer([]);
    const bob = { ...ALICE, user: "bob" };
    const answers = (): boolean[] => [
      made.allows(ALICE, READ_FOO),
      made.allowsSome(ALICE, "READ", "TOPIC"),
      made.allows(bob, READ_FOO),
      made.allowsSome(bob, "READ", "TOPIC"),
    ];
    expect(answers()).toEqual([false, false, false, false]);
    made.change([], [acl({ principal: "User:*" })]);
    expect(answers()).toEqual([true, true, true, true]);
    made.change([], [acl({ principal: "User:bob", permissionType: DENY })]);
    expect(answers()).toEqual([true, true, false, false]);
    made.change([acl({ principal: "User:*" })], []);
    expect(answers()).toEqual([false, false, false, false]);
  });

  test("are those of one address, one operation, one type and one name", () => {
    const made = authorizer([acl({ host: "10.0.0.1" })]);
    expect(made.allows(ALICE, READ_FOO)).toBe(true);
    expect(made.allows({ ...ALICE, host: "10.0.0.2" }, READ_FOO)).toBe(false);
    expect(made.allows(ALICE, { ...READ_FOO, operation: "WRITE" })).toBe(false);
    expect(made.allows(ALICE, { ...READ_FOO, resource: "GROUP" })).toBe(false);
    expect(made.allows(ALICE, { ...READ_FOO, name: "bar" })).toBe(false);
    expect(made.allowsSome(ALICE, "READ", "TOPIC")).toBe(true);
    expect(made.allowsSome(ALICE, "WRITE", "TOPIC")).toBe(false);
    expect(made.allowsSome(ALICE, "READ", "GROUP")).toBe(false);
    expect(made.allows(ALICE, READ_FOO)).toBe(true);
  });

  test("are not made of names longer than a topic's", () => {
    const name = "x".repeat(250);
    const made = authorizer([acl({ resourceName: "x".repeat(249), patternType: PREFIXED })]);
    for (let i = 0; i < 3; i++) {
      expect(made.allows(ALICE, { ...READ_FOO, name })).toBe(true);
      expect(made.allows(ALICE, { ...READ_FOO, name: name.slice(2) })).toBe(false);
    }
  });

  test("leave the audit log complete", () => {
    let told = 0;
    const made = authorizer([acl()], { audit: () => told++ });
    for (let i = 0; i < 5; i++) made.allows(ALICE, READ_FOO);
    expect(told).toBe(5);
  });
});

test("a client may use anything where it may use the name that no resource has", () => {
  // Kafka asks for it first, so there implied operations count, and the default without ACLs.
  const hard = acl({ resourceName: "hard", patternType: PREFIXED });
  expect(authorizer([hard]).allowsSome(ALICE, "DESCRIBE", "TOPIC")).toBe(true);
  expect(authorizer([acl()]).allowsSome(ALICE, "DESCRIBE", "TOPIC")).toBe(false);
  expect(authorizer([acl()], { allowsUnlisted: true }).allowsSome(ALICE, "WRITE", "TOPIC")).toBe(true);
  const closed = acl({ resourceName: "*", operation: OPERATION_CODES.WRITE, permissionType: DENY });
  expect(authorizer([closed], { allowsUnlisted: true }).allowsSome(ALICE, "WRITE", "TOPIC")).toBe(false);
  expect(authorizer([closed], { allowsUnlisted: true }).allowsSome(ALICE, "READ", "TOPIC")).toBe(false);
});

test("an authorizer that permits everything", () => {
  expect(ALLOW_ALL.allows(ALICE, READ_FOO)).toBe(true);
  expect(ALLOW_ALL.allowsSome(ALICE, "WRITE", "CLUSTER")).toBe(true);
});

test("names of codes", () => {
  expect(codeName(OPERATION_CODES, 12)).toBe("IDEMPOTENT_WRITE");
  expect(codeName(PERMISSION_CODES, 2)).toBe("DENY");
  expect(codeName(RESOURCE_TYPE_CODES, 0)).toBe("UNKNOWN");
  expect(codeName(PATTERN_TYPE_CODES, 99)).toBe("UNKNOWN");
});

test("lines of the audit log have Kafka's names of resources, addresses and defaults", () => {
  const judged = (resource: ResourceType, judgement: Judgement): string =>
    auditText({ ...ALICE, host: "::1" }, { operation: "DESCRIBE", resource, name: "x" }, judgement);
  const none: Judgement = { isAllowed: true, reason: { rule: "none" } };
  const start = "Principal = User:alice is Allowed operation = DESCRIBE from host = 0:0:0:0:0:0:0:1 on resource =";
  for (const [resource, name] of [
    ["TOPIC", "Topic"],
    ["GROUP", "Group"],
    ["CLUSTER", "Cluster"],
    ["TRANSACTIONAL_ID", "TransactionalId"],
    ["DELEGATION_TOKEN", "DelegationToken"],
    ["USER", "User"],
  ] as const) {
    expect(judged(resource, none)).toBe(`${start} ${name}:LITERAL:x for request = Fetch based on rule DefaultAllow`);
  }
  const unmatched = judged("GROUP", { isAllowed: false, reason: { rule: "unmatched" } });
  expect(unmatched).toContain("is Denied");
  expect(unmatched).toMatch(/based on rule DefaultDeny$/);
  const prefixed = acl({
    resourceType: RESOURCE_TYPE_CODES.GROUP,
    patternType: PREFIXED,
    host: "10.0.0.0/8",
    operation: OPERATION_CODES.ALL,
  });
  expect(judged("GROUP", { isAllowed: true, reason: { rule: "allow", acl: prefixed } })).toMatch(
    /rule MatchingAcl\(acl=StandardAcl\[resourceType=GROUP, resourceName=foo, patternType=PREFIXED, principal=User:alice, host=10\.0\.0\.0\/8, operation=ALL, permissionType=ALLOW\]\)$/,
  );
});

test("authorized operations are bits by code", () => {
  expect(operationBits("TOPIC", () => true)).toBe(0b1101_1111_1000);
  expect(operationBits("TOPIC", operation => operation === "READ")).toBe(1 << 3);
  const all = () => true;
  expect(operationBits("GROUP", all)).toBe(0b1101_0100_1000);
  expect(operationBits("TRANSACTIONAL_ID", all)).toBe((1 << 4) | (1 << 8) | (1 << 15));
  expect(operationBits("DELEGATION_TOKEN", all)).toBe(1 << 8);
  expect(operationBits("USER", all)).toBe((1 << 13) | (1 << 14));
  expect(operationBits("CLUSTER", () => false)).toBe(0);
  expect(operationBits("CLUSTER", all)).toBe(
    (1 << 5) | (1 << 7) | (1 << 8) | (1 << 9) | (1 << 10) | (1 << 11) | (1 << 12),
  );
});
