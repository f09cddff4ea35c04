import type { BackoffOptions } from "@samsa/base";

/** Settings of the delay between attempts, in ms. */
export interface RetrySettings {
  /** `retry.backoff.ms`. */
  readonly retryBackoffMs: number;
  /** `retry.backoff.max.ms`. */
  readonly retryBackoffMaxMs: number;
}

/** Delay between attempts, with the jitter of Kafka's clients (`CommonClientConfigs.RETRY_BACKOFF_JITTER`). */
export function retryBackoff({ retryBackoffMs, retryBackoffMaxMs }: RetrySettings): BackoffOptions {
  return { initialMs: retryBackoffMs, maxMs: retryBackoffMaxMs, jitter: 0.2 };
}
