import type { QuotaEntity, QuotaImage } from "@samsa/metadata";
import { type DescribeClientQuotasRequest, type ErrorName, Errors } from "@samsa/protocol";
import type { Handler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "topics">;

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
