import { ignored } from "@samsa/base";
import { type QuotaEntity, type QuotaImage, quotaKey } from "@samsa/metadata";
import type { CustomQuotas } from "./custom-quotas.ts";
import type { ClientQuotaKind } from "./quota-callback.ts";

/** Client quotas: bytes per second, or percent of the event loop's time. */
export type QuotaKind = Exclude<ClientQuotaKind, typeof MUTATION_RATE>;
const MUTATION_RATE = "controller_mutation_rate";

/** Client for which a quota is looked up. */
export interface QuotaClient {
  readonly user: string;
  readonly clientId: string;
}

/** Windows over which rates are measured (`quota.window.*`, `controller.quota.window.*`): number and length in ms. */
export interface QuotaWindows {
  readonly count: number;
  readonly ms: number;
}

interface Limit {
  readonly limit: number;
  /** Key of the meter, which all clients of the quota's entity share. */
  readonly meter: string;
}

/** A rate over windows (`Rate` over a `SampledStat`). */
export class Meter {
  readonly #windows: QuotaWindows;
  /** Samples, oldest first. */
  #samples: { start: number; sum: number }[] = [];
  lastUsed = 0;

  constructor(windows: QuotaWindows) {
    this.#windows = windows;
  }

  /** Records `value`; returns the time in ms until the rate is down to `limit`. */
  record(value: number, limit: number, now: number): number {
    const { ms, count } = this.#windows;
    this.lastUsed = now;
    const last = this.#samples.at(-1);
    if (last === undefined || now - last.start >= ms) this.#samples.push({ start: now, sum: value });
    else last.sum += value;
    this.#samples = this.#samples.filter(sample => now - sample.start < ms * count);
    let sum = 0;
    for (const sample of this.#samples) sum += sample.sum;
    const span = this.#span(now);
    const rate = sum / (span / 1000);
    return rate <= limit ? 0 : Math.round(((rate - limit) / limit) * span);
  }

  /** Time over which the samples are averaged, in ms: at least all windows but one. */
  #span(now: number): number {
    const { ms, count } = this.#windows;
    const elapsed = now - (this.#samples[0]?.start ?? now);
    const missing = count - 1 - Math.floor(elapsed / ms);
    return Math.max(elapsed + Math.max(0, missing) * ms, ms);
  }
}

/**
 * Token bucket of partition mutations (`TokenBucket`): refills at the limit, holds at most the tokens of all windows,
 * and one request may overdraw it.
 */
class Bucket {
  readonly #seconds: number;
  #tokens = Infinity;
  lastUsed = 0;

  constructor(windows: QuotaWindows) {
    this.#seconds = (windows.count * windows.ms) / 1000;
  }

  /** Takes `value` tokens; returns the time in ms until the bucket is no longer overdrawn, 0 if it is not. */
  take(value: number, limit: number, now: number): number {
    const grown = this.#tokens + (limit * (now - this.lastUsed)) / 1000;
    this.#tokens = Math.min(limit * this.#seconds, grown) - value;
    this.lastUsed = now;
    return Math.max(0, Math.round((-this.#tokens / limit) * 1000));
  }
}

/** Quota of one request's partition mutations. */
export interface MutationQuota {
  /** Takes a number of partitions; false: they must not be changed now. */
  take(partitions: number): boolean;
  /** Throttle time of the client, in ms. */
  throttleMs(): number;
}

export const NO_MUTATION_QUOTA: MutationQuota = { take: () => true, throttleMs: () => 0 };

/** Idle time after which a meter is removed, in ms. */
const IDLE_MS = 3_600_000;
/** Most meters, and most buckets; above it the oldest are removed. */
const MOST_METERS = 50_000;
/** Most cached lookups of clients; above it the cache is cleared. */
const MOST_ANSWERS = 10_000;

const CONNECTION_RATE = "connection_creation_rate";
const USER = "user";
const CLIENT = "client-id";
const IP = "ip";
/** Pattern of an IP address, which needs no resolution. */
const ADDRESS = /^[0-9.]+$|:/;

function entity(user: string | null | undefined, client: string | null | undefined): QuotaEntity[] {
  const parts: QuotaEntity[] = [];
  if (user !== undefined) parts.push({ entityType: USER, entityName: user });
  if (client !== undefined) parts.push({ entityType: CLIENT, entityName: client });
  return parts;
}

/** Entities that match a client, most specific first (`ClientQuotaManager`); null is the default entity. */
function covering(user: string, client: string): QuotaEntity[][] {
  return [
    entity(user, client),
    entity(user, null),
    entity(user, undefined),
    entity(null, client),
    entity(null, null),
    entity(null, undefined),
    entity(undefined, client),
    entity(undefined, null),
  ];
}

function makeRoom(used: Map<string, unknown>): void {
  const [oldest] = used.keys();
  if (oldest !== undefined && used.size >= MOST_METERS) used.delete(oldest);
}

/** Client quotas (KIP-13, KIP-55, KIP-124): measures usage and computes throttle times. */
export class Quotas {
  readonly #windows: QuotaWindows;
  readonly #meters = new Map<string, Meter>();
  readonly #mutationWindows: QuotaWindows;
  readonly #buckets = new Map<string, Bucket>();
  readonly #answers = new Map<string, Limit | undefined>();
  readonly #resolve: (host: string) => Promise<string>;
  /** Quotas by a callback; undefined without `client.quota.callback.class`. */
  readonly custom: CustomQuotas | undefined;
  #quotas: ReadonlyMap<string, QuotaImage> = new Map();
  #kinds = new Set<string>();
  /** Allowed connections per second, by address. */
  #rates = new Map<string, number>();
  /** Addresses of the host names among the entities, as last resolved. */
  readonly #addresses = new Map<string, string>();

  /** `resolve` returns the address of a host name. */
  constructor(
    windows: QuotaWindows,
    mutationWindows: QuotaWindows,
    resolve: (host: string) => Promise<string>,
    custom?: CustomQuotas,
  ) {
    this.custom = custom;
    this.#windows = windows;
    this.#mutationWindows = mutationWindows;
    this.#resolve = resolve;
  }

  /**
   * Applies the quotas of the metadata. They are in force when this returns, except those of new host names: these are
   * resolved one after the other (`ClientQuotaMetadataManager.handleIpQuota`), and are in force once it resolves.
   * Returns the names without an address.
   */
  async update(quotas: ReadonlyMap<string, QuotaImage>): Promise<readonly string[]> {
    if (quotas === this.#quotas) return [];
    this.#quotas = quotas;
    this.custom?.follow(quotas);
    this.#answers.clear();
    this.#kinds = new Set([...quotas.values()].flatMap(image => [...image.quotas.keys()]));
    if (!this.#kinds.has(CONNECTION_RATE)) {
      this.#rates.clear();
      return [];
    }
    const named = new Map<string, number>();
    const rates = new Map<string, number>();
    for (const { entity: parts, quotas: values } of quotas.values()) {
      const host = parts[0]?.entityType === IP ? parts[0].entityName : null;
      const limit = values.get(CONNECTION_RATE);
      if (host === null || limit === undefined) continue;
      const address = ADDRESS.test(host) ? host : this.#addresses.get(host);
      if (address !== undefined) rates.set(address, limit);
      if (address !== host) named.set(host, limit);
    }
    this.#rates = rates;
    for (const host of this.#addresses.keys()) if (!named.has(host)) this.#addresses.delete(host);
    return this.#lookUp(named, rates);
  }

  /** Adds the rates of host names to `rates`; returns the names without an address. */
  async #lookUp(named: ReadonlyMap<string, number>, rates: Map<string, number>): Promise<readonly string[]> {
    const unknown: string[] = [];
    for (const [host, limit] of named) {
      const address = await this.#resolve(host).catch(ignored("a name without an address is reported"));
      // A later update has replaced `rates`, and resolves the names again.
      if (rates !== this.#rates) break;
      const before = this.#addresses.get(host);
      if (before !== undefined && before !== address) rates.delete(before);
      if (address === undefined) {
        this.#addresses.delete(host);
        unknown.push(host);
        continue;
      }
      this.#addresses.set(host, address);
      rates.set(address, limit);
    }
    return unknown;
  }

  /** Records `value` for a client at monotonic time `now`; returns the throttle time. Both are in ms. */
  record(kind: QuotaKind, client: QuotaClient, value: number, now: number): number {
    // Fast path: most brokers have no quotas, and every request is recorded.
    if (!this.#counts(kind)) return 0;
    const found = this.#limit(kind, client);
    if (found === undefined) return 0;
    const wait = this.#meter(found.meter).record(value, found.limit, now);
    // Time that was used cannot be given back: throttle for one window at most, and measure again.
    return kind === "request_percentage" ? Math.min(wait, this.#windows.ms) : wait;
  }

  /** Records a connection from an address; returns the throttle time in ms (KIP-612). */
  connected(address: string, now: number): number {
    if (!this.#kinds.has(CONNECTION_RATE)) return 0;
    const all = this.#quotas.get(quotaKey([{ entityType: IP, entityName: null }]))?.quotas.get(CONNECTION_RATE);
    const limit = this.#rates.get(address) ?? all;
    return limit === undefined ? 0 : this.#meter(JSON.stringify([CONNECTION_RATE, address])).record(1, limit, now);
  }

  /** Largest value of one response that throttling can still compensate. */
  mostAtOnce(kind: QuotaKind, client: QuotaClient): number {
    if (!this.#counts(kind)) return Infinity;
    const found = this.#limit(kind, client);
    return found === undefined ? Infinity : found.limit * (this.#windows.count - 1) * (this.#windows.ms / 1000);
  }

  /**
   * Quota of partitions that a request may create and delete (`ControllerMutationQuotaManager`). With `strict`, a
   * client above its quota is refused; without, its request is executed and throttled, as its version has no error for
   * that.
   */
  mutations(client: QuotaClient, strict: boolean, now: () => number): MutationQuota {
    if (!this.#counts(MUTATION_RATE)) return NO_MUTATION_QUOTA;
    const found = this.#limit(MUTATION_RATE, client);
    if (found === undefined) return NO_MUTATION_QUOTA;
    let until = 0;
    return {
      take: partitions => {
        const bucket = this.#bucket(found.meter);
        const at = now();
        const due = bucket.take(0, found.limit, at);
        if (strict && due > 0) {
          until = at + due;
          return false;
        }
        const wait = bucket.take(partitions, found.limit, at);
        if (!strict && wait > 0) until = at + wait;
        return true;
      },
      throttleMs: () => Math.max(0, until - now()),
    };
  }

  /** True if a client may have a quota of a kind. */
  #counts(kind: ClientQuotaKind): boolean {
    return this.custom !== undefined || this.#kinds.has(kind);
  }

  #limit(kind: ClientQuotaKind, client: QuotaClient): Limit | undefined {
    const custom = this.custom?.limitOf(kind, client.user, client.clientId);
    if (custom !== undefined) {
      const { limit, meter } = custom;
      return limit === undefined ? undefined : { limit, meter };
    }
    const asked = JSON.stringify([kind, client.user, client.clientId]);
    if (this.#answers.has(asked)) return this.#answers.get(asked);
    const found = this.#find(kind, client);
    if (this.#answers.size >= MOST_ANSWERS) this.#answers.clear();
    this.#answers.set(asked, found);
    return found;
  }

  #find(kind: string, { user, clientId }: QuotaClient): Limit | undefined {
    for (const parts of covering(user, clientId)) {
      const limit = this.#quotas.get(quotaKey(parts))?.quotas.get(kind);
      if (limit === undefined) continue;
      // The default entity applies to each client separately, so each has its own meter.
      const own = parts.map(({ entityType }) => [entityType, entityType === USER ? user : clientId]);
      return { limit, meter: JSON.stringify([kind, own]) };
    }
    return undefined;
  }

  #meter(key: string): Meter {
    let meter = this.#meters.get(key);
    if (meter === undefined) {
      makeRoom(this.#meters);
      meter = new Meter(this.#windows);
      this.#meters.set(key, meter);
    }
    return meter;
  }

  #bucket(key: string): Bucket {
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      makeRoom(this.#buckets);
      bucket = new Bucket(this.#mutationWindows);
      this.#buckets.set(key, bucket);
    }
    return bucket;
  }

  /** Removes idle meters. */
  expire(now: number): void {
    for (const used of [this.#meters, this.#buckets]) {
      for (const [key, { lastUsed }] of used) if (now - lastUsed > IDLE_MS) used.delete(key);
    }
  }
}
