import {
  DEFAULT_SHARE_FETCH_OPTIONS,
  KafkaError,
  retryBackoff,
  type ShareAcquireMode,
  type ShareFetchOptions,
} from "@samsa/client-kernel";
import type { ClusterClient } from "../cluster/cluster-client.ts";

/** Way in which records are acknowledged (`share.acknowledgement.mode`). */
export type AcknowledgementMode =
  /** A record is accepted when the next one is asked for, unless the application has acknowledged it itself. */
  | "implicit"
  /** The application acknowledges each record. One that it leaves out comes again when its lock is over. */
  | "explicit";

/** Settings of a share consumer. Sizes are in bytes, times in ms; defaults are Kafka's. */
export interface ShareConsumerSettings {
  /** `group.id`. */
  readonly groupId: string;
  /** `share.acknowledgement.mode`; "implicit" by default. `run` acknowledges by itself in both. */
  readonly acknowledgement: AcknowledgementMode;
  /** `share.acquire.mode`; "batch_optimized" by default. */
  readonly acquireMode: ShareAcquireMode;
  /** `max.poll.records`: records that are asked for at a time; 500 by default. */
  readonly maxPollRecords: number;
  /** Records without an acknowledgement from which on no more are fetched; 10,000 by default. */
  readonly maxUnacknowledged: number;
  /** `fetch.min.bytes`; 1 by default. */
  readonly minBytes: number;
  /** `fetch.max.bytes`; 50 MiB by default. */
  readonly maxBytes: number;
  /** `fetch.max.wait.ms`; 500 by default. An acknowledgement may wait behind a fetch for so long. */
  readonly maxWaitMs: number;
  /** `check.crcs`; true by default. */
  readonly checkCrcs: boolean;
  /** `client.rack`; empty: none. */
  readonly rackId: string;
}

/** Settings that differ from the defaults, and the group. */
export type ShareConsumerOptions = Partial<ShareConsumerSettings> & Pick<ShareConsumerSettings, "groupId">;

const WHOLE = { minBytes: 0, maxBytes: 1, maxWaitMs: 0, maxPollRecords: 1, maxUnacknowledged: 1 } as const;
const CHOICES = {
  acknowledgement: ["implicit", "explicit"],
  acquireMode: ["batch_optimized", "record_limit"],
} as const;

/** Settings with defaults for those left out. Throws a `KafkaError` for one that cannot be. */
export function shareConsumerSettings(options: ShareConsumerOptions): ShareConsumerSettings {
  const { minBytes, maxBytes, maxWaitMs, maxPollRecords, maxUnacknowledged, acquireMode, checkCrcs } =
    DEFAULT_SHARE_FETCH_OPTIONS;
  const settings: ShareConsumerSettings = {
    ...{ acknowledgement: "implicit", acquireMode, maxPollRecords, maxUnacknowledged },
    ...{ minBytes, maxBytes, maxWaitMs, checkCrcs, rackId: "" },
    ...options,
  };
  if (settings.groupId === "") throw new KafkaError("INVALID_ARGUMENT", "the group id is empty");
  for (const [name, least] of Object.entries(WHOLE)) {
    const value = settings[name as keyof typeof WHOLE];
    if (Number.isInteger(value) && value >= least) continue;
    throw new KafkaError("INVALID_ARGUMENT", `${name} is ${value}, but it is a whole number from ${least} on`);
  }
  for (const [name, choices] of Object.entries(CHOICES)) {
    const value = settings[name as keyof typeof CHOICES];
    if (choices.some(choice => choice === value)) continue;
    throw new KafkaError("INVALID_ARGUMENT", `${name} is "${value}", but it is one of ${choices.join(", ")}`);
  }
  return settings;
}

/** Options of the kernel for a member. */
export function shareFetchOptions(
  { groupId, minBytes, maxBytes, maxWaitMs, maxPollRecords, ...settings }: ShareConsumerSettings,
  memberId: string,
  client: ClusterClient,
): ShareFetchOptions {
  const { acquireMode, maxUnacknowledged, checkCrcs } = settings;
  const { retryBackoffMs, retryBackoffMaxMs } = client.settings;
  const { codecs, crypto } = client.env;
  return {
    ...{ groupId, memberId, minBytes, maxBytes, maxWaitMs, maxPollRecords, acquireMode, maxUnacknowledged, checkCrcs },
    ...{ retryBackoffMs, retryBackoffMaxMs, tools: { crc32c: crypto.crc32c, codecs } },
  };
}

/** Longest time in ms for which a rebalance step may take; steps of share groups do not wait for handlers. */
const STEP_MS = 300_000;

/** Settings of the member. */
export function shareMemberSettings({ groupId, rackId }: ShareConsumerSettings, client: ClusterClient) {
  return {
    ...{ groupId, instanceId: null, rack: rackId === "" ? null : rackId, rebalanceTimeoutMs: STEP_MS },
    ...{ commitsBeforeRevoke: false, progressTimeoutMs: undefined, backoff: retryBackoff(client.settings) },
  };
}
