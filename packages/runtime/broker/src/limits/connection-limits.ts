import { parseOverrides } from "../config/connection-overrides.ts";
import { Meter, type QuotaWindows } from "../quotas/quotas.ts";

/** Settings of the broker that limit connections. */
interface Limits {
  readonly "max.connections": number;
  readonly "max.connections.per.ip": number;
  readonly "max.connections.per.ip.overrides": string;
}

const V4_IN_V6 = "::ffff:";

/** Returns the IPv4 address that a dual-stack socket shows as IPv4-mapped IPv6; other addresses are unchanged. */
export function plainAddress(host: string): string {
  return host.startsWith(V4_IN_V6) ? host.slice(V4_IN_V6.length) : host;
}

/** Limits open connections, in total and for each address (`SocketServer.ConnectionQuotas`). */
export class ConnectionLimits {
  readonly #limits: () => Limits;
  readonly #addresses = new Map<object, string>();
  readonly #counts = new Map<string, number>();

  /** `limits` is called for every connection, because limits change at run time. */
  constructor(limits: () => Limits) {
    this.#limits = limits;
  }

  /** Counts a connection from `host` until `closed` is called for it; false if it exceeds a limit. */
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

/** Rate without a limit. */
const UNLIMITED = 2147483647;

/**
 * Limits the rate of new connections (`max.connection.creation.rate`, KIP-612). A connection above the rate waits until
 * those before it are served, each for one window at most.
 */
export class ConnectionRate {
  readonly #windowMs: number;
  readonly #meter: Meter;
  /** Monotonic time at which the next connection may be served. */
  #free = 0;

  constructor(windows: QuotaWindows) {
    this.#windowMs = windows.ms;
    this.#meter = new Meter(windows);
  }

  /** Counts a connection; returns the time in ms until it may be served. `limit` is in connections per second. */
  delay(limit: number, now: number): number {
    if (limit >= UNLIMITED) return 0;
    const turn = Math.max(now, this.#free);
    this.#free = turn + Math.min(this.#windowMs, this.#meter.record(1, limit, turn));
    return this.#free - now;
  }
}
