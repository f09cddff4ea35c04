import {
  DEFAULT_FETCH_OPTIONS,
  type FetchOptions,
  KafkaError,
  type OffsetReset,
  parseOffsetReset,
} from "@samsa/client-kernel";
import { checkWhole } from "../cluster/checks.ts";
import type { ClusterClient } from "../cluster/cluster-client.ts";

/** Settings of a `FetchOptions` that the client of the cluster or the host decides. */
type Shared =
  | "tools"
  | "metadataMaxAgeMs"
  | "requestTimeoutMs"
  | "retryBackoffMs"
  | "retryBackoffMaxMs"
  /** The source of committed offsets decides. */
  | "hasGroup";

/** Settings of a consumer. Sizes are in bytes, times in ms; defaults are Kafka's. */
export interface ConsumerSettings extends Omit<FetchOptions, Shared> {
  /** `max.poll.records`: most records of a batch. */
  readonly maxPollRecords: number;
}

/** Settings of a consumer that differ from the defaults. `reset` may also be a text, as `auto.offset.reset` has it. */
export interface ConsumerOptions extends Partial<Omit<ConsumerSettings, "reset">> {
  readonly reset?: OffsetReset | `by_duration:${string}`;
}

/** Kafka's default of `max.poll.records`. */
const MAX_POLL_RECORDS = 500;

const POSITIVE = ["maxBytes", "maxPartitionBytes", "queueBytes", "maxPollRecords"] as const;
const NOT_NEGATIVE = ["minBytes", "maxWaitMs", "totalQueueBytes"] as const;

/** Settings with defaults for those left out. Throws a `KafkaError` for one that cannot be. */
export function consumerSettings({ reset: given = DEFAULT_FETCH_OPTIONS.reset, ...others }: ConsumerOptions) {
  const reset = typeof given === "string" ? parseOffsetReset(given) : given;
  const settings: ConsumerSettings = {
    ...DEFAULT_FETCH_OPTIONS,
    maxPollRecords: MAX_POLL_RECORDS,
    ...others,
    reset,
  };
  for (const name of POSITIVE) checkWhole(name, settings[name], 1);
  for (const name of NOT_NEGATIVE) checkWhole(name, settings[name], 0);
  if (typeof reset === "object" && !(reset.byDurationMs >= 0)) {
    throw new KafkaError("INVALID_ARGUMENT", `reset.byDurationMs is ${reset.byDurationMs}, but it is not negative`);
  }
  return settings;
}

/** Options of the kernel. */
export function fetchOptions(settings: ConsumerSettings, client: ClusterClient, hasGroup: boolean): FetchOptions {
  const { maxAgeMs, requestTimeoutMs, retryBackoffMs, retryBackoffMaxMs } = client.settings;
  const { codecs, crypto } = client.env;
  return {
    ...settings,
    ...{ metadataMaxAgeMs: maxAgeMs, requestTimeoutMs, retryBackoffMs, retryBackoffMaxMs, hasGroup },
    tools: { crc32c: crypto.crc32c, codecs },
  };
}
