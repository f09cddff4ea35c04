import { ConfigError } from "@samsa/base";
import type { BrokerConfig } from "./configs.ts";

export interface Endpoint {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

const ENDPOINT = /^([A-Za-z0-9_]+):\/\/(?:\[([0-9A-Fa-f:.%]*)\]|([^:/[\]]*)):(\d+)$/;

/** Parses `NAME://host:port`; an IPv6 host stands in brackets. Throws `ConfigError`. */
export function parseEndpoint(setting: string, text: string): Endpoint {
  const match = ENDPOINT.exec(text);
  const port = Number(match?.[4]);
  if (match === null || port > 65535) throw new ConfigError(setting, text, "expected NAME://host:port");
  return { name: match[1].toUpperCase(), host: match[2] ?? match[3] ?? "", port };
}

export interface ListenerPlan {
  /** Listeners for clients, without those of the controller, which a single node does not open. */
  readonly listen: readonly Endpoint[];
  /** What is told to clients, by listener name. Port 0 means: the port that was bound. */
  readonly advertise: ReadonlyMap<string, Endpoint>;
}

export interface ListenerSettings {
  readonly listeners: readonly string[];
  readonly advertised: readonly string[] | undefined;
  readonly controllerNames: readonly string[];
  readonly protocols: readonly string[];
}

/** Those of a broker's settings that say where it listens. */
export function listenerSettings(config: BrokerConfig): ListenerSettings {
  return {
    listeners: config.listeners,
    advertised: config["advertised.listeners"],
    controllerNames: config["controller.listener.names"],
    protocols: config["listener.security.protocol.map"],
  };
}

function protocolOf(settings: ListenerSettings, name: string): string | undefined {
  for (const entry of settings.protocols) {
    const [listener, protocol] = entry.split(":");
    if (listener.trim().toUpperCase() === name) return protocol?.trim().toUpperCase();
  }
  return undefined;
}

function unique(setting: string, endpoints: readonly Endpoint[]): void {
  const names = new Set<string>();
  for (const { name } of endpoints) {
    if (names.has(name)) throw new ConfigError(setting, name, "Each listener must have a different name");
    names.add(name);
  }
}

/**
 * What is wrong with other listeners at run time, or undefined: what clients were told must stay (`DynamicListenerConfig`).
 */
export function listenersFault(now: ListenerSettings, then: ListenerSettings): string | undefined {
  const names = (texts: readonly string[]) => texts.map(text => parseEndpoint("listeners", text).name);
  try {
    const { listen } = planListeners(then);
    const told = names(now.advertised ?? planListeners(now).listen.map(({ name }) => `${name}://:0`));
    const kept = listen.map(({ name }) => name);
    if (told.every(name => kept.includes(name))) return undefined;
    return `Advertised listeners '${told.join(", ")}' must be a subset of listeners '${kept.join(", ")}'`;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

/** Reads the listener settings together, by the rules of `KafkaConfig`. Throws `ConfigError`. */
export function planListeners(settings: ListenerSettings): ListenerPlan {
  const controllers = new Set(settings.controllerNames.map(name => name.toUpperCase()));
  const all = settings.listeners.map(text => parseEndpoint("listeners", text));
  unique("listeners", all);
  const listen = all.filter(({ name }) => !controllers.has(name));
  if (listen.length === 0) {
    throw new ConfigError("listeners", settings.listeners.join(","), "There must be at least one broker listener");
  }
  for (const { name } of listen) {
    const protocol = protocolOf(settings, name);
    if (protocol === undefined) {
      throw new ConfigError("listeners", name, "No security protocol in listener.security.protocol.map");
    }
    if (protocol !== "PLAINTEXT") {
      throw new ConfigError("listeners", name, `The security protocol ${protocol} is not available; use PLAINTEXT`);
    }
  }
  const given = (settings.advertised ?? []).map(text => parseEndpoint("advertised.listeners", text));
  unique("advertised.listeners", given);
  const advertise = new Map<string, Endpoint>();
  for (const endpoint of given) {
    if (!listen.some(({ name }) => name === endpoint.name)) {
      throw new ConfigError("advertised.listeners", endpoint.name, "It is not one of the broker's listeners");
    }
    if (endpoint.host === "0.0.0.0" || endpoint.host === "") {
      throw new ConfigError("advertised.listeners", endpoint.host, "Clients cannot connect to it; name a host");
    }
    advertise.set(endpoint.name, endpoint);
  }
  for (const endpoint of listen) {
    if (advertise.has(endpoint.name)) continue;
    // All interfaces is no address: like the wildcard in Kafka's defaults, it is told as this machine's own name.
    const wild = endpoint.host === "" || endpoint.host === "0.0.0.0" || endpoint.host === "::";
    advertise.set(endpoint.name, wild ? { ...endpoint, host: "localhost" } : endpoint);
  }
  return { listen, advertise };
}
