import { type BrokerId, ConfigError, entryAt } from "@samsa/base";
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

/** Listeners of a role. */
export interface ListenerPlan {
  readonly listen: readonly Endpoint[];
  /** Advertised endpoints by listener name. Port 0 stands for the port that the listener is bound to. */
  readonly advertise: ReadonlyMap<string, Endpoint>;
}

/** Listeners of a node; a role that it does not have has none. */
export interface NodeListeners {
  readonly broker: ListenerPlan;
  readonly controller: ListenerPlan;
}

export interface ListenerSettings {
  readonly nodeId: BrokerId;
  readonly roles: readonly string[];
  /** `controller.quorum.voters`: its endpoint of this node is advertised by default. */
  readonly voters: readonly QuorumVoter[];
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

/** Settings of a node that determine its listeners. */
export function listenerSettings(config: BrokerConfig, hostName: string): ListenerSettings {
  return {
    nodeId: config["node.id"],
    roles: config["process.roles"],
    voters: quorumVoters(config),
    listeners: config.listeners,
    advertised: config["advertised.listeners"],
    controllerNames: config["controller.listener.names"],
    protocols: config["listener.security.protocol.map"].split(","),
    interBrokerName: config["inter.broker.listener.name"],
    interBrokerProtocol: config["security.inter.broker.protocol"],
    hostName,
  };
}

/** Codes of security protocols in registrations (`SecurityProtocol`). */
const PROTOCOL_CODES: Readonly<Record<string, number>> = { PLAINTEXT: 0, SSL: 1, SASL_PLAINTEXT: 2, SASL_SSL: 3 };

/** Code of the security protocol of a listener. */
export function protocolCode(config: Pick<BrokerConfig, "listener.security.protocol.map">, listener: string): number {
  const protocols = config["listener.security.protocol.map"].split(",");
  return PROTOCOL_CODES[protocolOf({ protocols }, listener) ?? ""] ?? 0;
}

/** Security protocols of listeners that are available. */
const PROTOCOLS: readonly string[] = Object.keys(PROTOCOL_CODES);

/** Security protocol of a listener, in `listener.security.protocol.map`. */
export function protocolOf(settings: Pick<ListenerSettings, "protocols">, name: string): string | undefined {
  for (const entry of settings.protocols) {
    const [listener, protocol] = entry.split(":");
    if (listener?.trim().toUpperCase() === name) return protocol?.trim().toUpperCase();
  }
  return undefined;
}

/** Voter of a quorum with fixed voters. */
export interface QuorumVoter {
  readonly id: BrokerId;
  readonly host: string;
  readonly port: number;
}

const VOTER = /^(-?\d+)@\[?(.*?)\]?:(\d+)$/;

/** Reads `controller.quorum.voters`. */
export function quorumVoters(config: Pick<BrokerConfig, "controller.quorum.voters">): QuorumVoter[] {
  return config["controller.quorum.voters"].flatMap(text => {
    const match = VOTER.exec(text);
    return match === null ? [] : [{ id: Number(match[1]), host: entryAt(match, 2), port: Number(match[3]) }];
  });
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

/** Throws unless the inter-broker listener is advertised (`KafkaConfig`). */
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
    const { listen } = planListeners(then).broker;
    const told = names(now.advertised ?? planListeners(now).broker.listen.map(({ name }) => `${name}://:0`));
    const kept = listen.map(({ name }) => name);
    if (told.every(name => kept.includes(name))) return undefined;
    return `Advertised listeners '${told.join(", ")}' must be a subset of listeners '${kept.join(", ")}'`;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

/** Throws unless the protocol of each listener is one that is available. */
function checkProtocols(settings: ListenerSettings, listen: readonly Endpoint[]): void {
  for (const { name } of listen) {
    const protocol = protocolOf(settings, name);
    if (protocol === undefined) {
      throw new ConfigError("listeners", name, "No security protocol in listener.security.protocol.map");
    }
    if (!PROTOCOLS.includes(protocol)) {
      const why = `The security protocol ${protocol} is not available; there are ${PROTOCOLS.join(", ")}`;
      throw new ConfigError("listeners", name, why);
    }
  }
}

/** Advertised endpoints of listeners: those that `given` has, else what the listener is bound to. */
function advertise(
  { hostName }: ListenerSettings,
  listen: readonly Endpoint[],
  given: readonly Endpoint[],
): ReadonlyMap<string, Endpoint> {
  const found = new Map<string, Endpoint>();
  for (const endpoint of [...given, ...listen]) {
    if (found.has(endpoint.name)) continue;
    if (endpoint.host === "0.0.0.0") {
      const why = "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.";
      throw new ConfigError("advertised.listeners", endpoint.host, why);
    }
    // A wildcard address cannot be advertised: advertise this machine's host name instead.
    const isWildcard = endpoint.host === "" || endpoint.host === "::";
    found.set(endpoint.name, isWildcard ? { ...endpoint, host: hostName } : endpoint);
  }
  return found;
}

const NO_LISTENERS: ListenerPlan = { listen: [], advertise: new Map() };

function planBroker(settings: ListenerSettings, listen: readonly Endpoint[], given: readonly Endpoint[]): ListenerPlan {
  if (listen.length === 0) {
    throw new ConfigError("listeners", settings.listeners.join(","), "There must be at least one broker listener");
  }
  unique("advertised.listeners", given);
  for (const { name } of given) {
    if (!listen.some(endpoint => endpoint.name === name)) {
      throw new ConfigError("advertised.listeners", name, "It is not one of the broker's listeners");
    }
  }
  const advertised = advertise(settings, listen, given);
  checkInterBroker(settings, advertised.keys());
  return { listen, advertise: advertised };
}

/** A node with both roles needs no controller listener as long as nothing names other controllers. */
function planController(
  settings: ListenerSettings,
  listen: readonly Endpoint[],
  given: readonly Endpoint[],
): ListenerPlan {
  const { roles, controllerNames, voters, nodeId, listeners } = settings;
  const isAlone = roles.includes("broker") && voters.every(({ id }) => id === nodeId);
  if (listen.length === 0 && isAlone) return NO_LISTENERS;
  if (listen.length === 0) {
    const why =
      "requirement failed: controller.listener.names must contain at least one value appearing in the 'listeners' " +
      "configuration when running the KRaft controller role";
    throw ConfigError.worded("controller.listener.names", why);
  }
  const missing = controllerNames.some(name => !listen.some(endpoint => endpoint.name === name.toUpperCase()));
  if (missing) {
    const why =
      "requirement failed: controller.listener.names must only contain values appearing in the 'listeners' " +
      "configuration when running the KRaft controller role";
    throw ConfigError.worded("controller.listener.names", why);
  }
  if (!roles.includes("broker") && listen.length < listeners.length) {
    const why =
      "requirement failed: The listeners config must only contain KRaft controller listeners from " +
      "controller.listener.names when process.roles=controller";
    throw ConfigError.worded("listeners", why);
  }
  const own = voters.find(({ id }) => id === nodeId);
  const name = entryAt(controllerNames, 0).toUpperCase();
  const told = given.filter(endpoint => listen.some(listener => listener.name === endpoint.name));
  // The voters' endpoints are those of the first listener.
  const byVoters = own === undefined || own.port === 0 ? [] : [{ name, host: own.host, port: own.port }];
  return { listen, advertise: advertise(settings, listen, [...told, ...byVoters]) };
}

/** Reads the listener settings together, by the rules of `KafkaConfig`. Throws `ConfigError`. */
export function planListeners(settings: ListenerSettings): NodeListeners {
  const controllers = new Set(settings.controllerNames.map(name => name.toUpperCase()));
  const isOfController = ({ name }: Endpoint): boolean => controllers.has(name);
  const isOfBroker = (endpoint: Endpoint): boolean => !isOfController(endpoint);
  const all = settings.listeners.map(text => parseEndpoint("listeners", text));
  unique("listeners", all);
  distinctPorts(all);
  const { roles } = settings;
  if (!roles.includes("controller") && all.some(isOfController)) {
    const why =
      "requirement failed: controller.listener.names must not contain a value appearing in the 'listeners' " +
      "configuration when running KRaft with just the broker role";
    throw ConfigError.worded("controller.listener.names", why);
  }
  checkProtocols(settings, all);
  const given = (settings.advertised ?? []).map(text => parseEndpoint("advertised.listeners", text));
  return {
    broker: roles.includes("broker")
      ? planBroker(settings, all.filter(isOfBroker), given.filter(isOfBroker))
      : NO_LISTENERS,
    controller: roles.includes("controller")
      ? planController(settings, all.filter(isOfController), given.filter(isOfController))
      : NO_LISTENERS,
  };
}

/**
 * Looks up a setting of a listener, or of a mechanism of it: the more precise name precedes (KIP-103). Names of listeners
 * and mechanisms are in small letters there.
 */
export function listenerSetting(
  given: ReadonlyMap<string, string>,
  listener: string,
  name: string,
  mechanism?: string,
): string | undefined {
  const prefix = `listener.name.${listener.toLowerCase()}.`;
  const own = mechanism === undefined ? undefined : `${mechanism.toLowerCase()}.${name}`;
  const names = [...(own === undefined ? [] : [prefix + own, own]), prefix + name, name];
  return names.map(one => given.get(one)).find(value => value !== undefined);
}
