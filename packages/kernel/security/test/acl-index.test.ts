import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Acl,
  type AclOperation,
  OPERATION_CODES,
  PATTERN_TYPE_CODES,
  PERMISSION_CODES,
  type ResourceType,
  RESOURCE_TYPE_CODES,
} from "../src/acl.ts";
import { AclIndex, type Subject } from "../src/acl-index.ts";

const { LITERAL, PREFIXED } = PATTERN_TYPE_CODES;
const { ALLOW, DENY } = PERMISSION_CODES;

const HOSTS: Readonly<Record<string, (host: string) => boolean>> = {
  "*": () => true,
  "10.0.0.1": host => host === "10.0.0.1",
  "10.0.0.0/24": host => host.startsWith("10.0.0."),
  "10.0.0.0/8": host => host.startsWith("10."),
  "fd00:0:0:0:0:0:0:1": host => host === "fd00:0:0:0:0:0:0:1",
  "fd00::/16": host => host.startsWith("fd00:"),
  // Ranges that are none, as a Kafka controller before KIP-1262 let them in.
  "10.0.0.0/64": () => false,
  "nowhere/8": () => false,
};

/** Names of one to three letters, and the names of resources, which have a letter more. */
const ACL_NAMES = ["a", "b", "aa", "ab", "ba", "aab", "aba"];
const UNIVERSE = [...ACL_NAMES, "*c", "c", "ac", "bc", "aac", "abc", "bac", "aabc", "abac", "aaa", "abb"];

const IMPLYING: Partial<Record<AclOperation, readonly AclOperation[]>> = {
  DESCRIBE: ["READ", "WRITE", "DELETE", "ALTER"],
  DESCRIBE_CONFIGS: ["ALTER_CONFIGS"],
};

interface Question extends Subject {
  readonly operation: AclOperation;
  readonly resource: ResourceType;
  readonly name: string;
}

/** ACLs in a list, walked from its beginning for each question. */
class Model {
  acls: Acl[] = [];

  judge(asked: Question, isExact = false): "allow" | "deny" | "unmatched" | "none" {
    let rule: "allow" | "unmatched" | "none" = "none";
    for (const acl of this.acls) {
      if (acl.resourceType !== RESOURCE_TYPE_CODES[asked.resource]) continue;
      const isWild = acl.resourceName === "*" && acl.patternType === LITERAL;
      const isBelow = acl.patternType === PREFIXED && asked.name.startsWith(acl.resourceName);
      if (!isWild && !isBelow && acl.resourceName !== asked.name) continue;
      if (rule === "none") rule = "unmatched";
      if (acl.principal !== asked.principal && acl.principal !== "User:*") continue;
      if (!HOSTS[acl.host](asked.host)) continue;
      const isNamed = acl.operation === OPERATION_CODES.ALL || acl.operation === OPERATION_CODES[asked.operation];
      if (isNamed && acl.permissionType === DENY) return "deny";
      const implying = isExact ? [] : (IMPLYING[asked.operation] ?? []);
      const isImplied = implying.some(each => OPERATION_CODES[each] === acl.operation);
      if (acl.permissionType === ALLOW && (isNamed || isImplied)) rule = "allow";
    }
    return rule;
  }

  /** Tries every name there might be. No resource is called "*". */
  permitsSome(asked: Omit<Question, "name">): boolean {
    return UNIVERSE.some(name => this.judge({ ...asked, name }, true) === "allow");
  }
}

const resources = fc.constantFrom<ResourceType>("TOPIC", "GROUP", "TRANSACTIONAL_ID");
const operations = fc.constantFrom<AclOperation>(
  ...(["READ", "WRITE", "DELETE", "ALTER", "DESCRIBE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"] as const),
);
const acls: fc.Arbitrary<Acl> = fc.record({
  resourceType: resources.map(type => RESOURCE_TYPE_CODES[type]),
  resourceName: fc.constantFrom(...ACL_NAMES, "*"),
  patternType: fc.constantFrom(LITERAL, PREFIXED),
  principal: fc.constantFrom("User:alice", "User:bob", "User:*"),
  host: fc.constantFrom(...Object.keys(HOSTS), "*", "*"),
  operation: fc.oneof(
    operations.map(operation => OPERATION_CODES[operation]),
    fc.constant(OPERATION_CODES.ALL),
  ),
  permissionType: fc.constantFrom(ALLOW, ALLOW, DENY),
});
const questions: fc.Arbitrary<Question> = fc.record({
  principal: fc.constantFrom("User:alice", "User:bob", "User:carol"),
  host: fc.constantFrom("10.0.0.1", "10.0.0.2", "10.7.0.1", "192.168.0.1", "fd00:0:0:0:0:0:0:1", "fd00:0:0:0:0:0:0:2"),
  operation: operations,
  resource: resources,
  name: fc.constantFrom(...UNIVERSE),
});

const keyOf = (acl: Acl): string => JSON.stringify(acl);

type Step = { readonly add: Acl } | { readonly removeAt: number } | { readonly asked: Question };
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    acls.map(add => ({ add })),
    fc.nat(20).map(removeAt => ({ removeAt })),
    questions.map(asked => ({ asked })),
    questions.map(asked => ({ asked })),
  ),
  { minLength: 5, maxLength: 60, size: "max" },
);

function check(index: AclIndex, model: Model, asked: Question): void {
  const { operation, resource, name } = asked;
  const verdict = index.judge(asked, operation, resource, name);
  expect(verdict.rule).toBe(model.judge(asked));
  // The ACL that is named as the reason is one of those there are, and brings the verdict alone.
  if ("acl" in verdict) {
    const alone = new Model();
    alone.acls = [verdict.acl];
    expect(model.acls).toContain(verdict.acl);
    expect(alone.judge(asked)).toBe(verdict.rule);
  }
  expect(index.permitsSome(asked, operation, resource)).toBe(model.permitsSome(asked));
}

test("an index of ACLs that come and go answers as a list of them, and as one that is built anew", () => {
  fc.assert(
    fc.property(steps, all => {
      const index = new AclIndex();
      const model = new Model();
      const asked: Question[] = [];
      for (const step of all) {
        if ("asked" in step) {
          asked.push(step.asked);
          check(index, model, step.asked);
        } else if ("add" in step) {
          if (model.acls.some(acl => keyOf(acl) === keyOf(step.add))) continue;
          index.add(step.add);
          model.acls.push(step.add);
        } else {
          const [removed] = model.acls.splice(step.removeAt, 1);
          // Removal is by value, as the metadata log has it.
          if (removed !== undefined) index.remove({ ...removed });
        }
      }
      const rebuilt = new AclIndex();
      for (const acl of model.acls) rebuilt.add(acl);
      for (const each of asked) {
        check(index, model, each);
        check(rebuilt, model, each);
      }
    }),
    { numRuns: 150 },
  );
});

test("an index without ACLs, and one that has lost them all, knows of none", () => {
  const asked = { principal: "User:alice", host: "10.0.0.1" };
  const acl: Acl = {
    resourceType: RESOURCE_TYPE_CODES.TOPIC,
    resourceName: "ab",
    patternType: PREFIXED,
    principal: "User:alice",
    host: "*",
    operation: OPERATION_CODES.READ,
    permissionType: ALLOW,
  };
  const index = new AclIndex();
  index.remove(acl);
  expect(index.judge(asked, "READ", "TOPIC", "abc")).toEqual({ rule: "none" });
  expect(index.permitsSome(asked, "READ", "TOPIC")).toBe(false);
  index.add(acl);
  index.remove({ ...acl, operation: OPERATION_CODES.WRITE });
  index.remove({ ...acl, host: "10.0.0.1" });
  index.remove({ ...acl, principal: "User:bob" });
  index.remove({ ...acl, permissionType: DENY });
  index.remove({ ...acl, patternType: LITERAL });
  expect(index.judge(asked, "READ", "TOPIC", "abc")).toEqual({ rule: "allow", acl });
  index.remove(acl);
  expect(index.judge(asked, "READ", "TOPIC", "abc")).toEqual({ rule: "none" });
  // The other ACLs on names of the same length stay.
  const other = { ...acl, resourceName: "xy" };
  for (const each of [acl, other, { ...acl, patternType: LITERAL }]) index.add(each);
  index.remove({ ...acl, patternType: LITERAL });
  index.remove(other);
  expect(index.judge(asked, "READ", "TOPIC", "abc")).toEqual({ rule: "allow", acl });
  expect(index.judge(asked, "READ", "TOPIC", "xyz")).toEqual({ rule: "none" });
});
