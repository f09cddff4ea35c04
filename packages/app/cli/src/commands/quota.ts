import type { BrokerConnection } from "@samsa/wire";
import type { Common } from "../settings/client-settings.ts";
import { Failure } from "../terminal/failure.ts";
import { table } from "../terminal/table.ts";
import { connected, pair, sentence } from "./admin.ts";

/** `DescribeClientQuotasRequest.MatchType`. */
const MATCH = { exact: 0, default: 1 } as const;
const ENTITY_TYPES = ["user", "client-id", "ip"];

/** Part of an entity with quotas (KIP-546). */
export interface Entity {
  readonly entityType: string;
  /** Name of the entity; null for the default entity. */
  readonly entityName: string | null;
}

/** Entity from text such as `user=ann,client-id`, where a type without a name is its default. Throws `Failure`. */
export function entityOf(text: string, what: string): Entity[] {
  return text.split(",").map(part => {
    const at = part.indexOf("=");
    const entityType = at < 0 ? part : part.slice(0, at);
    if (!ENTITY_TYPES.includes(entityType)) {
      throw new Failure(`${what} takes ${ENTITY_TYPES.join(", ")}, not "${entityType}"`);
    }
    return { entityType, entityName: at < 0 ? null : part.slice(at + 1) };
  });
}

/** Text of an entity. */
export function said(entity: readonly Entity[]): string {
  return entity.map(({ entityType, entityName }) => `${entityType}=${entityName ?? "<default>"}`).join(",");
}

/** Quotas of the entities that have all parts of one; with `strict`, of exactly that one. */
async function quotasOf(admin: BrokerConnection, entity: readonly Entity[], strict: boolean) {
  const components = entity.map(({ entityType, entityName }) => ({
    entityType,
    matchType: entityName === null ? MATCH.default : MATCH.exact,
    match: entityName,
  }));
  const answer = await admin.call("DescribeClientQuotas", { components, strict });
  if (answer.errorCode !== 0) throw new Failure(sentence(answer.errorCode, answer.errorMessage));
  const shown = (answer.entries ?? []).map(entry => ({
    entity: Object.fromEntries(entry.entity.map(({ entityType, entityName }) => [entityType, entityName])),
    quotas: Object.fromEntries(entry.values.map(({ key, value }) => [key, value])),
    said: said(entry.entity),
  }));
  shown.sort((a, b) => (a.said < b.said ? -1 : 1));
  return shown;
}

/** Prints the quotas of the entities that have all parts of one, or of all; with `exact`, of exactly that one. */
export async function describeQuotas(
  admin: BrokerConnection,
  entity: readonly Entity[],
  options: { readonly json?: boolean; readonly exact?: boolean },
): Promise<void> {
  const shown = await quotasOf(admin, entity, options.exact === true);
  if (options.json === true) {
    return console.log(JSON.stringify(shown.map(({ entity: of, quotas }) => ({ entity: of, quotas }))));
  }
  if (shown.length === 0) return console.log(`No quotas${entity.length === 0 ? "" : ` of ${said(entity)}`}.`);
  const rows = shown.flatMap(entry =>
    Object.entries(entry.quotas).map(([key, value]) => [entry.said, key, String(value)]),
  );
  for (const line of table([["ENTITY", "NAME", "VALUE"], ...rows])) console.log(line);
}

/** Change of a quota. */
export interface QuotaChange {
  readonly key: string;
  readonly value: number;
  readonly remove: boolean;
}

/** Amount of a quota. Throws `Failure`. */
export function amountOf(name: string, text: string): number {
  const amount = Number(text);
  if (text.trim() === "" || !Number.isFinite(amount)) throw new Failure(`quota ${name} wants a number, not "${text}"`);
  return amount;
}

/** Changes quotas of an entity, all or none. Rejects with a `Failure`. */
export async function alterQuotas(
  admin: BrokerConnection,
  entity: readonly Entity[],
  ops: readonly QuotaChange[],
): Promise<void> {
  const { entries } = await admin.call("AlterClientQuotas", {
    entries: [{ entity: [...entity], ops: [...ops] }],
    validateOnly: false,
  });
  for (const { errorCode, errorMessage } of entries) {
    if (errorCode !== 0) throw new Failure(sentence(errorCode, errorMessage));
  }
}

/** `samsa quota list`. Without an entity, all quotas. */
export function list(text: string | undefined, options: Common & { readonly exact?: boolean }): Promise<void> {
  const entity = text === undefined ? [] : entityOf(text, "quota list");
  if (text === undefined && options.exact === true) throw new Failure("--exact wants an entity");
  return connected(options, admin => describeQuotas(admin, entity, options));
}

/** `samsa quota set`. */
export function set(text: string, values: readonly string[], options: Common): Promise<void> {
  const entity = entityOf(text, "quota set");
  const changes = values.map((value): QuotaChange => {
    const { name, value: amount } = pair(value, "quota set");
    return { key: name, value: amountOf(name, amount), remove: false };
  });
  return connected(options, async admin => {
    await alterQuotas(admin, entity, changes);
    const quotas = Object.fromEntries(changes.map(({ key, value }) => [key, value]));
    if (options.json === true) return console.log(JSON.stringify({ entity: namesOf(entity), quotas }));
    console.log(`Set ${changes.map(({ key }) => key).join(", ")} of ${said(entity)}.`);
  });
}

/** `samsa quota delete`. Without names, all quotas of the entity. */
export function remove(text: string, names: readonly string[], options: Common): Promise<void> {
  const entity = entityOf(text, "quota delete");
  return connected(options, async admin => {
    const present = (await quotasOf(admin, entity, true)).flatMap(({ quotas }) => Object.keys(quotas));
    const missing = names.filter(name => !present.includes(name));
    if (present.length === 0 || missing.length > 0) {
      throw new Failure(`${said(entity)} has no quota${missing.length === 0 ? "" : ` ${missing.join(", ")}`}`);
    }
    const deleted = names.length === 0 ? present : names;
    await alterQuotas(
      admin,
      entity,
      deleted.map(key => ({ key, value: 0, remove: true })),
    );
    if (options.json === true) return console.log(JSON.stringify({ entity: namesOf(entity), deleted }));
    console.log(`Deleted ${deleted.join(", ")} of ${said(entity)}.`);
  });
}

function namesOf(entity: readonly Entity[]): Readonly<Record<string, string | null>> {
  return Object.fromEntries(entity.map(({ entityType, entityName }) => [entityType, entityName]));
}
