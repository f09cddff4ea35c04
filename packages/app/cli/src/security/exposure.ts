import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { parseConfig } from "@samsa/base";
import { brokerConfigs, listenerSetting, parseEndpoint, protocolOf } from "@samsa/broker";
import { endpointText } from "@samsa/wire";
import { Failure } from "../terminal/failure.ts";

/** Listener of a node, with the people that it lets in. */
export interface Exposure {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Security protocol, as in "SASL_SSL"; undefined if the settings name none. */
  readonly protocol: string | undefined;
  /** Value of `ssl.client.auth`. */
  readonly clientAuth: string;
  /** Only this machine reaches it. */
  readonly isLoopback: boolean;
  /** Clients prove who they are. */
  readonly isAuthenticated: boolean;
  /** Others on the network cannot read along. */
  readonly isEncrypted: boolean;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** True for a host without one, which stands for all interfaces, and for the addresses that do so. */
export function isWildcard(host: string): boolean {
  return ["", "0.0.0.0", "::"].includes(host);
}

const isLoopbackAddress = (address: string): boolean => LOOPBACK.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");

/** True for localhost, and for an address of loopback. */
export function isLoopbackName(host: string): boolean {
  return host.toLowerCase() === "localhost" || (isIP(host) !== 0 && isLoopbackAddress(host));
}

/** True if only this machine reaches a host. A name is looked up; one that is not found counts as another machine. */
export async function isLoopback(host: string): Promise<boolean> {
  if (isLoopbackName(host)) return true;
  if (isWildcard(host) || isIP(host) !== 0) return false;
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.length > 0 && found.every(({ address }) => isLoopbackAddress(address));
}

/**
 * Listeners of brokers and controllers that settings name; `isLocal` says if only this machine reaches a host. Throws
 * `ConfigError`.
 */
export function exposuresOf(
  settings: ReadonlyMap<string, string>,
  isLocal: (host: string) => Promise<boolean> = isLoopback,
): Promise<Exposure[]> {
  const config = parseConfig(brokerConfigs, name => settings.get(name));
  const protocols = config["listener.security.protocol.map"].split(",");
  return Promise.all(
    config.listeners.map(async (text): Promise<Exposure> => {
      const endpoint = parseEndpoint("listeners", text);
      const protocol = protocolOf({ protocols }, endpoint.name);
      const clientAuth = (listenerSetting(settings, endpoint.name, "ssl.client.auth") ?? "none").toLowerCase();
      return {
        ...endpoint,
        protocol,
        clientAuth,
        isLoopback: await isLocal(endpoint.host),
        isAuthenticated: protocol?.startsWith("SASL_") === true || (protocol === "SSL" && clientAuth === "required"),
        isEncrypted: protocol?.endsWith("SSL") === true,
      };
    }),
  );
}

/** Listener as the settings write it. */
export function listenerText({ name, ...endpoint }: Pick<Exposure, "name" | "host" | "port">): string {
  return `${name}://${endpointText(endpoint)}`;
}

function said(exposure: Exposure): string {
  const { host, protocol } = exposure;
  const where = isWildcard(host) ? "all interfaces, " : "";
  return `${listenerText(exposure)} (${where}${protocol === "SSL" ? "SSL without ssl.client.auth=required" : protocol})`;
}

/**
 * Refuses listeners that other machines reach, and that let everyone in without a name. Throws `Failure` and
 * `ConfigError`.
 */
export async function refuseOpenListeners(settings: ReadonlyMap<string, string>): Promise<void> {
  const open = (await exposuresOf(settings)).filter(
    ({ protocol, isLoopback, isAuthenticated }) => protocol !== undefined && !isLoopback && !isAuthenticated,
  );
  if (open.length === 0) return;
  const [subject, verb] = open.length === 1 ? ["the listener", "lets"] : ["the listeners", "let"];
  const advice = open.some(({ host }) => host === "")
    ? "write localhost before the port"
    : "write localhost as the host";
  const certificates = open.some(({ protocol }) => protocol === "SSL") ? "set ssl.client.auth=required, " : "";
  throw new Failure(
    `${subject} ${open.map(said).join(" and ")} ${verb} everyone in who reaches this machine: ${certificates}${advice} to serve this ` +
      "machine only, make a secured cluster with samsa security init, or let everyone in with --insecure",
  );
}
