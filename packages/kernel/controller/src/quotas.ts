import { entryAt } from "@samsa/base";
import { quotaKey, type QuotaEntity } from "@samsa/metadata";
import {
  type AlterClientQuotasRequest,
  type AlterClientQuotasResponse,
  type MetadataRecord,
  metadataRecord,
} from "@samsa/protocol";
import { type Decision, type DecisionContext, isRefusal, type Refusal, refusal } from "./decision/decision.ts";

type Entry = AlterClientQuotasRequest["entries"][number];

/** AlterClientQuotas request; `unresolved` has the IP entities that are neither an address nor a resolvable host. */
export interface AlterQuotas extends Pick<AlterClientQuotasRequest, "entries" | "validateOnly"> {
  readonly unresolved: ReadonlySet<string>;
}

/** Maximum value of a quota key, and its type (`QuotaConfig`). `whole`: no fractions. */
interface KeySpec {
  readonly most: number;
  readonly whole: boolean;
  readonly type: string;
}

const LONG: KeySpec = { most: 2 ** 63, whole: true, type: "LONG" };
const DOUBLE: KeySpec = { most: Infinity, whole: false, type: "DOUBLE" };
const INT: KeySpec = { most: 2 ** 31 - 1, whole: true, type: "INT" };

const CLIENT_KEYS: ReadonlyMap<string, KeySpec> = new Map([
  ["producer_byte_rate", LONG],
  ["consumer_byte_rate", LONG],
  ["request_percentage", DOUBLE],
  ["controller_mutation_rate", DOUBLE],
]);
const IP_KEYS: ReadonlyMap<string, KeySpec> = new Map([["connection_creation_rate", INT]]);
const ENTITY_TYPES: ReadonlySet<string> = new Set(["user", "client-id", "ip"]);
const FRACTION = 1e-6;

function keysFor(
  entity: readonly QuotaEntity[],
  unresolved: ReadonlySet<string>,
): ReadonlyMap<string, KeySpec> | Refusal {
  const types = new Set<string>();
  for (const { entityType, entityName } of entity) {
    if (types.has(entityType)) {
      return refusal("INVALID_REQUEST", `Invalid client quota entity, duplicate entity entry ${entityType}`);
    }
    types.add(entityType);
    if (!ENTITY_TYPES.has(entityType)) {
      return refusal("INVALID_REQUEST", `Unhandled client quota entity type: ${entityType}`);
    }
    if (entityName === "") return refusal("INVALID_REQUEST", `Empty ${entityType} not supported`);
  }
  if (types.size === 0) return refusal("INVALID_REQUEST", "Invalid empty client quota entity");
  if (!types.has("ip")) return CLIENT_KEYS;
  if (types.size > 1) {
    const rule = "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId";
    return refusal("INVALID_REQUEST", rule);
  }
  const { entityName } = entryAt(entity, 0);
  if (entityName !== null && unresolved.has(entityName)) {
    return refusal("INVALID_REQUEST", `${entityName} is not a valid IP or resolvable host.`);
  }
  return IP_KEYS;
}

function valueFault(keys: ReadonlyMap<string, KeySpec>, key: string, value: number): Refusal | undefined {
  const spec = keys.get(key);
  if (spec === undefined) return refusal("INVALID_REQUEST", `Invalid configuration key ${key}`);
  if (!Number.isFinite(value)) return refusal("INVALID_REQUEST", `Quota ${key} must be a finite number`);
  if (value <= 0) return refusal("INVALID_REQUEST", `Quota ${key} must be greater than 0`);
  if (value > spec.most) {
    return refusal("INVALID_REQUEST", `Proposed value for ${key} is too large for ${article(spec.type)}.`);
  }
  if (spec.whole && value % 1 > FRACTION) {
    return refusal("INVALID_REQUEST", `${key} cannot be a fractional value.`);
  }
  return undefined;
}

function article(type: string): string {
  return type === "INT" ? "an INT" : `a ${type}`;
}

function entityText(entity: readonly QuotaEntity[]): string {
  return `ClientQuotaEntity(entries={${entity.map(({ entityType, entityName }) => `${entityType}=${entityName}`).join(", ")}})`;
}

function alterOne(
  { image }: DecisionContext,
  { entity, ops }: Entry,
  unresolved: ReadonlySet<string>,
): MetadataRecord[] | Refusal {
  const keys = keysFor(entity, unresolved);
  if ("errorCode" in keys) return keys;
  const current = image.quotas.get(quotaKey(entity))?.quotas;
  const records: MetadataRecord[] = [];
  for (const { key, value, remove } of ops) {
    if (remove) {
      if (current?.has(key)) records.push(metadataRecord("ClientQuotaRecord", 0, { entity, key, value: 0, remove }));
      continue;
    }
    const fault = valueFault(keys, key, value);
    if (fault !== undefined) return fault;
    if (current?.get(key) !== value) {
      records.push(metadataRecord("ClientQuotaRecord", 0, { entity, key, value, remove: false }));
    }
  }
  return records;
}

/** AlterClientQuotas (`ClientQuotaControlManager.alterClientQuotas`): each entity changes as a whole or not at all. */
export function alterClientQuotas(context: DecisionContext, request: AlterQuotas): Decision<AlterClientQuotasResponse> {
  const seen = new Set<string>();
  const records: MetadataRecord[] = [];
  const entries = request.entries.map(entry => {
    const { entity, ops } = entry;
    const key = quotaKey(entity);
    const twice = ops.find(({ key: name }, i) => ops.findIndex(op => op.key === name) < i);
    let made: MetadataRecord[] | Refusal;
    if (seen.has(key)) made = refusal("INVALID_REQUEST", `Ignoring duplicate entity ${entityText(entity)}`);
    else if (twice !== undefined) {
      const rule = `Duplicate quota key ${twice.key} not updating quota for this entity ${entityText(entity)}`;
      made = refusal("INVALID_REQUEST", rule);
    } else made = alterOne(context, entry, request.unresolved);
    seen.add(key);
    if (isRefusal(made)) return { entity, ...made };
    records.push(...made);
    return { entity, errorCode: 0, errorMessage: null };
  });
  return { records: request.validateOnly ? [] : records, reply: { throttleTimeMs: 0, entries } };
}
