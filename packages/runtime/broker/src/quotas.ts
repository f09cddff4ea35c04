import { type QuotaEntity, type QuotaImage, quotaKey } from "@samsa/metadata";

/** What is limited of a client: bytes a second, or percent of the event loop. */
export type QuotaKind = "producer_byte_rate" | "consumer_byte_rate" | "request_percentage";
const MUTATION_RATE = "controller_mutation_rate";

/** Who a quota is looked up for. */
export interface QuotaClient {
  readonly user: string;
  readonly clientId: string;
}

/** How rates are measured: `quota.window.num` windows of `quota.window.size.seconds`, and their kin of the controller. */
export interface QuotaWindows {
  readonly count: number;
  readonly ms: number;
}

interface Limit {
  readonly limit: number;
  /** Whose meter counts: all clients that the entity covers share it. */
  readonly meter: string;
}

/** A rate over windows (`Rate` over a `SampledStat`). */
class Meter {
  readonly #windows: QuotaWindows;
  /** Oldest first. */
  #samples: { start: number; sum: number }[] = [];
  lastUsed = 0;

  constructor(windows: QuotaWindows) {
    this.#windows = windows;
  }

  /** Adds `value` and gives the time, in ms, to wait until the rate is down to `limit`. */
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

  /** The time over which the sum counts: at least all windows but one. */
  #span(now: number): number {
    const { ms, count } = this.#windows;
    const elapsed = now - (this.#samples[0]?.start ?? now);
    const missing = count - 1 - Math.floor(elapsed / ms);
    return Math.max(elapsed + Math.max(0, missing) * ms, ms);
  }
}

/**
 * What a client may still change (`TokenBucket`): it fills at the limit, up to what comes together in all windows, and
 * one change may take it below nothing.
 */
class Bucket {
  readonly #seconds: number;
  #tokens = Infinity;
  lastUsed = 0;

  constructor(windows: QuotaWindows) {
    this.#seconds = (windows.count * windows.ms) / 1000;
  }

  /** Takes `value`; the time, in ms, until there is something in it again, 0 when there is. */
  take(value: number, limit: number, now: number): number {
    const grown = this.#tokens + (limit * (now - this.lastUsed)) / 1000;
    this.#tokens = Math.min(limit * this.#seconds, grown) - value;
    this.lastUsed = now;
    return Math.max(0, Math.round((-this.#tokens / limit) * 1000));
  }
}

/** What one request may change. */
export interface MutationQuota {
  /** Takes so many partitions; false: they must not be changed now. */
  take(partitions: number): boolean;
  /** For how long to hold the client back, in ms. */
  throttleMs(): number;
}

export const NO_MUTATION_QUOTA: MutationQuota = { take: () => true, throttleMs: () => 0 };

/** Meters that nobody has used for so long are forgotten. */
const IDLE_MS = 3_600_000;
/** Answers that are remembered for clients; they are found again when there are more. */
const MOST_ANSWERS = 10_000;

const CONNECTION_RATE = "connection_creation_rate";
const USER = "user";
const CLIENT = "client-id";
const IP = "ip";
/** An address needs no look-up. */
const ADDRESS = /^[0-9.]+$|:/;

function entity(user: string | null | undefined, client: string | null | undefined): QuotaEntity[] {
  const parts: QuotaEntity[] = [];
  if (user !== undefined) parts.push({ entityType: USER, entityName: user });
  if (client !== undefined) parts.push({ entityType: CLIENT, entityName: client });
  return parts;
}

/** Entities that cover a client, the most specific first (`ClientQuotaManager`); null is the default entity. */
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

/** Client quotas (KIP-13, KIP-55, KIP-124): who has used how much of what, and how long he must wait for that. */
export class Quotas {
  readonly #windows: QuotaWindows;
  readonly #meters = new Map<string, Meter>();
  readonly #mutationWindows: QuotaWindows;
  readonly #buckets = new Map<string, Bucket>();
  readonly #answers = new Map<string, Limit | undefined>();
  readonly #resolve: (host: string) => Promise<string>;
  #quotas: ReadonlyMap<string, QuotaImage> = new Map();
  #kinds = new Set<string>();
  /** Connections a second that are allowed from an address. */
  #rates = new Map<string, number>();
  /** Addresses of the host names among the entities, as they were last looked up. */
  readonly #addresses = new Map<string, string>();

  /** `resolve` gives the address of a host name. */
  constructor(windows: QuotaWindows, mutationWindows: QuotaWindows, resolve: (host: string) => Promise<string>) {
    this.#windows = windows;
    this.#mutationWindows = mutationWindows;
    this.#resolve = resolve;
  }

  /**
   * Takes over the quotas of the metadata. They hold when this returns, except those of host names that are new: these
   * are looked up (`ClientQuotaMetadataManager.handleIpQuota`), one after the other, and hold once it resolves. Gives the
   * names without an address.
   */
  async update(quotas: ReadonlyMap<string, QuotaImage>): Promise<readonly string[]> {
    if (quotas === this.#quotas) return [];
    this.#quotas = quotas;
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

  /** Adds the rates of host names to `rates`; gives the names without an address. */
  async #lookUp(named: ReadonlyMap<string, number>, rates: Map<string, number>): Promise<readonly string[]> {
    const unknown: string[] = [];
    for (const [host, limit] of named) {
      const address = await this.#resolve(host).catch(() => undefined);
      // A later update looks them up again.
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

  /** Counts `value` for a client at `now`, in ms on a clock that does not go back; the ms for which to hold it back. */
  record(kind: QuotaKind, client: QuotaClient, value: number, now: number): number {
    // Most brokers have no quotas, and every request comes by here.
    if (!this.#kinds.has(kind)) return 0;
    const found = this.#limit(kind, client);
    if (found === undefined) return 0;
    const wait = this.#meter(found.meter).record(value, found.limit, now);
    // Time spent cannot be given back: a client is held back for one window at most and measured again.
    return kind === "request_percentage" ? Math.min(wait, this.#windows.ms) : wait;
  }

  /** Counts a connection from an address; the ms for which to hold it back (KIP-612). */
  connected(address: string, now: number): number {
    if (!this.#kinds.has(CONNECTION_RATE)) return 0;
    const all = this.#quotas.get(quotaKey([{ entityType: IP, entityName: null }]))?.quotas.get(CONNECTION_RATE);
    const limit = this.#rates.get(address) ?? all;
    return limit === undefined ? 0 : this.#meter(JSON.stringify([CONNECTION_RATE, address])).record(1, limit, now);
  }

  /** The most that one answer may weigh so that waiting can make up for it. */
  mostAtOnce(kind: QuotaKind, client: QuotaClient): number {
    if (!this.#kinds.has(kind)) return Infinity;
    const found = this.#limit(kind, client);
    return found === undefined ? Infinity : found.limit * (this.#windows.count - 1) * (this.#windows.ms / 1000);
  }

  /**
   * What a request may create and delete (`ControllerMutationQuotaManager`). `strict`: nothing is changed while the
   * client has used up more than he has; a request of a version that cannot say so changes, and waits.
   */
  mutations(client: QuotaClient, strict: boolean, now: () => number): MutationQuota {
    if (!this.#kinds.has(MUTATION_RATE)) return NO_MUTATION_QUOTA;
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

  #limit(kind: QuotaKind | typeof MUTATION_RATE, client: QuotaClient): Limit | undefined {
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
      // A default entity stands for each client by itself, not for all together.
      const own = parts.map(({ entityType }) => [entityType, entityType === USER ? user : clientId]);
      return { limit, meter: JSON.stringify([kind, own]) };
    }
    return undefined;
  }

  #meter(key: string): Meter {
    let meter = this.#meters.get(key);
    if (meter === undefined) {
      meter = new Meter(this.#windows);
      this.#meters.set(key, meter);
    }
    return meter;
  }

  #bucket(key: string): Bucket {
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = new Bucket(this.#mutationWindows);
      this.#buckets.set(key, bucket);
    }
    return bucket;
  }

  /** Forgets meters that are not used. */
  expire(now: number): void {
    for (const used of [this.#meters, this.#buckets]) {
      for (const [key, { lastUsed }] of used) if (now - lastUsed > IDLE_MS) used.delete(key);
    }
  }
}
