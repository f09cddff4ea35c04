import { KafkaError } from "@samsa/client-kernel";
import type { Admin, ClientQuota, ConfigResource, ConfigSource, QuotaComponent } from "@samsa/client-runtime";
import { ToolError } from "../../java/exits.ts";
import { javaClass, javaMessage } from "../../java/errors.ts";
import { capacityFor, hashOfText, hashOrder, hashOrderOfTexts } from "../../java/hash-order.ts";
import { doubleText, parseInteger } from "../../java/text.ts";
import type { Entities } from "./configs-options.ts";

/** A type of entity that has settings. */
export interface ResourceType {
  readonly resource: "topic" | "broker" | "broker-logger" | "client-metrics" | "group";
  /** Source of its dynamic settings. */
  readonly source: ConfigSource;
}

const RESOURCES: Readonly<Record<string, ResourceType>> = {
  topics: { resource: "topic", source: "DYNAMIC_TOPIC_CONFIG" },
  brokers: { resource: "broker", source: "DYNAMIC_BROKER_CONFIG" },
  "broker-loggers": { resource: "broker-logger", source: "DYNAMIC_BROKER_LOGGER_CONFIG" },
  "client-metrics": { resource: "client-metrics", source: "DYNAMIC_CLIENT_METRICS_CONFIG" },
  groups: { resource: "group", source: "DYNAMIC_GROUP_CONFIG" },
};

/** Type of entity with settings; undefined: one with quotas. */
export function resourceType(type: string): ResourceType | undefined {
  return Object.hasOwn(RESOURCES, type) ? RESOURCES[type] : undefined;
}

const LONGEST_NAME = 249;

function checkTopicName(name: string): void {
  const refuse = (why: string): never => {
    throw new ToolError(`Topic name is invalid: ${why}`, "org.apache.kafka.common.errors.InvalidTopicException");
  };
  if (name === "") refuse("the empty string is not allowed");
  if (name === "." || name === "..") refuse(`'${name}' is not allowed`);
  if (name.length > LONGEST_NAME) {
    refuse(`the length of '${name}' is longer than the max allowed length ${LONGEST_NAME}`);
  }
  if (!/^[\w.-]+$/.test(name)) {
    refuse(`'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`);
  }
}

/** Throws `ToolError` unless the name of a broker is a number. */
export function checkBrokerId(name: string, type: string): void {
  if (parseInteger(name) !== undefined) return;
  throw new ToolError(`The entity name for ${type} must be a valid integer broker id, found: ${name}`);
}

async function groupNames(admin: Admin): Promise<string[]> {
  const groups = (await admin.groups.list()).map(({ groupId }) => groupId);
  return [...new Set([...hashOrderOfTexts(groups), ...(await resourcesOf(admin, "group"))])];
}

async function resourcesOf(admin: Admin, type: "group" | "client-metrics"): Promise<string[]> {
  try {
    const found = await admin.configs.listResources({ types: [type] });
    return found.map(resource => resource.slice(resource.indexOf(":") + 1));
  } catch (error) {
    const isOld =
      error instanceof KafkaError && /^(?:UNSUPPORTED_VERSION|CLUSTER_AUTHORIZATION_FAILED)$/.test(error.name);
    if (type === "group" && isOld) return [];
    throw error;
  }
}

/** Names of all entities of a type, in the order in which Kafka's tool shows them. */
async function namesOf(admin: Admin, { resource }: ResourceType): Promise<string[]> {
  if (resource === "topic") {
    return hashOrderOfTexts((await admin.topics.list({ internal: true })).map(({ name }) => name));
  }
  if (resource === "group") return groupNames(admin);
  if (resource === "client-metrics") return resourcesOf(admin, resource);
  return [...(await admin.cluster.describe()).nodes.map(({ id }) => String(id)), ""];
}

/** `--describe` of an entity with settings, or of all of a type. */
export async function describeResources(
  admin: Admin,
  type: string,
  { name, all }: { readonly name: string | undefined; readonly all: boolean },
): Promise<void> {
  const of = resourceType(type);
  if (of === undefined) throw new ToolError(`Invalid entity type: ${type}`);
  const singular = type.slice(0, -1);
  if (!all && name !== undefined) {
    if (type === "topics") checkTopicName(name);
    if (!(await namesOf(admin, of)).includes(name)) {
      console.log(`The ${singular} '${name}' doesn't exist and doesn't have dynamic config.`);
      return;
    }
  }
  const names = name === undefined ? await namesOf(admin, of) : [name];
  if (names.length === 0) return;
  for (const each of names) {
    if (type === "topics" && each !== "") checkTopicName(each);
    if ((type === "brokers" || type === "broker-loggers") && each !== "") checkBrokerId(each, type);
  }
  const resourceOf = (each: string): ConfigResource => `${of.resource}:${each}`;
  const described = await admin.configs.describe(names.map(resourceOf), { synonyms: true });
  for (const each of names) {
    const head = `${all ? "All" : "Dynamic"} configs for ${singular} ${each} are:`;
    console.log(each === "" ? `Default configs for ${type} in the cluster are:` : head);
    const source = each === "" && type === "brokers" ? "DYNAMIC_DEFAULT_BROKER_CONFIG" : of.source;
    const entries = [...described.value(resourceOf(each)).values()]
      .filter(entry => all || entry.source === source)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const synonyms = entry.synonyms.map(one => `${one.source}:${one.name}=${one.value}`).join(", ");
      console.log(`  ${entry.name}=${entry.value} sensitive=${entry.isSensitive} synonyms={${synonyms}}`);
    }
  }
}

const QUOTA_TYPES: Readonly<Record<string, QuotaComponent["type"]>> = {
  users: "user",
  clients: "client-id",
  ips: "ip",
};
const TYPE_WORDS = { user: "user-principal", "client-id": "client-id", ip: "ip" } as const;

/** Type of an entity with quotas. Throws `ToolError`. */
export function quotaType(type: string): QuotaComponent["type"] {
  const found = QUOTA_TYPES[type];
  if (found === undefined) throw new ToolError(`Unexpected entity type ${type}`);
  return found;
}

/** `ClientQuotaEntity.hashCode` of Java. */
function hashOfEntity({ entity }: ClientQuota): number {
  const sum = Object.entries(entity).reduce(
    (all, [type, name]) => (all + (hashOfText(type) ^ (name === null ? 0 : hashOfText(name)))) | 0,
    0,
  );
  return (31 + sum) | 0;
}

/** Quotas of exactly these entities. */
export async function quotasOf(admin: Admin, { types, names }: Entities): Promise<ClientQuota[]> {
  if (names.length > types.length) throw new ToolError("More entity names specified than entity types");
  const components = types.map((type, i): QuotaComponent => {
    const name = names[i];
    return { type: quotaType(type), match: name === undefined ? "any" : name === "" ? "default" : { name } };
  });
  const found = await admin.cluster.describeQuotas({ components, strict: true });
  return hashOrder(found, hashOfEntity, capacityFor(found.length));
}

/** `--describe` of quotas. */
export async function describeQuotas(admin: Admin, entities: Entities): Promise<void> {
  for (const { entity, values } of await quotasOf(admin, entities)) {
    const parts = (["user", "client-id", "ip"] as const).flatMap(type => {
      const name = entity[type];
      if (name === undefined) return [];
      return [name === null || name === "" ? `the default ${TYPE_WORDS[type]}` : `${TYPE_WORDS[type]} '${name}'`];
    });
    const keys = Object.keys(values);
    const quotas = hashOrderOfTexts(keys, capacityFor(keys.length)).map(
      key => `${key}=${doubleText(values[key] ?? 0)}`,
    );
    console.log(`Quota configs for ${parts.join(", ")} are ${quotas.join(", ")}`);
  }
}

/** `--describe` of the SCRAM credentials of users; without names, of all that have some. */
export async function describeScram(admin: Admin, users: readonly string[]): Promise<void> {
  const found = await admin.access.describeScram(users.length === 0 ? "all" : users);
  for (const [user, credentials] of found) {
    if (credentials instanceof KafkaError) {
      // Users without credentials are not listed.
      if (credentials.name === "RESOURCE_NOT_FOUND") continue;
      console.log(
        `Error retrieving SCRAM credential configs for user-principal '${user}': ${javaClass(credentials)}: ${javaMessage(credentials)}`,
      );
      continue;
    }
    const list = credentials.map(({ mechanism, iterations }) => `${mechanism}=iterations=${iterations}`).join(", ");
    console.log(`SCRAM credential configs for user-principal '${user}' are ${list}`);
  }
}
