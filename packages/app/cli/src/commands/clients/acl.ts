import type { Acl, AclFilter } from "@samsa/client-runtime";
import { CLUSTER_NAME } from "@samsa/security";
import { operationOf, OPERATIONS, operationsOn, type Resource, ROLES, wordOf } from "../../settings/acl-words.ts";
import type { Common } from "../../settings/client-settings.ts";
import { Failure } from "../../terminal/failure.ts";
import { printTable } from "../../terminal/table.ts";
import { administered } from "./client.ts";

interface Named extends Common {
  readonly topic: readonly string[];
  readonly group: readonly string[];
  readonly transactionalId: readonly string[];
  readonly user: readonly string[];
  readonly cluster?: boolean;
  readonly prefixed?: boolean;
  readonly host?: string;
  readonly operation: readonly string[];
}

interface AddOptions extends Named {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly producer?: boolean;
  readonly consumer?: boolean;
}

interface FindOptions extends Named {
  readonly principal: readonly string[];
  readonly permission?: "allow" | "deny";
  readonly exact?: boolean;
}

/** Principal of a name; users need no type. */
function principalOf(name: string): string {
  return name.includes(":") ? name : `User:${name}`;
}

/** Operations of words. Throws `Failure`. */
function operationsOf(words: readonly string[]): Acl["operation"][] {
  return words.map(word => {
    const operation = operationOf(word);
    if (operation !== undefined) return operation;
    const known = OPERATIONS.map(wordOf);
    throw new Failure(`--operation takes ${known.join(", ")}, not "${word}"`);
  });
}

type Place = Pick<Acl, "resourceName" | "pattern"> & { readonly resourceType: Resource };

/** Resources that the options name. */
function placesOf({ topic, group, transactionalId, user, cluster, prefixed }: Named): Place[] {
  const pattern = prefixed === true ? "PREFIXED" : "LITERAL";
  const of = (resourceType: Resource, names: readonly string[]): Place[] =>
    names.map(resourceName => ({ resourceType, resourceName, pattern }));
  return [
    ...of("TOPIC", topic),
    ...of("GROUP", group),
    ...of("TRANSACTIONAL_ID", transactionalId),
    ...of("USER", user.map(principalOf)),
    ...(cluster === true ? [{ resourceType: "CLUSTER", resourceName: CLUSTER_NAME, pattern: "LITERAL" } as const] : []),
  ];
}

/** Operations on a resource that the options want. Throws `Failure`. */
function operationsFor(options: AddOptions, { resourceType }: Place): Acl["operation"][] {
  const roles = (["producer", "consumer"] as const).filter(role => options[role] === true);
  const wanted = operationsOf(options.operation);
  if (roles.length > 0) {
    return [...new Set([...roles.flatMap(role => ROLES[role][resourceType] ?? []), ...wanted])];
  }
  if (wanted.length === 0) throw new Failure("acl add wants --operation, --producer or --consumer");
  const refused = wanted.find(operation => !operationsOn(resourceType).includes(operation));
  if (refused === undefined) return wanted;
  const valid = operationsOn(resourceType).map(wordOf);
  throw new Failure(`a resource of type ${resourceType} takes the operations ${valid.join(", ")}`);
}

function aclsOf(options: AddOptions): Acl[] {
  const places = placesOf(options);
  if (places.length === 0) {
    throw new Failure("acl add wants --topic, --group, --transactional-id, --user or --cluster");
  }
  const who = [
    ...options.allow.map(name => ({ principal: principalOf(name), permission: "ALLOW" as const })),
    ...options.deny.map(name => ({ principal: principalOf(name), permission: "DENY" as const })),
  ];
  if (who.length === 0) throw new Failure("acl add wants --allow or --deny");
  const { host = "*" } = options;
  const acls = places.flatMap(place =>
    operationsFor(options, place).flatMap(operation => who.map(one => ({ ...place, ...one, host, operation }))),
  );
  if (acls.length === 0) throw new Failure("a producer needs a --topic, and a consumer a --topic and a --group");
  return acls;
}

function print(acls: readonly Acl[], isJson: boolean | undefined): void {
  if (isJson === true) return console.log(JSON.stringify(acls));
  if (acls.length === 0) return console.log("No ACLs.");
  const rows = acls
    .map(({ resourceType, resourceName, pattern = "LITERAL", permission, operation, principal, host = "*" }) => {
      const name = pattern === "PREFIXED" ? `${resourceName}…` : resourceName;
      return [resourceType, name, permission, operation, principal, host];
    })
    .sort((a, b) => (a.join("\0") < b.join("\0") ? -1 : 1));
  printTable(["RESOURCE", "NAME", "PERMISSION", "OPERATION", "PRINCIPAL", "HOST"], rows);
}

/** `samsa acl add`. */
export function add(options: AddOptions): Promise<void> {
  const acls = aclsOf(options);
  return administered(options, async admin => {
    (await admin.access.createAcls(acls)).orThrow();
    print(acls, options.json);
  });
}

/** Filters of the options; those of ACLs that apply to a resource, or of those on exactly this name. Throws `Failure`. */
function filtersOf(options: FindOptions, isExact: boolean): AclFilter[] {
  const { principal, permission, host, operation } = options;
  const fixed = {
    ...(host === undefined ? {} : { host }),
    ...(permission === undefined ? {} : ({ permission: permission === "allow" ? "ALLOW" : "DENY" } as const)),
  };
  const each = <T>(list: readonly T[]): readonly (T | undefined)[] => (list.length === 0 ? [undefined] : list);
  return each(placesOf(options)).flatMap(place =>
    each(principal.map(principalOf)).flatMap(who =>
      each(operationsOf(operation)).map((operationOn): AclFilter => {
        return {
          ...fixed,
          ...(place === undefined ? {} : { ...place, pattern: isExact ? (place.pattern ?? "LITERAL") : "MATCH" }),
          ...(who === undefined ? {} : { principal: who }),
          ...(operationOn === undefined ? {} : { operation: operationOn }),
        };
      }),
    ),
  );
}

/** Each ACL once. */
function unique(acls: readonly Acl[]): Acl[] {
  return [...new Map(acls.map(acl => [JSON.stringify(acl), acl])).values()];
}

/** `samsa acl list`: the ACLs that apply to the resources, or all. */
export function list(options: FindOptions): Promise<void> {
  const filters = filtersOf(options, options.exact === true || options.prefixed === true);
  return administered(options, async admin => {
    const found = await Promise.all(filters.map(filter => admin.access.describeAcls(filter)));
    print(unique(found.flat()), options.json);
  });
}

/** `samsa acl remove`: the ACLs with all that the options name. */
export function remove(options: FindOptions): Promise<void> {
  const filters = filtersOf(options, true);
  if (filters.some(filter => Object.keys(filter).length === 0)) {
    throw new Failure("acl remove wants a resource, --principal, --operation, --host or --permission");
  }
  return administered(options, async admin => {
    const removed = (await admin.access.deleteAcls(filters)).orThrow();
    print(unique([...removed.values()].flat()), options.json);
  });
}
