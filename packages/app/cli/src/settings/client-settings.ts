import { readFileSync } from "node:fs";
import { parseProperties } from "@samsa/base";
import { javaSettings, type JavaSettings } from "@samsa/client-runtime";
import { type Endpoint, parseEndpoints } from "@samsa/wire";
import { Failure } from "../terminal/failure.ts";
import { contextNamed, propertiesWithSecrets, readContexts } from "./contexts.ts";
import { isOfProviders, resolveVariables } from "./config-providers.ts";

/** Options of every command that connects to a broker. */
export interface Common {
  /** Addresses of brokers; those of the file, or localhost:9092, by default. */
  readonly bootstrapServer?: string;
  /** Properties file with settings of Kafka's clients. */
  readonly commandConfig?: string;
  /** Name of the context whose servers and properties apply where no other option gives them. */
  readonly context?: string;
  readonly json?: boolean;
}

/** Settings of a command's client. */
export interface ClientSettings extends JavaSettings {
  readonly servers: readonly Endpoint[];
}

const DEFAULT_SERVER: Endpoint = { host: "localhost", port: 9092 };

function propertiesOf(file: string): Map<string, string> {
  try {
    const properties = resolveVariables(parseProperties(readFileSync(file, "latin1")));
    return new Map([...properties].filter(([name]) => !isOfProviders(name)));
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(`cannot read ${file}: ${(error as Error).message}`);
  }
}

/**
 * Name of the context of a command: the option, else `$SAMSA_CONTEXT`, else the current one. The last two are left out
 * where another option says whom to ask, the last one also where `$SAMSA_BOOTSTRAP_SERVER` does, so that secrets do not
 * go to servers that they are not meant for. Throws `Failure`.
 */
export function contextNameOf({ bootstrapServer, commandConfig, context }: Common): string | undefined {
  if (context !== undefined) return context;
  if (bootstrapServer !== undefined || commandConfig !== undefined) return undefined;
  const { SAMSA_CONTEXT: name = "", SAMSA_BOOTSTRAP_SERVER: servers = "" } = process.env;
  if (name !== "") return name;
  return servers === "" ? (readContexts().current ?? undefined) : undefined;
}

function serversOf(text: string, from: string): readonly Endpoint[] {
  const servers = parseEndpoints(text);
  if (servers !== undefined) return servers;
  throw new Failure(`${from} wants host:port, or several with commas between them, not "${text}"`);
}

/**
 * Reads the settings of a command: options come first, then the environment, then the context. Throws `Failure` or
 * `KafkaError`.
 */
export function clientSettings(common: Common): ClientSettings {
  const { bootstrapServer, commandConfig } = common;
  const name = contextNameOf(common);
  const context = name === undefined ? undefined : contextNamed(readContexts(), name);
  const properties = context === undefined ? new Map<string, string>() : propertiesWithSecrets(context);
  if (commandConfig !== undefined) for (const [key, value] of propertiesOf(commandConfig)) properties.set(key, value);
  const settings = javaSettings(properties);
  if (bootstrapServer !== undefined) return { ...settings, servers: serversOf(bootstrapServer, "--bootstrap-server") };
  const { bootstrapServers } = settings.client;
  if (bootstrapServers !== undefined) return { ...settings, servers: bootstrapServers };
  const { SAMSA_BOOTSTRAP_SERVER: environment = "" } = process.env;
  const isChosen = common.context !== undefined;
  if (environment !== "" && !isChosen && commandConfig === undefined) {
    return { ...settings, servers: serversOf(environment, "SAMSA_BOOTSTRAP_SERVER") };
  }
  const servers = context === undefined ? [DEFAULT_SERVER] : serversOf(context.servers, `context ${name}`);
  return { ...settings, servers };
}
