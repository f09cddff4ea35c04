import { lookup } from "node:dns/promises";
import { ToolError, UsageError } from "../../java/exits.ts";
import { COMMON_FLAGS, type Flag, option, toggle } from "../../flags/flag.ts";
import type { Chosen } from "../../flags/jopt.ts";
import { parseInteger } from "../../java/text.ts";

/** Options of kafka-configs. */
export const CONFIGS_FLAGS = {
  ...COMMON_FLAGS,
  "bootstrap-server": option("server to connect to", "Brokers, as host:port."),
  "bootstrap-controller": option("controller to connect to", "Controllers instead, as host:port."),
  "command-config": option("command config property file", "File with settings of the client."),
  alter: toggle("Change settings."),
  describe: toggle("Show settings."),
  all: toggle("Show all settings, not only dynamic ones."),
  "entity-type": option(
    "",
    "Type of the entity: topics, clients, users, brokers, broker-loggers, ips, client-metrics or groups.",
  ),
  "entity-name": option("", "Name of the entity."),
  "entity-default": toggle("The default entity of clients, users, brokers or ips."),
  "add-config": option("", "Settings to set: k1=v1,k2=[v1,v2],k3=v3."),
  "add-config-file": option("", "File with settings to set."),
  "delete-config": option("", "Settings to remove: k1,k2.", { separator: "," }),
  topic: option("", "Name of a topic."),
  client: option("", "Id of a client."),
  "client-defaults": toggle("All clients."),
  user: option("", "Name of a user."),
  "user-defaults": toggle("All users."),
  broker: option("", "Id of a broker."),
  "broker-defaults": toggle("All brokers."),
  "broker-logger": option("", "Id of a broker, for its loggers."),
  "ip-defaults": toggle("All IP addresses."),
  ip: option("", "IP address."),
  group: option("", "Id of a group."),
  "client-metrics": option("", "Name of a subscription to metrics of clients."),
} as const satisfies Readonly<Record<string, Flag>>;

/** Name of an option of kafka-configs. */
export type ConfigsFlag = keyof typeof CONFIGS_FLAGS;
type Options = Chosen<ConfigsFlag>;

const TYPES = ["topics", "clients", "users", "brokers", "ips", "client-metrics", "groups"] as const;
const ALLOWED: readonly string[] = ["broker-loggers", ...TYPES];

/** Options that name an entity, and its type. */
const NAMED: readonly (readonly [ConfigsFlag, string])[] = [
  ["topic", "topics"],
  ["client", "clients"],
  ["user", "users"],
  ["broker", "brokers"],
  ["broker-logger", "broker-loggers"],
  ["ip", "ips"],
  ["client-metrics", "client-metrics"],
  ["group", "groups"],
];
const DEFAULTS: readonly (readonly [ConfigsFlag, string])[] = [
  ["client-defaults", "clients"],
  ["user-defaults", "users"],
  ["broker-defaults", "brokers"],
  ["ip-defaults", "ips"],
];
/** Types that have a default entity. */
const WITH_DEFAULT = ["users", "clients", "brokers", "ips"];

/** Entities of a command: a name for each type, "" for the default entity. */
export interface Entities {
  readonly types: readonly string[];
  readonly names: readonly string[];
}

/** Entities that the options name. */
export function entitiesOf(chosen: Options): Entities {
  const flags = [...NAMED, ...DEFAULTS].filter(([name]) => chosen.has(name));
  const names = chosen.texts("entity-name");
  let next = 0;
  const given = chosen.order.flatMap(name =>
    name === "entity-name" ? [names[next++] ?? ""] : name === "entity-default" ? [""] : [],
  );
  const ofFlags = NAMED.flatMap(([name]) => (chosen.has(name) ? [chosen.text(name) ?? ""] : []));
  const ofDefaults = DEFAULTS.flatMap(([name]) => (chosen.has(name) ? [""] : []));
  return {
    types: [...chosen.texts("entity-type"), ...flags.map(([, type]) => type)],
    names: [...given, ...ofFlags, ...ofDefaults],
  };
}

function checkTypes(chosen: Options, { types }: Entities): void {
  const twice = types.filter((type, i) => types.indexOf(type) !== i);
  if (twice.length > 0) {
    throw new ToolError(`Duplicate entity type(s) specified: ${[...new Set(twice)].join(",")}`);
  }
  if (!chosen.has("bootstrap-server", "bootstrap-controller")) {
    throw new ToolError("Either --bootstrap-server or --bootstrap-controller must be specified.");
  }
  const wrong = types.find(type => !ALLOWED.includes(type));
  if (wrong !== undefined) {
    throw new ToolError(
      `Invalid entity type ${wrong}, the entity type must be one of ${ALLOWED.join(", ")} with a --bootstrap-server or --bootstrap-controller argument`,
    );
  }
  if (types.length === 0) throw new ToolError("At least one entity type must be specified");
  if (types.length > 1 && !(types.includes("users") && types.includes("clients"))) {
    throw new ToolError("Only 'users' and 'clients' entity types may be specified together");
  }
  const isGeneral = chosen.has("entity-name", "entity-type", "entity-default");
  if (isGeneral && [...NAMED, ...DEFAULTS].some(([name]) => chosen.has(name))) {
    throw new ToolError("--entity-{type,name,default} should not be used in conjunction with specific entity flags");
  }
}

async function checkNames(chosen: Options, { types, names }: Entities): Promise<void> {
  if (chosen.has("bootstrap-server") && chosen.has("bootstrap-controller")) {
    throw new ToolError("Only one of --bootstrap-server or --bootstrap-controller can be specified");
  }
  if (!names.some(name => name !== "")) return;
  const [type = ""] = types;
  if (types.includes("brokers") || types.includes("broker-loggers")) {
    for (const name of ["entity-name", "broker", "broker-logger"] as const) {
      const id = chosen.text(name);
      if (id !== undefined && parseInteger(id) === undefined) {
        throw new ToolError(`The entity name for ${type} must be a valid integer broker id, but it is: ${id}`);
      }
    }
  }
  if (!types.includes("ips")) return;
  for (const name of ["entity-name", "ip"] as const) {
    const address = chosen.text(name);
    if (address === undefined) continue;
    try {
      await lookup(address);
    } catch {
      throw new ToolError(`The entity name for ${type} must be a valid IP or resolvable host, but it is: ${address}`);
    }
  }
}

function checkDescribe(chosen: Options, { types, names }: Entities): void {
  if (chosen.has("entity-default") && !types.some(type => WITH_DEFAULT.includes(type))) {
    throw new ToolError(`--entity-default must not be specified with --describe of ${types.join(",")}`);
  }
  if (types.includes("broker-loggers") && !names.some(name => name !== "")) {
    throw new ToolError(`An entity name must be specified with --describe of ${types.join(",")}`);
  }
}

function checkAlter(chosen: Options, { types, names }: Entities): void {
  if (types.some(type => WITH_DEFAULT.includes(type))) {
    if (names.length === 0) {
      throw new ToolError(
        "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
      );
    }
  } else if (!names.some(name => name !== "")) {
    throw new ToolError(`An entity name must be specified with --alter of ${types.join(",")}`);
  }
  if (chosen.has("add-config") && chosen.has("add-config-file")) {
    throw new ToolError("Only one of --add-config or --add-config-file must be specified");
  }
  if (!chosen.has("add-config", "add-config-file", "delete-config")) {
    throw new ToolError(
      "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
    );
  }
}

/** Checks the options and returns the entities. Rejects with a `UsageError` or a `ToolError`. */
export async function checkedEntities(chosen: Options): Promise<Entities> {
  if (chosen.has("alter") === chosen.has("describe")) {
    throw new UsageError("Command must include exactly one action: --describe, --alter");
  }
  chosen.exclude("describe", ["alter", "add-config", "delete-config"]);
  const entities = entitiesOf(chosen);
  checkTypes(chosen, entities);
  await checkNames(chosen, entities);
  if (chosen.has("describe")) checkDescribe(chosen, entities);
  else checkAlter(chosen, entities);
  if (chosen.has("alter") && entities.types.length !== entities.names.length) {
    throw new ToolError("An entity name must be specified for every entity type");
  }
  return entities;
}
