import type { Int64 } from "@samsa/base";
import { KafkaError } from "@samsa/client-kernel";
import { SCRAM_MECHANISMS, type ScramMechanism } from "@samsa/sasl";
import {
  type Acl as WireAcl,
  codeName,
  OPERATION_CODES,
  PATTERN_TYPE_CODES,
  PERMISSION_CODES,
  RESOURCE_TYPE_CODES,
} from "@samsa/security";
import type { ResponseOf } from "@samsa/wire";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { type AdminOptions, check, drive, outcomeOf, together } from "./drive.ts";
import { type Outcome, Outcomes } from "./outcomes.ts";

/** An ACL (`AclBinding`). */
export interface Acl {
  readonly resourceType: keyof typeof RESOURCE_TYPE_CODES;
  readonly resourceName: string;
  /** "LITERAL" by default. */
  readonly pattern?: keyof typeof PATTERN_TYPE_CODES;
  /** Type and name, as in "User:alice". */
  readonly principal: string;
  /** "*" by default. */
  readonly host?: string;
  readonly operation: keyof typeof OPERATION_CODES;
  readonly permission: keyof typeof PERMISSION_CODES;
}

/** ACLs that match all fields that are given (`AclBindingFilter`). */
export type AclFilter = Partial<Acl>;

/** SCRAM credential of a user; the password is not kept. */
export interface ScramCredential {
  readonly mechanism: ScramMechanism["name"] | "UNKNOWN";
  readonly iterations: number;
}

/** Change of a SCRAM credential (KIP-554). */
export type ScramChange =
  | {
      readonly user: string;
      readonly mechanism: ScramCredential["mechanism"];
      readonly iterations: number;
      readonly salt: Uint8Array;
      /** `Hi(password, salt, iterations)` of RFC 5802. */
      readonly saltedPassword: Uint8Array;
    }
  | { readonly user: string; readonly mechanism: ScramCredential["mechanism"]; readonly delete: true };

/** A user, as in `{ type: "User", name: "alice" }`. */
export interface Principal {
  readonly type: string;
  readonly name: string;
}

/** Delegation token (KIP-48). Times are in ms since the epoch. */
export interface DelegationToken {
  readonly owner: Principal;
  readonly requester: Principal;
  readonly renewers: readonly Principal[];
  readonly issuedAt: Int64;
  readonly expiresAt: Int64;
  readonly maxTimestamp: Int64;
  readonly tokenId: string;
  readonly hmac: Uint8Array;
}

/** Access rights: ACLs, SCRAM credentials and delegation tokens. */
export class AccessAdmin {
  readonly #client: ClusterClient;

  constructor(client: ClusterClient) {
    this.#client = client;
  }

  /** ACLs that match a filter. */
  async describeAcls(filter: AclFilter = {}, options: AdminOptions = {}): Promise<Acl[]> {
    const { resources } = await this.#once(options, "the ACLs", () =>
      this.#client.callAny("DescribeAcls", filterOf(filter)),
    );
    return resources.flatMap(({ resourceType, resourceName, patternType, acls }) =>
      acls.map(acl => aclOf({ ...acl, resourceType, resourceName, patternType })),
    );
  }

  async createAcls(acls: readonly Acl[], options: AdminOptions = {}): Promise<Outcomes<Acl, true>> {
    const ask = async (open: readonly Acl[]) => {
      const creations = open.map(acl => {
        const {
          resourceTypeFilter: resourceType,
          patternTypeFilter: resourcePatternType,
          operation,
          permissionType,
        } = filterOf({ pattern: "LITERAL", ...acl });
        const { resourceName, principal, host = "*" } = acl;
        return { resourceType, resourceName, resourcePatternType, principal, host, operation, permissionType };
      });
      const { results } = await this.#client.callAny("CreateAcls", { creations });
      return new Map(
        results.flatMap((result, i) =>
          pairOf(
            open[i],
            outcomeOf(result, "the ACL", () => true as const),
          ),
        ),
      );
    };
    return new Outcomes(await drive(this.#client, this.#client.patience(options), together(acls, ask)));
  }

  /** Deletes the ACLs that match any of the filters. Returns those that were deleted. */
  async deleteAcls(filters: readonly AclFilter[], options: AdminOptions = {}): Promise<Outcomes<AclFilter, Acl[]>> {
    const ask = async (open: readonly AclFilter[]) => {
      const { filterResults } = await this.#client.callAny("DeleteAcls", { filters: open.map(filterOf) });
      return new Map(
        filterResults.flatMap((result, i) =>
          pairOf(
            open[i],
            outcomeOf(result, "the ACLs", () => {
              for (const match of result.matchingAcls) check(match, `the ACL of ${match.principal}`);
              return result.matchingAcls.map(aclOf);
            }),
          ),
        ),
      );
    };
    return new Outcomes(await drive(this.#client, this.#client.patience(options), together(filters, ask)));
  }

  /** SCRAM credentials of users, or of all users that have some. */
  async describeScram(
    users: readonly string[] | "all" = "all",
    options: AdminOptions = {},
  ): Promise<Outcomes<string, ScramCredential[]>> {
    const names = users === "all" ? null : users.map(name => ({ name }));
    const { results } = await this.#once(options, "the SCRAM credentials", () =>
      this.#client.callAny("DescribeUserScramCredentials", { users: names }),
    );
    return new Outcomes(
      new Map(
        results.map(result => [
          result.user,
          outcomeOf(result, `user ${result.user}`, () =>
            result.credentialInfos.map(({ mechanism, iterations }) => ({
              mechanism: SCRAM_MECHANISMS.find(({ code }) => code === mechanism)?.name ?? "UNKNOWN",
              iterations,
            })),
          ),
        ]),
      ),
    );
  }

  async alterScram(changes: readonly ScramChange[], options: AdminOptions = {}): Promise<Outcomes<string, true>> {
    const ask = async (open: readonly string[]) => {
      const request: {
        deletions: { name: string; mechanism: number }[];
        upsertions: {
          name: string;
          mechanism: number;
          iterations: number;
          salt: Uint8Array;
          saltedPassword: Uint8Array;
        }[];
      } = { deletions: [], upsertions: [] };
      for (const change of changes) {
        if (!open.includes(change.user)) continue;
        const named = { name: change.user, mechanism: scramCode(change.mechanism) };
        if ("delete" in change) request.deletions.push(named);
        else {
          const { iterations, salt, saltedPassword } = change;
          request.upsertions.push({ ...named, iterations, salt, saltedPassword });
        }
      }
      const { results } = await this.#client.callAny("AlterUserScramCredentials", request);
      return new Map(results.map(made => [made.user, outcomeOf(made, `user ${made.user}`, () => true as const)]));
    };
    const users = changes.map(({ user }) => user);
    return new Outcomes(await drive(this.#client, this.#client.patience(options), together(users, ask)));
  }

  /** Creates a token of this user, or of another one that it may act for (KIP-373). */
  async createToken(
    wish: { readonly owner?: Principal; readonly renewers?: readonly Principal[]; readonly maxLifetimeMs?: Int64 } = {},
    options: AdminOptions = {},
  ): Promise<DelegationToken> {
    const { owner, renewers = [], maxLifetimeMs = -1 } = wish;
    const answer = await this.#once(options, "the token", () =>
      this.#client.callAny("CreateDelegationToken", version => ({
        ...(version < 3 && owner === undefined
          ? {}
          : { ownerPrincipalType: owner?.type ?? null, ownerPrincipalName: owner?.name ?? null }),
        renewers: renewers.map(wireOf),
        maxLifetimeMs,
      })),
    );
    const { principalType: type, principalName: name, hmac, tokenId, issueTimestampMs, expiryTimestampMs } = answer;
    const made = { principalType: type, principalName: name, tokenId, hmac, issueTimestamp: issueTimestampMs };
    return tokenOf({
      ...answer,
      ...made,
      expiryTimestamp: expiryTimestampMs,
      maxTimestamp: answer.maxTimestampMs,
      renewers: renewers.map(wireOf),
    });
  }

  /** Renews a token. Returns the time at which it expires. */
  async renewToken(hmac: Uint8Array, renewPeriodMs: Int64 = -1, options: AdminOptions = {}): Promise<Int64> {
    const answer = await this.#once(options, "the token", () =>
      this.#client.callAny("RenewDelegationToken", { hmac, renewPeriodMs }),
    );
    return answer.expiryTimestampMs;
  }

  /** Lets a token expire after a time; −1: at once. Returns the time at which it expires. */
  async expireToken(hmac: Uint8Array, afterMs: Int64 = -1, options: AdminOptions = {}): Promise<Int64> {
    const request = { hmac, expiryTimePeriodMs: afterMs };
    const answer = await this.#once(options, "the token", () => this.#client.callAny("ExpireDelegationToken", request));
    return answer.expiryTimestampMs;
  }

  /** Tokens of owners, or all that the caller may see. */
  async describeTokens(
    owners: readonly Principal[] | "all" = "all",
    options: AdminOptions = {},
  ): Promise<DelegationToken[]> {
    const request = { owners: owners === "all" ? null : owners.map(wireOf) };
    const { tokens } = await this.#once(options, "the tokens", () =>
      this.#client.callAny("DescribeDelegationToken", request),
    );
    return tokens.map(tokenOf);
  }

  #once<R extends { readonly errorCode: number; readonly errorMessage?: string | null }>(
    options: AdminOptions,
    what: string,
    ask: () => Promise<R>,
  ): Promise<R> {
    return this.#client.retrying(this.#client.patience(options), async () => {
      const answer = await ask();
      check(answer, what);
      return answer;
    });
  }
}

function pairOf<K, T>(key: K | undefined, outcome: Outcome<T>): [K, Outcome<T>][] {
  return key === undefined ? [] : [[key, outcome]];
}

/** Code of a SCRAM mechanism; 0 for one that the broker is to refuse. */
function scramCode(mechanism: ScramCredential["mechanism"]): number {
  return SCRAM_MECHANISMS.find(({ name }) => name === mechanism)?.code ?? 0;
}

function codeOf(codes: Readonly<Record<string, number>>, name: string, what: string): number {
  const code = Object.hasOwn(codes, name) ? codes[name] : undefined;
  if (code !== undefined) return code;
  const names = Object.keys(codes).join(", ");
  throw new KafkaError("INVALID_ARGUMENT", `"${name}" is no ${what}: it is one of ${names}`);
}

function filterOf(filter: AclFilter) {
  return {
    resourceTypeFilter: codeOf(RESOURCE_TYPE_CODES, filter.resourceType ?? "ANY", "type of a resource"),
    resourceNameFilter: filter.resourceName ?? null,
    patternTypeFilter: codeOf(PATTERN_TYPE_CODES, filter.pattern ?? "ANY", "type of a pattern"),
    principalFilter: filter.principal ?? null,
    hostFilter: filter.host ?? null,
    operation: codeOf(OPERATION_CODES, filter.operation ?? "ANY", "operation"),
    permissionType: codeOf(PERMISSION_CODES, filter.permission ?? "ANY", "permission"),
  };
}

function aclOf(acl: WireAcl): Acl {
  return {
    resourceType: codeName(RESOURCE_TYPE_CODES, acl.resourceType),
    resourceName: acl.resourceName,
    pattern: codeName(PATTERN_TYPE_CODES, acl.patternType),
    principal: acl.principal,
    host: acl.host,
    operation: codeName(OPERATION_CODES, acl.operation),
    permission: codeName(PERMISSION_CODES, acl.permissionType),
  };
}

interface WirePrincipal {
  readonly principalType: string;
  readonly principalName: string;
}

function wireOf({ type, name }: Principal): WirePrincipal {
  return { principalType: type, principalName: name };
}

function principalOf({ principalType: type, principalName: name }: WirePrincipal): Principal {
  return { type, name };
}

type WireToken = Omit<ResponseOf<"DescribeDelegationToken">["tokens"][number], "renewers"> & {
  readonly renewers: readonly WirePrincipal[];
};

function tokenOf(token: WireToken): DelegationToken {
  return {
    owner: principalOf(token),
    requester: { type: token.tokenRequesterPrincipalType, name: token.tokenRequesterPrincipalName },
    renewers: token.renewers.map(principalOf),
    issuedAt: token.issueTimestamp,
    expiresAt: token.expiryTimestamp,
    maxTimestamp: token.maxTimestamp,
    tokenId: token.tokenId,
    hmac: token.hmac,
  };
}
