import { ConfigError, messageOf } from "@samsa/base";
import type { BrokerConfig } from "../config/configs.ts";

/** Kinds of client quotas, by their names in the metadata, with those in Kafka's interface (`ClientQuotaType`). */
export const QUOTA_TYPES = {
  producer_byte_rate: "PRODUCE",
  consumer_byte_rate: "FETCH",
  request_percentage: "REQUEST",
  controller_mutation_rate: "CONTROLLER_MUTATION",
} as const;

/** Kind of a client quota, as the metadata name it. */
export type ClientQuotaKind = keyof typeof QUOTA_TYPES;
/** Kind of a client quota, as a callback hears it. */
export type ClientQuotaType = (typeof QUOTA_TYPES)[ClientQuotaKind];

/** Part of an entity of quotas in the metadata (`ClientQuotaEntity.ConfigEntity`); the name of a default is "". */
export interface ConfigEntity {
  readonly type: "USER" | "CLIENT_ID" | "DEFAULT_USER" | "DEFAULT_CLIENT_ID";
  readonly name: string;
}

/** Cluster as `updateClusterMetadata` gets it. */
export interface QuotaCluster {
  readonly clusterId: string;
  readonly nodes: readonly { readonly id: number; readonly rack: string | null }[];
  /** Partitions by topic; a leader of -1 is none. */
  readonly topics: Readonly<
    Record<
      string,
      readonly { readonly partition: number; readonly leader: number; readonly replicas: readonly number[] }[]
    >
  >;
}

/** Call of a callback. */
export type QuotaCall =
  /** `quotaMetricTags`, then `quotaLimit` with those tags; the value is an object with both. */
  | { readonly call: "limit"; readonly type: ClientQuotaType; readonly user: string; readonly clientId: string }
  /** `updateQuota`, or `removeQuota` if the value is null. */
  | {
      readonly call: "quota";
      readonly type: ClientQuotaType;
      readonly entity: readonly ConfigEntity[];
      readonly value: number | null;
    }
  /** `updateClusterMetadata`; the value is true if quotas have changed. */
  | { readonly call: "cluster"; readonly cluster: QuotaCluster }
  /** `quotaResetRequired` of each type; the value is a list of the types for which it is true. */
  | { readonly call: "reset"; readonly types: readonly ClientQuotaType[] };

/** Answer to a call: what it has returned, which may be anything, or why it has not. */
export type QuotaAnswer = { readonly value: unknown } | { readonly fault: string };

/**
 * Class of an operator that decides on client quotas (`ClientQuotaCallback`), as the app has loaded it. Nothing that it
 * does may block the event loop.
 */
export interface LoadedQuotaCallback {
  /** True if it has `updateClusterMetadata`. */
  readonly wantsCluster: boolean;
  /**
   * Carries out calls, one after the other; resolves with an answer to each. Rejects if there is none in time: the next
   * calls go to a new instance, which has not heard of any quota.
   */
  call(calls: readonly QuotaCall[]): Promise<readonly QuotaAnswer[]>;
  /** Ends it; open calls are rejected. */
  close(): Promise<void>;
}

/**
 * Loads the callback that `client.quota.callback.class` names; `configs` are all settings of the node. Rejects with an error
 * whose message says why it cannot be loaded.
 */
export type QuotaCallbackLoader = (
  name: string,
  configs: Readonly<Record<string, string>>,
) => Promise<LoadedQuotaCallback>;

/** Loads the quota callback that settings name; undefined: they name none. Rejects with `ConfigError`. */
export async function loadQuotaCallback(
  config: BrokerConfig,
  given: ReadonlyMap<string, string>,
  loader: QuotaCallbackLoader | undefined,
): Promise<LoadedQuotaCallback | undefined> {
  const setting = "client.quota.callback.class";
  const name = config[setting]?.trim() ?? "";
  if (name === "") return undefined;
  if (loader === undefined) throw ConfigError.worded(setting, `this program cannot load a quota callback (${setting})`);
  try {
    return await loader(name, Object.fromEntries(given));
  } catch (error) {
    const why = messageOf(error);
    throw ConfigError.worded(setting, `${setting}: ${why}`);
  }
}
