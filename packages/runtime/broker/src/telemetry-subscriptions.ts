import { type Crc32c, parseConfig, utf8, type Uuid, uuidToBytes, viewOf } from "@samsa/base";
import { type ConfigImage, RESOURCE_TYPE } from "@samsa/metadata";
import { clientMetricsConfigs, parseMatch } from "./client-metrics-configs.ts";

/** What a subscription may ask of a client, by the names of `ClientMetricsConfigs`. */
export type ClientAttributes = Readonly<Record<string, string>>;

/** A CLIENT_METRICS resource: which metrics are wanted of which clients. */
export interface Subscription {
  readonly metrics: readonly string[];
  readonly intervalMs: number;
  /** Attributes that must fit, all of them; of an attribute named twice the last pattern counts. */
  readonly match: ReadonlyMap<string, RegExp>;
}

/** All subscriptions that fit one client, put together. */
export interface Subscribed {
  readonly id: number;
  /** Prefixes of names; `*` alone: all. */
  readonly metrics: readonly string[];
  readonly pushIntervalMs: number;
}

const ALL = "*";
/** Of a client that no subscription fits. */
const DEFAULT_INTERVAL_MS = 300_000;

/** Undefined when `config` is not a subscription. Throws `ConfigError` for one that cannot be. */
export function parseSubscription(config: ConfigImage): Subscription | undefined {
  if (config.type !== RESOURCE_TYPE.clientMetrics || config.values.size === 0) return undefined;
  const values = parseConfig(clientMetricsConfigs, name => config.values.get(name));
  const match = new Map<string, RegExp>();
  for (const text of values.match) {
    const found = parseMatch(text);
    // Only a log that Kafka wrote can have one; without it the subscription would be everybody's.
    if (found === undefined) return { metrics: [], intervalMs: DEFAULT_INTERVAL_MS, match: NOBODY };
    match.set(...found);
  }
  return { metrics: values.metrics, intervalMs: values["interval.ms"], match };
}

const NOBODY: Subscription["match"] = new Map([["", /(?!)/]]);

function fits({ match }: Subscription, attributes: ClientAttributes): boolean {
  return [...match].every(([name, pattern]) => Object.hasOwn(attributes, name) && pattern.test(attributes[name]));
}

function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}

/**
 * `words` in the order in which Java's HashSet gives them: the subscription id is made of it, and a client may take the
 * id that one broker gave it to another.
 */
function hashSetOrder(words: ReadonlySet<string>): string[] {
  let buckets = 16;
  while (words.size > buckets * 0.75) buckets *= 2;
  const bucketOf = (word: string): number => {
    const hash = javaHash(word);
    return (hash ^ (hash >>> 16)) & (buckets - 1);
  };
  return [...words].sort((a, b) => bucketOf(a) - bucketOf(b));
}

/** `Uuid.hashCode`. */
function uuidHash(id: Uuid): number {
  const view = viewOf(uuidToBytes(id));
  return view.getInt32(0) ^ view.getInt32(4) ^ view.getInt32(8) ^ view.getInt32(12);
}

/** What a client is to push (`ClientMetricsManager.createClientInstance`). */
export function subscribed(
  id: Uuid,
  attributes: ClientAttributes,
  subscriptions: Iterable<Subscription>,
  crc32c: Crc32c,
): Subscribed {
  const wanted = new Set<string>();
  let pushIntervalMs = DEFAULT_INTERVAL_MS;
  for (const subscription of subscriptions) {
    if (!fits(subscription, attributes)) continue;
    for (const metric of hashSetOrder(new Set(subscription.metrics))) wanted.add(metric);
    pushIntervalMs = Math.min(pushIntervalMs, subscription.intervalMs);
  }
  const metrics = wanted.has(ALL) ? [ALL] : hashSetOrder(wanted);
  const bytes = utf8(`[${metrics.join(", ")}]${pushIntervalMs}`);
  return { id: crc32c(bytes, 0, bytes.length) ^ uuidHash(id), metrics, pushIntervalMs };
}
