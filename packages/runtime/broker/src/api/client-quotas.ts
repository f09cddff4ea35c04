import type { QuotaEntity, QuotaImage } from "@samsa/metadata";
import {
  type AlterClientQuotasRequest,
  type DescribeClientQuotasRequest,
  type ErrorName,
  Errors,
} from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";

type Reply = (response: object) => void;

export function alterClientQuotas(
  broker: Broker,
  request: AlterClientQuotasRequest,
  _context: RequestContext,
  reply: Reply,
): void {
  const failed = () => ({
    throttleTimeMs: 0,
    entries: request.entries.map(({ entity }) => ({
      errorCode: Errors.UNKNOWN_SERVER_ERROR.code,
      errorMessage: Errors.UNKNOWN_SERVER_ERROR.message,
      entity,
    })),
  });
  // Looked up here, because a decision of the controller waits for nothing outside.
  unresolvedHosts(broker, request).then(
    unresolved => broker.decided("alterClientQuotas", { ...request, unresolved }, reply, failed),
    (error: unknown) => {
      broker.env.logger.error("the hosts of client quotas could not be looked up", { error });
      reply(failed());
    },
  );
}

/** Names of IP entities that are neither an address nor the name of a host. */
async function unresolvedHosts(broker: Broker, { entries }: AlterClientQuotasRequest): Promise<ReadonlySet<string>> {
  const unresolved = new Set<string>();
  const hosts = new Set(entries.flatMap(({ entity }) => entity.flatMap(hostOf)));
  for (const host of hosts) {
    // One after the other: a request of many names must not fill the queue of the resolver.
    const found = await broker.env.network.resolve(host).then(
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

/** What is wrong with a filter (`ClientQuotasImage.describe`). */
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

function entryOf({ entity, quotas }: QuotaImage): object {
  return { entity, values: [...quotas].map(([key, value]) => ({ key, value })) };
}

export function describeClientQuotas(
  broker: Broker,
  request: DescribeClientQuotasRequest,
  _context: RequestContext,
  reply: Reply,
): void {
  const fault = filterFault(request);
  if (fault !== undefined) {
    const { error, message: errorMessage } = fault;
    return reply({ throttleTimeMs: 0, errorCode: Errors[error].code, errorMessage, entries: null });
  }
  const found = [...broker.topics.image.quotas.values()].filter(({ entity }) => matches(entity, request));
  reply({ throttleTimeMs: 0, errorCode: 0, errorMessage: "", entries: found.map(entryOf) });
}
