/** Settings of the broker that limit connections. */
interface Limits {
  readonly "max.connections": number;
  readonly "max.connections.per.ip": number;
  readonly "max.connections.per.ip.overrides": string;
}

const V4_IN_V6 = "::ffff:";

/** An IPv4 address is itself also where a socket for both kinds shows it as IPv6. */
export function plainAddress(host: string): string {
  return host.startsWith(V4_IN_V6) ? host.slice(V4_IN_V6.length) : host;
}

/** `address:limit,…`; undefined when it is not that. */
export function parseOverrides(text: string): ReadonlyMap<string, number> | undefined {
  const overrides = new Map<string, number>();
  for (const part of text.split(",")) {
    if (part.trim() === "") continue;
    const found = /^\s*(\S+):(\d{1,10})\s*$/.exec(part);
    if (found === null) return undefined;
    overrides.set(found[1], Number(found[2]));
  }
  return overrides;
}

/** How many connections may be open, in all and from one address (`SocketServer.ConnectionQuotas`). */
export class ConnectionLimits {
  readonly #limits: () => Limits;
  readonly #addresses = new Map<object, string>();
  readonly #counts = new Map<string, number>();

  /** `limits` is asked anew for every connection: they change at run time. */
  constructor(limits: () => Limits) {
    this.#limits = limits;
  }

  /** Takes note of a connection from `host`, which `closed` forgets; false: it is one too many. */
  opened(connection: object, host: string): boolean {
    const address = plainAddress(host);
    const count = (this.#counts.get(address) ?? 0) + 1;
    this.#addresses.set(connection, address);
    this.#counts.set(address, count);
    const limits = this.#limits();
    const own = parseOverrides(limits["max.connections.per.ip.overrides"])?.get(address);
    return count <= (own ?? limits["max.connections.per.ip"]) && this.#addresses.size <= limits["max.connections"];
  }

  closed(connection: object): void {
    const address = this.#addresses.get(connection);
    if (address === undefined) return;
    this.#addresses.delete(connection);
    const count = (this.#counts.get(address) ?? 0) - 1;
    if (count > 0) this.#counts.set(address, count);
    else this.#counts.delete(address);
  }
}
