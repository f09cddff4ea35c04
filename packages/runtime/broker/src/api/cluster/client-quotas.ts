import type { QuotaEntity, QuotaImage } from "@samsa/metadata";
import {
  type AlterClientQuotasRequest,
  type DescribeClientQuotasRequest,
  type ErrorName,
  Errors,
} from "@samsa/protocol";
import { errorResponses, type RequestError } from "../../error-responses.ts";
import type { Handler } from "../../handler.ts";
import type { BrokerParts } from "../../parts.ts";

type Needs = Pick<BrokerParts, "env" | "forwarding" | "topics">;

export const alterClientQuotas: Handler<"AlterClientQuotas", Needs> = (parts, request, _context, reply) => {
  const failed = (error: RequestError) => errorResponses.AlterClientQuotas(request, error);
  // Host names are resolved here because the controller decides synchronously.
  unresolvedHosts(parts, request).then(
    unresolved => parts.forwarding.decide("alterClientQuotas", { ...request, unresolved }, { reply, failed }),
    (error: unknown) => {
      parts.env.logger.error("the hosts of client quotas could not be looked up", { error });
      reply(failed({ ...Errors.UNKNOWN_SERVER_ERROR, detail: null }));
    },
  );
};

/** Names of IP entities that are neither an address nor the name of a host. */
async function unresolvedHosts(parts: Needs, { entries }: AlterClientQuotasRequest): Promise<ReadonlySet<string>> {
  const unresolved = new Set<string>();
  const hosts = new Set(entries.flatMap(({ entity }) => entity.flatMap(hostOf)));
  for (const host of hosts) {
    // Resolve one host at a time: a request with many names must not fill the resolver's queue.
    const found = await parts.env.network.resolve(host).then(
      () => true,
      () => false,
    );
    if (!found) unresolved.add(host);
  }
  return unresolved;
}

function hostOf({ entityType, entityName }: { entityType: string; entityName: string | null }): string[] {
  return entityType === "ip" && entityName !== null && entityName !== "" ? [entityName] : [];
}

const MATCH = { exact: 0, default: 1, specified: 2 } as const;
const MATCH_NAMES = ["MATCH_TYPE_EXACT", "MATCH_TYPE_DEFAULT", "MATCH_TYPE_SPECIFIED"];
const ENTITY_TYPES: ReadonlySet<string> = new Set(["user", "client-id", "ip"]);

interface Fault {
  readonly error: ErrorName;
  readonly message: string;
}

/**
 * Validates the filter components of DescribeClientQuotas (`ClientQuotasImage.describe`); undefined if they are valid.
 */
function filterFault({ components }: DescribeClientQuotasRequest): Fault | undefined {
  const invalid = (message: string): Fault => ({ error: "INVALID_REQUEST", message });
  const types = new Set<string>();
  for (const { entityType, matchType, match } of components) {
    if (entityType === "") return invalid("Invalid empty entity type.");
    if (types.has(entityType)) return invalid(`Entity type ${entityType} cannot appear more than once in the filter.`);
    if (!ENTITY_TYPES.has(entityType)) {
      return { error: "UNSUPPORTED_VERSION", message: `Unsupported entity type ${entityType}` };
    }
    types.add(entityType);
    const name = MATCH_NAMES[matchType];
    if (name === undefined) return invalid(`Unknown match type ${matchType}`);
    if (matchType === MATCH.exact && match === null) {
      return invalid(`Request specified ${name}, but set match string to null.`);
    }
    if (matchType !== MATCH.exact && match !== null) {
      return invalid(`Request specified ${name}, but also specified a match string.`);
    }
  }
  if (types.has("ip") && types.size > 1) {
    const rule = "IP filter component should not be used with user or clientId filter component.";
    return invalid(`Invalid entity filter component combination. ${rule}`);
  }
  return undefined;
}

function matches(entity: readonly QuotaEntity[], { components, strict }: DescribeClientQuotasRequest): boolean {
  if (strict && entity.length !== components.length) return false;
  return components.every(({ entityType, matchType, match }) => {
    const part = entity.find(known => known.entityType === entityType);
    if (part === undefined) return false;
    return matchType === MATCH.specified || part.entityName === match;
  });
}

function entryOf({ entity, quotas }: QuotaImage) {
  return { entity, values: [...quotas].map(([key, value]) => ({ key, value })) };
}

export const describeClientQuotas: Handler<"DescribeClientQuotas", Needs> = (parts, request, _context, reply) => {
  const fault = filterFault(request);
  if (fault !== undefined) {
    const { error, message: errorMessage } = fault;
    return reply({ throttleTimeMs: 0, errorCode: Errors[error].code, errorMessage, entries: null });
  }
  const found = [...parts.topics.image.quotas.values()].filter(({ entity }) => matches(entity, request));
  reply({ throttleTimeMs: 0, errorCode: 0, errorMessage: "", entries: found.map(entryOf) });
};
