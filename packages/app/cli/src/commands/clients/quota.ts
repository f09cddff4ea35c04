import type { Admin, ClientQuotaChange, QuotaComponent, QuotaEntity } from "@samsa/client-runtime";
import type { Common } from "../../settings/client-settings.ts";
import { Failure } from "../../terminal/failure.ts";
import { printTable } from "../../terminal/table.ts";
import { pair } from "../../settings/pair.ts";
import { administered } from "./client.ts";

const ENTITY_TYPES = ["user", "client-id", "ip"] as const;

/** Values of quotas by name; null removes one. */
export type QuotaValues = ClientQuotaChange["values"];

/** Entity from text such as `user=ann,client-id`, where a type without a name is its default. Throws `Failure`. */
export function entityOf(text: string, what: string): QuotaEntity {
  const parts = text.split(",").map(part => {
    const at = part.indexOf("=");
    const given = at < 0 ? part : part.slice(0, at);
    const type = ENTITY_TYPES.find(known => known === given);
    if (type === undefined) throw new Failure(`${what} takes ${ENTITY_TYPES.join(", ")}, not "${given}"`);
    return [type, at < 0 ? null : part.slice(at + 1)] as const;
  });
  return Object.fromEntries(parts);
}

/** Text of an entity. */
export function said(entity: QuotaEntity): string {
  const parts = Object.entries(entity);
  return parts.map(([type, name]) => `${type}=${name ?? "<default>"}`).join(",");
}

/** Quotas of the entities that have all parts of one; with `strict`, of exactly that one. */
async function quotasOf(admin: Admin, entity: QuotaEntity, strict: boolean) {
  const components = ENTITY_TYPES.flatMap((type): QuotaComponent[] => {
    const name = entity[type];
    return name === undefined ? [] : [{ type, match: name === null ? "default" : { name } }];
  });
  const found = await admin.cluster.describeQuotas({ components, strict });
  return found.sort((a, b) => (said(a.entity) < said(b.entity) ? -1 : 1));
}

/** Prints the quotas of the entities that have all parts of one, or of all; with `exact`, of exactly that one. */
export function describeQuotas(entity: QuotaEntity, options: Common & { readonly exact?: boolean }): Promise<void> {
  return administered(options, async admin => {
    const found = await quotasOf(admin, entity, options.exact === true);
    if (options.json === true) {
      return console.log(JSON.stringify(found.map(({ entity: of, values }) => ({ entity: of, quotas: values }))));
    }
    const whose = said(entity);
    if (found.length === 0) return console.log(`No quotas${whose === "" ? "" : ` of ${whose}`}.`);
    const rows = found.flatMap(({ entity: of, values }) =>
      Object.entries(values).map(([key, value]) => [said(of), key, String(value)]),
    );
    printTable(["ENTITY", "NAME", "VALUE"], rows);
  });
}

/** Amount of a quota. Throws `Failure`. */
export function amountOf(name: string, text: string): number {
  const amount = Number(text);
  if (text.trim() === "" || !Number.isFinite(amount)) throw new Failure(`quota ${name} wants a number, not "${text}"`);
  return amount;
}

/** Changes quotas of an entity, all or none. Rejects with an error that says why. */
export function alterQuotas(entity: QuotaEntity, values: QuotaValues, options: Common): Promise<void> {
  return administered(options, async admin => {
    (await admin.cluster.alterQuotas([{ entity, values }])).orThrow();
  });
}

/** `samsa quota list`. Without an entity, all quotas. */
export function list(text: string | undefined, options: Common & { readonly exact?: boolean }): Promise<void> {
  if (text === undefined && options.exact === true) throw new Failure("--exact wants an entity");
  return describeQuotas(text === undefined ? {} : entityOf(text, "quota list"), options);
}

/** `samsa quota set`. */
export async function set(text: string, amounts: readonly string[], options: Common): Promise<void> {
  const entity = entityOf(text, "quota set");
  const pairs = amounts.map(amount => pair(amount, "quota set"));
  const quotas = Object.fromEntries(pairs.map(({ name, value }) => [name, amountOf(name, value)]));
  await alterQuotas(entity, quotas, options);
  if (options.json === true) return console.log(JSON.stringify({ entity, quotas }));
  console.log(`Set ${Object.keys(quotas).join(", ")} of ${said(entity)}.`);
}

/** `samsa quota delete`. Without names, all quotas of the entity. */
export function remove(text: string, names: readonly string[], options: Common): Promise<void> {
  const entity = entityOf(text, "quota delete");
  return administered(options, async admin => {
    const present = (await quotasOf(admin, entity, true)).flatMap(({ values }) => Object.keys(values));
    const missing = names.filter(name => !present.includes(name));
    if (present.length === 0 || missing.length > 0) {
      throw new Failure(`${said(entity)} has no quota${missing.length === 0 ? "" : ` ${missing.join(", ")}`}`);
    }
    const deleted = names.length === 0 ? present : names;
    const values = Object.fromEntries(deleted.map(key => [key, null]));
    (await admin.cluster.alterQuotas([{ entity, values }])).orThrow();
    if (options.json === true) return console.log(JSON.stringify({ entity, deleted }));
    console.log(`Deleted ${deleted.join(", ")} of ${said(entity)}.`);
  });
}
