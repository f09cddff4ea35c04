import { lookup } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { parseProperties, splitList } from "@samsa/base";
import {
  Admin,
  type ClusterClient,
  type ClusterSettings,
  JAVA_SETTINGS,
  type JavaSettings,
  javaSettings,
} from "@samsa/client-runtime";
import { type Endpoint, parseEndpoints } from "@samsa/wire";
import { clusterClient } from "../../commands/clients/client.ts";
import type { ClientSettings } from "../../settings/client-settings.ts";
import { isOfProviders, resolveVariables } from "../../settings/config-providers.ts";
import { ToolError, UsageError } from "../java/exits.ts";

/** Longest time of a call, as in Kafka (`default.api.timeout.ms`). */
const API_TIMEOUT_MS = 60_000;

/** Reads a file of settings; without a name, none. Throws `ToolError`. */
export function loadProperties(file: string | undefined): Map<string, string> {
  if (file === undefined) return new Map();
  let text: string;
  try {
    text = readFileSync(file, "latin1");
  } catch {
    throw new ToolError(file, "java.nio.file.NoSuchFileException");
  }
  const properties = resolveVariables(parseProperties(text));
  return new Map([...properties].filter(([name]) => !isOfProviders(name)));
}

/** Settings of `key=value` arguments; one without a value is empty (`CommandLineUtils.parseKeyValueArgs`). */
export function keyValues(args: readonly string[]): Map<string, string> {
  return new Map(
    args.map(arg => {
      const at = arg.indexOf("=");
      return at < 0 ? [arg, ""] : [arg.slice(0, at), arg.slice(at + 1)];
    }),
  );
}

/** Checks `host:port` addresses as the tools do that look at them first. Throws `UsageError`. */
export function checkServers(servers: string | undefined): string {
  if (servers === undefined || servers.trim() === "") {
    throw new UsageError("Error while validating the bootstrap address\n");
  }
  if (serversOf(servers) === undefined) {
    throw new UsageError("Please provide valid host:port like host1:9091,host2:9092\n");
  }
  return servers;
}

/** Addresses with ports, at least one; undefined if one is none. */
function serversOf(text: string): Endpoint[] | undefined {
  const servers = splitList(text);
  if (servers.length === 0 || servers.some(server => !/:\d+$/.test(server))) return undefined;
  return parseEndpoints(servers.join(","));
}

async function canResolve(endpoints: readonly Endpoint[]): Promise<boolean> {
  for (const { host } of endpoints) {
    const isKnown = await lookup(host).then(
      () => true,
      () => false,
    );
    if (isKnown) return true;
  }
  return false;
}

/** Servers of a tool's client: brokers, or controllers alone (KIP-919); undefined: those of the properties. */
export type ToolServers = string | { readonly controllers: string } | undefined;

/** Servers of the options `--bootstrap-server` and `--bootstrap-controller`, of which at most one is given. */
export function chosenServers(options: { text(name: string): string | undefined }): ToolServers {
  const controllers = options.text("bootstrap-controller");
  return controllers === undefined ? options.text("bootstrap-server") : { controllers };
}

/** Settings of a client that a tool makes. Rejects with a `ToolError` that says which client of Kafka's cannot be. */
export async function toolSettings(
  servers: ToolServers,
  properties: ReadonlyMap<string, string>,
  client: "KafkaAdminClient" | "KafkaProducer" | "KafkaConsumer",
): Promise<ClientSettings> {
  const controllers = typeof servers === "object" ? servers.controllers : undefined;
  const given = controllers ?? (typeof servers === "string" ? servers : properties.get("bootstrap.servers")) ?? "";
  const endpoints = serversOf(given);
  if (endpoints === undefined || !(await canResolve(endpoints))) {
    const name = client === "KafkaAdminClient" ? `Failed to create new ${client}` : CANNOT[client];
    throw new ToolError(name, "org.apache.kafka.common.KafkaException");
  }
  const known = knownSettings(properties);
  if (controllers === undefined) return { ...known, servers: endpoints };
  return { ...known, client: { ...known.client, nodes: "controllers" }, servers: endpoints };
}

/** Settings that are known here. Java's clients go on with others, too, after a warning. */
export function knownSettings(properties: ReadonlyMap<string, string>): JavaSettings {
  const known = [...properties].filter(([name]) => {
    if (Object.hasOwn(JAVA_SETTINGS, name)) return true;
    console.error(`WARN The setting ${name} is not available here and has no effect.`);
    return false;
  });
  return javaSettings(new Map(known));
}

const CANNOT = {
  KafkaProducer: "Failed to construct kafka producer",
  KafkaConsumer: "Failed to construct kafka consumer",
} as const;

/** Runs `action` with an admin, and closes its connections afterwards. */
export async function withAdmin<T>(
  servers: ToolServers,
  properties: ReadonlyMap<string, string>,
  action: (admin: Admin, client: ClusterClient) => Promise<T>,
  own: Partial<ClusterSettings> = {},
): Promise<T> {
  const settings = await toolSettings(servers, properties, "KafkaAdminClient");
  const client = clusterClient(settings, { apiTimeoutMs: API_TIMEOUT_MS, clientId: "adminclient-1", ...own });
  try {
    return await action(new Admin(client), client);
  } finally {
    client.close();
  }
}
