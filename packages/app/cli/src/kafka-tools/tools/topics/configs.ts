import { pbkdf2Sync, randomBytes } from "node:crypto";
import { KafkaError } from "@samsa/client-kernel";
import type { Admin, ConfigChange, ConfigResource } from "@samsa/client-runtime";
import { ILLEGAL_ARGUMENT, OptionError, ToolError } from "../../java/exits.ts";
import type { Chosen } from "../../flags/jopt.ts";
import { javaMessage, wrappedText } from "../../java/errors.ts";
import { hashOrderOfTexts } from "../../java/hash-order.ts";
import { splitJava } from "../../java/text.ts";
import { chosenServers, loadProperties, withAdmin } from "../../runner/client.ts";
import { joptTool, thrownText } from "../../runner/jopt-tool.ts";
import {
  checkBrokerId,
  describeQuotas,
  describeResources,
  describeScram,
  quotasOf,
  quotaType,
  resourceType,
} from "./configs-describe.ts";
import { checkedEntities, CONFIGS_FLAGS, type ConfigsFlag, type Entities } from "./configs-options.ts";

type Options = Chosen<ConfigsFlag>;

const INVALID_CONFIG = "org.apache.kafka.common.errors.InvalidConfigurationException";
const QUOTAS = ["producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"];
const IP_QUOTAS = ["connection_creation_rate"];
const SCRAM = ["SCRAM-SHA-256", "SCRAM-SHA-512"] as const;
const ITERATIONS = 4096;
const SALT_BYTES = 32;
const HASHES = {
  "SCRAM-SHA-256": { hash: "sha256", bytes: 32 },
  "SCRAM-SHA-512": { hash: "sha512", bytes: 64 },
} as const;

/** Changes of settings that the options ask for. */
interface Changes {
  readonly added: ReadonlyMap<string, string>;
  readonly deleted: readonly string[];
}

const isScram = (name: string): name is (typeof SCRAM)[number] => SCRAM.some(mechanism => mechanism === name);

function changesOf(chosen: Options): Changes {
  const added = loadProperties(chosen.text("add-config-file"));
  if (chosen.has("add-config")) {
    // Commas and equals signs within brackets are part of a value.
    const outside = String.raw`(?=[^\]]*(?:\[|$))`;
    const pairs = splitJava(chosen.text("add-config") ?? "", new RegExp(`,${outside}`)).map(text =>
      text.split(new RegExp(String.raw`\s*=\s*${outside}`)),
    );
    if (pairs.some(pair => pair.length !== 2)) {
      throw new ToolError(
        'Invalid entity config: all configs to be added must be in the format "key=val" or  "key=[val1,val2]" to group values which contain commas.',
      );
    }
    for (const [key = "", value = ""] of pairs) added.set(key.trim(), value.replace(/[[\]]/g, "").trim());
  }
  const wrong = [...added.keys()].find(key => !/^[$a-zA-Z0-9._-]*$/.test(key));
  if (wrong !== undefined) throw new ToolError(`Invalid character found for config key: ${wrong}`);
  return { added, deleted: chosen.texts("delete-config").map(key => key.trim()) };
}

async function alterResource(admin: Admin, resource: ConfigResource, { added, deleted }: Changes): Promise<void> {
  const changes: Record<string, ConfigChange> = {};
  for (const key of deleted) changes[key] = { op: "delete" };
  for (const [key, value] of added) changes[key] = { op: "set", value };
  const outcome = (await admin.configs.alter({ [resource]: changes })).get(resource);
  if (!(outcome instanceof KafkaError)) return;
  if (outcome.name !== "UNSUPPORTED_VERSION") throw outcome;
  throw new ToolError(
    "The INCREMENTAL_ALTER_CONFIGS API is not supported by the cluster. The API is supported starting from version 2.3.0. You may want to use an older version of this tool to interact with your cluster, or upgrade your brokers to version 2.3.0 or newer to avoid this error.",
  );
}

async function checkLoggers(admin: Admin, broker: string, { added, deleted }: Changes): Promise<void> {
  const resource = `broker-logger:${broker}` as const;
  const known = (await admin.configs.describe([resource])).value(resource);
  const unknown = [...deleted, ...added.keys()].filter(name => !known.has(name));
  if (unknown.length > 0) throw new ToolError(`Invalid broker logger(s): ${unknown.join(",")}`, INVALID_CONFIG);
}

async function alterQuotas(admin: Admin, entities: Entities, { added, deleted }: Changes): Promise<void> {
  const { types, names } = entities;
  const [before] = await quotasOf(admin, entities);
  const missing = deleted.filter(key => before === undefined || !Object.hasOwn(before.values, key));
  if (missing.length > 0) throw new ToolError(`Invalid config(s): ${missing.join(",")}`, INVALID_CONFIG);
  const values: Record<string, number | null> = Object.fromEntries(deleted.map(key => [key, null]));
  for (const [key, text] of added) {
    const value = text === "" ? NaN : Number(text);
    if (Number.isNaN(value)) throw new ToolError(`Cannot parse quota configuration value for ${key}: ${text}`);
    values[key] = value;
  }
  const entity = Object.fromEntries(
    types.map((type, i) => [quotaType(type), names[i] === "" ? null : (names[i] ?? null)]),
  );
  (await admin.cluster.alterQuotas([{ entity, values }])).orThrow();
}

/** Password and iterations of a credential: `[iterations=8192,password=secret]`. */
function credentialOf(mechanism: (typeof SCRAM)[number], text: string) {
  const found = /^(?:iterations=(-?[0-9]*),)?password=(.*)$/s.exec(text);
  // Kafka prints the names of the enum, with underscores.
  if (found === null) throw new ToolError(`Invalid credential property ${mechanism.replaceAll("-", "_")}=${text}`);
  const [, count, password = ""] = found;
  if (count === "") throw new ToolError('For input string: ""');
  const iterations = count === undefined || count === "-1" ? ITERATIONS : Number(count);
  if (iterations < ITERATIONS) {
    throw new ToolError(`Iterations ${iterations} is less than the minimum ${ITERATIONS} required for ${mechanism}`);
  }
  const { hash, bytes } = HASHES[mechanism];
  const salt = randomBytes(SALT_BYTES);
  return { mechanism, iterations, salt, saltedPassword: pbkdf2Sync(password, salt, iterations, bytes, hash) };
}

async function alterScram(admin: Admin, user: string, { added, deleted }: Changes): Promise<void> {
  const removals = deleted.filter(isScram).map(mechanism => ({ user, mechanism, delete: true as const }));
  const additions = SCRAM.flatMap(mechanism => {
    const text = added.get(mechanism);
    return text === undefined ? [] : [{ user, ...credentialOf(mechanism, text) }];
  });
  (await admin.access.alterScram([...removals, ...additions])).orThrow();
}

function refuseUnknown(what: string, type: string, names: readonly string[]): void {
  if (names.length === 0) return;
  const list = hashOrderOfTexts(names).join(",");
  throw new ToolError(`Only ${what} for '${type}' using --bootstrap-server. Unexpected config names: ${list}`);
}

async function alterUsersOrClients(admin: Admin, entities: Entities, changes: Changes): Promise<void> {
  const { types, names } = entities;
  const [added, deleted] = [[...changes.added.keys()], [...changes.deleted]];
  const notQuota = (keys: readonly string[]): string[] => keys.filter(key => !QUOTAS.includes(key));
  if (types.includes("clients")) {
    refuseUnknown("quota configs can be added", "clients", notQuota(added));
    refuseUnknown("quota configs can be deleted", "clients", notQuota(deleted));
  } else {
    const what = "quota and SCRAM credential configs can be";
    refuseUnknown(
      `${what} added`,
      "users",
      notQuota(added).filter(key => !isScram(key)),
    );
    refuseUnknown(
      `${what} deleted`,
      "users",
      notQuota(deleted).filter(key => !isScram(key)),
    );
    if ([...added, ...deleted].some(isScram)) {
      if (names.includes("")) {
        throw new ToolError(
          "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using --bootstrap-server.",
        );
      }
      if ([...added, ...deleted].some(key => QUOTAS.includes(key))) {
        throw new ToolError(
          "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.",
        );
      }
    }
  }
  if ([...added, ...deleted].some(key => QUOTAS.includes(key))) return alterQuotas(admin, entities, changes);
  return alterScram(admin, names[0] ?? "", changes);
}

async function alter(admin: Admin, entities: Entities, chosen: Options): Promise<void> {
  const [type = ""] = entities.types;
  const [name = ""] = entities.names;
  const changes = changesOf(chosen);
  const resource = resourceType(type)?.resource;
  if (type === "users" || type === "clients") await alterUsersOrClients(admin, entities, changes);
  else if (type === "ips") {
    const unknown = [...changes.added.keys(), ...changes.deleted].filter(key => !IP_QUOTAS.includes(key));
    if (unknown.length > 0) {
      throw new ToolError(
        `Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: ${hashOrderOfTexts(unknown).join(", ")}`,
      );
    }
    await alterQuotas(admin, entities, changes);
  } else if (resource !== undefined) {
    if (resource === "broker" && name !== "") checkBrokerId(name, type);
    if (resource === "broker-logger") await checkLoggers(admin, name, changes);
    await alterResource(admin, `${resource}:${name}`, changes);
  }
  console.log(
    name === ""
      ? `Completed updating default config for ${type} in the cluster.`
      : `Completed updating config for ${type.slice(0, -1)} ${name}.`,
  );
}

async function describe(admin: Admin, entities: Entities, all: boolean): Promise<void> {
  const { types, names } = entities;
  const [type = ""] = types;
  if (resourceType(type) !== undefined) return describeResources(admin, type, { name: names[0], all });
  await describeQuotas(admin, entities);
  if (type !== "ips" && !types.includes("clients") && !names.includes("")) await describeScram(admin, names);
}

/** kafka-configs (`ConfigCommand`). */
export const kafkaConfigs = joptTool<ConfigsFlag>({
  about: "Shows and changes settings of topics, brokers and groups, and quotas of clients.",
  flags: CONFIGS_FLAGS,
  mistakes: "failed",
  run: async chosen => {
    const entities = await checkedEntities(chosen);
    const properties = loadProperties(chosen.text("command-config"));
    await withAdmin(chosenServers(chosen), properties, admin =>
      chosen.has("alter") ? alter(admin, entities, chosen) : describe(admin, entities, chosen.has("all")),
    );
    return 0;
  },
  failed: (error, args) => {
    const isPlain = error instanceof ToolError && [ILLEGAL_ARGUMENT, INVALID_CONFIG].includes(error.javaClass);
    if (isPlain || error instanceof OptionError) console.error(javaMessage(error));
    else {
      console.error(`Error while executing config command with args '${args.join(" ")}'`);
      console.error(error instanceof KafkaError ? wrappedText(error) : thrownText(error));
    }
    return 1;
  },
});
