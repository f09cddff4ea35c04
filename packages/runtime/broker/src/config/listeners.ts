import { ConfigError, entryAt } from "@samsa/base";
import type { BrokerConfig } from "./configs.ts";

export interface Endpoint {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** Kafka's pattern of an endpoint (`SocketServerConfigs`), except that brackets are for IPv6 addresses only. */
const ENDPOINT = /^([^:/\s]+):\/\/(?:\[([0-9A-Fa-f:.%]*)\]|([0-9a-zA-Z\-%._]*)):(\d{1,5})$/;

/** Parses `NAME://host:port`; an IPv6 address is in brackets. Throws `ConfigError`. */
export function parseEndpoint(setting: string, text: string): Endpoint {
  const match = ENDPOINT.exec(text);
  const port = Number(match?.[4]);
  if (match === null || port > 65535) throw new ConfigError(setting, text, "expected NAME://host:port");
  return { name: entryAt(match, 1).toUpperCase(), host: match[2] ?? match[3] ?? "", port };
}

export interface ListenerPlan {
  /** Listeners for clients; a single node does not open listeners of the controller. */
  readonly listen: readonly Endpoint[];
  /** Advertised endpoints by listener name. Port 0 stands for the port that the listener is bound to. */
  readonly advertise: ReadonlyMap<string, Endpoint>;
}

export interface ListenerSettings {
  readonly listeners: readonly string[];
  readonly advertised: readonly string[] | undefined;
  readonly controllerNames: readonly string[];
  readonly protocols: readonly string[];
  /** Name of the inter-broker listener; undefined: the one with the name of the inter-broker protocol. */
  readonly interBrokerName: string | undefined;
  readonly interBrokerProtocol: string;
  /** Host name of this machine, advertised for a listener without a host. */
  readonly hostName: string;
}

/** Settings of a broker that determine its listeners. */
export function listenerSettings(config: BrokerConfig, hostName: string): ListenerSettings {
  return {
    listeners: config.listeners,
    advertised: config["advertised.listeners"],
    controllerNames: config["controller.listener.names"],
    protocols: config["listener.security.protocol.map"].split(","),
    interBrokerName: config["inter.broker.listener.name"],
    interBrokerProtocol: config["security.inter.broker.protocol"],
    hostName,
  };
}

function protocolOf(settings: ListenerSettings, name: string): string | undefined {
  for (const entry of settings.protocols) {
    const [listener, protocol] = entry.split(":");
    if (listener?.trim().toUpperCase() === name) return protocol?.trim().toUpperCase();
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

const isV4 = (host: string): boolean => /^[\d.]+$/.test(host);
const isV6 = (host: string): boolean => host.includes(":");

/** Throws unless each port belongs to one listener, or to one IPv4 and one IPv6 listener. */
function distinctPorts(endpoints: readonly Endpoint[]): void {
  for (const { port, host, name } of endpoints) {
    const others = endpoints.filter(other => other.name !== name && other.port === port && port !== 0);
    const [other, ...more] = others;
    if (other === undefined) continue;
    const isPair = (isV4(host) && isV6(other.host)) || (isV4(other.host) && isV6(host));
    if (more.length > 0 || !isPair) {
      throw new ConfigError(
        "listeners",
        name,
        "Each listener must have a different port, or one IPv4 and the other IPv6",
      );
    }
  }
}

/** Throws unless the inter-broker listener is advertised, which a single node checks too (`KafkaConfig`). */
function checkInterBroker(settings: ListenerSettings, told: Iterable<string>): void {
  const setting = "inter.broker.listener.name";
  const { interBrokerName } = settings;
  const name = (interBrokerName ?? settings.interBrokerProtocol).toUpperCase();
  if (interBrokerName !== undefined && protocolOf(settings, name) === undefined) {
    const why = `Listener with name ${name} defined in ${setting} not found in listener.security.protocol.map.`;
    throw new ConfigError(setting, interBrokerName, why);
  }
  const names = [...told];
  if (names.includes(name)) return;
  const options = `The valid options based on currently configured listeners are ${names.join(",")}`;
  const why = `${setting} must be a listener name defined in advertised.listeners. ${options}`;
  throw new ConfigError(setting, name, why);
}

/**
 * Validates a change of listeners at run time; undefined if it is allowed. Advertised listeners must stay
 * (`DynamicListenerConfig`).
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
  distinctPorts(all);
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
  // Advertised listeners of the controller are valid; clients do not see them.
  const given = (settings.advertised ?? [])
    .map(text => parseEndpoint("advertised.listeners", text))
    .filter(({ name }) => !controllers.has(name));
  unique("advertised.listeners", given);
  const advertise = new Map<string, Endpoint>();
  for (const endpoint of given) {
    if (!listen.some(({ name }) => name === endpoint.name)) {
      throw new ConfigError("advertised.listeners", endpoint.name, "It is not one of the broker's listeners");
    }
    advertise.set(endpoint.name, endpoint);
  }
  for (const endpoint of listen) {
    if (advertise.has(endpoint.name)) continue;
    advertise.set(endpoint.name, endpoint);
  }
  checkInterBroker(settings, advertise.keys());
  for (const endpoint of advertise.values()) {
    if (endpoint.host === "0.0.0.0") {
      const why = "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.";
      throw new ConfigError("advertised.listeners", endpoint.host, why);
    }
    // A wildcard address cannot be advertised: advertise this machine's host name instead.
    if (endpoint.host === "" || endpoint.host === "::")
      advertise.set(endpoint.name, { ...endpoint, host: settings.hostName });
  }
  return { listen, advertise };
}
