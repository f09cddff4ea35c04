import { DEFAULT_SHARE_FETCH_OPTIONS, KafkaError, retryBackoff, type ShareFetchOptions } from "@samsa/client-kernel";
import { checkChoice, checkWhole } from "../cluster/checks.ts";
import type { ClusterClient } from "../cluster/cluster-client.ts";

/** Way in which records are acknowledged (`share.acknowledgement.mode`). */
export type AcknowledgementMode =
  /** A record is accepted when the next one is asked for, unless the application has acknowledged it itself. */
  | "implicit"
  /** The application acknowledges each record. One that it leaves out comes again when its lock is over. */
  | "explicit";

/** Settings of a `ShareFetchOptions` that the client of the cluster, the host or the consumer decides. */
type Shared = "memberId" | "tools" | "retryBackoffMs" | "retryBackoffMaxMs";

/** Settings of a share consumer. Sizes are in bytes, times in ms; defaults are `DEFAULT_SHARE_FETCH_OPTIONS`. */
export interface ShareConsumerSettings extends Omit<ShareFetchOptions, Shared> {
  /** `share.acknowledgement.mode`; "implicit" by default. `run` acknowledges by itself in both. */
  readonly acknowledgement: AcknowledgementMode;
  /** `client.rack`; empty, by default: none. */
  readonly rackId: string;
}

/** Settings that differ from the defaults, and the group. */
export type ShareConsumerOptions = Partial<ShareConsumerSettings> & Pick<ShareConsumerSettings, "groupId">;

const POSITIVE = ["maxBytes", "maxPollRecords", "maxUnacknowledged"] as const;
const NOT_NEGATIVE = ["minBytes", "maxWaitMs"] as const;

/** Settings with defaults for those left out. Throws a `KafkaError` for one that cannot be. */
export function shareConsumerSettings(options: ShareConsumerOptions): ShareConsumerSettings {
  const settings: ShareConsumerSettings = {
    ...DEFAULT_SHARE_FETCH_OPTIONS,
    ...{ acknowledgement: "implicit", rackId: "" },
    ...options,
  };
  if (settings.groupId === "") throw new KafkaError("INVALID_ARGUMENT", "the group id is empty");
  for (const name of POSITIVE) checkWhole(name, settings[name], 1);
  for (const name of NOT_NEGATIVE) checkWhole(name, settings[name], 0);
  checkChoice("acknowledgement", settings.acknowledgement, ["implicit", "explicit"]);
  checkChoice("acquireMode", settings.acquireMode, ["batch_optimized", "record_limit"]);
  return settings;
}

/** Options of the kernel for a member. */
export function shareFetchOptions(
  settings: ShareConsumerSettings,
  memberId: string,
  client: ClusterClient,
): ShareFetchOptions {
  const { retryBackoffMs, retryBackoffMaxMs } = client.settings;
  const { codecs, crypto } = client.env;
  return {
    ...settings,
    ...{ memberId, retryBackoffMs, retryBackoffMaxMs, tools: { crc32c: crypto.crc32c, codecs } },
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
