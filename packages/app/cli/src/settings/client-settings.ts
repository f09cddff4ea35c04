import { readFileSync } from "node:fs";
import { parseProperties } from "@samsa/base";
import { javaSettings, type JavaSettings } from "@samsa/client-runtime";
import { type Endpoint, parseEndpoints } from "@samsa/wire";
import { Failure } from "../terminal/failure.ts";
import { isOfProviders, resolveVariables } from "./config-providers.ts";

/** Options of every command that connects to a broker. */
export interface Common {
  /** Addresses of brokers; those of the file, or localhost:9092, by default. */
  readonly bootstrapServer?: string;
  /** Properties file with settings of Kafka's clients. */
  readonly commandConfig?: string;
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

/** Reads the settings of a command. Throws `Failure` or `KafkaError`. */
export function clientSettings({ bootstrapServer, commandConfig }: Common): ClientSettings {
  const settings = javaSettings(commandConfig === undefined ? new Map() : propertiesOf(commandConfig));
  if (bootstrapServer === undefined) {
    return { ...settings, servers: settings.client.bootstrapServers ?? [DEFAULT_SERVER] };
  }
  const servers = parseEndpoints(bootstrapServer);
  if (servers !== undefined) return { ...settings, servers };
  throw new Failure(
    `--bootstrap-server wants host:port, or several with commas between them, not "${bootstrapServer}"`,
  );
}
