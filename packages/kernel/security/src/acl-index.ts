import {
  type Acl,
  type AclOperation,
  OPERATION_CODES,
  PATTERN_TYPE_CODES,
  PERMISSION_CODES,
  type ResourceType,
  RESOURCE_TYPE_CODES,
  WILDCARD,
} from "./acl.ts";
import { type HostRange, isInRange, parseHostRange } from "./hosts.ts";

/** Verdict of the ACLs about an action. `none`: no ACL is on the resource, so a setting decides. */
export type Verdict = { readonly rule: "allow" | "deny"; readonly acl: Acl } | { readonly rule: "unmatched" | "none" };

const UNMATCHED: Verdict = { rule: "unmatched" };
const NONE: Verdict = { rule: "none" };

/** Principal that matches all (`WILDCARD_PRINCIPAL`). */
const EVERYONE = "User:*";

/** ACL with its range of hosts, if it has one. */
interface Entry {
  readonly acl: Acl;
  readonly range: HostRange | undefined;
}

const codes = (...operations: AclOperation[]): ReadonlySet<number> =>
  new Set(operations.map(operation => OPERATION_CODES[operation]));
const IMPLY_DESCRIBE = codes("DESCRIBE", "READ", "WRITE", "DELETE", "ALTER");
const IMPLY_DESCRIBE_CONFIGS = codes("DESCRIBE_CONFIGS", "ALTER_CONFIGS");

/** True if the ACL is on the operation. Only permission for one operation implies another, never denial. */
function isOn(acl: Acl, operation: AclOperation): boolean {
  if (acl.operation === OPERATION_CODES.ALL || acl.operation === OPERATION_CODES[operation]) return true;
  if (acl.permissionType !== PERMISSION_CODES.ALLOW) return false;
  if (operation === "DESCRIBE") return IMPLY_DESCRIBE.has(acl.operation);
  return operation === "DESCRIBE_CONFIGS" && IMPLY_DESCRIBE_CONFIGS.has(acl.operation);
}

function isOf({ acl, range }: Entry, principal: string, host: string): boolean {
  if (acl.principal !== principal && acl.principal !== EVERYONE) return false;
  return acl.host === WILDCARD || acl.host === host || (range !== undefined && isInRange(range, host));
}

/** Key of an ACL among those on one resource pattern. */
function keyOf({ principal, host, operation, permissionType }: Acl): string {
  return JSON.stringify([principal, host, operation, permissionType]);
}

/** Entries on one resource pattern, by `keyOf`. */
type Entries = ReadonlyMap<string, Entry>;

/** ACLs on the resources of one type, by the name of the resource. */
class TypeIndex {
  readonly literal = new Map<string, Map<string, Entry>>();
  readonly prefixed = new Map<string, Map<string, Entry>>();
  /** Number of prefixes of each length. */
  readonly lengths = new Map<number, number>();

  add(acl: Acl): void {
    const range = acl.host.includes("/") ? parseHostRange(acl.host) : undefined;
    const names = this.#names(acl);
    let entries = names.get(acl.resourceName);
    if (entries === undefined) {
      names.set(acl.resourceName, (entries = new Map()));
      if (names === this.prefixed) this.#count(acl.resourceName.length, 1);
    }
    entries.set(keyOf(acl), { acl, range });
  }

  remove(acl: Acl): void {
    const names = this.#names(acl);
    const entries = names.get(acl.resourceName);
    if (entries?.delete(keyOf(acl)) !== true || entries.size > 0) return;
    names.delete(acl.resourceName);
    if (names === this.prefixed) this.#count(acl.resourceName.length, -1);
  }

  /** Entries on a resource, in groups. */
  *on(name: string): Generator<Entries, undefined> {
    const exact = this.literal.get(name);
    if (exact !== undefined) yield exact;
    const all = name === WILDCARD ? undefined : this.literal.get(WILDCARD);
    if (all !== undefined) yield all;
    for (const length of this.lengths.keys()) {
      const entries = length > name.length ? undefined : this.prefixed.get(name.slice(0, length));
      if (entries !== undefined) yield entries;
    }
  }

  #names({ patternType }: Acl): Map<string, Map<string, Entry>> {
    return patternType === PATTERN_TYPE_CODES.PREFIXED ? this.prefixed : this.literal;
  }

  #count(length: number, change: number): void {
    const count = (this.lengths.get(length) ?? 0) + change;
    if (count > 0) this.lengths.set(length, count);
    else this.lengths.delete(length);
  }
}

/** Client as ACLs name it: "User:alice", and an address as `aclHost` gives it. */
export interface Subject {
  readonly principal: string;
  readonly host: string;
}

/**
 * ACLs by resource (`AclCache`). A verdict costs one search for each length of a prefix that is in use, and a comparison
 * with each ACL on the resource; a change costs the same whatever the number of ACLs.
 */
export class AclIndex {
  readonly #types = new Map<number, TypeIndex>();

  /** Adds an ACL that is not there yet. */
  add(acl: Acl): void {
    let type = this.#types.get(acl.resourceType);
    if (type === undefined) this.#types.set(acl.resourceType, (type = new TypeIndex()));
    type.add(acl);
  }

  remove(acl: Acl): void {
    this.#types.get(acl.resourceType)?.remove(acl);
  }

  /** Judges an action on a resource: denial precedes permission (`StandardAuthorizerData.authorize`). */
  judge({ principal, host }: Subject, operation: AclOperation, resource: ResourceType, name: string): Verdict {
    let verdict: Verdict = NONE;
    for (const entries of this.#types.get(RESOURCE_TYPE_CODES[resource])?.on(name) ?? []) {
      if (verdict === NONE) verdict = UNMATCHED;
      for (const entry of entries.values()) {
        const { acl } = entry;
        if (!isOf(entry, principal, host) || !isOn(acl, operation)) continue;
        if (acl.permissionType === PERMISSION_CODES.DENY) return { rule: "deny", acl };
        verdict = { rule: "allow", acl };
      }
    }
    return verdict;
  }

  /**
   * True if ACLs permit the operation on some resource of the type, of which no ACL needs to name one that exists. The
   * operation counts under its own name and ALL only (`Authorizer.authorizeByResourceType`).
   */
  permitsSome({ principal, host }: Subject, operation: AclOperation, resource: ResourceType): boolean {
    const type = this.#types.get(RESOURCE_TYPE_CODES[resource]);
    if (type === undefined) return false;
    const code = OPERATION_CODES[operation];
    const names = (from: ReadonlyMap<string, Entries>, permission: number): Set<string> => {
      const applies = (entry: Entry): boolean =>
        entry.acl.permissionType === permission &&
        (entry.acl.operation === code || entry.acl.operation === OPERATION_CODES.ALL) &&
        isOf(entry, principal, host);
      return new Set([...from].flatMap(([name, entries]) => ([...entries.values()].some(applies) ? [name] : [])));
    };
    const denied = names(type.literal, PERMISSION_CODES.DENY);
    if (denied.has(WILDCARD)) return false;
    const allowed = names(type.literal, PERMISSION_CODES.ALLOW);
    if (allowed.has(WILDCARD)) return true;
    const deniedPrefixes = names(type.prefixed, PERMISSION_CODES.DENY);
    const lengths = [...new Set([...deniedPrefixes].map(prefix => prefix.length))];
    const isFree = (name: string): boolean =>
      !lengths.some(length => length <= name.length && deniedPrefixes.has(name.slice(0, length)));
    for (const name of allowed) if (!denied.has(name) && isFree(name)) return true;
    for (const name of names(type.prefixed, PERMISSION_CODES.ALLOW)) if (isFree(name)) return true;
    return false;
  }
}
