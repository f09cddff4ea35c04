import { type Crc32c, parseConfig, utf8, type Uuid, uuidToBytes, viewOf } from "@samsa/base";
import { type ConfigImage, RESOURCE_TYPE } from "@samsa/metadata";
import { clientMetricsConfigs, parseMatch } from "../config/client-metrics-configs.ts";

/** Attributes of a client that subscriptions match, by the names of `ClientMetricsConfigs`. */
export type ClientAttributes = Readonly<Record<string, string>>;

/** A CLIENT_METRICS resource: the requested metrics, and the clients that it applies to. */
export interface Subscription {
  readonly metrics: readonly string[];
  readonly intervalMs: number;
  /** Patterns by attribute, which must all match; the last pattern of an attribute counts. */
  readonly match: ReadonlyMap<string, RegExp>;
}

/** Union of all subscriptions that match a client. */
export interface Subscribed {
  readonly id: number;
  /** Prefixes of metric names; `*` alone selects all. */
  readonly metrics: readonly string[];
  readonly pushIntervalMs: number;
}

const ALL = "*";
/** Push interval of a client that no subscription matches. */
const DEFAULT_INTERVAL_MS = 300_000;

/** Parses a subscription; undefined if `config` is none. Throws `ConfigError` if a setting is invalid. */
export function parseSubscription(config: ConfigImage): Subscription | undefined {
  if (config.type !== RESOURCE_TYPE.clientMetrics || config.values.size === 0) return undefined;
  const values = parseConfig(clientMetricsConfigs, name => config.values.get(name));
  const match = new Map<string, RegExp>();
  for (const text of values.match) {
    const found = parseMatch(text);
    // An invalid match can only be in a log that Kafka wrote. Match no client: without the match it would apply to all.
    if (found === undefined) return { metrics: [], intervalMs: DEFAULT_INTERVAL_MS, match: NOBODY };
    match.set(...found);
  }
  return { metrics: values.metrics, intervalMs: values["interval.ms"], match };
}

const NOBODY: Subscription["match"] = new Map([["", /(?!)/]]);

function fits({ match }: Subscription, attributes: ClientAttributes): boolean {
  return [...match].every(([name, pattern]) => {
    const value = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
    return value !== undefined && pattern.test(value);
  });
}

function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}

/**
 * Sorts `words` in the iteration order of Java's HashSet: the subscription id is computed from it, and a client may
 * take its id from one broker to another.
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

/** Hash code of a `Uuid` as Java computes it. */
function uuidHash(id: Uuid): number {
  const view = viewOf(uuidToBytes(id));
  return view.getInt32(0) ^ view.getInt32(4) ^ view.getInt32(8) ^ view.getInt32(12);
}

/** Metrics that a client should push, and how often (`ClientMetricsManager.createClientInstance`). */
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
