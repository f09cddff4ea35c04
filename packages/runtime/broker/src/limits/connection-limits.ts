import { parseOverrides } from "../config/connection-overrides.ts";
import type { ListenerLimit } from "../config/server-configs.ts";
import { Meter, type QuotaWindows } from "../quotas/quotas.ts";

/** Settings of the broker that limit connections. */
interface Limits {
  readonly "max.connections": number;
  readonly "max.connections.per.ip": number;
  readonly "max.connections.per.ip.overrides": string;
  readonly "max.connection.creation.rate": number;
}

/** Listener, as limits on connections see it. */
export interface LimitedListener {
  readonly name: string;
  /** Only its own limits count: the listener between brokers, if there are others. */
  readonly isProtected: boolean;
}

interface ConnectionLimitsOptions {
  /** Called for every connection, because limits change at run time. */
  readonly limits: () => Limits;
  /** Limit of one listener. */
  readonly limitOf: (listener: string, setting: ListenerLimit) => number;
  /** Windows over which rates are measured. */
  readonly windows: QuotaWindows;
}

interface Counted {
  readonly address: string;
  readonly listener: string;
}

const V4_IN_V6 = "::ffff:";
/** Rate without a limit. */
const UNLIMITED = 2147483647;
/** Windows of the quota for which connections above a rate may queue; one that comes later is refused. */
const MOST_WINDOWS = 10;

/** Returns the IPv4 address that a dual-stack socket shows as IPv4-mapped IPv6; other addresses are unchanged. */
export function plainAddress(host: string): string {
  return host.startsWith(V4_IN_V6) ? host.slice(V4_IN_V6.length) : host;
}

/** Changes a count; one of 0 is removed. */
function add(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}

/** Rate of the connections of a listener. */
interface ListenerRate {
  readonly meter: Meter;
  /** Monotonic time at which the next connection may be served. */
  free: number;
}

/**
 * Limits open connections, in total, of each listener and for each address, and the rate of new ones
 * (`SocketServer.ConnectionQuotas`, KIP-402, KIP-612).
 */
export class ConnectionLimits {
  readonly #options: ConnectionLimitsOptions;
  readonly #open = new Map<object, Counted>();
  readonly #ofAddress = new Map<string, number>();
  readonly #ofListener = new Map<string, number>();
  readonly #all: Meter;
  readonly #rates = new Map<string, ListenerRate>();

  constructor(options: ConnectionLimitsOptions) {
    this.#options = options;
    this.#all = new Meter(options.windows);
  }

  /** Counts a connection from `host` until `closed` is called for it; false if it exceeds a limit. */
  opened(connection: object, host: string, { name: listener, isProtected }: LimitedListener): boolean {
    const address = plainAddress(host);
    this.#open.set(connection, { address, listener });
    add(this.#ofAddress, address, 1);
    add(this.#ofListener, listener, 1);
    const ofAddress = this.#ofAddress.get(address) ?? 0;
    const ofListener = this.#ofListener.get(listener) ?? 0;
    const limits = this.#options.limits();
    const own = parseOverrides(limits["max.connections.per.ip.overrides"])?.get(address);
    return (
      ofAddress <= (own ?? limits["max.connections.per.ip"]) &&
      ofListener <= this.#options.limitOf(listener, "max.connections") &&
      (isProtected || this.#open.size <= limits["max.connections"])
    );
  }

  closed(connection: object): void {
    const counted = this.#open.get(connection);
    if (counted === undefined) return;
    this.#open.delete(connection);
    add(this.#ofAddress, counted.address, -1);
    add(this.#ofListener, counted.listener, -1);
  }

  /**
   * Returns the time in ms until a new connection may be served: one above a rate waits until those of its listener before it
   * are served, and for one window at most after them. Returns Infinity if the queue is full, as that of the system is in
   * Kafka, whose acceptor takes no connection while one waits (`ConnectionQuotas.waitForConnectionSlot`).
   */
  delay({ name, isProtected }: LimitedListener, now: number): number {
    const { limits, limitOf, windows } = this.#options;
    const all = isProtected ? UNLIMITED : limits()["max.connection.creation.rate"];
    const own = limitOf(name, "max.connection.creation.rate");
    if (all >= UNLIMITED && own >= UNLIMITED) return 0;
    const rate = this.#rateOf(name);
    const turn = Math.max(now, rate.free);
    if (turn - now >= MOST_WINDOWS * windows.ms) return Infinity;
    const wait = Math.max(
      all < UNLIMITED ? this.#all.record(1, all, turn) : 0,
      own < UNLIMITED ? rate.meter.record(1, own, turn) : 0,
    );
    rate.free = turn + Math.min(windows.ms, wait);
    return rate.free - now;
  }

  #rateOf(listener: string): ListenerRate {
    const known = this.#rates.get(listener) ?? { meter: new Meter(this.#options.windows), free: 0 };
    this.#rates.set(listener, known);
    return known;
  }
}
